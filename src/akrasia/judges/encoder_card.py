"""The card of the encoder's head: its sources, how it does on held-out data, what it is bad at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from akrasia.core import Judgement
from akrasia.judges.encoder import Encoder
from akrasia.judges.encoder_head import CATEGORIES
from akrasia.judges.training_rows import Rows, Sentence
from akrasia.stats import Agreement, Figure, class_agreement, mean_interval
from akrasia.values import OBJECTIVITY, Taxonomy, taxonomy


class Share(Struct, frozen=True):
    """How the labelled values of one polarity are read.

    Attributes:
        labels: how many there are.
        found: share that is read with this polarity.
        turned: share that is read with the other.
        right_way: of those that are read as present, the share with this polarity.
    """

    labels: int
    found: Figure
    turned: Figure
    right_way: Figure | None


class Card(Struct, frozen=True):
    """A model card in numbers. F1 is of "upheld"; macro-F1 is the plain mean over categories.

    Attributes:
        model, base, licence: what this is and what it was made from.
        data: sources with their licences.
        thresholds: how they were chosen.
        valueeval_macro_f1: on ValueEval's validation split, 20 categories.
        valueeval_f1: by category.
        sentences_macro_f1: on our held-out sentences, over Schwartz's 10 basic values.
        sentences_f1: by basic value.
        sentences_macro_f1_refined: likewise over the 19 refined values and objectivity.
        neutral_present: share of held-out neutral sentences in which anything is present.
        upholds, betrays: how the labels of each polarity are read.
        bad_at: what not to trust it with.
    """

    model: str
    base: str
    licence: str
    data: tuple[str, ...]
    thresholds: str
    valueeval_macro_f1: Figure | None
    valueeval_f1: dict[str, float | None]
    sentences_macro_f1: Figure | None
    sentences_f1: dict[str, float | None]
    sentences_macro_f1_refined: Figure | None
    neutral_present: Figure
    upholds: Share
    betrays: Share
    bad_at: tuple[str, ...]


_VALUEEVAL = (
    "Touché23-ValueEval, training split (Mirzakhmedova et al., LREC-COLING 2024; Kiesel et al., ACL 2022), Webis, "
    "CC BY 4.0"
)
_SENTENCES = "Akrasia's labelled sentences (data/sentences.jsonl), written and labelled by language models, Apache-2.0"
_THRESHOLDS = (
    "Grouped cross-validation on the fifth of the training groups (conclusions, families) that the encoder never saw; "
    "validation and held-out rows set none."
)
_BAD_AT = (
    "Polarity: betrayals in plain, friendly or ironic words are often missed or read as upholding, and the reverse.",
    "What only the situation tells: it reads up to three sentences at a time, without the scenario or the talk before.",
    "Languages other than English; quoted speech; whose value it is that a sentence speaks of.",
    "Neighbours: caring from dependability, power over people from following rules, face from security.",
    "Real talk: our sentences, the held-out ones too, were written and labelled by language models. Calibrate it.",
    "Long texts: every further passage is one more chance to find a value that is not there.",
)


def measure(folder: Path | None, heldout: Sequence[Sentence], validation: Rows, *, seed: int = 0) -> Card:
    """Read the held-out data as the judge reads, once, and write down how it went.

    Args:
        folder: of the head; None: the shipped one.
        heldout: our sentences of the part "heldout".
        validation: ValueEval's validation split.
        seed: of the resamples behind the intervals.
    """
    judge = Encoder(folder)
    refined = Taxonomy("categories", (*taxonomy("schwartz-19").values, OBJECTIVITY))
    basic = taxonomy("schwartz-10")
    argued, _ = _compare(judge.judge_texts(validation.texts, refined), validation.upholds, validation.groups, seed)
    said = judge.judge_texts([one.text for one in heldout], refined)
    families = [one.family for one in heldout]
    truth = np.array([[float(value in one.upholds) for value in CATEGORIES] for one in heldout])
    against = np.array([[float(value in one.betrays) for value in CATEGORIES] for one in heldout])
    fine, signs = _compare(said, truth, families, seed)
    coarse, _ = _compare(judge.judge_texts([one.text for one in heldout], basic), _basic(truth, basic), families, seed)
    neutral = (truth + against).sum(axis=1) == 0
    return Card(
        "akrasia encoder 1",
        "sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0), the mean of two fine-tunings, int8 ONNX",
        "Apache-2.0",
        (_VALUEEVAL, _SENTENCES),
        _THRESHOLDS,
        argued.macro_f1,
        _by_value(argued, CATEGORIES),
        coarse.macro_f1,
        _by_value(coarse, basic.ids),
        fine.macro_f1,
        mean_interval((signs[neutral] != 0).any(axis=1).astype(float), clusters=np.array(families)[neutral]),
        _share(signs, truth, 1),
        _share(signs, against, -1),
        _BAD_AT,
    )


def _compare(
    judgements: Sequence[Judgement], truth: NDArray[np.float64], groups: Sequence[str], seed: int
) -> tuple[Agreement, NDArray[np.int8]]:
    """Agreement of "upheld" with the truth, and the (N, V) signs that were read."""
    signs = np.array([
        [{"upholds": 1, "betrays": -1, None: 0}[reading.polarity] for reading in one.readings.values()]
        for one in judgements
    ], dtype=np.int8)  # fmt: skip
    rng = np.random.default_rng(seed)
    return class_agreement((signs > 0).astype(float), truth, rng, clusters=np.array(groups)), signs


def _basic(refined: NDArray[np.float64], basic: Taxonomy) -> NDArray[np.float64]:
    values = taxonomy("schwartz-19").values
    return np.stack(
        [
            refined[:, [row for row, value in enumerate(values) if value.broader[basic.name] == one]].max(axis=1)
            for one in basic.ids
        ],
        axis=1,
    )


def _by_value(found: Agreement, values: Sequence[str]) -> dict[str, float | None]:
    return {
        value: None if one.f1 is None else round(one.f1.value, 4)
        for value, one in zip(values, found.classes, strict=True)
    }


def _share(signs: NDArray[np.int8], truth: NDArray[np.float64], sign: int) -> Share:
    read = signs[truth == 1]
    present = read[read != 0]
    return Share(
        len(read),
        mean_interval((read == sign).astype(float)),
        mean_interval((read == -sign).astype(float)),
        mean_interval((present == sign).astype(float)) if len(present) else None,
    )
