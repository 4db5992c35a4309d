"""A panel that audits: what one of its judges shows stands, in the verdict and where a rewrite is accepted."""

from __future__ import annotations

import pytest
from tests.audit.scripts import CONTEXT, DRAFT, REFINED, TARGET, blind_judge, doors, text, worsener

from akrasia.audit import Auditor
from akrasia.core import Request
from akrasia.judges.llm import LLM
from akrasia.judges.panel import Panel

BLIND, JUDGE = LLM("blind"), LLM("scripted:inline")


@pytest.mark.parametrize("order", [(BLIND, JUDGE), (JUDGE, BLIND)])
async def test_the_verdict_is_that_of_the_judge_who_sees(order: tuple[LLM, LLM]):
    scripts = {"auditor-2": blind_judge} if order[1] is BLIND else {"auditor-2": doors()._models["auditor"]}
    first = {"auditor": blind_judge} if order[0] is BLIND else {}
    ask = doors(**first, **scripts)
    trail = await Auditor(Panel(order), REFINED, budget=0).audit(DRAFT, TARGET, CONTEXT, ask)
    verdict = trail.verdict
    assert (verdict.adherence, verdict.betrayed, verdict.upheld, verdict.lacking) == (
        0.5, ("humility",), ("face",), ("tradition",)
    )  # fmt: skip
    members = verdict.judgement.members
    assert members[BLIND.name].readings["humility"].polarity is None
    assert members[JUDGE.name].readings["humility"].evidence == "I act against humility"


async def test_a_rewrite_that_one_judge_sees_betray_is_refused():
    draft = text(2, ["face"])

    def worse(request: Request) -> str:
        return worsener(request).replace("I act against face", "I act for face")

    ask = doors(auditor=blind_judge, rewriter=worse, **{"auditor-2": doors()._models["auditor"]})
    trail = await Auditor(Panel((BLIND, JUDGE)), REFINED).audit(draft, TARGET, CONTEXT, ask)
    (revision,) = trail.revisions
    # ½ + 1 / 6, and ½ + (1 − 1) / 6 with humility betrayed.
    assert revision.reason == "adherence 0.667 → 0.500 does not rise"
    assert trail.text == draft
