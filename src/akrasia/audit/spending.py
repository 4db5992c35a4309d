"""What the roles of an audit take: a door to the models that counts what comes through it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from akrasia.audit.records import Spent
from akrasia.core import Ask, Message, Reply, Request, Sampling, Usage

ROLES = ("auditor", "planner", "rewriter", "guard")
"""Who is asked in an audit. The members of a panel that audits ask as "auditor", "auditor-2" …"""


class CountedAsk:
    """The `akrasia.core.Ask` of one audit: passes every call on, and keeps what the answers took by role.

    Args:
        ask: the door itself.
        taken: role → usage of every answer; shared by the doors of one audit.
    """

    def __init__(self, ask: Ask, taken: dict[str, list[Usage]] | None = None) -> None:
        self._ask = ask
        self._taken = {} if taken is None else taken
        self.sampling: Sampling = ask.sampling

    async def __call__(self, role: str, request: Request, label: str) -> Reply:
        """See `akrasia.core.Ask`."""
        reply = await self._ask(role, request, label)
        whole = next((name for name in ROLES if role == name or role.startswith(f"{name}-")), role)
        self._taken.setdefault(whole, []).append(reply.usage)
        return reply

    def at(self, sample: int) -> CountedAsk:
        """The same door, bound to one sample of the item."""
        return CountedAsk(self._ask.at(sample), self._taken)

    def request(self, messages: Sequence[Message], **changes: Any) -> Request:
        """See `akrasia.core.Ask`."""
        return self._ask.request(messages, **changes)

    def spent(self) -> tuple[Spent, ...]:
        """By role, in the order of `ROLES`."""
        order = sorted(self._taken, key=lambda role: ROLES.index(role) if role in ROLES else len(ROLES))
        return tuple(
            Spent(
                role,
                len(self._taken[role]),
                _total([usage.prompt_tokens for usage in self._taken[role]]),
                _total([usage.completion_tokens for usage in self._taken[role]]),
            )
            for role in order
        )


def _total(tokens: Sequence[int | None]) -> int | None:
    """Their sum; None where one is not known, since a part is not the whole."""
    known = [number for number in tokens if number is not None]
    return sum(known) if len(known) == len(tokens) else None
