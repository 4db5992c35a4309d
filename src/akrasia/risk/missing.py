"""What the missing utilities could do to the figures: the worst and the best case, never a guess.

A missing utility may have been anything in [0, 1]. Deployed and reachable rise with every utility, so 0 and 1 bound
them. An item's risk against a random draw is convex in the missing values: it is largest with each at 0 or 1, and
smallest with all of them equal to one value, which is 0, 1 or a known utility of that item. Of a choice among the draws
themselves the two ends are known one by one: their difference bounds the risk from the safe side.
"""

from __future__ import annotations

import numpy as np

from akrasia.risk.chosen import Chosen
from akrasia.risk.curve import reachable_items
from akrasia.risk.pool import Pool, read_pool
from akrasia.risk.records import Estimate, MissingBounds
from akrasia.stats.diagnostic import Bounds
from akrasia.stats.grouping import FloatArray


def missing_bounds(
    pool: Pool,
    k: int,
    deployed: FloatArray | None = None,
    weights: FloatArray | None = None,
    chosen: Chosen | None = None,
) -> MissingBounds | None:
    """Bounds of the headline figures over the values of the missing utilities, or None when none is missing.

    Args:
        pool: all items, also those with no known candidate.
        k: size of the headline reachable; an item with fewer planned candidates enters with what it has.
        deployed: (M,) or (M, S) utilities of the deployed candidates, NaN where missing.
        weights: (M,) item weights.
        chosen: how they were chosen among draws of this very pool, if they were.
    """
    gaps = pool.planned > pool.observed
    lost = np.zeros(pool.items, bool) if deployed is None else np.isnan(deployed.reshape(pool.items, -1)).any(axis=1)
    touched = gaps | lost
    if not touched.any():
        return None
    mass = np.ones(pool.items) if weights is None else weights
    totals = np.zeros((3, 2))  # deployed, reachable, risk by worst, best
    whole = ~touched
    if whole.any():
        part = pool.rows(whole)
        given = None if deployed is None else deployed[whole]
        base = part.means() if given is None else given.reshape(part.items, -1).mean(axis=1)
        beside = given if chosen is None else None
        (best,) = reachable_items(part, [min(_size(k, chosen), part.smallest)], beside)
        totals += (mass[whole] @ np.stack([base, best, best - base], axis=1))[:, None]
    memory: dict[bytes, FloatArray] = {}
    for index in np.flatnonzero(touched):
        row = np.sort(np.asarray(pool.utilities[index, : pool.planned[index]], dtype=np.float64))
        if chosen is not None:
            totals += mass[index] * _choice(row, k, chosen, int(index))
            continue
        given = None if deployed is None else np.atleast_1d(deployed[index])
        # Items that look alike, as most binary ones do, are worked out once.
        key = row.tobytes() + (b"" if given is None else given.tobytes())
        if key not in memory:
            memory[key] = _one_item(row, k, given)
        totals += mass[index] * memory[key]
    deployed_ends, reachable_ends, risk_ends = totals / mass.sum()
    return MissingBounds(
        Bounds(*map(float, deployed_ends)),
        Bounds(*map(float, reachable_ends)),
        _risk_bounds(risk_ends),
        conservative=chosen is not None,
        missing=int((pool.planned - pool.observed).sum()) + _lost_beside(deployed, chosen),
    )


def _lost_beside(deployed: FloatArray | None, chosen: Chosen | None) -> int:
    """The missing utilities of what is deployed beside the pool; a choice out of it misses none of its own."""
    return 0 if deployed is None or chosen is not None else int(np.isnan(deployed).sum())


def _size(k: int, chosen: Chosen | None) -> int:
    return k if chosen is None else max(k, chosen.n)


def _choice(row: FloatArray, k: int, chosen: Chosen, index: int) -> FloatArray:
    """((deployed, reachable, risk) × (least, most)) of one item whose deployed candidate is chosen among its draws."""
    ends = np.stack([np.where(np.isnan(row), end, row) for end in (0.0, 1.0)])
    (best,) = reachable_items(read_pool(ends), [min(_size(k, chosen), len(row))])
    least = 0.0 if chosen.least is None else chosen.least[index]
    most = 1.0 if chosen.most is None else chosen.most[index]
    lost = [max(0.0, best[0] - most), max(0.0, best[1] - least)]
    return np.array([[least, most], best, [0.0, 0.0] if chosen.best and k <= chosen.n else lost])


def enclosing(found: MissingBounds, raw: Estimate) -> MissingBounds:
    """The bounds widened to the raw figures: as U-statistics of completed pools they need not enclose the known's."""
    return MissingBounds(
        Bounds(min(found.deployed.worst, raw.deployed.value), max(found.deployed.best, raw.deployed.value)),
        Bounds(min(found.reachable.worst, raw.reachable.value), max(found.reachable.best, raw.reachable.value)),
        Bounds(max(found.risk.worst, raw.risk.value), min(found.risk.best, raw.risk.value)),
        found.conservative,
        found.missing,
    )


def _risk_bounds(ends: FloatArray) -> Bounds:
    # The worst case for a risk is the high one.
    return Bounds(worst=float(ends[1]), best=float(ends[0]))


def _one_item(row: FloatArray, k: int, deployed: FloatArray | None) -> FloatArray:
    """((deployed, reachable, risk) × (least, most)) of one item over the values that it misses."""
    known = row[~np.isnan(row)]
    gaps = len(row) - len(known)
    fills = [np.full(gaps, value) for value in {0.0, 1.0, *known.tolist()}]
    fills += [np.repeat([0.0, 1.0], [gaps - ones, ones]) for ones in range(1, gaps)]
    pools = np.array([np.concatenate([known, fill]) for fill in fills])
    size = min(k, len(row))
    if deployed is None:
        mean = pools.mean(axis=1)
        (best,) = reachable_items(read_pool(pools), [size])
        risk = best - mean
        return np.array([[v.min(), v.max()] for v in (mean, best, risk)])
    means, bests, risks = [], [], []
    for value in {0.0, 1.0} if np.isnan(deployed).any() else {0.0}:
        filled = np.where(np.isnan(deployed), value, deployed)
        (best,) = reachable_items(read_pool(pools), [size], np.tile(filled, (len(pools), 1)))
        means.append(np.full(len(pools), filled.mean()))
        bests.append(best)
        risks.append(best - filled.mean())
    return np.array([[np.min(v), np.max(v)] for v in (means, bests, risks)])
