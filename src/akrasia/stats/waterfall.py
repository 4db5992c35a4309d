"""The waterfall: deployed → recoverable → reachable@k → reachable@4k → 1, every step signed.

Each stage is computed elsewhere, on the same items, k and missing rule; here they are put in order and a harmful
verifier is named. Rational value risk and the value–action gap share the form.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from akrasia.stats.figure import Figure

StageName = Literal["deployed", "recoverable", "reachable", "reachable_4k", "perfect"]

HARMS = "verifier harms"
NOT_CROSS_FITTED = "not cross-fitted"


class Stage(Struct, frozen=True):
    """One stage of the waterfall.

    Attributes:
        stage: its name.
        value: its utility.
        low: lower end of its interval; None where it has none.
        high: upper end.
        note: what a reader must know about this stage, else "".
    """

    stage: StageName
    value: float
    low: float | None
    high: float | None
    note: str = ""


def waterfall(
    deployed: Figure,
    reachable: Figure,
    *,
    recoverable: Figure | None = None,
    harms: bool | None = None,
    note: str = "",
    cross_fitted: bool = False,
    reachable_4k: Figure | None = None,
) -> tuple[Stage, ...]:
    """The stages that apply, from what is deployed to what would be perfect.

    Args:
        deployed: what the strategy commits to.
        reachable: the best among k candidates, by a perfect verifier.
        recoverable: best-of-k by the verifier at hand; None when there is no verifier apart from the utility.
        harms: whether `recoverable` is less than what is deployed; None: by the two figures, as of the same items.
        note: what else is to be said of `recoverable`.
        cross_fitted: whether `recoverable` selects by one verifier and values by another, both ways.
        reachable_4k: extrapolated; None for graded utilities.
    """
    stages = [_stage("deployed", deployed)]
    if recoverable is not None:
        notes = [HARMS] if (recoverable.value < deployed.value if harms is None else harms) else []
        notes += [] if cross_fitted else [NOT_CROSS_FITTED]
        notes += [note] if note else []
        stages.append(_stage("recoverable", recoverable, "; ".join(notes)))
    stages.append(_stage("reachable", reachable))
    if reachable_4k is not None:
        stages.append(_stage("reachable_4k", reachable_4k))
    stages.append(Stage("perfect", 1.0, 1.0, 1.0))
    return tuple(stages)


def _stage(name: StageName, figure: Figure, note: str = "") -> Stage:
    return Stage(name, figure.value, figure.low, figure.high, note)
