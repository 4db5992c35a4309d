from __future__ import annotations

import asyncio
import io
import json

import pytest
from tests.audit.scripts import REFINED, doors, mender, planner

from akrasia.audit.audited import Audited, AuditSummary
from akrasia.audit.on_files import Against, Mending, audit_file
from akrasia.audit.transcripts import TranscriptFile
from akrasia.core import EndpointLost, InputError, Request
from akrasia.judges import build_judge
from akrasia.judges.llm import LLM

LINE = {"messages": [{"role": "assistant", "content": "Task 1."}], "stated": ["face"]}


def file(lines: int) -> TranscriptFile:
    return TranscriptFile("-", io.BytesIO("".join(json.dumps(LINE) + "\n" for _ in range(lines)).encode()))


class TestSummary:
    whole = AuditSummary(4, 0.5, 1, 0, {"care": 0}, {"care": 1})

    def test_passing(self):
        assert self.whole.failures(0.5) == []
        assert self.whole.failures(0.51) == ["adherence 0.500 is below 0.51"]

    def test_what_is_required_fails_first(self):
        found = AuditSummary(4, 0.1, 0, 0, {"care": 2}, {"care": 0}).failures(0.5)
        assert found == ["care is required, and 2 of 4 texts lack or betray it", "adherence 0.100 is below 0.5"]

    def test_what_is_missing_everywhere_passes_nothing(self):
        found = AuditSummary(4, None, 4, 0, {"care": 0}, {"care": 4}).failures(0.0)
        assert found == ["care is required, and could be read in no text", "no text could be measured"]


def test_roles_of_models():
    assert Mending().roles() == {}
    assert Mending(rewriter="a", guard="b").roles() == {"planner": "a", "rewriter": "a", "guard": "b"}
    with pytest.raises(InputError, match="a guard works for a rewriter"):
        Mending(guard="b").roles()


async def test_a_failure_ends_all_audits_and_buys_nothing_more(monkeypatch: pytest.MonkeyPatch):
    """One rewriter is lost while many plans are under way: they come to their end, and no rewrite follows them."""
    calls = {"planner": 0, "rewriter": 0}

    async def slow_planner(request: Request) -> str:
        calls["planner"] += 1
        # The last in the file is the first to be done.
        await asyncio.sleep(0.02 * (21 - calls["planner"]))
        return planner(request)

    def lost(request: Request) -> str:
        calls["rewriter"] += 1
        raise EndpointLost("gone")

    import akrasia.audit.on_files as module

    models = doors(planner=slow_planner, rewriter=lost)._models
    monkeypatch.setattr(module, "build_model", lambda name, settings: models[name])
    judge = LLM("auditor")
    mending = Mending(rewriter="rewriter", planner="planner", guard="guard")
    with file(20) as transcripts, pytest.raises(EndpointLost, match="gone"):
        await audit_file(transcripts, judge, Against(REFINED), mending, lambda audited: None)
    assert calls == {"planner": 20, "rewriter": 1}


async def test_audits_come_in_the_order_of_the_file(monkeypatch: pytest.MonkeyPatch):
    import akrasia.audit.on_files as module

    places = iter(range(100, 0, -1))

    async def slower_first(request: Request) -> str:
        await asyncio.sleep(next(places) / 2000)
        return mender(request)

    models = doors(rewriter=slower_first)._models
    monkeypatch.setattr(module, "build_model", lambda name, settings: models[name])
    found: list[Audited] = []
    mending = Mending(rewriter="rewriter", planner="planner", guard="guard")
    with file(40) as transcripts:
        summary = await audit_file(transcripts, LLM("auditor"), Against(REFINED), mending, found.append)
    assert [one.id for one in found] == [f"line {number}" for number in range(1, 41)]
    assert (summary.texts, summary.mended, summary.adherence) == (40, 40, 0.0)
    assert {one.mended_adherence for one in found} == {1.0}


async def test_the_whole_file_is_checked_before_anything_is_asked():
    content = json.dumps(LINE) + "\n" + json.dumps({**LINE, "stated": ["fase"]})
    found: list[Audited] = []
    with TranscriptFile("-", io.BytesIO(content.encode())) as transcripts, pytest.raises(InputError, match="line 2"):
        await audit_file(transcripts, build_judge("encoder"), Against(REFINED), Mending(), found.append)
    assert found == []
