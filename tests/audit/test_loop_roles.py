"""The loop of the auditor: what its roles cost, how they fail, and real judges in them."""

from __future__ import annotations

import pytest
from tests.audit.scripts import (
    CONTEXT,
    DRAFT,
    KEPT,
    REFINED,
    TARGET,
    audit,
    auditor,
    doors,
    half_planner,
    mender,
    mute,
    text,
)
from tests.runs.value_scripts import judge

from akrasia.audit import Auditor, Target
from akrasia.core import EndpointLost, InputError, Message, Reply, Request, StoreFailed, Usage
from akrasia.judges import build_judge
from akrasia.judges.llm import LLM
from akrasia.judges.loose_ask import LooseAsk
from akrasia.judges.panel import Panel
from akrasia.models import build_model
from akrasia.models.scripted import Script
from akrasia.values import parse_constitution


class TestSpent:
    async def test_costs_are_summed_by_role(self):
        def with_usage(script: Script, prompt_tokens: int, completion: int | None) -> Script:
            return lambda request: Reply(script(request), usage=Usage(prompt_tokens, completion))

        ask = doors(
            planner=with_usage(half_planner, 10, 5),
            rewriter=with_usage(mender, 20, 7),
            guard=lambda request: Reply('{"loses": "neither"}', usage=Usage(3, 1)),
        )
        trail = await audit(text(1), ask, budget=2)
        spent = {one.role: (one.calls, one.prompt_tokens, one.completion_tokens) for one in trail.spent}
        # The scripted judge does not say what it takes, which is not 0.
        assert spent == {
            "auditor": (3, None, None),
            "planner": (2, 20, 10),
            "rewriter": (2, 40, 14),
            "guard": (4, 12, 4),
        }
        assert [one.role for one in trail.spent] == ["auditor", "planner", "rewriter", "guard"]

    async def test_a_part_is_not_the_whole(self):
        calls = []

        def sometimes(request: Request) -> Reply:
            calls.append(request)
            return Reply('{"loses": "neither"}', usage=Usage(3, 1) if len(calls) == 1 else Usage())

        trail = await audit(ask=doors(guard=sometimes))
        assert next(one for one in trail.spent if one.role == "guard").prompt_tokens is None


class TestCaps:
    async def test_replies_are_capped_by_need_or_as_told(self):
        by_need, told = doors(), doors()
        await audit(ask=by_need)
        await audit(ask=told, max_tokens=77)
        caps = {label: request.max_tokens for role, label, request in by_need.asked if role != "auditor"}
        assert caps["action plan 1"] == caps["action guard 1 ab"] == 1024
        assert caps["action rewrite 1"] == 1024 + len(DRAFT)
        assert {request.max_tokens for role, _, request in told.asked if role != "auditor"} == {77}


class TestErrors:
    @pytest.mark.parametrize("role", ["auditor", "planner", "rewriter", "guard"])
    async def test_a_lost_endpoint_ends_it_or_leaves_the_text(self, role: str):
        def lost(request: Request) -> str:
            raise EndpointLost("gone")

        with pytest.raises(EndpointLost):
            await audit(ask=doors(**{role: lost}))
        trail = await audit(ask=doors(**{role: lost}), on_lost="stand")
        assert trail.text == DRAFT
        assert (trail.missing is not None) == (role == "auditor")
        said = trail.reason + str([revision.guard for revision in trail.revisions])
        assert f"{role}: lost: gone" in said

    @pytest.mark.parametrize("role", ["auditor", "planner", "rewriter", "guard"])
    async def test_a_store_that_fails_is_no_verdict(self, role: str):
        def full(request: Request) -> str:
            raise StoreFailed("disk full")

        with pytest.raises(StoreFailed):
            await audit(ask=doors(**{role: full}), on_lost="stand")

    def test_settings(self):
        for settings in ({"budget": -1}, {"margin": -0.1}, {"margin": float("nan")}):
            with pytest.raises(InputError):
                auditor(**settings)
        mine = parse_constitution('name = "c"\n[[value]]\nid = "candour"\ndefinition = "d"')
        with pytest.raises(InputError, match="was not trained on"):
            Auditor(build_judge("encoder"), mine)

    async def test_a_target_of_another_list(self):
        with pytest.raises(InputError, match="'candour'"):
            await audit(target=Target({"candour": 1.0}))

    async def test_a_budget_needs_a_door(self):
        with pytest.raises(InputError, match="give `ask`"):
            await auditor().audit(DRAFT, TARGET, (), None)


class TestRealJudge:
    async def test_the_encoder_audits_without_any_model(self):
        one = Auditor(build_judge("encoder"), REFINED, budget=0)
        trail = await one.audit(
            KEPT,
            Target({"benevolence-dependability": 1.0, "hedonism": 1.0}),
            (Message("user", "Will you come?"),),
            None,
        )
        assert trail.verdict.upheld == ("benevolence-dependability",)
        assert trail.verdict.lacking == ("hedonism",)
        assert trail.verdict.adherence == 0.75
        reading = trail.verdict.judgement.readings["benevolence-dependability"]
        assert reading.evidence is not None
        assert reading.evidence in trail.original
        assert trail.reason == "the original stands: it was audited only; still lacking: hedonism"
        assert trail.spent == ()

    async def test_the_encoder_steers_a_rewriter(self):
        def rewriter(request: Request) -> str:
            return "Task 1. I promised her that I would be there, so I will keep my word."

        one = Auditor(build_judge("encoder"), REFINED)
        trail = await one.audit(
            "Task 1. The meeting is at noon.",
            Target({"benevolence-dependability": 1.0}),
            CONTEXT,
            doors(rewriter=rewriter),
        )
        assert trail.accepted == 1
        assert [one.role for one in trail.spent] == ["planner", "rewriter", "guard"]

    @pytest.mark.weights
    @pytest.mark.slow
    async def test_the_embedded_model_in_all_roles(self):
        """It mends nothing worth having; what it writes is counted, and stands only where guard and judge agree."""
        model = build_model("local:smollm2")
        await model.open()
        try:
            ask = LooseAsk(dict.fromkeys(("planner", "rewriter", "guard"), model))
            one = Auditor(build_judge("encoder"), REFINED, max_tokens=48)
            trail = await one.audit("Say that the heating failed.", TARGET, CONTEXT, ask)
        finally:
            await model.close()
        (revision,) = trail.revisions
        assert (trail.text == trail.original) == (not revision.accepted)
        assert revision.reason in trail.reason
        assert all(one.completion_tokens and one.prompt_tokens for one in trail.spent)
        assert "planner" in [one.role for one in trail.spent]

    async def test_a_panel_audits_under_roles_of_its_own(self):
        judges = [LLM("scripted:a"), LLM("scripted:b")]
        ask = doors(**{"auditor-2": judge})
        trail = await Auditor(Panel(judges), REFINED).audit(DRAFT, TARGET, CONTEXT, ask)
        assert trail.accepted == 1
        assert {one.role: one.calls for one in trail.spent} == {"auditor": 4, "planner": 1, "rewriter": 1, "guard": 2}
        split = doors(**{"auditor-2": mute})
        trail = await Auditor(Panel(judges), REFINED).audit(text(1, ["face"]), TARGET, CONTEXT, split)
        assert "most of the panel did not read it" in str(trail.missing)
        split = doors(**{"auditor-2": mute})
        trail = await Auditor(Panel(judges), REFINED, budget=0).audit(DRAFT, TARGET, CONTEXT, split)
        assert (trail.verdict.betrayed, trail.verdict.unread) == (("humility",), ("face", "tradition"))

    async def test_the_judge_of_an_auditor_asks_as_auditor(self):
        ask = doors()
        await Auditor(LLM("scripted:inline"), REFINED, budget=0).read(DRAFT, TARGET, ask)
        assert [role for role, _, _ in ask.asked] == ["auditor"]
