"""What the cells of a run are measured against, and what missing candidates could do to a choice among them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import akrasia
from akrasia.core import InputError, Undefined
from akrasia.risk import Options, estimate, thin_items
from akrasia.runs.comparison import compare_runs
from akrasia.runs.estimates import CellEstimate, How, estimate_run

POOLED = ("direct", "self_consistency:3", "best_of_n:2")
SCRIPT = "scripted:tests.runs.scripts:"


def measured(out: Path, ks: list[int] | None = None) -> list[CellEstimate]:
    with akrasia.load_run(out) as run:
        return estimate_run(run, How(ks))


def test_pooled_strategies_share_the_pool_of_the_direct_draws(tmp_path: Path, suite_file: Callable[[int], str]) -> None:
    akrasia.run(tmp_path / "run", model=f"{SCRIPT}half", suite=suite_file(20), samples=4, strategy=list(POOLED))
    direct, vote, best = (found.record for found in measured(tmp_path / "run"))
    reached = [row.reachable for row in direct.curve]
    assert [row.reachable for row in vote.curve] == pytest.approx([reached[2], reached[2], *reached[2:]])
    assert [row.reachable for row in best.curve] == pytest.approx([reached[1], *reached[1:]])
    assert (best.curve[1].risk, best.curve[1].risk_high) == (0, 0)
    assert best.risk is not None
    assert best.risk.value == pytest.approx(reached[3] - reached[1])
    with akrasia.load_run(tmp_path / "run") as run:
        compared = compare_runs(run, run, cells=("direct", "self_consistency")).metrics
    assert next(row for row in compared if row.name == "reachable@4").difference.value == 0


def test_a_choice_is_shown_at_the_draws_it_is_made_among(tmp_path: Path, suite_file: Callable[[int], str]) -> None:
    akrasia.run(tmp_path / "run", model=f"{SCRIPT}half", suite=suite_file(20), samples=4, strategy=list(POOLED))
    found = [one.record for one in measured(tmp_path / "run", [1, 2])]
    assert [[row.k for row in record.curve] for record in found] == [[1, 2], [3], [2]]
    assert [record.k for record in found] == [2, 3, 2]


def test_missing_candidates_bound_what_is_chosen(tmp_path: Path, suite_file: Callable[[int], str]) -> None:
    suite = suite_file(20)
    akrasia.run(tmp_path / "run", model=f"{SCRIPT}refuses_three", suite=suite, samples=4, strategy=list(POOLED))
    for found in measured(tmp_path / "run")[1:]:
        bounds, deployed, risk = found.record.missing_bounds, found.record.deployed, found.record.risk
        assert bounds is not None
        assert deployed is not None
        assert risk is not None
        assert bounds.conservative
        assert bounds.deployed.worst < bounds.deployed.best
        assert bounds.deployed.worst <= deployed.value <= bounds.deployed.best
        assert bounds.risk.best <= risk.value <= bounds.risk.worst


def test_a_thin_item_leaves_the_figures_and_neither_counts_nor_bounds(
    tmp_path: Path, suite_file: Callable[[int], str]
) -> None:
    suite, strategy = suite_file(30), ["direct", "best_of_n:2"]
    akrasia.run(tmp_path / "run", model=f"{SCRIPT}refuses_most_of_three", suite=suite, samples=8, strategy=strategy)
    direct, best = (found.record for found in measured(tmp_path / "run"))
    for record in (direct, best):
        assert (record.k, record.items, record.candidates, record.missing) == (8, 29, 240, 7)
        told = {one.code: one.message for one in record.diagnostics}
        assert told["missing"].startswith("7 of 240 utilities are missing: see")  # of item 3 one is measured
        assert told["thin_items"].startswith(
            "1 of 30 items has 1 measured candidate, at most half of the median item's 8"
        )
    assert direct.missing_bounds is not None
    # The others are right at 4 of 8; item 3, right at the one that is measured, at 1 to 8 of 8.
    bounds = direct.missing_bounds
    assert (bounds.deployed.worst, bounds.deployed.best) == pytest.approx(((14.5 + 1 / 8) / 30, (14.5 + 1) / 30))
    assert (bounds.reachable.worst, bounds.reachable.best) == (1, 1)
    with akrasia.load_run(tmp_path / "run") as run:
        utilities = run.pool(run.cells[0]).utilities
    left = np.where(thin_items(utilities)[:, None], np.nan, utilities)
    documented = estimate(left, options=Options(drawn=utilities))
    assert (documented.deployed, documented.risk, documented.missing_bounds) == (direct.deployed, direct.risk, bounds)
    whole = estimate(utilities).missing_bounds
    assert whole is not None
    assert whole.deployed == bounds.deployed


def test_a_pooled_cell_names_the_cell_whose_pool_it_is_computed_from(
    tmp_path: Path, suite_file: Callable[[int], str]
) -> None:
    akrasia.run(tmp_path / "run", model=f"{SCRIPT}half", suite=suite_file(5), samples=4, strategy=list(POOLED))
    with akrasia.load_run(tmp_path / "run") as run:
        direct, vote, _ = run.cells
        with pytest.raises(
            InputError, match=r"self_consistency:3.* computed from the pool of .* direct .*: ask for that"
        ):
            run.pool(vote)
        assert run.pool(run.cell(str(vote.pool))).utilities.shape == run.pool(direct).utilities.shape == (5, 4)


def test_too_few_draws_to_choose_among_is_not_nothing_measured(
    tmp_path: Path, suite_file: Callable[[int], str]
) -> None:
    out = tmp_path / "run"
    strategy = ["direct", "self_consistency:3"]
    akrasia.run(out, model=f"{SCRIPT}refuses_all_but_two", suite=suite_file(10), samples=4, strategy=strategy)
    _, vote = (found.record for found in measured(out))
    (said,) = (one.message for one in vote.diagnostics if one.code == "undefined")
    assert said == "no item has the 3 measured draws that it chooses among, so no figure has a value"
    bounds = vote.missing_bounds
    assert bounds is not None
    assert (bounds.missing, bounds.conservative) == (20, True)
    assert 0 <= bounds.deployed.worst <= bounds.deployed.best <= 1
    assert bounds.reachable.best == 1


def test_a_measured_decode_beside_a_pool_without_measures_is_not_nothing_measured(
    tmp_path: Path, suite_file: Callable[[int], str]
) -> None:
    out, strategy = tmp_path / "run", ["direct", "greedy"]
    akrasia.run(out, model=f"{SCRIPT}refuses_all_draws", suite=suite_file(10), samples=4, strategy=strategy)
    direct, greedy = (found.record for found in measured(out))
    said = {one.code: one.message for one in greedy.diagnostics}["undefined"]
    assert said.startswith(
        "no candidate of the pool is measured, which the measured deployed ones would be held against"
    )
    assert "Missing: 40 × 400: this content is not served" in said
    assert direct.missing_bounds is None
    assert greedy.missing_bounds is not None
    assert (greedy.missing_bounds.deployed.worst, greedy.missing_bounds.deployed.best) == (1.0, 1.0)
    assert (greedy.missing_bounds.risk.best, greedy.missing_bounds.missing) == (0.0, 40)
    with akrasia.load_run(out) as run, pytest.raises(Undefined, match="greedy: every utility of its pool is missing"):
        compare_runs(run, run, cells=("greedy", "greedy"))
