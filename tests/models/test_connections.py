"""Connections to the upstream: kept, given up in time, encrypted where the address says so, and never confused."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from multidict import CIMultiDict
from tests.raw_server import OK, Server, running
from yarl import URL

from akrasia.models import connections
from akrasia.models.connections import Connections, Unreachable

pytestmark = pytest.mark.asyncio

TLS = Path(__file__).parents[1] / "data" / "tls"


@asynccontextmanager
async def to(url: URL) -> AsyncIterator[Connections]:
    made = Connections(url, {"Authorization": "Bearer k"}, 2.0, 2.0)
    try:
        yield made
    finally:
        await made.close()


async def asked(made: Connections, headers: CIMultiDict[str] | None = None) -> bytes:
    answer = await made.post(b'{"a": 1}', headers or CIMultiDict())
    try:
        return await answer.read()
    finally:
        answer.release()


async def test_one_connection_serves_one_request_after_the_other() -> None:
    server = Server()
    async with running(server) as url, to(url) as made:
        assert [await asked(made) for _ in range(5)] == [b"{}"] * 5
    assert [len(heads) for heads in server.heads] == [5]
    lines = server.heads[0][0].split(b"\r\n")
    assert lines[0] == b"POST /v1/chat/completions?version=2 HTTP/1.1"
    assert b"Host: localhost:%d" % server.port in lines
    assert b"Authorization: Bearer k" in lines
    assert b"Content-Length: 8" in lines


async def test_requests_at_once_have_connections_of_their_own() -> None:
    server = Server()
    async with running(server) as url, to(url) as made:
        assert await asyncio.gather(*(asked(made) for _ in range(8))) == [b"{}"] * 8
        assert await asyncio.gather(*(asked(made) for _ in range(8))) == [b"{}"] * 8
    assert [len(heads) for heads in server.heads] == [2] * 8


@pytest.mark.parametrize("reply", [OK.replace(b"Content-Length", b"Connection: close\r\nContent-Length"), OK])
async def test_a_connection_that_the_upstream_closes_is_not_used_again(reply: bytes) -> None:
    server = Server(reply, hang_up=True)
    async with running(server) as url, to(url) as made:
        for _ in range(3):
            assert await asked(made) == b"{}"
            await asyncio.sleep(0.05)
    assert [len(heads) for heads in server.heads] == [1, 1, 1]


async def test_a_connection_whose_answer_was_not_read_is_not_used_again() -> None:
    server = Server(OK.replace(b"Length: 2", b"Length: 3"))
    async with running(server) as url, to(url) as made:
        for _ in range(2):
            answer = await made.post(b'{"a": 1}', CIMultiDict())
            answer.release()
    assert [len(heads) for heads in server.heads] == [1, 1]


async def test_more_than_was_asked_for_is_not_the_next_ones_answer() -> None:
    server = Server(OK + OK.replace(b"{}", b"[]"))
    async with running(server) as url, to(url) as made:
        assert [await asked(made) for _ in range(3)] == [b"{}"] * 3
    assert [len(heads) for heads in server.heads] == [1, 1, 1]


async def test_unused_connections_are_closed_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections.KEPT_S, "http", 0.1)
    server = Server()
    async with running(server) as url, to(url) as made:
        await asyncio.gather(*(asked(made) for _ in range(3)))
        assert len(made._unused) == 3
        async with asyncio.timeout(5):
            while made._unused:
                await asyncio.sleep(0.02)
        assert await asked(made) == b"{}"
    assert len(server.heads) == 4


async def test_a_value_that_would_begin_another_line_is_left_out() -> None:
    server = Server()
    headers = CIMultiDict({"X-Good": "1", "X-Bad": "1\r\nX-Smuggled: 1", "X-Null": "\0", "X-Other": "ü"})
    async with running(server) as url, to(url) as made:
        await asked(made, headers)
    head = server.heads[0][0]
    assert b"X-Good: 1\r\n" in head
    assert "X-Other: ü\r\n".encode() in head
    assert b"X-Bad" not in head
    assert b"X-Smuggled" not in head
    assert b"X-Null" not in head


async def test_an_announcement_is_not_the_answer() -> None:
    server = Server(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK)
    async with running(server) as url, to(url) as made:
        assert await asked(made) == b"{}"


@pytest.mark.parametrize("reply", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"])
async def test_what_is_no_http_is_a_clients_error(reply: bytes) -> None:
    server = Server(reply)
    async with running(server) as url, to(url) as made:
        with pytest.raises(aiohttp.ClientError):
            await asked(made)


async def test_nobody_there() -> None:
    async with to(URL("http://127.0.0.1:9/v1/chat/completions")) as made:
        with pytest.raises(Unreachable):
            await asked(made)


async def test_an_encrypted_upstream(monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(TLS / "localhost.pem", TLS / "localhost.key")
    server = Server()
    async with running(server, context) as url:
        async with to(url) as made:
            with pytest.raises(Unreachable):  # nobody vouches for it
                await asked(made)
        monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "localhost.pem"))
        async with to(url) as made:
            assert [await asked(made) for _ in range(2)] == [b"{}"] * 2
    assert len(server.heads[-1]) == 2
