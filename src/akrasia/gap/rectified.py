"""Means of products of stages per value, rectified by gold, with bootstrap copies that carry the gold along.

Which figures are made of them is left to `correct`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct

from akrasia.core.errors import Undefined
from akrasia.stats.bootstrap import Resampler
from akrasia.stats.grouping import FloatArray, Grouping, group
from akrasia.stats.rectify import rectify


class Means(Struct, frozen=True):
    """Rectified means of products over the cells where every stage is known; row 0 is the estimate, others are copies.

    Attributes:
        weight: (1 + B, V) share of scenarios in which the cell is known.
        of: product → (1 + B, V) rectified mean, not clipped.
        tuning: product → λ, one for all values.
        scenarios: scenarios with gold of every stage in some cell.
        units: families among them.
        wrong: those scenarios in which the judge erred somewhere.
    """

    weight: FloatArray
    of: Mapping[str, FloatArray]
    tuning: Mapping[str, float]
    scenarios: int
    units: int
    wrong: int

    def pooled(self, product: str) -> FloatArray:
        """(1 + B,) mean over all known cells."""
        total = np.where(self.weight > 0, self.of[product] * self.weight, 0.0).sum(axis=1)
        return np.asarray(total / self.weight.sum(axis=1), dtype=np.float64)


def rectified_means(
    said: Sequence[FloatArray],
    truth: Sequence[FloatArray],
    products: Mapping[str, tuple[int, ...]],
    resampler: Resampler,
    *,
    inclusion: FloatArray | None = None,
) -> Means:
    """Rectify the mean of every product of stages.

    Args:
        said: stages as judged, (S, V) of 0, 1 or NaN.
        truth: the same stages by people, NaN where there is no gold.
        products: name → which stages it multiplies.
        resampler: over the S scenarios.
        inclusion: (S,) probability of being drawn for gold; None: all equal.

    Raises:
        Undefined: fewer than 3 scenarios with gold of every stage, or a value without any.
        InputError: an inclusion probability outside (0, 1].
    """
    known = ~np.any([np.isnan(stage) for stage in said], axis=0)
    gold = known & ~np.any([np.isnan(stage) for stage in truth], axis=0)
    labelled = gold.any(axis=1)
    if labelled.sum() < 3:
        raise Undefined(f"{labelled.sum()} scenarios have gold of every stage that it joins: label at least 3")
    bare = int((known.any(axis=0) & ~gold.any(axis=0)).sum())
    if bare:
        raise Undefined(
            f"{bare} of {gold.shape[1]} values have no gold of every stage that it joins: label every value"
        )
    chance = np.ones(len(gold)) if inclusion is None else inclusion
    mass = np.where(gold, 1 / np.where(chance > 0, chance, 1.0)[:, None], 0.0)
    grouping = resampler.grouping
    weight, mass_mean = _averages(known.astype(np.float64), resampler), _averages(mass, resampler)
    found, tuning = {}, {}
    for name, stages in products.items():
        cheap = np.where(known, np.prod([np.nan_to_num(said[stage]) for stage in stages], axis=0), 0.0)
        actual = np.where(gold, np.prod([np.nan_to_num(truth[stage]) for stage in stages], axis=0), 0.0)
        factor = _tuning(cheap, np.where(gold, actual, np.nan), known, grouping, chance)
        rest = _averages(mass * (actual - factor * cheap), resampler)
        with np.errstate(divide="ignore", invalid="ignore"):
            found[name] = factor * _averages(cheap, resampler) / weight + rest / mass_mean
        tuning[name] = factor
    wrong = np.any([gold & (one != two) for one, two in zip(said, truth, strict=True)], axis=0).any(axis=1)
    codes = np.arange(len(gold)) if grouping.codes is None else grouping.codes
    return Means(weight, found, tuning, int(labelled.sum()), len(np.unique(codes[labelled])), int(wrong.sum()))


def _averages(cells: FloatArray, resampler: Resampler) -> FloatArray:
    """(1 + B, V) means over scenarios of (S, V) cells: as they are, then resampled."""
    whole = [resampler.grouping.mean(column) for column in cells.T]
    return np.concatenate([[whole], resampler.means(cells)])


def _tuning(
    cheap: FloatArray, truth: FloatArray, known: np.ndarray, grouping: Grouping, inclusion: FloatArray
) -> float:
    """λ of least variance over all cells: single values have too little gold for one of their own."""
    rows = np.nonzero(known)[0]
    codes = rows if grouping.codes is None else grouping.codes[rows]
    cells = group(len(rows), codes)
    return rectify(cheap[known], truth[known], cells, inclusion=inclusion[rows]).tuning
