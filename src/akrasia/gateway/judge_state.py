"""Which judges give no verdict now: told to the operator when it begins and when it ends, and shown by ``/health``.

What a judge's endpoint says may quote a conversation, so neither line has its words: the audit log does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from time import monotonic

QUIET_S = 60.0
"""Seconds in which no second line tells that the same judge fails: it may fail on some texts and not on others."""

UNREAD_IN_A_ROW = 5
"""Verdicts on end that cannot be read, from which on it is the judge and not the texts: any one text may cause some."""

_UNREADABLE = "its verdicts cannot be read"
_REMEDIES = {
    _UNREADABLE: "see that its model can give the form of answer that it is asked for, and has the tokens for it",
    "": "see that it can be reached and that its key is right",
}
"""What the operator can do, by what is wrong; "" for whatever else that is."""

_STATUS = re.compile(r"HTTP \d{3}\b")


class JudgeStates:
    """The last reading of each judge.

    Args:
        notice: called with each line for the operator.
    """

    def __init__(self, notice: Callable[[str], None]) -> None:
        self._notice = notice
        self._failing: dict[str, str] = {}
        self._unread: dict[str, int] = {}
        self._told: dict[str, float] = {}
        self._open: set[str] = set()

    @property
    def failing(self) -> str | None:
        """Why a judge gives no verdict, in a few words; None while all of them do."""
        return next(iter(self._failing.values()), None)

    def answered(self, judge: str) -> None:
        """A judge gave a verdict."""
        self._unread.pop(judge, None)
        if self._failing.pop(judge, None) is not None and judge in self._open:
            self._open.discard(judge)
            self._notice(f"the judge {judge} answers again")

    def unread(self, judge: str) -> None:
        """A judge answered, and not all of its verdict can be read, asked again or not."""
        self._unread[judge] = self._unread.get(judge, 0) + 1
        if judge in self._failing or self._unread[judge] >= UNREAD_IN_A_ROW:
            self._fails(judge, _UNREADABLE)

    def failed(self, judge: str, why: str) -> None:
        """A judge gave no answer.

        Args:
            judge: its name.
            why: the error; a status in it is told.
        """
        status = _STATUS.search(why)
        self._fails(judge, status[0] if status else "no answer came")

    def _fails(self, judge: str, what: str) -> None:
        first = judge not in self._failing
        self._failing[judge] = what
        now = monotonic()
        if first and now - self._told.get(judge, -QUIET_S) >= QUIET_S:
            self._told[judge] = now
            self._open.add(judge)
            self._notice(
                f"the judge {judge} fails ({what}), so replies are not audited: "
                f"{_REMEDIES.get(what, _REMEDIES[''])}; the audit log has the reasons"
            )
