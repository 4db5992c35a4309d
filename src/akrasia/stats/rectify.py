"""Means corrected by gold: the difference estimator with tuned λ (prediction-powered inference).

A cheap measurement f is known for every item, the truth y for a random sample of them. The estimate
λ mean(f) + mean over gold (y − λ f) is unbiased for the mean of y whatever the errors of f are; the tuned λ, the
regression coefficient of y on f, makes its variance the least (Angelopoulos et al. 2023, PPI++).
"""

from __future__ import annotations

import math

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from akrasia.core.errors import InputError, Undefined
from akrasia.stats.figure import Figure
from akrasia.stats.grouping import FloatArray, Grouping, group
from akrasia.stats.intervals import BOUNDARY, FEW, NEAR, Spread, bounded_interval, check_level, t_quantile


class Rectified(Struct, frozen=True):
    """A corrected mean.

    Attributes:
        value: the corrected mean, not clipped.
        tuning: λ in [0, 1]: 0 uses the gold alone, 1 trusts the cheap measurement fully.
        influence: (M,) each item's contribution to the error; its cluster sums give the variance.
        floor: least variance to believe, where the gold shows too few errors to tell how many there are.
        gold_items: items with gold.
        gold_units: clusters with gold.
        equal_units: as many of equal weight as they are worth, at least 1; None: all weigh the same.
    """

    value: float
    tuning: float
    influence: FloatArray
    floor: float
    gold_items: int
    gold_units: int
    equal_units: int | None = None

    def minus(self, other: Rectified) -> Rectified:
        """The difference of two corrected means over the same items, with its influence."""
        floor = max(self.floor, other.floor)
        return Rectified(
            self.value - other.value,
            self.tuning,
            self.influence - other.influence,
            floor,
            min(self.gold_items, other.gold_items),
            min(self.gold_units, other.gold_units),
            self.equal_units,
        )

    def variance(self, grouping: Grouping) -> float:
        """The cluster-robust variance of the corrected mean."""
        return max(_variance(self.influence, grouping), self.floor)

    def figure(self, grouping: Grouping, *, level: float = 0.95, bounded: bool = True) -> Figure:
        """The corrected mean with its cluster-robust interval, in [0, 1] when `bounded`."""
        variance = self.variance(grouping)
        degrees = max(1, self.gold_units - 2)
        if bounded:
            value = min(1.0, max(0.0, self.value))
            near = min(value, 1 - value) < BOUNDARY
            # The mean of gold alone, over so many units in [0, 1], varies at most as that of as many yes-or-no answers:
            # a variance above it, as the floor is close to an end, would give an interval that knows less than that.
            units = self.gold_units if self.equal_units is None else self.equal_units
            most = value * (1 - value) / units
            found = bounded_interval(value, Spread(variance, degrees, units, near, variance > most), level)
            return Figure(value, found.low, found.high, level, "difference estimator", self.gold_items)
        half = t_quantile(level, degrees) * math.sqrt(variance)
        low, high = self.value - half, self.value + half
        return Figure(self.value, low, high, level, "difference estimator", self.gold_items)


def rectify(
    cheap: FloatArray,
    truth: FloatArray,
    grouping: Grouping,
    *,
    inclusion: FloatArray | None = None,
    tuning: float | None = None,
) -> Rectified:
    """Correct the mean of a cheap measurement by the truth on a random sample of items.

    Args:
        cheap: (M,) known for every item, in [0, 1].
        truth: (M,) in [0, 1], NaN for items without gold.
        grouping: clusters and weights of the M items.
        inclusion: (M,) probability with which each item was drawn for gold; None: all equal.
        tuning: λ; None: the one of least variance, in [0, 1].

    Raises:
        Undefined: fewer than 3 items with gold.
        InputError: an inclusion probability outside (0, 1].
    """
    gold = ~np.isnan(truth)
    drawn = int(gold.sum())
    if drawn < 3:
        raise Undefined(f"{drawn} items with gold cannot correct anything: label at least 3, better 100")
    share = np.full(len(cheap), drawn / len(cheap)) if inclusion is None else inclusion
    if np.any(~((share > 0) & (share <= 1))):
        raise InputError("inclusion probabilities lie in (0, 1]: an item that could not be drawn cannot be spoken for")
    weights = np.ones(len(cheap)) if grouping.weights is None else grouping.weights
    mass = np.where(gold, weights / share, 0.0)
    actual = np.where(gold, truth, 0.0)
    factor = _least_variance(cheap, actual, mass) if tuning is None else tuning
    base = float(cheap @ weights / weights.sum())
    rest = actual - factor * cheap
    shift = float(rest @ mass / mass.sum())
    size = len(cheap)
    influence = factor * (cheap - base) * weights * size / weights.sum()
    influence = influence + mass * (rest - shift) * size / mass.sum()
    units = drawn if grouping.codes is None else len(np.unique(grouping.codes[gold]))
    floor = 0.0
    if int((np.abs(actual - cheap)[gold] > NEAR).sum()) < FEW:
        # As if two more items had been labelled and the measurement been wrong about them: no error seen among n
        # items is not proof that there are none (the rule of three).
        spread = float(cheap.var()) / size + (2 / (units + 2)) / (units + 2)
        floor = spread * max(0.0, 1 - drawn / size)
    worth = float(mass.sum() ** 2 / (mass @ mass)) / drawn  # Kish's share of the items that unequal weights leave
    equal = None if worth > 1 - 1e-9 else max(1, int(units * worth))
    return Rectified(factor * base + shift, factor, influence, floor, drawn, units, equal)


def _least_variance(cheap: FloatArray, truth: FloatArray, mass: FloatArray) -> float:
    total = mass.sum()
    centre = cheap @ mass / total
    spread = float(mass @ (cheap - centre) ** 2)
    if spread <= 0:
        return 1.0
    together = float(mass @ ((cheap - centre) * (truth - truth @ mass / total)))
    return min(1.0, max(0.0, together / spread))


def _variance(influence: FloatArray, grouping: Grouping) -> float:
    sums = influence if grouping.codes is None else np.bincount(grouping.codes, influence, minlength=grouping.units)
    units = grouping.units
    return float(sums @ sums) / grouping.rows**2 * units / max(1, units - 1)


def rectified_mean(
    cheap: ArrayLike,
    truth: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    inclusion: ArrayLike | None = None,
    level: float = 0.95,
) -> Figure:
    """`rectify` for plain arrays: the corrected mean of a [0, 1] quantity with its interval.

    Args:
        cheap: (M,) measurement of every item.
        truth: (M,) gold, NaN where there is none.
        clusters: (M,) labels.
        weights: (M,) positive weights.
        inclusion: (M,) probability of being drawn for gold.
        level: nominal coverage.

    Raises:
        InputError, Undefined: as `rectify`, and shapes that differ.
    """
    check_level(level)
    measured, actual = np.asarray(cheap, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if measured.shape != actual.shape or measured.ndim != 1 or np.any(np.isnan(measured)):
        raise InputError("cheap and truth must be two vectors over the same items, cheap without gaps")
    grouping = group(len(measured), clusters, weights)
    drawn: NDArray[np.float64] | None = None if inclusion is None else np.asarray(inclusion, dtype=np.float64)
    return rectify(measured, actual, grouping, inclusion=drawn).figure(grouping, level=level)
