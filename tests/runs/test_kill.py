"""A run that is killed at any moment and started again ends with the records of an undisturbed one."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from tests.runs.conftest import records

CONCURRENCY = 32
RUN = "import sys; from akrasia.cli import main; main(sys.argv[1:])"


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    """A deterministic endpoint in a process of its own; it gives one choice a call."""
    command = [sys.executable, "-m", "tests.upstream", "--port", "0", "--latency-ms", "2", "--choices", "one"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.terminate()
    process.wait()
    process.stdout.close()


def asked(url: str) -> int:
    with urlopen(f"{url.removesuffix('/v1')}/counts") as answer:
        return int(json.load(answer)["calls"])


def command(url: str, suite: str, strategy: str, samples: int, out: Path) -> list[str]:
    options = ["--suite", suite, "--strategy", strategy, "--samples", str(samples), "--out", str(out)]
    limits = ["--concurrency", str(CONCURRENCY), "--json"]
    if strategy.startswith("audited"):
        limits += ["--auditor", "encoder", "--values", str(out.parent / "house.toml")]
    return [sys.executable, "-c", RUN, "run", "--model", f"openai:tiny@{url}", *options, *limits]


CALLS = {"direct": 1, "slow": 2, "audited?placebo=1&accept=always": 4}


@pytest.mark.parametrize(
    ("strategy", "samples", "kills"),
    [("direct", 8, 3), ("slow", 4, 3), ("audited?placebo=1&accept=always", 2, 2)],
    ids=["direct", "slow", "audited"],
)
def test_killed_runs_end_alike(
    tmp_path: Path, suite_file: Callable[[int], str], upstream: str, strategy: str, samples: int, kills: int
) -> None:
    suite, calls_each = suite_file(100), CALLS[strategy]
    (tmp_path / "house.toml").write_text('name = "house"\n[[value]]\nid = "humility"\n[[value]]\nid = "face"\n')
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(command(upstream, suite, strategy, samples, whole), check=True, capture_output=True)
    before, moment = asked(upstream), random.Random(7)
    for _ in range(kills):
        # After a share of the calls that are left: by the clock, a machine that is busy now and then is not hit at all.
        left = before + 100 * samples * calls_each - asked(upstream)
        enough = asked(upstream) + moment.uniform(0.1, 0.6) * left
        process = subprocess.Popen(command(upstream, suite, strategy, samples, killed), stderr=subprocess.DEVNULL)
        while asked(upstream) < enough and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    done = subprocess.run(
        command(upstream, suite, strategy, samples, killed), check=True, capture_output=True, text=True
    )
    assert json.loads(done.stdout)["cells"][0]["candidates"] == 100 * samples
    assert records(killed) == records(whole)
    assert bool(records(whole)["trails"]) == strategy.startswith("audited")
    assert asked(upstream) - before <= 100 * samples * calls_each + kills * CONCURRENCY


def test_a_second_process_is_refused_while_the_first_lives(
    tmp_path: Path, suite_file: Callable[[int], str], upstream: str
) -> None:
    line = command(upstream, suite_file(400), "direct", 16, tmp_path / "run")
    first = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (tmp_path / "run" / "run.sqlite").exists():
        time.sleep(0.02)
    second = subprocess.run(line, capture_output=True, text=True)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert second.returncode == 2
    assert f"is being written by process {first.pid} on " in second.stderr
    assert second.stderr.count("\n") == 1


def test_ctrl_c_keeps_what_is_under_way_and_says_how_to_go_on(
    tmp_path: Path, suite_file: Callable[[int], str], upstream: str
) -> None:
    line = command(upstream, suite_file(400), "direct", 16, tmp_path / "run")
    before = asked(upstream)
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "run" / "run.sqlite").exists():
        time.sleep(0.02)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 3
    assert out == ""
    assert "go on with the same command" in err.splitlines()[-1]
    assert len(records(tmp_path / "run")["calls"]) == asked(upstream) - before
