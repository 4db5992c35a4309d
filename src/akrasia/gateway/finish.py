"""How a reply ended: in which words that may be said, and whether a stream came to its end at all. Pure."""

from __future__ import annotations

import re

from akrasia.gateway.wire import WireError, upstream_failed

_FINISHES = {
    **{word: word for word in ("stop", "length", "tool_calls", "content_filter", "function_call")},
    "eos": "stop",  # as some upstreams call an end that the model chose
}
"""What upstreams say, and the protocol's word for it."""

_END = re.compile(rb'"(?:finish_reason"\s*:\s*"[^"]|error"\s*:\s*[{"])')
"""Bytes that stand in no text of JSON, where their quotation marks would be escaped."""


def allowed_finish(finish: object) -> str | None:
    """A finish_reason as it may leave where nothing unaudited may: in the protocol's words.

    Args:
        finish: as the upstream sent it.

    Returns:
        None where it sent none, or a word that is not known: the reply may not be whole, and nobody may take it for
        complete. ``length`` would say more than is known, and have clients refuse replies that ended well.
    """
    return _FINISHES.get(finish) if isinstance(finish, str) else None


def rewritten_finish(finish: object) -> str:
    """The finish_reason of a choice whose text was written anew, and so is whole; calls and filters stay true of it."""
    said = allowed_finish(finish)
    return "stop" if said in (None, "length") else said


def says_end(events: bytes) -> bool:
    """Whether a choice ends in events of a stream, or an error ends them all."""
    return _END.search(events) is not None


def cut_short() -> WireError:
    """The error for a stream that ended without a finish_reason and ``[DONE]``: nobody knows what it lacks."""
    return upstream_failed(502, "the upstream's stream ended before the reply did", "upstream_reset")
