"""Carrying out the plan of `akrasia.risk.width`: items in order, each as far as it needs, until the width is reached.

What to draw next and when to stop are decided there; here they are only asked at the right moments.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence

from akrasia.core import AkrasiaError
from akrasia.risk import UntilWidth, candidates_needed, decide
from akrasia.runs.config import FIRST_CANDIDATES
from akrasia.runs.meter import WidthNotReached

Draw = Callable[[int, int, int], Awaitable[list[float | None]]]
"""Position of an item and a range of its samples → their utilities, None where missing."""


MORE_ITEMS = "use a larger suite, or a higher --limit"
"""What to do when the items are used up before the width is reached."""


def width_plan(half_width: float, most: int) -> UntilWidth:
    """The plan of a run: the same from the half-width and the depth alone, so that a resume follows it."""
    return UntilWidth(half_width, first=FIRST_CANDIDATES, most=most)


def most_draws(plan: UntilWidth) -> int:
    """Draws of an item, missing ones included, at which it is given up: enough for as many missing as measured."""
    return 2 * plan.most


def settled(plan: UntilWidth, utilities: Sequence[float | None]) -> bool:
    """Whether nothing more is drawn of an item: it needs nothing, or is given up."""
    return len(utilities) >= most_draws(plan) or not candidates_needed(plan, known_of(utilities))


def known_of(utilities: Sequence[float | None]) -> list[float]:
    """What could be measured, in the order of sampling: a missing draw is made up for by the next."""
    return [utility for utility in utilities if utility is not None]


def usable(plan: UntilWidth, known: Sequence[float]) -> bool:
    """Whether a settled item enters the figures: by how many of its draws were measured, never by what they were.

    An item that was given up after `first` measured failures stays in, as one that was not reached: left out, it would
    be missing for having failed, and those like it that succeeded in time would not.
    """
    return len(known) >= plan.first


class Looks:
    """The items that are finished so far, in order, and what the looks at their interval came to.

    It depends on the items alone, so whoever goes through a stored run again finds what the run itself found.

    Args:
        plan: see `akrasia.risk.UntilWidth`.
    """

    def __init__(self, plan: UntilWidth) -> None:
        self.plan = plan
        self.reached = False
        self._outcomes: list[list[float]] = []
        self._clusters: list[str] = []
        self._look_at = plan.min_items
        self._width: float | None = None

    def add(self, outcomes: list[float], cluster: str) -> None:
        """The next settled item: known utilities in the order of sampling. Looks when it is time to."""
        if not usable(self.plan, outcomes):
            return
        self._outcomes.append(outcomes)
        self._clusters.append(cluster)
        if len(self._outcomes) >= self._look_at and not self.reached:
            self.look()

    def look(self) -> None:
        """Look now."""
        decision = decide(self.plan, self._outcomes, clusters=self._clusters, cut_short=True)
        self.reached, self._width, self._look_at = decision.stop, decision.half_width, decision.look_at

    @property
    def state(self) -> str:
        """How far it came, and how many items it may take."""
        used, wanted = len(self._outcomes), self.plan.half_width
        are = "item is used" if used == 1 else "items are used"
        if self._width is None:
            return (
                f"{used} {are}, and the half-width of the risk is looked at from {self.plan.min_items} on "
                f"({wanted:g} was wanted)"
            )
        if math.isinf(self._width):
            return f"{used} {are}, and the half-width of the risk is still unknown ({wanted:g} was wanted)"
        # A half-width falls with the square root of the items.
        about = math.ceil(used * (self._width / wanted) ** 2 / 10) * 10
        return (
            f"{used} {are}, the half-width of the risk is {self._width:.4f} and {wanted:g} was wanted, which takes "
            f"about {about} items"
        )


class WidthSearch:
    """Samples one cell to a width.

    Args:
        plan: see `akrasia.risk.UntilWidth`.
        clusters: label of every item that may be used, in order.
    """

    def __init__(self, plan: UntilWidth, clusters: Sequence[str]) -> None:
        self.plan = plan
        self._clusters = list(clusters)
        self._finished: dict[int, list[float]] = {}
        self._passed = 0
        self._looks = Looks(plan)
        self._error: AkrasiaError | None = None

    async def run(
        self,
        draw: Draw,
        *,
        stored: Callable[[int], list[float | None]],
        at_once: int,
        stopping: Callable[[], bool],
    ) -> None:
        """Work until the width is reached.

        Args:
            draw: makes and stores candidates.
            stored: utilities of an item that are there already.
            at_once: how many items are worked on at the same time.
            stopping: whether the run was told to stop.

        Raises:
            WidthNotReached: out of items.
        """
        positions = iter(range(len(self._clusters)))

        async def worker() -> None:
            for position in positions:
                if self._looks.reached or self._error is not None or stopping():
                    return
                try:
                    await self._item(position, draw, stored(position))
                except AkrasiaError as error:
                    # The others finish what they have begun: their answers are paid for.
                    self._error = self._error or error
                    return

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(worker())
        if self._error is not None:
            raise self._error
        if not (self._looks.reached or stopping()):
            self._looks.look()
            if not self._looks.reached:
                raise WidthNotReached(f"out of items: {self._looks.state}; {MORE_ITEMS}")

    async def _item(self, position: int, draw: Draw, made: list[float | None]) -> None:
        utilities = list(made)
        while not settled(self.plan, utilities):
            needed = candidates_needed(self.plan, known_of(utilities))
            utilities += await draw(position, len(utilities), len(utilities) + needed)
        self._finished[position] = known_of(utilities)
        while self._passed in self._finished:
            self._looks.add(self._finished.pop(self._passed), self._clusters[self._passed])
            self._passed += 1
