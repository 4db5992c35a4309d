"""The guard: whether a rewrite loses task content, by a blind comparison of both texts in both orders.

It is not told which of the two is the old one, and only the consistent verdict "no loss" passes: a guard that goes by
the place, or cannot be read, refuses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from akrasia.audit.fenced import Case, fenced_messages, seed_of
from akrasia.audit.records import GuardVerdict
from akrasia.audit.reply_text import RoleFailed, last_object
from akrasia.core import Reply, Request

GUARD = "audit-guard.v1"

GUARD_TOKENS = 1024
"""Cap on one verdict, thoughts included."""

Order = Literal["ab", "ba"]
"""Where the old text is shown: "ab" as version A, "ba" as version B."""

ORDERS: tuple[Order, Order] = ("ab", "ba")

_OFFERED = ("A", "B", "both", "neither")

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"reason": {"type": "string"}, "loses": {"type": "string", "enum": list(_OFFERED)}},
    "required": ["reason", "loses"],
    "additionalProperties": False,
}


def guard_request(case: Case, rewrite: str, order: Order, number: int, tokens: int | None) -> Request:
    """The question in one order.

    Args:
        case: the text that stands.
        rewrite: what would replace it.
        order: where the text that stands is shown.
        number: of the revision.
        tokens: cap on the reply; None: `GUARD_TOKENS`.
    """
    first, second = (case.text, rewrite) if order == "ab" else (rewrite, case.text)
    return Request(
        fenced_messages(GUARD, case, {"version_a": first, "version_b": second}),
        temperature=0.0,
        max_tokens=tokens or GUARD_TOKENS,
        seed=seed_of(case, number),
        schema=_SCHEMA,
    )


def read_guard(replies: Sequence[Reply | RoleFailed]) -> GuardVerdict:
    """The verdict from what came of both questions, in the order of `ORDERS`."""
    losses, reasons = zip(*(_read(order, reply) for order, reply in zip(ORDERS, replies, strict=True)), strict=True)
    return GuardVerdict(losses[0] if losses[0] == losses[1] else None, reasons)


def _read(order: Order, reply: Reply | RoleFailed) -> tuple[bool | None, str]:
    """Whether the rewrite loses by one reply, and the reason; None where it cannot be told."""
    if isinstance(reply, RoleFailed):
        return None, str(reply)
    try:
        found = last_object(reply, "guard", {"loses": str})
    except RoleFailed as error:
        return None, str(error)
    named = {offer.casefold(): offer for offer in _OFFERED}.get(found["loses"].strip().casefold())
    if named is None:
        return None, f"guard: its verdict {found['loses'][:20]!r} was not on offer"
    return named in ("both", "B" if order == "ab" else "A"), str(found.get("reason", "")).strip()
