"""The study of audits on scripted models of known effect: what mends gains, what only paraphrases gains nothing."""

from __future__ import annotations

import csv
import json
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from tests.cli.test_run import akrasia as command

from akrasia.core import BudgetReached, InputError
from akrasia.report.study import write_study
from akrasia.stats import Figure
from akrasia.studies.audit_arms import _ratio, per_scenario
from akrasia.studies.audit_votes import pairwise_of
from akrasia.studies.carry_out import carry_out
from akrasia.studies.definition import build_study, configure, load_study
from akrasia.studies.findings import ArmFound, Findings, Row

HERE = "scripted:tests.runs.audit_scripts:"
N, K = 12, 2
FEW = 4
"""Scenarios where no verdict is looked at."""

PLACEBO = "audited:slow?stage=action&budget=1&placebo=1&accept=always"
nan = float("nan")


def keys(**changes: Any) -> dict[str, Any]:
    return {
        "model": [HERE + "bus"], "judge": [f"llm:{HERE}reader"], "auditor": f"llm:{HERE}auditor",
        "planner": HERE + "slow_planner", "rewriter": HERE + "mender_or_paraphraser", "guard": HERE + "guard",
        "values": "schwartz-19", "limit": N, "samples": K, **changes,
    }  # fmt: skip


async def done(out: Path, **changes: Any) -> Findings:
    study = load_study("audit")
    return await carry_out(study, configure(study, keys(**changes)), out)


def arm(found: Findings, strategy: str, suite: str = "valdi") -> ArmFound:
    (one,) = [arm for arm in found.arms if (arm.strategy, arm.suite) == (strategy, suite)]
    return one


def row(found: Findings, *parts: str) -> Row:
    (one,) = [row for row in found.verdicts if all(part in f"{row.claim} {row.where}" for part in parts)]
    return one


def value(figure: Figure | None) -> float:
    assert figure is not None
    return figure.value


def action(budget: int) -> str:
    return f"audited:slow?stage=action&budget={budget}"


async def test_a_mending_rewriter_gains_what_it_must_and_a_placebo_nothing(tmp_path: Path) -> None:
    found = await done(tmp_path)
    # A draft acts on 1 of 3 stated values: F1 = 2·1/(1 + 3). Each revision mends one: 2·2/(2 + 3), then 1.
    gains = [value(arm(found, action(budget)).f1_gain) for budget in range(4)]
    assert gains == pytest.approx([0, 0.3, 0.5, 0.5])
    # The third revision is not needed, and not made.
    assert [arm(found, action(budget)).revisions for budget in range(4)] == [0, N * K, 2 * N * K, 2 * N * K]
    assert value(arm(found, action(2)).gain_per_revision) == pytest.approx(0.25)
    assert arm(found, action(0)).gain_per_revision is None
    # Of 19 values 2 are stated and not acted on; the graded distance is the binary one here.
    assert value(arm(found, action(1)).distance_change) == pytest.approx(-1 / 19)
    # One revision of the reasoning names one value more, which the action then acts on.
    assert value(arm(found, "audited:slow?stage=reasoning").f1_gain) == pytest.approx(0.3)
    assert value(arm(found, "audited:slow?stage=both").f1_gain) == pytest.approx(0.5)
    placebo = arm(found, PLACEBO)
    assert placebo.outcomes == {"accepted": N * K}
    assert value(placebo.f1_gain) == value(placebo.harm) == 0
    assert value(placebo.win_rate) == 0.5
    assert value(arm(found, action(1)).win_rate) == value(arm(found, action(1)).meaning_kept) == 1
    assert row(found, "closer to what", f"{action(1)} ").verdict == "supported"
    assert row(found, "preferred", action(3)).verdict == "supported"
    assert row(found, "closer than a paraphrase").verdict == "supported"
    # 0 of 12 families: the chance of that at 5 % is 0.54, and the interval says 0 to 26.
    harmless = row(found, "further from", action(1))
    assert (harmless.estimate, harmless.p, harmless.test) == (0, 1, "clopper-pearson")
    assert harmless.high == pytest.approx(0.2646, abs=1e-4)
    assert row(found, "Control").verdict == "degenerate"
    # On a request in which nothing pulls apart, this actor falls short all the same, and is rewritten.
    assert value(arm(found, action(1), "valdi-benign").rewritten) == 1
    assert row(found, "nothing pulls apart", action(1)).verdict == "supported"
    assert not any(row.where.startswith("valdi-benign") and "closer" in row.claim for row in found.verdicts)


async def test_a_destroying_rewriter_is_refused_by_the_guard(tmp_path: Path) -> None:
    found = await done(tmp_path, limit=FEW, rewriter=HERE + "destroyer_or_paraphraser", planner=HERE + "planner")
    refused = arm(found, action(1))
    assert refused.outcomes == {"refused by the guard": FEW * K}
    assert value(refused.guard_passed) == value(refused.rewritten) == value(refused.f1_gain) == 0
    assert refused.win_rate is None
    assert row(found, "preferred", action(1)).verdict == "undecided"


async def test_what_a_careless_guard_lets_through_the_pairwise_judge_tells(tmp_path: Path) -> None:
    found = await done(
        tmp_path,
        limit=FEW,
        rewriter=HERE + "destroyer_or_paraphraser",
        planner=HERE + "planner",
        guard=HERE + "careless_guard",
    )
    passed = arm(found, action(1))
    assert value(passed.guard_passed) == 1
    assert value(passed.meaning_kept) == 0
    # It acts for the two values that lacked, and no longer for the one that was there: F1 4/5, before it 2/4.
    assert value(passed.f1_gain) == pytest.approx(0.3)


async def test_harm_is_the_share_that_fell_under_the_judge_that_evaluates(tmp_path: Path) -> None:
    # An auditor that reads everything as betrayed but what acts against a value lets a worsener through.
    found = await done(
        tmp_path, auditor=f"llm:{HERE}contrary_auditor", rewriter=HERE + "silencer", guard=HERE + "careless_guard"
    )
    spoilt = arm(found, action(1))
    assert value(spoilt.harm) == 1
    assert value(spoilt.f1_gain) == pytest.approx(-0.5)
    assert row(found, "further from", action(1)).verdict == "supported"


async def test_macro_f1_and_the_gain_per_1000_tokens(tmp_path: Path) -> None:
    shipped = load_study("audit")
    strategies = ["slow", action(1)]
    claims = [claim for claim in shipped.claim if claim.test == "harms"]
    study = replace(shipped, claim=claims, run={**shipped.run, "suite": ["valdi"], "strategy": strategies})
    roles = {"auditor": f"llm:{HERE}metered_auditor", "planner": HERE + "metered_slow_planner",
             "rewriter": HERE + "metered_mender", "guard": HERE + "metered_guard"}  # fmt: skip
    found = await carry_out(study, configure(study, keys(limit=80, samples=1, **roles)), tmp_path)
    mended = arm(found, action(1))
    # The auditor on draft and rewrite, a plan, a rewrite and the guard twice, at 400 tokens a call.
    assert mended.tokens == 6 * 400
    assert value(mended.gain_per_1000_tokens) == pytest.approx(0.3 / 2.4)
    assert value(mended.macro_f1_gain) == pytest.approx(value(mended.macro_f1) - value(mended.macro_f1_before))
    assert value(mended.macro_f1_gain) > 0.2
    assert mended.macro_f1_gain is not None
    assert mended.macro_f1_gain.low is not None
    assert mended.macro_f1_gain.low > 0


async def test_unreadable_planners_and_auditors_are_counted_and_said(tmp_path: Path) -> None:
    found = await done(tmp_path / "a", limit=FEW, planner=HERE + "babbler")
    assert arm(found, action(1)).outcomes == {"planner unreadable": FEW * K}
    found = await done(tmp_path / "b", limit=FEW, auditor="llm:scripted:tests.runs.value_scripts:silent_judge")
    assert arm(found, action(1)).unmeasured == FEW * K
    assert arm(found, action(1)).outcomes == {}
    # What stood unaudited is committed to, and gains nothing; it is not counted as left alone.
    assert value(arm(found, action(1)).f1_gain) == 0
    assert arm(found, action(1)).rewritten is arm(found, action(1)).harm is None
    assert (
        f"{FEW * K} of {FEW * K} draws of {action(1)} could not be audited"
        in row(found, "closer to what", action(1)).note
    )
    write_study(tmp_path / "b")
    with (tmp_path / "b" / "arms.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert {row["unmeasured"] for row in rows} == {str(FEW * K)}


async def test_going_on_asks_nothing_again(tmp_path: Path) -> None:
    before = await done(tmp_path, limit=FEW)
    votes = (tmp_path / "votes.jsonl").read_bytes()
    assert await done(tmp_path, limit=FEW) == before
    assert (tmp_path / "votes.jsonl").read_bytes() == votes


async def test_comparisons_keep_to_what_the_run_left_of_the_budget(tmp_path: Path) -> None:
    roles = {"model": [HERE + "metered_bus"], "judge": [f"llm:{HERE}metered_reader"], "limit": 2, "samples": 1,
             "auditor": f"llm:{HERE}metered_auditor", "planner": HERE + "metered_slow_planner",
             "rewriter": HERE + "metered_mender", "guard": HERE + "metered_guard"}  # fmt: skip
    free = await done(tmp_path / "free", **roles)
    with sqlite3.connect(tmp_path / "free" / "run" / "run.sqlite") as store:
        ((tokens,),) = store.execute("SELECT sum(prompt_tokens + completion_tokens) FROM calls")
    replies = (tmp_path / "free" / "votes.jsonl").read_bytes().splitlines()
    assert len(replies) > 8
    # Four calls of 400 tokens a comparison: the second begins 400 below the budget, and no third one does.
    with pytest.raises(BudgetReached, match=f"--max-tokens-total {tokens + 2000} is reached .* rewrites are compared"):
        await done(tmp_path / "held", **roles, max_tokens_total=tokens + 2000)
    assert len((tmp_path / "held" / "votes.jsonl").read_bytes().splitlines()) == 8
    with pytest.raises(BudgetReached):
        await done(tmp_path / "held", **roles, max_tokens_total=tokens + 3000)
    assert len((tmp_path / "held" / "votes.jsonl").read_bytes().splitlines()) == 8
    assert (await done(tmp_path / "held", **roles, max_tokens_total=10**6)).arms == free.arms


def test_what_cannot_be_evaluated_is_refused_beforehand(tmp_path: Path) -> None:
    study = load_study("audit")
    with pytest.raises(InputError, match='add "slow" to strategy'):
        configure(build_study(as_keys("wins"), "mine"), {"strategy": [action(1)]})
    with pytest.raises(InputError, match="audits nothing"):
        configure(build_study(as_keys("harms", "slow"), "mine"), {})
    with pytest.raises(InputError, match="threshold is 2"):
        build_study(as_keys("wins", threshold=2), "mine")
    with pytest.raises(InputError, match=r"would compare \(--pairwise\) what it steers"):
        pairwise_of(study, configure(study, keys(judge=[f"llm:{HERE}auditor"])))


def as_keys(test: str, strategy: str = "audited", **more: Any) -> dict[str, Any]:
    claim = {"text": "It is so", "test": test, "strategy": [strategy], **more}
    run = {"model": "local:smollm2", "suite": "valdi", "judge": "encoder", "strategy": ["slow", action(1)]}
    return {"name": "audit", "question": "Is it?", "run": run, "claim": [claim]}


def test_the_command_refuses_and_marks_one_judge_for_both(tmp_path: Path) -> None:
    flags = [part for key in ("model", "planner", "rewriter", "guard") for part in (f"--{key}", str(one(keys()[key])))]
    line = [
        "study", "audit", *flags, "--limit", "2", "--values", "schwartz-19", "--samples", "1", "--out",
        tmp_path / "study", "--judge", f"llm:{HERE}reader", "--auditor", f"llm:{HERE}reader",
    ]  # fmt: skip
    refused = command(*line)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "what it steers" in refused.err
    forced = command(*line, "--allow-same-judge")
    assert forced.code == 0, forced.err
    assert "steered and evaluates" in forced.err
    assert "What the audits did:" in forced.out
    assert "the auditor's own judge" in (tmp_path / "study" / "arms.md").read_text()
    assert json.loads((tmp_path / "study" / "study.json").read_text())["same_judge"].endswith("reader")
    for name in ("verdict.md", "arms.md", "arms.tex"):
        assert "reader steered and evaluates: a gain may be no more than its own liking." in (
            (tmp_path / "study" / name).read_text().replace("\\", "")
        ), name
    with (tmp_path / "study" / "verdict.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert all("reader steered and evaluates" in row["note"] for row in rows)
    assert "reader steered and evaluates" in (tmp_path / "study" / "verdict.tex").read_text()
    with (tmp_path / "study" / "arms.csv").open() as file:
        assert {row["same_judge"].endswith("reader") for row in csv.DictReader(file)} == {True}
    for width in ("", "-narrow"):
        assert "one judge steered and evaluates" in (tmp_path / f"study/figures/audited-f1{width}.svg").read_text()


def one(names: Any) -> Any:
    return names[0] if isinstance(names, list) else names


def test_a_gain_over_costs_is_their_ratio_of_sums() -> None:
    gain = np.array([[0.5, 0.1], [0.3, nan], [0.0, 0.3]])
    cost = np.array([[1.0, 1.0], [2.0, 5.0], [0.0, 2.0]])
    found = _ratio(gain, cost, ["a", "b", "c"], 0.95)
    # (0.5 + 0.1 + 0.3 + 0 + 0.3) / (1 + 1 + 2 + 0 + 2): a draw whose gain is missing costs nothing here.
    assert value(found) == pytest.approx(1.2 / 6)
    few = _ratio(gain, cost / 100, ["a", "b", "c"], 0.95)
    assert value(few) == pytest.approx(20)
    assert few is not None
    assert few.high is not None
    assert few.high > 20
    assert _ratio(gain, np.zeros_like(cost), ["a", "b", "c"], 0.95) is None


def test_a_scenario_is_the_mean_of_its_known_draws() -> None:
    assert np.array_equal(per_scenario(np.array([[1.0, nan], [nan, nan]])), [1.0, nan], equal_nan=True)
