"""What a missing verifier's value takes away: the stage that rests on it, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from akrasia.core.errors import InputError
from akrasia.risk import Estimate, Options, best_of_n, estimate


def stage(found: Estimate) -> tuple[float, str] | None:
    return next(((one.value, one.note) for one in found.waterfall if one.stage == "recoverable"), None)


def told(found: Estimate) -> str:
    return "".join(one.message for one in found.diagnostics if one.code == "verifier_missing")


def test_utilities_stay_where_the_verifier_said_nothing() -> None:
    utilities = [[1, 0, 1], [0, 0, 1], [1, 1, 0]]
    plain = estimate(utilities)
    found = estimate(utilities, verifier=[[0.5, 0.1, None], [0.2, 0.3, 0.9], [0.1, 0.9, 0.2]])
    for name in ("items", "candidates", "missing", "k", "deployed", "reachable", "risk", "curve", "missing_bounds"):
        assert getattr(found, name) == getattr(plain, name)
    assert found.k == 3
    assert "missing" not in {one.code for one in found.diagnostics}
    # Of three candidates the verifier takes the third of item 2 (right) and the second of item 3 (right).
    value, note = stage(found) or (None, "")
    assert (value, note) == (1.0, "not cross-fitted; of 2 of 3 items")
    assert (
        "1 of 9 candidates have no verifier value: recoverable rests on the 2 of 3 items with 3 that have one"
        in told(found)
    )
    assert "every other figure rests on all utilities" in told(found)


def test_with_a_smaller_k_all_items_have_enough() -> None:
    utilities = [[1, 0, 1], [0, 0, 1]]
    found = estimate(utilities, ks=2, verifier=[[0.5, 0.1, None], [0.2, 0.3, 0.9]])
    by_hand = best_of_n([[1, 0], [0, 0, 1]], [[0.5, 0.1], [0.2, 0.3, 0.9]], 2).value
    assert stage(found) == (pytest.approx(by_hand), "not cross-fitted")
    assert "recoverable chooses among the others" in told(found)


def test_a_stage_that_no_item_has_enough_for_is_left_out() -> None:
    found = estimate([[1, 0], [0, 1]], verifier=[[0.5, None], [None, None]])
    assert stage(found) is None
    assert "3 of 4 candidates have no verifier value: recoverable is left out" in told(found)
    assert found.risk.value == estimate([[1, 0], [0, 1]]).risk.value


def test_harm_is_told_on_the_items_of_the_stage() -> None:
    """The easy items have no verifier's values: on the hard ones it takes what is better than a draw of these."""
    hard, easy = np.tile([0.0, 0.0, 0.0, 1.0], (20, 1)), np.ones((60, 4))
    scores = np.vstack([hard, np.full((60, 4), np.nan)])
    found = estimate(np.vstack([hard, easy]), ks=2, verifier=scores)
    value, note = stage(found) or (None, "")
    assert value == pytest.approx(0.5)  # below the 0.8125 deployed over all items, above the 0.25 of these
    assert "harms" not in note
    assert "verifier_harms" not in {one.code for one in found.diagnostics}
    worse = estimate(np.vstack([hard, easy]), ks=2, verifier=-scores)
    assert "verifier harms" in (stage(worse) or (0, ""))[1]
    assert "verifier_harms" in {one.code for one in worse.diagnostics}


def test_clusters_and_weights_are_those_of_the_items_that_enter() -> None:
    rng = np.random.default_rng(4)
    utilities = (rng.random((40, 4)) < 0.5).astype(float)
    scores = utilities + rng.normal(0, 0.5, utilities.shape)
    scores[10:20, 0] = np.nan
    clusters, weights = np.arange(40) // 2, 1.0 + np.arange(40) % 3
    found = estimate(utilities, verifier=scores, clusters=clusters, weights=weights)
    rows = np.r_[0:10, 20:40]
    alone = estimate(utilities[rows], verifier=scores[rows], clusters=clusters[rows], weights=weights[rows])
    ends = [next(one for one in each.waterfall if one.stage == "recoverable") for each in (found, alone)]
    assert (ends[0].value, ends[0].low, ends[0].high) == pytest.approx((ends[1].value, ends[1].low, ends[1].high))


def test_missing_at_random_leaves_the_stage_where_it_is() -> None:
    """300 items, a tenth of the values missing: the stage is within four standard errors of the whole."""
    rng = np.random.default_rng(7)
    right = rng.random((300, 1))
    utilities = (rng.random((300, 4)) < right).astype(float)
    scores = utilities + rng.normal(0, 0.7, utilities.shape)
    whole = stage(estimate(utilities, verifier=scores))
    part = stage(estimate(utilities, verifier=np.where(rng.random(scores.shape) < 0.1, np.nan, scores)))
    assert whole is not None
    assert part is not None
    assert abs(whole[0] - part[0]) < 4 * 0.5 / np.sqrt(190)


def test_a_second_judge_that_said_nothing_of_some_is_crossed_on_the_others() -> None:
    rng = np.random.default_rng(3)
    first, second = rng.random((40, 4)), rng.random((40, 4))
    gaps = second.copy()
    gaps[:10, 2] = np.nan
    found = estimate(first, verifier=gaps, options=Options(cross_fit=True))
    alone = estimate(first[10:], verifier=second[10:], options=Options(cross_fit=True))
    assert found.cross_fit is not None
    assert alone.cross_fit is not None
    assert found.cross_fit.recoverable == alone.cross_fit.recoverable
    assert found.deployed == estimate(first).deployed
    with pytest.raises(InputError, match="nothing to cross-fit"):
        estimate(first, options=Options(cross_fit=True))


def test_labels_of_all_candidates_correct_all_but_a_stage_with_gaps() -> None:
    rng = np.random.default_rng(5)
    truth = (rng.random((80, 4)) < 0.4).astype(float)
    gold = np.full(truth.shape, np.nan)
    gold[:50] = truth[:50]
    scores = truth + rng.normal(0, 0.3, truth.shape)
    assert stage(estimate(truth, gold=gold, verifier=scores)) is not None
    scores[3, 1] = np.nan
    found = estimate(truth, gold=gold, verifier=scores)
    assert stage(found) is None
    assert "recoverable is left out" in told(found)
    assert found.corrected == ("deployed", "reachable", "risk")
