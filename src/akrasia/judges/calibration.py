"""What a judge's errors are, measured on gold, in a file that other commands read.

Error rates measured here belong to these texts: for texts of another kind they give a sensitivity band, no correction
(design section 6). Correcting a run needs gold of that run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from akrasia.core import Fingerprint, InputError, Judgement
from akrasia.core.decoding import Undecodable, decode_json
from akrasia.judges.base import Judge, judge_identity
from akrasia.judges.evaluate import evaluate, upheld
from akrasia.judges.label_rows import GoldTexts
from akrasia.models import model_identity
from akrasia.stats import Diagnostic, Figure, mean_interval

_Table = NDArray[np.float64]


class ValueErrors(Struct, frozen=True):
    """How a judge errs on one value, or on all together.

    Attributes:
        false_present: share of the texts that do not uphold it in which the judge says so; None without such texts.
        false_absent: share of those that uphold it in which the judge does not say so; None without such texts.
        negatives, positives: how many of either were read.
        alpha: Krippendorff's α with gold; over all values, their mean.
    """

    false_present: Figure | None
    false_absent: Figure | None
    negatives: int
    positives: int
    alpha: Figure | None


class Flips(Struct, frozen=True):
    """How often two readings that should be the same are not.

    Attributes:
        pairs: values of texts that were read both times.
        rate: share of them in which the verdict (upheld or not) flips.
        present_rate: the same among those that either reading finds upheld; None where neither finds any.
    """

    pairs: int
    rate: Figure
    present_rate: Figure | None


class SelfPreference(Struct, frozen=True):
    """Whether a judge finds values more readily in texts of its own model.

    Attributes:
        own, others: `false_present` over all values in texts of its own model, and of other authors.
        difference: own − others.
        own_texts, other_texts: how many.
    """

    own: Figure
    others: Figure
    difference: Figure
    own_texts: int
    other_texts: int


class Calibration(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A judge's errors on gold.

    Attributes:
        format: version of this record.
        judge: its name, without an address.
        model: the model that answers it, without an address; None where it asks nobody.
        fingerprint: what its verdicts depend on besides the model.
        taxonomy: the values that it was asked for.
        gold: name of the file of labels.
        gold_hash: of its content.
        texts, missing: as in `Evaluation`.
        level: nominal coverage of the intervals.
        macro_f1: the plain mean over values.
        overall: over all values together.
        values: by value id.
        order_flip: the text read again, the values shown in another order; None for a judge that always says the same.
        paraphrase_flip: the text in other words; None where the gold has no paraphrases.
        self_preference: None where the gold does not name authors of both kinds.
        diagnostics: what to know before believing the figures.
    """

    format: Literal[1] = 1
    judge: str
    model: str | None
    fingerprint: Fingerprint
    taxonomy: str
    gold: str
    gold_hash: str
    texts: int
    missing: int
    level: float
    macro_f1: Figure | None
    overall: ValueErrors
    values: dict[str, ValueErrors]
    order_flip: Flips | None
    paraphrase_flip: Flips | None
    self_preference: SelfPreference | None
    diagnostics: list[Diagnostic]

    def fits(self, judge: Judge) -> bool:
        """Whether it was made with this judge, wherever its model answers."""
        model = None if judge.model is None else model_identity(judge.model)
        return (self.model, self.fingerprint) == (model, judge.fingerprint)


def calibrate(
    judge: Judge, repeats: Sequence[Sequence[Judgement]], gold: GoldTexts, *, level: float = 0.95, seed: int = 0
) -> Calibration:
    """Measure a judge's errors.

    Args:
        judge: who read.
        repeats: one list of R judgements per repeat; two where repeats can differ.
        gold: the labels.
        level: nominal coverage.
        seed: of the resamples.
    """
    found = evaluate(judge.name, repeats[0], gold, level=level, seed=seed)
    ids = list(found.categories)
    truth = gold.truth[:, [gold.taxonomy.ids.index(value) for value in ids]]
    labels = upheld(repeats[0], ids)
    clusters = np.asarray(gold.clusters)
    values = {
        value: _errors(labels[:, [column]], truth[:, [column]], clusters, found.categories[value].alpha, level)
        for column, value in enumerate(ids)
    }
    order_flip = _flips(labels, upheld(repeats[1], ids), clusters, level) if len(repeats) > 1 else None
    own, others = _authors(judge, gold)
    return Calibration(
        judge=judge_identity(judge),
        model=None if judge.model is None else model_identity(judge.model),
        fingerprint=judge.fingerprint,
        taxonomy=gold.taxonomy.name,
        gold=gold.path.name,
        gold_hash=blake2b(gold.path.read_bytes(), digest_size=16).hexdigest(),
        texts=found.texts,
        missing=found.missing,
        level=level,
        macro_f1=found.macro_f1,
        overall=_errors(labels, truth, clusters, found.alpha, level),
        values=values,
        order_flip=order_flip,
        paraphrase_flip=_paraphrase_flips(labels, gold, clusters, level),
        self_preference=_self_preference(labels, truth, (own, others), clusters, level),
        diagnostics=[*found.diagnostics, *_notes(gold, own, others)],
    )


def write_calibration(calibration: Calibration, path: Path) -> None:
    """Write it as JSON.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(calibration), indent=2) + b"\n")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from None


def read_calibration(path: Path) -> Calibration:
    """Read what `akrasia judge calibrate` wrote.

    Raises:
        InputError: it cannot be read, or is something else.
    """
    try:
        return decode_json(path.read_bytes(), Calibration)
    except OSError as error:
        raise InputError(f"cannot read the calibration {path}: {error.strerror}") from None
    except Undecodable as error:
        raise error.at(f"{path} is no calibration", "make one with `akrasia judge calibrate`") from None


def _errors(
    labels: _Table, truth: _Table, clusters: NDArray[np.str_], alpha: Figure | None, level: float
) -> ValueErrors:
    read = ~(np.isnan(labels) | np.isnan(truth))
    negative, positive = read & (truth == 0), read & (truth == 1)
    return ValueErrors(
        _share(labels == 1, negative, clusters, level),
        _share(labels == 0, positive, clusters, level),
        int(negative.sum()),
        int(positive.sum()),
        alpha,
    )


def _share(
    true: NDArray[np.bool_], among: NDArray[np.bool_], clusters: NDArray[np.str_], level: float
) -> Figure | None:
    """The share of (R, V) cells that are true among some of them, clustered by row."""
    if not among.any():
        return None
    labels = np.broadcast_to(clusters[:, None], among.shape)[among]
    return mean_interval(true[among].astype(np.float64), clusters=labels, level=level)


def _flips(first: _Table, second: _Table, clusters: NDArray[np.str_], level: float) -> Flips | None:
    both = ~(np.isnan(first) | np.isnan(second))
    rate = _share(first != second, both, clusters, level)
    if rate is None:
        return None
    either = both & ((first == 1) | (second == 1))
    return Flips(int(both.sum()), rate, _share(first != second, either, clusters, level))


def _paraphrase_flips(labels: _Table, gold: GoldTexts, clusters: NDArray[np.str_], level: float) -> Flips | None:
    row_of = {str(row.id): number for number, row in enumerate(gold.rows)}
    pairs = [
        (row_of[str(row.paraphrase_of)], number)
        for number, row in enumerate(gold.rows)
        if row.paraphrase_of is not None
    ]
    if not pairs:
        return None
    originals, others = ([pair[place] for pair in pairs] for place in (0, 1))
    return _flips(labels[originals], labels[others], clusters[originals], level)


def _authors(judge: Judge, gold: GoldTexts) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which rows the judge's own model wrote, and which others did; a row without an author is neither."""
    names: set[str] = set()
    if judge.model is not None:
        identity = model_identity(judge.model)
        names = {judge.model.casefold(), identity.casefold(), identity.partition(":")[2].casefold()}
    own = [row.author is not None and row.author.casefold() in names for row in gold.rows]
    others = [row.author is not None and row.author.casefold() not in names for row in gold.rows]
    return np.asarray(own), np.asarray(others)


def _self_preference(
    labels: _Table,
    truth: _Table,
    authors: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    clusters: NDArray[np.str_],
    level: float,
) -> SelfPreference | None:
    own, others = authors
    negative = ~np.isnan(labels) & (truth == 0)
    first, second = (_share(labels == 1, negative & rows[:, None], clusters, level) for rows in authors)
    if first is None or second is None:
        return None
    return SelfPreference(first, second, _difference(first, second), int(own.sum()), int(others.sum()))


def _difference(first: Figure, second: Figure) -> Figure:
    """The difference of two shares of different texts, from their intervals (R. Newcombe, 1998, method 10)."""
    value = first.value - second.value
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return Figure(value, None, None, first.level, "one cluster")
    low = value - math.hypot(first.value - first.low, second.high - second.value)
    high = value + math.hypot(first.high - first.value, second.value - second.low)
    return Figure(value, low, high, first.level, "newcombe")


def _notes(gold: GoldTexts, own: NDArray[np.bool_], others: NDArray[np.bool_]) -> list[Diagnostic]:
    notes = []
    if all(row.paraphrase_of is None for row in gold.rows):
        message = 'no paraphrase flips: give rows "paraphrase_of": the id of the text that they say in other words'
        notes.append(Diagnostic("no-paraphrases", message, "info"))
    if not (own.any() and others.any()):
        message = 'no self-preference check: give rows "author", the judge\'s own model in some of them'
        notes.append(Diagnostic("no-authors", message, "info"))
    return notes
