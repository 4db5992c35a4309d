"""Mode `annotate`: the reply as in mode `pass`, and the verdict in a header's id, a field, a comment and a look-up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest
from tests.gateway.audited import BAD, GOOD, policy, records, settled, told_in
from tests.gateway.conftest import Serve, Served
from tests.gateway.upstreams import broken, events
from tests.upstream import Upstream, raw, status

pytestmark = pytest.mark.asyncio


async def looked_up(served: Served, audit_id: str) -> dict[str, Any]:
    async with served.client.get(f"{served.root}/akrasia/audits/{audit_id}") as response:
        assert response.status == 200
        found: dict[str, Any] = await response.json()
        return found


async def test_a_whole_reply_has_the_verdict_as_a_field(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "annotate"), log=log)
    sent = {"id": "x", "choices": [{"index": 0, "message": {"content": BAD}}], "usage": None, "odd": {"a": 1.0}}
    upstream.faults.append(raw(json.dumps(sent).encode()))
    response = await served.ask()
    body = await response.json()
    told = body.pop("akrasia")
    assert body == sent
    assert told["id"] == response.headers["x-akrasia-audit-id"]
    (choice,) = told["choices"]
    assert (choice["decision"], choice["failed"], choice["adherence"]) == ("passed", True, 0.5)
    assert choice["betrayed"] == ["humility"]
    assert choice["lacking"] == ["tradition"]
    assert choice["evidence"] == {"humility": "I act against humility"}
    assert await looked_up(served, told["id"]) == told
    assert [record["id"] for record in records(log)] == [told["id"]]


async def test_an_error_names_its_record(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "annotate"), log=log)
    upstream.faults.append(status(500))
    response = await served.ask()
    (record,) = await settled(log, 1)
    assert response.status == record["status"] == 500
    assert response.headers["x-akrasia-audit-id"] == record["id"]


@pytest.mark.parametrize("cut", [1, 7, 10**6])
async def test_a_stream_has_it_as_a_comment_before_its_end(
    upstream: Upstream, serve: Serve, tmp_path: Path, cut: int
) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "annotate"), log=log)
    upstream.message = lambda body, index: BAD if index else GOOD
    sent = b"".join(events(upstream, {"model": "tiny", "n": 2}))
    upstream.faults.append(broken([sent[at : at + cut] for at in range(0, len(sent), cut)], "whole"))
    response = await served.ask(stream=True, n=2)
    got = await response.read()
    (told,) = told_in(got)
    assert [choice["betrayed"] for choice in told["choices"]] == [[], ["humility"]]
    assert told["id"] == response.headers["x-akrasia-audit-id"]
    lines = got.split(b"\n\n")
    assert lines[-3].startswith(b": akrasia {")
    assert lines[-2:] == [b"data: [DONE]", b""]
    assert b"\n\n".join([*lines[:-3], *lines[-2:]]) == sent
    assert records(log)[0]["audit_s"] is not None


def numbered(sent: list[bytes]) -> list[bytes]:
    return [b"id: %d\n" % place + event for place, event in enumerate(sent)]


@pytest.mark.parametrize(
    "shape",
    [
        numbered,
        lambda sent: [b"\xef\xbb\xbf", *numbered(sent)],
        lambda sent: [*sent[:-1], b"event: end\nid: 1\n", sent[-1]],
        lambda sent: [*sent[:-1], b"event: end\r\n" + sent[-1]],
        lambda sent: [event.replace(b"\n\n", b"\rid: 1\n\n") for event in sent],
        lambda sent: numbered(sent)[:-1],  # a stream that never says that it is whole
    ],
)
async def test_a_client_reads_a_stream_of_any_lines(
    upstream: Upstream, serve: Serve, tmp_path: Path, shape: Callable[[list[bytes]], list[bytes]]
) -> None:
    served = await serve(policy(tmp_path, "annotate"))
    upstream.message = lambda body, index: BAD
    upstream.always = broken(shape(events(upstream, {"model": "tiny"})), "whole")
    async with openai.AsyncOpenAI(base_url=served.url, api_key="none", max_retries=0) as client:
        stream = await client.chat.completions.create(
            model="tiny", messages=[{"role": "user", "content": "x"}], stream=True
        )
        chunks = [one async for one in stream]
    assert "".join(one.choices[0].delta.content or "" for one in chunks) == f"{BAD} "
    got = await (await served.ask(stream=True)).read()
    (told,) = told_in(got)
    assert told["choices"][0]["betrayed"] == ["humility"]
    assert b"[DONE]" not in got or got.index(b": akrasia") < got.index(b"[DONE]")


async def test_the_words_do_not_wait_for_the_audit(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    slow = "llm:scripted:tests.gateway.audited:judge_slow"
    served = await serve(policy(tmp_path, "annotate", judge=slow))
    loop = asyncio.get_running_loop()
    body = {"model": "tiny", "messages": [{"role": "user", "content": "x"}], "stream": True}
    began = loop.time()
    async with served.client.post(f"{served.url}/chat/completions", json=body) as response:
        await response.content.readuntil(b"\n\n")
        assert loop.time() - began < 0.45
        rest = await response.read()
    assert loop.time() - began >= 0.5
    assert rest.endswith(b"data: [DONE]\n\n")


async def test_a_client_that_leaves_early_is_audited_all_the_same(
    upstream: Upstream, serve: Serve, tmp_path: Path
) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "annotate"), log=log)
    upstream.message = lambda body, index: BAD
    sent = events(upstream, {"model": "tiny"})
    upstream.faults.append(broken(sent[:-2], "stall"))
    body = {"model": "tiny", "messages": [{"role": "user", "content": "x"}], "stream": True}
    async with served.client.post(f"{served.url}/chat/completions", json=body) as response:
        await response.content.readuntil(b"humility")
        response.close()
    (record,) = await settled(log, 1)
    assert record["choices"][0]["verdict"]["betrayed"] == ["humility"]


async def test_a_missing_verdict_is_told(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    down = "llm:scripted:tests.gateway.audited:judge_down"
    served = await serve(policy(tmp_path, "annotate", judge=down))
    told = (await (await served.ask()).json())["akrasia"]
    assert told["choices"][0]["adherence"] is None
    assert "not audited" in told["choices"][0]["missing"]
    assert "down" not in json.dumps(told)  # what the judge's endpoint says is the operator's business


async def test_an_audit_takes_no_longer_than_its_deadline(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    stuck = "llm:scripted:tests.gateway.audited:judge_stuck"
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "annotate", judge=stuck, deadline_s={"audit": 0.2, "total": 5}), log=log)
    response = await served.ask(stream=True)
    got = await response.read()
    assert got.endswith(b"data: [DONE]\n\n")
    assert "missing" in told_in(got)[0]["choices"][0]
    assert "time" in records(log)[0]["choices"][0]["missing"]


async def test_reasoning_and_tool_calls_are_audited_too(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "annotate"), log=log)
    calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": "I act against face."}'}}]
    fields = {"content": GOOD, "reasoning_content": "I act against tradition.", "tool_calls": calls}
    upstream.message = lambda body, index: fields
    told = (await (await served.ask()).json())["akrasia"]["choices"][0]
    assert (told["adherence"], told["betrayed"], told["failed"]) == (1.0, ["tradition", "face"], True)
    others = records(log)[0]["choices"][0]["others"]
    assert [(name, verdict["betrayed"]) for name, verdict in others.items()] == [
        ("reasoning", ["tradition"]),
        ("tool call 1", ["face"]),
    ]


async def test_a_request_that_cannot_be_read_is_refused_first(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    served = await serve(policy(tmp_path, "annotate"))
    assert (await served.ask(messages="hello")).status == 400
    assert upstream.calls == 0
