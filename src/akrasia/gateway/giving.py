"""Answers that are made here: a whole completion, or a stream made from one, and what is told with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web
from multidict import CIMultiDict

from akrasia.gateway.keeping import comment
from akrasia.gateway.sending import JSON, begin, send, send_whole
from akrasia.gateway.stream import DONE, emit, encode_event
from akrasia.gateway.wire import Body, ErrorObject, WireError
from akrasia.judges.aside import aside

if TYPE_CHECKING:
    from akrasia.gateway.exchange import Exchange

KEEP_ALIVE = b": akrasia is auditing\n\n"
"""A comment that keeps a stream open while nothing can leave; it says nothing of the reply."""

RETRY_AFTER_S = 5

_EVENTS = "text/event-stream; charset=utf-8"


async def begin_events(exchange: Exchange, headers: Mapping[str, str]) -> web.StreamResponse:
    """The head of a stream that is made here.

    Raises:
        ClientGone: it cannot be sent.
    """
    given: CIMultiDict[str] = CIMultiDict(headers)
    given.update({"Content-Type": _EVENTS, "Cache-Control": "no-cache"})
    return await begin(exchange, given)


async def give(
    exchange: Exchange,
    completion: Body,
    headers: Mapping[str, str],
    *,
    told: Body | None = None,
    out: web.StreamResponse | None = None,
) -> web.StreamResponse:
    """Answer with a completion, in the form that the client asked for.

    Args:
        exchange: the request.
        completion: whole.
        headers: those that are ours; they stay behind where the stream has begun.
        told: what the client is told of the audit; None: nothing.
        out: the stream, where it has begun.

    Raises:
        ClientGone: it was not accepted.
    """
    write_s = exchange.gateway.limits.write_s
    if not exchange.head.stream:
        whole = completion if told is None else {**completion, "akrasia": told}
        given: CIMultiDict[str] = CIMultiDict({**headers, "Content-Type": JSON})
        return await send_whole(exchange.request, msgspec.json.encode(whole), given, write_s)
    letters = sum(len(text) for choice in completion["choices"] for text in _texts(choice))
    events = await aside(letters, _events, completion, wants_usage(exchange))
    out = out or await begin_events(exchange, headers)
    await send(out, b"".join((events, b"" if told is None else comment(told), DONE)), write_s, last=True)
    return out


def _events(completion: Body, usage: bool) -> bytes:
    return b"".join(map(encode_event, emit(completion, usage=usage)))


def _texts(choice: Body) -> list[str]:
    return [field for field in (choice.get("message") or {}).values() if isinstance(field, str)]


def wants_usage(exchange: Exchange) -> bool:
    """Whether the client asked for the usage in its stream."""
    options = exchange.parsed().get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def reply_too_long(most: int) -> WireError:
    """A stream that leaves by sentences has grown beyond what is audited: 503, and the rest of it is withheld.

    Args:
        most: bytes of a reply that are audited.
    """
    said = f"the reply has more than {most} bytes, the most that is audited (reply_bytes): the rest is withheld"
    error = WireError(503, ErrorObject(said, "server_error", None, "audit_unavailable"))
    error.headers["x-should-retry"] = "false"
    return error


def audit_unavailable(*, again: bool = True) -> WireError:
    """Nothing leaves, since it could not be audited: 503.

    Args:
        again: whether the same request may get an answer later. Clients repeat a 503 by themselves, and each time costs
            a reply and its readings; where that can help nothing, they are told not to.
    """
    said = "the reply could not be audited, so it is withheld; the audit log says why"
    error = ErrorObject(said, "server_error", None, "audit_unavailable")
    if again:
        return WireError(503, error, retry_after=str(RETRY_AFTER_S))
    made = WireError(503, error)
    made.headers["x-should-retry"] = "false"
    return made
