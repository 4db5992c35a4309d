"""A judge's verdicts against human labels. Pure: judgements and gold in, figures out.

A label of 1 says that the text expresses the value and upholds it; a judge says so where its reading is `upheld`.
Asking the judge is left to `reading`, and what its errors are worth elsewhere to `calibration`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from akrasia.core import Judgement, Undefined
from akrasia.judges.label_rows import GoldTexts
from akrasia.stats import Agreement, Bounds, Diagnostic, Figure, class_agreement, krippendorff_figure
from akrasia.stats.agreement import without_interval

FEW_LABELS = 10
"""Fewer true labels than this say little about a value."""


class CategoryRecord(Struct, frozen=True):
    """One value.

    Attributes:
        f1, precision, recall, alpha: see `akrasia.stats.ClassAgreement`; None where undefined.
        support: texts that were read and truly uphold it.
        rows: texts with a label that were read.
        unread: texts with a label of which there is no reading.
    """

    f1: Figure | None
    precision: Figure | None
    recall: Figure | None
    alpha: Figure | None
    support: int
    rows: int
    unread: int


class Evaluation(Struct, frozen=True):
    """How well one judge, or a panel, agrees with gold.

    Attributes:
        judge: its name.
        taxonomy: the values that it was asked for.
        texts: texts with labels.
        missing: those of which it could read nothing.
        unread: labels without a reading, those of missing texts included.
        macro_f1: the plain mean of the categories' F1.
        missing_bounds: where macro-F1 would lie were all unread labels wrong, or right; None where there are none.
        alpha: the plain mean of the categories' α.
        categories: by value id, in the taxonomy's order.
        calibrated: whether a calibration of this judge was given.
        level: nominal coverage of the intervals.
        diagnostics: what to know before believing the figures.
        members: of a panel: macro-F1 of each judge alone.
        agreement: of a panel: Krippendorff's α between its judges, over all values, the mean of the values' own.
    """

    judge: str
    taxonomy: str
    texts: int
    missing: int
    unread: int
    macro_f1: Figure | None
    missing_bounds: Bounds | None
    alpha: Figure | None
    categories: dict[str, CategoryRecord]
    calibrated: bool
    level: float
    diagnostics: list[Diagnostic]
    members: dict[str, Figure | None] | None = None
    agreement: Figure | None = None


def upheld(judgements: Sequence[Judgement], values: Sequence[str]) -> NDArray[np.float64]:
    """(R, V): 1 where the judge reads the value as upheld, 0 where not, NaN where it has no reading."""
    table = np.full((len(judgements), len(values)), np.nan)
    for row, judgement in enumerate(judgements):
        for column, value in enumerate(values):
            reading = judgement.readings.get(value)
            if reading is not None:
                table[row, column] = reading.upheld
    return table


def evaluate(
    judge: str,
    judgements: Sequence[Judgement],
    gold: GoldTexts,
    *,
    calibrated: bool = False,
    level: float = 0.95,
    seed: int = 0,
) -> Evaluation:
    """Compare judgements with gold.

    Args:
        judge: the name to report.
        judgements: R of them, in the order of the rows.
        gold: the labels.
        calibrated: see `Evaluation`.
        level: nominal coverage.
        seed: of the resamples.
    """
    columns = gold.labelled
    ids = [gold.taxonomy.ids[column] for column in columns]
    truth, labels = gold.truth[:, columns], upheld(judgements, ids)
    found = _compare(labels, truth, gold, level, seed)
    unread = ~np.isnan(truth) & np.isnan(labels)
    missing = sum(judgement.missing is not None for judgement in judgements)
    bounds = None
    if unread.any():
        filled = [_compare(np.where(unread, fill, labels), truth, gold, level, seed) for fill in (1 - truth, truth)]
        worst, best = (one.macro_f1.value if one.macro_f1 else 0.0 for one in filled)
        bounds = Bounds(worst, best)
    categories = {
        value: CategoryRecord(
            one.f1, one.precision, one.recall, one.alpha, one.support, one.rows, int(unread[:, column].sum())
        )
        for column, (value, one) in enumerate(zip(ids, found.classes, strict=True))
    }
    return Evaluation(
        judge,
        gold.taxonomy.name,
        len(gold.rows),
        missing,
        int(unread.sum()),
        found.macro_f1,
        bounds,
        found.alpha,
        categories,
        calibrated,
        level,
        _diagnostics(judgements, categories, found),
    )


def evaluate_panel(
    whole: Evaluation,
    members: Mapping[str, Sequence[Judgement]],
    gold: GoldTexts,
    *,
    seed: int = 0,
) -> Evaluation:
    """The evaluation of a panel with what its members do alone, and how far they agree."""
    values = list(whole.categories)
    tables = [upheld(judgements, values) for judgements in members.values()]
    columns = [gold.taxonomy.ids.index(value) for value in values]
    alone = {
        name: _compare(table, gold.truth[:, columns], gold, whole.level, seed).macro_f1
        for name, table in zip(members, tables, strict=True)
    }
    return msgspec.structs.replace(whole, members=alone, agreement=agreement_between(tables, gold, whole.level, seed))


def agreement_between(
    tables: Sequence[NDArray[np.float64]], gold: GoldTexts, level: float = 0.95, seed: int = 0
) -> Figure | None:
    """Krippendorff's α between judges: the plain mean over the values where it is defined; None where it nowhere is.

    Args:
        tables: (R, V) per judge, from `upheld`.
        gold: says which rows belong together.
        level: nominal coverage of each value's interval; the ends are averaged like the values, which is too wide
            rather than too short.
        seed: of the resamples.
    """
    figures = []
    for column in range(tables[0].shape[1]):
        ratings = np.stack([table[:, column] for table in tables])
        try:
            rng = np.random.default_rng(seed)
            figures.append(krippendorff_figure(ratings, rng, clusters=gold.clusters, level=level))
        except Undefined:
            continue
    if not figures:
        return None
    low, high = ([end for figure in figures if (end := getattr(figure, name)) is not None] for name in ("low", "high"))
    whole = len(low) == len(figures)
    return Figure(
        float(np.mean([figure.value for figure in figures])),
        float(np.mean(low)) if whole else None,
        float(np.mean(high)) if whole else None,
        level,
        "mean of the values' intervals",
        figures[0].n,
    )


def _compare(
    labels: NDArray[np.float64], truth: NDArray[np.float64], gold: GoldTexts, level: float, seed: int
) -> Agreement:
    return class_agreement(labels, truth, np.random.default_rng(seed), clusters=gold.clusters, level=level)


def _diagnostics(
    judgements: Sequence[Judgement], categories: Mapping[str, CategoryRecord], found: Agreement
) -> list[Diagnostic]:
    notes = []
    reasons = [judgement.missing for judgement in judgements if judgement.missing is not None]
    if reasons:
        common = max(dict.fromkeys(reasons), key=reasons.count)
        message = f"{len(reasons)} of {len(judgements)} texts could not be read; most often: {common}"
        notes.append(Diagnostic("missing", message, "error" if 2 * len(reasons) > len(judgements) else "warning"))
    unread = [reason for judgement in judgements for reason in judgement.unread.values()]
    if unread:
        message = f"{len(unread)} values were not read in texts that were; for instance: {unread[0]}"
        notes.append(Diagnostic("unread", message, "warning"))
    if found.macro_f1 is None:
        notes.append(Diagnostic("undefined", "neither the judge nor the labels find any value: no F1", "error"))
    undefined = [value for value, record in categories.items() if record.f1 is None]
    if undefined and found.macro_f1 is not None:
        message = f"no F1, and not in the mean, where neither side finds the value: {', '.join(undefined)}"
        notes.append(Diagnostic("no-f1", message, "warning"))
    few = [value for value, record in categories.items() if record.support < FEW_LABELS and record.f1 is not None]
    if few:
        message = f"fewer than {FEW_LABELS} texts uphold these values, so their figures say little: {', '.join(few)}"
        notes.append(Diagnostic("few-labels", message, "info"))
    alone = without_interval(found.alpha, "judge with gold")
    return notes if alone is None else [*notes, alone]
