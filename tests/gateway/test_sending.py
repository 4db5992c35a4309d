"""A client that takes nothing of a stream is cut, whatever the size of its pieces, and its upstream with it."""

from __future__ import annotations

import asyncio
import socket

import pytest
from aiohttp import web
from tests.gateway.conftest import Serve
from tests.gateway.upstreams import sent
from tests.upstream import Upstream

ASKED = b'{"model": "tiny", "stream": true, "messages": [{"role": "user", "content": "x"}]}'
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize("size", [700, 9_000, 16_000, 50_000])
async def test_a_client_that_takes_nothing_is_cut(upstream: Upstream, serve: Serve, size: int) -> None:
    event = b'data: {"choices": [], "x": "' + b"y" * size + b'"}\n\n'

    async def endless(upstream: Upstream, request: web.Request) -> web.StreamResponse:
        return await sent(request, [event] * (64 * 2**20 // size))

    upstream.always = endless
    served = await serve("[limits]\nwrite_s = 0.2\n")
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", served.port))
        await asyncio.get_running_loop().sock_sendall(client, HEAD + b"Content-Length: %d\r\n\r\n" % len(ASKED) + ASKED)
        async with asyncio.timeout(20):
            while not upstream.calls or served.gateway.under_way:
                await asyncio.sleep(0.02)
    assert 'akrasia_failures_total{reason="client_gone"} 1' in await served.metrics()
