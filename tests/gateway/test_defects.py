"""A defect of the gateway: it is told, nothing leaves by it, others go on, and the log has a line all the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.gateway.audited import GOOD, policy, settled
from tests.gateway.conftest import Serve
from tests.upstream import Upstream

from akrasia.gateway import enforce, observe, release

pytestmark = pytest.mark.asyncio


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
    try:
        assert (await served.ask(stream=stream)).status == 500
    except aiohttp.ClientPayloadError:
        assert stream, "what has begun cannot become an error"
    (record,) = await settled(log, 1)
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
    assert (record["status"], record.get("choices")) == (500, None)
    assert record["error"] == "nothing more left by a defect of the gateway: ZeroDivisionError"
    assert "words of the conversation" not in log.read_text()
    assert any("ZeroDivisionError at " in one for one in served.notices)
    assert (await served.ask(stream=stream)).status == 200
    assert len(await settled(log, 2)) == 2
