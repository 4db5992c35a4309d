"""Intervals for means: cluster-robust t where the normal theory holds, Wilson near the ends of the range.

Near 0 and 1 a t interval (and BCa) is far too short: at a ceiling with 50 items it covered 65 %. There the Wilson
interval is used with the effective number of items that the standard error implies. Resampling is in `bootstrap`.
"""

from __future__ import annotations

import math

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from akrasia.core.errors import InputError, Undefined
from akrasia.stats.figure import Figure
from akrasia.stats.grouping import FloatArray, Grouping, group

NEAR = 0.05
"""An item this close to an end of the range tells the standard error nothing about the distance to that end."""

FEW = 10
"""With fewer items than this away from the end, the standard error is not to be trusted."""

BOUNDARY = 0.1
"""A mean this close to an end gets the Wilson interval."""

ROUNDING = 1e-20
"""A variance no larger is that of the last bits of equal sums."""

CHOSEN_AT = 0.95
"""The level at which it is seen whether a t interval leaves the range: that of which the coverage was simulated."""


def check_level(level: float) -> None:
    """Refuse a level outside (0, 1).

    Raises:
        InputError: it is outside.
    """
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1, for example 0.95: got {level}")


def t_quantile(level: float, degrees: float) -> float:
    """The two-sided critical value of Student's t (of the normal where degrees is infinite)."""
    from scipy.special import ndtri, stdtrit

    tail = (1 + level) / 2
    return float(ndtri(tail)) if math.isinf(degrees) else float(stdtrit(degrees, tail))


def wilson(share: float, n: float, *, level: float = 0.95, critical: float | None = None) -> tuple[float, float]:
    """The Wilson score interval of a share from n (possibly effective, fractional) observations.

    Args:
        share: in [0, 1].
        n: positive.
        level: nominal coverage.
        critical: critical value in place of the normal one of `level`.
    """
    z = t_quantile(level, math.inf) if critical is None else critical
    centre = share + z * z / (2 * n)
    half = z * math.sqrt(max(share * (1 - share), 0.0) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def away_from_end(values: FloatArray, value: float) -> NDArray[np.bool_]:
    """(R,) which values lie away from the end of [0, 1] that their mean is nearer to."""
    distance = values if value < 0.5 else 1 - values
    return distance > NEAR


def near_boundary(values: FloatArray, grouping: Grouping, value: float) -> tuple[bool, bool]:
    """Whether a mean of values in [0, 1] is near an end, and whether too few items lie away from that end.

    Returns:
        (near, few): `near` asks for the Wilson interval; `few` asks for the plain count of items in it.
    """
    far = away_from_end(values, value)
    count = float(far.sum()) if grouping.repeats is None else float(far @ grouping.repeats)
    return min(value, 1 - value) < BOUNDARY or count < FEW, count < FEW


def interval_of_mean(values: FloatArray, grouping: Grouping, *, level: float = 0.95, bounded: bool = True) -> Figure:
    """The mean of per-row values with its interval.

    The estimand is the mean over the population that the clusters were drawn from. Unclustered, the interval is the
    classical t interval; clustered, the cluster-robust one with G − 1 degrees of freedom. With `bounded`, values lie in
    [0, 1], and near an end, or when the t interval of 95 % leaves the range, the Wilson interval takes its place with
    n = value (1 − value) / SE², or the number of clusters when fewer than 10 items lie more than 0.05 from the end. So
    it does where all clusters are alike, with their number.

    Args:
        values: (R,) finite values.
        grouping: their clusters, weights and repeats.
        level: nominal coverage.
        bounded: whether values lie in [0, 1].

    Raises:
        Undefined: no rows.
    """
    if grouping.rows == 0:
        raise Undefined("a mean over no items has no value: give at least one item")
    value = grouping.mean(values)
    if bounded:
        value = min(1.0, max(0.0, value))
    units = grouping.units
    if units < 2:
        low, high = wilson(value, 1.0, level=level) if bounded else (None, None)
        return Figure(value, low, high, level, "wilson" if bounded else "one cluster", units)
    variance = grouping.variance_of_mean(values)
    if not bounded:
        half = t_quantile(level, units - 1) * math.sqrt(variance)
        return Figure(value, value - half, value + half, level, "cluster-t", units)
    near, few = near_boundary(values, grouping, value)
    spread = Spread(variance, units - 1, units, near, few)
    return bounded_interval(value, spread, level)


def counted_interval(value: float, units: int, *, level: float = 0.95) -> Figure:
    """The Wilson interval of a mean in [0, 1] by the number of clusters alone, where their spread cannot be estimated.

    A mean over so many independent units in [0, 1] varies at most as that of as many yes-or-no observations does, so
    this covers at least what it says.

    Args:
        value: the mean, in [0, 1].
        units: independent clusters, at least 2.
        level: nominal coverage.
    """
    low, high = wilson(value, float(units), level=level, critical=t_quantile(level, units - 1))
    return Figure(value, min(low, value), max(high, value), level, "wilson", units)


class Spread(Struct, frozen=True):
    """What an interval for a mean in [0, 1] needs to know besides the mean.

    Attributes:
        variance: of the mean.
        degrees: degrees of freedom of that variance.
        units: clusters.
        near: the mean is near an end.
        few: too few items lie away from the end for the variance to be trusted.
    """

    variance: float
    degrees: float
    units: int
    near: bool
    few: bool


def bounded_interval(value: float, spread: Spread, level: float) -> Figure:
    """The t interval, or the Wilson interval near an end or where the t interval of 95 % would leave [0, 1].

    Where all clusters are alike there is no spread to make a t interval of, and "they are alike" is known no better
    than so many clusters can tell: the Wilson interval counts them.

    The method is chosen at 95 % whatever the level, and a t interval of a higher one ends at 0 and 1: so the interval
    of a higher level always holds that of a lower one, and an end excluded at 95 % is not taken in again at 90 %.
    """
    error = math.sqrt(spread.variance)
    reach = t_quantile(CHOSEN_AT, spread.degrees) * error
    critical = t_quantile(level, spread.degrees)
    alike = spread.variance <= ROUNDING
    if not (alike or spread.near or value - reach < 0 or value + reach > 1):
        half = critical * error
        return Figure(value, max(0.0, value - half), min(1.0, value + half), level, "cluster-t", spread.units)
    binary = value * (1 - value)
    counted = spread.few or alike or binary <= 0
    effective = float(spread.units) if counted else binary / spread.variance
    low, high = wilson(value, effective, level=level, critical=critical)
    return Figure(value, min(low, value), max(high, value), level, "wilson", spread.units)


def mean_interval(
    values: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    level: float = 0.95,
    bounded: bool = True,
) -> Figure:
    """`interval_of_mean` for plain arrays.

    Args:
        values: (R,) finite values, in [0, 1] when `bounded`.
        clusters: (R,) labels; rows with one label belong together.
        weights: (R,) positive weights.
        level: nominal coverage.
        bounded: whether the values lie in [0, 1].

    Raises:
        InputError: a value that is not finite or leaves [0, 1]; lengths that differ.
        Undefined: no values.

    Example:
        >>> figure = mean_interval([0.0, 1.0, 1.0, 0.0] * 10)
        >>> round(figure.low, 3), figure.value, round(figure.high, 3)
        (0.338, 0.5, 0.662)
    """
    check_level(level)
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not np.all(np.isfinite(array)):
        raise InputError("values must be one finite number per row: leave missing ones out and count them")
    if bounded and array.size and (array.min() < -1e-12 or array.max() > 1 + 1e-12):
        raise InputError("values must lie in [0, 1], or say bounded=False")
    return interval_of_mean(array, group(len(array), clusters, weights), level=level, bounded=bounded)
