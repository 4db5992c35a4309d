"""A run to a width that was stopped on its way: what the commands say of it, until it is gone on with."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_run import Result, akrasia, assert_refused
from tests.runs.conftest import records

MODEL = '''
import asyncio, random, re
from akrasia.core import Reply, Usage

async def spread(request, sample):
    """Right with a probability that differs between items."""
    await asyncio.sleep(0.005)
    number = int(re.findall(r"(\\d+) \\+", request.messages[0].content)[0])
    own = random.Random(f"{number} {sample}")
    return Reply(f"#### {2 * number + (own.random() > (number * 7919 % 97) / 97)}", usage=Usage(10, 5))
'''


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    (tmp_path / "slow.py").write_text(MODEL)
    rows = ({"id": i, "input": f"What is {i} + {i}?", "target": f"{2 * i}", "utility": "numeric"} for i in range(900))
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [
        "run", "--model", "scripted:slow:spread", "--suite", "sums.jsonl", "--out", "run", "--concurrency", "8",
        "--until-width", "0.05", "--strategy", "direct", "--strategy", "best_of_n:4",
    ]  # fmt: skip


def drawn(store: Path) -> int:
    """Candidates stored so far."""
    try:
        connection = sqlite3.connect(f"{store.resolve().as_uri()}?mode=ro", uri=True)
        try:
            return int(connection.execute("SELECT count(*) FROM candidates").fetchone()[0])
        finally:
            connection.close()
    except sqlite3.OperationalError:
        return 0  # it is still being made


def interrupted(folder: Path, command: list[str], *, after: int, by: signal.Signals) -> int:
    """The exit code of the run, sent a signal once so many candidates are stored."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from akrasia.cli import main; main()", *command],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while drawn(folder / "run" / "run.sqlite") < after:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(by)
    process.communicate(timeout=30)
    return process.returncode


def told(result: Result) -> list[dict[str, Any]]:
    """What is said of the run in each cell's record, or in that of a comparison."""
    assert result.code == 0, result.err
    read = json.loads(result.out)
    return [one for cell in read.get("cells", [read]) for one in cell["diagnostics"] if one["code"] == "incomplete"]


def commands(folder: Path) -> list[list[dict[str, Any]]]:
    cells = ["--cell-a", "direct", "--cell-b", "best_of_n:4"]
    return [
        told(akrasia("risk", "run", "--json", cwd=folder)),
        told(akrasia("compare", "run", "run", *cells, "--json", cwd=folder)),
    ]


def page(folder: Path) -> str:
    result = akrasia("report", "run", "-o", "page.html", cwd=folder)
    assert result.code == 0, result.err
    return (folder / "page.html").read_text()


@pytest.mark.parametrize(
    ("after", "by", "code", "far"),
    [
        (900, signal.SIGINT, 3, "the half-width of the risk is"),
        (400, signal.SIGKILL, -9, "the half-width of the risk is looked at from 100 on"),
    ],
)
def test_it_is_called_unfinished_until_it_is_gone_on_with(
    tmp_path: Path, command: list[str], after: int, by: signal.Signals, code: int, far: str
) -> None:
    assert interrupted(tmp_path, command, after=after, by=by) == code
    of_risk, of_comparison = commands(tmp_path)
    assert len(of_risk) == 2  # of each cell
    for one in (*of_risk, *of_comparison):
        assert one["severity"] == "warning"
        assert "unfinished: its width is not reached: " in one["message"]
        assert far in one["message"]
        assert "0.05 was wanted" in one["message"]
    assert of_risk[0]["message"].endswith("Go on with the same command.")
    assert of_comparison
    if by == signal.SIGKILL:
        return
    printed = akrasia("risk", "run", cwd=tmp_path).out
    assert printed.splitlines()[1] == f"  warning: {of_risk[0]['message']}"
    assert "its width is not reached" in page(tmp_path)

    assert akrasia(*command, cwd=tmp_path).code == 0
    assert commands(tmp_path) == [[], []]
    assert "its width is not reached" not in page(tmp_path)


def test_gone_on_with_after_a_kill_it_is_the_run_that_nobody_killed(tmp_path: Path, command: list[str]) -> None:
    for after in (700, 1100):
        assert interrupted(tmp_path, command, after=after, by=signal.SIGKILL) == -signal.SIGKILL
    assert akrasia(*command, "--concurrency", "3", cwd=tmp_path).code == 0
    command[command.index("run", 1)] = "other"
    assert akrasia(*command, cwd=tmp_path).code == 0
    assert records(tmp_path / "run")["scores"] == records(tmp_path / "other")["scores"]


def test_a_budget_stops_it_on_its_way_to_a_smaller_width(tmp_path: Path, command: list[str]) -> None:
    command[command.index("0.05")] = "0.12"
    assert akrasia(*command, cwd=tmp_path).code == 0
    assert commands(tmp_path) == [[], []]
    command[command.index("0.12")] = "0.04"
    result = akrasia(*command, "--max-tokens-total", "24000", cwd=tmp_path)
    assert result.code == 3, result.err
    of_risk, of_comparison = commands(tmp_path)
    assert len(of_risk) == 2
    assert all("0.04 was wanted" in one["message"] for one in (*of_risk, *of_comparison))


def test_nothing_is_shown_of_a_run_without_a_finished_item(tmp_path: Path, command: list[str]) -> None:
    # The first item never succeeds, and is drawn 64 times before anything is finished.
    interrupted(tmp_path, command, after=20, by=signal.SIGKILL)
    for line in (["risk", "run"], ["compare", "run", "run"], ["report", "run", "-o", "page.html"]):
        assert_refused(akrasia(*line, cwd=tmp_path), "no item of cell", "is finished yet: go on with its `akrasia run`")


def test_out_of_items_is_unfinished_and_says_what_helps(tmp_path: Path, command: list[str]) -> None:
    result = akrasia(*command, "--limit", "120", cwd=tmp_path)
    assert result.code == 3
    assert "out of items" in result.err
    of_risk, _ = commands(tmp_path)
    for one in of_risk:
        assert one["message"].endswith("It is out of items: use a larger suite, or a higher --limit.")
    assert akrasia(*command, cwd=tmp_path).code == 0
    assert commands(tmp_path) == [[], []]
