"""What a run to a width left behind beside its figures: missing candidates, failures, and what they could change.

The figures (`stopped`) rest on known candidates, which further draws stood in for where one was missing. Here the draws
are taken as they came, gaps included: a missing one that had been right would have ended its item's sampling.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from akrasia.risk.curve import all_fail
from akrasia.risk.diagnostics import Notes, figure_diagnostics, stopped_diagnostics
from akrasia.risk.missing import enclosing
from akrasia.risk.pool import read_pool
from akrasia.risk.records import Estimate, MissingBounds
from akrasia.stats.diagnostic import Bounds, ordered
from akrasia.stats.grouping import FloatArray

Draws = Sequence[Sequence[float | None]]
"""All utilities of each item, 0 or 1, in the order of sampling; None where missing."""


def with_account(result: Estimate, draws: Draws, *, first: int, notes: Notes) -> Estimate:
    """The estimate with the count of all its candidates, the bounds over missing ones, and the diagnostics.

    Args:
        result: of `estimate_stopped`.
        draws: of the same items, and of those that were given up because too few of their draws could be measured.
        first: candidates that the mean rests on.
        notes: facts for the diagnostics.
    """
    pool = read_pool(draws)
    bounds = stopped_bounds(draws, first=first, k=result.k)
    told = [*stopped_diagnostics(pool, notes), *figure_diagnostics(result, notes, None)]
    return replace(
        result,
        candidates=int(pool.planned.sum()),
        missing=pool.missing,
        missing_bounds=None if bounds is None else enclosing(bounds, result),
        diagnostics=ordered([*result.diagnostics, *told]),
    )


def stopped_bounds(draws: Draws, *, first: int, k: int) -> MissingBounds | None:
    """The headline figures over all values, 0 or 1, that missing draws could have had; None when none is missing."""
    if not any(utility is None for row in draws for utility in row):
        return None
    fail = all_fail(first, [min(k, first)])[:, 0]
    deployed, reachable, risk = np.mean([_one_item(row, first, k, fail) for row in draws], axis=0).tolist()
    return MissingBounds(Bounds(*deployed), Bounds(*reachable), Bounds(worst=risk[1], best=risk[0]))


def _one_item(row: Sequence[float | None], first: int, k: int, fail: FloatArray) -> FloatArray:
    """((deployed, reachable, risk) × (least, most)) of one item."""
    early = [utility for utility in row[:first] if utility is not None]
    gaps = len(row[:first]) - len(early)
    right = sum(utility == 1 for utility in early)
    later = row[first:k]
    found: list[tuple[float, float, float]] = []
    for hits in range(right, right + gaps + 1):
        base = hits / first
        bests = {1 - float(fail[hits])}
        if k > first:
            bests = {1.0} if hits or 1 in later else {0.0, 1.0} if None in later else {0.0}
        found += [(base, best, best - base) for best in bests]
    return np.array([[min(column), max(column)] for column in zip(*found, strict=True)])
