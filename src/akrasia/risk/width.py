"""Sampling to a width: the plan as data, what an item needs next, and when to stop. Estimation is in `stopped`.

Two phases per item, for binary utilities: first `first` candidates whatever happens, since the mean must come from
draws that no outcome chose; then, when all of them failed, on until the first success or `most` candidates, which is
all that reachable@k = P(first success ≤ k) needs. The share of successes of a stopped pool overstates the mean, and the
U-statistic on stopped pools is wrong: neither is ever used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

from akrasia.core.errors import InputError
from akrasia.risk.stopped import StoppedPools, estimate_stopped, read_stopped
from akrasia.stats.figure import Figure


class UntilWidth(Struct, frozen=True):
    """A plan to sample until the interval of the risk is narrow enough.

    Attributes:
        half_width: the half-width to reach, of the interval of risk@most.
        first: candidates of every item, at least 2.
        most: candidates at which an item that never succeeded is given up; reachable is reported up to this k.
        batch: candidates to ask for at once in the second phase; what comes after a first success is wasted.
        min_items: items before any thought of stopping.
        level: nominal coverage.
    """

    half_width: float
    first: int = 4
    most: int = 64
    batch: int = 4
    min_items: int = 100
    level: float = 0.95

    def __post_init__(self) -> None:
        """Refuse a plan that cannot be followed."""
        if not 0 < self.half_width < 0.5:
            raise InputError(
                f"half_width is in utility and lies between 0 and 0.5, for example 0.02: got {self.half_width}"
            )
        if not 2 <= self.first < self.most:
            raise InputError(f"a plan needs 2 ≤ first < most: got first = {self.first}, most = {self.most}")
        if self.batch < 1 or self.min_items < 2:
            raise InputError("batch must be at least 1 and min_items at least 2")


class Decision(Struct, frozen=True):
    """Whether to stop.

    Attributes:
        stop: the width is reached.
        half_width: of the risk now; None before `min_items`.
        look_at: number of finished items at which to decide again; looking at every item would favour lucky moments.
        risk: the figure behind it; None before `min_items`.
    """

    stop: bool
    half_width: float | None
    look_at: int
    risk: Figure | None


def candidates_needed(plan: UntilWidth, outcomes: Sequence[float]) -> int:
    """How many more candidates an item needs now; 0: it is finished.

    Args:
        plan: the plan.
        outcomes: its known utilities so far, 0 or 1, in the order of sampling; a missing one is left out, so that the
            next candidate takes its place.
    """
    drawn = len(outcomes)
    if drawn < plan.first:
        return plan.first - drawn
    if any(outcomes) or drawn >= plan.most:
        return 0
    return min(plan.batch, plan.most - drawn)


def decide(
    plan: UntilWidth,
    outcomes: Sequence[Sequence[float]],
    *,
    clusters: Sequence[object] | None = None,
    cut_short: bool = False,
) -> Decision:
    """Whether the items finished so far give the width.

    The items must be a prefix of the plan's order: those that happen to finish first are the easy ones. The next look
    is at the number of items that the spread so far asks for: at least a tenth more than now, since every item under
    way is waited for at a look, and at most twice as many, since a spread of few items is uncertain.

    Args:
        plan: the plan.
        outcomes: known utilities of each finished item, in the order of sampling.
        clusters: labels of these items; None: each is its own.
        cut_short: as for `read_stopped`.
    """
    done = len(outcomes)
    if done < plan.min_items:
        return Decision(False, None, plan.min_items, None)
    pools: StoppedPools = read_stopped(outcomes, first=plan.first, most=plan.most, cut_short=cut_short)
    risk = estimate_stopped(pools, clusters=clusters, ks=[plan.most], level=plan.level, extrapolate=False).risk
    width = math.inf if risk.half_width is None else risk.half_width
    if width <= plan.half_width:
        return Decision(True, width, done, risk)
    asked = math.ceil(done * (width / plan.half_width) ** 2) if math.isfinite(width) else 2 * done
    return Decision(False, width, min(max(asked, math.ceil(1.1 * done)), 2 * done), risk)
