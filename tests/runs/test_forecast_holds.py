"""What a dry run says that a run takes, held against what runs of every registered strategy buy."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from msgspec.structs import replace
from tests.runs.test_forecast import learnt
from tests.runs.value_scripts import judge as verdicts

import akrasia
from akrasia.core import Reply, Request, Usage
from akrasia.judges import build_judge, judge_identity
from akrasia.runs.config import build_config
from akrasia.runs.execute import plan_run
from akrasia.runs.forecast import prompt_tokens
from akrasia.runs.plan import CellCount
from akrasia.strategies import STRATEGIES
from akrasia.strategies.edited import EDITS
from akrasia.strategies.scorers import STATED

Write = Callable[[int], str]
HERE = "scripted:tests.runs.test_forecast_holds:"
CAP = 64


def _metered(request: Request, text: str) -> Reply:
    return Reply(text, usage=Usage(prompt_tokens(request.messages), min(request.max_tokens or 1, len(text))))


def wordy(request: Request, sample: int) -> Reply:
    """Sentences up to the cap, which no other call gives."""
    room = (request.max_tokens or CAP) // 13  # a sentence is 34 letters and spaces, and a full stop
    own = chr(ord("a") + crc32(repr((request.messages, sample)).encode()) % 26) * 6
    return _metered(request, " ".join(f"I would {own} tell her so kindly." for _ in range(room)))


def terse(request: Request, sample: int) -> Reply:
    """The same word to everything."""
    return _metered(request, "Yes.")


def repeating(request: Request, sample: int) -> Reply:
    """Begins a turn that it is to continue anew, as endpoints do that cannot continue one."""
    last = request.messages[-1]
    if last.role != "assistant":
        return wordy(request, sample)
    return replace(wordy(request, sample), reasoning="Let me see.")


def reads(request: Request, sample: int) -> Reply:
    """A judge that reads rightly."""
    return _metered(request, verdicts(request, sample))


def audits(request: Request, sample: int) -> Reply:
    """The same under another name."""
    return reads(request, sample)


ON_PROBLEMS = (
    "direct", "greedy", "fast", "slow", "few_shot:2", "budget_forced:32", "budget_forced:0", "best_of_n:2",
    "self_consistency:2", "adaptive:{numeric}?cost=0.1&most=4", "adaptive:{numeric}?cost=0.1&most=4&at_once=3",
    "adaptive:{numeric}?cost=0.1&most=3&inner=budget_forced:32",
)  # fmt: skip
ON_SCENARIOS = (
    "state", "rate", "fast", "slow", "stated_first", *(f"edited:{edit}" for edit in EDITS),
    "audited:slow?stage=both&budget=2", "audited:edited:truncated-50", "adaptive:{stated}?cost=0.1&most=3",
    "adaptive:{stated}?cost=0.1&most=3&at_once=2&inner=edited:truncated-25",
)  # fmt: skip


def test_every_strategy_is_held() -> None:
    assert {text.partition(":")[0] for text in (*ON_PROBLEMS, *ON_SCENARIOS)} == set(STRATEGIES.names())


@pytest.mark.parametrize("script", ["wordy", "terse", "repeating"])
@pytest.mark.parametrize("strategy", ON_PROBLEMS)
def test_on_problems(tmp_path: Path, suite_file: Write, strategy: str, script: str) -> None:
    named = strategy.format(numeric=learnt(tmp_path, "numeric"))
    check(tmp_path, strategy=named, model=HERE + script, suite=suite_file(5))


@pytest.mark.parametrize("script", ["wordy", "terse"])
@pytest.mark.parametrize("strategy", ON_SCENARIOS)
def test_on_scenarios(tmp_path: Path, strategy: str, script: str) -> None:
    auditor = f"llm:{HERE}audits"
    prior = learnt(tmp_path, STATED, judge_identity(build_judge(auditor)))
    steered = strategy.startswith(("audited", "adaptive"))
    named, who = strategy.format(stated=prior), {"auditor": auditor} if steered else {}
    check(tmp_path, strategy=named, model=HERE + script, suite="valdi", limit=3, judge=f"llm:{HERE}reads", **who)


def test_what_a_judge_of_preferences_reads_is_held(tmp_path: Path) -> None:
    path = tmp_path / "advice.jsonl"
    row = {"input": "What do I tell her?", "target": "some words", "utility": "preference"}
    path.write_text("".join(json.dumps({"id": f"q{i}", **row}) + "\n" for i in range(3)), encoding="utf-8")
    check(tmp_path, strategy="direct", model=f"{HERE}wordy", suite=str(path), judge=f"llm:{HERE}terse", votes=2)


@pytest.mark.parametrize("order", [1, -1])
def test_calls_that_an_audited_cell_makes_too_are_bought_by_either(
    tmp_path: Path, suite_file: Write, order: int
) -> None:
    values = tmp_path / "values.toml"
    values.write_text('name = "c"\n[[value]]\nid = "face"\ndefinition = "keeping face"\n', encoding="utf-8")
    strategies = ["budget_forced:32", "audited:budget_forced:32?budget=1"][::order]
    check(
        tmp_path, strategy=strategies, model=f"{HERE}wordy", suite=suite_file(3), auditor=f"llm:{HERE}audits",
        values=str(values),
    )  # fmt: skip


def check(folder: Path, **keys: Any) -> None:
    """A dry run beside the run that it is of: no cell takes more than its most, nor less than its fewest."""
    keys = {"samples": 2, "max_tokens": CAP, **keys}
    planned = plan_run(build_config(keys), folder / "run").cells
    bought = akrasia.run(folder / "run", **keys).cells
    assert [cell.cell for cell in planned] == [cell.cell for cell in bought]
    for most, cell in zip(planned, bought, strict=True):
        held(most, cell)


def held(most: CellCount, bought: CellCount) -> None:
    """One cell."""
    assert bought.calls is not None
    assert most.calls is not None
    least = most.fewest
    assert (0 if least is None else least.calls or 0) <= bought.calls <= most.calls, most.cell
    if most.tokens is not None:
        assert bought.tokens is not None
        assert (0 if least is None else least.tokens or 0) <= bought.tokens <= most.tokens, most.cell
