"""What the t test of a mean change could have shown: its power, and the smallest change that it is likely to find.

The test is the one of `mean_change`, with the two units that it adds.
"""

from __future__ import annotations

import math

import numpy as np
from msgspec import Struct

from akrasia.stats.crossing import crossing
from akrasia.stats.grouping import FloatArray
from akrasia.stats.intervals import t_quantile
from akrasia.stats.mean_change import ALIKE, added_reach, added_share, least_p, mean_change, unseen_reach

SPREADS = 400
"""Over so many equally likely sample variances the power is averaged: it is then right to 0.0002."""


def detectable_change(
    units: FloatArray, variance: float, *, level: float = 0.95, power: float = 0.8, bounded: bool = True
) -> float | None:
    """The smallest true mean change that the t test at 1 − level finds with the asked power.

    The power is the test's own: changes normal around their mean, as spread as they were seen, and two more that go at
    least as far as those added to the changes seen. That spread says nothing of a world in which units move that did
    not: the mean change must also be found where units move by `unseen_reach` or not at all (a binomial number of
    them). Where none moved that is 1, and where all did it is 0.

    Args:
        units: (G,) at least 2 independent changes.
        variance: of their mean (clusters of unequal sizes have another than their plain mean).
        level: 1 − the size of the two-sided test.
        power: asked for, in (0, 1).
        bounded: whether no change goes beyond ±1.

    Returns:
        The change, above 0 (and at most 1 where bounded), or None where there is none: so few units would not be
        significant if all of them moved one way, or they vary too much.

    Example:
        >>> detectable_change(np.full(5, 0.5), 0.0) is None  # p = 0.0625 if all five move one way
        True
    """
    from scipy.special import betaincinv

    count = len(units)
    critical = t_quantile(level, count - 1)
    if least_p(count) >= 1 - level:
        return None
    error = max(math.sqrt(variance), ALIKE)
    test = _Test(error, _needed(units, error, critical))
    most = 1.0 if bounded else float(test.needed.max()) + 10 * error
    if test.power(most) < power:
        return None
    fewest = _fewest(count, level)
    share = float(betaincinv(fewest, count - fewest + 1, power)) if fewest < count else power ** (1 / count)
    return max(crossing(test.power, most, power), unseen_reach(units) * share)


class _Test(Struct, frozen=True):
    """The t test of so many units as spread as they were seen.

    Attributes:
        error: true standard error of the mean.
        needed: (S,) the least mean change that is significant, at equally likely sample variances.
    """

    error: float
    needed: FloatArray

    def power(self, change: float) -> float:
        """The chance to reject where this is the true mean change."""
        from scipy.special import ndtr

        up, down = (change - self.needed) / self.error, (-change - self.needed) / self.error
        return float(np.mean(ndtr(up) + ndtr(down)))


def _needed(units: FloatArray, error: float, critical: float) -> FloatArray:
    """The least significant mean changes at equally likely sample variances of the units, infinite where there is none.

    A mean x of G units with variance S² is significant where x² is more than critical² times the larger of S²/G and
    ((G − 1) S² + 2 reach²) / (G + 2)²: see `mean_change`. The reach is at least that of the units seen, 2 |x|, and
    |x| + r, where r is how far a unit lies from the mean, the last two by the share that is added: all must be passed.
    """
    from scipy.special import chdtri

    count = len(units)
    tails = (np.arange(SPREADS) + 0.5) / SPREADS
    stretch = np.asarray(chdtri(count - 1, tails)) / (count - 1)  # S² as a multiple of the variance of a unit
    squares = (count - 1) * count * error**2 * stretch  # (G − 1) S²
    plain = critical * error * np.sqrt(stretch)
    furthest = float(np.abs(units - units.mean()).max()) * np.sqrt(stretch)  # r
    weight = ((count + 2) / critical) ** 2
    share = added_share(units)
    if weight <= 8 * share:  # however large the mean is, the added units go twice as far
        return np.full(SPREADS, np.inf)
    as_seen = np.sqrt((squares + 2 * added_reach(units) ** 2) / weight)
    # weight x² = (G − 1) S² + 2 share (x + r)²
    left = weight - 2 * share
    further = (2 * share * furthest + np.sqrt(2 * share * weight * furthest**2 + left * squares)) / left
    twice = np.sqrt(squares / (weight - 8 * share))
    return np.asarray(np.max([plain, as_seen, further, twice], axis=0), dtype=np.float64)


def _fewest(count: int, level: float) -> int:
    """The fewest units that are significant when they move by 1 and the others not at all; all of them if none are."""
    for moved in range(1, count):
        units = np.zeros(count)
        units[:moved] = 1.0
        if mean_change(moved / count, units, float(units.var(ddof=1)) / count).p < 1 - level:
            return moved
    return count
