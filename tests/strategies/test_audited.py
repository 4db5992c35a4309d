"""The strategy `audited`: how it is named, and what it refuses before anything is bought."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from akrasia.audit import Target
from akrasia.core import InputError, Item, Message
from akrasia.judges import build_judge
from akrasia.strategies import build_strategy
from akrasia.strategies.audited import Audited, Auditing, AuditSettings, audit_settings
from akrasia.strategies.base import Live
from akrasia.values import taxonomy

JUDGE = build_judge("llm:scripted:tests.runs.audit_scripts:auditor")
STATED = Auditing(JUDGE, taxonomy("schwartz-19"))
DECLARED = Auditing(JUDGE, taxonomy("schwartz-19"), Target({"humility": 1.0}))
PROBLEM = Item("a", (Message("user", "1 + 1?"),), target="2", utility="exact")
SCENARIO = Item("s", (Message("user", "A queue."),), metadata={"addressee": "Ann"})


@dataclass
class Refused:
    name: str
    says: str
    item: Item = SCENARIO
    auditing: Auditing | None = STATED


def bound(text: str, item: Item = SCENARIO, auditing: Auditing | None = STATED) -> Live:
    strategy = build_strategy(text)
    assert isinstance(strategy, Live)
    return (strategy if auditing is None else strategy.audited_by(auditing)).for_items([item])


def test_settings_are_read() -> None:
    assert audit_settings({}) == AuditSettings("action", 1, False, 0.05, "improved")
    given = {"stage": "both", "budget": "3", "placebo": "1", "margin": "0.1", "accept": "always"}
    assert audit_settings(given) == AuditSettings("both", 3, True, 0.1, "always")


@pytest.mark.parametrize(
    "case",
    [
        Refused("audited?budgt=2", "no setting 'budgt'; did you mean 'budget'"),
        Refused("audited?budget=-1", "budget is how many revisions, from 0 to 16, got '-1'"),
        Refused("audited?budget=1.5", "budget is how many"),
        Refused("audited?margin=nan", "margin is a difference from 0 to 1, got 'nan'"),
        Refused("audited?placebo=yes", "placebo is 0 or 1"),
        Refused("audited?stage=end", "stage is reasoning, action or both"),
        Refused("audited:state", "not 'state'; known: "),
        Refused("audited:audited", "not 'audited'"),
        Refused("audited:best_of_n:4", "not 'best_of_n:4'"),
        Refused("audited:nothing", "unknown strategy 'nothing'"),
        Refused("audited:slow:9", "has wordings 1 to 3"),
        Refused("audited:fast?stage=reasoning", "'fast' writes none: use audited:slow?stage=reasoning"),
        Refused("audited", "name a judge with --auditor", auditing=None),
        Refused("audited", "'direct' has nothing to hold its texts against", item=PROBLEM),
        Refused("audited:greedy", "'greedy' has nothing to hold its texts against"),
    ],
    ids=lambda case: case.name,
)
def test_refusals_are_one_line_that_says_what_to_do(case: Refused) -> None:
    with pytest.raises(InputError) as error:
        bound(case.name, case.item, case.auditing)
    assert case.says in str(error.value)
    assert "\n" not in str(error.value)


def test_the_inner_strategy_is_fast_on_scenarios_and_direct_on_problems() -> None:
    assert Audited().inner_on(scenarios=True) == "fast"
    assert Audited().inner_on(scenarios=False) == "direct"
    assert bound("audited:slow:2?stage=both").prompts[:2] == ("task-reason-2.v1", "task-act-2.v1")
    assert bound("audited:greedy", PROBLEM, DECLARED).samples == 1


def test_calls_are_told_at_their_most() -> None:
    # The action, the statement, the auditor on both; a revision is a plan, a rewrite, a verdict and the guard twice.
    assert [bound(f"audited?budget={budget}").calls for budget in (0, 1, 3)] == [4, 9, 19]
    # A placebo plans nothing.
    assert bound("audited?placebo=1").calls == 8
    # Two stages of slow, against a constitution: two drafts, each with its audit.
    assert bound("audited:slow?stage=both", SCENARIO, DECLARED).calls == 2 + 2 * 6
    # The encoder asks nobody.
    assert bound("audited", auditing=Auditing(build_judge("encoder"), taxonomy("schwartz-19"))).calls == 2 + 4
