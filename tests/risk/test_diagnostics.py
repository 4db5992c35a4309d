from __future__ import annotations

import numpy as np
import pytest

from akrasia.core.errors import InputError
from akrasia.risk import Notes, Options, estimate, shared_target


def codes(result):
    return {diagnostic.code: diagnostic for diagnostic in result.diagnostics}


def test_all_zero_is_degenerate_and_not_risk_zero():
    result = estimate(np.zeros((20, 4)))
    assert codes(result)["degenerate"].severity == "error"
    assert result.diagnostics[0].severity == "error"
    assert result.record().risk is None
    assert result.record().deployed.value == 0


def test_all_right_keeps_its_risk_of_zero():
    result = estimate(np.ones((20, 4)))
    assert {"degenerate", "ceiling"} <= set(codes(result))
    assert result.record().risk.value == 0


def test_a_healthy_pool_has_nothing_to_say():
    rng = np.random.default_rng(0)
    assert codes(estimate((rng.random((50, 6)) < 0.5).astype(float))) == {}


def test_the_constant_answer_is_read_off_the_pool():
    # "4" is right on two of three items: taken from one of them, it is right on one of the two others.
    result = estimate([[1, 0], [1, 0], [0, 0]], answers=[["4", "7"], ["4", "8"], ["4", "9"]])
    found = codes(result)["constant_answer"]
    assert "'4' earns 0.500 on the items that it was not taken from" in found.message
    # deployed 1/3, best of two 2/3
    assert found.severity == "warning"
    luck = estimate([[1, 0]] * 3, answers=[["4", "7"], ["4", "8"], ["4", "9"]])
    assert codes(luck)["constant_answer"].severity == "error"


def test_the_constant_answer_is_one_number_from_targets_and_from_answers():
    targets = ["8", "8", "8", "3", "5"]
    # Three of five items say 8: taken from one, right on two of the four others.
    assert shared_target(targets) == (0.5, "8")
    answers = [[target, "0"] for target in targets]
    utilities = [[1, 0]] * 5
    read_off = codes(estimate(utilities, answers=answers))["constant_answer"]
    from_targets = codes(estimate(utilities, options=Options(notes=Notes(constant=shared_target(targets)))))
    assert read_off.message == from_targets["constant_answer"].message
    assert "'8' earns 0.500" in read_off.message


def test_six_different_targets_have_no_constant_answer():
    assert shared_target(["1", "2", "3", "4", "5", "6"])[0] == 0
    message = codes(estimate([[1, 0]] * 6, answers=[[str(i), "x"] for i in range(6)]))["constant_answer"].message
    assert "no answer is seen right on two items" in message
    assert shared_target(["1"]) is None


def test_equal_means_by_accident_are_not_certainty():
    result = estimate([[1, 0]] * 12)
    # Wilson with n = 12, t(.975; 11) = 2.201: 1/2 ± t·sqrt(1/48 + t²/576)/(1 + t²/12), that is 0.268.
    assert result.deployed.value == 0.5
    assert result.deployed.low == pytest.approx(0.232, abs=5e-4)
    assert result.deployed.high == pytest.approx(0.768, abs=5e-4)
    assert result.risk.low == pytest.approx(0.232, abs=5e-4)
    assert codes(result)["no_spread"].severity == "warning"
    resampled = estimate([[1, 0]] * 12, options=Options(method="bootstrap", resamples=200))
    assert resampled.deployed.low == result.deployed.low


def test_clusters_with_equal_means_are_not_certainty():
    utilities = [[1, 1], [0, 0]] * 10
    result = estimate(utilities, clusters=np.repeat(np.arange(10), 2))
    assert result.deployed.low < 0.3
    assert "no_spread" in codes(result)


def test_one_utility_throughout_is_degenerate_and_not_spreadless():
    result = estimate(np.full((12, 2), 0.5))
    assert "no_spread" not in codes(result)
    assert "degenerate" in codes(result)
    # That twelve items are all worth a half is no certainty about the next: Wilson with n = 12, as above.
    assert (result.deployed.low, result.deployed.high) == pytest.approx((0.232, 0.768), abs=5e-4)
    resampled = estimate(np.full((12, 2), 0.5), options=Options(method="bootstrap", resamples=200))
    assert resampled.deployed == result.deployed
    assert "no_spread" not in codes(estimate([[1, 0], [1, 1]] * 6))


def test_integer_classes_are_not_compared_across_items():
    assert "constant_answer" not in codes(estimate([[1, 0], [1, 0]], answers=np.array([[0, 1], [0, 1]])))


def test_chance_counts_the_guesses():
    # With chance .25 the best of 4 guesses earns 1 − .75⁴ = .684; the pool reaches .5.
    utilities = np.tile([0.0, 0.0, 1.0, 0.0], (20, 1))
    utilities[::2] = 0
    found = codes(estimate(utilities, options=Options(notes=Notes(chance=0.25))))["chance"]
    assert "0.684" in found.message
    assert found.severity == "error"
    with pytest.raises(InputError):
        estimate(utilities, options=Options(notes=Notes(chance=2)))


def test_parse_failures_truncation_and_duplicates():
    notes = Notes(truncated=3, texts=[["a", "a"], ["b", "c"]])
    result = estimate([[0, 1], [1, 0]], answers=[["x", ""], ["y", "z"]], options=Options(notes=notes))
    found = codes(result)
    assert "1 of 4" in found["parse_failures"].message
    assert found["parse_failures"].severity == "warning"
    assert "3 of 4" in found["truncated"].message
    assert "1 of 4" in found["duplicates"].message


def test_floor_and_ragged():
    utilities = [[0.0] * 4] * 60 + [[0, 0, 0, 1, 0]]
    found = codes(estimate(utilities))
    assert "floor" in found
    assert "4 to 5" in found["ragged"].message


def test_one_candidate_has_no_alternative():
    found = codes(estimate([[1], [0], [1]]))
    assert "one_candidate" in found
    # A greedy candidate beside one draw does have one.
    assert "one_candidate" not in codes(estimate([[1], [0], [1]], deployed=[0, 0, 1]))
