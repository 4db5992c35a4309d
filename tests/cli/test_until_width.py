"""What `akrasia run --until-width` says: beforehand, at its end, and when nothing could be measured."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.cli.test_run import akrasia
from tests.runs.conftest import records

MODEL = '''
import random, re
from akrasia.core import CallRefused

def mostly_lost(request, sample):
    """Wrong, or lost, one as often as the other."""
    if random.Random(f"{request.messages[0].content} {sample}").random() < 0.5:
        raise RuntimeError("nobody there")
    return "#### -1"

def unserved(request, sample):
    raise CallRefused("400: this content is not served")
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shaky.py").write_text(MODEL)
    rows = ({"id": i, "input": f"What is {i} + {i}?", "target": f"{2 * i}", "utility": "numeric"} for i in range(110))
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def command(script: str, width: str) -> list[str]:
    return [
        "run", "--model", f"scripted:shaky:{script}", "--suite", "sums.jsonl", "--out", "run", "--samples", "8",
        "--until-width", width,
    ]  # fmt: skip


def test_where_all_is_wrong_the_width_is_told_and_the_risk_is_undefined_everywhere(folder: Path) -> None:
    result = akrasia(*command("mostly_lost", "0.09"), cwd=folder)
    assert result.code == 0
    # Wilson's interval of 0 of 100: 3.84 / 103.84, half of it.
    found = re.search(r"the half-width of risk@8 is (0\.\d+) \(0\.09 was wanted\) with 100 items", result.err)
    assert found
    assert float(found[1]) == pytest.approx(0.0185, abs=5e-4)
    assert "degenerate: every candidate has utility 0" in result.err
    assert "Others were drawn in their place" in result.err
    assert "--retry-missing" not in result.err
    record = json.loads(akrasia("risk", "run", "--json", cwd=folder).out)
    assert record["risk"] is record["error_budget"]["finite_items"] is None
    assert [row["risk"] for row in record["curve"]] == [None] * 4
    assert all(row["reachable"] == 0 for row in record["curve"])
    printed = akrasia("risk", "run", cwd=folder).out
    assert len(re.findall(r"^\d.*undefined$", printed, re.MULTILINE)) == 4
    assert akrasia("report", "run", "-o", "page.html", cwd=folder).code == 0


def test_where_nothing_can_be_measured_the_run_says_why_and_what_helps(folder: Path) -> None:
    result = akrasia(*command("unserved", "0.09"), cwd=folder)
    assert result.code == 3
    assert "0 items are used (110 left out: fewer than 4 of 16 draws could be measured)" in result.err
    assert "1,760 × 400: this content is not served" in result.err
    assert "mend what leaves draws missing, and run it with another --out" in result.err
    assert "--retry-missing" not in result.err
    assert "larger suite" not in result.err + akrasia("risk", "run", cwd=folder).out


@pytest.mark.parametrize(("script", "code"), [("mostly_lost", 3), ("unserved", 3)])
def test_a_dry_run_bounds_what_the_run_takes(folder: Path, script: str, code: int) -> None:
    line = command(script, "0.01")
    (planned,) = json.loads(akrasia(*line, "--dry-run", "--json", cwd=folder).out)["cells"]
    assert planned["calls"] == 110 * 2 * 8
    assert planned["fewest"]["calls"] == 100 * 4
    assert akrasia(*line, cwd=folder).code == code
    bought = len(records(folder / "run")["scores"])
    assert planned["fewest"]["calls"] <= bought <= planned["calls"]
    assert bought > 110 * 8
    # All items are settled: there is nothing left that this suite could give.
    (planned,) = json.loads(akrasia(*line, "--dry-run", "--json", cwd=folder).out)["cells"]
    assert planned["left"]["candidates"] == planned["left"]["calls"] == 0


def test_nothing_is_left_of_a_run_that_reached_its_width(folder: Path) -> None:
    line = command("mostly_lost", "0.09")
    assert akrasia(*line, cwd=folder).code == 0
    printed = akrasia(*line, "--dry-run", cwd=folder).out
    assert re.search(r"400–1,760 .* 0 +0 +", printed)
    (planned,) = json.loads(akrasia(*line, "--dry-run", "--json", cwd=folder).out)["cells"]
    assert planned["left"]["candidates"] == 0
    # A narrower one needs what is not settled yet: ten items of which nothing is drawn.
    line[-1] = "0.01"
    (planned,) = json.loads(akrasia(*line, "--dry-run", "--json", cwd=folder).out)["cells"]
    assert planned["left"]["candidates"] == (110 - len({row[1] for row in records(folder / "run")["scores"]})) * 16
