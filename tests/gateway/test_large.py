"""Large replies: beyond `reply_bytes` they count as not audited, and below it nobody else waits for them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from tests.gateway.audited import GOOD, contents, policy, records, settled, told_in
from tests.gateway.conftest import Serve
from tests.gateway.upstreams import broken, chunk
from tests.upstream import Body, Upstream

from akrasia.core import Request

pytestmark = pytest.mark.asyncio

LONG = f"{GOOD} " * 200
"""About 11,400 bytes."""

LIMITS: dict[str, Any] = {"reply_bytes": 10_000}


def quick(request: Request) -> str:
    """A judge that finds nothing in any text, without reading it."""
    return json.dumps({value: {"verdict": "absent", "evidence": ""} for value in ("face", "humility", "tradition")})


@pytest.mark.parametrize(("asked", "leaves", "decision"), [("closed", 503, "withheld"), ("open", 200, "released")])
async def test_enforce_does_not_audit_what_is_longer(
    upstream: Upstream, serve: Serve, tmp_path: Path, asked: str, leaves: int, decision: str
) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "enforce", on_audit_error=asked, limits=LIMITS), log=log)
    upstream.message = lambda body, index: LONG
    response = await served.ask()
    assert response.status == leaves
    assert response.headers.get("x-should-retry") == (None if asked == "open" else "false")
    (record,) = records(log)
    assert record["choices"][0]["decision"] == decision
    assert "more than 10000 bytes" in record["choices"][0]["missing"]
    upstream.message = lambda body, index: "ä" * 4990 + "."  # bytes count, not letters: 9,981 of them
    assert (await served.ask()).status == 200


@pytest.mark.parametrize("mode", ["observe", "annotate"])
@pytest.mark.parametrize("stream", [False, True])
async def test_what_passes_and_is_longer_is_not_audited(
    upstream: Upstream, serve: Serve, tmp_path: Path, mode: str, stream: bool
) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, mode, limits=LIMITS), log=log)
    upstream.message = lambda body, index: LONG
    response = await served.ask(stream=stream)
    assert response.status == 200
    assert GOOD.split(" ")[-1].encode() in await response.read()
    (record,) = await settled(log, 1)
    assert "reply_bytes" in record["error"]
    assert "choices" not in record or record["choices"] == []
    assert 'akrasia_audits_dropped_total{reason="too_long"} 1' in await served.metrics()


async def test_a_stream_by_sentences_ends_where_it_is_longer(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    settings: Body = {"release": "sentences", "limits": LIMITS}
    served = await serve(policy(tmp_path, "enforce", **settings), log=log)
    asked: Body = {"model": "tiny"}
    part = chunk(asked, [{"index": 0, "delta": {"content": GOOD + " "}}])
    upstream.faults.append(broken([part, *[part * 20] * 10], "whole"))
    got = await (await served.ask(stream=True)).read()
    assert GOOD in contents(got)[0]
    assert b"audit_unavailable" in got
    assert b"reply_bytes" in got
    assert b"[DONE]" not in got
    assert told_in(got) == []
    record = records(log)[-1]
    assert (record["status"], record["choices"][0]["decision"]) == (503, "withheld")


@pytest.mark.parametrize("mode", ["observe", "annotate", "enforce"])
async def test_nobody_waits_for_a_large_reply(upstream: Upstream, serve: Serve, tmp_path: Path, mode: str) -> None:
    """Of 3 MB; what was done to each of its letters on the loop took more than two seconds."""
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, mode, judge="llm:scripted:tests.gateway.test_large:quick"), log=log)
    upstream.message = lambda body, index: "Hello there. " * 240_000
    answer = asyncio.create_task(served.ask())
    worst = 0.0
    logged = asyncio.create_task(settled(log, 1))
    while not answer.done() or not logged.done():
        began = perf_counter()
        await asyncio.sleep(0.005)
        worst = max(worst, perf_counter() - began)
    assert (await answer).status == 200
    assert len(await logged) == 1
    assert worst < 1
