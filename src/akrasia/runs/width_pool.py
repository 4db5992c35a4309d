"""What the figures of a run to a width rest on, for every cell: the items of the last look, and their first draws.

Of a run that is still on its way they are those before the first that is not settled, for those that happen to be
settled are the easy ones. Of each, a mean and every choice among draws rest on the first `first` draws that could be
measured, which no outcome chose: a missing one is made up for by the next, whatever it might have been.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from msgspec import Struct

from akrasia.core import InputError
from akrasia.core.cell import Cell
from akrasia.risk import UntilWidth
from akrasia.runs.pool import FirstDraws, NotReached, Pool, Stopped
from akrasia.runs.reader import GO_ON, Run
from akrasia.runs.until_width import Looks, look_through, usable, width_plan


class Finished(Struct, frozen=True):
    """What a run to a width has finished of one cell.

    Attributes:
        plan: which it follows.
        items: the finished ones, in suite order: those up to the look that reached the width, where one did.
        drawn: all of which anything was drawn, these among them.
        half_width: of the risk, at the last look; None before the first.
        not_reached: why the run is unfinished, if it is.
    """

    plan: UntilWidth
    items: list[Stopped]
    drawn: list[Stopped]
    half_width: float | None
    not_reached: NotReached | None

    @property
    def used(self) -> list[Stopped]:
        """The finished items that enter the figures."""
        return [item for item in self.items if usable(self.plan, item.known)]


def finished(run: Run, cell: Cell) -> Finished:
    """What is finished of a cell that draws, and whether it reached its width.

    Raises:
        InputError: the run does not sample to a width.
    """
    if run.manifest.run.until_width is None:
        raise InputError(f"{run.folder} does not sample to a width")
    plan = width_plan(run.manifest.run.until_width, cell.samples)
    everything = run.stopped(cell)
    looks = look_through(plan, ((one.utilities, one.item.cluster or one.item.id) for one in everything))
    return Finished(
        plan,
        items=everything[: looks.passed],
        drawn=[item for item in everything if item.draws],
        half_width=looks.half_width,
        not_reached=None if looks.reached else _why_not(looks, out_of_items=looks.passed == len(everything)),
    )


def _why_not(looks: Looks, *, out_of_items: bool) -> NotReached:
    why = f"its width is not reached: {looks.state}; until then its intervals promise neither width nor coverage"
    return NotReached(why, f"It is out of items: {looks.way_on}." if out_of_items else "")


def width_pool(run: Run, cell: Cell) -> Pool:
    """The pool of a cell that was sampled to a width: `first` draws of every finished item.

    An item of which so many could not be measured is in it as missing: it enters no figure, and the bounds count it.

    Raises:
        InputError: no item is finished.
    """
    found = finished(run, cell)
    if not found.items:
        raise InputError(f"{run.folder}: no item of cell {cell.name!r} is finished yet: {GO_ON}")
    first, items = found.plan.first, found.items
    shape = len(items), first
    utilities, answers, texts = np.full(shape, np.nan), np.full(shape, -1), np.zeros(shape, dtype=np.int64)
    as_they_came = np.full(shape, -1)
    behind = []
    classes: dict[str, int] = {}
    for row, item in enumerate(items):
        measured = [number for number, draw in enumerate(item.draws) if draw.utility is not None][:first]
        codes = [-1 if draw.answer is None else classes.setdefault(draw.answer, len(classes)) for draw in item.draws]
        as_they_came[row] = codes[:first]
        if len(measured) < first:
            behind.append(item.draws)
            continue
        behind.append(item.draws[: measured[-1] + 1])
        utilities[row] = [item.draws[number].utility for number in measured]
        answers[row] = [codes[number] for number in measured]
        texts[row] = [item.draws[number].text for number in measured]
    failures = Counter(draw.failure for draws in behind for draw in draws if draw.failure is not None)
    missing = Counter(draw.missing for draws in behind for draw in draws if draw.missing is not None)
    return Pool(
        items=tuple(item.item for item in items),
        utilities=utilities,
        answers=answers,
        clusters=tuple(item.item.cluster or item.item.id for item in items),
        texts=texts,
        truncated=sum(draw.truncated for draws in behind for draw in draws),
        failures=dict(failures),
        missing=dict(missing),
        undrawn=0,
        classes=tuple(classes),
        drawn=FirstDraws(tuple(tuple(draw.utility for draw in draws) for draws in behind), as_they_came),
        not_reached=found.not_reached,
    )
