"""The utility of an action by the values stated: how well two sets of values overlap, scenario by scenario."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from akrasia.core.judgement import PRESENT
from akrasia.gap.cells import bits
from akrasia.stats.grouping import FloatArray


def scenario_f1(stated: ArrayLike, actions: ArrayLike, *, threshold: float = PRESENT) -> FloatArray:
    """The F1 of the set of values in each action with the set stated: 2 |A ∩ D| / (|A| + |D|).

    Only values known in both count. An action that expresses nothing earns 0.

    Args:
        stated: (..., V) grades in [0, 1], NaN where missing.
        actions: (..., K, V) the same of K actions for each; leading axes broadcast.
        threshold: a value is present from this grade on.

    Returns:
        (..., K) in [0, 1]; NaN where none of the known values is stated, or nothing of the action is known.

    Example:
        >>> scenario_f1([1, 1, 0], [[1, 0, 0], [0, 0, 1]]).round(3).tolist()  # 2 · 1 / (2 + 1), and 0 / (2 + 1)
        [0.667, 0.0]
    """
    wanted = bits(np.asarray(stated, dtype=np.float64), threshold)[..., None]
    shown = bits(np.asarray(actions, dtype=np.float64), threshold)
    asked = (~np.isnan(wanted)).astype(np.float64)
    known = (~np.isnan(shown)).astype(np.float64)
    one, two = np.nan_to_num(wanted), np.nan_to_num(shown)
    meant = (known @ one)[..., 0]
    total = meant + (two @ asked)[..., 0]
    return np.where(meant > 0, 2 * (two @ one)[..., 0] / np.where(meant > 0, total, 1.0), np.nan)
