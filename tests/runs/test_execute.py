from __future__ import annotations

import asyncio
import contextlib
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.runs.conftest import records

import akrasia
from akrasia.core import (
    EndpointLost,
    EndpointMisuse,
    InputError,
    QuotaExhausted,
    Request,
    RunIncomplete,
    StoreFailed,
)
from akrasia.core.errors import BudgetReached
from akrasia.models.scripted import Scripted
from akrasia.runs import wait_for
from akrasia.runs.comparison import compare_runs
from akrasia.runs.config import build_config
from akrasia.runs.estimates import estimate_run
from akrasia.runs.execute import Options, execute
from akrasia.runs.lock import RunLock
from akrasia.runs.store import Store
from akrasia.runs.writer import Writer

Write = Callable[[int], str]


def go(out: Path, suite: str, script: str = "half", **keys: Any) -> Any:
    return akrasia.run(out, model=f"scripted:tests.runs.scripts:{script}", suite=suite, **keys)


def test_counts_records_and_utilities(tmp_path: Path, suite_file: Write) -> None:
    summary = go(tmp_path / "run", suite_file(5), samples=4)
    (cell,) = summary.cells
    assert (cell.items, cell.candidates, cell.failures, cell.missing, cell.calls) == (5, 20, 0, 0, 20)
    assert cell.tokens is None  # the script reports none, and none is not 0
    with akrasia.load_run(tmp_path / "run") as run:
        pool = run.pool(run.cells[0])
    assert pool.utilities.tolist() == [[1, 0, 1, 0]] * 5
    # Item i: right answer 2i, wrong one 2i + 1; ten answers in all, each item has its own two.
    assert all(len(set(row)) == 2 for row in pool.answers.tolist())


def test_two_runs_are_the_same_run(tmp_path: Path, suite_file: Write) -> None:
    for name in ("a", "b"):
        go(tmp_path / name, suite_file(5), strategy=["direct", "slow"], script="thoughtful_or_half", samples=3)
    assert records(tmp_path / "a") == records(tmp_path / "b")


def test_running_again_asks_nothing(tmp_path: Path, suite_file: Write) -> None:
    out, suite = tmp_path / "run", suite_file(5)
    go(out, suite, samples=4)
    before = records(out)
    again = go(out, suite, samples=4)
    assert again.cells[0].calls == 20
    assert records(out) == before


def test_samples_items_and_cells_may_grow(tmp_path: Path, suite_file: Write) -> None:
    suite = suite_file(6)
    out, whole = tmp_path / "grown", tmp_path / "whole"
    go(out, suite, samples=2, limit=3)
    go(out, suite, samples=5, limit=3)
    go(out, suite, samples=5, strategy=["direct", "greedy"])
    go(whole, suite, samples=5, strategy=["direct", "greedy"])
    assert records(out) == records(whole)


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"samples": 2}, "samples = 4, and now it is 2"),
        ({"limit": 3}, "limit = not set, and now it is 3"),
        ({"seed": 7}, "seed = 0, and now it is 7"),
        ({"max_tokens": 5}, "max_tokens = not set, and now it is 5"),
        ({"script": "slow_half"}, "model = scripted:tests.runs.scripts:half, and now it is"),
    ],
)
def test_any_other_difference_is_refused(tmp_path: Path, suite_file: Write, keys: dict[str, Any], named: str) -> None:
    suite = suite_file(5)
    go(tmp_path / "run", suite, samples=4)
    before = records(tmp_path / "run")
    with pytest.raises(InputError, match=re.escape(named)):
        go(tmp_path / "run", suite, **{"samples": 4, **keys})
    assert records(tmp_path / "run") == before


def test_a_changed_suite_is_refused(tmp_path: Path, suite_file: Write) -> None:
    suite = suite_file(5)
    go(tmp_path / "run", suite, samples=2)
    text = Path(suite).read_text(encoding="utf-8")
    Path(suite).write_text(text.replace("What is 4", "How much is 4"), encoding="utf-8")
    with pytest.raises(InputError, match="has changed since"):
        go(tmp_path / "run", suite, samples=2)


def test_a_folder_of_something_else_is_refused(tmp_path: Path, suite_file: Write) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty and holds no run"):
        go(tmp_path / "notes", suite_file(2))
    assert [path.name for path in (tmp_path / "notes").iterdir()] == ["thesis.txt"]


def test_a_refused_call_leaves_its_candidate_missing_and_is_not_asked_again(tmp_path: Path, suite_file: Write) -> None:
    out, suite = tmp_path / "run", suite_file(6)
    summary = go(out, suite, script="refuses_three", samples=4)
    assert (summary.cells[0].candidates, summary.cells[0].missing) == (24, 1)
    with akrasia.load_run(out) as run:
        pool = run.pool(run.cells[0])
        (found,) = estimate_run(run)
    assert np.isnan(pool.utilities[3]).tolist() == [False, True, False, False]
    assert pool.missing == {"400: this content is not served": 1}
    assert found.record.missing == 1
    assert found.record.missing_bounds is not None
    grown = go(out, suite, script="refuses_three", samples=5)
    assert (grown.cells[0].candidates, grown.cells[0].missing) == (30, 1)


@pytest.mark.parametrize(
    ("script", "error"), [("lost_at_five", EndpointLost), ("no_quota", QuotaExhausted), ("wrong_key", EndpointMisuse)]
)
def test_what_stops_a_run(tmp_path: Path, suite_file: Write, script: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        go(tmp_path / "run", suite_file(20), script=script, samples=2)
    # A run that never bought anything is not left behind.
    assert (tmp_path / "run").exists() is (script == "lost_at_five")


def test_a_lost_endpoint_loses_nothing(tmp_path: Path, suite_file: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.runs import scripts

    out, suite = tmp_path / "run", suite_file(12)
    with pytest.raises(EndpointLost):
        go(out, suite, script="lost_at_five", samples=3)
    bought = len(records(out)["calls"])
    monkeypatch.setattr(scripts, "lost_at_five", scripts.half)
    go(out, suite, script="lost_at_five", samples=3)
    go(tmp_path / "whole", suite, script="lost_at_five", samples=3)
    assert records(out) == records(tmp_path / "whole")
    assert bought <= 36


def test_budget_stops_and_the_next_sitting_counts_what_was_spent(tmp_path: Path, suite_file: Write) -> None:
    out, suite = tmp_path / "run", suite_file(40)
    with pytest.raises(BudgetReached, match="--max-tokens-total 150 is reached"):
        go(out, suite, script="with_usage", samples=1, max_tokens_total=150, concurrency=1)
    spent = len(records(out)["calls"])
    assert 10 <= spent < 40
    with pytest.raises(BudgetReached):
        go(out, suite, script="with_usage", samples=1, max_tokens_total=150, concurrency=1)
    assert len(records(out)["calls"]) == spent
    summary = go(out, suite, script="with_usage", samples=1)
    assert (summary.cells[0].tokens, summary.cells[0].prompt_tokens) == (600, 400)


def test_money(tmp_path: Path, suite_file: Write) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text('[[price]]\nmodel = "scripted:*"\ninput = 1000.0\noutput = 2000.0\n')
    suite = suite_file(10)
    summary = go(tmp_path / "a", suite, script="with_usage", samples=1, prices=str(prices))
    assert summary.cells[0].cost == pytest.approx(10 * (10 * 1000 + 5 * 2000) / 1e6)
    unknown = go(tmp_path / "b", suite, samples=1, prices=str(prices))
    assert unknown.cells[0].cost is None  # no usage was reported: unknown, not 0
    with pytest.raises(BudgetReached, match="--max-cost"):
        go(tmp_path / "c", suite, script="with_usage", samples=1, prices=str(prices), max_cost=0.05, concurrency=1)


def test_reuse_takes_matching_calls_only(tmp_path: Path, suite_file: Write) -> None:
    suite = suite_file(5)
    go(tmp_path / "old", suite, samples=4)
    config = build_config({"model": "scripted:tests.runs.scripts:half", "suite": suite, "samples": 6})
    said: list[str] = []
    options = Options(reuse=(tmp_path / "old",), on_notice=said.append)
    summary = wait_for(execute(config, tmp_path / "new", options))
    assert said == ["--reuse: 20 calls were answered from there, and 10 were bought"]
    assert summary.cells[0].candidates == 30
    assert summary.cells[0].calls == 10  # 5 items × the 2 samples that the old run lacks
    go(tmp_path / "whole", suite, samples=6)
    for table in ("candidates", "scores"):
        assert records(tmp_path / "new")[table] == records(tmp_path / "whole")[table]


def test_reuse_says_that_nothing_matched(tmp_path: Path, suite_file: Write) -> None:
    suite = suite_file(5)
    go(tmp_path / "old", suite, samples=1)
    config = build_config({"model": "scripted:tests.runs.scripts:half", "suite": suite, "samples": 1, "seed": 3})
    said: list[str] = []
    wait_for(execute(config, tmp_path / "new", Options(reuse=(tmp_path / "old",), on_notice=said.append)))
    assert said == ["--reuse: nothing there has the same model, prompt, sampling and seed; 5 calls were bought"]


def test_half_a_run_buys_nothing_and_says_the_way_on(tmp_path: Path, suite_file: Write) -> None:
    out, suite = tmp_path / "run", suite_file(3)
    go(out, suite, samples=2)
    (out / "run.toml").rename(tmp_path / "kept.toml")
    with pytest.raises(InputError, match=r"has 6 paid answers in run\.sqlite and no run\.toml.*--reuse .*run, which"):
        go(out, suite, samples=2)
    with pytest.raises(InputError, match=r"no run\.toml, which says what was asked.*--reuse"):
        akrasia.load_run(out)
    (tmp_path / "kept.toml").rename(out / "run.toml")
    for name in ("run.sqlite", "run.sqlite-wal", "run.sqlite-shm"):
        (out / name).unlink(missing_ok=True)
    with pytest.raises(InputError, match=r"a run\.toml and no run\.sqlite.*put run\.sqlite back, or name a new folder"):
        go(out, suite, samples=2)
    with pytest.raises(InputError, match=r"a run\.toml and no run\.sqlite"):
        akrasia.load_run(out)
    assert [path.name for path in out.glob("run.sqlite*")] == []


def test_a_store_cut_short_is_called_damaged(tmp_path: Path, suite_file: Write) -> None:
    out, suite = tmp_path / "run", suite_file(40)
    go(out, suite, samples=2)
    with (out / "run.sqlite").open("r+b") as file:
        file.truncate(20_000)
    for use in (lambda: go(out, suite, samples=2), lambda: akrasia.load_run(out)):
        with pytest.raises(InputError, match=r"run\.sqlite is damaged.*\.recover") as refused:
            use()
        assert "permissions" not in str(refused.value)


@pytest.mark.parametrize("left", [["run.sqlite"], ["run.sqlite", "run.sqlite-journal"], ["run.toml.new"], ["made"]])
async def test_a_run_killed_before_its_record_was_written_begins_anew(
    tmp_path: Path, suite_file: Write, left: list[str]
) -> None:
    """While SQLite makes a store, the file is empty and a journal may lie beside it."""
    out = tmp_path / "run"
    out.mkdir()
    if left == ["made"]:
        await Store(out).close()
    else:
        for name in left:
            (out / name).write_bytes(b"")
    assert go(out, suite_file(3), samples=2).cells[0].calls == 6


def test_slow_reasons_then_acts_on_its_own_reasoning(tmp_path: Path, suite_file: Write) -> None:
    summary = go(tmp_path / "run", suite_file(4), script="thoughtful", strategy="slow", samples=3)
    assert (summary.cells[0].candidates, summary.cells[0].calls, summary.cells[0].missing) == (12, 24, 0)
    with akrasia.load_run(tmp_path / "run") as run:
        candidates = run.candidates(run.cells[0], 2)
        (found,) = estimate_run(run)
    assert [candidate.reasoning for candidate in candidates] == [f"sample {i} thinks" for i in range(3)]
    assert found.record.reachable is None
    assert found.record.deployed is not None
    assert next(d.code for d in found.record.diagnostics) == "no_reference_pool"


def test_cells_are_measured_against_their_pool(tmp_path: Path, suite_file: Write) -> None:
    go(tmp_path / "run", suite_file(30), strategy=["direct", "greedy", "best_of_n:2"], samples=4)
    with akrasia.load_run(tmp_path / "run") as run:
        direct, greedy, best = estimate_run(run)
    assert direct.record.deployed is not None
    assert direct.record.deployed.value == 0.5
    assert greedy.record.deployed is not None
    assert greedy.record.deployed.value == 1.0  # sample 0 is right
    # Two of four are right: a subset of two holds none of them with probability 1/6.
    assert best.record.deployed is not None
    assert best.record.deployed.value == pytest.approx(5 / 6)


def test_a_second_writer_is_refused(tmp_path: Path, suite_file: Write) -> None:
    out, suite = tmp_path / "run", suite_file(2)
    go(out, suite, samples=1)
    with RunLock(out), pytest.raises(InputError, match=r"is being written by process \d+ on "):
        go(out, suite, samples=1)
    go(out, suite, samples=2)


def test_a_full_disk_stops_the_run_and_keeps_what_was_committed(
    tmp_path: Path, suite_file: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, suite = tmp_path / "run", suite_file(200)
    whole_connect = sqlite3.connect

    def small(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection = whole_connect(*args, **kwargs)
        connection.execute("PRAGMA max_page_count = 40")  # SQLite's own "database or disk is full"
        return connection

    monkeypatch.setattr("akrasia.runs.writer.sqlite3.connect", small)
    with pytest.raises(StoreFailed, match="database or disk is full"):
        go(out, suite, samples=8)
    monkeypatch.undo()
    go(out, suite, samples=8)
    go(tmp_path / "whole", suite, samples=8)
    assert records(out) == records(tmp_path / "whole")


def test_stopped_by_the_user(tmp_path: Path, suite_file: Write) -> None:
    from akrasia.runs import wait_for
    from akrasia.runs.config import build_config
    from akrasia.runs.execute import Options, execute

    out, suite = tmp_path / "run", suite_file(60)
    config = build_config({"model": "scripted:tests.runs.scripts:slow_half", "suite": suite, "samples": 8})

    def stop_soon(meter: Any, planned: int, done: int) -> Callable[[], None]:
        assert (planned, done) == (480, 0)
        return lambda: meter.stop(RunIncomplete("stopped"))

    with pytest.raises(RunIncomplete, match="stopped"):
        wait_for(execute(config, out, Options(on_start=stop_soon)))
    assert 0 < len(records(out)["calls"]) < 480
    go(out, suite, script="slow_half", samples=8)
    assert len(records(out)["scores"]) == 480


async def test_inside_a_running_loop(tmp_path: Path, suite_file: Write) -> None:
    assert go(tmp_path / "run", suite_file(2), samples=2).cells[0].candidates == 4


async def test_a_cancelled_waiter_takes_nobody_with_it(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "t.sqlite", isolation_level=None, check_same_thread=False)
    connection.execute("CREATE TABLE raw (key TEXT PRIMARY KEY, body BLOB)")
    writer = Writer(tmp_path / "t.sqlite", connection)
    writer.put("raw", ("a", b"1"))
    first, second = writer.committed(), writer.committed()
    first.cancel()
    await second
    await writer.flush()
    await writer.close()


async def test_what_cannot_be_stored_fails_all_who_wait_and_leaves_what_was_stored(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "t.sqlite", isolation_level=None, check_same_thread=False)
    connection.execute("CREATE TABLE raw (key TEXT PRIMARY KEY, body BLOB)")
    writer = Writer(tmp_path / "t.sqlite", connection)
    writer.put("raw", ("a", b"1"))
    await writer.flush()
    writer.put("raw", ("b", b"2"))
    writer.put("raw", ("c", 2**63))  # sqlite3 raises OverflowError, which is none of its own errors
    waiting = [writer.committed(), writer.committed()]
    async with asyncio.timeout(30):
        for told in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(told, StoreFailed)
            assert "t.sqlite: OverflowError: " in str(told)
        with pytest.raises(StoreFailed):
            await writer.flush()
        await writer.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "t.sqlite")) as again:
        assert again.execute("SELECT key FROM raw").fetchall() == [("a",)]


def test_a_refused_candidate_stops_no_estimate(tmp_path: Path, suite_file: Write) -> None:
    out = tmp_path / "run"
    strategies = ["direct", "best_of_n:4", "self_consistency:4"]
    go(out, suite_file(30), script="refuses_three", samples=4, strategy=strategies)
    with akrasia.load_run(out) as run:
        direct, best, vote = (found.record for found in estimate_run(run))
        compared = compare_runs(run, run)
    # Item 3 has three of four candidates: the curve ends there, and a choice among four is not defined for it.
    assert (direct.k, direct.items, direct.missing) == (3, 30, 1)
    assert (best.items, vote.items) == (29, 29)
    assert {metric.difference.value for metric in compared.metrics} == {0.0}


def test_an_item_that_is_hardly_measured_takes_no_curve_with_it(tmp_path: Path, suite_file: Write) -> None:
    go(tmp_path / "run", suite_file(30), script="refuses_most_of_three", samples=8)
    with akrasia.load_run(tmp_path / "run") as run:
        (found,) = estimate_run(run)
    record = found.record
    assert (record.k, record.items) == (8, 29)
    assert "thin_items" in [diagnostic.code for diagnostic in record.diagnostics]
    assert record.missing_bounds is not None
    # The others are right at even samples; item 3 could be anything from all wrong to all right.
    assert record.missing_bounds.deployed.worst < 0.5 < record.missing_bounds.deployed.best


def test_a_model_that_is_built_already(tmp_path: Path, suite_file: Write) -> None:
    def right(request: Request) -> str:
        first = request.messages[0].content.split()[2]
        return f"#### {2 * int(first)}"

    def wrong(request: Request) -> str:
        return "#### -1"

    suite = suite_file(5)
    (cell,) = akrasia.run(tmp_path / "run", model=Scripted(right, name="scripted:mine"), suite=suite, samples=2).cells
    assert cell.cell.startswith("scripted:mine ")
    with akrasia.load_run(tmp_path / "run") as run:
        assert run.pool(run.cells[0]).utilities.tolist() == [[1.0, 1.0]] * 5
    before = records(tmp_path / "run")
    akrasia.run(tmp_path / "run", model=[Scripted(right, name="scripted:mine")], suite=suite, samples=2)
    assert records(tmp_path / "run") == before
    with pytest.raises(InputError, match="model scripted:mine was"):
        akrasia.run(tmp_path / "run", model=Scripted(wrong, name="scripted:mine"), suite=suite, samples=2)
