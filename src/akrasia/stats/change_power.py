"""What the t test of a mean change could have shown: its power, and the smallest change that it is likely to find.

The test is the one of `mean_change`, with the two units that it adds where few differ.
"""

from __future__ import annotations

import math

import numpy as np
from msgspec import Struct

from akrasia.stats.crossing import crossing
from akrasia.stats.grouping import FloatArray
from akrasia.stats.intervals import FEW, t_quantile
from akrasia.stats.mean_change import ALIKE, added_reach, differing_units, mean_change

SPREADS = 400
"""Over so many equally likely sample variances the power is averaged: it is then right to 0.0002."""


def detectable_change(
    units: FloatArray, variance: float, *, level: float = 0.95, power: float = 0.8, bounded: bool = True
) -> float | None:
    """The smallest true mean change that the t test at 1 − level finds with the asked power.

    The power is the test's own: changes normal around their mean, as spread as they were seen (without the padding
    that is the noncentral t), and the chance that so few of them differ that two are added. Where most units were seen
    to share one change, that spread says nothing of a world in which more of them move: there the mean change must also
    be found where units move by 1 or not at all, however many then do (a binomial number).

    Args:
        units: (G,) at least 2 independent changes.
        variance: of their mean (clusters of unequal sizes have another than their plain mean).
        level: 1 − the size of the two-sided test.
        power: asked for, in (0, 1).
        bounded: whether no change goes beyond ±1.

    Returns:
        The change, above 0 (and at most 1 where bounded), or None where there is none: so few units would not be
        significant if all of them moved by 1, or they vary too much.

    Example:
        >>> detectable_change(np.full(5, 0.5), 0.0) is None  # p = 0.054 if all five move by 1
        True
    """
    from scipy.special import bdtrc, betaincinv

    count = len(units)
    critical = t_quantile(level, count - 1)
    fewest = _fewest(count, critical)
    if fewest is None:
        return None
    differing, shared = differing_units(units)
    enough = float(bdtrc(FEW - 1, count, differing / count)) if count >= FEW else 0.0
    error = max(math.sqrt(variance), ALIKE)
    test = _Test(error, *_needed(count, error, critical, added_reach(units)), enough)
    most = 1.0 if bounded else float(test.padded.max()) + 10 * error
    if test.power(most) < power:
        return None
    found = crossing(test.power, most, power)
    if not shared or differing >= FEW:
        return found
    return max(found, float(betaincinv(fewest, count - fewest + 1, power) if fewest < count else power ** (1 / count)))


class _Test(Struct, frozen=True):
    """The t test of so many units as spread as they were seen.

    Attributes:
        error: true standard error of the mean.
        plain: (S,) the least mean change that is significant, at equally likely sample variances.
        padded: (S,) the same where two units are added.
        enough: the chance that none are.
    """

    error: float
    plain: FloatArray
    padded: FloatArray
    enough: float

    def power(self, change: float) -> float:
        """The chance to reject where this is the true mean change."""
        return self.enough * self._beyond(self.plain, change) + (1 - self.enough) * self._beyond(self.padded, change)

    def _beyond(self, needed: FloatArray, change: float) -> float:
        from scipy.special import ndtr

        return float(np.mean(ndtr((change - needed) / self.error) + ndtr((-change - needed) / self.error)))


def _needed(count: int, error: float, critical: float, reach: float) -> tuple[FloatArray, FloatArray]:
    """The least significant mean changes, plain and padded, at equally likely sample variances of the units.

    Padded, a mean x of G units with variance S² is significant where (x G/(G + 2))² is more than critical² times the
    larger of S²/G and (2 G x²/(G + 2) + (G − 1) S² + 2 reach²) / (G + 2)²: see `mean_change`.
    """
    from scipy.special import chdtri

    tails = (np.arange(SPREADS) + 0.5) / SPREADS
    squares = count * error**2 * np.asarray(chdtri(count - 1, tails))  # (G − 1) S²
    plain = critical * np.sqrt(squares / (count - 1) / count)
    weight = count**2 - 2 * count * critical**2 / (count + 2)
    if weight <= 0:  # no mean is large enough
        return plain, np.full(SPREADS, np.inf)
    added = critical * np.sqrt((squares + 2 * reach**2) / weight)
    return plain, np.maximum(plain * (count + 2) / count, added)


def _fewest(count: int, critical: float) -> int | None:
    """The fewest units that are significant when they move by 1 and the others not at all."""
    for moved in range(1, count + 1):
        units = np.zeros(count)
        units[:moved] = 1.0
        found = mean_change(moved / count, units, float(units.var(ddof=1)) / count)
        if found.error > 0 and found.centre > critical * found.error:
            return moved
    return None
