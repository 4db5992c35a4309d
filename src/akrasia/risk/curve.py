r"""Reachable@k for every k: the U-statistic over all size-k subsets of an item's candidates.

For one item with n known candidates, reachable@k = E over size-k subsets S of max(u in S), which order statistics
give exactly: Σ_r w_r u_(r) with w_r = C(r − 1, k − 1) / C(n, k); for binary utilities with c successes,
1 − C(n − c, k) / C(n, k) (Chen et al. 2021). It is unbiased for the mean maximum of k fresh draws and has the least
variance of all unbiased estimators that look at the n draws alone.

The deployed candidate belongs to the reference pool. When deployment commits to a random draw it is one of the base
candidates already. When a given candidate d is deployed, it stands beside the k base candidates: reachable@k =
E over S of max(max(u in S), d), so that no item's risk is below 0. For binary utilities d may be a probability (the
exact share of a pooled strategy): the expectation over it is then exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from akrasia.risk.pool import Pool
from akrasia.stats.grouping import FloatArray, IntArray
from akrasia.stats.order import order_weights


def all_fail(n: int, ks: Sequence[int]) -> FloatArray:
    """(n + 1, len(ks)) probabilities C(n − c, k) / C(n, k) that k of n candidates hold none of the c successes."""
    successes = np.arange(n + 1)[:, None]
    draws = np.arange(max(ks))[None, :]
    factors = np.clip((n - successes - draws) / (n - draws), 0.0, 1.0)
    return np.asarray(np.cumprod(factors, axis=1)[:, np.asarray(ks) - 1])


def reachable_items(pool: Pool, ks: Sequence[int], deployed: FloatArray | None = None) -> Iterator[FloatArray]:
    """Reachable@k of every item, one (M,) vector for each k in turn.

    Args:
        pool: M items, each with at least max(ks) known candidates.
        ks: subset sizes.
        deployed: (M,) or (M, S) utilities of the deployed candidates, NaN where missing; None: a random draw of the
            pool.
    """
    if pool.successes is not None:
        yield from _binary(pool.observed, pool.successes, ks, deployed)
        return
    values = _graded(pool, ks, deployed)
    for column in range(len(ks)):
        yield values[:, column]


def _binary(
    observed: IntArray, successes: IntArray, ks: Sequence[int], deployed: FloatArray | None
) -> Iterator[FloatArray]:
    sizes, code = np.unique(observed, return_inverse=True)
    tables = [all_fail(int(n), ks) for n in sizes]
    offsets = np.cumsum([0] + [len(table) for table in tables[:-1]])
    index = offsets[code] + successes
    table = np.concatenate(tables)
    missed = None if deployed is None else 1 - (deployed if deployed.ndim == 1 else np.nanmean(deployed, axis=1))
    for column in range(len(ks)):
        fail = table[index, column]
        yield 1 - fail if missed is None else 1 - fail * missed


def _graded(pool: Pool, ks: Sequence[int], deployed: FloatArray | None) -> FloatArray:
    out = np.empty((pool.items, len(ks)))
    weights = {int(n): order_weights(int(n), ks) for n in np.unique(pool.observed)}
    for part, block in pool.blocks():
        by_rank = np.sort(block, axis=1)  # NaN goes to the end; a copy: a block may be a view of the caller's array
        counts = pool.observed[part]
        for n in np.unique(counts):
            mine = counts == n
            ordered = by_rank[mine, :n]
            given = None if deployed is None else deployed[part][mine]
            out[part.start + np.flatnonzero(mine)] = _expected_maximum(ordered, weights[int(n)], given)
    return out


def _expected_maximum(ordered: FloatArray, weights: FloatArray, deployed: FloatArray | None) -> FloatArray:
    if deployed is None:
        return ordered @ weights
    if deployed.ndim == 1:
        return np.maximum(ordered, deployed[:, None]) @ weights
    known = ~np.isnan(deployed)
    total = np.zeros((len(ordered), weights.shape[1]))
    for sample in range(deployed.shape[1]):
        here = known[:, sample]
        total[here] += np.maximum(ordered[here], deployed[here, sample, None]) @ weights
    return np.asarray(total / known.sum(axis=1)[:, None])


def worst_items(pool: Pool, n: int) -> FloatArray:
    """(M,) mean minimum of n of each item's known candidates."""
    values = np.empty(pool.items)
    weights = {int(size): order_weights(int(size), [n])[::-1, 0] for size in np.unique(pool.observed)}
    for part, block in pool.blocks():
        by_rank = np.sort(block, axis=1)
        for size in np.unique(pool.observed[part]):
            mine = pool.observed[part] == size
            values[part.start + np.flatnonzero(mine)] = by_rank[mine, :size] @ weights[int(size)]
    return values
