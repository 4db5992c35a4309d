"""A reader that goes away changes no exit code, and is told nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = "from akrasia.cli import main; main()"


def unread(*arguments: str, stderr: bool = False) -> tuple[int, str]:
    """The exit code and standard error of a command whose output nobody reads; "" where that is the lost one, too."""
    read, write = os.pipe()
    os.close(read)
    line = [sys.executable, "-c", RUN, *arguments]
    done = subprocess.run(line, stdout=write, stderr=write if stderr else subprocess.PIPE, text=True, timeout=60)
    os.close(write)
    return done.returncode, done.stderr or ""


@pytest.fixture
def utilities(tmp_path: Path) -> Path:
    path = tmp_path / "u.csv"
    rows = "".join(f"i{item},{sample},{(item + sample) % 2}\n" for item in range(30) for sample in range(200))
    path.write_text("item,sample,utility\n" + rows)
    return path


@pytest.fixture(autouse=True, params=["", "1"], ids=["buffered", "unbuffered"])
def buffering(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", request.param)


HELP = [[], ["risk"], ["study"], ["suite"], ["doctor"]]


@pytest.mark.parametrize("command", HELP, ids=" ".join)
def test_help_that_nobody_reads_is_no_failure(command: list[str]) -> None:
    assert unread(*command, "--help") == (0, "")


def test_figures_that_nobody_reads(utilities: Path) -> None:
    assert unread("risk", str(utilities)) == (0, "")
    assert unread("risk", str(utilities), "--json") == (0, "")


def test_a_command_that_fails_still_says_so_and_keeps_its_code(utilities: Path) -> None:
    code, said = unread("risk", str(utilities.with_name("none.csv")))
    assert code == 2
    assert said.startswith("akrasia: ")
    assert unread("risk", str(utilities.with_name("none.csv")), stderr=True)[0] == 2


def test_a_reader_that_stops_in_the_middle(utilities: Path) -> None:
    line = [sys.executable, "-c", RUN, "risk", str(utilities), "--json"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(1) == b"{"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


def test_a_gate_that_nobody_reads_is_still_a_gate(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"id": "a"}\n')
    assert unread("suite", "lint", str(path)) == (1, "")
