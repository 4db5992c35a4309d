"""What the roles' models reply, as text or as one JSON object; or the reason why there is neither, never a default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from akrasia.core import Reply
from akrasia.judges.llm_reply import json_objects


class RoleFailed(Exception):
    """A role gave nothing that can be used.

    Args:
        role: "planner", "rewriter", "guard" or "auditor".
        why: in words.
        final: whether asking again is in vain: the endpoint refuses or is lost.
    """

    def __init__(self, role: str, why: str, *, final: bool = False) -> None:
        super().__init__(f"{role}: {why}")
        self.final = final


def whole_text(reply: Reply, role: str) -> str:
    """The text of a reply that came to its end.

    Raises:
        RoleFailed: it was cut off, stopped by a filter, or is empty.
    """
    if reply.finish == "length":
        raise RoleFailed(role, "cut off: allow more tokens")
    if reply.finish == "content_filter":
        raise RoleFailed(role, "stopped by the content filter")
    text = reply.text.strip()
    if not text:
        raise RoleFailed(role, "its reply is empty")
    return text


def last_object(reply: Reply, role: str, keys: Mapping[str, type]) -> dict[str, Any]:
    """The last JSON object of a reply that has all of the keys, each of its type.

    The last counts: a model that repeats what a text claims does so before it answers.

    Raises:
        RoleFailed: as `whole_text`, or there is no such object.
    """
    found: dict[str, Any] | None = None
    for one in json_objects(whole_text(reply, role)):
        if all(isinstance(one.get(key), kind) for key, kind in keys.items()):
            found = one
    if found is None:
        raise RoleFailed(role, f"unreadable: its reply holds no JSON object with {' and '.join(keys)}")
    return found
