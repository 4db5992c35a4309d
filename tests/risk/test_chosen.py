"""What is chosen among the draws of the pool is one of them, and is bounded when some are missing."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from akrasia.core.errors import InputError
from akrasia.risk import (
    Chosen,
    Gold,
    Options,
    best_bounds,
    best_of_n_items,
    estimate,
    per_item,
    self_consistency_items,
    vote_bounds,
)

POOL = np.array([[0, 0, 0, 1], [0, 1, 1, 1], [0, 0, 0, 0], [1, 1, 1, 1]] * 5, dtype=float)


def of_best(n: int):
    chosen = Chosen(n, best=True)
    return estimate(POOL, deployed=best_of_n_items(POOL, POOL, n), options=Options(chosen=chosen))


def test_the_best_of_n_loses_nothing_against_the_n_draws_it_had():
    found = of_best(2)
    # Best of 2 per item: 1/2, 1, 0, 1. Best of 3: 3/4, 1, 0, 1. Best of 4: 1, 1, 0, 1.
    assert found.deployed.value == pytest.approx(2.5 / 4)
    assert [point.reachable.value for point in found.curve] == pytest.approx([0.625, 0.625, 0.6875, 0.75])
    for point in found.curve[:2]:
        assert (point.risk.value, point.risk.low, point.risk.high, point.risk.method) == (0, 0, 0, "identity")
    assert found.risk.value == pytest.approx(0.125)
    assert found.risk.high > 0.125


def test_a_choice_stands_in_the_pool_and_a_given_candidate_beside_it():
    shares = best_of_n_items(POOL, POOL, 3)
    within = per_item(POOL, 2, deployed=shares, chosen=Chosen(3, best=True))
    assert within.reachable == pytest.approx(best_of_n_items(POOL, POOL, 3))
    beside = per_item(POOL, 2, deployed=shares)
    assert beside.reachable[0] == pytest.approx(1 - 0.5 * 0.25)


def test_a_vote_is_held_against_the_draws_of_every_subset():
    """Reachable by brute force: over all votes of 2, each extended to all pools of 3."""
    rng = np.random.default_rng(4)
    utilities = rng.integers(0, 2, (30, 5)).astype(float)
    answers = np.where(utilities == 1, 0, rng.integers(1, 3, (30, 5)))
    found = estimate(
        utilities, deployed=self_consistency_items(utilities, answers, 2), ks=3, options=Options(chosen=Chosen(2))
    )
    lost = [max(row[list(pool)]) for row in utilities for pool in combinations(range(5), 3)]
    assert found.reachable.value == pytest.approx(np.mean(lost))
    assert found.risk.value == pytest.approx(found.reachable.value - found.deployed.value)


def test_refusals():
    with pytest.raises(InputError, match="nothing is deployed"):
        estimate(POOL, options=Options(chosen=Chosen(2)))
    with pytest.raises(InputError, match="some item has only 4"):
        estimate(POOL, deployed=POOL[:, 0], options=Options(chosen=Chosen(5)))


@settings(max_examples=40)
@given(
    arrays(float, (2, 5), elements=st.sampled_from([0.0, 0.5, 1.0, np.nan, 1.0])),
    arrays(int, (2, 5), elements=st.integers(-1, 2)),
    st.integers(1, 5),
)
def test_bounds_hold_however_the_missing_are_filled(utilities, answers, n):
    holes = np.argwhere(np.isnan(utilities))[:4]
    utilities[np.isnan(utilities) & ~np.isin(np.arange(10).reshape(2, 5), holes @ [5, 1])] = 0.5
    vote, best = vote_bounds(utilities, answers, n), best_bounds(utilities, n)
    for values in product([0.0, 0.6, 1.0], repeat=len(holes)):
        for label in range(4):
            filled, told = utilities.copy(), answers.copy()
            filled[tuple(holes.T)] = values
            told[tuple(holes.T)] = label
            for (least, most), exact in (
                (vote, self_consistency_items(filled, told, n)),
                (best, best_of_n_items(filled, filled, n)),
            ):
                assert np.all(least <= exact + 1e-9)
                assert np.all(exact <= most + 1e-9)


def test_a_majority_that_no_missing_vote_can_turn_is_credited():
    # 4 of 5 known and right, votes of 3: 4 of the 10 subsets hold no gap; of the 6 others 2 of 3 votes are right, and
    # the third may join them and be worth nothing: 4/10 + 6/10 · 2/3.
    least, most = vote_bounds([[1, 1, 1, 1, None]], [[7, 7, 7, 7, -1]], 3)
    assert (least[0], most[0]) == pytest.approx((0.8, 1.0))


def test_an_item_with_too_few_candidates_may_earn_anything() -> None:
    ragged, answers = [[1, None], [1, 0, None]], [["a", ""], ["a", "b", ""]]
    for least, most in (best_bounds(ragged, 3), vote_bounds(ragged, answers, 3)):
        assert (least[0], most[0]) == (0, 1)
    assert best_bounds(ragged, 2)[0].tolist() == pytest.approx([1, 2 / 3])  # (1, 0) and (1, 0, 0)


def test_missing_candidates_widen_a_choice():
    holed = POOL.copy()
    holed[0, 0] = holed[1, 0] = np.nan
    least, most = best_bounds(holed, 2)
    found = estimate(
        holed, deployed=best_of_n_items(holed, holed, 2), options=Options(chosen=Chosen(2, True, least, most))
    )
    bounds = found.missing_bounds
    # Item 0 (?, 0, 0, 1): best of 2 between 1/2 and 5/6; item 1 (?, 1, 1, 1): 1 either way; 20 items, 5 of each kind.
    assert bounds.conservative
    assert (bounds.deployed.worst, bounds.deployed.best) == pytest.approx(
        ((0.5 * 4 + 0.5 + 10) / 20, (0.5 * 4 + 5 / 6 + 10) / 20)
    )
    assert bounds.deployed.worst < bounds.deployed.best
    assert bounds.risk.best <= found.risk.value <= bounds.risk.worst


def test_items_with_too_few_draws_to_choose_among_are_told():
    holed = POOL.copy()
    holed[0, :2] = holed[1, 0] = np.nan
    deployed = np.where(np.isnan(holed).any(axis=1), np.nan, 0.5)
    told = {
        one.code: one.message
        for one in estimate(holed, deployed=deployed, options=Options(chosen=Chosen(4))).diagnostics
    }
    assert told["left_out"].startswith("2 of 20 items have fewer than the 4 known candidates")
    assert "ragged" not in told  # the 18 others have 4 each, and there the curve ends
    deployed[1] = 0.5
    told = {
        one.code: one.message
        for one in estimate(holed, deployed=deployed, options=Options(chosen=Chosen(3))).diagnostics
    }
    assert told["left_out"].startswith("1 of 20 items has fewer than the 3")
    assert "items have 3 to 4 known candidates: the curve ends at 3" in told["ragged"]
    full = estimate(POOL, deployed=POOL[:, 0], options=Options(chosen=Chosen(4)))
    assert "left_out" not in {one.code for one in full.diagnostics}


def test_gold_of_a_choice_and_of_its_pool() -> None:
    rng = np.random.default_rng(2)
    truth = (rng.random((60, 4)) < 0.4).astype(float)
    seen = np.where(rng.random((60, 4)) < 0.15, 1.0, truth)
    shares, options = best_of_n_items(seen, seen, 3), Options(chosen=Chosen(3, best=True))
    raw = estimate(seen, deployed=shares, gold=Gold(truth), ks=3, options=options)
    told = {one.code: one.message for one in raw.diagnostics}
    assert "as the verifier had them" in told["gold_uncorrected_reachable"]
    # Each item labelled, with what its choice truly earns: the figures are those of the truth, and no choice is counted
    # as one more candidate beside the pool.
    earned = best_of_n_items(truth, seen, 3)
    found = estimate(seen, deployed=shares, gold=Gold(truth, deployed=earned), ks=3, options=options)
    assert found.deployed.value == pytest.approx(earned.mean())
    assert found.reachable.value == pytest.approx(best_of_n_items(truth, truth, 3).mean())
