from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.runs.conftest import records

import akrasia
from akrasia.core import InputError
from akrasia.runs.estimates import estimate_run


@pytest.fixture
def suite(tmp_path: Path) -> str:
    path = tmp_path / "advice.jsonl"
    row = {"input": "What do I tell her?", "target": "some words", "utility": "preference"}
    path.write_text("".join(json.dumps({"id": f"q{i}", **row}) + "\n" for i in range(3)), encoding="utf-8")
    return str(path)


def go(out: Path, suite: str, judge: str | None = "judge", **keys: Any) -> Any:
    judges = {"judge": f"llm:scripted:tests.runs.scripts:{judge}"} if judge else {}
    return akrasia.run(out, model="scripted:tests.runs.scripts:adviser", suite=suite, samples=4, **judges, **keys)


def test_a_judge_decides_and_its_votes_are_kept(tmp_path: Path, suite: str) -> None:
    (cell,) = go(tmp_path / "run", suite).cells
    assert (cell.candidates, cell.missing) == (12, 0)
    with akrasia.load_run(tmp_path / "run") as run:
        pool = run.pool(run.cells[0])
    # Kind answers win in both orders; the others win half of their votes, by standing first: a tie.
    assert pool.utilities.tolist() == [[1.0, 0.5, 0.5, 1.0]] * 3
    votes = [row for row in records(tmp_path / "run")["calls"] if row[4] == "judge"]
    assert len(votes) > 0
    assert all("[[" in row[8] for row in votes)
    with akrasia.load_run(tmp_path / "run") as run:
        (found,) = estimate_run(run)
    (bias,) = [d for d in found.record.diagnostics if d.code == "position_bias"]
    # Four different texts with two pairs of votes each (the items ask the same, so no verdict is bought twice): kind
    # answers win in both orders, the other two are decided by the place.
    assert bias.message.startswith("the judge named the same place in both orders in 50.0% of 8 pairs of votes")
    assert bias.severity == "warning"
    before = records(tmp_path / "run")
    go(tmp_path / "run", suite)
    assert records(tmp_path / "run") == before


def test_an_unreadable_verdict_is_missing_never_a_tie(tmp_path: Path, suite: str) -> None:
    (cell,) = go(tmp_path / "run", suite, judge="mute_judge").cells
    assert (cell.candidates, cell.missing, cell.failures) == (12, 12, 0)
    with akrasia.load_run(tmp_path / "run") as run:
        (found,) = estimate_run(run)
    told = next(d.message for d in found.record.diagnostics if d.code == "undefined")
    assert "every utility is missing" in told
    assert "Missing: 12 × no pair of votes can be read" in told
    assert "--retry-missing" in told


def test_without_a_judge_nothing_is_measured(tmp_path: Path, suite: str) -> None:
    with pytest.raises(InputError, match="--judge"):
        go(tmp_path / "run", suite, judge=None)


@pytest.mark.parametrize(
    ("judge", "named"),
    [
        ("encoder", "name one judge, --judge llm:MODEL"),
        (["llm:scripted:a:b", "llm:scripted:c:d"], "name one judge, --judge llm:MODEL"),
        ("oracle", "unknown judge 'oracle'"),
    ],
)
def test_judges_that_cannot_be_had(tmp_path: Path, suite: str, judge: Any, named: str) -> None:
    with pytest.raises(InputError, match=named):
        akrasia.run(tmp_path / "run", model="scripted:tests.runs.scripts:adviser", suite=suite, judge=judge)
