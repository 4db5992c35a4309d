"""What the missing labels could do: counts per stage, and the least and the most a rate could be, never a guess."""

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
    said = bits(stages.stated[asked], threshold)
    retention = _least_and_most(said, bits(stages.action[asked], threshold))
    betrayed, betrayal = None, None
    if stages.betrayed is not None:
        betrayed = lost(stages.betrayed)
        # The most that is betrayed is the worst.
        least, most = _least_and_most(said, bits(stages.betrayed[asked], threshold)) or (None, None)
        betrayal = None if least is None or most is None else Bounds(worst=most, best=least)
    return Missing(
        cells=cells,
        stated=stated,
        reasoning=reasoning,
        action=action,
        share=share,
        retention=None if retention is None else Bounds(*retention),
        betrayed=betrayed,
        betrayal=betrayal,
    )


def only_betrayals(stages: Stages, threshold: float) -> bool:
    """Whether betrayal is labelled where it holds and left out elsewhere, so that no share can be made of it."""
    if stages.betrayed is None:
        return False
    marks = bits(stages.betrayed, threshold)[(bits(stages.stated, threshold) == 1) & ~np.isnan(stages.action)]
    return bool(np.isnan(marks).any() and np.any(marks == 1) and not np.any(marks == 0))


def _least_and_most(stated: FloatArray, then: FloatArray) -> tuple[float, float] | None:
    """The least and the most that P(then | stated) could be, over all values of the missing labels.

    A completed cell only matters when it ends up stated: for the least, every open cell that can be "stated, and not
    then" is; for the most, every open cell that can be "stated, and then" is.

    Args:
        stated: 0, 1 or NaN for each cell.
        then: the same.

    Returns:
        Both; None where the ratio has no value in one of these completions.
    """
    both = int(((stated == 1) & (then == 1)).sum())
    without = int(((stated == 1) & (then == 0)).sum())
    open_stated, open_then = np.isnan(stated), np.isnan(then)
    may_not = int(((open_then & (stated != 0)) | (open_stated & (then == 0))).sum())
    may = int(((open_then & (stated != 0)) | (open_stated & (then == 1))).sum())
    if both + without + may_not == 0 or both + without + may == 0:
        return None
    return both / (both + without + may_not), (both + may) / (both + without + may)
