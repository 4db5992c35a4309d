"""What is bought for a request is counted whole: by header and metric, with calls that fail and replies that stay."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.gateway.audited import BAD, GOOD, HALF, judge, policy, settled
from tests.gateway.conftest import Serve, Served
from tests.gateway.test_deliberate import MODELS, by, in_turn, live
from tests.upstream import Upstream

from akrasia.core import AkrasiaError, CallRefused, EndpointLost, InputError, Request
from akrasia.gateway import drawing, judge_state

ASKED: list[str] = []
FAULTS: list[Exception] = []


@pytest.fixture(autouse=True)
def _from_the_start() -> None:
    ASKED.clear()
    FAULTS.clear()
    drawing._one_choice.clear()


def counting(request: Request, sample: int) -> str:
    """Reads as the judge does, and counts; fails where it is told to."""
    ASKED.append(request.messages[-1].content)
    if FAULTS:
        raise FAULTS[0]
    return judge(request, sample)


COUNTING: dict[str, Any] = {"judge": "llm:scripted:tests.gateway.test_totals:counting"}


async def counted(served: Served, name: str) -> dict[str, float]:
    """Role → what a metric of calls or tokens shows."""
    found = re.findall(rf'^akrasia_{name}{{route="default",role="(\w+)"}} (\d+)$', await served.metrics(), re.M)
    return {role: float(number) for role, number in found}


@pytest.mark.parametrize("mode", ["pass", "observe", "annotate", "enforce"])
async def test_the_winner_is_not_read_again(upstream: Upstream, serve: Serve, tmp_path: Path, mode: str) -> None:
    """Four candidates by one call, HALF twice among them: three readings, in every mode."""
    log = tmp_path / "audit.jsonl"
    served = await serve(live(tmp_path, mode, **COUNTING), log=log)
    upstream.always = None
    in_turn(upstream, BAD, HALF, GOOD, HALF)
    body = await by(served, "best_of_n:4")
    if mode in ("observe", "annotate"):
        (record,) = await settled(log, 1)
        assert record["choices"][0]["verdict"]["adherence"] == 1
        assert [(one["role"], one["calls"]) for one in record["spent"]] == [("auditor", 3)]
    assert len(ASKED) == 3
    assert body["headers"]["x-akrasia-calls"] == "4"
    if mode in ("annotate", "enforce"):
        assert body["akrasia"]["calls"] == 4
    assert await counted(served, "calls_total") == {"candidate": 1, "auditor": 3}
    spent = await counted(served, "spent_tokens_total")
    assert sum(spent.values()) == int(body["headers"]["x-akrasia-tokens"])
    assert spent["candidate"] == body["usage"]["total_tokens"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("mode", ["pass", "annotate"])
async def test_a_reply_that_is_passed_on_is_a_call(
    upstream: Upstream, serve: Serve, tmp_path: Path, mode: str, stream: bool
) -> None:
    served = await serve(live(tmp_path, mode, **COUNTING))
    options = {"stream_options": {"include_usage": True}} if stream else {}
    assert (await served.ask(stream=stream, **options)).status == 200
    assert (await counted(served, "calls_total"))["candidate"] == 1
    usage = [float(number) for number in re.findall(r"^akrasia_tokens_total{.*} (\d+)$", await served.metrics(), re.M)]
    assert (await counted(served, "spent_tokens_total"))["candidate"] == sum(usage) > 0


async def test_the_roles_that_mend_are_counted(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    served = await serve(live(tmp_path, **COUNTING, on_fail="rewrite", **MODELS))
    upstream.message = lambda body, index: BAD
    response = await served.ask()
    assert response.headers["x-akrasia-decision"] == "rewritten"
    calls = await counted(served, "calls_total")
    assert calls == {"candidate": 1, "auditor": 2, "planner": 1, "rewriter": 1, "guard": 2}
    assert response.headers["x-akrasia-calls"] == str(sum(calls.values()))[:-2]
    assert sum((await counted(served, "spent_tokens_total")).values()) == int(response.headers["x-akrasia-tokens"])


async def test_calls_that_fail_are_calls(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    served = await serve(policy(tmp_path, "enforce", on_audit_error="open", **COUNTING))
    FAULTS.append(EndpointLost("down"))
    upstream.message = lambda body, index: GOOD
    response = await served.ask()
    assert response.headers["x-akrasia-calls"] == str(1 + len(ASKED))
    assert (await counted(served, "calls_total"))["auditor"] == len(ASKED) > 0


@pytest.mark.parametrize("release", ["whole", "sentences"])
async def test_what_is_withheld_is_counted(upstream: Upstream, serve: Serve, tmp_path: Path, release: str) -> None:
    served = await serve(policy(tmp_path, "enforce", release=release, **COUNTING))
    FAULTS.append(EndpointLost("down"))
    upstream.message = lambda body, index: GOOD
    assert (await served.ask(stream=True)).status == 503
    assert 'akrasia_audited_choices_total{mode="enforce",decision="withheld"} 1' in await served.metrics()


class TestJudgeDown:
    @pytest.mark.parametrize("kind", [EndpointLost, CallRefused, InputError])
    async def test_it_is_told_once_and_its_return_too(
        self, upstream: Upstream, serve: Serve, tmp_path: Path, kind: type[AkrasiaError]
    ) -> None:
        served = await serve(policy(tmp_path, "enforce", **COUNTING))
        upstream.message = lambda body, index: GOOD
        before = len(served.notices)
        FAULTS.append(kind("HTTP 401: no key for I act for face"))
        for _ in range(3):
            assert (await served.ask()).status == 503
        assert [line.partition(",")[0] for line in served.notices[before:]] == [
            f"the judge {COUNTING['judge']} fails (HTTP 401)"
        ]
        assert await status(served) == "degraded: a judge fails (HTTP 401)"
        FAULTS.clear()
        assert (await served.ask()).status == 200
        assert served.notices[before + 1 :] == [f"the judge {COUNTING['judge']} answers again"]
        assert await status(served) == "ok"

    async def test_one_whose_verdicts_cannot_be_read_is_told(
        self, upstream: Upstream, serve: Serve, tmp_path: Path
    ) -> None:
        judge = "llm:scripted:tests.gateway.audited:judge_unreadable"
        served = await serve(policy(tmp_path, "enforce", judge=judge))
        upstream.message = lambda body, index: GOOD
        before = len(served.notices)
        for number in range(1, judge_state.UNREAD_IN_A_ROW + 3):
            assert (await served.ask()).status == 503
            unread = number >= judge_state.UNREAD_IN_A_ROW
            assert await status(served) == ("degraded: a judge fails (its verdicts cannot be read)" if unread else "ok")
        (notice,) = served.notices[before:]
        assert notice.startswith(f"the judge {judge} fails (its verdicts cannot be read), so replies are not audited: ")

    def test_only_a_verdict_ends_what_is_wrong(self) -> None:
        lines: list[str] = []
        states = judge_state.JudgeStates(lines.append)
        for _ in range(judge_state.UNREAD_IN_A_ROW - 1):
            states.unread("j")
        states.answered("j")
        states.unread("j")
        assert (states.failing, lines) == (None, [])
        states.failed("j", "HTTP 500")
        states.unread("j")
        assert states.failing == "its verdicts cannot be read"
        assert len(lines) == 1
        states.answered("j")
        assert states.failing is None
        assert lines[1:] == ["the judge j answers again"]

    async def test_used_up_tokens_are_no_fault_of_the_judge(
        self, upstream: Upstream, serve: Serve, tmp_path: Path
    ) -> None:
        served = await serve(policy(tmp_path, "enforce", max_tokens_total=1, **COUNTING))
        assert (await served.ask()).status == 503
        assert await status(served) == "ok"

    def test_one_that_comes_and_goes_does_not_fill_the_operators_screen(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now = [1000.0]
        monkeypatch.setattr(judge_state, "monotonic", lambda: now[0])
        lines: list[str] = []
        states = judge_state.JudgeStates(lines.append)
        for _ in range(50):
            states.failed("j", "")
            assert states.failing == "no answer came"
            states.answered("j")
            assert states.failing is None
        assert len(lines) == 2
        now[0] += judge_state.QUIET_S
        states.failed("j", "")
        states.answered("j")
        assert len(lines) == 4


async def status(served: Served) -> str:
    async with served.client.get(f"{served.root}/health") as response:
        assert response.status == 200
        told: str = (await response.json())["status"]
        return told
