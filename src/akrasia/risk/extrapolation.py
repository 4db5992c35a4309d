"""Reachable beyond the pool, for binary utilities: from counts of successes, or from a published curve.

With p the success probability of an item, reachable@k = E[1 − (1 − p)^k]. The distribution of p is estimated without
assuming its form (`akrasia.stats.mixing`). Plugging each item's share of successes into (1 − p)^k instead is biased,
and stuck: an item that failed n times would fail for ever. With unlimited candidates nothing but a lower limit can be
known, since p = 0 and p = 10⁻⁴ look alike. Graded utilities are not extrapolated.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from akrasia.core.errors import InputError
from akrasia.risk.records import Extrapolation
from akrasia.risk.sample import Sample
from akrasia.stats.betamass import fit_beta_mass
from akrasia.stats.figure import Figure
from akrasia.stats.grouping import FloatArray, IntArray
from akrasia.stats.intervals import check_level, t_quantile
from akrasia.stats.mixing import (
    MixtureData,
    fit_mixture,
    fit_with_mean,
    mixture_data,
    probability_grid,
    profile_ends,
    profile_figure,
)

BEYOND = 4
"""How many times the pool the waterfall extrapolates."""


def extrapolate(sample: Sample, k: int, reachable: Figure, *, level: float = 0.95) -> Extrapolation | None:
    """Reachable with four times k candidates; None when some utility is neither 0 nor 1.

    An item whose deployed candidate succeeds is reachable whatever its p: it enters with certainty.

    Args:
        sample: the cell.
        k: size of the headline reachable; where four times k candidates are at hand, the U-statistic gives the figure.
        reachable: the headline; the extrapolated value is never below it.
        level: nominal coverage.
    """
    successes = [pool.successes for pool in sample.pools]
    if any(one is None for one in successes):
        return None
    wins = np.sum([one for one in successes if one is not None], axis=0)
    draws = np.sum([pool.observed for pool in sample.pools], axis=0)
    grouping = sample.grouping
    counts = np.ones(grouping.rows) if grouping.repeats is None else grouping.repeats
    if grouping.weights is not None:
        counts = counts * grouping.weights
        counts = counts * counts.sum() / float(counts @ grouping.weights)  # as many items as the weights are worth
    sure = np.zeros(grouping.rows) if sample.beside is None else sample.deployed_items()
    target = BEYOND * k
    if target <= sample.smallest:
        (within,) = sample.reachable([target])
        figure = sample.interval(within, level)
        return Extrapolation(target, figure, figure.value, figure.low or 0.0)
    kinds, number = _kinds(draws, wins, counts * (1 - sure))
    grid = probability_grid(int(draws.max()), target)
    data = mixture_with_sure(kinds, number, grid, float((counts * sure).sum()))
    function = np.append(1 - (1 - grid) ** target, 1.0)
    (any_success,) = sample.reachable([sample.smallest])
    effect = grouping.design_effect(any_success if any_success.ndim == 1 else any_success.mean(axis=1))
    figure = profile_figure(data, function, level=level, design_effect=effect, n=grouping.units)
    value = max(figure.value, reachable.value)
    unsolved = float((counts * (1 - (any_success if any_success.ndim == 1 else any_success.mean(axis=1)))).sum())
    low, high = lower_limit(figure.low or 0.0, unsolved, reachable), figure.high
    figure = Figure(value, min(low, value), max(high or 1.0, value), level, figure.method, figure.n)
    certain = float((counts * sure).sum() / counts.sum())
    beta = fit_beta_mass(number, kinds[:, 0], kinds[:, 1]).any_success(target) if number.size else 1.0
    return Extrapolation(target, figure, certain + (1 - certain) * beta, low)


FEW_UNSOLVED = 10
"""With fewer items that never succeeded, the profile likelihood's lower end covers too little (.82–.88 simulated)."""


def lower_limit(profile: float, unsolved: float, reachable: Figure) -> float:
    """The lower end for reachable beyond the pool.

    Near a ceiling the deviance of a share is far from chi-squared. Reachable beyond the pool is never below reachable
    within it, so the lower end of the latter, which holds there (`akrasia.stats.intervals`), serves both.
    """
    if unsolved >= FEW_UNSOLVED or reachable.low is None:
        return profile
    return min(profile, reachable.low)


def _kinds(draws: IntArray, wins: IntArray, counts: FloatArray) -> tuple[IntArray, FloatArray]:
    width = int(draws.max()) + 1
    number = np.asarray(np.bincount(draws * width + wins, counts), dtype=np.float64)
    code = np.flatnonzero(number > 1e-12)
    return np.stack([code // width, code % width], axis=1).astype(np.intp), number[code]


def mixture_with_sure(kinds: IntArray, number: FloatArray, grid: FloatArray, sure: float = 0.0) -> MixtureData:
    """Counts of (draws, successes) kinds as data for a mixing distribution on the grid and one sure component.

    Args:
        kinds: (T, 2) draws and successes of each kind.
        number: (T,) items of each kind.
        grid: (J,) success probabilities.
        sure: items that succeed whatever their p; they form the component J + 1.
    """
    from scipy.special import xlog1py, xlogy

    n, c = kinds[:, :1].astype(np.float64), kinds[:, 1:].astype(np.float64)
    logs = np.full((len(kinds) + 1, len(grid) + 1), -np.inf)
    logs[:-1, :-1] = xlogy(c, grid) + xlog1py(n - c, -grid)
    logs[-1, -1] = 0.0
    return mixture_data(np.append(number, sure), logs)


def extrapolate_curve(
    k: Sequence[int] | ArrayLike,
    reachable: Sequence[float] | ArrayLike,
    items: int,
    target_k: int,
    *,
    level: float = 0.95,
    nested: bool = True,
) -> Figure:
    """Reachable@target_k from a published curve of binary utilities, with its profile-likelihood interval.

    Nested, the points share their candidates (smaller k are prefixes of larger): items fall into bins of the first
    success, (0, k_1], (k_1, k_2], …, (k_last, ∞), and the curve is a multinomial over them. Curves that average over
    subsets vary less than that, so the interval is then on the safe side. Not nested, every point had candidates of its
    own on the same items: each is a binomial, and since the items are shared, the deviance is divided by the number of
    points, which is safe however strongly they go together. Where several distributions of p fit equally well, the
    value is the middle of what they imply.

    Args:
        k: (P,) increasing sizes.
        reachable: (P,) reachable at those sizes, in [0, 1].
        items: M, the items that the curve was measured on.
        target_k: size to extrapolate (or interpolate) to.
        level: nominal coverage.
        nested: whether smaller k are prefixes of larger ones.

    Raises:
        InputError: sizes that do not increase, values outside [0, 1] or (nested) falling, no items.

    Example:
        >>> figure = extrapolate_curve([1, 4, 16], [0.3, 0.5, 0.6], 500, 64)
        >>> 0.5 < figure.low < 0.6 < figure.value < figure.high < 0.9
        True
    """
    check_level(level)
    sizes, values = _read_curve(k, reachable, items, target_k, nested=nested)
    grid = probability_grid(int(sizes[-1]), max(int(sizes[-1]), target_k))
    function = 1 - (1 - grid) ** target_k
    missed = (1 - grid) ** sizes[:, None]
    if nested:
        edges = np.concatenate([np.ones((1, len(grid))), missed, np.zeros((1, len(grid)))])
        bins = -np.diff(edges, axis=0)
        shares = np.diff(np.concatenate([[0.0], values, [1.0]]))
    else:
        bins = np.concatenate([1 - missed, missed])
        shares = np.concatenate([values, 1 - values])
    with np.errstate(divide="ignore"):
        data = mixture_data(items * np.maximum(shares, 0.0), np.log(bins))
    return _flat_profile(data, function, level, 1 if nested else len(sizes), items)


def _read_curve(
    k: Sequence[int] | ArrayLike, reachable: Sequence[float] | ArrayLike, items: int, target_k: int, *, nested: bool
) -> tuple[FloatArray, FloatArray]:
    sizes, values = np.asarray(k, dtype=np.float64), np.asarray(reachable, dtype=np.float64)
    if sizes.ndim != 1 or sizes.shape != values.shape or not sizes.size:
        raise InputError(f"a curve needs as many k as reachable values: got {sizes.shape} and {values.shape}")
    if np.any(sizes != np.floor(sizes)) or sizes[0] < 1 or np.any(np.diff(sizes) <= 0):
        raise InputError("k must be whole numbers of at least 1 that increase")
    if not np.all((values >= 0) & (values <= 1)):
        raise InputError("reachable values lie in [0, 1]: divide percentages by 100")
    if items < 1 or target_k < 1 or target_k != int(target_k):
        raise InputError(f"items and target_k must be whole numbers of at least 1: got {items} and {target_k}")
    if nested and np.any(np.diff(values) < -1e-9):
        raise InputError("reachable falls along the curve, so smaller k are not prefixes of larger: pass nested=False")
    return sizes, values


def _flat_profile(data: MixtureData, function: FloatArray, level: float, share: int, items: int) -> Figure:
    """The profile interval around the middle of all distributions that fit as well as the best."""
    best = fit_mixture(data)

    def deviance(target: float) -> float:
        return 2 * (best.log_likelihood - fit_with_mean(data, function, target, best).log_likelihood) / share

    span = (float(function.min()), float(function.max()))
    found = float(function @ best.weights)
    low, high = profile_ends(deviance, found, 1e-3, span)
    value = (low + high) / 2
    ends = profile_ends(deviance, value, t_quantile(level, float("inf")) ** 2, span)
    return Figure(value, *ends, level, "profile likelihood", items)
