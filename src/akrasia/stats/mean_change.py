"""The mean of changes between −1 and 1 with its interval and t test, also where few of them tell how much they vary.

Where nearly all units changed alike (not at all, or all by 1), their spread is next to nothing and a t interval says
that the mean is known for certain. Who the units are, and the variance of their mean, is left to the callers.
"""

from __future__ import annotations

import math

import numpy as np
from msgspec import Struct

from akrasia.stats.grouping import FloatArray
from akrasia.stats.intervals import FEW, t_quantile

ALIKE = 1e-9
"""Changes this close are the same but for the last bits of their sums."""


class MeanChange(Struct, frozen=True):
    """A mean change, and what its interval and its test rest on.

    Attributes:
        value: the mean.
        centre: the middle of the interval: `value`, or nearer to 0 where few units differ.
        error: standard error, above 0 unless the variance that was given is 0 though many units differ.
        degrees: of freedom.
    """

    value: float
    centre: float
    error: float
    degrees: int

    @property
    def p(self) -> float:
        """Two-sided t test of "no change": below 1 − level exactly where the interval of that level leaves 0 out."""
        from scipy.special import stdtr

        return 2 * float(stdtr(self.degrees, -abs(self.centre) / self.error)) if self.error > 0 else 1.0

    def interval(self, level: float) -> tuple[float, float]:
        """The t interval around `centre`, with `value` in it; not cut off at −1 and 1."""
        half = t_quantile(level, self.degrees) * self.error
        return min(self.centre - half, self.value), max(self.centre + half, self.value)


def mean_change(value: float, units: FloatArray, variance: float, moved: int | None = None) -> MeanChange:
    """Centre and error of a mean change; where few units differ, of the units with one more up and one more down.

    So Agresti and Min (2005) make an interval for matched pairs cover when few of them differ; here the value itself is
    not touched. Few are fewer than 10 units apart from the change that most share, be it none, 1 or another. The two
    that are added change as far as any unit did; where most did not move at all, nothing shows how far one would, and
    they are +1 and −1.

    Args:
        value: the mean change.
        units: (G,) at least 2 independent changes (means of clusters, or pseudo-values) whose mean it is, more or less.
        variance: of `value`.
        moved: how many units moved at all, where their changes alone do not tell; no more than that differ.
    """
    count, (differing, _) = len(units), differing_units(units)
    if min(differing, count if moved is None else moved) >= FEW:
        return MeanChange(value, value, math.sqrt(variance), count - 1)
    reach = added_reach(units)
    mean = float(units.sum()) / (count + 2)
    padded = ((float(units @ units) + 2 * reach**2) / (count + 2) - mean**2) / (count + 2)
    return MeanChange(value, value * count / (count + 2), math.sqrt(max(variance, padded)), count - 1)


def differing_units(units: FloatArray) -> tuple[int, bool]:
    """How many units differ from the change that more than half share, and whether there is one; from 0 if not."""
    middle = float(np.median(units))  # of what more than half share, the median is one
    apart = int((np.abs(units - middle) > ALIKE).sum())
    if 2 * apart < len(units):
        return apart, True
    return int((np.abs(units) > ALIKE).sum()), False


def added_reach(units: FloatArray) -> float:
    """How far the two units go that are added where few differ."""
    furthest, shared = float(np.abs(units).max()), abs(float(np.median(units))) > ALIKE and differing_units(units)[1]
    return furthest if shared else max(1.0, furthest)
