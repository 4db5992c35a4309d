"""A model that never answers: told from calls that are refused for what they ask, so that a run stops there early.

An endpoint that is gone, wants another key or knows no such model says so itself, and ends a run at once. What is left
are refusals of single calls, which leave their candidates missing and let the run go on: a script that raises, an
endpoint that does not take a setting. Where no call is answered and all are refused alike, the items are not to blame.
"""

from __future__ import annotations

import re

from akrasia.core import RunIncomplete

CALLS = 100
"""A model is given up after so many refused calls, where it answered none ..."""

ITEMS = 10
"""... of at least so many items: an item with many draws may be refused for what it says."""

_MAY_BE_THE_ITEMS = re.compile(
    r"\bcontent\b(?!.type)|moderation|flagged|safety|context.?(length|window)|too (long|many tokens)", re.IGNORECASE
)
"""Words of refusals that an item brings on by what it says or how long it is, be it every item of a suite."""


class NothingAnswered(RunIncomplete):
    """A model refused every call from the first on, and all alike."""


class Silence:
    """The refused calls of one model that has answered none yet."""

    def __init__(self) -> None:
        self._kind: str | None = None
        self._calls = 0
        self._items: set[int] = set()
        self._mixed = False

    def refused(self, item: int, reason: str) -> NothingAnswered | None:
        """Count one refused call; why to stop, if it is one too many.

        Args:
            item: position of the item that it was for.
            reason: why it was refused.
        """
        kind = _kind(reason)
        self._mixed = self._mixed or kind != (self._kind or kind) or _MAY_BE_THE_ITEMS.search(reason) is not None
        self._kind = kind
        self._calls += 1
        self._items.add(item)
        if self._mixed or self._calls < CALLS or len(self._items) < ITEMS:
            return None
        return NothingAnswered(
            f"none of the first {self._calls} calls, for {len(self._items)} items, was answered, and all were refused "
            f"alike, which is hardly the items' doing: {reason}"
        )


def _kind(reason: str) -> str:
    """A reason without what differs from call to call: numbers, and ids with a digit."""
    return " ".join(word for word in reason.split() if not any(sign.isdigit() for sign in word))
