"""Mode `observe`: nothing changes for the client, and the log has every reply with its verdict."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from tests.gateway.audited import BAD, GOOD, policy, records, settled
from tests.gateway.conftest import Serve
from tests.gateway.upstreams import broken, chunk, events
from tests.upstream import Upstream, raw, status

from akrasia.gateway import observe

pytestmark = pytest.mark.asyncio


async def test_bytes_pass_as_they_are_and_the_verdict_is_logged(
    upstream: Upstream, serve: Serve, tmp_path: Path
) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "observe"), log=log)
    body = json.dumps({"choices": [{"message": {"content": BAD, "odd": 1}}], "unknown": {"a": [1]}}).encode()
    upstream.faults.append(raw(body))
    response = await served.ask(user="u1", headers={"x-akrasia-conversation": "talk 7"})
    assert await response.read() == body
    assert not [name for name in response.headers if name.lower().startswith("x-akrasia")]

    (record,) = await settled(log, 1)
    assert (record["mode"], record["strategy"], record["conversation"]) == ("observe", "direct", "talk 7")
    assert record["settings"] == {"user": "u1"}
    (choice,) = record["choices"]
    assert choice["original"] == {"content": BAD, "odd": 1}
    assert choice["decision"] == "passed"
    assert choice["verdict"]["betrayed"] == ["humility"]
    assert choice["verdict"]["adherence"] == 0.5  # ½ + (1 − 1) / 6
    assert choice["reason"] == "the content betrays humility"
    assert record["target"]["weights"] == {"face": 1, "humility": 1, "tradition": 1}
    assert record["spent"][0]["role"] == "auditor"
    assert 'akrasia_failed_choices_total{mode="observe",decision="passed"} 1' in await served.metrics()


async def test_a_stream_is_put_together_for_the_audit(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "observe"), log=log)
    upstream.message = lambda body, index: {"content": GOOD if index else BAD}
    response = await served.ask(stream=True, n=2)
    assert (await response.read()) == b"".join(events(upstream, {"model": "tiny", "n": 2}))
    (record,) = await settled(log, 1)
    assert record["streamed"] is True
    assert [choice["verdict"].get("betrayed") for choice in record["choices"]] == [["humility"], None]


async def test_a_client_waits_for_no_audit(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    slow = "llm:scripted:tests.gateway.audited:judge_slow"
    served = await serve(policy(tmp_path, "observe", judge=slow), log=log)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.gather(*(served.ask() for _ in range(8)))
    assert loop.time() - began < 0.5  # one reading alone takes that long
    assert len(await settled(log, 8)) == 8


async def test_what_does_not_fit_the_queue_is_logged_as_unaudited(
    upstream: Upstream, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observe, "MOST_WAITING", 2)
    log = tmp_path / "audit.jsonl"
    slow = "llm:scripted:tests.gateway.audited:judge_slow"
    served = await serve(policy(tmp_path, "observe", judge=slow, limits={"audits": 1}), log=log)
    for _ in range(5):
        assert (await served.ask()).status == 200
    found = await settled(log, 5)
    reasons = [choice.get("missing") for record in found for choice in record["choices"]]
    assert reasons.count(observe.QUEUE_FULL) == 2  # one is read, two wait
    assert 'akrasia_audits_dropped_total{reason="queue_full"} 2' in await served.metrics()
    assert all(record["choices"][0]["original"]["content"] for record in found)


async def test_what_waits_at_the_end_is_audited_before_it(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    slow = "llm:scripted:tests.gateway.audited:judge_slow"
    served = await serve(policy(tmp_path, "observe", judge=slow), log=log)
    for _ in range(3):
        await served.ask()
    await served.gateway.close()
    assert [record["choices"][0]["decision"] for record in records(log)] == ["passed"] * 3


async def test_a_reply_that_breaks_off_is_logged_as_far_as_it_went(
    upstream: Upstream, serve: Serve, tmp_path: Path
) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "observe"), log=log)
    begun = chunk({"model": "tiny"}, [{"index": 0, "delta": {"content": "I act against face."}}])
    upstream.faults.append(broken([begun], "reset"))
    response = await served.ask(stream=True)
    assert b"upstream_reset" in await response.read()
    (record,) = await settled(log, 1)
    assert record["error"] == "upstream_reset"
    assert record["choices"][0]["verdict"]["betrayed"] == ["face"]


async def test_an_upstreams_refusal_is_logged(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "observe"), log=log)
    upstream.faults.append(status(429, {"message": "slow down"}))
    assert (await served.ask()).status == 429
    (record,) = await settled(log, 1)
    assert (record["status"], record["error"]) == (429, "HTTP 429: slow down")


@pytest.mark.parametrize(
    ("script", "said"),
    [("judge_down", "the judge is down"), ("judge_unreadable", "no JSON object"), ("judge_broken", "could be read")],
)
async def test_a_reply_that_cannot_be_read_says_why(
    upstream: Upstream, serve: Serve, tmp_path: Path, script: str, said: str
) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "observe", judge=f"llm:scripted:tests.gateway.audited:{script}"), log=log)
    await served.ask()
    (record,) = await settled(log, 1)
    (choice,) = record["choices"]
    assert choice["decision"] == "released"
    assert said in choice["missing"]


async def test_the_audit_can_be_looked_up(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "observe"), log=log)
    upstream.message = lambda body, index: BAD
    await served.ask()
    (record,) = await settled(log, 1)
    async with served.client.get(f"{served.root}/akrasia/audits/{record['id']}") as response:
        told = await response.json()
    assert told["choices"][0]["betrayed"] == ["humility"]
    assert told["choices"][0]["evidence"] == {"humility": "I act against humility"}
    async with served.client.get(f"{served.root}/akrasia/audits/audit-0") as response:
        assert response.status == 404


async def test_without_a_log_audits_are_counted(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    served = await serve(policy(tmp_path, "observe"))
    assert served.notices == ["no audit log is kept: name one with --log FILE"]
    upstream.message = lambda body, index: BAD
    assert (await served.ask()).status == 200
    counted = ""
    async with asyncio.timeout(5):
        while "akrasia_failed_choices_total{" not in counted:
            async with served.client.get(f"{served.root}/metrics") as response:
                counted = await response.text()
    assert 'akrasia_failed_choices_total{mode="observe",decision="passed"} 1' in counted


async def test_the_encoder_reads_along(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    upstream.message = lambda body, index: "Humility matters: I know I am no better than anyone else here."
    served = await serve(policy(tmp_path, "observe", judge="encoder"), log=log)
    await served.ask()
    (record,) = await settled(log, 1)
    assert record["choices"][0]["verdict"]["adherence"] is not None
    assert record["judge"] == "encoder"
