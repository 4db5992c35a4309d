"""A share of clustered yes-or-no draws, its interval and its test against a threshold, which are one method.

Clopper and Pearson's exact interval, with the effective number of draws that the clusters leave (Korn and Graubard,
1998). The test is the same tails read the other way round, so the interval of a level leaves the threshold out exactly
where p is below 1 − level, near 0 and 1 too, where a *t* test of the distance from the threshold knows nothing.
"""

from __future__ import annotations

import math

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike

from akrasia.core.errors import InputError, Undefined
from akrasia.stats.figure import Figure
from akrasia.stats.grouping import FloatArray, Grouping, group
from akrasia.stats.intervals import CHOSEN_AT, FEW, away_from_end, check_level, t_quantile

CLOPPER = "clopper-pearson"
"""The method, as figures and tests name it."""


class HeldShare(Struct, frozen=True):
    """A share beside a threshold.

    Attributes:
        share: the mean over items, with its interval.
        p: two-sided p-value of "the share is the threshold".
        test: names the method of both.
        effective: how many independent draws the items are worth.
    """

    share: Figure
    p: float
    test: str
    effective: float


def held_share(
    values: ArrayLike,
    threshold: float,
    *,
    clusters: ArrayLike | None = None,
    draws: int | None = None,
    level: float = 0.95,
) -> HeldShare:
    """Hold the mean of shares against a threshold.

    Where fewer than 10 items lie away from the end of [0, 1] that the mean is nearer to, their spread tells nothing,
    and every cluster counts as one draw. Else value (1 − value) / SE² draws count, with the clustered standard error,
    less what its few degrees of freedom cost, and no more than there are.

    Args:
        values: (M,) the share of each item's draws, finite.
        threshold: in [0, 1].
        clusters: (M,) labels; items with one label belong together.
        draws: all of the items' draws together; None: one each.
        level: nominal coverage.

    Raises:
        InputError: a value or a threshold outside [0, 1].
        Undefined: no values.

    Example:
        >>> found = held_share([0.0] * 12, 0.05)
        >>> round(found.share.high, 3), found.p
        (0.265, 1.0)
        >>> round(held_share([1.0] * 3 + [0.0] * 9, 0.05).p, 3)
        0.039
    """
    check_level(level)
    shares = np.asarray(values, dtype=np.float64)
    if shares.ndim != 1 or not np.all((shares >= 0) & (shares <= 1)) or not 0 <= threshold <= 1:
        raise InputError("shares and their threshold must lie in [0, 1]: leave missing ones out and count them")
    grouping = group(len(shares), clusters)
    if not grouping.rows:
        raise Undefined("a share of nothing has no value: give at least one item")
    value = min(1.0, max(0.0, grouping.mean(shares)))
    size = _effective(shares, grouping, value, len(shares) if draws is None else draws)
    low, high = _limits(value * size, size, level)
    figure = Figure(value, min(low, value), max(high, value), level, CLOPPER, grouping.units)
    return HeldShare(figure, _p(value * size, size, threshold), CLOPPER, size)


def _effective(shares: FloatArray, grouping: Grouping, value: float, draws: int) -> float:
    units = float(grouping.units)
    if grouping.units < 2 or int(away_from_end(shares, value).sum()) < FEW:
        return units
    variance = grouping.variance_of_mean(shares)
    if variance <= 0:
        return units
    # At one level, whatever is asked for: intervals of higher levels hold those of lower ones, and p agrees with all.
    cost = (t_quantile(CHOSEN_AT, math.inf) / t_quantile(CHOSEN_AT, units - 1)) ** 2
    return min(float(draws), cost * value * (1 - value) / variance)


def _limits(hits: float, size: float, level: float) -> tuple[float, float]:
    from scipy.special import betainccinv, betaincinv

    tail = (1 - level) / 2
    low = 0.0 if hits <= 0 else float(betaincinv(hits, size - hits + 1, tail))
    return low, 1.0 if hits >= size else float(betainccinv(hits + 1, size - hits, tail))


def _p(hits: float, size: float, threshold: float) -> float:
    """Twice the smaller tail: so many hits or more, or so many or fewer, were the threshold the share."""
    from scipy.special import betainc, betaincc

    more = 1.0 if hits <= 0 else float(betainc(hits, size - hits + 1, threshold))
    fewer = 1.0 if hits >= size else float(betaincc(hits + 1, size - hits, threshold))
    return min(1.0, 2 * min(more, fewer))
