"""A model that never answers: told from calls that are refused for what they ask, so that a run stops there early.

An endpoint that is gone, wants another key or knows no such model says so itself, and ends a run at once. What is left
are refusals of single calls, which leave their candidates missing and let the run go on: a script that raises, an
endpoint that does not take a setting. Where no call is answered and all are refused alike, the items are not to blame.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator

from akrasia.core import RunIncomplete
from akrasia.runs.plan import Unit

CALLS = 100
"""A model is given up after so many refused calls, where it answered none ..."""

ITEMS = 10
"""... of at least so many items: an item with many draws may be refused for what it says."""

_MAY_BE_THE_ITEMS = re.compile(
    r"\bcontent\b(?!.type)|polic(y|ies)|moderation|filter|flagged|blocked|harm|violat|safety|"
    r"context.?(length|window)|too (long|many tokens)",
    re.IGNORECASE,
)
"""Words of refusals that an item brings on by what it says or how long it is, be it every item of a suite."""


class NothingAnswered(RunIncomplete):
    """A model refused every call from the first on, and all alike."""


class Silence:
    """The refused calls of one cell to a model that has answered none yet."""

    def __init__(self) -> None:
        self._kind: str | None = None
        self._calls = 0
        self._told = 0
        self._items: set[int] = set()
        self._mixed = False

    def refused(self, item: int, reason: str) -> NothingAnswered | None:
        """Count one refused call; why to stop, if it is one too many, and again after as many more.

        Args:
            item: position of the item that it was for.
            reason: why it was refused.
        """
        kind = _kind(reason)
        self._mixed = self._mixed or kind != (self._kind or kind) or _MAY_BE_THE_ITEMS.search(reason) is not None
        self._kind = kind
        self._calls += 1
        self._items.add(item)
        if self._mixed or self._calls - self._told < CALLS or len(self._items) < ITEMS:
            return None
        self._told = self._calls
        return NothingAnswered(
            f"none of the first {self._calls} calls, for {len(self._items)} items, was answered, and all were refused "
            f"alike, which is hardly the items' doing: {reason}"
        )


class Turns:
    """The units of one model, cell after cell; a cell in which nothing is answered waits until the others were tried.

    Perhaps the model takes no temperature of 0, which one cell has, and answers all the others.

    Args:
        cells: number of each cell in the plan, and its units.
    """

    def __init__(self, cells: Iterable[tuple[int, Iterator[Unit]]]) -> None:
        self._cells = deque(cells)
        self._waiting: set[int] = set()

    def __iter__(self) -> Iterator[Unit]:
        return self

    def __next__(self) -> Unit:
        while self._cells:
            unit = next(self._cells[0][1], None)
            if unit is not None:
                return unit
            self._cells.popleft()
        raise StopIteration

    def put_off(self, cell: int) -> bool:
        """Leave a cell in which nothing is answered for later; False where no other is left to try."""
        if self._cells and self._cells[0][0] == cell:
            self._waiting.add(cell)
            self._cells.rotate(-1)
        return any(number not in self._waiting for number, _ in self._cells)


def _kind(reason: str) -> str:
    """A reason without what differs from call to call: numbers, and ids with a digit."""
    return " ".join(word for word in reason.split() if not any(sign.isdigit() for sign in word))
