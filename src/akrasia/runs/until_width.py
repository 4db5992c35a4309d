"""Carrying out the plan of `akrasia.risk.width`: items in order, each as far as it needs, until the width is reached.

What to draw next and when to stop are decided there; here they are only asked at the right moments. Work goes from look
to look: no item beyond the next one is begun before it. So which items are used, and how many, depends on what they
came to, never on how many are worked on at once or which of them end first.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence

from akrasia.core import AkrasiaError
from akrasia.risk import UntilWidth, candidates_needed, decide
from akrasia.runs.config import FIRST_CANDIDATES
from akrasia.runs.meter import WidthNotReached

Draw = Callable[[int, int, int], Awaitable[list[float | None]]]
"""Position of an item and a range of its samples → their utilities, None where missing."""

Drawn = Sequence[float | None]
"""The utilities of an item in the order of sampling; None where missing."""


MORE_ITEMS = "use a larger suite, or a higher --limit"
"""What to do when the items are used up before the width is reached."""

MEND = "mend what leaves draws missing, and run it with another --out, where --reuse takes the answers that were had"
"""What to do when they are used up and none could be measured."""


def width_plan(half_width: float, most: int) -> UntilWidth:
    """The plan of a run: the same from the half-width and the depth alone, so that a resume follows it."""
    return UntilWidth(half_width, first=FIRST_CANDIDATES, most=most)


def most_draws(plan: UntilWidth) -> int:
    """Draws of an item, missing ones included, at which it is given up: enough for as many missing as measured."""
    return 2 * plan.most


def next_stop(plan: UntilWidth, utilities: Drawn) -> int:
    """How many draws of an item the next batch makes up to; no more than it has: nothing more is drawn of it.

    The draws are gone through as they are bought, batch by batch, so that a batch that was cut in two by a kill ends
    where it would have.
    """
    stop, most = 0, most_draws(plan)
    while stop <= len(utilities):
        more = min(candidates_needed(plan, known_of(utilities[:stop])), most - stop)
        if not more:
            break
        stop += more
    return stop


def settled(plan: UntilWidth, utilities: Drawn) -> bool:
    """Whether nothing more is drawn of an item: it has what it needs, or is given up."""
    return next_stop(plan, utilities) <= len(utilities)


def known_of(utilities: Drawn) -> list[float]:
    """What could be measured, in the order of sampling: a missing draw is made up for by the next."""
    return [utility for utility in utilities if utility is not None]


def usable(plan: UntilWidth, known: Sequence[float]) -> bool:
    """Whether a settled item enters the figures: by how many of its draws were measured, never by what they were.

    An item that was given up after `first` measured failures stays in, as one that was not reached: left out, it would
    be missing for having failed, and those like it that succeeded in time would not.
    """
    return len(known) >= plan.first


class Looks:
    """The settled items so far, in order, and what the looks at their interval came to.

    It depends on the items alone, so whoever goes through a stored run again finds what the run itself found.

    Args:
        plan: see `akrasia.risk.UntilWidth`.

    Attributes:
        reached: whether a look found the width; no item after it belongs to the run.
        half_width: of the risk, at the last look; None before the first.
        passed: items, those that are left out among them.
    """

    def __init__(self, plan: UntilWidth) -> None:
        self.plan = plan
        self.reached = False
        self.half_width: float | None = None
        self.passed = 0
        self._outcomes: list[list[float]] = []
        self._clusters: list[str] = []
        self._look_at = plan.min_items

    @property
    def lacking(self) -> int:
        """How many more usable items the next look waits for."""
        return self._look_at - len(self._outcomes)

    def add(self, outcomes: list[float], cluster: str) -> None:
        """The next settled item: known utilities in the order of sampling. Looks when it is time to."""
        self.passed += 1
        if not usable(self.plan, outcomes):
            return
        self._outcomes.append(outcomes)
        self._clusters.append(cluster)
        if not self.lacking:
            self.look()

    def look(self) -> None:
        """Look now."""
        decision = decide(self.plan, self._outcomes, clusters=self._clusters, cut_short=True)
        self.reached, self.half_width, self._look_at = decision.stop, decision.half_width, decision.look_at

    @property
    def way_on(self) -> str:
        """What to do when the items are used up."""
        return MORE_ITEMS if self._outcomes else MEND

    @property
    def state(self) -> str:
        """How far it came, and how many items it may take."""
        used, wanted = len(self._outcomes), self.plan.half_width
        are = "item is used" if used == 1 else "items are used"
        given_up = self.passed - used
        if given_up:
            first, most = self.plan.first, most_draws(self.plan)
            are += f" ({given_up} left out: fewer than {first} of {most} draws could be measured)"
        if self.half_width is None:
            return (
                f"{used} {are}, and the half-width of the risk is looked at from {self.plan.min_items} on "
                f"({wanted:g} was wanted)"
            )
        if math.isinf(self.half_width):
            return f"{used} {are}, and the half-width of the risk is still unknown ({wanted:g} was wanted)"
        # A half-width falls with the square root of the items.
        about = math.ceil(used * (self.half_width / wanted) ** 2 / 10) * 10
        return (
            f"{used} {are}, the half-width of the risk is {self.half_width:.4f} and {wanted:g} was wanted, which takes "
            f"about {about} items"
        )


def look_through(plan: UntilWidth, items: Iterable[tuple[Drawn, str]]) -> Looks:
    """What the looks find in stored items, up to the one that reaches the width or the first item that is not settled.

    Args:
        plan: which they follow.
        items: what was drawn of each item that the run may use, in order, and its cluster; all of them, so that those
            of a run that is out of items are looked at once more.
    """
    looks = Looks(plan)
    for utilities, cluster in items:
        if looks.reached or not settled(plan, utilities):
            return looks
        looks.add(known_of(utilities), cluster)
    if not looks.reached:
        looks.look()
    return looks


class WidthSearch:
    """Samples one cell to a width.

    Args:
        plan: see `akrasia.risk.UntilWidth`.
        clusters: label of every item that may be used, in order.
    """

    def __init__(self, plan: UntilWidth, clusters: Sequence[str]) -> None:
        self.plan = plan
        self._clusters = list(clusters)
        self._looks = Looks(plan)

    async def run(
        self,
        draw: Draw,
        *,
        stored: Callable[[int], list[float | None]],
        at_once: Callable[[], int],
        stopping: Callable[[], bool],
    ) -> None:
        """Work until the width is reached.

        Args:
            draw: makes and stores candidates.
            stored: utilities of an item that are there already.
            at_once: how many items are worked on at the same time, now; asked at every look.
            stopping: whether the run was told to stop.

        Raises:
            WidthNotReached: out of items.
        """
        looks, most = self._looks, len(self._clusters)
        while not looks.reached and looks.passed < most:
            upto = min(looks.passed + looks.lacking, most)
            items = range(looks.passed, upto)
            found = await self._settle(items, draw, stored=stored, at_once=at_once(), stopping=stopping)
            if stopping():
                return
            for position in items:
                looks.add(found[position], self._clusters[position])
        if not looks.reached:
            looks.look()
        if not looks.reached:
            raise WidthNotReached(f"out of items: {looks.state}; {looks.way_on}")

    async def _settle(
        self,
        items: Iterable[int],
        draw: Draw,
        *,
        stored: Callable[[int], list[float | None]],
        at_once: int,
        stopping: Callable[[], bool],
    ) -> dict[int, list[float]]:
        """Draw items as far as they need; their known utilities by position, all of them unless the run stops."""
        positions = iter(items)
        found: dict[int, list[float]] = {}
        errors: list[AkrasiaError] = []

        async def worker() -> None:
            for position in positions:
                if errors or stopping():
                    return
                try:
                    found[position] = await self._item(position, draw, stored(position))
                except AkrasiaError as error:
                    # The others finish what they have begun: their answers are paid for.
                    errors.append(error)

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(worker())
        if errors:
            raise errors[0]
        return found

    async def _item(self, position: int, draw: Draw, made: list[float | None]) -> list[float]:
        utilities = list(made)
        while (stop := next_stop(self.plan, utilities)) > len(utilities):
            utilities += await draw(position, len(utilities), stop)
        return known_of(utilities)
