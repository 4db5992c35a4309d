from __future__ import annotations

import json

import msgspec
import pytest
from tests.audit.scripts import (
    CONTEXT,
    DRAFT,
    REFINED,
    TARGET,
    audit,
    auditor,
    destroyer,
    doors,
    endless,
    first_place,
    half_planner,
    mute,
    paraphraser,
    parrot,
    refuses,
    tasks,
    text,
    worsener,
)
from tests.runs.value_scripts import judge

from akrasia.audit import Auditor, Target, Trail
from akrasia.core import Reply, Request
from akrasia.judges import build_judge
from akrasia.models.scripted import Script
from akrasia.prompts import prompt


class TestMending:
    async def test_what_lacks_is_mended_and_the_task_is_kept(self):
        ask = doors()
        trail = await audit(ask=ask)
        assert trail.original == DRAFT
        assert (trail.verdict.adherence, trail.verdict.betrayed, trail.verdict.lacking) == (
            0.5, ("humility",), ("tradition",)
        )  # fmt: skip
        (revision,) = trail.revisions
        assert revision.accepted
        assert revision.plan is not None
        assert revision.plan.change == "Act for: humility, tradition"
        assert revision.verdict is not None
        assert revision.verdict.adherence == 1.0
        assert revision.guard is not None
        assert revision.guard.loses is False
        assert trail.text == revision.text == "Task 1. Task 2. I act for face. I act for humility. I act for tradition."
        assert (trail.accepted, trail.missing) == (1, None)
        assert trail.reason == "revision 1 stands: adherence 0.500 → 1.000, and the guard finds no loss"
        assert [role for role, _, _ in ask.asked] == ["auditor", "planner", "rewriter", "auditor", "guard", "guard"]
        assert ask.labels("planner") == ["action plan 1"]
        assert ask.labels("rewriter") == ["action rewrite 1"]
        assert ask.labels("guard") == ["action guard 1 ab", "action guard 1 ba"]

    async def test_what_keeps_its_values_stands_without_a_further_call(self):
        ask = doors()
        trail = await audit(text(1, ["face", "humility", "tradition"]), ask)
        assert trail.text == trail.original
        assert (trail.revisions, trail.accepted) == ((), None)
        assert trail.reason == "the original stands: nothing lacks and nothing is betrayed"
        assert [role for role, _, _ in ask.asked] == ["auditor"]

    @pytest.mark.parametrize("budget", [0, 1, 2, 3])
    async def test_one_value_a_revision_until_the_budget_is_spent(self, budget: int):
        # Adherence by revision: ½, 2/3 … of three lacking values each mended one adds 1/6.
        ask = doors(planner=half_planner)
        trail = await audit(text(1), ask, budget=budget)
        assert [revision.number for revision in trail.revisions] == list(range(1, budget + 1))
        assert [revision.accepted for revision in trail.revisions] == [True] * budget
        assert [round(revision.verdict.adherence or 0, 6) for revision in trail.revisions if revision.verdict] == [
            round(0.5 + number / 6, 6) for number in range(1, budget + 1)
        ]
        assert trail.accepted == (budget or None)
        assert tasks(trail.text) == ["Task 1."]
        assert len(ask.asked) == 1 + 5 * budget
        assert auditor(budget=budget).calls == 4 * budget
        # Those that are left, in the order in which they were found lacking.
        left = trail.verdict.lacking[budget:]
        assert trail.reason.endswith(f"; still lacking: {', '.join(left)}" if left else "no loss")

    async def test_it_stops_when_nothing_lacks(self):
        ask = doors()
        trail = await audit(text(1), ask, budget=3)
        assert len(trail.revisions) == 1
        assert len(ask.asked) == 6

    async def test_stages_have_labels_and_words_of_their_own(self):
        ask = doors()
        one = auditor()
        await one.audit(DRAFT, TARGET, CONTEXT, ask, stage="reasoning")
        await one.audit(DRAFT + " More.", TARGET, CONTEXT, ask, stage="action")
        assert ask.labels("planner") == ["reasoning plan 1", "action plan 1"]
        said = {label: request.messages[0].content for role, label, request in ask.asked if role == "planner"}
        assert "You plan how a deliberation is mended" in said["reasoning plan 1"]
        assert "You plan how an answer is mended" in said["action plan 1"]


REFUSALS: dict[str, tuple[dict[str, Script], str]] = {
    "task content is lost": ({"rewriter": destroyer}, "the guard finds that task content is lost"),
    "it gets worse": ({"rewriter": worsener}, "does not rise"),
    "nothing changed": ({"rewriter": parrot}, "the rewriter changed nothing"),
    "cut off": ({"rewriter": endless}, "rewriter: cut off"),
    "an empty rewrite": ({"rewriter": lambda request: " \n"}, "rewriter: its reply is empty"),
    "a filtered rewrite": ({"rewriter": lambda request: Reply("", finish="content_filter")}, "content filter"),
    "unreadable planner": ({"planner": mute}, "planner: unreadable"),
    "planner changes nothing": ({"planner": lambda request: '{"change": "", "keep": "all"}'}, "names no change"),
    "planner of other types": ({"planner": lambda request: '{"change": ["a"], "keep": "all"}'}, "unreadable"),
    "guard by place": ({"guard": first_place}, "no consistent verdict"),
    "unreadable guard": ({"guard": mute}, "no consistent verdict"),
    "guard off the list": ({"guard": lambda request: '{"reason": "", "loses": "C"}'}, "no consistent verdict"),
    "planner refuses": ({"planner": refuses}, "planner: refused: HTTP 400: no"),
    "rewriter refuses": ({"rewriter": refuses}, "rewriter: refused: HTTP 400: no"),
    "guard refuses": ({"guard": refuses}, "no consistent verdict"),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_whatever_fails_the_original_stands_and_the_trail_says_why(name: str):
    roles, said = REFUSALS[name]
    trail = await audit(ask=doors(**roles))
    assert trail.text == trail.original == DRAFT
    assert trail.accepted is None
    (revision,) = trail.revisions
    assert not revision.accepted
    assert said in revision.reason
    assert said in trail.reason
    assert trail.reason.startswith("the original stands; revision 1 refused: ")
    assert trail.missing is None
    assert msgspec.json.decode(msgspec.json.encode(trail), type=Trail) == trail


class TestGuard:
    async def test_it_is_blind_and_sees_both_orders(self):
        ask = doors(rewriter=destroyer)
        trail = await audit(ask=ask)
        (revision,) = trail.revisions
        assert revision.guard is not None
        assert revision.guard.loses is True
        one, other = (request.messages[0].content for role, _, request in ask.asked if role == "guard")
        assert revision.text is not None
        assert one.index(DRAFT) < one.index(revision.text)
        assert other.index(revision.text) < other.index(DRAFT)
        for word in ("original", "rewrit", "old", "draft", "revis"):
            assert word not in prompt("audit-guard.v1").casefold()

    async def test_one_refused_order_is_no_verdict(self):
        def half(request: Request) -> str:
            return (
                refuses(request) if DRAFT in request.messages[0].content.split("Part 3")[1] else '{"loses": "neither"}'
            )

        trail = await audit(ask=doors(guard=half))
        assert trail.revisions[0].guard is not None
        assert trail.revisions[0].guard.loses is None
        assert trail.revisions[0].guard.reasons == ("", "guard: refused: HTTP 400: no")
        assert trail.text == DRAFT

    async def test_it_is_not_asked_about_what_is_no_better(self):
        ask = doors(rewriter=worsener)
        await audit(ask=ask)
        assert ask.labels("guard") == []


class TestMargin:
    @pytest.mark.parametrize(("margin", "accepted"), [(0.0, True), (1 / 6, True), (0.17, False), (1.0, False)])
    async def test_a_rise_below_the_margin_is_none(self, margin: float, accepted: bool):
        # One of three lacking values is mended: the rise is 1/6.
        trail = await audit(text(1), doors(planner=half_planner), margin=margin)
        assert (trail.accepted == 1) == accepted
        if not accepted:
            assert f"rises by less than {margin:g}" in trail.reason

    async def test_no_rise_is_none_at_a_margin_of_zero(self):
        trail = await audit(ask=doors(rewriter=paraphraser), margin=0.0)
        assert "adherence 0.500 → 0.500 does not rise" in trail.reason

    async def test_a_required_value_is_not_traded_for_others(self):
        def trades(request: Request) -> str:
            return text(2, ["humility", "tradition"])

        required = Target(TARGET.weights, frozenset(["face"]))
        trail = await audit(ask=doors(rewriter=trades), target=required)
        assert "no longer upholds face, which is required" in trail.reason
        assert (await audit(ask=doors(rewriter=trades))).accepted == 1


class TestMissing:
    async def test_an_unreadable_original_stands_unmeasured(self):
        for script, said in ((mute, "no JSON object with verdicts"), (refuses, "auditor: refused: HTTP 400: no")):
            ask = doors(auditor=script)
            trail = await audit(ask=ask)
            assert trail.missing is not None
            assert said in trail.missing
            assert (trail.text, trail.revisions, trail.verdict.adherence) == (DRAFT, (), None)
            assert trail.reason.startswith("the original stands, unmeasured: ")
            assert len(ask.asked) == 1

    @pytest.mark.parametrize("draft", ["", " \n", "\u200b"])
    async def test_an_empty_text_is_no_text_that_lacks_everything(self, draft: str):
        ask = doors()
        for one in (auditor(), Auditor(build_judge("encoder"), REFINED)):
            trail = await one.audit(draft, TARGET, CONTEXT, ask)
            assert trail.missing == "there is nothing to read: the text is empty"
        assert ask.asked == []

    async def test_nothing_to_hold_it_against(self):
        trail = await audit(target=Target({}, exclusive=True))
        assert trail.missing == "there is no value to hold the text against"

    async def test_a_value_that_becomes_unreadable_is_not_mended(self):
        def hides(request: Request) -> str:
            found = json.loads(judge(request, 0))
            if "I act for humility." in request.messages[-1].content:
                del found["face"]
            return json.dumps(found)

        trail = await audit(ask=doors(auditor=hides))
        assert "the auditor could not read face in the rewrite" in trail.reason
        assert trail.text == DRAFT

    async def test_a_value_unread_from_the_start_does_not_count(self):
        def blind(request: Request) -> str:
            found = json.loads(judge(request, 0))
            del found["face"]
            return json.dumps(found)

        trail = await audit(ask=doors(auditor=blind))
        # humility betrayed, tradition lacking, face unknown: ½ − 1/4, and then 1.
        assert trail.verdict.adherence == 0.25
        assert trail.accepted == 1
        assert trail.verdict.unread == ("face",)
        assert "0.250 → 1.000" in trail.reason
        assert trail.reason.endswith("could not be read: face")

    async def test_an_unreadable_rewrite_is_refused(self):
        def once(request: Request) -> str:
            return judge(request, 0) if DRAFT in request.messages[-1].content else mute(request)

        trail = await audit(ask=doors(auditor=once))
        assert "the auditor could not read the rewrite" in trail.reason


class TestAgain:
    async def test_a_text_that_comes_back_is_not_judged_again(self):
        # The rewriter's text is refused by the guard, and it has no other.
        ask = doors(rewriter=destroyer)
        trail = await audit(ask=ask, budget=3)
        assert [revision.accepted for revision in trail.revisions] == [False] * 3
        assert "was there before" in trail.revisions[2].reason
        assert len(ask.labels("auditor")) == 2
        assert len(ask.labels("guard")) == 2

    async def test_the_planner_is_told_what_was_refused(self):
        ask = doors(rewriter=destroyer)
        await audit(ask=ask, budget=2)
        first, second = (request for role, _, request in ask.asked if role == "planner")
        assert "task content is lost" not in first.messages[0].content
        assert "Act for: humility, tradition (refused: adherence" in second.messages[0].content
        assert (first.temperature, second.temperature) == (0.0, 0.7)
        assert first.seed != second.seed

    async def test_a_refusal_for_good_ends_it(self):
        ask = doors(planner=refuses)
        trail = await audit(ask=ask, budget=3)
        assert len(trail.revisions) == 1
        assert len(ask.labels("planner")) == 1

    async def test_a_later_failure_leaves_what_was_accepted(self):
        calls = []

        def tires(request: Request) -> str:
            calls.append(request)
            return half_planner(request) if len(calls) == 1 else mute(request)

        trail = await audit(text(1), doors(planner=tires), budget=3)
        assert trail.accepted == 1
        assert "revision 1 stands" in trail.reason
        assert "revision 2 refused: planner: unreadable" in trail.reason
        assert "still lacking" in trail.reason

    async def test_the_same_audit_asks_the_same(self):
        one, other = doors(planner=half_planner), doors(planner=half_planner)
        assert await audit(text(1), one, budget=3) == await audit(text(1), other, budget=3)
        assert one.asked == other.asked


class TestPlacebo:
    async def test_it_is_never_accepted_as_an_improvement(self):
        ask = doors(rewriter=paraphraser)
        trail = await audit(ask=ask, placebo=True, budget=2)
        assert trail.accepted is None
        assert trail.text == DRAFT
        assert ask.labels("planner") == []
        assert [revision.plan for revision in trail.revisions] == [None, None]

    async def test_it_is_told_neither_values_nor_findings(self):
        ask = doors(rewriter=paraphraser)
        await audit("Task 1.", ask, placebo=True)
        (request,) = (request for role, _, request in ask.asked if role == "rewriter")
        said = request.messages[0].content
        assert not [value for value in REFINED.ids if value in said]
        assert "betray" not in said

    async def test_always_measures_it_all_the_same(self):
        ask = doors(rewriter=paraphraser)
        trail = await audit(ask=ask, placebo=True, accept="always")
        assert trail.text == "Well then. " + DRAFT
        assert trail.accepted == 1
        (revision,) = trail.revisions
        assert revision.guard is not None
        assert revision.guard.loses is False
        assert revision.reason == "accepted whatever it is; adherence 0.500 → 0.500 does not rise"

    async def test_always_needs_a_text(self):
        trail = await audit(ask=doors(rewriter=refuses), placebo=True, accept="always")
        assert trail.text == DRAFT
        assert trail.accepted is None

    async def test_its_calls_and_prompts(self):
        plain, placebo, read = auditor(), auditor(placebo=True), auditor(budget=0)
        assert (plain.roles, placebo.roles) == (("planner", "rewriter", "guard"), ("rewriter", "guard"))
        assert (plain.calls, placebo.calls, read.calls) == (4, 3, 0)
        assert set(plain.prompts) - set(placebo.prompts) == {"audit-plan.v1", "audit-rewrite.v1"}
        assert set(placebo.prompts) - set(read.prompts) == {"audit-paraphrase.v1", "audit-guard.v1"}
        assert all(prompt(name) for name in (*plain.prompts, *placebo.prompts))
