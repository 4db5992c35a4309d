"""When auditing itself fails: closed and open, the judge, time, the log; and a gateway that is killed under load."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from openai import AsyncOpenAI, InternalServerError
from tests.gateway.audited import BAD, GOOD, contents, policy, records, told_in
from tests.gateway.conftest import Serve
from tests.upstream import Upstream

from akrasia.core import StoreFailed
from akrasia.gateway.log import AuditLog
from akrasia.gateway.verify import verify_log

pytestmark = pytest.mark.asyncio

ROOT = Path(__file__).parents[2]

JUDGES: dict[str, dict[str, Any]] = {
    "down": {"judge": "llm:scripted:tests.gateway.audited:judge_down"},
    "refuses": {"judge": "llm:scripted:tests.gateway.audited:judge_refuses"},
    "unreadable": {"judge": "llm:scripted:tests.gateway.audited:judge_unreadable"},
    "half readable": {"judge": "llm:scripted:tests.gateway.audited:judge_broken"},
    "defect": {"judge": "llm:scripted:tests.gateway.audited:judge_defect"},
    "too slow": {"judge": "llm:scripted:tests.gateway.audited:judge_stuck", "deadline_s": {"audit": 0.1}},
    "no time left": {"judge": "llm:scripted:tests.gateway.audited:judge_stuck", "deadline_s": 1},
    "no endpoint": {"judge": "llm:openai:tiny@http://127.0.0.1:9/v1", "deadline_s": {"audit": 1}},
}
LOST = {"down", "too slow", "no time left", "no endpoint"}
"""Of them, those that may do better with the next request."""


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("stream", [False, True])
async def test_closed_withholds(upstream: Upstream, serve: Serve, tmp_path: Path, judge: str, stream: bool) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "enforce", **JUDGES[judge]), log=log)
    upstream.message = lambda body, index: GOOD
    response = await served.ask(stream=stream)
    asked_again = (response.headers.get("Retry-After"), response.headers.get("x-should-retry"))
    assert response.status == 503
    assert asked_again == (("5", None) if judge in LOST else (None, "false"))
    error = (await response.json())["error"]
    assert (error["code"], error["type"]) == ("audit_unavailable", "server_error")
    (record,) = records(log)
    assert response.headers["x-akrasia-audit-id"] == record["id"]
    (choice,) = record["choices"]
    assert (record["status"], choice["decision"], choice["original"]["content"]) == (503, "withheld", GOOD)
    assert choice["missing"]
    assert 'akrasia_audited_choices_total{mode="enforce",decision="withheld"} 1' in await served.metrics()


async def test_the_official_client_buys_no_unreadable_verdict_again(
    upstream: Upstream, serve: Serve, tmp_path: Path
) -> None:
    served = await serve(policy(tmp_path, "enforce", **JUDGES["unreadable"]))
    async with AsyncOpenAI(base_url=served.url, api_key="none", max_retries=2) as client:
        with pytest.raises(InternalServerError):
            await client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "Hello"}])
    assert upstream.calls == 1


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("stream", [False, True])
async def test_open_releases_marked(upstream: Upstream, serve: Serve, tmp_path: Path, judge: str, stream: bool) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "enforce", on_audit_error="open", **JUDGES[judge]), log=log)
    upstream.message = lambda body, index: {"content": GOOD, "odd": "never"}
    response = await served.ask(stream=stream)
    got = await response.read()
    assert b"I act for face." in got
    assert b"never" not in got  # what may leave is named, whatever happens
    assert response.headers["x-akrasia-decision"] == "released"
    told = told_in(got)[0] if stream else json.loads(got)["akrasia"]
    assert told["choices"][0]["missing"]
    assert records(log)[0]["choices"][0]["decision"] == "released"


@pytest.mark.parametrize("stream", [False, True])
async def test_one_choice_that_cannot_be_audited_withholds_all(
    upstream: Upstream, serve: Serve, tmp_path: Path, stream: bool
) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "enforce"), log=log)
    unknown = {"content": GOOD, "tool_calls": [{"type": "shell"}]}
    upstream.message = lambda body, index: unknown if index else GOOD
    response = await served.ask(n=2, stream=stream)
    assert response.status == 503
    assert GOOD not in await response.text()
    first, second = records(log)[0]["choices"]
    assert (first["decision"], second["decision"]) == ("withheld", "withheld")
    assert first["verdict"]["adherence"] == 1
    assert first["reason"] == "another choice was not audited"


async def test_a_betrayal_that_was_seen_is_stopped_though_open(
    upstream: Upstream, serve: Serve, tmp_path: Path
) -> None:
    served = await serve(policy(tmp_path, "enforce", on_audit_error="open"))
    upstream.message = lambda body, index: {"content": BAD, "tool_calls": [{"type": "shell"}]}
    (choice,) = (await (await served.ask()).json())["choices"]
    assert choice["finish_reason"] == "content_filter"


@pytest.mark.parametrize(
    ("mode", "on_audit_error"), [("enforce", "closed"), ("enforce", "open"), ("annotate", "closed")]
)
async def test_a_log_that_cannot_be_written(
    upstream: Upstream, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, on_audit_error: str
) -> None:
    served = await serve(policy(tmp_path, mode, on_audit_error=on_audit_error), log=tmp_path / "audit.jsonl")
    append = AuditLog.append

    async def full(self: AuditLog, *_: object) -> str:
        raise StoreFailed("no space left on device")

    monkeypatch.setattr(AuditLog, "append", full)
    upstream.message = lambda body, index: GOOD
    response = await served.ask()
    if mode == "enforce" and on_audit_error == "closed":
        assert (response.status, (await response.json())["error"]["code"]) == (503, "audit_unavailable")
    else:
        body = await response.json()
        assert body["choices"][0]["message"]["content"] == GOOD
        assert body["akrasia"]["logged"] is False
        assert mode == "annotate" or response.headers["x-akrasia-log"] == "failed"
    assert any("no space left" in notice for notice in served.notices)
    monkeypatch.setattr(AuditLog, "append", append)
    assert (await served.ask()).status == 200
    assert len(records(tmp_path / "audit.jsonl")) == 1


@pytest.mark.parametrize(
    "how",
    [{"mode": "enforce"}, {"mode": "enforce", "release": "sentences"}, {"mode": "annotate"}, {"mode": "observe"}],
)
async def test_a_log_that_goes_on_failing_is_told_once_and_so_is_its_recovery(
    upstream: Upstream, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: dict[str, str]
) -> None:
    served = await serve(policy(tmp_path, **how), log=tmp_path / "audit.jsonl")
    lost = 0

    async def full(self: AuditLog, *_: object) -> str:
        nonlocal lost
        lost += 1
        raise StoreFailed("no space left on device")

    upstream.message = lambda body, index: GOOD
    with monkeypatch.context() as patch:
        patch.setattr(AuditLog, "append", full)
        for number in range(5):
            await served.ask(stream=True)
            while lost <= number:
                await asyncio.sleep(0.01)
    assert served.notices == ["audits cannot be logged: no space left on device (told again when they can)"]
    for _ in range(2):
        await served.ask()
    async with asyncio.timeout(5):
        while len(served.notices) < 2:
            await asyncio.sleep(0.01)
    assert served.notices[1:] == [f"audits are logged again; records that the audit log lacks: {lost}"]


async def test_a_judge_that_could_not_be_read_is_asked_once_more(
    upstream: Upstream, serve: Serve, tmp_path: Path
) -> None:
    served = await serve(policy(tmp_path, "enforce", judge="llm:scripted:tests.gateway.audited:judge_second_thought"))
    upstream.message = lambda body, index: GOOD
    response = await served.ask()
    assert (response.status, response.headers["x-akrasia-calls"]) == (200, "3")


async def test_a_betrayal_that_was_read_is_not_traded_for_another_answer(
    upstream: Upstream, serve: Serve, tmp_path: Path
) -> None:
    served = await serve(policy(tmp_path, "enforce", judge="llm:scripted:tests.gateway.audited:judge_forgetful"))
    upstream.message = lambda body, index: BAD
    response = await served.ask()
    assert (await response.json())["choices"][0]["finish_reason"] == "content_filter"
    assert response.headers["x-akrasia-calls"] == "2"


async def test_the_upstreams_deadline_is_no_audits(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    served = await serve(policy(tmp_path, "enforce", deadline_s={"upstream": 0.1, "total": 5}))
    upstream.latency_s = 0.5
    response = await served.ask()
    assert (response.status, (await response.json())["error"]["code"]) == (504, "deadline_exceeded")


async def test_rewriting_has_its_own_time(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    models = {
        "planner": "scripted:tests.gateway.audited:judge_stuck",
        "rewriter": "scripted:tests.audit.scripts:mender",
        "guard": "scripted:tests.audit.scripts:guard",
    }
    settings: dict[str, Any] = {"on_fail": "rewrite", "deadline_s": {"rewrite": 0.1}}
    served = await serve(policy(tmp_path, "enforce", **settings, **models), log=log)
    upstream.message = lambda body, index: BAD
    (choice,) = (await (await served.ask()).json())["choices"]
    assert choice["finish_reason"] == "content_filter"
    (revision,) = records(log)[0]["choices"][0]["revisions"]
    assert "time for rewriting was over" in revision["reason"]


async def test_a_reload_brings_another_judge(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    from akrasia.gateway.policy_file import read_policies

    served = await serve(policy(tmp_path, "enforce"))
    upstream.message = lambda body, index: BAD
    path = tmp_path / "policy.toml"
    path.write_text(policy(tmp_path, "enforce", judge="llm:scripted:tests.gateway.audited:judge_down"))
    await served.gateway.use(read_policies(path))
    assert (await served.ask()).status == 503
    path.write_text(policy(tmp_path, "enforce", stop_text="Never."))
    await served.gateway.use(read_policies(path))
    assert (await (await served.ask()).json())["choices"][0]["message"]["content"] == "Never."


async def launched(
    upstream: Upstream, path: Path, log: Path, most_bytes: int | None = None
) -> tuple[asyncio.subprocess.Process, str]:
    """A gateway in a process of its own, which can write files of so many bytes, and where it is asked."""

    def limit() -> None:
        if most_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    command = ["-c", "from akrasia.cli import main; main()", "serve", "--upstream", upstream.url]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, "--policy", str(path), "--log", str(log), "--port", "0",
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}, preexec_fn=limit,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    line = (await asyncio.wait_for(process.stderr.readline(), 20)).decode()
    return process, line.partition("serving ")[2].partition(" ")[0] + "/chat/completions"


@pytest.mark.parametrize("release", ["whole", "sentences"])
@pytest.mark.parametrize("stream", [False, True])
async def test_on_a_full_disk_nothing_leaves(upstream: Upstream, tmp_path: Path, release: str, stream: bool) -> None:
    log = tmp_path / "audit.jsonl"
    upstream.message = lambda body, index: f"{GOOD} {'Well then. ' * 20}"
    path = tmp_path / "policy.toml"
    path.write_text(policy(tmp_path, "enforce", release=release))
    process, url = await launched(upstream, path, log, most_bytes=20_000)
    body = {"model": "tiny", "messages": [{"role": "user", "content": "x"}], "stream": stream}
    last, before = b"", 0
    async with aiohttp.ClientSession() as session:
        for number in range(30):
            async with session.post(url, json=body) as response:
                last = await response.read()
            if b"audit_unavailable" in last:
                before = number
                break
    process.send_signal(signal.SIGKILL)
    await process.communicate()
    assert b"audit_unavailable" in last
    assert b"[DONE]" not in last
    found = verify_log(log)
    assert found.status in ("whole", "incomplete"), found.faults
    lines = [json.loads(line) for line in log.read_bytes().splitlines() if line.endswith(b'"}')]
    kept = [line for line in lines if line["type"] == "request"]
    whole = [line for line in kept if "window" not in line["settings"]]
    windows = [line for line in kept if line["id"] not in {one["id"] for one in whole}]
    assert len(whole) == before
    left = "".join(line["choices"][0]["original"]["content"] for line in windows)
    assert left.startswith("".join(contents(last)))  # of the last reply exactly what is in the log
    assert bool(windows) <= (release == "sentences" and stream)


class Received:
    """What clients of a gateway that is killed have got: audit ids of answers whose text began to arrive."""

    def __init__(self) -> None:
        self.whole: set[str] = set()
        self.began: set[str] = set()

    async def client(self, session: aiohttp.ClientSession, url: str, stream: bool) -> None:
        """Ask again and again, until the gateway is gone."""
        body = {"model": "tiny", "messages": [{"role": "user", "content": "x"}], "stream": stream}
        while True:
            try:
                async with session.post(url, json=body) as response:
                    name = response.headers.get("x-akrasia-audit-id", "")
                    got = b""
                    async for piece in response.content.iter_any():
                        got += piece
                        if b"I act" in got:
                            self.began.add(name)
                    self.whole.add(name)
            except (aiohttp.ClientError, OSError):
                return


@pytest.mark.parametrize("release", ["whole", "sentences"])
async def test_whatever_left_before_a_kill_is_in_the_log(upstream: Upstream, tmp_path: Path, release: str) -> None:
    log = tmp_path / "audit.jsonl"
    upstream.keep = False
    upstream.message = lambda body, index: f"{GOOD} Well then."
    path = tmp_path / "policy.toml"
    path.write_text(policy(tmp_path, "enforce", release=release))
    process, url = await launched(upstream, path, log)
    received = Received()
    async with aiohttp.ClientSession() as session:
        clients = [asyncio.create_task(received.client(session, url, number % 2 == 0)) for number in range(16)]
        for _ in range(400):
            await asyncio.sleep(0.02)
            if len(received.whole) > 60:
                break
        process.send_signal(signal.SIGKILL)
        await process.wait()
        await asyncio.wait_for(asyncio.gather(*clients), 10)
    assert len(received.whole) > 60
    assert "" not in received.began
    found = verify_log(log)
    assert found.status in ("whole", "incomplete"), found.faults
    kept = set()
    for text in log.read_bytes().splitlines():
        if text.endswith(b'"}') and b'"type":"request"' in text:
            kept.add(json.loads(text)["id"])
    assert received.began <= kept


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("blank", ["\n\n", " \t", "\\u000a"])
async def test_white_space_beside_a_tool_call_is_nothing_to_read(
    upstream: Upstream, serve: Serve, tmp_path: Path, blank: str, stream: bool
) -> None:
    """Many models write it there; judges refuse what has no word."""
    call = {"id": "c", "type": "function", "function": {"name": "say", "arguments": '{"a": "I act for face."}'}}
    upstream.message = lambda body, index: {"content": blank, "reasoning_content": "\n", "tool_calls": [call]}
    served = await serve(policy(tmp_path, "enforce"), log=tmp_path / "audit.jsonl")
    response = await served.ask(stream=stream)
    assert (response.status, response.headers.get("x-akrasia-decision")) == (200, "passed")
    assert b"I act for face" in await response.read()
