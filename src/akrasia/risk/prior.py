"""What is known of an item before it is asked: a mixture of item types, learnt from the candidates of a run.

An item is of one of J types, and the values of its candidates (by the verifier at hand) are independent draws of that
type's distribution over L levels. With values of 0 and 1 the types are success probabilities, and their weights the
non-parametric maximum-likelihood mixing distribution (`akrasia.stats.mixing`): nothing is assumed about its form.
Graded values are put on at most `MOST_LEVELS` levels, finer towards the top, since the best of several draws is what
counts; the types are then a multinomial mixture, fitted by EM under a weak Dirichlet prior, and their number is the one
that predicts items left out best. When to stop drawing is left to `akrasia.risk.stopping`.
"""

from __future__ import annotations

import math

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike

from akrasia.core.errors import InputError
from akrasia.risk.pool import Utilities, read_pool
from akrasia.risk.pooled import aligned_scores
from akrasia.stats.grouping import FloatArray, IntArray
from akrasia.stats.mixing import fit_mixture, mixture_data, probability_grid

MOST_LEVELS = 28
"""Levels of graded values. Fewer would allow an exact solution, and cost more than it gains (`docs/adaptive.md`)."""

MOST_TYPES = 16
"""Item types that are tried with graded values."""

_CUTS = (*(twentieth / 20 for twentieth in range(1, 19)), 0.92, 0.94, 0.955, 0.97, 0.98, 0.985, 0.99, 0.995)
_NEGLIGIBLE = 1e-6
_FOLDS = 5
_STEPS = 1000


class Prior(Struct, frozen=True, forbid_unknown_fields=True):
    """A finite mixture of item types.

    Attributes:
        levels: (L,) increasing values in [0, 1]: the mean of what falls into each level. (0, 1) where the verifier says
            right or wrong.
        edges: (L − 1,) a value is of the level whose number is how many edges are not above it.
        weights: (J,) share of items of each type; positive, summing to 1.
        chances: (J, L) probability of each level for a candidate of an item of the type.
        utilities: (L,) expected utility of a candidate of each level, never falling, where it is known apart from the
            verifier's value; None: the value is taken for the utility.
    """

    levels: tuple[float, ...]
    edges: tuple[float, ...]
    weights: tuple[float, ...]
    chances: tuple[tuple[float, ...], ...]
    utilities: tuple[float, ...] | None = None

    @property
    def binary(self) -> bool:
        """Whether the verifier says 0 or 1."""
        return self.levels == (0.0, 1.0)

    @property
    def worth(self) -> FloatArray:
        """(L,) what a candidate of each level is taken to be worth."""
        return np.asarray(self.levels if self.utilities is None else self.utilities)

    def level_of(self, values: ArrayLike) -> IntArray:
        """The level of each value.

        Raises:
            InputError: a value outside [0, 1], or one that is neither 0 nor 1 where the prior knows only these.
        """
        found = np.asarray(values, dtype=np.float64)
        wrong = found[~((found >= 0) & (found <= 1))]
        if wrong.size:
            raise InputError(f"the verifier gives {wrong.flat[0]:g}: a value lies in [0, 1], so rescale it")
        if self.binary and not np.all((found == 0) | (found == 1)):
            odd = found[(found != 0) & (found != 1)].flat[0]
            raise InputError(
                f"the verifier gives {odd:g}, and the prior was learnt from values of 0 and 1: learn one from a run "
                "with this verifier"
            )
        return np.searchsorted(np.asarray(self.edges), found, side="right")

    def best_of(self, n: int) -> float:
        """The expected worth of the best of n candidates, chosen by the verifier.

        Example:
            >>> Prior((0.0, 1.0), (0.5,), (1.0,), ((0.5, 0.5),)).best_of(2)
            0.75
        """
        worth = self.worth
        below = np.cumsum(np.asarray(self.chances), axis=1)[:, :-1]
        return float(worth[0] + np.diff(worth) @ (1 - np.asarray(self.weights) @ below**n))

    def draw_levels(self, rng: np.random.Generator, items: int, n: int) -> IntArray:
        """(items, n) levels of candidates of random items."""
        kind = rng.choice(len(self.weights), items, p=np.asarray(self.weights))
        below = np.cumsum(np.asarray(self.chances), axis=1)[kind, :-1]
        return np.asarray((rng.random((items, n, 1)) >= below[:, None]).sum(axis=2))


def check_prior(prior: Prior) -> None:
    """Refuse what is no mixture.

    Raises:
        InputError: naming the field that is wrong.
    """
    levels, edges = np.asarray(prior.levels), np.asarray(prior.edges)
    weights = np.asarray(prior.weights)
    if not levels.size or not np.all((levels >= 0) & (levels <= 1)) or np.any(np.diff(levels) <= 0):
        raise InputError("levels must be increasing values in [0, 1]")
    if len(edges) != len(levels) - 1 or np.any((edges <= levels[:-1]) | (edges > levels[1:])):
        raise InputError("edges must lie between the levels, one between each two")
    if not weights.size or not np.all(weights > 0) or abs(weights.sum() - 1) > 1e-6:
        raise InputError("weights must be positive and sum to 1")
    if len(prior.chances) != len(weights) or any(len(row) != len(levels) for row in prior.chances):
        raise InputError(f"chances must be a row of {len(levels)} for each of the {len(weights)} types")
    chances = np.asarray(prior.chances)
    if not np.all(chances >= 0) or np.any(np.abs(chances.sum(axis=1) - 1) > 1e-6):
        raise InputError("every row of chances must be probabilities that sum to 1")
    if prior.utilities is not None:
        worth = np.asarray(prior.utilities)
        if len(worth) != len(levels) or not np.all((worth >= 0) & (worth <= 1)) or np.any(np.diff(worth) < 0):
            raise InputError("utilities must be values in [0, 1] that never fall, one for each level")


def fit_prior(values: Utilities, *, clusters: ArrayLike | None = None, utilities: Utilities | None = None) -> Prior:
    """Learn the item types from a pool.

    Args:
        values: (M, K) what the verifier said of every candidate, in [0, 1], NaN where missing.
        clusters: (M,) labels: items of one cluster are left out together when the number of types is chosen.
        utilities: (M, K) what the candidates are worth by somebody else than the verifier, NaN where not known. The
            expected utility is then that of the level alone: taken to be the same for items of all types.

    Raises:
        InputError: no item has two measured candidates, so nothing tells items apart; or utilities that do not fit.
    """
    pool = read_pool(values, name="values")
    if not np.any(pool.observed >= 2):
        raise InputError("no item has two candidates with a value: items cannot be told apart; sample more of each")
    table = np.asarray(pool.utilities, dtype=np.float64)
    known = table[~np.isnan(table)]
    if pool.successes is not None:
        prior = _of_successes(pool.observed, pool.successes)
    else:
        levels, edges = _levels(known)
        counts = _counts(table, edges)
        measured = pool.observed > 0
        labels = np.arange(len(counts)) if clusters is None else np.asarray(clusters)
        weights, chances = _types(counts[measured], labels[measured])
        prior = _prior(levels, edges, weights, chances)
    if utilities is None:
        return prior
    worth = _utility_of_level(prior, table, aligned_scores(pool, utilities))
    return Prior(prior.levels, prior.edges, prior.weights, prior.chances, worth)


def _prior(levels: FloatArray, edges: FloatArray, weights: FloatArray, chances: FloatArray) -> Prior:
    keep = weights > _NEGLIGIBLE
    shares = weights[keep] / weights[keep].sum()
    rows = chances[keep]
    order = np.argsort(rows @ levels, kind="stable")
    return Prior(
        tuple(levels.tolist()),
        tuple(edges.tolist()),
        tuple(shares[order].tolist()),
        tuple(tuple(row) for row in rows[order].tolist()),
    )


def _of_successes(draws: IntArray, wins: IntArray) -> Prior:
    from scipy.special import xlog1py, xlogy

    kinds, counts = np.unique(np.stack([draws, wins], axis=1), axis=0, return_counts=True)
    measured = kinds[:, 0] > 0
    n, c = (kinds[measured, column][:, None].astype(np.float64) for column in (0, 1))
    grid = probability_grid(int(draws.max()))
    data = mixture_data(counts[measured].astype(np.float64), xlogy(c, grid) + xlog1py(n - c, -grid))
    found = fit_mixture(data)
    chances = np.stack([1 - grid, grid], axis=1)
    return _prior(np.array([0.0, 1.0]), np.array([0.5]), found.weights, chances)


def _levels(known: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Levels and the edges between them; few distinct values are levels themselves."""
    distinct = np.unique(known)
    if len(distinct) <= MOST_LEVELS:
        return distinct, (distinct[1:] + distinct[:-1]) / 2
    cuts = np.unique(np.quantile(known, _CUTS, method="higher"))
    edges = cuts[cuts > distinct[0]]
    level = np.searchsorted(edges, known, side="right")
    return np.bincount(level, known) / np.bincount(level), edges


def _counts(table: FloatArray, edges: FloatArray) -> FloatArray:
    """(M, L) candidates of each item on each level."""
    level = np.searchsorted(edges, table, side="right")
    return np.stack([((level == one) & ~np.isnan(table)).sum(axis=1) for one in range(len(edges) + 1)], axis=1).astype(
        np.float64
    )


def _types(counts: FloatArray, labels: np.ndarray) -> tuple[FloatArray, FloatArray]:
    """The mixture with as many types as predict left-out clusters best; the fewer where it makes no difference."""
    fold = np.unique(labels, return_inverse=True)[1] % _FOLDS
    best, types = -math.inf, 1
    for tried in range(1, MOST_TYPES + 1):
        if tried * 2 > len(counts) * (_FOLDS - 1) // _FOLDS:
            break
        score = sum(
            _log_likelihood(counts[fold == one], *_mixture(counts[fold != one], tried)).sum()
            for one in range(_FOLDS)
            if np.any(fold == one) and np.any(fold != one)
        )
        if score <= best + 1e-9:
            break
        best, types = score, tried
    return _mixture(counts, types)


def _mixture(counts: FloatArray, types: int) -> tuple[FloatArray, FloatArray]:
    """EM from two deterministic starts, items ordered by their mean level and by its spread; the likelier end."""
    pooled = (counts.sum(axis=0) + 0.5) / (counts.sum() + 0.5 * counts.shape[1])
    number = np.arange(counts.shape[1])
    draws = np.maximum(counts.sum(axis=1), 1)
    mean = counts @ number / draws
    spread = counts @ number**2 / draws - mean**2
    ends = [_climb(counts, pooled, _parted(order, types)) for order in (mean, spread)[: 1 if types == 1 else 2]]
    return max(ends, key=lambda end: float(_log_likelihood(counts, *end).sum()))


def _parted(order: FloatArray, types: int) -> FloatArray:
    """(M, J) items in equal parts by their order."""
    rank = np.argsort(np.argsort(order, kind="stable"), kind="stable")
    return np.eye(types)[rank * types // len(order)]


def _climb(counts: FloatArray, pooled: FloatArray, shares: FloatArray) -> tuple[FloatArray, FloatArray]:
    before = -math.inf
    for _ in range(_STEPS):
        weights = (shares.sum(axis=0) + 1) / (len(counts) + shares.shape[1])
        chances = shares.T @ counts + pooled  # one draw of the pooled distribution keeps every level possible
        chances /= chances.sum(axis=1, keepdims=True)
        joint = counts @ np.log(chances).T + np.log(weights)
        top = joint.max(axis=1, keepdims=True)
        likelihood = np.exp(joint - top)
        total = likelihood.sum(axis=1, keepdims=True)
        shares = likelihood / total
        # What EM raises is the posterior: the likelihood with the Dirichlet terms.
        now = float((top + np.log(total)).sum() + np.log(weights).sum() + (np.log(chances) @ pooled).sum())
        if now - before < 1e-4:
            break
        before = now
    return weights, chances


def _log_likelihood(counts: FloatArray, weights: FloatArray, chances: FloatArray) -> FloatArray:
    joint = counts @ np.log(chances).T + np.log(weights)
    top = joint.max(axis=1)
    return np.asarray(top + np.log(np.exp(joint - top[:, None]).sum(axis=1)))


def _utility_of_level(prior: Prior, values: FloatArray, utilities: FloatArray) -> tuple[float, ...]:
    """The mean utility of each level's candidates, made to never fall; a level without any takes its neighbours'."""
    from scipy.optimize import isotonic_regression

    both = ~np.isnan(values) & ~np.isnan(utilities)
    if not both.any():
        raise InputError("no candidate has both a value and a utility: leave the utilities out")
    worth = utilities[both]
    if not np.all((worth >= 0) & (worth <= 1)):
        raise InputError("a utility lies in [0, 1]: rescale it first")
    level = prior.level_of(values[both])
    number = np.bincount(level, minlength=len(prior.levels)).astype(np.float64)
    mean = np.bincount(level, worth, minlength=len(prior.levels)) / np.maximum(number, 1)
    seen = number > 0
    rising = isotonic_regression(mean[seen], weights=number[seen]).x
    filled = np.interp(np.arange(len(number)), np.flatnonzero(seen), rising)
    return tuple(np.clip(filled, 0.0, 1.0).tolist())
