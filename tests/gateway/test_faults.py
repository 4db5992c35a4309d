"""What the client gets when the upstream fails, and when the gateway is told to stop, against real failures."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.gateway.conftest import KEY, Serve
from tests.gateway.upstreams import broken, chat, chunk
from tests.upstream import Fault, Upstream, html, raw, reset, stall, status, truncated

pytestmark = pytest.mark.asyncio

BODY = {"model": "tiny"}
GOOD = chunk(BODY, [{"index": 0, "delta": {"content": "Grüße"}}])
LIMITS = "[limits]\nstall_s = 0.5\nconnect_s = 1\n"

WHOLE: dict[str, tuple[Fault, int, dict[str, Any], str | None]] = {
    "429 with Retry-After": (
        status(429, {"message": "slow down", "type": "requests", "param": None, "code": "rate_limit_exceeded", "x": 1},
               {"Retry-After": "17"}),
        429, {"message": "slow down", "type": "requests", "param": None, "code": "rate_limit_exceeded", "x": 1}, "17",
    ),
    "500 in the usual form": (status(500), 500, {"message": "made to fail with 500"}, None),
    "500 as a web page": (
        html(500), 500,
        {"message": "the upstream answered HTTP 500: a web page, not an API's answer", "type": "upstream_error",
         "param": None, "code": None}, None,
    ),
    "an error in another form": (
        raw(b'{"detail": "model is loading"}', code=503), 503,
        {"message": "the upstream answered HTTP 503: model is loading", "type": "upstream_error", "param": None,
         "code": None}, None,
    ),
    "an error whose key stands in it": (
        raw(json.dumps({"error": {"message": f"Incorrect API key provided: {KEY[:11]}****cdef", "code": "c"}}).encode(),
            code=401),
        401, {"message": "Incorrect API key provided: ***", "code": "c"}, None,
    ),
    "a web page with 200": (
        html(), 502,
        {"message": "the upstream answered with a web page", "type": "upstream_error", "param": None,
         "code": "upstream_invalid"}, None,
    ),
    "broken JSON": (
        truncated(), 502,
        {"message": "the upstream answered with a body that is not whole JSON", "type": "upstream_error",
         "param": None, "code": "upstream_invalid"}, None,
    ),
    "half a character": (
        raw(b'{"choices": [{"message": {"content": "Gr\xc3"}}]}'), 502,
        {"message": "the upstream answered with a body that is not whole JSON", "type": "upstream_error",
         "param": None, "code": "upstream_invalid"}, None,
    ),
    "half a surrogate pair": (
        raw(b'{"choices": [{"message": {"content": "so \\ud83d and on"}}]}'), 502,
        {"message": "the upstream answered with JSON in which half a character stands (a lone \\ud800 to \\udfff), "
         "which is no text", "type": "upstream_error",
         "param": None, "code": "upstream_invalid"}, None,
    ),
    "nesting without end": (
        raw(b'{"choices": [{"message": {"content": "a", "more": ' + b"[" * 3000 + b"]" * 3000 + b"}}]}"), 502,
        {"message": "the upstream answered with JSON that is nested too deeply, or has a number in it that is none",
         "type": "upstream_error",
         "param": None, "code": "upstream_invalid"}, None,
    ),
    "a refusal with half a surrogate pair": (
        raw(b'{"detail": "no \\ud83d today"}', code=503), 503,
        {"message": 'the upstream answered HTTP 503: {"detail": "no \\ud83d today"}', "type": "upstream_error",
         "param": None, "code": None}, None,
    ),
    "an error under 200": (
        raw(b'{"error": {"message": "no such model", "code": "model_not_found"}}'), 502,
        {"message": "no such model", "code": "model_not_found"}, None,
    ),
    "another shape of error under 200": (
        raw(b'{"error": "no such model"}'), 502,
        {"message": "the upstream answered an error under HTTP 200: no such model", "type": "upstream_error",
         "param": None, "code": None}, None,
    ),
    "a redirect": (
        raw(b"", code=302), 502,
        {"message": "the upstream answered HTTP 302 in place of a completion: does its URL include /v1?",
         "type": "upstream_error", "param": None, "code": "upstream_invalid"}, None,
    ),
    "a connection that breaks": (
        reset(), 502,
        {"message": "the upstream's connection broke", "type": "upstream_error", "param": None,
         "code": "upstream_reset"}, None,
    ),
    "silence": (
        stall(), 504,
        {"message": "the upstream stayed silent for too long", "type": "upstream_error", "param": None,
         "code": "upstream_timeout"}, None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("name", WHOLE)
async def test_an_upstream_that_fails_before_its_answer(
    upstream: Upstream, serve: Serve, name: str, streamed: bool
) -> None:
    fault, code, error, retry_after = WHOLE[name]
    served = await serve(LIMITS)
    upstream.faults.append(fault)
    response = await served.ask(stream=streamed)
    assert response.status == code
    assert (await response.json())["error"] == error
    assert response.headers.get("Retry-After") == retry_after
    assert (await served.ask()).status == 200  # and the next one is served


async def test_an_upstream_that_is_down(serve: Serve) -> None:
    served = await serve(LIMITS, upstream="http://127.0.0.1:9/v1")
    response = await served.ask()
    assert response.status == 502
    error = (await response.json())["error"]
    assert error["code"] == "upstream_unreachable"
    assert "127.0.0.1" not in error["message"]  # where it is, is nobody's business


STREAMS = {
    "reset between events": ([GOOD], "reset", [GOOD], "upstream_reset"),
    "reset inside an event": ([GOOD, GOOD[:20]], "reset", [GOOD], "upstream_reset"),
    "an end inside an event": ([GOOD, GOOD[:-2]], "whole", [GOOD], "upstream_reset"),
    "broken JSON": ([GOOD, b'data: {"choices": [\n\n'], "stall", [GOOD], "upstream_invalid"),
    "half a character": ([GOOD, b'data: {"a": "\xc3"}\n\n'], "stall", [GOOD], "upstream_invalid"),
    "half a character and no more": ([GOOD, GOOD[: GOOD.index("ü".encode()) + 1]], "reset", [GOOD], "upstream_reset"),
    "silence": ([GOOD], "stall", [GOOD], "upstream_timeout"),
}


@pytest.mark.parametrize("name", STREAMS)
async def test_a_stream_that_breaks_ends_with_an_error_event(upstream: Upstream, serve: Serve, name: str) -> None:
    pieces, end, passed, code = STREAMS[name]
    served = await serve(LIMITS)
    upstream.faults.append(broken(pieces, end))
    response = await served.ask(stream=True)
    assert response.status == 200
    sent = await response.read()
    start = b"".join(passed)
    assert sent.startswith(start + b'data: {"error":{')
    assert sent.endswith(b"\n\n")
    event = json.loads(sent.removeprefix(start).removeprefix(b"data: "))
    assert event["error"].keys() == {"message", "type", "param", "code"}
    assert event["error"]["code"] == code
    assert f'akrasia_failures_total{{reason="{code}"}} 1' in await served.metrics()
    assert (await served.ask()).status == 200


@pytest.mark.parametrize("end", ["reset", "stall"])
async def test_a_stream_that_breaks_before_its_first_event_is_a_plain_error(
    upstream: Upstream, serve: Serve, end: str
) -> None:
    served = await serve(LIMITS)
    upstream.faults.append(broken([GOOD[:9]], end))
    response = await served.ask(stream=True)
    assert response.status == {"reset": 502, "stall": 504}[end]


@pytest.mark.parametrize("end", ["stall", "reset"])
async def test_what_happens_after_the_end_is_nothing_to_the_client(upstream: Upstream, serve: Serve, end: str) -> None:
    served = await serve("[limits]\nstall_s = 30")
    pieces = [GOOD, b"data: [DONE]\n\n"]
    upstream.faults.append(broken(pieces, end))
    async with asyncio.timeout(5):
        response = await served.ask(stream=True)
    assert await response.read() == b"".join(pieces)
    assert 'status="200"} 1' in await served.metrics()


async def test_a_client_that_leaves_with_its_whole_answer_was_served(upstream: Upstream, serve: Serve) -> None:
    served = await serve()
    upstream.faults.append(broken([GOOD, b"data: [DONE]\n\n"], "stall"))
    body = json.dumps({**asked(), "stream": True}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    await reader.readuntil(b"\r\n0\r\n\r\n")
    writer.transport.abort()
    async with asyncio.timeout(5):
        while served.gateway.under_way:
            await asyncio.sleep(0.01)
    assert 'akrasia_requests_total{route="default",mode="pass",status="200"} 1' in await served.metrics()


async def test_an_error_event_of_the_upstreams_passes(upstream: Upstream, serve: Serve) -> None:
    served = await serve()
    pieces = [GOOD, b'data: {"error": {"message": "out of memory"}}\n\n']
    upstream.faults.append(broken(pieces, "whole"))
    assert await (await served.ask(stream=True)).read() == b"".join(pieces)


async def test_a_deadline_for_the_whole_request(upstream: Upstream, serve: Serve) -> None:
    served = await serve("deadline_s = 0.3")
    upstream.faults += [stall(), broken([GOOD], "stall")]
    response = await served.ask()
    error = (await response.json())["error"]
    assert (response.status, error["code"], error["type"]) == (504, "deadline_exceeded", "timeout_error")
    sent = await (await served.ask(stream=True)).read()
    assert sent.startswith(GOOD)
    error = json.loads(sent.removeprefix(GOOD).removeprefix(b"data: "))["error"]
    assert (error["code"], error["type"]) == ("deadline_exceeded", "timeout_error")


async def test_the_upstreams_stage_ends_when_a_stream_begins(upstream: Upstream, serve: Serve) -> None:
    served = await serve("deadline_s = { upstream = 0.25 }")
    upstream.always = chat(pause_s=0.1)
    upstream.message = lambda body, index: "one two three four"
    assert (await (await served.ask(stream=True)).read()).endswith(b"data: [DONE]\n\n")
    upstream.faults.append(stall())
    assert (await served.ask(stream=True)).status == 504


async def test_a_client_that_leaves_ends_the_upstreams_work(upstream: Upstream, serve: Serve) -> None:
    served = await serve()
    connections: list[asyncio.Transport] = []

    async def watched(upstream: Upstream, request: aiohttp.web.Request) -> aiohttp.web.StreamResponse:
        assert request.transport is not None
        connections.append(request.transport)
        return await stall()(upstream, request)

    upstream.always = watched
    asking = asyncio.create_task(served.ask())
    while not upstream.calls:
        await asyncio.sleep(0.01)
    asking.cancel()
    async with asyncio.timeout(5):
        while served.gateway.under_way or not connections[0].is_closing():
            await asyncio.sleep(0.01)
    assert 'akrasia_failures_total{reason="client_gone"} 1' in await served.metrics()


class Process:
    """`akrasia serve` as a process of its own."""

    def __init__(self, upstream: Upstream, folder: Path, policy: str) -> None:
        path = folder / "policy.toml"
        path.write_text(policy, encoding="utf-8")
        command = [
            str(Path(sys.executable).with_name("akrasia")),
            "serve",
            "--upstream",
            upstream.url,
            "--policy",
            str(path),
        ]
        self.process = subprocess.Popen([*command, "--port", "0"], stderr=subprocess.PIPE, text=True)

    async def url(self) -> str:
        assert self.process.stderr is not None
        line = await asyncio.to_thread(self.process.stderr.readline)
        assert "serving http://127.0.0.1:" in line
        assert line.endswith("policy policy, mode pass (none is given)\n")
        return line.split("serving ")[1].split()[0]

    async def ended(self) -> tuple[int, str]:
        _, told = await asyncio.to_thread(self.process.communicate, timeout=20)
        return self.process.returncode, told


def asked() -> dict[str, Any]:
    return {"model": "tiny", "messages": [{"role": "user", "content": "x"}]}


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
async def test_told_to_stop_it_lets_requests_end(upstream: Upstream, tmp_path: Path, name: signal.Signals) -> None:
    served = Process(upstream, tmp_path, "")
    url = await served.url()
    upstream.latency_s = 1.0
    async with aiohttp.ClientSession() as client:
        asking = asyncio.create_task(client.post(f"{url}/chat/completions", json=asked()))
        while not upstream.calls:
            await asyncio.sleep(0.01)
        os.kill(served.process.pid, name)
        await asyncio.sleep(0.3)
        with pytest.raises(aiohttp.ClientConnectorError):
            await client.post(f"{url}/chat/completions", json=asked())
        response = await asking
        assert response.status == 200
        assert (await response.json())["choices"]
    code, told = await served.ended()
    assert code == 0
    assert "every request was answered" in told
    assert "Traceback" not in told


async def test_a_client_that_leaves_meanwhile_was_not_cut_off(upstream: Upstream, tmp_path: Path) -> None:
    served = Process(upstream, tmp_path, "")
    url = await served.url()
    upstream.always = stall()
    async with aiohttp.ClientSession() as client:
        asking = asyncio.create_task(client.post(f"{url}/chat/completions", json=asked()))
        while not upstream.calls:
            await asyncio.sleep(0.01)
        os.kill(served.process.pid, signal.SIGTERM)
        await asyncio.sleep(0.3)
        asking.cancel()
    code, told = await served.ended()
    assert code == 0
    assert "cut off" not in told


async def test_told_to_hang_up_it_reads_its_policy_again(upstream: Upstream, tmp_path: Path) -> None:
    served = Process(upstream, tmp_path, "")
    root = (await served.url()).removesuffix("/v1")
    async with aiohttp.ClientSession() as client, asyncio.timeout(20):
        os.kill(served.process.pid, signal.SIGHUP)
        text = ""
        while 'akrasia_policy_reloads_total{result="applied"} 1' not in text:
            await asyncio.sleep(0.05)
            async with client.get(f"{root}/metrics") as response:
                text = await response.text()
    os.kill(served.process.pid, signal.SIGTERM)
    code, told = await served.ended()
    assert code == 0
    assert "policy policy reloaded" in told


async def test_what_does_not_end_in_time_is_cut_and_told(upstream: Upstream, tmp_path: Path) -> None:
    served = Process(upstream, tmp_path, "[limits]\ndrain_s = 0.2")
    url = await served.url()
    upstream.always = stall()
    async with aiohttp.ClientSession() as client:
        asking = asyncio.create_task(client.post(f"{url}/chat/completions", json=asked()))
        while not upstream.calls:
            await asyncio.sleep(0.01)
        os.kill(served.process.pid, signal.SIGTERM)
        response = await asking
        assert (response.status, response.headers["Retry-After"]) == (503, "5")
        assert (await response.json())["error"]["code"] == "stopping"
    code, told = await served.ended()
    assert code == 3
    assert "requests cut off: 1 (they had 0.2 s to end)" in told
    assert "Traceback" not in told
