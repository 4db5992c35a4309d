"""The winner's curse: the best of k noisy scores looks better than it is; two judges can take each other's measure.

Choosing by one judge and valuing the choice by another, both ways, estimates what is recoverable with such judges, up
to errors that the two share. One judge alone, or a deterministic one twice, gives no cross-fit.
"""

from __future__ import annotations

from numpy.typing import ArrayLike

from akrasia.core.errors import InputError
from akrasia.risk.pool import Utilities, check_k, read_pool
from akrasia.risk.pooled import aligned_scores, best_of_n_items
from akrasia.risk.records import CrossFit
from akrasia.stats.grouping import group
from akrasia.stats.intervals import check_level, interval_of_mean


def cross_fit(
    first: Utilities, second: Utilities, k: int, *, clusters: ArrayLike | None = None, level: float = 0.95
) -> CrossFit:
    """Cross-fit best-of-k over two judges of the same candidates.

    Args:
        first: (M, K) utilities in [0, 1] by one judge, NaN where missing.
        second: (M, K) utilities in [0, 1] by a different judge.
        k: candidates to choose from.
        clusters: (M,) labels.
        level: nominal coverage.

    Raises:
        InputError: shapes differ, k too large, or the two never differ: that is one judge, and no cross-fit.
    """
    check_level(level)
    one, two = read_pool(first, name="first"), read_pool(second, name="second")
    check_k(k, one)
    check_k(k, two)
    scores = aligned_scores(one, two.utilities)
    if not (aligned_scores(one, one.utilities) != scores).any():
        raise InputError("both judges say the same of every candidate: a judge cannot be cross-fitted with itself")
    there, back = best_of_n_items(two, one.utilities, k), best_of_n_items(one, two.utilities, k)
    crossed = (there + back) / 2
    naive = (best_of_n_items(one, one.utilities, k) + best_of_n_items(two, two.utilities, k)) / 2
    grouping = group(len(crossed), clusters)
    return CrossFit(
        interval_of_mean(crossed, grouping, level=level),
        interval_of_mean(naive, grouping, level=level),
        interval_of_mean(naive - crossed, grouping, level=level, bounded=False),
    )
