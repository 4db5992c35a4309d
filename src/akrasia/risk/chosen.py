"""What is deployed by choosing among draws of the pool itself: its place in the reference pool, and what is missing.

A choice among n draws is one of those draws: it adds nothing to a pool of n or more, and it is no candidate of its own
beside them. The shares that it earns are computed in `pooled`; here stands what the estimates must know beside them.
"""

from __future__ import annotations

from math import comb

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from akrasia.risk.pool import Pool, Utilities, read_pool
from akrasia.risk.pooled import best_of_n_items, self_consistency_items
from akrasia.risk.voting import Answers, parsed_codes
from akrasia.stats.diagnostic import Diagnostic
from akrasia.stats.grouping import FloatArray


class Chosen(Struct, frozen=True):
    """A deployed candidate that is chosen among draws of the reference pool.

    Attributes:
        n: among how many; reachable@k is then over no fewer than these, and nothing stands beside them.
        best: whether the utility itself chooses, so that nothing is lost against the n draws, by definition.
        least: (M,) no higher than what it earns, whatever the item's missing candidates are; None: 0.
        most: (M,) no lower than that; None: 1.
    """

    n: int
    best: bool = False
    least: FloatArray | None = None
    most: FloatArray | None = None


def left_out(chosen: Chosen, pool: Pool, keep: NDArray[np.bool_], drawn: Pool | None = None) -> Diagnostic | None:
    """The items whose known draws are too few to choose among, where any has some.

    Args:
        chosen: how the deployed candidate is chosen.
        pool: all items.
        keep: (M,) which of them the figures hold.
        drawn: all that was drawn of them; None: the pool.
    """
    if not (~keep & (pool.observed > 0) & (pool.observed < chosen.n)).any():
        return None
    lost = int((~keep & ((pool if drawn is None else drawn).observed < chosen.n)).sum())
    have = "has" if lost == 1 else "have"
    return Diagnostic(
        "left_out",
        f"{lost} of {pool.items} items {have} fewer than the {chosen.n} known candidates that are chosen among, and "
        f"{'is' if lost == 1 else 'are'} left out of the figures; the worst-case and best-case bounds count them",
        "warning",
    )


def best_bounds(utilities: Utilities, n: int) -> tuple[FloatArray, FloatArray]:
    """(M,) least and most that best-of-n by the utility itself may earn, exactly: it rises with every utility.

    Args:
        utilities: (M, K) in [0, 1], NaN where missing; an item with fewer than n candidates may earn anything.
        n: subset size.
    """
    pool = read_pool(utilities)
    values = np.asarray(pool.utilities, dtype=np.float64)
    gaps = np.isnan(values) & (np.arange(values.shape[1]) < pool.planned[:, None])
    enough = pool.planned >= n
    ends = np.zeros(pool.items), np.ones(pool.items)
    for found, end in zip(ends, (0.0, 1.0), strict=True):
        if enough.any():
            filled = np.where(gaps, end, values)[enough]
            found[enough] = best_of_n_items(filled, filled, n)
    return ends


def vote_bounds(utilities: Utilities, answers: Answers, n: int) -> tuple[FloatArray, FloatArray]:
    """(M,) least and most that a majority vote of n may earn, whatever missing candidates answer and are worth.

    On the safe side, not exact: of the subsets of n that hold a missing candidate, only those are credited in which one
    known answer has more than half of the votes; there a missing vote for the same answer may still be chosen, and the
    rest may earn nothing, or everything.

    Args:
        utilities: (M, K) in [0, 1], NaN where missing; an item with fewer than n candidates may earn anything.
        answers: (M, K) answer classes, as for `self_consistency_items`.
        n: votes.
    """
    pool = read_pool(utilities)
    codes = parsed_codes(answers, pool)
    values = np.asarray(pool.utilities, dtype=np.float64)
    enough = pool.observed >= n
    vote = np.zeros(pool.items)
    if enough.any():
        vote[enough] = self_consistency_items(values[enough], codes[enough], n)
    least, most = vote.copy(), vote.copy()
    most[pool.planned < n] = 1.0
    for item in np.flatnonzero((pool.planned > pool.observed) & (pool.planned >= n)):
        known = ~np.isnan(values[item, : pool.planned[item]])
        sure = comb(int(known.sum()), n) / comb(len(known), n)
        low, high = _held(codes[item, : len(known)][known], values[item, : len(known)][known], len(known), n)
        least[item], most[item] = sure * vote[item] + low, min(1.0, sure * vote[item] + 1 - sure - high)
    return least, most


def _held(codes: np.ndarray, values: FloatArray, drawn: int, n: int) -> tuple[float, float]:
    """What a majority of known votes secures over the subsets with a missing vote: surely earned, and surely lost."""
    gaps, total = drawn - len(codes), comb(drawn, n)
    earned = lost = 0.0
    for code in np.unique(codes[codes >= 0]):
        mine = codes == code
        size, mean = int(mine.sum()), float(values[mine].mean())
        for votes in range(n // 2 + 1, min(size, n) + 1):
            for wild in range(1, min(gaps, n - votes) + 1):
                ways = comb(size, votes) * comb(gaps, wild) * comb(len(codes) - size, n - votes - wild)
                share = ways / total * votes / (votes + wild)
                earned += share * mean
                lost += share * (1 - mean)
    return earned, lost
