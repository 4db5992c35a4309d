"""Who may buy now, and who waits for others to end: so that a budget is not overrun, and a kill loses little."""

from __future__ import annotations

import asyncio
from collections import Counter, deque

from akrasia.core import Model
from akrasia.runs.meter import Meter


class Allowance:
    """Lets a call begin when the budgets have room for it and for all that are under way, in the order of asking.

    With nothing under way the next one always begins, so a budget is overrun by about one call.

    Args:
        meter: knows what was spent, and what calls take.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._under_way: Counter[str] = Counter()
        self._waiting: deque[tuple[str, asyncio.Future[None]]] = deque()
        meter.on_stop.append(self._wake)

    async def enter(self, role: str) -> bool:
        """Wait until a call of this role may begin; False when the run stops instead. True must be left again."""
        if not self._waiting and self._meter.may_buy() and self._meter.room_for(self._under_way, role):
            self._under_way[role] += 1
            return True
        if self._meter.stopping:
            return False
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((role, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and not self._meter.stopping:
                self.leave(role)
            raise
        return not self._meter.stopping

    def leave(self, role: str) -> None:
        """A call has ended, and is counted."""
        self._under_way[role] -= 1
        self._wake()

    def _wake(self) -> None:
        while self._waiting:
            going_on = self._meter.may_buy()  # a budget found used up here wakes everybody by this very method
            if not self._waiting:
                return
            role, turn = self._waiting[0]
            if not (turn.done() or not going_on or self._meter.room_for(self._under_way, role)):
                return
            self._waiting.popleft()
            if turn.done():  # whoever waited was cancelled
                continue
            if going_on:
                self._under_way[role] += 1
            turn.set_result(None)


class Window:
    """Holds the answers of one model that are not yet safe to as many as its endpoint gives at once.

    An answer counts until it is committed, so a kill loses what was in flight by the endpoint's own limit, and no more.

    Args:
        model: whose answers.
    """

    __slots__ = ("_answered", "_model", "_unsafe", "_waiting")

    def __init__(self, model: Model) -> None:
        self._model = model
        self._unsafe = 0
        self._answered = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    def enter(self) -> bool:
        """Take a place at once. False: none is free, so `await wait()`, which takes one too. Each is left again."""
        if self._waiting or self._unsafe >= self._most():
            return False
        self._unsafe += 1
        return True

    async def wait(self) -> None:
        """Take a place as soon as one is free, in the order of asking."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()
            raise

    def leave(self) -> None:
        """An answer is safe, or there is none."""
        self._unsafe -= 1
        self._answered = True
        if not self._waiting:
            return
        while self._waiting and self._unsafe < self._most():
            turn = self._waiting.popleft()
            if not turn.done():
                self._unsafe += 1
                turn.set_result(None)

    def _most(self) -> int:
        at_once, choices = self._model.concurrency, max(1, self._model.choices)
        # How many choices a call may have, an endpoint shows with its first answer; until then each may be a call.
        return at_once * choices if self._answered or at_once == 1 else at_once
