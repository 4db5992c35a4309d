"""Audited runs from the plan to the figures, with rewriters that do what they are known to do."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_run import akrasia as command
from tests.runs.audit_scripts import TASK
from tests.runs.conftest import records

import akrasia
from akrasia.core import InputError
from akrasia.runs.estimates import estimate_run
from akrasia.runs.prices import Prices, Rates
from akrasia.runs.reader import StoredTrail
from akrasia.runs.schema import VERSION
from akrasia.runs.summary import RunSummary
from akrasia.runs.totals import AuditCount
from akrasia.runs.value_estimates import estimate_values

HERE = "scripted:tests.runs.audit_scripts:"
JUDGE = "llm:scripted:tests.runs.value_scripts:judge"
N, K = 12, 2
ALL = N * K
WHO = {"auditor": f"llm:{HERE}auditor", "planner": HERE + "planner", "rewriter": HERE + "mender",
       "guard": HERE + "guard"}  # fmt: skip


def keys(**changes: Any) -> dict[str, Any]:
    given = {"model": HERE + "bus", "suite": "valdi", "limit": N, "samples": K, "judge": JUDGE, **WHO, **changes}
    return {key: value for key, value in given.items() if value is not None}


def go(out: Path, *strategies: str, **changes: Any) -> RunSummary:
    return akrasia.run(out, strategy=list(strategies), **keys(**changes))


def audit_of(summary: RunSummary, strategy: str) -> AuditCount:
    (found,) = [cell.audit for cell in summary.cells if f" {strategy} " in cell.cell]
    assert found is not None
    return found


def retention(out: Path) -> dict[str, float]:
    with akrasia.load_run(out) as run:
        (found,) = estimate_values(run)
    return {mode: gap.retention.value for mode, gap in found.gap.modes.items() if gap.retention is not None}


def trails(out: Path, strategy: str) -> list[StoredTrail]:
    with akrasia.load_run(out) as run:
        return list(run.trails(run.cell(f" {strategy} ")))


def texts(out: Path, strategy: str) -> list[str | None]:
    with akrasia.load_run(out) as run:
        cell = run.cell(f" {strategy} ")
        return [one.text for item in run.items(cell.suite) for one in run.candidates(cell, item.position)]


def count(out: Path, question: str) -> int:
    store = sqlite3.connect(out / "run.sqlite")
    try:
        return int(store.execute(question).fetchone()[0])
    finally:
        store.close()


def test_a_mending_rewriter_closes_the_gap_of_the_very_drafts_of_its_inner_strategy(tmp_path: Path) -> None:
    done = go(tmp_path / "run", "fast", "audited:fast")
    assert audit_of(done, "audited:fast") == AuditCount(ALL, ALL, 0, 0, 0)
    assert retention(tmp_path / "run") == {"fast": 0.0, "audited:fast": 1.0}
    kept = trails(tmp_path / "run", "audited:fast")
    assert [trail.trails[0].original for trail in kept] == texts(tmp_path / "run", "fast")
    assert [trail.trails[0].text for trail in kept] == texts(tmp_path / "run", "audited:fast")
    # Both cells act by the same calls.
    assert count(tmp_path / "run", "SELECT count(*) FROM calls WHERE label = 'act'") == ALL
    # The auditor reads each text once, whichever sample wrote it: a statement and a rewrite each, and one draft.
    assert count(tmp_path / "run", "SELECT count(*) FROM calls WHERE role = 'auditor'") == 2 * N + 1


def test_the_action_sees_the_mended_reasoning(tmp_path: Path) -> None:
    go(tmp_path / "run", "slow", "audited:slow?stage=reasoning", "audited:slow?stage=both")
    # The actor acts on what it reasons with: a third of what it states, until its reasoning is mended.
    assert retention(tmp_path / "run") == {
        "slow": pytest.approx(1 / 3), "audited:slow?stage=reasoning": 1.0, "audited:slow?stage=both": 1.0,
    }  # fmt: skip
    for one in trails(tmp_path / "run", "audited:slow?stage=both"):
        reasoning, action = one.trails
        assert (reasoning.stage, reasoning.accepted, action.stage, action.revisions) == ("reasoning", 1, "action", ())


@pytest.mark.parametrize(
    ("changes", "strategy", "found"),
    [
        ({"rewriter": HERE + "destroyer"}, "audited", AuditCount(ALL, 0, ALL, 0, 0)),
        ({"guard": HERE + "biased_guard"}, "audited", AuditCount(ALL, 0, ALL, 0, 0)),
        ({"rewriter": HERE + "worsener"}, "audited", AuditCount(ALL, 0, 0, 0, 0)),
        ({"planner": HERE + "babbler"}, "audited", AuditCount(ALL, 0, 0, ALL, 0)),
        ({"planner": HERE + "refuser"}, "audited?budget=3", AuditCount(ALL, 0, 0, ALL, 0)),
        ({"rewriter": HERE + "paraphraser"}, "audited?placebo=1", AuditCount(ALL, 0, 0, 0, 0)),
        ({}, "audited?budget=0", AuditCount(ALL, 0, 0, 0, 0)),
    ],
    ids=["destroyer", "biased guard", "worsener", "unreadable planner", "refused planner", "placebo", "budget 0"],
)
def test_what_does_not_mend_leaves_the_original(
    tmp_path: Path, changes: dict[str, str], strategy: str, found: AuditCount
) -> None:
    done = go(tmp_path / "run", "fast", strategy, **changes)
    assert audit_of(done, strategy) == found
    assert set(texts(tmp_path / "run", strategy)) == {TASK}
    assert set(retention(tmp_path / "run").values()) == {0.0}


def test_a_control_arm_takes_every_rewrite(tmp_path: Path) -> None:
    strategy = "audited?placebo=1&accept=always"
    done = go(tmp_path / "run", strategy, rewriter=HERE + "paraphraser")
    assert audit_of(done, strategy).revised == ALL
    assert set(texts(tmp_path / "run", strategy)) == {f"In other words: {TASK}"}


def test_budgets_share_their_first_revisions(tmp_path: Path) -> None:
    arms = [f"audited?budget={budget}" for budget in range(4)]
    go(tmp_path / "run", *arms, planner=HERE + "slow_planner")
    # One of three stated values is mended in each revision.
    assert list(retention(tmp_path / "run").values()) == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert count(tmp_path / "run", "SELECT count(*) FROM calls WHERE role = 'planner'") == 3 * ALL


def test_what_cannot_be_read_stands_and_is_counted(tmp_path: Path) -> None:
    done = go(tmp_path / "run", "audited", auditor="llm:scripted:tests.runs.value_scripts:silent_judge")
    assert audit_of(done, "audited") == AuditCount(ALL, 0, 0, 0, ALL)
    (missing,) = {trail.trails[0].missing for trail in trails(tmp_path / "run", "audited")}
    assert missing is not None
    assert missing.startswith("the stated values could not be read: ")


def test_the_pool_of_an_audited_cell_is_its_inner_one(tmp_path: Path) -> None:
    go(tmp_path / "run", "fast", "audited:fast")
    with akrasia.load_run(tmp_path / "run") as run:
        fast, audited = estimate_run(run)
    assert audited.cell.pool == fast.cell.name
    assert fast.record.reachable is not None
    assert fast.record.reachable.value == 0
    # What is deployed is among what is reachable.
    assert audited.record.reachable is not None
    assert audited.record.deployed is not None
    assert audited.record.reachable.value == audited.record.deployed.value == 1


def test_problems_are_held_against_a_constitution_beside_the_direct_pool(tmp_path: Path) -> None:
    declared = tmp_path / "declared.toml"
    declared.write_text('name = "declared"\n[[value]]\nid = "humility"\n[[value]]\nid = "face"\n')
    rows = [{"id": f"q{i}", "input": "When?", "target": TASK, "utility": "exact"} for i in range(4)]
    (tmp_path / "asked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "answers.py").write_text(f"def bus(request):\n    return {TASK!r}\n")
    line = ["run", "--model", "scripted:answers:bus", "--suite", "asked.jsonl", "--samples", "2", "--json",
            "--values", declared, "--strategy", "direct", "--strategy", "audited"]  # fmt: skip
    options = [part for key, name in WHO.items() for part in (f"--{key}", name)]
    found = command(*line, *options, "--out", tmp_path / "run", cwd=tmp_path, PYTHONPATH=str(Path.cwd()))
    assert found.code == 0, found.err
    direct, audited = json.loads(found.out)["cells"]
    assert direct["audit"] is None
    assert audited["audit"] == {"audited": 8, "revised": 8, "refused_by_guard": 0, "unmade": 0, "missing": 0}
    risk = json.loads(command("risk", tmp_path / "run", "--json").out)["cells"]
    # Values are mended, and the exact answer is lost for it: the risk of the audit.
    assert [cell["deployed"]["value"] for cell in risk] == [1.0, 0.0]
    assert [cell["reachable"]["value"] for cell in risk] == [1.0, 1.0]
    assert risk[1]["risk"]["value"] == 1.0


# --- who may judge --------------------------------------------------------------------------------------------------


def test_the_judge_that_steers_may_not_evaluate(tmp_path: Path) -> None:
    for auditor, judge in ((JUDGE, [f"llm:{HERE}judge", JUDGE]), ("encoder", "encoder")):
        with pytest.raises(InputError, match=r"would evaluate .* what it steers"):
            go(tmp_path / "run", "audited", auditor=auditor, judge=judge)
    assert not (tmp_path / "run").exists()


def test_forced_it_is_marked_wherever_the_run_is_shown(tmp_path: Path) -> None:
    go(tmp_path / "run", "fast", "audited", auditor=JUDGE, allow_same_judge=True)
    for command_name in ("gap", "risk"):
        found = json.loads(command(command_name, tmp_path / "run", "--json").out)
        parts = found.get("cells", [found])
        marked = [part for part in parts if any(one["code"] == "same_judge" for one in part["diagnostics"])]
        (one,) = [note for note in marked[-1]["diagnostics"] if note["code"] == "same_judge"]
        assert one["severity"] == "warning"
        assert "steered audited" in one["message"]
        assert len(marked) == 1
    command("report", tmp_path / "run", "-o", tmp_path / "page.html")
    assert "same judge" in (tmp_path / "page.html").read_text()
    assert 'same_judge = "llm:scripted' in (tmp_path / "run" / "run.toml").read_text()


def test_an_audit_needs_an_auditor_and_an_auditor_something_to_audit(tmp_path: Path) -> None:
    line = ["run", "--model", HERE + "bus", "--suite", "valdi", "--limit", "1", "--judge", JUDGE, "--out", tmp_path]
    refused = command(*line, "--strategy", "audited")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "name a judge with --auditor" in refused.err
    idle = command(*line, "--strategy", "fast", "--auditor", "encoder", "--dry-run")
    assert idle.code == 0
    assert "--auditor has nothing to do" in idle.err


# --- going on -------------------------------------------------------------------------------------------------------


def test_going_on_buys_nothing_and_ends_alike(tmp_path: Path) -> None:
    strategies = ("fast", "audited:fast?budget=2", "audited:slow?stage=both")
    go(tmp_path / "whole", *strategies)
    go(tmp_path / "grown", "fast", limit=4, auditor=None, planner=None, rewriter=None, guard=None)
    go(tmp_path / "grown", *strategies, limit=6)
    go(tmp_path / "grown", *strategies)
    whole, grown = records(tmp_path / "whole"), records(tmp_path / "grown")
    bought = {name: {row[0] for row in table} for name, table in (("whole", whole["calls"]), ("grown", grown["calls"]))}
    assert bought["whole"] == bought["grown"]
    for table in ("candidates", "scores", "trails"):
        assert whole[table] == grown[table]
    calls = len(grown["calls"])
    go(tmp_path / "grown", *strategies)
    assert len(records(tmp_path / "grown")["calls"]) == calls


@pytest.mark.parametrize("key", ["auditor", "planner", "guard"])
def test_who_audits_may_not_change_under_way(tmp_path: Path, key: str) -> None:
    go(tmp_path / "run", "audited", limit=1)
    other = f"llm:{HERE}judge" if key == "auditor" else HERE + "paraphraser"
    with pytest.raises(InputError, match=f"holds a run with {key} = "):
        go(tmp_path / "run", "audited", limit=2, **{key: other})


@pytest.mark.parametrize("version", [1, 2])
def test_older_stores_are_migrated(tmp_path: Path, version: int) -> None:
    go(tmp_path / "run", "fast", limit=2)
    store = sqlite3.connect(tmp_path / "run" / "run.sqlite")
    store.execute("DROP TABLE answer_classes")
    store.execute("DROP TABLE trails")
    if version == 1:
        store.execute("DROP TABLE judgements")
    store.execute(f"PRAGMA user_version = {version}")
    store.commit()
    store.close()
    with akrasia.load_run(tmp_path / "run") as run:
        assert list(run.trails(run.cells[-1])) == []
    done = go(tmp_path / "run", "fast", "audited", limit=2)
    assert audit_of(done, "audited") == AuditCount(2 * K, 2 * K, 0, 0, 0)
    assert count(tmp_path / "run", "PRAGMA user_version") == VERSION


# --- what it takes --------------------------------------------------------------------------------------------------


def test_a_dry_run_counts_the_most_that_audits_may_take(tmp_path: Path) -> None:
    line = ["run", "--model", HERE + "bus", "--suite", "valdi", "--limit", str(N), "--samples", str(K), "--judge",
            JUDGE, "--strategy", "audited?budget=2", "--json", "--out", tmp_path / "run"]  # fmt: skip
    options = [part for key, name in WHO.items() for part in (f"--{key}", name)]
    found = command(*line, *options, "--dry-run")
    assert found.code == 0, found.err
    _, audited = json.loads(found.out)["cells"]
    # State, act; the auditor on both; twice a plan, a rewrite, a verdict and two guards; the judge on the action.
    assert audited["calls"] == ALL * (2 + 2 + 2 * 5 + 1)
    assert audited["tokens"] > 0
    done = go(tmp_path / "run", "audited?budget=2")
    assert sum(cell.calls or 0 for cell in done.cells) <= audited["calls"] + ALL * 2


def test_the_model_that_wrote_a_text_mends_it_unless_another_is_named(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(
        "from tests.runs import audit_scripts as scripts\n"
        "def all_roles(request, sample):\n"
        "    last = request.messages[-1].content\n"
        "    for start, one in (('You plan', scripts.planner), ('You rewrite', scripts.mender),\n"
        "                       ('You compare', scripts.guard)):\n"
        "        if last.startswith(start):\n"
        "            return one(request, sample)\n"
        "    return scripts.bus(request, sample)\n"
    )
    found = command(
        "run", "--model", "scripted:one:all_roles", "--suite", "valdi", "--limit", "2", "--samples", "1", "--judge",
        JUDGE, "--auditor", WHO["auditor"], "--strategy", "audited", "--json", "--out", tmp_path / "run",
        cwd=tmp_path, PYTHONPATH=str(Path.cwd()),
    )  # fmt: skip
    assert found.code == 0, found.err
    assert json.loads(found.out)["cells"][1]["audit"]["revised"] == 2


METERED = {"model": HERE + "metered_bus", "auditor": f"llm:{HERE}metered_auditor", "planner": HERE + "metered_planner",
           "rewriter": HERE + "metered_mender", "guard": HERE + "metered_guard",
           "judge": f"llm:{HERE}metered_reader"}  # fmt: skip


def test_each_role_is_paid_by_its_own_price(tmp_path: Path) -> None:
    prices = tmp_path / "prices.toml"
    rows = [("*planner", 1.0), ("*bus", 10.0), ("*", 0.0)]
    prices.write_text("".join(f'[[price]]\nmodel = "{name}"\ninput = {price}\noutput = 0\n' for name, price in rows))
    done = go(tmp_path / "run", "audited", **METERED, prices=str(prices), max_cost=1.0)
    spent = sum(cell.cost or 0.0 for cell in done.cells)
    # Of each draw a statement and an action by the model, and a plan: 300 prompt tokens each.
    assert spent == pytest.approx(ALL * 300 * (2 * 10 + 1) / 1e6)


def test_a_mending_role_without_a_model_of_its_own_costs_what_the_cell_does(tmp_path: Path) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text(
        '[[price]]\nmodel = "*all_roles"\ninput = 10\noutput = 0\n[[price]]\nmodel = "*"\ninput = 0\noutput = 0\n'
    )
    rates = Rates(Prices.read(prices), {0: "scripted:one:all_roles"}, {"judge": "other", "guard": "other"})
    found = [rates.of(0, role) for role in ("model", "planner", "rewriter", "guard", "judge")]
    assert [price.input for price in found if price is not None] == [10, 10, 10, 0, 0]
