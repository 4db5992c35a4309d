"""The gap if the judge erred at rates within given ranges: what to show where no gold of this run is at hand.

This is no interval. Error rates that were measured on other data feed this band and nothing else; gold of this run
goes to `correct`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from msgspec import Struct

from akrasia.core.errors import InputError
from akrasia.core.judgement import PRESENT
from akrasia.gap.cells import bits, read_stages
from akrasia.gap.figures import MIN_SUPPORT
from akrasia.gap.records import Stages
from akrasia.stats.grouping import BoolArray, FloatArray


class Band(Struct, frozen=True):
    """One figure over a range of assumptions, not an interval.

    Attributes:
        naive: the figure that takes the judge at its word.
        low: least over the range.
        high: most over the range.
    """

    naive: float
    low: float
    high: float


class SensitivityBand(Struct, frozen=True):
    """The figures of one arm over ranges of the judge's error rates; None where a figure has no value.

    Attributes:
        macro_f1, retention, survival, suppression, emergence: as for `Corrected`.
        false_present: range of the share of absent values that the judge reports.
        false_absent: range of the share of present values that it misses.
        impossible: share of the range that the labels exclude: so many false reports would already exceed all reports.
            The bands cover the rest.
        kind: says of every surface what this is.
    """

    macro_f1: Band | None
    retention: Band | None
    survival: Band | None
    suppression: Band | None
    emergence: Band | None
    false_present: tuple[float, float]
    false_absent: tuple[float, float]
    impossible: float
    kind: str = "sensitivity band, not an interval"


def sensitivity_band(
    judged: Stages,
    *,
    false_present: tuple[float, float] = (0.0, 0.05),
    false_absent: tuple[float, float] = (0.0, 0.2),
    threshold: float = PRESENT,
    supported: Sequence[int] | None = None,
    steps: int = 5,
) -> SensitivityBand:
    """Undo assumed error rates, and see how far the figures move.

    With errors that are independent between texts and alike for all values and stages, (label − p) / (1 − p − q) has
    the true label as its mean, and products of different texts' labels have the products of their means. (Rogan and
    Gladen 1978.)

    Args:
        judged: the arm as judged.
        false_present: range of p, per text and value that is not expressed.
        false_absent: range of q, per text and value that is expressed.
        threshold: a value is present from this grade on.
        supported: the columns in macro-F1; None: those with support in this arm.
        steps: grid points per range.

    Raises:
        InputError: a range outside [0, 1), rates of a judge no better than chance, shapes that differ.
    """
    for ends in (false_present, false_absent):
        if not 0 <= ends[0] <= ends[1] < 1:
            raise InputError(f"error rates lie in [0, 1), low first: got {ends}")
    if false_present[1] + false_absent[1] >= 1:
        raise InputError("a judge whose error rates add up to 1 or more tells nothing: narrow the ranges")
    read = read_stages(judged)
    stages = [bits(stage, threshold) for stage in (read.stated, read.reasoning, read.action) if stage is not None]
    present = ((stages[0] == 1) | (stages[-1] == 1)).sum(axis=0)
    columns = np.flatnonzero(present >= MIN_SUPPORT).tolist() if supported is None else list(supported)
    grid = list(product(np.linspace(*false_present, steps), np.linspace(*false_absent, steps)))
    naive = _figures(stages, columns, 0.0, 0.0)
    found = [figures for p, q in grid if (figures := _figures(stages, columns, p, q)) is not None]
    return SensitivityBand(
        macro_f1=_band("macro_f1", naive, found),
        retention=_band("retention", naive, found),
        survival=_band("survival", naive, found),
        suppression=_band("suppression", naive, found),
        emergence=_band("emergence", naive, found),
        false_present=false_present,
        false_absent=false_absent,
        impossible=1 - len(found) / len(grid),
    )


def _band(name: str, naive: dict[str, float] | None, found: list[dict[str, float]]) -> Band | None:
    values = [figures[name] for figures in found if not np.isnan(figures[name])]
    if naive is None or np.isnan(naive[name]) or not values:
        return None
    return Band(naive[name], min(values), max(values))


def _figures(stages: list[FloatArray], columns: list[int], p: float, q: float) -> dict[str, float] | None:
    """The figures if the judge erred at these rates; None where so many errors contradict the labels."""
    labels = [(stage - p) / (1 - p - q) for stage in stages]
    stated, action = labels[0], labels[-1]
    pair = ~(np.isnan(stated) | np.isnan(action))
    path = ~np.any([np.isnan(label) for label in labels], axis=0)

    def total(cells: BoolArray, *parts: FloatArray) -> float:
        return float(np.prod([part[cells] for part in parts], axis=0).sum())

    a, d, both = total(pair, stated), total(pair, action), total(pair, stated, action)
    if a < 0 or d < 0:
        return None
    found = {"retention": _share(both, a), "emergence": 1 - _share(both, d)}
    found["survival"], found["suppression"] = found["retention"], 1 - found["retention"]
    if len(labels) == 3:
        kept = total(path, *labels)
        reasoned = total(path, stated, labels[1])
        if reasoned < 0:
            return None
        found["survival"] = _share(kept, total(path, stated))
        found["suppression"] = 1 - _share(kept, reasoned)
    return {**found, "macro_f1": _macro_f1(stated, action, pair, columns)}


def _share(part: float, whole: float) -> float:
    return min(1.0, max(0.0, part / whole)) if whole > 0 else np.nan


def _macro_f1(stated: FloatArray, action: FloatArray, known: BoolArray, columns: list[int]) -> float:
    """Mean F1 over the columns that are still present at these rates."""
    sums = [np.where(known, cells, 0.0).sum(axis=0)[columns] for cells in (stated, action, stated * action)]
    a, d = np.maximum(sums[0], 0.0), np.maximum(sums[1], 0.0)
    both = np.clip(sums[2], 0.0, np.minimum(a, d))
    there = a + d > 0
    return float((2 * both[there] / (a + d)[there]).mean()) if there.any() else np.nan
