"""Which judges give no answer now: told to the operator when it begins and when it ends, and shown by ``/health``.

What a judge's endpoint says may quote a conversation, so neither line has its words: the audit log does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from time import monotonic

QUIET_S = 60.0
"""Seconds in which no second line tells that the same judge fails: it may fail on some texts and not on others."""

_STATUS = re.compile(r"HTTP \d{3}\b")


class JudgeStates:
    """The last reading of each judge.

    Args:
        notice: called with each line for the operator.
    """

    def __init__(self, notice: Callable[[str], None]) -> None:
        self._notice = notice
        self._failing: dict[str, str] = {}
        self._told: dict[str, float] = {}
        self._open: set[str] = set()

    @property
    def failing(self) -> str | None:
        """Why a judge whose last reading failed gave no answer, in a few words; None while all of them answer."""
        return next(iter(self._failing.values()), None)

    def answered(self, judge: str) -> None:
        """A judge gave an answer, whether or not it could be read."""
        if self._failing.pop(judge, None) is not None and judge in self._open:
            self._open.discard(judge)
            self._notice(f"the judge {judge} answers again")

    def failed(self, judge: str, why: str) -> None:
        """A judge gave none.

        Args:
            judge: its name.
            why: the error; a status in it is told.
        """
        first = judge not in self._failing
        status = _STATUS.search(why)
        self._failing[judge] = status[0] if status else "no answer came"
        now = monotonic()
        if first and now - self._told.get(judge, -QUIET_S) >= QUIET_S:
            self._told[judge] = now
            self._open.add(judge)
            self._notice(
                f"the judge {judge} fails ({self._failing[judge]}), so replies are not audited: see that it can be "
                "reached and that its key is right; the audit log has the reasons"
            )
