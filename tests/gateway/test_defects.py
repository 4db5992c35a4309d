"""A defect of the gateway: it is told, nothing leaves by it, others go on, and the log has a line all the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.gateway.audited import GOOD, contents, policy, settled
from tests.gateway.conftest import Serve
from tests.gateway.upstreams import chat
from tests.upstream import Upstream

from akrasia.gateway import audits, enforce, giving, keeping, observe, passing, release, wire

pytestmark = pytest.mark.asyncio


BROKEN = "nothing more left by a defect of the gateway: ZeroDivisionError"


def defect(*given: object, **named: object) -> None:
    raise ZeroDivisionError("words of the conversation")


async def test_a_defect_ends_no_audit_of_others(
    upstream: Upstream, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "observe", limits={"audits": 2}), log=log)
    with monkeypatch.context() as patched:
        patched.setattr(observe, "read_reply", defect)
        for _ in range(5):
            await served.ask()
        found = await settled(log, 5)
    assert "a reply is in the log as it came by a defect of the gateway: ZeroDivisionError" in served.notices
    for record in found:
        (choice,) = record["choices"]
        assert (choice["decision"], choice["missing"]) == ("unaudited", "the audit failed: ZeroDivisionError")
        assert json.loads(choice["beside"]["reply"])["object"] == "chat.completion"
    upstream.message = lambda body, index: GOOD
    await served.ask()
    assert (await settled(log, 6))[-1]["choices"][0]["decision"] == "passed"


@pytest.mark.parametrize("stream", [False, True])
async def test_annotate_has_a_line(
    upstream: Upstream, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "annotate"), log=log)
    upstream.message = lambda body, index: GOOD
    monkeypatch.setattr(observe, "read_reply", defect)
    response = await served.ask(stream=stream)
    assert response.status == (200 if stream else 500)
    got = await response.text()
    assert '"code":"defect"' in got
    assert "[DONE]" not in got
    (record,) = await settled(log, 1)
    assert response.headers["x-akrasia-audit-id"] == record["id"]
    assert (record.get("status", 200), record["error"]) == (response.status, BROKEN)
    assert record["choices"][0]["decision"] == "unaudited"
    assert GOOD.split()[0] in record["choices"][0]["beside"]["reply"]


@pytest.mark.parametrize(("release_by", "stream"), [("whole", False), ("whole", True), ("sentences", True)])
async def test_enforce_has_a_line_and_nothing_leaves(
    upstream: Upstream, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, release_by: str, stream: bool
) -> None:
    log = tmp_path / "audit.jsonl"
    settings: dict[str, Any] = {"release": release_by} if release_by != "whole" else {}
    served = await serve(policy(tmp_path, "enforce", **settings), log=log)
    upstream.message = lambda body, index: "I act for humility"
    with monkeypatch.context() as patched:
        for module in (enforce, release):
            patched.setattr(module, "allowed_choice", defect)
        response = await served.ask(stream=stream)
    assert response.status == 500
    got = await response.text()
    assert json.loads(got)["error"]["code"] == "defect"
    assert "humility" not in got
    (record,) = await settled(log, 1)
    assert response.headers["x-akrasia-audit-id"] == record["id"]
    assert (record["status"], record.get("choices")) == (500, None)
    assert record["error"] == BROKEN
    assert "words of the conversation" not in log.read_text()
    assert any("ZeroDivisionError at " in one for one in served.notices)
    assert (await served.ask(stream=stream)).status == 200
    assert len(await settled(log, 2)) == 2


@pytest.mark.parametrize("mode", ["pass", "observe", "annotate"])
async def test_a_stream_that_passes_ends_with_the_error(
    upstream: Upstream, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    def fails(data: bytes) -> object:
        if b"LAST" in data:
            defect()
        return wire.read_tail(data)

    monkeypatch.setattr(passing, "read_tail", fails)
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, mode), log=log)
    upstream.always = chat(pause_s=0.02)
    upstream.message = lambda body, index: "I act for humility LAST words"
    response = await served.ask(stream=True)
    assert response.status == 200
    got = await response.read()
    assert "".join(contents(got)) == "I act for humility "
    assert got.endswith(b"\n\n")
    assert json.loads(got.split(b"data: ")[-1])["error"]["code"] == "defect"
    assert any("ZeroDivisionError at " in one for one in served.notices)
    assert 'akrasia_failures_total{reason="defect"} 1\n' in await served.metrics()
    if mode != "pass":
        (record,) = await settled(log, 1)
        assert (record.get("status"), record["error"]) == (None, BROKEN)
        assert record["choices"][0]["original"]["content"] == "I act for humility "
    upstream.message = lambda body, index: GOOD
    assert (await (await served.ask(stream=True)).read()).endswith(b"data: [DONE]\n\n")


async def test_a_whole_answer_that_a_defect_ends_is_logged_as_such(
    upstream: Upstream, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "observe"), log=log)
    monkeypatch.setattr(observe, "send_whole", defect)
    assert (await served.ask()).status == 500
    (record,) = await settled(log, 1)
    assert (record["status"], record["error"]) == (500, BROKEN)


@pytest.mark.parametrize("release_by", ["whole", "sentences"])
async def test_an_enforced_stream_that_had_begun_ends_with_the_error(
    upstream: Upstream, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, release_by: str
) -> None:
    monkeypatch.setattr(enforce, "KEEP_ALIVE_S", 0.02)
    for module in (enforce, release):
        monkeypatch.setattr(module, "allowed_choice", defect)
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "enforce", release=release_by), log=log)
    upstream.latency_s = 0.1
    upstream.message = lambda body, index: "I act for humility. And SECRET"
    response = await served.ask(stream=True)
    assert response.status == 200
    got = await response.read()
    assert got.startswith(giving.KEEP_ALIVE)
    assert json.loads(got.split(b"data: ")[-1])["error"]["code"] == "defect"
    assert b"SECRET" not in got
    assert (b"humility" in got) is (release_by == "sentences")
    *_, record = await settled(log, 2 if release_by == "sentences" else 1)
    assert (record["status"], record["error"]) == (500, BROKEN)


@pytest.mark.parametrize("place", ["record_of", "shown_in", "context_of"])
@pytest.mark.parametrize("mode", ["observe", "annotate", "enforce"])
async def test_a_defect_on_the_way_to_the_log_costs_no_line(
    upstream: Upstream, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, place: str
) -> None:
    """A verdict that cannot be written down, say: the log gets what can."""
    module = audits if place == "context_of" else keeping
    log, works, calls = tmp_path / "audit.jsonl", getattr(module, place), list[object]()
    served = await serve(policy(tmp_path, mode), log=log)

    def fails_once(*given: Any) -> object:
        calls.append(given)
        if len(calls) == 1:
            defect()
        return works(*given)

    monkeypatch.setattr(module, place, fails_once)
    response = await served.ask()
    assert response.status == (200 if mode == "observe" else 500)
    (record,) = await settled(log, 1)
    assert calls
    if mode == "enforce":
        assert record["error"] == BROKEN
    else:
        assert record["choices"][0]["original"]["content"]


async def test_what_breaks_after_a_streams_end_is_nothing_to_its_client(
    upstream: Upstream, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = await serve(policy(tmp_path, "observe"), log=tmp_path / "audit.jsonl")
    monkeypatch.setattr(observe, "_weight", defect)
    got = await (await served.ask(stream=True)).read()
    assert got.endswith(b"data: [DONE]\n\n")
    assert [one for one in served.notices if "RuntimeError" in one] == []
    assert 'akrasia_failures_total{reason="defect"} 1\n' in await served.metrics()
