"""What `akrasia run` and `akrasia gap` say to people about value runs at their edges."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.cli.test_run import akrasia
from tests.report.value_evidence import judge_errors
from tests.report.value_runs import ACTORS, DOUBTFUL, JUDGE, value_run


def test_a_run_of_statements_alone_names_a_next_step_that_works(tmp_path: Path) -> None:
    flags = ["run", "--model", f"{ACTORS}:saint", "--suite", "valdi", "--limit", 2, "--samples", 1, "--judge", JUDGE,
             "--out", tmp_path / "run"]  # fmt: skip
    done = akrasia(*flags, "--strategy", "state", "--strategy", "rate")
    assert "Next: the same command with --strategy fast --strategy slow added" in done.out
    assert "akrasia gap" not in done.out
    more = akrasia(*flags, "--strategy", "state", "--strategy", "rate", "--strategy", "fast", "--strategy", "slow")
    assert f"Next: akrasia gap {tmp_path / 'run'}" in more.out
    assert akrasia("gap", tmp_path / "run").code == 0


def test_one_judge_errs_and_two_err(tmp_path: Path) -> None:
    one = value_run(tmp_path / "one", limit=2, samples=1, strategies=["fast"])
    two = value_run(tmp_path / "two", limit=2, samples=1, strategies=["fast"], judges=[JUDGE, DOUBTFUL])
    assert re.search(r"how often llm:\S+:judge errs on texts", akrasia("gap", one).out)
    assert re.search(r"how often llm:\S+ and llm:\S+ err on texts", akrasia("gap", two).out)


def test_a_band_without_a_figure_says_so(tmp_path: Path) -> None:
    """Nobody states a value here: there is nothing to have a band."""
    run = value_run(tmp_path / "run", "scripted:tests.cli.value_actors:empty", limit=3, samples=1, strategies=["fast"])
    errors = judge_errors(run, tmp_path / "judge.json")
    shown = akrasia("gap", run, "--calibration", errors).out
    assert "fast, if the judge erred here as in its calibration or less: no figure has a band" in shown
    page = tmp_path / "r.html"
    assert akrasia("report", run, "-o", page, "--calibration", errors).code == 0
    assert "No figure has a band, since none has a value" in page.read_text()


def test_rows_without_a_figure_say_why(tmp_path: Path) -> None:
    rows = [
        {
            "scenario": f"s{number}",
            "mode": "fast",
            "stated": {"humility": 1, "face": 0, "tradition": 0},
            "action": {"humility": 1, "face": 1, "tradition": 0},
        }
        for number in range(12)
    ]
    (tmp_path / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    shown = akrasia("gap", tmp_path / "labels.jsonl").out
    assert re.search(r"^face \(never stated\) +12 +0\.000 +undefined$", shown, re.MULTILINE)
    assert re.search(r"^tradition \(never stated nor acted on\) +0 +undefined +undefined$", shown, re.MULTILINE)
    assert re.search(r"^humility +12 ", shown, re.MULTILINE)
