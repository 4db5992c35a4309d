"""Requests that end before their answer has left, since the client goes or the gateway stops: each has its line."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.gateway.audited import GOOD, policy, records, settled
from tests.gateway.conftest import Serve, Served
from tests.gateway.test_audit_faults import launched
from tests.gateway.upstreams import broken, chunk
from tests.upstream import Upstream, stall

from akrasia.gateway import enforce

pytestmark = pytest.mark.asyncio

STUCK = "llm:scripted:tests.gateway.audited:judge_stuck"


async def asked(served: Served, upstream: Upstream, **body: Any) -> asyncio.Task[Any]:
    """A request that the upstream has."""
    asking = asyncio.create_task(served.ask(**body))
    async with asyncio.timeout(5):
        while not upstream.calls:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)  # the answer, where there is one, waits for its audit by now
    return asking


async def idle(served: Served) -> None:
    async with asyncio.timeout(5):
        while served.gateway.under_way:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("at", ["upstream", "judge"])
async def test_a_client_that_leaves_an_enforced_reply_leaves_a_line(
    upstream: Upstream, serve: Serve, tmp_path: Path, stream: bool, at: str
) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "enforce", **({"judge": STUCK} if at == "judge" else {})), log=log)
    upstream.message = lambda body, index: GOOD
    if at == "upstream":
        upstream.always = stall()
    (await asked(served, upstream, stream=stream)).cancel()
    await idle(served)
    (record,) = records(log)
    assert (record["status"], record["error"], record.get("streamed", False)) == (499, "the client left", stream)
    assert 'akrasia_failures_total{reason="client_gone"} 1' in await served.metrics()
    if at == "upstream":
        assert ("choices" in record, "target" in record) == (False, False)
        return
    (choice,) = record["choices"]
    assert (choice["decision"], choice["original"]["content"]) == ("withheld", GOOD)
    assert choice["missing"] == "broken off (client_gone); nothing of it had left"
    assert record["usage"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("mode", ["pass", "observe", "annotate", "enforce"])
async def test_what_is_cut_off_is_told_and_logged(
    upstream: Upstream, serve: Serve, tmp_path: Path, mode: str, stream: bool
) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, mode), log=log)
    upstream.always = stall()
    asking = await asked(served, upstream, stream=stream)
    served.gateway.cut_short()
    response = await asking
    assert (response.status, response.headers["Retry-After"]) == (503, "5")
    assert (await response.json())["error"]["code"] == "stopping"
    assert 'akrasia_failures_total{reason="cut_off"} 1' in await served.metrics()
    assert served.gateway.cut_off == 1
    if mode == "pass":
        return
    record = (await settled(log, 1))[0]
    assert record["status"] == 503
    assert "stopping" in record["error"]
    if mode == "observe":
        assert "x-akrasia-audit-id" not in response.headers
    else:
        assert response.headers["x-akrasia-audit-id"] == record["id"]


@pytest.mark.parametrize("release", ["whole", "sentences"])
async def test_an_enforced_stream_that_had_begun_ends_with_an_error(
    upstream: Upstream, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, release: str
) -> None:
    monkeypatch.setattr(enforce, "KEEP_ALIVE_S", 0.02)
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "enforce", judge=STUCK, release=release), log=log)
    upstream.message = lambda body, index: f"{GOOD} And more."
    asking = await asked(served, upstream, stream=True)
    served.gateway.cut_short()
    response = await asking
    got = await response.read()
    assert response.status == 200
    assert b'"code":"stopping"' in got
    assert b"[DONE]" not in got
    (record,) = records(log)
    (choice,) = record["choices"]
    assert (record["status"], choice["decision"]) == (503, "withheld")
    assert choice["missing"].startswith("broken off (cut_off)")


@pytest.mark.parametrize("mode", ["pass", "observe", "annotate"])
async def test_a_passing_stream_that_had_begun_ends_with_an_error(
    upstream: Upstream, serve: Serve, tmp_path: Path, mode: str
) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, mode), log=log)
    piece = chunk({"model": "tiny"}, [{"index": 0, "delta": {"content": GOOD}}])
    upstream.always = broken([piece], "stall")
    asking = await asked(served, upstream, stream=True)
    served.gateway.cut_short()
    got = await (await asking).read()
    assert got.startswith(piece)
    error = json.loads(got.removeprefix(piece).removeprefix(b"data: "))["error"]
    assert error["code"] == "stopping"
    assert served.gateway.cut_off == 1
    if mode == "pass":
        return
    record = (await settled(log, 1))[0]
    assert (record.get("status", 200), record["error"]) == (200, "cut_off")
    assert record["choices"][0]["original"]["content"] == GOOD


async def test_a_line_that_was_handed_to_the_log_is_the_only_one(
    upstream: Upstream, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client leaves while the disk works on the line of an answer that would have left next."""
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "enforce"), log=log)
    upstream.message = lambda body, index: GOOD
    assert served.gateway.log is not None
    append = served.gateway.log.append
    handed = asyncio.Event()

    async def slow(*arguments: Any) -> str:
        written = await append(*arguments)
        handed.set()
        await asyncio.sleep(5)
        return written

    monkeypatch.setattr(served.gateway.log, "append", slow)
    asking = asyncio.create_task(served.ask())
    async with asyncio.timeout(5):
        await handed.wait()
    asking.cancel()
    await idle(served)
    assert [record.get("status", 200) for record in records(log)] == [200]


@pytest.mark.parametrize("signals", [1, 2])
async def test_a_gateway_that_is_told_to_stop_logs_what_it_cuts_off(
    upstream: Upstream, tmp_path: Path, signals: int
) -> None:
    """Once: the client is answered when the time to drain is over. Twice: at once, and in words that say so."""
    log, path = tmp_path / "audit.jsonl", tmp_path / "policy.toml"
    path.write_text(policy(tmp_path, "enforce", limits={"drain_s": 0.2 if signals == 1 else 60.0}), encoding="utf-8")
    process, url = await launched(upstream, path, log)
    upstream.always = stall()
    async with aiohttp.ClientSession() as session, asyncio.timeout(20):
        body = {"model": "tiny", "messages": [{"role": "user", "content": "x"}]}
        asking = asyncio.create_task(session.post(url, json=body))
        while not upstream.calls:
            await asyncio.sleep(0.01)
        for _ in range(signals):
            process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.1)
        response = await asking
        assert (response.status, (await response.json())["error"]["code"]) == (503, "stopping")
        await process.communicate()
    assert process.returncode == 3
    (record,) = records(log)
    assert record["status"] == 503
    assert ("cut by the operator" in record["error"]) is (signals == 2)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("mode", "at"), [("observe", "upstream"), ("annotate", "upstream"), ("annotate", "judge")])
async def test_a_second_signal_leaves_lines_and_answers(
    upstream: Upstream, serve: Serve, tmp_path: Path, mode: str, at: str, stream: bool
) -> None:
    """One reply waits for its audit, which would take a minute; another is on its way, or waits with its client."""
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, mode, judge=STUCK, limits={"drain_s": 60.0}), log=log)
    upstream.message = lambda body, index: GOOD
    if mode == "observe":
        assert (await served.ask()).status == 200
    if at == "upstream":
        piece = chunk({"model": "tiny"}, [{"index": 0, "delta": {"content": GOOD}}])
        upstream.always = broken([piece], "stall") if stream else stall()
    asking = await asked(served, upstream, stream=stream)
    async with asyncio.timeout(2):
        stopping = asyncio.create_task(served.listening.__aexit__(None, None, None))
        await asyncio.sleep(0.1)
        assert not asking.done()
        served.gateway.hurry()
        response = await asking
        got = await response.read()
        await stopping
    assert response.status == (200 if stream else 503)
    assert json.loads(got.split(b"data: ")[-1])["error"]["code"] == "stopping"
    found = records(log)
    assert len(found) == (2 if mode == "observe" else 1)
    passed = [record for record in found if "choices" in record]
    assert len(passed) == len(found) - (at == "upstream" and not stream)
    for record in passed:
        (choice,) = record["choices"]
        assert (choice["decision"], choice["missing"]) == ("unaudited", "cut by the operator")
        assert choice["original"]["content"].strip() == GOOD
    for record in found:
        assert "choices" in record or record["error"].startswith("cut by the operator")
    statuses = [record.get("status", 200) for record in found]
    assert sorted(statuses) == ([200] * (len(found) - 1) + [200 if stream else 503])
    assert served.gateway.unaudited == len(passed)


@pytest.mark.parametrize("many", [0, 3])
async def test_replies_that_nobody_audited_are_told_at_the_end(upstream: Upstream, tmp_path: Path, many: int) -> None:
    """More than the judge has begun with: what waits is counted as well."""
    log, path = tmp_path / "audit.jsonl", tmp_path / "policy.toml"
    limits = {"drain_s": 0.2, "audits": 1}
    path.write_text(policy(tmp_path, "observe", judge=STUCK, limits=limits), encoding="utf-8")
    process, url = await launched(upstream, path, log)
    async with aiohttp.ClientSession() as session, asyncio.timeout(20):
        for _ in range(many):
            async with session.post(url, json={"model": "tiny", "messages": [{"role": "user", "content": "x"}]}) as got:
                assert got.status == 200
        process.send_signal(signal.SIGTERM)
        _, said = await process.communicate()
    told = said.decode()
    assert process.returncode == (3 if many else 0), told
    assert ("replies that nobody audited: 3 (they had 0.2 s to end)" in told) is bool(many)
    assert ("every request was answered" in told) is (not many)
    assert [record["choices"][0]["decision"] for record in records(log)] == ["unaudited"] * many


async def test_a_client_that_reads_nothing_holds_no_second_signal_up(
    upstream: Upstream, serve: Serve, tmp_path: Path
) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "observe", judge=STUCK, limits={"drain_s": 60.0}), log=log)
    upstream.message = lambda body, index: GOOD * 400_000
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    body = json.dumps({"model": "tiny", "messages": [{"role": "user", "content": "x"}]}).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    assert await reader.readexactly(12) == b"HTTP/1.1 200"
    async with asyncio.timeout(4):
        stopping = asyncio.create_task(served.listening.__aexit__(None, None, None))
        await asyncio.sleep(0.1)
        served.gateway.hurry()
        await stopping
    writer.close()
    assert len(records(log)) == 1


async def test_one_who_stops_serving_by_cancelling_hurries(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "enforce", limits={"drain_s": 60.0}), log=log)
    upstream.always = stall()
    asking = await asked(served, upstream)
    stopping = asyncio.create_task(served.listening.__aexit__(None, None, None))
    await asyncio.sleep(0.1)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert (await asking).status == 503
    assert len(records(log)) == 1


@pytest.mark.parametrize(("mode", "release"), [("pass", "whole"), ("observe", "whole"), ("enforce", "sentences")])
async def test_after_a_stream_that_broke_the_connection_takes_the_next_request(
    upstream: Upstream, serve: Serve, tmp_path: Path, mode: str, release: str
) -> None:
    """Its end is whole HTTP: a client keeps the connection, and must not find it closed under the next request."""
    settings = {"release": release} if mode == "enforce" else {}
    served = await serve(policy(tmp_path, mode, **settings), log=tmp_path / "audit.jsonl")
    upstream.faults.append(
        broken([chunk({"model": "tiny"}, [{"index": 0, "delta": {"content": f"{GOOD} "}}])], "reset")
    )
    body = b'{"model": "tiny", "stream": true, "messages": [{"role": "user", "content": "Hello"}]}'
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    for last in (b"upstream_reset", b"data: [DONE]\n\n"):
        writer.write(head + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        async with asyncio.timeout(5):
            got = await reader.readuntil(b"\r\n0\r\n\r\n")
        assert got.startswith(b"HTTP/1.1 200")
        assert last in got
    writer.close()
