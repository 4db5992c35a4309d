"""The best of k out of n, exactly: order statistics over all size-k subsets of what was drawn.

What is drawn (candidates of an item, actions in a scenario) and what the best of them means is left to the callers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from akrasia.stats.grouping import FloatArray


def order_weights(n: int, ks: Sequence[int]) -> FloatArray:
    """(n, len(ks)) weights of the order statistics u_(1) ≤ … ≤ u_(n) in the mean maximum of k out of n.

    Example:
        >>> order_weights(3, [2])[:, 0].tolist()  # of the 3 pairs, 1 has u_(2) as its largest and 2 have u_(3)
        [0.0, 0.3333333333333333, 0.6666666666666666]
    """
    weights = np.zeros((n, len(ks)))
    for column, k in enumerate(ks):
        # w_n = k / n and w_r = w_(r+1) (r + 1 − k) / r: no large binomial is ever formed.
        ranks = np.arange(n - 1, k - 1, -1)
        weights[k - 1 :, column] = (k / n * np.concatenate([[1.0], np.cumprod((ranks + 1 - k) / ranks)]))[::-1]
    return weights


def best_of(values: FloatArray, scores: FloatArray, k: int) -> FloatArray:
    """(M,) mean value of the draw with the highest score among k, over all size-k subsets; ties shared evenly.

    With the scores sorted, the subset's largest is that of rank r with probability C(r − 1, k − 1) / C(n, k); draws of
    one score share the weights of their ranks. `best_of(values, values, k)` is the mean maximum.

    Args:
        values: (M, K) what a draw is worth, NaN where missing.
        scores: (M, K) what chooses, on any scale, NaN where missing. A draw that lacks either is left out.
        k: subset size, at least 1.

    Returns:
        NaN for a row with fewer than k draws.

    Example:
        >>> best_of(np.array([[0.0, 1.0, 1.0]]), np.array([[0.2, 0.9, 0.9]]), 2).tolist()
        [1.0]
    """
    known = ~(np.isnan(values) | np.isnan(scores))
    chosen = np.where(known, scores, np.nan)
    order = np.argsort(chosen, axis=1, kind="stable")  # NaN goes to the end
    chosen = np.take_along_axis(chosen, order, axis=1)
    worth = np.take_along_axis(np.where(known, values, 0.0), order, axis=1)
    drawn = known.sum(axis=1)
    weights = np.zeros_like(worth)
    for size in np.unique(drawn[drawn >= k]):
        weights[drawn == size, :size] = order_weights(int(size), [k])[:, 0]
    # Draws with one score form runs of the sorted row: each gets the mean value of its run.
    starts = np.ones(chosen.shape, dtype=bool)
    starts[:, 1:] = chosen[:, 1:] != chosen[:, :-1]
    run = np.cumsum(starts.ravel()) - 1
    shared = np.bincount(run, worth.ravel()) / np.bincount(run)
    best = (shared[run].reshape(worth.shape) * weights).sum(axis=1)
    return np.where(drawn >= k, best, np.nan)
