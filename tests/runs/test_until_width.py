from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.runs.conftest import records

import akrasia
from akrasia.core import InputError, RunIncomplete
from akrasia.runs.comparison import compare_runs
from akrasia.runs.estimates import estimate_run
from akrasia.runs.gold import labelled_cell
from akrasia.runs.until_width import known_of, next_stop, settled, width_plan
from akrasia.runs.width_pool import finished

Write = Callable[[int], str]


def go(out: Path, suite: str, **keys: Any) -> Any:
    return akrasia.run(out, model="scripted:tests.runs.scripts:spread", suite=suite, **keys)


def test_stops_at_the_width_with_fewer_candidates(tmp_path: Path, suite_file: Write) -> None:
    (cell,) = go(tmp_path / "run", suite_file(2000), until_width=0.03).cells
    with akrasia.load_run(tmp_path / "run") as run:
        (found,) = estimate_run(run)
        with pytest.raises(InputError, match="gold cannot correct a run that was sampled to a width"):
            labelled_cell(run, None)
    record = found.record
    assert record.risk is not None
    assert record.risk.half_width is not None
    assert record.risk.half_width <= 0.03
    assert record.k == 64
    assert 100 <= record.items < 2000
    # A fixed K = 64 for the same items would have cost 64 each.
    assert record.candidates <= cell.candidates < 64 * record.items / 3
    # The mean rests on the first four candidates of every item: near 1/2 by the construction of the script.
    assert record.deployed is not None
    assert record.deployed.low is not None
    assert record.deployed.high is not None
    assert record.deployed.low < 0.5 < record.deployed.high


def test_what_is_bought_does_not_depend_on_how_much_is_asked_at_once(tmp_path: Path, suite_file: Write) -> None:
    suite, script, scores = suite_file(600), "scripted:tests.runs.width_scripts:at_odd_speeds", []
    for concurrency in (1, 8, 64, None):
        out = tmp_path / f"run-{concurrency}"
        (cell,) = akrasia.run(out, model=script, suite=suite, until_width=0.06, concurrency=concurrency).cells
        scores.append(records(out)["scores"])
        with akrasia.load_run(out) as run:
            (found,) = estimate_run(run)
            stopped = finished(run, run.cells[0])
        # Nothing is bought beyond the look that found the width, and its width is the one of the figures.
        assert len(stopped.items) == len(stopped.drawn) == cell.items < 600
        assert found.record.risk is not None
        assert found.record.risk.half_width == stopped.half_width
        assert found.record.items == len(stopped.used) < cell.items  # some could not be measured, others stood in
    assert scores[0] == scores[1] == scores[2] == scores[3]


def test_a_batch_that_was_cut_in_two_ends_where_it_would_have() -> None:
    plan = width_plan(0.05, 9)
    whole = [0.0] * 4 + [0.0, 1.0, 0.0, 0.0]
    assert [next_stop(plan, whole[:there]) for there in range(9)] == [4, 4, 4, 4, 8, 8, 8, 8, 8]
    assert next_stop(plan, [0.0] * 8) == 9
    # No more than twice as many draws as could be measured, whatever the batch.
    lost: list[float | None] = [None] * 17
    assert next_stop(plan, lost) == 18
    assert not settled(plan, lost)
    assert settled(plan, [*lost, None])
    assert known_of([*lost, 1.0]) == [1.0]


def test_a_wider_width_goes_back_to_its_own_look(tmp_path: Path, suite_file: Write) -> None:
    suite = suite_file(900)
    go(tmp_path / "one", suite, until_width=0.06)
    go(tmp_path / "run", suite, until_width=0.04)
    go(tmp_path / "run", suite, until_width=0.06)
    records = []
    for name in ("one", "run"):
        with akrasia.load_run(tmp_path / name) as run:
            records.append(estimate_run(run)[0].record)
    assert records[0].risk == records[1].risk
    assert records[0].items == records[1].items
    told = [[one.message for one in found.diagnostics if one.code == "beyond_the_look"] for found in records]
    assert told[0] == []
    assert re.fullmatch(r"\d+ items were drawn beyond the look that found the width, and left out", told[1][0])


def test_missing_and_failed_candidates_are_counted_and_bounded(tmp_path: Path, suite_file: Write) -> None:
    keys: dict[str, Any] = {"until_width": 0.06, "strategy": ["direct", "self_consistency:4"]}
    script = "scripted:tests.runs.scripts:spread_with_losses"
    told, pooled = akrasia.run(tmp_path / "run", model=script, suite=suite_file(2000), **keys).cells
    with akrasia.load_run(tmp_path / "run") as run:
        record = estimate_run(run)[0].record
        asked = {item for item, _ in run.drawn(run.cells[0])}
    assert told.items == pooled.items == len(asked) < 2000
    assert told.missing > 0
    assert told.failures > 0
    assert (record.own_candidates, record.missing, record.failures) == (told.candidates, told.missing, told.failures)
    assert record.candidates == told.candidates
    # The item that was never answered ends no prefix: it is left out of the figures, and the bounds count it.
    assert record.items == len(asked) - 1
    codes = [diagnostic.code for diagnostic in record.diagnostics]
    assert {"given_up", "missing", "parse_failures", "until_width"} <= set(codes)
    assert record.missing_bounds is not None
    assert record.deployed is not None
    assert record.missing_bounds.deployed.worst < record.deployed.value < record.missing_bounds.deployed.best


def test_out_of_items_is_incomplete_and_more_items_go_on(tmp_path: Path, suite_file: Write) -> None:
    suite = suite_file(900)
    with pytest.raises(
        RunIncomplete, match=r"out of items: 120 items are used, the half-width of the risk is 0\.0\d+"
    ) as stop:
        go(tmp_path / "run", suite, until_width=0.03, limit=120)
    found = re.search(r"which takes about (\d+) items; use a larger suite, or a higher --limit", str(stop.value))
    assert found
    assert 120 < int(found[1]) < 900
    assert "the same command" not in str(stop.value)
    bought = {row[0] for row in records(tmp_path / "run")["calls"]}
    go(tmp_path / "run", suite, until_width=0.03)
    assert bought < {row[0] for row in records(tmp_path / "run")["calls"]}
    with akrasia.load_run(tmp_path / "run") as run:
        (estimated,) = estimate_run(run)
    assert estimated.record.items > 120
    calls = len(records(tmp_path / "run")["calls"])
    go(tmp_path / "run", suite, until_width=0.03)
    assert len(records(tmp_path / "run")["calls"]) == calls


def test_pooled_strategies_rest_on_the_first_candidates(tmp_path: Path, suite_file: Write) -> None:
    suite = suite_file(600)
    go(tmp_path / "run", suite, until_width=0.06, strategy=["direct", "self_consistency:4"])
    with akrasia.load_run(tmp_path / "run") as run:
        direct, vote = estimate_run(run)
    assert direct.record.k == 64
    assert vote.record.k == 4
    # What a run to a width has not drawn it does not need: no cell calls it unfinished, nor does a comparison.
    with akrasia.load_run(tmp_path / "run") as run:
        assert len(vote.pool.items) < len(run.items(vote.cell.suite))
        told = compare_runs(run, run, cells=("direct", "self_consistency")).diagnostics
    found = [*direct.record.diagnostics, *vote.record.diagnostics, *told]
    assert "incomplete" not in {one.code for one in found}
    with pytest.raises(InputError, match="sampling to a width gives every item only 4"):
        go(tmp_path / "other", suite, until_width=0.06, strategy="self_consistency:8")


def test_what_can_never_reach_a_width_is_refused_before_anything_is_bought(tmp_path: Path, suite_file: Write) -> None:
    with pytest.raises(InputError, match="99 items are to be used, and until_width looks at the interval from 100 on"):
        go(tmp_path / "run", suite_file(200), until_width=0.05, limit=99)
    path = tmp_path / "advice.jsonl"
    rows = ({"id": i, "input": "x", "target": "y", "utility": "preference"} for i in range(200))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InputError, match="the utility 'preference' of item '0' is graded"):
        go(tmp_path / "run", str(path), until_width=0.05, judge="llm:scripted:tests.runs.scripts:judge")
    assert not (tmp_path / "run").exists()


def test_a_run_to_a_width_takes_another_width_and_no_other_way_to_stop(tmp_path: Path, suite_file: Write) -> None:
    suite = suite_file(300)
    go(tmp_path / "run", suite, until_width=0.15)
    go(tmp_path / "run", suite, until_width=0.2)
    with pytest.raises(InputError, match=r"with until_width = 0\.2, and now it is not set: a run that samples"):
        go(tmp_path / "run", suite)
    go(tmp_path / "plain", suite, samples=1, limit=3)
    with pytest.raises(InputError, match=r"with until_width = not set, and now it is 0\.1: .* takes a width later"):
        go(tmp_path / "plain", suite, until_width=0.1)


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"until_width": 0.0}, "until_width is 0.0"),
        ({"until_width": 0.02, "samples": 4}, "needs samples above 4"),
        ({"until_width": 0.02, "seed": [0, 1]}, "give one seed"),
        ({"until_width": 0.02, "strategy": "slow"}, "leave out strategy 'slow'"),
    ],
)
def test_refused(tmp_path: Path, suite_file: Write, keys: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        go(tmp_path / "run", suite_file(3), **keys)
