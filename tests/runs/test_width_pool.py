"""What the cells of a run to a width rest on: the same items, and the same draws of each."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.runs.width_scripts import PATTERNS

import akrasia
from akrasia.core import RunIncomplete
from akrasia.report.gather import gather
from akrasia.runs.comparison import compare_runs
from akrasia.runs.estimates import CellEstimate, estimate_run

Write = Callable[[int], str]

STRATEGIES = ["direct", "best_of_n:1", "best_of_n:2", "best_of_n:4", "self_consistency:1", "self_consistency:3"]


def measured(out: Path, script: str, suite: str, **keys: Any) -> dict[str, CellEstimate]:
    """All cells of a run to a width, by strategy; it may have run out of items."""
    with contextlib.suppress(RunIncomplete):
        akrasia.run(out, model=f"scripted:tests.runs.width_scripts:{script}", suite=suite, strategy=STRATEGIES, **keys)
    with akrasia.load_run(out) as run:
        return {one.cell.strategy: one for one in estimate_run(run)}


def figure(found: CellEstimate, name: str) -> float:
    value = getattr(found.record, name)
    assert value is not None
    return float(value.value)


def test_every_pattern_of_draws_and_gaps_once(tmp_path: Path, suite_file: Write) -> None:
    # A fair coin, enumerated, and a gap that does not look at it: the means over all patterns are the truth itself,
    # 1 - 2^-n for the best of n, and 1/2 for a majority of 3 answers of which all wrong ones are alike.
    found = measured(tmp_path / "run", "patterns", suite_file(PATTERNS), until_width=0.001)
    for strategy, truth in {
        "direct": 1 / 2, "best_of_n:1": 1 / 2, "best_of_n:2": 3 / 4, "best_of_n:4": 15 / 16,
        "self_consistency:1": 1 / 2, "self_consistency:3": 1 / 2,
    }.items():  # fmt: skip
        assert found[strategy].record.items == PATTERNS
        assert figure(found[strategy], "deployed") == pytest.approx(truth)
    # A gap in one of the first four, in two thirds of the items; there a fifth draw was made for it.
    record = found["best_of_n:2"].record
    assert (record.candidates, record.missing) == (4 * PATTERNS + 128, 128)
    told = next(one.message for one in record.diagnostics if one.code == "missing")
    assert told.startswith("128 of 896 utilities are missing: ")
    # Filled with failures or successes, one known draw of four becomes 0 or 1: (3 p + 0) / 4 or (3 p + 1) / 4 there.
    bounds = found["best_of_n:1"].record.missing_bounds
    assert bounds is not None
    assert (bounds.deployed.worst, bounds.deployed.best) == pytest.approx((1 / 2 - 1 / 12, 1 / 2 + 1 / 12))


def test_all_cells_rest_on_the_same_draws(tmp_path: Path, suite_file: Write) -> None:
    # Where easy items lose candidates, those whose first four happen to be measured are the hard ones.
    suite = suite_file(600)
    found = measured(tmp_path / "run", "uneven", suite, until_width=0.06)
    direct = found["direct"]
    assert direct.record.missing > 0
    rows = {row.k: row.reachable for row in direct.record.curve}
    for strategy, value in {
        "best_of_n:1": figure(direct, "deployed"), "self_consistency:1": figure(direct, "deployed"),
        "best_of_n:2": rows[2], "best_of_n:4": rows[4],
    }.items():  # fmt: skip
        assert found[strategy].record.items == direct.record.items
        assert figure(found[strategy], "deployed") == pytest.approx(value)
        bounds = found[strategy].record.missing_bounds
        assert bounds is not None
        assert bounds.deployed.worst <= figure(found[strategy], "deployed") <= bounds.deployed.best
    assert direct.record.missing_bounds is not None
    one = found["best_of_n:1"].record.missing_bounds
    assert one is not None
    assert (one.deployed.worst, one.deployed.best) == pytest.approx(
        (direct.record.missing_bounds.deployed.worst, direct.record.missing_bounds.deployed.best)
    )
    with akrasia.load_run(tmp_path / "run") as run:
        compared = compare_runs(run, run, cells=("direct", "best_of_n:1"))
        metrics = {row.name: row for row in compared.metrics}
    told = [one.message for one in compared.diagnostics if one.code in ("until_width", "missing")]
    assert sum("on the first 4 measured draws of each item, at k = 4; akrasia risk follows" in one for one in told) == 2
    assert sum("utilities of the draws that are compared are missing" in one for one in told) == 2
    assert {"reachable@4", "risk@4"} <= set(metrics)
    assert metrics["deployed"].items == direct.record.items
    assert metrics["deployed"].difference.value == 0
    # The report shows the draws that the figures rest on, and the missing ones that they stand in for.
    for cell in gather([tmp_path / "run"], item_bytes=3_000_000).cells:
        for item in cell.shown.rows:
            samples = sorted(sample for row in item.candidates for sample in row.samples)
            known = [row.utility for row in item.candidates for _ in row.samples if row.utility is not None]
            assert samples == list(range(len(samples)))
            assert len(known) == 4
            assert np.mean(known) == pytest.approx(item.mean)


def test_an_item_is_left_out_by_how_many_of_its_draws_were_measured_alone(tmp_path: Path, suite_file: Write) -> None:
    # Half of the items are always right. With three of five draws lost, most of the others cannot be followed to 64
    # measured failures within 128 draws; left out for that, they would take deployed and reachable far above 1/2.
    found = measured(tmp_path / "run", "often_lost", suite_file(300), until_width=0.06)
    direct = found["direct"].record
    for strategy in STRATEGIES:
        assert found[strategy].record.items == direct.items
        assert figure(found[strategy], "deployed") == pytest.approx(0.5, abs=0.01)
    assert figure(found["direct"], "reachable") == pytest.approx(0.5, abs=0.01)
    assert direct.missing_bounds is not None
    assert direct.missing_bounds.reachable.best > 0.9
    codes = [one.code for one in direct.diagnostics]
    assert "cut_short" in codes
    assert "given_up" not in codes
