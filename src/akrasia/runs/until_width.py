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


def width_plan(half_width: float, most: int) -> UntilWidth:
    """The plan of a run: the same from the half-width and the depth alone, so that a resume follows it."""
    return UntilWidth(half_width, first=FIRST_CANDIDATES, most=most)


def given_up(plan: UntilWidth, drawn: int) -> bool:
    """Whether an item that still needs candidates is left out, since so many of its draws are missing."""
    return drawn >= 2 * plan.most


class WidthSearch:
    """Samples one cell to a width.

    Args:
        plan: see `akrasia.risk.UntilWidth`.
        clusters: label of every item that may be used, in order.
    """

    def __init__(self, plan: UntilWidth, clusters: Sequence[str]) -> None:
        self.plan = plan
        self._clusters = list(clusters)
        # None: an item whose calls are refused and that cannot be finished; it is left out, as a missing measurement.
        self._finished: dict[int, list[float] | None] = {}
        self._passed = 0
        self._prefix: list[list[float]] = []
        self._labels: list[str] = []
        self._look_at = plan.min_items
        self._reached = False
        self._width: float | None = None
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
                if self._reached or self._error is not None or stopping():
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
        if not (self._reached or stopping()):
            self._look()
            if not self._reached:
                raise WidthNotReached(f"out of items: {self._state()}; use a larger suite, or a higher --limit")

    def _state(self) -> str:
        """How far it came, and how many items it may take."""
        used, wanted = len(self._prefix), self.plan.half_width
        if self._width is None:
            return (
                f"{used} are used, and the half-width of the risk is looked at from {self.plan.min_items} on "
                f"({wanted:g} was wanted)"
            )
        if math.isinf(self._width):
            return f"{used} are used, and the half-width of the risk is still unknown ({wanted:g} was wanted)"
        # A half-width falls with the square root of the items.
        about = math.ceil(used * (self._width / wanted) ** 2 / 10) * 10
        return (
            f"{used} are used, the half-width of the risk is {self._width:.4f} and {wanted:g} was wanted, which takes "
            f"about {about} items"
        )

    async def _item(self, position: int, draw: Draw, made: list[float | None]) -> None:
        utilities = list(made)
        while needed := candidates_needed(self.plan, [u for u in utilities if u is not None]):
            if given_up(self.plan, len(utilities)):
                self._finish(position, None)
                return
            utilities += await draw(position, len(utilities), len(utilities) + needed)
        self._finish(position, [u for u in utilities if u is not None])

    def _finish(self, position: int, outcomes: list[float] | None) -> None:
        self._finished[position] = outcomes
        while self._passed in self._finished:
            done = self._finished.pop(self._passed)
            if done is not None:
                self._prefix.append(done)
                self._labels.append(self._clusters[self._passed])
            self._passed += 1
            if len(self._prefix) >= self._look_at and not self._reached:
                self._look()

    def _look(self) -> None:
        decision = decide(self.plan, self._prefix, clusters=self._labels)
        self._reached, self._width, self._look_at = decision.stop, decision.half_width, decision.look_at
