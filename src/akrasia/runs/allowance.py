"""Keeps calls under way from overrunning a budget: who may begin now, and who waits for others to end."""

from __future__ import annotations

import asyncio
from collections import Counter, deque

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
