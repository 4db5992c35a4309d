"""Who may come in, what they may send, how much of it, and what never leaves."""

from __future__ import annotations

import asyncio
import json
import re
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.gateway.conftest import KEY, Serve, Served
from tests.gateway.upstreams import broken, sent
from tests.upstream import Upstream, raw, stall

from akrasia.core import InputError
from akrasia.gateway.keys import Keys, new_key
from akrasia.gateway.serving import ServeOptions, build_gateway

pytestmark = pytest.mark.asyncio

ASKED = b'{"model": "tiny", "messages": [{"role": "user", "content": "x"}]}'


async def exchanged(port: int, data: bytes) -> tuple[int, dict[str, Any]]:
    """The status and error object that raw bytes are answered with."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["error"]


def post(body: bytes = ASKED, host: str = "localhost", kind: str = "application/json", more: str = "") -> bytes:
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\n{more}"
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


@pytest.mark.parametrize("host", ["localhost:8181", "127.0.0.1", "LOCALHOST:1", "[::1]:80"])
async def test_a_host_of_this_machine(upstream: Upstream, serve: Serve, host: str) -> None:
    served = await serve()
    async with served.client.get(f"{served.url}/models", headers={"Host": host}) as response:
        assert response.status == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8181", "localhost.evil.example", "127.0.0.1.evil:80"])
async def test_a_foreign_host_on_loopback_is_refused(upstream: Upstream, serve: Serve, host: str) -> None:
    served = await serve()
    code, error = await exchanged(served.port, post(host=host))
    assert (code, error["code"]) == (403, "host_not_allowed")
    assert upstream.calls == 0


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_what_a_web_page_could_send_unasked_is_refused(upstream: Upstream, serve: Serve, kind: str) -> None:
    served = await serve()
    code, error = await exchanged(served.port, post(kind=kind))
    assert (code, error["code"]) == (415, "unsupported_media_type")
    assert upstream.calls == 0


BROKEN = {
    "too large": (post(b'{"model": "' + b"x" * 5000 + b'"}'), 413, "request_too_large"),
    "too large, in pieces": (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + b"400\r\n" + b"x" * 1024 + b"\r\n"
        b"800\r\n" + b"x" * 2048 + b"\r\n0\r\n\r\n",
        413,
        "request_too_large",
    ),
    "too many headers": (post(more="".join(f"X-{i}: 1\r\n" for i in range(40))), 431, "invalid_http", "more than 20"),
    "a long header": (post(more=f"X-L: {'x' * 3000}\r\n"), 431, "invalid_http", "more than 1024 bytes.*header_bytes"),
    "a long URL": (post().replace(b"completions", b"x" * 9000), 414, "invalid_http", "URL has more than 8192 bytes"),
    "two hosts": (post(more="Host: b\r\n"), 400, "invalid_http", "duplicate 'Host' header"),
    "a folded header": (post(more="X-A: 1\r\n  2\r\n"), 400, "invalid_http", "unexpected whitespace after header"),
    "an encoding": (post(more="Content-Encoding: br\r\n"), 415, "unsupported_media_type", "gzip or deflate"),
    "a bad chunk": (
        post().partition(b"Content-Length")[0] + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
        400,
        "invalid_http",
        "chunks cannot be read",
    ),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "invalid_http", "plain HTTP"),
    "two lengths": (post(more="Content-Length: 3\r\n"), 400, "invalid_http", "duplicate Content-Length"),
    "no JSON": (post(b"{"), 400, "invalid_json"),
}
TIGHT = (
    "[limits]\nbody_bytes = 2048\nheader_count = 20\nheader_bytes = 1024\nread_s = 0.3\nwrite_s = 0.3\nidle_s = 0.5\n"
)


@pytest.mark.parametrize("name", BROKEN)
async def test_a_request_beyond_the_limits_is_an_error_object(upstream: Upstream, serve: Serve, name: str) -> None:
    data, status, code, *said = BROKEN[name]
    served = await serve(TIGHT)
    got, error = await exchanged(served.port, data)
    assert (got, error["code"]) == (status, code)
    assert error["type"] == "invalid_request_error"
    assert all(re.search(text, error["message"]) for text in said), error["message"]
    assert upstream.calls == 0


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/health", "/nowhere"])
async def test_a_body_in_another_encoding_than_it_says_is_no_notice(serve: Serve, path: str) -> None:
    """Anybody can send one, with or without a key: it must not fill what the operator reads."""
    served = await serve()
    before = list(served.notices)
    for _ in range(3):
        data = post(more="Content-Encoding: gzip\r\n").replace(b"/v1/chat/completions", path.encode())
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(data)
        async with asyncio.timeout(5):
            assert (await reader.read()).startswith(b"HTTP/1.1 ")
        writer.close()
    assert served.notices == before


async def test_a_body_that_trickles_is_cut(serve: Serve) -> None:
    served = await serve(TIGHT)
    code, error = await exchanged(served.port, post()[:-5])
    assert (code, error["code"]) == (408, "request_timeout")


@pytest.mark.parametrize("data", [b"", b"POST /v1/chat/comp", post()[:60]])
async def test_a_head_that_never_ends_is_cut(serve: Serve, data: bytes) -> None:
    served = await serve(TIGHT)
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(data)
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_client_that_does_not_read_is_cut(upstream: Upstream, serve: Serve, streamed: bool) -> None:
    served = await serve(TIGHT)
    event = b'data: {"choices": [], "padding": "' + b"x" * 2**18 + b'"}\n\n'
    upstream.faults.append(
        broken([event] * 200, "whole") if streamed else raw(b'{"choices": [], "x": "' + b"x" * 2**25 + b'"}')
    )
    _, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(post())
    async with asyncio.timeout(10):
        while not upstream.calls or served.gateway.under_way:
            await asyncio.sleep(0.02)
    writer.close()
    assert 'akrasia_failures_total{reason="client_gone"} 1' in await served.metrics()


async def test_one_request_too_many_is_told_when_to_come_again(upstream: Upstream, serve: Serve) -> None:
    served = await serve("[limits]\nconcurrency = 2\n")
    upstream.faults += [stall(), stall()]
    waiting = [asyncio.create_task(served.ask()) for _ in range(2)]
    while upstream.calls < 2:
        await asyncio.sleep(0.01)
    response = await served.ask()
    assert (response.status, response.headers["Retry-After"]) == (503, "1")
    error = (await response.json())["error"]
    assert (error["type"], error["code"]) == ("server_error", "overloaded")
    upstream.closing.set()
    assert [(await task).status for task in waiting] == [503, 503]  # the upstream's own
    assert (await served.ask()).status == 200


async def test_one_connection_too_many_is_closed(serve: Serve) -> None:
    served = await serve("[limits]\nconnections = 2\n")
    held = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(2)]
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    async with asyncio.timeout(5):
        with suppress(ConnectionError):  # a reset says the same
            assert await reader.read() == b""
    for _, one in (*held, (reader, writer)):
        one.close()


async def asked_with(served: Served, headers: dict[str, str]) -> aiohttp.ClientResponse:
    return await served.ask(headers)


async def test_clients_need_a_key_where_there_are_keys(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    keys = tmp_path / "keys.txt"
    key, other = new_key(keys), new_key(keys)
    served = await serve('keys = "keys.txt"')
    for good in (key, other):
        assert (await asked_with(served, {"Authorization": f"Bearer {good}"})).status == 200
        assert upstream.headers[-1]["Authorization"] == f"Bearer {KEY}"
    foreign = f"{key[:13]}{other[13:]}"  # one key's name with the other's secret
    for bad in (f"Bearer {key[:-1]}", f"Bearer {foreign}", "Bearer", "Bearer x", f"Basic {key}", key, "Bearer ü--"):
        response = await asked_with(served, {"Authorization": bad})
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
        error = (await response.json())["error"]
        assert (error["type"], error["code"]) == ("authentication_error", "invalid_api_key")
    assert (await served.ask()).status == 401
    assert upstream.calls == 2
    for path, status in (("/metrics", 401), ("/v1/models", 401), ("/health", 200)):
        async with served.client.get(served.root + path) as response:
            assert response.status == status


async def test_a_key_is_kept_as_a_hash_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys.txt"
    key = new_key(path)
    text = path.read_text(encoding="ascii")
    assert key.split("-", 2)[2] not in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    keys = Keys.read(path)
    assert len(keys) == 1
    assert keys.accepts(key)
    assert not keys.accepts("")
    assert re.fullmatch(r"akr-[0-9a-f]{8}-[\w-]{32}", key)


async def test_a_bad_line_of_keys_is_named(tmp_path: Path) -> None:
    path = tmp_path / "keys.txt"
    new_key(path)
    path.write_text("# ours\n\n" + path.read_text() + "letmein\n", encoding="ascii")
    with pytest.raises(InputError, match=r"keys\.txt:4: no key's line"):
        Keys.read(path)


async def test_the_network_is_refused_without_keys(upstream: Upstream, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("", encoding="utf-8")
    for host in ("0.0.0.0", "::", "192.0.2.7", "gateway.example"):
        with pytest.raises(InputError, match="no API keys"):
            build_gateway(ServeOptions(upstream=upstream.url, policy=policy, host=host), print)
    (tmp_path / "empty.txt").write_text("# none yet\n", encoding="ascii")
    options = ServeOptions(upstream=upstream.url, policy=policy, host="0.0.0.0", keys=tmp_path / "empty.txt")
    with pytest.raises(InputError, match="no API keys"):
        build_gateway(options, print)


async def test_the_network_is_served_with_keys(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    key = new_key(tmp_path / "keys.txt")
    served = await serve(host="0.0.0.0", keys=tmp_path / "keys.txt")
    async with aiohttp.ClientSession() as client:
        headers = {"Authorization": f"Bearer {key}", "Host": "gateway.example"}
        async with client.get(f"http://127.0.0.1:{served.port}/v1/models", headers=headers) as response:
            assert response.status == 200


async def test_the_upstreams_key_never_leaves(upstream: Upstream, serve: Serve) -> None:
    served = await serve()
    leak = json.dumps({"choices": [], "echo": f"Bearer {KEY}"}).encode()

    async def telling(upstream: Upstream, request: Any) -> Any:
        response = raw(leak)
        answer = await response(upstream, request)
        answer.headers["X-Echo"] = KEY
        return answer

    async def streaming(upstream: Upstream, request: Any) -> Any:
        return await sent(request, [b"data: " + leak + b"\n\n"])

    upstream.faults += [telling, streaming, raw(f"no {KEY}".encode(), code=403)]
    seen = []
    for streamed in (False, True, False):
        response = await served.ask(stream=streamed)
        seen.append(f"{response.headers} {await response.text()}")
    seen += [await served.metrics(), *served.notices]
    assert KEY not in "".join(seen)
    assert '"Bearer ***"' in seen[0]


def akrasia(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from akrasia.cli import main; main()", "serve", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


async def test_bad_options_are_one_line_and_exit_2(tmp_path: Path) -> None:
    good = tmp_path / "good.toml"
    good.write_text("", encoding="utf-8")
    bad = tmp_path / "bad.toml"
    bad.write_text('\nmode = "parse"', encoding="utf-8")
    url = "http://127.0.0.1:9/v1"
    cases = {
        "no --upstream": ["--policy", str(good)],
        "no --policy": ["--upstream", url],
        "bad.toml:2: mode: invalid enum value 'parse'": ["--upstream", url, "--policy", str(bad)],
        "is no URL": ["--upstream", "localhost:8000", "--policy", str(good)],
        "carries a credential": ["--upstream", "http://me:pw@localhost/v1", "--policy", str(good)],
        "carries a credential: put": ["--upstream", f"{url}?key=sk-0123456789", "--policy", str(good)],
        "give the base URL, 'http://127.0.0.1:9/v1'": ["--upstream", f"{url}/chat/completions", "--policy", str(good)],
        "no API keys": ["--upstream", url, "--policy", str(good), "--host", "0.0.0.0"],
        "no keys file": ["--new-key"],
    }
    for said, arguments in cases.items():
        done = await asyncio.to_thread(akrasia, *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1


async def test_a_port_that_is_taken_is_one_line_and_exit_2(serve: Serve, tmp_path: Path) -> None:
    served = await serve()
    policy = str(tmp_path / "policy.toml")
    arguments = ["--upstream", "http://127.0.0.1:9/v1", "--policy", policy, "--port", str(served.port)]
    done = await asyncio.to_thread(akrasia, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    said = f"akrasia: cannot listen on 127.0.0.1 port {served.port} (address already in use): choose another"
    assert done.stderr.startswith(said)
    assert len(done.stderr.splitlines()) == 1


async def test_a_new_key_is_printed_and_its_hash_kept(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text('keys = "k.txt"', encoding="utf-8")
    done = await asyncio.to_thread(akrasia, "--new-key", "--policy", str(tmp_path / "policy.toml"))
    assert done.returncode == 0
    assert Keys.read(tmp_path / "k.txt").accepts(done.stdout.strip())
