"""The examples of docs/risk.md give what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "risk.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def examples() -> list[dict[str, Any]]:
    """What every Python block of the page defines, run by itself."""
    found = []
    for block in re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE):
        names: dict[str, Any] = {}
        exec(block, names)
        found.append(names)
    return found


def test_the_first_example(examples):
    result = examples[0]["result"]
    (said,) = re.findall(r"result\.risk\.value  # ([\d., ]+)", PAGE)
    assert said == ", ".join(f"{figure.value:.3f}" for figure in (result.deployed, result.reachable, result.risk))


def test_the_waterfall_of_the_page_is_the_tool_s(examples):
    table = PAGE.partition("| stage | value | low | high |")[2].partition("\n\n")[0]
    rows = [[part.strip() for part in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    stages = examples[1]["result"].waterfall
    assert [row[0] for row in rows] == [stage.stage for stage in stages]
    for row, stage in zip(rows, stages, strict=True):
        assert [float(part) for part in row[1:]] == pytest.approx([stage.value, stage.low, stage.high], abs=5e-4)


def test_the_figures_in_the_text(examples):
    names = examples[1]
    result = names["result"]
    curve = ", ".join(f"{point.reachable.value:.3f}" for point in result.curve)
    assert f"The curve is {curve}" in PAGE
    beyond = result.extrapolation.reachable
    assert f"reachable@16 at {beyond.value:.3f}, and with six items the interval is [{beyond.low:.3f}, 1]" in PAGE
    vote = names["self_consistency"](names["utilities"], names["answers"], 3)
    best = names["best_of_n"](names["utilities"], names["verifier"], 2)
    assert f"is {vote.value:.3f} and\n`best_of_n(utilities, verifier, 2)` {best.value:.3f}" in PAGE
    said = {diagnostic.code: diagnostic.message for diagnostic in result.diagnostics}
    assert "1 of 24" in said["parse_failures"]
    assert "1 of 24\ncandidates holds no answer" in PAGE
    assert "no answer is seen right on two items" in said["constant_answer"]
    assert "no constant answer is seen right on two items" in PAGE
