"""Figures that are smooth functions of cluster sums, with the influence of every cluster: one way to every interval.

With clusters weighted by w, a figure T(w) has the influence ∂T/∂w_g at w = 1 (the infinitesimal jackknife). Every
figure of the gap is unchanged when all weights double, so influences sum to 0, and G/(G − 1) times the sum of their
squares is the cluster-robust variance. What is paired (two arms, an arm and its baseline) is subtracted influence by
influence. Which values enter a mean is fixed before, so nothing changes its meaning under resampling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from akrasia.stats.figure import Figure
from akrasia.stats.grouping import BoolArray, FloatArray
from akrasia.stats.intervals import BOUNDARY, FEW, NEAR, Spread, bounded_interval, wilson
from akrasia.stats.mean_change import ALIKE, mean_change


class Linear(Struct, frozen=True):
    """An estimate with the influence of every cluster.

    Attributes:
        value: in [0, 1], or in [−1, 1] for kappa.
        influence: (G,) ∂value/∂(weight of the cluster).
        rests: (G,) the clusters that the figure rests on (those in its denominator).
        low_end: (G,) clusters that lie away from the lower end: one of their cells is not 0.
        high_end: (G,) clusters that lie away from the upper end: one of their cells is not 1.
    """

    value: float
    influence: FloatArray
    rests: BoolArray
    low_end: BoolArray
    high_end: BoolArray

    @property
    def units(self) -> int:
        """The number of clusters that the figure rests on."""
        return int(self.rests.sum())

    @property
    def variance(self) -> float:
        """Cluster-robust; 0 for a single cluster, which tells nothing."""
        return self.units / max(1, self.units - 1) * float(self.influence @ self.influence)

    def figure(self, level: float, *, least: float = 0.0) -> Figure:
        """The estimate with its interval: cluster-robust t, or Wilson near an end.

        When fewer than 10 clusters lie away from the nearer end, or from what more than half of them share, the
        Wilson interval takes every cluster as one observation, however many cells it has: a macro-F1 of values that are
        each 0 or 1 in every cluster lies between the ends, and its spread is nothing all the same.

        Args:
            level: nominal coverage.
            least: lower end of the figure's range; its upper end is 1.
        """
        width = 1 - least
        share = min(1.0, max(0.0, (self.value - least) / width))
        if self.units < 2:
            low, high = wilson(share, 1.0, level=level)
            return Figure(self.value, least + width * low, least + width * high, level, "wilson", self.units)
        away = int((self.low_end if share < 0.5 else self.high_end).sum())
        variance = self.variance / width**2
        # Counted so, clusters vary the most that such a share can; one of uncommon weight may make it vary more.
        few = away < FEW or (self._nearly_alike() and variance * self.units < share * (1 - share))
        near = min(share, 1 - share) < BOUNDARY or few
        spread = Spread(variance, self.units - 1, self.units, near, few)
        found = bounded_interval(share, spread, level)
        if found.low is None or found.high is None:
            return Figure(self.value, None, None, level, found.method, self.units)
        return Figure(
            self.value, least + width * found.low, least + width * found.high, level, found.method, self.units
        )

    def _nearly_alike(self) -> bool:
        """Whether more than half of the clusters pull alike, and fewer than 10 do not."""
        pulls = self.units * self.influence[self.rests]
        middle = float(np.median(pulls))  # of what more than half share, the median is one
        apart = int((np.abs(pulls - middle) > ALIKE).sum())
        return 2 * apart < self.units and apart < FEW

    def minus(self, other: Linear, moved: int, level: float) -> Figure:
        """This less another figure over the same clusters, paired, with the cluster-robust t interval in [−1, 1].

        Args:
            other: what is subtracted.
            moved: clusters in which the two differ at all; the fewer, the wider is the interval, as that of
                `stats.paired_difference`, so that "nothing moved" is not "exactly 0".
            level: nominal coverage.
        """
        value = self.value - other.value
        rests = self.rests | other.rests
        units = int(rests.sum())
        if units < 2:
            return Figure(value, None, None, level, "one cluster", units)
        influence = (self.influence - other.influence)[rests]
        variance = units / (units - 1) * float(influence @ influence)
        low, high = mean_change(value, value + units * influence, variance, moved).interval(level)
        return Figure(value, max(-1.0, low), min(1.0, high), level, "cluster-t", units)


def ratio(numerator: FloatArray, denominator: FloatArray) -> Linear | None:
    """A ratio of sums whose cells lie in [0, 1], such as P(d=1 | a=1) or a mean over cells.

    Args:
        numerator: (G, V) sums within clusters of what is averaged.
        denominator: (G, V) numbers of cells averaged over; cells and their average are pooled over the values.

    Returns:
        The ratio (a Hájek mean over cells), or None where there is no cell.
    """
    above, below = numerator.sum(axis=1), denominator.sum(axis=1)
    total = float(below.sum())
    if total <= 0:
        return None
    value = float(above.sum()) / total
    return Linear(value, (above - value * below) / total, below > 0, above > NEAR, below - above > NEAR)


def f1(both: FloatArray, first: FloatArray, second: FloatArray) -> Linear | None:
    """The F1 of two labellings of one value: 2 Σ both / (Σ first + Σ second).

    Args:
        both: (G,) cells within clusters where both are 1 (or their expectation).
        first: (G,) cells where the first is 1.
        second: (G,) cells where the second is 1.

    Returns:
        F1, or None where neither is ever 1.
    """
    marked = first + second
    total = float(marked.sum())
    if total <= 0:
        return None
    value = 2 * float(both.sum()) / total
    return Linear(value, (2 * both - value * marked) / total, marked > 0, both > NEAR, marked - 2 * both > NEAR)


def kappa(both: FloatArray, first: FloatArray, second: FloatArray, known: FloatArray) -> Linear | None:
    """Cohen's kappa of two labellings of one value: agreement beyond what their frequencies alone would give.

    Args:
        both: (G,) as for `f1`.
        first: (G,) the same.
        second: (G,) the same.
        known: (G,) cells within clusters where both labels are known.

    Returns:
        Kappa in [−1, 1], or None where there is no cell or both labellings are constant.
    """
    total = float(known.sum())
    if total <= 0:
        return None
    p_first, p_second = float(first.sum()) / total, float(second.sum()) / total
    if p_first in (0.0, 1.0) and p_second in (0.0, 1.0):
        return None
    agree = known - first - second + 2 * both
    observed = float(agree.sum()) / total
    expected = p_first * p_second + (1 - p_first) * (1 - p_second)
    d_observed = (agree - observed * known) / total
    d_first, d_second = (first - p_first * known) / total, (second - p_second * known) / total
    d_expected = (2 * p_second - 1) * d_first + (2 * p_first - 1) * d_second
    rest = 1 - expected
    value = (observed - expected) / rest
    influence = (d_observed * rest - d_expected * (1 - observed)) / rest**2
    return Linear(value, influence, known > 0, agree > NEAR, known - agree > NEAR)


def mean_of(parts: Sequence[Linear | None]) -> Linear | None:
    """The plain mean of the defined figures, or None where none is."""
    known = [part for part in parts if part is not None]
    if not known:
        return None
    return Linear(
        math.fsum(part.value for part in known) / len(known),
        np.asarray(np.mean([part.influence for part in known], axis=0), dtype=np.float64),
        np.any([part.rests for part in known], axis=0),
        np.any([part.low_end for part in known], axis=0),
        np.any([part.high_end for part in known], axis=0),
    )


def figure_of(estimate: Linear | None, level: float, *, least: float = 0.0) -> Figure | None:
    """`Linear.figure` where there is an estimate; an undefined one stays None."""
    return None if estimate is None else estimate.figure(level, least=least)
