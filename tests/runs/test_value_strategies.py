"""Which strategies a run of scenarios takes without being told, and what it says about those that do not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_run import akrasia

import akrasia as library
from akrasia.core import InputError
from akrasia.runs.config import build_config
from akrasia.runs.plan import Plan, load_suites

HERE = "scripted:tests.runs.value_scripts"
VALUES: dict[str, Any] = {
    "model": f"{HERE}:saint",
    "suite": "valdi",
    "limit": 2,
    "samples": 1,
    "judge": f"llm:{HERE}:judge",
}


def command(out: Path, *more: object) -> Any:
    flags = [part for key, value in VALUES.items() for part in (f"--{key}", value)]
    return akrasia("run", *flags, "--out", out, *more)


@pytest.fixture
def sums(tmp_path: Path) -> str:
    path = tmp_path / "sums.jsonl"
    path.write_text(json.dumps({"id": "p1", "input": "What is 1 + 1 ?", "target": "2", "utility": "numeric"}))
    return str(path)


def planned(**keys: Any) -> list[str]:
    config = build_config({"model": f"{HERE}:saint", **keys})
    return [one.cell.strategy for one in Plan(config, load_suites(config)).cells]


def test_scenarios_are_acted_on_fast_and_slow_unless_told_otherwise(tmp_path: Path) -> None:
    done = command(tmp_path / "run")
    assert done.code == 0, done.err
    with library.load_run(tmp_path / "run") as run:
        assert [cell.strategy for cell in run.cells] == ["state", "fast", "slow"]
        assert run.manifest.run.strategy == ["fast", "slow"]
    assert "writer" not in done.err
    assert command(tmp_path / "run").code == 0  # the same command goes on with it


def test_problems_are_drawn_directly_and_both_at_once_must_be_told(sums: str) -> None:
    assert planned(suite=sums) == ["direct"]
    assert planned(suite="valdi", strategy="stated_first") == ["state", "stated_first"]
    with pytest.raises(InputError, match="scenarios as well as problems"):
        planned(suite=[sums, "valdi"])
    assert planned(suite=[sums, "valdi"], strategy="direct") == ["direct", "state", "direct"]


def test_an_answer_to_the_writer_is_told(tmp_path: Path) -> None:
    told = command(tmp_path / "run", "--strategy", "direct", "--strategy", "fast", "--dry-run").err
    assert "direct on scenarios: the answer goes to the scenario's writer" in told


def test_values_that_nobody_looks_for_are_told(tmp_path: Path, sums: str) -> None:
    flags = ["run", "--model", f"{HERE}:saint", "--suite", sums, "--dry-run", "--out", tmp_path / "run"]
    assert "--values schwartz-10 has no effect" in akrasia(*flags, "--values", "schwartz-10").err
    assert "no effect" not in akrasia(*flags).err
    assert "no effect" not in command(tmp_path / "v", "--values", "schwartz-10", "--dry-run").err
