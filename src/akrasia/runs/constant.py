"""What always giving one answer would earn in a run: from the items' targets, and from what was answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from akrasia.risk import best_constant

if TYPE_CHECKING:
    from akrasia.runs.pool import Pool

NAMES_AN_ANSWER = frozenset({"choice", "exact", "label", "math", "numeric"})
"""Utilities of which an item's target is itself an answer, and right."""


def constant_of(pool: Pool) -> tuple[float, str] | None:
    """As `akrasia.risk.best_constant`; None where no answer is known to earn anything.

    An answer earns on an item what the candidates that gave it earned there on average, and 1 where it is the target.
    What else it would earn is not known, so the figure is a lower bound: `1/2` and `0.5` are two answers where neither
    the utility that read them nor a target says otherwise.

    Args:
        pool: a cell's.
    """
    earned: dict[str, dict[int, float]] = {}
    for row, item in enumerate(pool.items):
        if item.target is not None and item.utility in NAMES_AN_ANSWER:
            earned.setdefault(item.target.strip(), {})[row] = 1.0
    given = (pool.answers >= 0) & (pool.utilities > 0)  # never with NaN; what earns nothing needs no place
    for row in np.flatnonzero(given.any(axis=1)).tolist():
        for code in np.unique(pool.answers[row, given[row]]).tolist():
            mine = pool.utilities[row, pool.answers[row] == code]
            on = earned.setdefault(pool.classes[code], {})
            on[row] = max(on.get(row, 0.0), float(np.nanmean(mine)))
    return best_constant({answer: list(on.values()) for answer, on in earned.items()}, len(pool.items))
