"""Several actions of every scenario as one judge labelled them: checked at the door, and made utilities.

What the utilities lead to is left to `split`.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from akrasia.core.errors import InputError, Undefined
from akrasia.gap.cells import bits, read_grades
from akrasia.gap.overlap import scenario_f1
from akrasia.stats.grouping import BoolArray, FloatArray


class Drawn(Struct, frozen=True):
    """One judge's labels of what was stated and of several actions: grades in [0, 1], NaN where missing.

    Attributes:
        stated: (S, V) the values stated.
        actions: (S, K, V) the values that each of K actions drawn alike expresses and upholds.
        deployed: what the strategy committed to: (S, V) labels of its actions, or (S,) their utilities, which tell less
            about chance; None: a random one of the K.
    """

    stated: FloatArray
    actions: FloatArray
    deployed: FloatArray | None = None


def read_drawn(labels: Drawn, threshold: float) -> Drawn:
    """The labels checked, as 0, 1 or NaN; utilities of what is deployed stay as they are.

    Raises:
        InputError: shapes that differ, or a grade outside [0, 1].
    """
    stated = read_grades(labels.stated, "stated")
    actions = np.asarray(labels.actions, dtype=np.float64)
    scenarios, values = stated.shape
    if actions.ndim != 3 or actions.shape[0] != scenarios or actions.shape[2] != values or not actions.shape[1]:
        raise InputError(f"actions must be ({scenarios} scenarios, K, {values} values): got shape {actions.shape}")
    for draw in range(actions.shape[1]):
        read_grades(actions[:, draw], f"action {draw}", stated.shape)
    deployed = labels.deployed
    if deployed is not None:
        deployed = np.asarray(deployed, dtype=np.float64)
        if deployed.ndim == 1:
            deployed = read_grades(deployed[:, None], "deployed", (scenarios, 1))[:, 0]
        else:
            deployed = bits(read_grades(deployed, "deployed", stated.shape), threshold)
    return Drawn(bits(stated, threshold), bits(actions, threshold), deployed)


def check_pair(judges: list[Drawn]) -> None:
    """Two judges must have read the same, and differ somewhere.

    Raises:
        InputError: they do not.
    """
    if len(judges) == 1:
        return
    one, two = judges
    if one.actions.shape != two.actions.shape or (one.deployed is None) != (two.deployed is None):
        raise InputError(
            f"both judges must read the same actions: got {one.actions.shape} and {two.actions.shape}, or what is "
            "deployed from one of them alone"
        )
    if np.array_equal(one.stated, two.stated, True) and np.array_equal(one.actions, two.actions, True):
        raise InputError("both judges say the same of every text: a judge cannot be cross-fitted with itself")


def utilities_of(judges: list[Drawn]) -> tuple[list[FloatArray], list[FloatArray]]:
    """(S, K) utilities of the actions, and (S,) of what is deployed, by judge; NaN where any judge could not tell."""
    utilities = [scenario_f1(judge.stated, judge.actions) for judge in judges]
    unknown = np.any([np.isnan(u) for u in utilities], axis=0)
    given = []
    for judge in judges:
        if judge.deployed is not None:
            one = judge.deployed
            given.append(one if one.ndim == 1 else scenario_f1(judge.stated, one[:, None, :])[:, 0])
    unsure = np.any([np.isnan(d) for d in given], axis=0)
    return [np.where(unknown, np.nan, u) for u in utilities], [np.where(unsure, np.nan, d) for d in given]


def _no_choice(utilities: FloatArray, usable: BoolArray, alternatives: int) -> str:
    if not usable.any():
        return "no scenario has a stated value that could be read"
    if utilities.shape[1] < alternatives:
        return f"there is no choice where {utilities.shape[1]} action was drawn: draw at least {alternatives}"
    return (
        f"no scenario with a stated value has {alternatives} actions that could be judged, of {utilities.shape[1]} "
        "drawn: see what is missing"
    )


def choice_size(utilities: FloatArray, usable: BoolArray, k: int | None, alternatives: int) -> int:
    """How many actions there are to choose from.

    Args:
        utilities: (S, K), NaN where missing.
        usable: (S,) scenarios that may enter.
        k: as asked for; None: as many as every usable scenario has.
        alternatives: the fewest that make a choice.

    Raises:
        InputError: k is not among what was drawn.
        Undefined: no scenario leaves a choice.
    """
    if k is not None:
        if not alternatives <= k <= utilities.shape[1]:
            raise InputError(f"k must lie between {alternatives} and {utilities.shape[1]}, the actions drawn: got {k}")
        return k
    drawn = (~np.isnan(utilities)).sum(axis=1)[usable]
    drawn = drawn[drawn >= alternatives]
    if not len(drawn):
        raise Undefined(_no_choice(utilities, usable, alternatives))
    return int(drawn.min())
