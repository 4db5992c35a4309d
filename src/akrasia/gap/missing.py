"""What the missing labels could do: counts per stage, and the worst and the best case for retention, never a guess."""

from __future__ import annotations

import numpy as np

from akrasia.gap.cells import bits
from akrasia.gap.records import Stages
from akrasia.gap.results import Missing
from akrasia.stats.diagnostic import Bounds
from akrasia.stats.grouping import FloatArray


def count_missing(stages: Stages, threshold: float) -> Missing:
    """Count what is not known among the scenarios that the arm was asked about."""
    asked = np.ones(len(stages.stated), bool) if stages.asked is None else stages.asked
    cells = int(asked.sum()) * stages.stated.shape[1]

    def lost(labels: FloatArray) -> int:
        return int(np.isnan(labels[asked]).sum())

    stated, action = lost(stages.stated), lost(stages.action)
    reasoning = None if stages.reasoning is None else lost(stages.reasoning)
    stages_counted = 2 if reasoning is None else 3
    share = (stated + action + (reasoning or 0)) / (stages_counted * cells)
    found = retention_bounds(bits(stages.stated[asked], threshold), bits(stages.action[asked], threshold))
    return Missing(cells, stated, reasoning, action, share, found)


def retention_bounds(stated: FloatArray, action: FloatArray) -> Bounds | None:
    """The least and the most that P(action | stated) could be, over all values of the missing labels.

    A completed cell only matters when it ends up stated: at worst every open cell that can be "stated, not acted on"
    is, and at best every open cell that can be "stated and acted on" is.

    Args:
        stated: 0, 1 or NaN for each cell.
        action: the same.

    Returns:
        The bounds; None where the ratio has no value in some completion that is worst or best.
    """
    kept = int(((stated == 1) & (action == 1)).sum())
    dropped = int(((stated == 1) & (action == 0)).sum())
    open_stated, open_action = np.isnan(stated), np.isnan(action)
    may_drop = int(((open_action & (stated != 0)) | (open_stated & (action == 0))).sum())
    may_keep = int(((open_action & (stated != 0)) | (open_stated & (action == 1))).sum())
    if kept + dropped + may_drop == 0 or kept + dropped + may_keep == 0:
        return None
    return Bounds(worst=kept / (kept + dropped + may_drop), best=(kept + may_keep) / (kept + dropped + may_keep))
