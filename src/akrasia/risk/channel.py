"""An imperfect verifier as a noisy channel: what labels scattered over candidates, or none, say about the truth.

The verifier accepts a wrong candidate with probability `false_accept` and rejects a right one with `false_reject`, the
same for every item: that assumption is what everything here rests on, so results carry a badge that says so, and
`same_errors_everywhere` tests it. The default correction, which needs no such assumption, is in `gold`.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from akrasia.core.errors import InputError, Undefined
from akrasia.risk.pool import Pool, Utilities, check_k, read_pool
from akrasia.risk.records import Band
from akrasia.stats.figure import Figure
from akrasia.stats.grouping import FloatArray
from akrasia.stats.intervals import check_level, t_quantile
from akrasia.stats.mixing import (
    Mixture,
    MixtureData,
    fit_mixture,
    fit_with_mean,
    mixture_data,
    probability_grid,
    profile_ends,
)

BADGE = "assumes equal error rates across items"


CLOSE = {"gtol": 2e-2, "maxiter": 40}
"""When to stop improving the error rates: a slope this small, in logits, moves a deviance by less than 0.001."""


class ChannelCounts(Struct, frozen=True):
    """Kinds of items by what the verifier said and what the labels said.

    Attributes:
        number: (T,) items of each kind.
        patterns: (T, 6) per kind: unlabelled accepted, unlabelled rejected, then labelled: accepted right, accepted
            wrong, rejected right, rejected wrong.
    """

    number: FloatArray
    patterns: FloatArray


class ChannelFit(Struct, frozen=True):
    """The joint fit of error rates and mixing distribution."""

    false_accept: float
    false_reject: float
    mixture: Mixture


def count_patterns(pool: Pool, gold: FloatArray) -> ChannelCounts:
    """Count kinds of items.

    Args:
        pool: what the verifier said, binary.
        gold: (M, K) 0/1 labels, NaN where there is none.

    Raises:
        InputError: the verifier's utilities or the labels are not 0 or 1.
    """
    if pool.successes is None or not np.all(np.isnan(gold) | (gold == 0) | (gold == 1)):
        raise InputError("scattered gold corrects binary utilities by binary labels: label whole items instead")
    said = np.asarray(pool.utilities, dtype=np.float64)
    bare = np.isnan(gold)
    columns = [
        (said == 1) & bare,
        (said == 0) & bare,
        (said == 1) & (gold == 1),
        (said == 1) & (gold == 0),
        (said == 0) & (gold == 1),
        (said == 0) & (gold == 0),
    ]
    counted = np.stack([column.sum(axis=1) for column in columns], axis=1)
    patterns, number = np.unique(counted, axis=0, return_counts=True)
    return ChannelCounts(number.astype(np.float64), patterns.astype(np.float64))


def fit_channel(
    counts: ChannelCounts,
    grid: FloatArray,
    held: tuple[FloatArray, float] | None = None,
    near: ChannelFit | None = None,
) -> ChannelFit:
    """Maximise the joint likelihood over both error rates and the distribution of p.

    Args:
        counts: kinds of items; some candidates must be labelled.
        grid: (J,) success probabilities.
        held: (function, target): keep the mean of a function of p at a target.
        near: a fit to start from.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    start = _rates_at_sight(counts)
    if near is not None:
        start = np.clip(np.array([near.false_accept, near.false_reject]), 0.001, 0.999)
    memory: list[FloatArray | None] = [None if near is None else near.mixture.weights]
    first, _ = _given_rates(counts, grid, start, held, memory[0])
    if not np.isfinite(first.log_likelihood):  # the target itself is impossible, whatever the error rates
        return ChannelFit(float(start[0]), float(start[1]), first)

    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        rates = expit(np.clip(parameters, -8, 8))
        fit, data = _given_rates(counts, grid, rates, held, memory[0])
        memory[0] = fit.weights
        slope = _slope(counts, data, fit.weights, grid, rates)
        return min(-fit.log_likelihood, 1e12), -slope * rates * (1 - rates)

    best = minimize(loss, np.log(start / (1 - start)), jac=True, method="BFGS", options=CLOSE)
    rates = expit(np.clip(best.x, -8, 8))
    fit, _ = _given_rates(counts, grid, rates, held, memory[0])
    return ChannelFit(float(rates[0]), float(rates[1]), fit)


def _rates_at_sight(counts: ChannelCounts) -> FloatArray:
    accepted_right, accepted_wrong, rejected_right, rejected_wrong = counts.number @ counts.patterns[:, 2:]
    accept = (accepted_wrong + 0.5) / (accepted_wrong + rejected_wrong + 1)
    reject = (rejected_right + 0.5) / (accepted_right + rejected_right + 1)
    return np.asarray(np.clip([accept, reject], 0.001, 0.999), dtype=np.float64)


def _outcomes(grid: FloatArray, rates: FloatArray) -> FloatArray:
    """(6, J) probability of each of the six outcomes of one candidate at each p."""
    false_accept, false_reject = float(rates[0]), float(rates[1])
    right, wrong = grid, 1 - grid
    accept = right * (1 - false_reject) + wrong * false_accept
    return np.stack(
        [
            accept,
            1 - accept,
            right * (1 - false_reject),
            wrong * false_accept,
            right * false_reject,
            wrong * (1 - false_accept),
        ]
    )


def _given_rates(
    counts: ChannelCounts,
    grid: FloatArray,
    rates: FloatArray,
    held: tuple[FloatArray, float] | None,
    start: FloatArray | None,
) -> tuple[Mixture, MixtureData]:
    from scipy.special import xlogy

    outcome = _outcomes(grid, rates)
    logs = np.zeros((len(counts.number), len(grid)))
    for one in range(6):
        logs += xlogy(counts.patterns[:, [one]], outcome[one])
    top = logs.max(axis=1)
    data = mixture_data(counts.number, logs)
    if held is None:
        fit = fit_mixture(data, start)
    else:
        near = fit_mixture(data) if start is None else Mixture(start, 0.0)
        fit = fit_with_mean(data, held[0], held[1], near)
    return Mixture(fit.weights, fit.log_likelihood + float(counts.number @ top)), data


def _slope(
    counts: ChannelCounts, data: MixtureData, weights: FloatArray, grid: FloatArray, rates: FloatArray
) -> FloatArray:
    """(2,) slope of the profile log-likelihood in the error rates; the weights, being the best, add nothing to it."""
    outcome = np.maximum(_outcomes(grid, rates), 1e-300)
    posterior = data.likelihood * weights
    posterior /= np.maximum(posterior.sum(axis=1, keepdims=True), 1e-300)
    seen = counts.number[:, None] * posterior
    by_outcome = counts.patterns.T @ seen  # (6, J) expected counts
    zero = np.zeros_like(grid)
    by_accept = np.stack([1 - grid, grid - 1, zero, 1 - grid, zero, grid - 1])
    by_reject = np.stack([-grid, grid, -grid, zero, grid, zero])
    ratio = by_outcome / outcome
    return np.array([float((ratio * by_accept).sum()), float((ratio * by_reject).sum())])


def channel_figure(
    counts: ChannelCounts,
    grid: FloatArray,
    function: FloatArray,
    *,
    level: float = 0.95,
    design_effect: float = 1.0,
) -> Figure:
    """The mean of a function of the true p, with its joint profile-likelihood interval over p and both error rates.

    Args:
        counts: kinds of items.
        grid: (J,) success probabilities.
        function: (J,) the function.
        level: nominal coverage.
        design_effect: of the clusters; at least 1.

    Raises:
        Undefined: no candidate is labelled.
    """
    check_level(level)
    labels = float(counts.number @ counts.patterns[:, 2:].sum(axis=1))
    if labels == 0:
        raise Undefined("no candidate is labelled: the error rates of the verifier cannot be known")
    best = fit_channel(counts, grid)
    value = float(function @ best.mixture.weights)
    allowed = t_quantile(level, float("inf")) ** 2 * max(1.0, design_effect)

    def deviance(target: float) -> float:
        found = fit_channel(counts, grid, (function, target), best)
        return 2 * (best.mixture.log_likelihood - found.mixture.log_likelihood)

    span = (float(function.min()), float(function.max()))
    low, high = profile_ends(deviance, value, allowed, span, tolerance=1e-3)
    return Figure(value, low, high, level, f"joint profile likelihood; {BADGE}", int(labels))


def same_errors_everywhere(
    pool: Pool, gold: FloatArray, rng: np.random.Generator, shuffles: int = 1000
) -> float | None:
    """Permutation p-value of "the verifier's error rates are the same for every item"; None where it cannot be tested.

    Among the labelled wrong candidates (and, separately, the right ones) acceptance is shuffled across items. Errors
    that crowd in some items raise the number of pairs of one item that erred together.

    Args:
        pool: what the verifier said, binary.
        gold: (M, K) 0/1 labels, NaN where there is none.
        rng: source of the shuffles.
        shuffles: how many.
    """
    said = np.asarray(pool.utilities, dtype=np.float64)
    groups: list[tuple[NDArray[np.intp], FloatArray]] = []
    for truth in (0.0, 1.0):
        items, columns = np.nonzero((gold == truth) & ~np.isnan(said))
        erred = (said[items, columns] != truth).astype(np.float64)
        if len(items) > len(np.unique(items)) and 0 < erred.sum() < len(erred):
            groups.append((items, erred))
    if not groups:
        return None

    def crowding(shuffled: list[FloatArray]) -> float:
        counts = [np.bincount(items, erred) for (items, _), erred in zip(groups, shuffled, strict=True)]
        return float(sum((count * (count - 1)).sum() for count in counts))

    seen = crowding([erred for _, erred in groups])
    more = sum(crowding([rng.permutation(erred) for _, erred in groups]) >= seen for _ in range(shuffles))
    return (1 + more) / (1 + shuffles)


def sensitivity_band(
    utilities: Utilities,
    k: int | None = None,
    *,
    false_accept: tuple[float, float] = (0.0, 0.08),
    false_reject: tuple[float, float] = (0.0, 0.05),
    steps: int = 5,
) -> Band:
    """Reachable@k if the verifier erred at rates within given ranges: what to show when there is no gold.

    Args:
        utilities: (M, K) what the verifier said, binary.
        k: size; None: all candidates that every item has.
        false_accept: range of shares of wrong candidates that pass.
        false_reject: range of shares of right candidates that fail.
        steps: grid points per range.

    Raises:
        InputError: utilities that are not binary, or a range outside [0, 1).
    """
    for ends in (false_accept, false_reject):
        if not 0 <= ends[0] <= ends[1] < 1:
            raise InputError(f"error rates lie in [0, 1), low first: got {ends}")
    everything = read_pool(utilities)
    pool = everything.rows(everything.observed > 0)
    counts = count_patterns(pool, np.full(pool.utilities.shape, np.nan))
    size = check_k(pool.smallest if k is None else k, pool)
    grid = probability_grid(int(pool.observed.max()), size)
    function = 1 - (1 - grid) ** size

    def reachable(accept: float, reject: float) -> float:
        fit, _ = _given_rates(counts, grid, np.array([accept, reject]), None, None)
        return float(function @ fit.weights)

    found = [reachable(a, r) for a in np.linspace(*false_accept, steps) for r in np.linspace(*false_reject, steps)]
    return Band(reachable(0.0, 0.0), min(found), max(found), false_accept, false_reject)
