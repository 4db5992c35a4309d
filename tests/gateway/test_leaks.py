"""Byte by byte: of a reply that is not let through, nothing reaches the client's socket, in whatever field it stands.

The upstream puts markers into every field that the protocol has and some that it has not, and every way for a reply to
fail is tried, streaming and not. What the client's socket received is searched for the markers, also in the forms that
JSON, base64 and lists of bytes give them.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.gateway.audited import GOOD, policy, records
from tests.gateway.conftest import Serve, Served
from tests.gateway.upstreams import broken, chunk
from tests.upstream import Body, Fault, Upstream, raw, status

from akrasia.core import StoreFailed
from akrasia.gateway import enforce
from akrasia.gateway.log import AuditLog
from akrasia.gateway.stream import emit

pytestmark = pytest.mark.asyncio

MARK = "ZQX"
_MARKERS = (f"{MARK}{number:06d}" for number in itertools.count())
COUNT = re.compile(rf"{MARK}\d{{6}}")

BETRAYAL = "I act against face."
MODELS = {
    "planner": "scripted:tests.audit.scripts:planner",
    "rewriter": "scripted:tests.audit.scripts:mender",
    "guard": "scripted:tests.audit.scripts:guard",
}
MENDER_FAILS = {**MODELS, "rewriter": "scripted:tests.audit.scripts:parrot"}


def m(text: str = "") -> str:
    """A text with a marker of its own."""
    return f"{next(_MARKERS)}{text}"


def token(text: str) -> Body:
    own = {"token": text, "logprob": -0.1, "bytes": list(text.encode()), m(): m()}
    return {**own, "top_logprobs": [{"token": m(), "logprob": -1.0, "bytes": list(m().encode())}]}


def poisoned(betrayal: str = BETRAYAL) -> Body:
    """A completion with markers everywhere; its content betrays."""
    content = f"{m()} {betrayal} {m()}"
    call = {"name": m(), "arguments": json.dumps({m(): m()}), m(): m()}
    message: Body = {
        "role": m(),
        "content": content,
        "reasoning_content": m(),
        "reasoning": m(),
        "reasoning_details": [{"text": m()}],
        "refusal": m(),
        "tool_calls": [
            {"id": m(), "type": "function", "function": call, m(): m()},
            {"id": m(), "type": "custom", "custom": {"name": m(), "input": m()}},
        ],
        "function_call": {"name": m(), "arguments": m()},
        "audio": {"id": m(), "data": base64.b64encode(m().encode()).decode(), "transcript": m(), "expires_at": 1},
        "annotations": [{"type": "url_citation", "url_citation": {"url": m(), "title": m()}}],
        "name": m(),
        m(): {m(): [m()]},
    }
    logprobs = {"content": [token(content)], "refusal": [token(message["refusal"])], m(): m()}
    choice = {"index": 0, "message": message, "logprobs": logprobs, "finish_reason": m(), "stop_reason": m(), m(): m()}
    usage = {
        "prompt_tokens": 3,
        "completion_tokens": 4,
        "total_tokens": 7,
        "completion_tokens_details": {"reasoning_tokens": 1, m(): m(), "accepted_prediction_tokens": m()},
        "cost": m(),
        m(): m(),
    }
    head = {"id": m(), "object": m(), "created": m(), "model": m(), "system_fingerprint": m(), "service_tier": m()}
    return {**head, "choices": [choice], "usage": usage, "citations": [m()], m(): {m(): m()}}


HEADERS = {"X-Marker": m(), m(): "1", "Set-Cookie": m(), "x-request-id": m(), "openai-organization": m(), "ETag": m()}


def sends(completion: Callable[[], Body], headers: dict[str, str] = HEADERS) -> Fault:
    """Answers with a completion, streamed where that is asked for."""

    async def answer(upstream: Upstream, request: web.Request) -> web.StreamResponse:
        body, made = await request.json(), completion()
        if not body.get("stream"):
            return web.json_response(made, headers=headers)
        pieces = [chunk(body, [], **{m(): m()}).replace(b'"choices": []', b'"choices": [], ' + b'"q": 1')]
        pieces += [b"data: " + json.dumps(one).encode() + b"\n\n" for one in emit(made, usage=True)]
        out = web.StreamResponse(headers={**headers, "Content-Type": "text/event-stream"})
        await out.prepare(request)
        for piece in [b": " + m().encode() + b"\n\n", *pieces, b"data: [DONE]\n\n"]:
            await out.write(piece)
        await out.write_eof()
        return out

    return answer


async def received(served: Served, *, leave_after_s: float | None = None, **body: Any) -> bytes:
    """All that a client's socket receives, to the end of the connection."""
    asked = {"model": "tiny", "messages": [{"role": "user", "content": "Well?"}], **body}
    data = json.dumps(asked).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(data)}\r\nConnection: close\r\n\r\n".encode() + data)
    await writer.drain()
    try:
        if leave_after_s is None:
            return await asyncio.wait_for(reader.read(), 10)
        await asyncio.sleep(leave_after_s)
        return await asyncio.wait_for(reader.read(2**20), 0.05)
    except TimeoutError:
        return b""
    finally:
        writer.transport.abort()


def clean(got: bytes) -> bytes:
    """What was received, if no marker is in it in any form."""
    plain = got.decode(errors="replace")
    forms = [plain, plain.encode().decode("unicode_escape", errors="replace")]
    for found in re.findall(r"\[(\d{1,3}(?:,\d{1,3})+)\]", plain):
        forms.append(bytes(int(one) % 256 for one in found.split(",")).decode(errors="replace"))
    for word in re.findall(r"[A-Za-z0-9+/=]{8,}", plain):
        for shift in range(4):
            part = word[shift : shift + (len(word) - shift) // 4 * 4]
            try:
                forms.append(base64.b64decode(part).decode(errors="replace"))
            except ValueError:
                continue
    for form in forms:
        assert MARK not in form, form[max(0, form.find(MARK) - 200) : form.find(MARK) + 60]
    assert got[:9] == b"HTTP/1.1 "
    return got


async def test_the_search_finds_a_marker_in_every_form() -> None:
    """A search that cannot find anything would prove nothing."""
    for form in (
        b"ZQX",
        b"\\u005aQX",
        b"[90,81,88,1]",
        base64.b64encode(b"--ZQX--"),
        b"a" + base64.b64encode(b"=ZQX=="),
    ):
        with pytest.raises(AssertionError, match="assert"):
            clean(b"HTTP/1.1 200 OK " + form)


async def test_without_enforcement_the_markers_arrive(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    upstream.always = sends(poisoned)
    served = await serve(policy(tmp_path, "annotate"))
    for stream in (False, True):
        got = await received(served, stream=stream)
        assert len(COUNT.findall(got.decode())) > 40


POLICIES: dict[str, dict[str, Any]] = {
    "stop": {"on_fail": "stop"},
    "rewrite that fails": {"on_fail": "rewrite", **MENDER_FAILS},
    "stop, though open": {"on_fail": "stop", "on_audit_error": "open"},
    "sentences": {"on_fail": "stop", "release": "sentences"},
    "judge down": {"judge": "llm:scripted:tests.gateway.audited:judge_down"},
    "judge refuses": {"judge": "llm:scripted:tests.gateway.audited:judge_refuses"},
    "judge unreadable": {"judge": "llm:scripted:tests.gateway.audited:judge_unreadable"},
    "judge half readable": {"judge": "llm:scripted:tests.gateway.audited:judge_broken"},
    "judge stuck": {"judge": "llm:scripted:tests.gateway.audited:judge_stuck", "deadline_s": {"audit": 0.1}},
    "total deadline": {"judge": "llm:scripted:tests.gateway.audited:judge_stuck", "deadline_s": {"total": 0.2}},
    "tokens used up": {"max_tokens_total": 1},
    "judge down, sentences": {"judge": "llm:scripted:tests.gateway.audited:judge_down", "release": "sentences"},
    "judge stuck, sentences": {
        "judge": "llm:scripted:tests.gateway.audited:judge_stuck", "release": "sentences", "deadline_s": {"audit": 0.1},
    },
    "best of n": {"strategies": ["best_of_n:3"], "default_strategy": "best_of_n:3"},
    "self-consistency": {"strategies": ["self_consistency:3"], "default_strategy": "self_consistency:3"},
    "audited": {"strategies": ["audited"], "default_strategy": "audited", **MENDER_FAILS},
}  # fmt: skip


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("case", POLICIES)
async def test_nothing_of_a_reply_that_fails_arrives(
    upstream: Upstream, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str, stream: bool
) -> None:
    monkeypatch.setattr(enforce, "KEEP_ALIVE_S", 0.05)
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "enforce", **POLICIES[case]), log=log)
    upstream.always = sends(poisoned)
    got = clean(await received(served, stream=stream, logprobs=True, stream_options={"include_usage": True}))
    assert b"audit_unavailable" in got or b"content_filter" in got or b"no_answer" in got or b"deadline" in got
    kept = records(log)
    assert kept  # and what did not leave is there to be looked at
    if case not in ("self-consistency", "total deadline"):
        assert COUNT.search(json.dumps(kept))


@pytest.mark.parametrize(
    "place", ["content", "reasoning_content", "reasoning", "refusal", "tool_calls", "function_call"]
)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("release", ["whole", "sentences"])
async def test_one_betraying_field_stops_all_others(
    upstream: Upstream, serve: Serve, tmp_path: Path, place: str, stream: bool, release: str
) -> None:
    served = await serve(policy(tmp_path, "enforce", release=release))

    def made() -> Body:
        whole = poisoned("")
        message = whole["choices"][0]["message"]
        if place == "tool_calls":
            message[place][1]["custom"]["input"] += f" {BETRAYAL}"
        elif place == "function_call":
            message[place]["arguments"] += f" {BETRAYAL}"
        else:
            message[place] += f" {BETRAYAL}"
        return whole

    upstream.always = sends(made)
    got = clean(await received(served, stream=stream))
    assert b"content_filter" in got


@pytest.mark.parametrize("stream", [False, True])
async def test_of_a_reply_that_passes_only_its_audited_texts_arrive(
    upstream: Upstream, serve: Serve, tmp_path: Path, stream: bool
) -> None:
    served = await serve(policy(tmp_path, "enforce"))
    made = poisoned("")
    upstream.always = sends(lambda: made)
    got = await received(served, stream=stream, logprobs=True)
    message = made["choices"][0]["message"]
    calls = message["tool_calls"]
    texts = [message[name] for name in ("content", "reasoning_content", "reasoning", "refusal")]
    texts += [calls[0]["function"]["name"], calls[0]["function"]["arguments"], *calls[1]["custom"].values()]
    texts += list(message["function_call"].values())
    allowed = set(COUNT.findall(json.dumps(texts)))
    found = set(COUNT.findall(got.decode()))
    assert found == allowed


@pytest.mark.parametrize("stream", [False, True])
async def test_nothing_of_the_original_goes_with_a_rewrite(
    upstream: Upstream, serve: Serve, tmp_path: Path, stream: bool
) -> None:
    served = await serve(policy(tmp_path, "enforce", on_fail="rewrite", **MODELS))

    def made() -> Body:
        whole = poisoned("")
        message = whole["choices"][0]["message"]
        message["content"] = f"Task 1. {BETRAYAL}"
        whole["choices"][0]["logprobs"] = {"content": [token(message["content"])]}  # of the very text, as is allowed
        for name in ("tool_calls", "function_call", "refusal"):
            del message[name]
        return whole

    upstream.always = sends(made)
    got = clean(await received(served, stream=stream, logprobs=True))
    assert b"I act for face." in got
    assert b"against" not in got
    assert b'"decision":"rewritten"' in got


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("release", ["whole", "sentences"])
async def test_nothing_arrives_when_the_log_cannot_be_written(
    upstream: Upstream, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: bool, release: str
) -> None:
    served = await serve(policy(tmp_path, "enforce", release=release), log=tmp_path / "audit.jsonl")

    async def full(self: AuditLog, *_: object) -> str:
        raise StoreFailed("no space left")

    monkeypatch.setattr(AuditLog, "append", full)
    upstream.always = sends(lambda: poisoned(""))
    got = clean(await received(served, stream=stream))
    assert b"audit_unavailable" in got
    assert 'akrasia_audits_dropped_total{reason="not_logged"}' in await served.metrics()


FAULTS: dict[str, Callable[[], Fault]] = {
    "an error body": lambda: status(400, {"message": m(), "type": m(), "code": m(), "param": m(), m(): m()}),
    "an error without an object": lambda: raw(json.dumps({m(): m()}).encode(), code=500),
    "a text": lambda: raw(m().encode(), code=503, content_type="text/plain"),
    "a page": lambda: raw(f"<html>{m()}</html>".encode(), content_type="text/html"),
    "an error under 200": lambda: raw(json.dumps({"error": {"message": m(), "code": m()}}).encode()),
    "no JSON": lambda: raw(json.dumps(poisoned()).encode()[:-3]),
    "half a character": lambda: raw(json.dumps(poisoned()).encode() + b"\xc3"),
    "no choices": lambda: raw(json.dumps({"id": m(), "choices": m()}).encode()),
    "odd choices": lambda: raw(json.dumps({"id": m(), "choices": [m(), None]}).encode()),
    "a redirect": lambda: raw(m().encode(), code=302),
    "headers of an error": lambda: _with_headers(429),
    "a stream that breaks": lambda: broken([chunk({"model": m()}, [{"index": 0, "delta": {"content": m()}}])], "reset"),
    "a stream that stalls": lambda: broken([chunk({"model": m()}, [{"index": 0, "delta": {"content": m()}}])], "stall"),
    "an error in a stream": lambda: broken([b'data: {"error": {"message": "' + m().encode() + b'"}}\n\n'], "whole"),
    "odd chunks": lambda: broken([chunk({"model": m()}, [{"index": [m()], "delta": m()}])], "whole"),
    "odd calls": lambda: broken([chunk({"model": m()}, [{"index": 0, "delta": {"tool_calls": [m()]}}])], "whole"),
    "no chunk": lambda: broken([b'data: ["' + m().encode() + b'"]\n\n'], "whole"),
    "no event": lambda: broken([b"data: " + m().encode() + b"\n\n"], "whole"),
}


def _with_headers(code: int) -> Fault:
    async def answer(upstream: Upstream, request: web.Request) -> web.StreamResponse:
        headers = {**HEADERS, "Retry-After": m()}
        return web.json_response({"error": {"message": m()}}, status=code, headers=headers)

    return answer


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("release", ["whole", "sentences"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_nothing_of_a_broken_answer_arrives(
    upstream: Upstream, serve: Serve, tmp_path: Path, fault: str, stream: bool, release: str
) -> None:
    served = await serve(policy(tmp_path, "enforce", release=release, limits={"stall_s": 0.3}))
    upstream.always = FAULTS[fault]()
    got = clean(await received(served, stream=stream))
    assert b'"error"' in got
    assert b"[DONE]" not in got


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("release", ["whole", "sentences"])
async def test_nothing_arrives_at_a_client_that_leaves(
    upstream: Upstream, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: bool, release: str
) -> None:
    monkeypatch.setattr(enforce, "KEEP_ALIVE_S", 0.02)
    slow = "llm:scripted:tests.gateway.audited:judge_slow"
    served = await serve(policy(tmp_path, "enforce", judge=slow, release=release), log=tmp_path / "audit.jsonl")
    upstream.always = sends(poisoned)
    got = await received(served, stream=stream, leave_after_s=0.15)
    assert MARK.encode() not in got
    for _ in range(100):
        if not served.gateway.under_way:
            break
        await asyncio.sleep(0.02)
    assert served.gateway.under_way == 0
    upstream.always = sends(lambda: {**poisoned(""), "choices": [{"index": 0, "message": {"content": GOOD}}]})
    assert GOOD.encode() in await received(served)


@pytest.mark.parametrize("path", ["/akrasia/audits/", "/metrics"])
async def test_nothing_can_be_looked_up(upstream: Upstream, serve: Serve, tmp_path: Path, path: str) -> None:
    served = await serve(policy(tmp_path, "enforce"), log=tmp_path / "audit.jsonl")
    upstream.always = sends(poisoned)
    response = await served.ask()
    name = response.headers["x-akrasia-audit-id"] if path.endswith("/") else ""
    async with served.client.get(f"{served.root}{path}{name}") as found:
        assert found.status == 200
        clean(b"HTTP/1.1 200 " + await found.read())
