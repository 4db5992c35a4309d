"""Which answers of an item are one class in a vote: those that are equal under its utility, right or wrong alike.

Most utilities write equal answers alike, and then the text of an answer is its class. Others must compare them two by
two (`akrasia.core.EquatingUtility`). That takes time, so a run that votes does it once and keeps the classes; whoever
reads a store that has none for an item, as older ones, makes them anew.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

from msgspec import Struct

from akrasia.core import EquatingUtility, Utility
from akrasia.strategies import Pooled
from akrasia.utilities import UTILITIES, build_utility

if TYPE_CHECKING:
    import numpy as np

    from akrasia.core.cell import Cell
    from akrasia.runs.meter import Meter
    from akrasia.runs.plan import Plan
    from akrasia.runs.pool import Pool
    from akrasia.runs.reader import Run
    from akrasia.runs.store import Store

ITEM_S = 60.0
"""Seconds after which no more pairs of an item's answers are compared."""

_LONG_S = 3.0


class Classes(Struct, frozen=True):
    """The classes of one item's answers.

    Attributes:
        of: of each answer the class, named by the first answer in it.
        undecided: how many pairs could not be compared in time; they count as different.
    """

    of: dict[str, str]
    undecided: int


def classes_of(
    texts: Mapping[str, str], equal: Callable[[str, str], bool | None], *, limit_s: float = ITEM_S
) -> Classes:
    """The classes of an item's answers: the transitive closure of what is equal in pairs.

    Args:
        texts: of each answer a candidate's text that gives it, in the order in which they came.
        equal: whether two texts answer the same; None where it cannot be told.
        limit_s: seconds for all of them.
    """
    of = {answer: answer for answer in texts}
    deadline = time.monotonic() + limit_s
    undecided = 0
    for one, other in combinations(texts, 2):
        if of[one] == of[other]:
            continue
        same = equal(texts[one], texts[other]) if time.monotonic() < deadline else None
        undecided += same is None
        if same:
            gone = of[other]
            of = {answer: of[one] if name == gone else name for answer, name in of.items()}
    first = {name: answer for answer, name in reversed(of.items())}
    return Classes({answer: first[name] for answer, name in of.items()}, undecided)


async def keep_classes(
    plan: Plan,
    store: Store,
    utilities: Mapping[str, Utility],
    cell_ids: Mapping[str, int],
    meter: Meter,
    on_notice: Callable[[str], None],
) -> None:
    """Make and store the classes of every item that a strategy of the plan votes on and that has none yet.

    Args:
        plan: what was carried out.
        store: of its run, open for writing.
        utilities: by name.
        cell_ids: id of each cell in the store, by cell name.
        meter: says when to stop; the items that are left have no classes then.
        on_notice: called with one line that the user should see.
    """
    todo = _voted_items(plan, utilities, cell_ids)
    undecided = 0

    def unless_stopped(equal: Callable[[str, str], bool | None], one: str, other: str) -> bool | None:
        if meter.stopping:
            raise _LeftOff
        return equal(one, other)

    async def work() -> None:
        nonlocal undecided
        for cell, position, utility in todo:
            if meter.stopping:
                return
            texts = store.answers(cell, position)
            if settled(texts, store.answer_classes(cell, position)):
                continue
            try:
                found = await asyncio.to_thread(classes_of, texts, partial(unless_stopped, utility.equal))
            except _LeftOff:
                return
            undecided += found.undecided
            store.put_answer_classes(cell, position, found.of)
            await store.committed()

    async def tell_what_takes_long() -> None:
        await asyncio.sleep(_LONG_S)
        on_notice("comparing the answers to each item with one another, for self_consistency")

    waiting = asyncio.create_task(tell_what_takes_long())
    try:
        await asyncio.gather(*(work() for _ in range(os.cpu_count() or 1)))
    finally:
        waiting.cancel()
    if undecided:
        on_notice(
            f"{undecided} pairs of answers could not be compared in time, and count as different answers where "
            "self_consistency votes"
        )


class _LeftOff(Exception):
    """The user wants the run to stop."""


def _voted_items(
    plan: Plan, utilities: Mapping[str, Utility], cell_ids: Mapping[str, int]
) -> Iterator[tuple[int, int, EquatingUtility]]:
    voting = [one for one in plan.cells if isinstance(one.strategy, Pooled) and one.strategy.needs_answers]
    pools = {one.cell.pool for one in voting}
    for planned in plan.cells:
        if planned.cell.name in pools:
            for position, item in enumerate(planned.items):
                utility = utilities.get(item.utility or "")
                if isinstance(utility, EquatingUtility):
                    yield cell_ids[planned.cell.name], position, utility


def settled(texts: Mapping[str, str], known: Mapping[str, str]) -> bool:
    """Whether nothing is left to compare: an item has one answer, or classes were made of all that it has."""
    return len(texts) < 2 or texts.keys() <= known.keys()


def with_classes(run: Run, cell: Cell, pool: Pool) -> tuple[np.ndarray, np.ndarray]:
    """The classes of a pool's answers, as `Pool.answers`, and those of the draws as they came, as `Pool.as_they_came`.

    In both of them answers that are equal under their item's utility are one class.
    """
    answers, came = pool.answers.copy(), pool.as_they_came[1].copy()
    utilities: dict[str, Utility] = {}
    try:
        for row, item in enumerate(pool.items):
            numbers = sorted({*answers[row].tolist(), *came[row].tolist()} - {-1})
            if len(numbers) < 2 or item.utility is None or item.utility not in UTILITIES:
                continue
            if item.utility not in utilities:
                utilities[item.utility] = build_utility(item.utility)
            utility = utilities[item.utility]
            if not isinstance(utility, EquatingUtility):
                continue
            texts, of = run.answers(cell, item.position), run.answer_classes(cell, item.position)
            if not settled(texts, of):
                of = classes_of(texts, utility.equal).of
            number_of: dict[str, int] = {}
            for number in numbers:
                name = of[pool.classes[number]]
                for codes in (answers[row], came[row]):
                    codes[codes == number] = number_of.setdefault(name, number)
    finally:
        for utility in utilities.values():
            utility.close()
    return answers, came
