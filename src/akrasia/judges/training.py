"""Training the encoder's head: fit, tune, measure, and write the head and the card that says how good it is.

The encoder itself is not trained here (`benchmarks/encoder/finetune.py` does that, with torch). It has seen four fifths
of the training groups, and reads those better than it reads anything new. Thresholds are therefore tuned on the fifth
that it never saw, by cross-validation over groups. The held-out sentences and ValueEval's validation split are read
for the card alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from akrasia.core import InputError
from akrasia.judges.embedder import Embedder
from akrasia.judges.encoder import CARD_FILE, SHIPPED
from akrasia.judges.encoder_card import Card, measure
from akrasia.judges.encoder_head import HEAD_FILE, Floats, Head, Threshold, save_head
from akrasia.judges.logistic import fit_layer, platt_slope
from akrasia.judges.sentences import split_passages
from akrasia.judges.training_rows import SENTENCES, Rows, read_sentences, sentence_rows, unseen, valueeval_rows

FOLDS = 5
NEUTRAL_SHARE = 0.05
"""Share of the neutral tuning sentences in which something may be present; the promise is 0.10 on new ones."""

_RIDGE = {"anything": 1.0, "present": 1.0, "polarity": 0.3, "common": 0.1, "argument": 1.0, "register": 1.0}
_RESAMPLES = 40


class Vectors(Struct, frozen=True):
    """What the encoder makes of some rows.

    Attributes:
        rows: the texts and labels.
        whole: (N, D) vectors of whole texts, to fit on.
        passages: (P, D) vectors of their passages, to read as the judge reads.
        owner: (P,) the row of each passage, ascending; every row has one.
    """

    rows: Rows
    whole: NDArray[np.float32]
    passages: NDArray[np.float32]
    owner: NDArray[np.intp]

    def among(self, chosen: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
        """Passages of the chosen rows, and their owners numbered among the chosen."""
        mask = chosen[self.owner]
        return self.passages[mask], (np.cumsum(chosen) - 1)[self.owner[mask]]


class TrainingReport(Struct, frozen=True):
    """What was trained and how good it is.

    Attributes:
        out: the folder that now holds the head and its card.
        arguments, speech: rows that were trained on.
        tuned_on: rows among them that the encoder had never seen, on which thresholds were tuned.
        card: the figures on held-out data.
    """

    out: str
    arguments: int
    speech: int
    tuned_on: int
    card: Card


def train(valueeval: Path, sentences: Path | None, out: Path, *, seed: int = 0) -> TrainingReport:
    """Fit, tune and measure the head, and write it with its card into a folder that ``encoder:DIR`` reads.

    With the shipped sentences and seed 0 this makes the shipped head. Takes some minutes on one core.

    Args:
        valueeval: folder of the Touché23-ValueEval files (training, and validation for the card).
        sentences: a file of labelled sentences in the form of the shipped ones; None: those.
        out: where to write; created if need be.
        seed: of the folds and resamples.

    Raises:
        InputError: a file cannot be read or is not what it should be, or `out` cannot be written.
    """
    labelled = read_sentences(sentences or SENTENCES)
    parts = [
        valueeval_rows(valueeval, "training"),
        sentence_rows(labelled, "train"),
        valueeval_rows(valueeval, "validation"),
        sentence_rows(labelled, "heldout"),
    ]
    for rows, name in zip(parts, ("training", "train", "validation", "heldout"), strict=True):
        if not len(rows):
            raise InputError(f"there are no {name} rows: the head cannot be trained or measured without them")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out} cannot be made: {error.strerror}") from None
    embedder = Embedder(SHIPPED)
    arguments, speech = (read_vectors(embedder, rows) for rows in parts[:2])
    tuning = tune(arguments, speech, seed)
    head = fit_head(arguments, speech, _all(arguments), _all(speech), tuning)
    save_head(head, out / HEAD_FILE)
    card = measure(out, [one for one in labelled if one.part == "heldout"], parts[2])
    (out / CARD_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n")
    tuned_on = sum(unseen(one) for rows in parts[:2] for one in rows.groups)
    return TrainingReport(str(out), len(parts[0]), len(parts[1]), tuned_on, card)


def read_vectors(embedder: Embedder, rows: Rows) -> Vectors:
    """Embed whole texts and their passages, each different string once."""
    pieces = [split_passages(text) or (text,) for text in rows.texts]
    strings = list(dict.fromkeys([*rows.texts, *(piece for one in pieces for piece in one)]))
    place = {string: at for at, string in enumerate(strings)}
    vectors = embedder.embed(strings)
    owner = np.repeat(np.arange(len(pieces)), [len(one) for one in pieces])
    flat = [place[piece] for one in pieces for piece in one]
    return Vectors(rows, vectors[[place[text] for text in rows.texts]], vectors[flat], owner)


class Tuning(Struct, frozen=True):
    """The thresholds that cross-validation found."""

    expresses: Threshold
    upholds: Threshold
    betrays: Threshold
    appeals: Threshold


def fit_head(
    arguments: Vectors,
    speech: Vectors,
    from_arguments: NDArray[np.bool_],
    from_speech: NDArray[np.bool_],
    tuning: Tuning | None = None,
) -> Head:
    """A head from the chosen rows; without `tuning` its thresholds are at 0."""
    upholds, betrays = speech.rows.upholds[from_speech], speech.rows.betrays[from_speech]
    said, argued = speech.whole[from_speech], arguments.whole[from_arguments]
    expressed = np.maximum(upholds, betrays)
    one_way = np.where((expressed > 0) & (upholds != betrays), upholds, np.nan)
    neutral = expressed.sum(axis=1) == 0
    # ValueEval has no text without a value; neutral speech shows what one looks like.
    either = np.concatenate([argued, said[neutral]])
    appeals = np.concatenate([arguments.rows.upholds[from_arguments], expressed[neutral]])
    is_argument = np.concatenate([np.ones(len(argued)), np.zeros(len(said))])[:, None]
    none = Threshold(1.0, np.zeros(upholds.shape[1]))
    return Head(
        fit_layer(said, (~neutral[:, None]).astype(float), ridge=_RIDGE["anything"]),
        fit_layer(said, expressed, ridge=_RIDGE["present"]),
        fit_layer(said, one_way, ridge=_RIDGE["polarity"], shared=_RIDGE["common"]),
        fit_layer(either, appeals, ridge=_RIDGE["argument"]),
        fit_layer(np.concatenate([argued, said]), is_argument, ridge=_RIDGE["register"]),
        tuning.expresses if tuning else none,
        tuning.upholds if tuning else none,
        tuning.betrays if tuning else none,
        tuning.appeals if tuning else none,
    )


def tune(arguments: Vectors, speech: Vectors, seed: int) -> Tuning:
    """Thresholds by cross-validation over the groups that the encoder never saw.

    Arguments have a threshold per category; speech, with some ten tuning sentences per value, has one for all values.
    """
    upholds, betrays, anything, appeals = unseen_logits(arguments, speech, seed)
    said, argued = _unseen(speech), _unseen(arguments)
    labels, against = speech.rows.upholds[said], speech.rows.betrays[said]
    groups = [group for group, chosen in zip(speech.rows.groups, said, strict=True) if chosen]
    neutral = (labels + against).sum(axis=1) == 0
    loud = float(np.quantile(anything[neutral], 1 - NEUTRAL_SHARE))
    spoken = np.where(anything > loud, 0.0, -np.inf)
    rng = np.random.default_rng(seed)
    up, down = (
        _common_threshold(np.maximum(logits + spoken, logits.min()), truth, groups, rng)
        for logits, truth in ((upholds, labels), (betrays, against))
    )
    topics = [group for group, chosen in zip(arguments.rows.groups, argued, strict=True) if chosen]
    wanted = arguments.rows.upholds[argued]
    at = np.array([
        _common_threshold(appeals[:, [row]], wanted[:, [row]], topics, rng) for row in range(wanted.shape[1])
    ])  # fmt: skip
    return Tuning(
        Threshold(platt_slope(anything, (~neutral[:, None]).astype(float)), np.full(1, loud)),
        Threshold(platt_slope(upholds, labels), np.full(labels.shape[1], up)),
        Threshold(platt_slope(betrays, against), np.full(labels.shape[1], down)),
        Threshold(platt_slope(appeals, wanted), at),
    )


def unseen_logits(arguments: Vectors, speech: Vectors, seed: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Out-of-fold logits of the unseen rows, each text by its most telling passage.

    Returns:
        (S, 20) upholds and betrays and (S, 1) anything of the unseen speech, (A, 20) appeals of the unseen arguments.
    """
    said, argued = _unseen(speech), _unseen(arguments)
    upholds, betrays = (np.zeros((int(said.sum()), speech.rows.upholds.shape[1])) for _ in range(2))
    anything = np.zeros((len(upholds), 1))
    appeals = np.zeros((int(argued.sum()), upholds.shape[1]))
    for fold in range(FOLDS):
        out_said = said & (_folds(speech.rows.groups, seed) == fold)
        out_argued = argued & (_folds(arguments.rows.groups, seed) == fold)
        head = fit_head(arguments, speech, ~out_argued, ~out_said)
        vectors, owner = speech.among(out_said)
        for held, logits in zip((upholds, betrays, anything), head.speech_logits(vectors), strict=True):
            held[out_said[said]] = _most(logits, owner)
        vectors, owner = arguments.among(out_argued)
        appeals[out_argued[argued]] = _most(head.argument.logits(vectors), owner)
    return upholds, betrays, anything, appeals


def _all(vectors: Vectors) -> NDArray[np.bool_]:
    return np.ones(len(vectors.rows), dtype=np.bool_)


def _unseen(vectors: Vectors) -> NDArray[np.bool_]:
    return np.array([unseen(group) for group in vectors.rows.groups])


def _folds(groups: Sequence[str], seed: int) -> NDArray[np.intp]:
    return np.array([
        int.from_bytes(blake2b(f"{seed} {group}".encode(), digest_size=8).digest(), "big") % FOLDS for group in groups
    ])  # fmt: skip


def _most(logits: Floats, owner: NDArray[np.intp]) -> Floats:
    found: Floats = np.maximum.reduceat(logits, np.flatnonzero(np.diff(owner, prepend=-1)), axis=0)
    return found


def _common_threshold(logits: Floats, labels: Floats, groups: Sequence[str], rng: np.random.Generator) -> float:
    """The threshold with the best plain mean of F1 over the columns, averaged over resamples of the groups.

    A single best cut follows the accidents of a few rows; the mean over resamples follows them less.
    """
    codes = np.unique(np.asarray(groups), return_inverse=True)[1]
    grid = np.quantile(logits, np.linspace(0.3, 0.999, 200))
    above = logits[None] >= grid[:, None, None]
    best = []
    for _ in range(_RESAMPLES):
        times = np.bincount(rng.integers(0, codes.max() + 1, codes.max() + 1), minlength=codes.max() + 1)[codes]
        weights = times[:, None] * np.ones_like(labels)
        hits = (above * (weights * labels)).sum(axis=1)
        marked = (above * weights).sum(axis=1) + (weights * labels).sum(axis=0)
        f1 = np.divide(2 * hits, marked, out=np.zeros_like(hits), where=marked > 0)
        best.append(grid[int(np.argmax(f1.mean(axis=1)))])
    return float(np.mean(best))
