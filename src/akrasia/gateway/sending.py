"""Writing answers: a client that does not accept what it is sent, for too long, is cut."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING

from aiohttp import web
from multidict import CIMultiDict

from akrasia.gateway.stream import error_event
from akrasia.gateway.wire import WireError

if TYPE_CHECKING:
    from akrasia.gateway.exchange import Exchange

JSON = "application/json"
_NEVER_WAITS = 2**14
"""Bytes that a transport takes at once when nothing waits in it: less than its mark for "enough"."""


class ClientGone(Exception):
    """Nobody is there to be answered: the client left, or was cut."""


class _Together(web.StreamResponse):
    """A streamed answer whose head leaves with its first piece: one system call, one packet."""

    _send_headers_immediately = False


async def begin(exchange: Exchange, headers: CIMultiDict[str], *, together: bool = False) -> web.StreamResponse:
    """The head of a streamed answer.

    Args:
        exchange: gets the answer that has begun.
        headers: of the answer.
        together: the first piece follows at once, and the head leaves with it.

    Raises:
        ClientGone: it cannot be sent.
    """
    headers["Server"] = "akrasia"
    out = (_Together if together else web.StreamResponse)(status=200, headers=headers)
    try:
        async with nullcontext() if together else asyncio.timeout(exchange.gateway.limits.write_s):
            await out.prepare(exchange.request)
    except (TimeoutError, ConnectionError):
        raise cut(exchange.request) from None
    exchange.out = out
    return out


async def send(out: web.StreamResponse, data: bytes, write_s: float, *, last: bool = False) -> None:
    """A piece of a streamed answer, accepted within so many seconds.

    Args:
        out: prepared.
        data: what is sent.
        write_s: seconds.
        last: whether the answer ends with it.

    Raises:
        ClientGone: it was not accepted.
    """
    request = out._req  # the response keeps it, and has no public name for it
    try:
        async with nullcontext() if _never_waits(request, data) else asyncio.timeout(write_s):
            if data:
                await out.write(data)
            if last:
                await out.write_eof()
    except (TimeoutError, ConnectionError):
        raise cut(request) from None


async def break_off(exchange: Exchange, out: web.StreamResponse, error: WireError) -> web.StreamResponse:
    """End a stream that has begun with an error; to one that has ended nothing is added."""
    exchange.failure = error.reason
    if not out._eof_sent:  # which has no public name
        await send(out, error_event(error.error), exchange.gateway.limits.write_s, last=True)
    return out


async def send_whole(
    request: web.BaseRequest, body: bytes, headers: CIMultiDict[str], write_s: float, status: int = 200
) -> web.StreamResponse:
    """A whole answer, accepted within so many seconds.

    Raises:
        ClientGone: it was not accepted.
    """
    headers["Server"] = "akrasia"
    out = web.Response(body=body, status=status, headers=headers)
    try:
        if _never_waits(request, body):
            await out.prepare(request)
            await out.write_eof()
            return out
        async with asyncio.timeout(write_s):
            await out.prepare(request)
            await out.write_eof()
    except (TimeoutError, ConnectionError):
        raise cut(request) from None
    return out


def _never_waits(request: web.BaseRequest | None, data: bytes) -> bool:
    """Whether a client's transport takes a piece at once, whatever the client does; a time limit is not free."""
    if len(data) >= _NEVER_WAITS or request is None or request.transport is None:
        return False
    # Not paused would not be enough: the piece itself may be what fills the transport.
    return not request.protocol.writing_paused and request.transport.get_write_buffer_size() == 0


def error_response(error: WireError) -> web.Response:
    """The response that carries an error object."""
    headers = {"Server": "akrasia", **error.headers}
    if error.retry_after is not None:
        headers["Retry-After"] = error.retry_after
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return web.Response(body=error.body, status=error.status, content_type=JSON, headers=headers)


def cut(request: web.BaseRequest | None) -> ClientGone:
    """End the client's connection at once, with whatever waits to be sent."""
    if request is not None and request.transport is not None:
        request.transport.abort()
    return ClientGone()
