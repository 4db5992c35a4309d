"""The donor gain: what actions written for another scenario would gain from several tries, on what was stated here.

Whoever acts without looking at the scenario also finds, among k actions, one that happens to fit. Actions of another
family of the same domain show how much of that is chance.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from akrasia.gap.overlap import scenario_f1
from akrasia.stats.grouping import BoolArray, FloatArray, IntArray
from akrasia.stats.order import best_of


class Pool(Struct, frozen=True):
    """R scenarios that lend each other their actions; labels 0, 1 or NaN.

    Attributes:
        stated: (R, V).
        actions: (R, K, V).
        deployed: (R, V) what the strategy committed to; None: a random one of the K.
        families: (R,) codes. A family never lends to itself: its texts are variants of one another.
        domains: (R,) codes. Only scenarios of one domain lend to each other.
    """

    stated: FloatArray
    actions: FloatArray
    deployed: FloatArray | None
    families: IntArray
    domains: IntArray


class DonorGain(Struct, frozen=True):
    """The donor gain of R scenarios; its mean is the donor gain of them all.

    Attributes:
        own: (R,) mean over its donors of what k of their actions would gain on what was stated here.
        lent: (R,) how far the scenario, as a donor, lifts the mean of the others: its part in the error, with mean 0.
    """

    own: FloatArray
    lent: FloatArray


def lends(families: IntArray, domains: IntArray) -> BoolArray:
    """(R,) whether a scenario has a donor at all: its domain holds another family."""
    found = np.zeros(len(families), bool)
    for domain in np.unique(domains):
        mine = domains == domain
        found[mine] = len(np.unique(families[mine])) > 1
    return found


def donor_gain(pool: Pool, k: int, donors: int, rng: np.random.Generator) -> DonorGain | None:
    """Average reachable@k − mean over other families' actions, for every scenario.

    Args:
        pool: who lends to whom; every scenario has a donor.
        k: actions to choose from.
        donors: most donors per scenario; where there are more, a random sample of them, drawn for each scenario anew.
        rng: source of the sample.

    Returns:
        None where some scenario has no donor with k actions that could be judged.
    """
    rows = len(pool.stated)
    own, lent = np.empty(rows), np.zeros(rows)
    members = {int(domain): np.flatnonzero(pool.domains == domain) for domain in np.unique(pool.domains)}
    for row in range(rows):
        others = members[int(pool.domains[row])]
        others = others[pool.families[others] != pool.families[row]]
        if len(others) > donors:
            others = rng.choice(others, donors, replace=False)
        gains = _gains(pool, row, others, k)
        known = ~np.isnan(gains)
        if not known.any():
            return None
        own[row] = gains[known].mean()
        lent[others[known]] += (gains[known] - own[row]) / known.sum()
    return DonorGain(own, lent)


def _gains(pool: Pool, row: int, others: IntArray, k: int) -> FloatArray:
    """(D,) what each donor's actions gain on the values stated in one scenario."""
    utilities = scenario_f1(pool.stated[row], pool.actions[others])
    enough = (~np.isnan(utilities)).sum(axis=1) >= k
    gains = np.full(len(others), np.nan)
    if pool.deployed is None:
        some = utilities[enough]
        # Never below 0 but for the last bits of a sum.
        gains[enough] = np.maximum(best_of(some, some, k) - np.nanmean(some, axis=1), 0.0)
        return gains
    committed = scenario_f1(pool.stated[row], pool.deployed[others][:, None, :])
    best = np.maximum(utilities, committed)
    return best_of(best, best, k) - committed[:, 0]
