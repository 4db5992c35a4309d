"""Strategies that choose from a pool, computed exactly: best-of-n, self-consistency, worst-of-n, and `risk_within`.

Each is the mean over all size-n subsets of an item's candidates, without replacement, so it costs no generation and
adds no resampling noise. The voting itself is in `voting`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from akrasia.core.errors import InputError, Undefined
from akrasia.risk.curve import reachable_items, worst_items
from akrasia.risk.pool import Pool, Utilities, check_k, read_pool
from akrasia.risk.voting import Answers, classes_of, vote_items
from akrasia.stats.figure import Figure
from akrasia.stats.grouping import FloatArray, group
from akrasia.stats.intervals import check_level, interval_of_mean
from akrasia.stats.order import best_of


def best_of_n_items(utilities: Utilities, verifier: Utilities, n: int) -> FloatArray:
    """(M,) expected utility of the candidate that a verifier ranks first among n, ties shared evenly.

    With V sorted, the subset's largest value is that of rank r with probability C(r − 1, n − 1) / C(N, n); candidates
    with equal V share the weights of their ranks. A candidate whose utility or verifier value is missing is left out.

    Args:
        utilities: (M, K) in [0, 1].
        verifier: (M, K) finite scores on any scale, NaN where missing.
        n: subset size.

    Raises:
        InputError: shapes differ, or an item has fewer than n candidates with both values.
    """
    offered = read_pool(utilities)
    values = np.asarray(offered.utilities, dtype=np.float64)
    scores = aligned_scores(offered, verifier)
    scores[np.isnan(values)] = np.nan
    pool = read_pool(np.where(np.isnan(scores), np.nan, values))
    check_k(n, pool)
    return _unit(best_of(values, scores, n))


def _unit(values: FloatArray) -> FloatArray:
    """Rounding may leave a mean of utilities an ulp outside [0, 1]; what takes it for a utility must not stumble."""
    return np.clip(values, 0.0, 1.0)


def aligned_scores(pool: Pool, verifier: Utilities) -> FloatArray:
    """The verifier's scores in the shape of the pool, NaN where missing.

    Raises:
        InputError: not one score per candidate, or an infinite one.
    """
    shape = pool.utilities.shape
    if isinstance(verifier, np.ndarray) and verifier.ndim == 2:
        scores = np.array(verifier, dtype=np.float64)
        if scores.shape != shape:
            raise InputError(f"verifier has shape {scores.shape}, utilities {shape}: give one score per candidate")
    else:
        rows = [list(row) for row in verifier]  # type: ignore[arg-type, union-attr]
        if len(rows) != shape[0] or any(len(row) != n for row, n in zip(rows, pool.planned, strict=True)):
            raise InputError("verifier must have one score per candidate: its rows differ in number or length")
        scores = np.full(shape, np.nan)
        for index, row in enumerate(rows):
            scores[index, : len(row)] = [np.nan if score is None else score for score in row]
    if np.isinf(scores).any():
        raise InputError("verifier scores must be finite; write NaN where one is missing")
    return scores


def best_of_n(
    utilities: Utilities, verifier: Utilities, n: int, *, clusters: ArrayLike | None = None, level: float = 0.95
) -> Figure:
    """Best-of-n by a verifier: the mean over items of `best_of_n_items`, with its interval.

    Raises:
        InputError, Undefined: as `best_of_n_items` and `read_pool`.

    Example:
        >>> best_of_n([[0.0, 1.0, 1.0]], [[0.2, 0.9, 0.9]], 2).value
        1.0
    """
    return _figure(best_of_n_items(utilities, verifier, n), clusters, level)


def self_consistency_items(utilities: Utilities, answers: Answers, n: int) -> FloatArray:
    """(M,) expected utility of the modal answer of n candidates.

    Only candidates with a parsable answer vote; ties between answers are shared evenly; a subset in which no answer
    can be parsed is a failure, 0. Within the winning class the utility is the class's mean. A candidate whose utility
    is missing is left out of the pool.

    Args:
        utilities: (M, K) in [0, 1].
        answers: (M, K) answer classes, compared within an item only; −1, "", None or NaN: unparsable.
        n: votes.

    Raises:
        InputError: shapes differ, or an item has fewer than n known candidates.
    """
    pool = read_pool(utilities)
    check_k(n, pool)
    return _unit(vote_items(classes_of(pool, answers), n))


def self_consistency(
    utilities: Utilities, answers: Answers, n: int, *, clusters: ArrayLike | None = None, level: float = 0.95
) -> Figure:
    """Majority vote over n candidates: the mean over items of `self_consistency_items`, with its interval.

    Raises:
        InputError, Undefined: as `self_consistency_items` and `read_pool`.

    Example:
        Of the three pairs of votes, one is (a, a) and right; two are ties (a, b), right half of the time.

        >>> round(self_consistency([[1, 1, 0]], [["a", "a", "b"]], 2).value, 4)
        0.6667
    """
    return _figure(self_consistency_items(utilities, answers, n), clusters, level)


def worst_of_n(utilities: Utilities, n: int, *, clusters: ArrayLike | None = None, level: float = 0.95) -> Figure:
    """The mean utility of the worst of n candidates: what an unlucky user of n draws gets.

    Raises:
        InputError: n above the fewest known candidates of any item.
    """
    pool = read_pool(utilities)
    check_k(n, pool)
    return _figure(worst_items(pool, n), clusters, level)


def risk_within(
    utilities: Utilities,
    *,
    k: int | None = None,
    deterministic: bool = False,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
) -> Figure:
    """A strategy's risk against its own draws alone: the mean of max − mean over k of them (U-statistic).

    Args:
        utilities: (M, K) utilities of the strategy's own draws.
        k: draws; None: all that every item has.
        deterministic: the strategy returns the same candidate every time (greedy).
        clusters: (M,) labels.
        level: nominal coverage.

    Raises:
        Undefined: one draw, or a deterministic strategy: it never meets an alternative, which is not a risk of 0.
    """
    pool = read_pool(utilities)
    if deterministic:
        raise Undefined("risk_within of a deterministic strategy has no value: measure it against a sampled pool")
    if pool.smallest < 2:
        raise Undefined("risk_within needs at least two draws of every item: sample more")
    size = check_k(pool.smallest if k is None else k, pool)
    (best,) = reachable_items(pool, [size])
    return _figure(best - pool.means(), clusters, level)


def _figure(values: FloatArray, clusters: ArrayLike | None, level: float) -> Figure:
    check_level(level)
    return interval_of_mean(np.clip(values, 0.0, 1.0), group(len(values), clusters), level=level)
