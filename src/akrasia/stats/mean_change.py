"""The mean of changes between −1 and 1 with its interval and t test, also where few of them tell how much they vary.

Where nearly all units changed alike (not at all, or all by 1), their spread is next to nothing and a t interval says
that the mean is known for certain; where changes are few and skewed, it is too short. So two units are added, one up
and one down: the less of them the more units tell how far changes go, and none from `MANY` on, where it is the t
interval. Who the units are, and the variance of their mean, is left to the callers.
"""

from __future__ import annotations

import math

import numpy as np
from msgspec import Struct

from akrasia.stats.grouping import FloatArray
from akrasia.stats.intervals import t_quantile

ALIKE = 1e-9
"""Changes this close are the same but for the last bits of their sums."""

FEW, MANY = 5.0, 20.0
"""Up to so many units that tell how far changes go the two are added as they are, and from so many on not at all."""


class MeanChange(Struct, frozen=True):
    """A mean change, and what its interval and its test rest on.

    Attributes:
        value: the mean.
        error: standard error, above 0.
        degrees: of freedom.
        moved: how many units moved at all.
    """

    value: float
    error: float
    degrees: int
    moved: int

    @property
    def p(self) -> float:
        """Two-sided test of "no change": below 1 − level exactly where the interval of that level leaves 0 out.

        That of t, and no less than `least_p`.
        """
        from scipy.special import stdtr

        return max(least_p(self.moved), 2 * float(stdtr(self.degrees, -abs(self.value) / self.error)))

    def interval(self, level: float) -> tuple[float, float]:
        """The t interval, with 0 in it where too few units moved for that level; not cut off at −1 and 1."""
        half = t_quantile(level, self.degrees) * self.error
        low, high = self.value - half, self.value + half
        return (low, high) if least_p(self.moved) < 1 - level else (min(low, 0.0), max(high, 0.0))


def least_p(moved: int) -> float:
    """The least p-value of so many units that moved: the chance that all go one way where either is as likely."""
    return min(1.0, 2.0 ** (1 - moved))


def mean_change(value: float, units: FloatArray, variance: float, moved: int | None = None) -> MeanChange:
    """Standard error of a mean change: of the units with one more above their mean and one more as far below.

    So Agresti and Coull (1998), and Agresti and Min (2005) for pairs, make intervals of shares cover; here the mean is
    not touched. How far the two go is `added_reach`'s. Nothing turns on a threshold: one unit more or less, or a little
    further, changes the error by little. It is never below that of t.

    Args:
        value: the mean change.
        units: (G,) at least 2 independent changes (means of clusters, or pseudo-values) whose mean it is, more or less.
        variance: of `value`.
        moved: how many units moved at all, where their changes alone do not tell; no more than that did.
    """
    count = len(units)
    padded = (count * (count - 1) * variance + 2 * added_reach(units, moved) ** 2) / (count + 2) ** 2
    return MeanChange(value, math.sqrt(max(variance, padded)), count - 1, _moved(units, moved))


def added_reach(units: FloatArray, moved: int | None = None) -> float:
    """How far from the mean the two units lie that are added: as far as any change goes, and further where few moved.

    It is no less than twice the mean, so that one of them is as much against the mean as the others are for it: that
    all units gained alike does not show that the next one cannot lose. All of it times the root of `added_share`.
    """
    seen = max(float(np.abs(units).max()), 2 * abs(float(units.mean())))
    return math.sqrt(added_share(units)) * math.hypot(seen, unseen_reach(units, moved))


def added_share(units: FloatArray) -> float:
    """How much of the two units is added: 1 up to `FEW` telling units, 0 from `MANY` on, in proportion between.

    Of the distances d from the median, (Σ d)² / Σ d² units tell how far changes go: n where all are as far, 0.64 n
    where they are normal, about 1 where one goes far and the others stay. Of the two medians of an even number the one
    counts by which fewer tell: between them, two halves that are each alike would all be as far.
    """
    ordered, count = np.sort(units), len(units)
    telling = min(_telling(np.abs(units - median)) for median in (ordered[(count - 1) // 2], ordered[count // 2]))
    return min(1.0, max(0.0, (MANY - telling) / (MANY - FEW)))


def _telling(distances: FloatArray) -> float:
    furthest = float(distances.max())
    if furthest <= ALIKE:
        return 0.0
    shares = distances / furthest
    return float(shares.sum() ** 2 / (shares**2).sum())


def unseen_reach(units: FloatArray, moved: int | None = None) -> float:
    """How far changes may go beyond the furthest seen, in quadrature: 1 where no unit moved, 0 where all did.

    The next unit that moves goes further than the m that did with chance 1 / (m + 1), and then up to 1. That counts in
    proportion to the units that did not move: where all did, their sizes are seen.
    """
    seen, furthest = _moved(units, moved), float(np.abs(units).max())
    return math.sqrt(max(0.0, 1 - furthest**2) * (1 - seen / len(units)) / (seen + 1))


def _moved(units: FloatArray, most: int | None) -> int:
    seen = int((np.abs(units) > ALIKE).sum())
    return seen if most is None else min(seen, most)
