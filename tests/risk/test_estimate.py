from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from akrasia.core.errors import InputError, Undefined
from akrasia.risk import Options, estimate, self_consistency

REFERENCE = Path(__file__).parent.parent / "data" / "reference"

PLAIN = Options(extrapolate=False)

grids = st.integers(1, 6).flatmap(lambda k: arrays(float, (4, k), elements=st.sampled_from([0.0, 0.25, 0.5, 1.0])))


def test_by_hand():
    # Items (0, 1), (1, 1), (0, 0): means .5, 1, 0; maxima 1, 1, 0.
    result = estimate([[0, 1], [1, 1], [0, 0]])
    assert result.deployed.value == pytest.approx(1 / 2)
    assert result.reachable.value == pytest.approx(2 / 3)
    assert result.risk.value == pytest.approx(1 / 6)
    assert [point.k for point in result.curve] == [1, 2]
    assert result.items == 3
    assert result.candidates == 6
    assert result.k == 2


def test_a_greedy_deployment_by_hand():
    # Deployed 1, 0 beside the pools (0, 0) and (1, 0). k = 1: max(0, 1) = 1; half of the draws reach 1 → .5.
    result = estimate([[0, 0], [1, 0]], deployed=[1, 0], ks=[1, 2])
    first, second = result.curve
    assert first.reachable.value == pytest.approx(0.75)
    assert first.risk.value == pytest.approx(0.25)
    assert second.risk.value == pytest.approx(0.5)


@given(grids)
def test_one_candidate_or_equal_utilities_lose_nothing(utilities):
    assert estimate(utilities, ks=1, options=PLAIN).risk.value == pytest.approx(0)
    equal = np.repeat(utilities[:, :1], 3, axis=1)
    assert estimate(equal, options=PLAIN).risk.value == pytest.approx(0)


@given(grids)
def test_risk_is_never_negative_and_reachable_never_falls(utilities):
    result = estimate(utilities, options=PLAIN)
    assert all(point.risk.value >= 0 for point in result.curve)
    reachable = [point.reachable.value for point in result.curve]
    assert np.all(np.diff(reachable) >= -1e-12)
    for point in result.curve:
        assert point.risk.low - 1e-12 <= point.risk.value <= point.risk.high + 1e-12


@given(grids, st.randoms(use_true_random=False))
def test_order_does_not_matter(utilities, random):
    rows = list(range(len(utilities)))
    columns = list(range(utilities.shape[1]))
    random.shuffle(rows)
    random.shuffle(columns)
    one, two = (estimate(grid, options=PLAIN) for grid in (utilities, utilities[rows][:, columns]))
    assert one.risk.value == pytest.approx(two.risk.value)
    assert one.risk.high == pytest.approx(two.risk.high)


@given(grids, st.floats(0.05, 1), st.floats(0, 1))
def test_risk_scales_with_the_utility(utilities, scale, shift):
    assume(scale + shift <= 1)
    scaled = np.clip(scale * utilities + shift, 0, 1)
    one, two = (estimate(grid, options=PLAIN) for grid in (utilities, scaled))
    for a, b in zip(one.curve, two.curve, strict=True):
        assert b.risk.value == pytest.approx(scale * a.risk.value, abs=1e-9)


def test_agrees_with_the_reference_code_where_it_must():
    utilities = np.load(REFERENCE / "utilities.npy")
    published = json.loads((REFERENCE / "reference_code.json").read_text())
    result = estimate(utilities)
    assert result.items == published["items"]
    assert result.deployed.value == pytest.approx(published["deployed"])
    assert result.reachable.value == pytest.approx(published["reachable_64"])
    assert result.risk.value == pytest.approx(published["risk_64"])
    # Its bootstrap of 2.5–97.5 % percentiles over items; ours draws other resamples.
    boot = estimate(utilities, ks=64, options=Options(method="bootstrap")).risk
    assert boot.low == pytest.approx(published["bootstrap_risk_64"]["ci_low"], abs=0.004)
    assert boot.high == pytest.approx(published["bootstrap_risk_64"]["ci_high"], abs=0.004)


def test_first_columns_are_one_noisy_draw_of_our_curve():
    utilities = np.load(REFERENCE / "utilities.npy")
    published = json.loads((REFERENCE / "reference_code.json").read_text())["first_columns"]
    curve = {point.k: point.reachable.value for point in estimate(utilities).curve}
    rng = np.random.default_rng(0)
    for name, theirs in published.items():
        k = int(name)
        draws = [rng.permuted(utilities, axis=1)[:, :k].max(axis=1).mean() for _ in range(200)]
        assert np.mean(draws) == pytest.approx(curve[k], abs=4 * np.std(draws) / np.sqrt(200) + 1e-9)
        assert abs(theirs["reachable"] - curve[k]) <= 4 * np.std(draws) + 1e-9


def test_self_consistency_against_the_reference():
    utilities, answers = (np.load(REFERENCE / f"{name}.npy") for name in ("utilities", "answers"))
    published = json.loads((REFERENCE / "reference_code.json").read_text())["self_consistency_with_replacement"]
    for n in (1, 4, 8, 16):
        theirs = published[str(n)]
        ours = self_consistency(utilities, answers, n).value
        assert abs(ours - theirs["mean_of_5_seeds"]) <= 3 * theirs["sd_between_seeds"]


def test_the_record_is_the_interface():
    record = msgspec.to_builtins(estimate([[0, 1, 1], [1, 1, 0], [0, 0, 0]]).record())
    assert set(record["deployed"]) >= {"value", "low", "high"}
    assert set(record["curve"][0]) == {
        "k",
        "reachable",
        "reachable_low",
        "reachable_high",
        "risk",
        "risk_low",
        "risk_high",
    }
    assert set(record["error_budget"]) == {"finite_candidates", "finite_items", "verifier"}
    stages = [stage["stage"] for stage in record["waterfall"]]
    assert stages[0] == "deployed"
    assert stages[-1] == "perfect"
    assert json.loads(msgspec.json.encode(record)) == json.loads(json.dumps(record))


def test_missing_is_never_zero():
    whole = estimate([[0, 1], [1, 1], [0, 0]])
    holed = estimate([[0, 1, None], [1, 1, None], [0, 0, None]])
    assert holed.deployed.value == whole.deployed.value
    assert holed.missing == 3
    assert holed.missing_bounds.deployed.worst < holed.deployed.value < holed.missing_bounds.deployed.best
    assert whole.missing_bounds is None
    assert [d.code for d in holed.diagnostics][:1] == ["missing"]


def test_an_item_without_any_measurement_is_left_out_and_counted():
    result = estimate([[0, 1], [None, None], [1, 1]])
    assert result.items == 2
    assert result.candidates == 6
    assert result.deployed.value == 0.75
    assert "1 item has no measured candidate and is left out" in result.diagnostics[0].message
    # The lost item may have held anything: deployed between (.5 + 0 + 1)/3 and (.5 + 1 + 1)/3.
    assert result.missing_bounds.deployed.worst == pytest.approx(0.5)
    assert result.missing_bounds.deployed.best == pytest.approx(2.5 / 3)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.float16, np.float32, bool])
def test_any_real_type(dtype):
    utilities = (np.random.default_rng(0).random((30, 5)) < 0.4).astype(dtype)
    assert estimate(utilities).risk == estimate(utilities.astype(float)).risk


def test_counting_alike_items_changes_nothing():
    utilities = (np.random.default_rng(0).random((5000, 6)) < np.random.default_rng(1).random((5000, 1))).astype(float)
    counted = estimate(utilities)
    rowwise = estimate(utilities, weights=np.ones(5000))
    assert counted.items == 5000
    for a, b in zip(counted.curve, rowwise.curve, strict=True):
        assert a.risk.value == pytest.approx(b.risk.value)
        assert a.risk.low == pytest.approx(b.risk.low)
    deployed = utilities[:, 0]
    assert estimate(utilities[:, 1:], deployed=deployed).risk.high == pytest.approx(
        estimate(utilities[:, 1:], deployed=deployed, weights=np.ones(5000)).risk.high
    )


def test_clusters_widen_the_interval():
    rng = np.random.default_rng(3)
    clusters = np.repeat(np.arange(40), 10)
    chance = np.repeat(rng.random(40), 10)[:, None]
    utilities = (rng.random((400, 8)) < chance).astype(float)
    alone, joined = estimate(utilities, ks=8), estimate(utilities, ks=8, clusters=clusters)
    assert joined.deployed.half_width > 2 * alone.deployed.half_width
    assert joined.clusters == 40


def test_weights_are_hajek():
    result = estimate([[0, 1], [1, 1]], weights=[3, 1])
    assert result.deployed.value == pytest.approx((3 * 0.5 + 1) / 4)


def test_seeds_average_the_curves_within_seeds():
    # Seeds a = columns 0, 1 and b = columns 2, 3. Reachable@2: item 1: (1, 0), item 2: (1, 1) → (.5 + 1) / 2.
    result = estimate([[1, 0, 0, 0], [1, 1, 0, 1]], seeds=["a", "a", "b", "b"])
    assert result.k == 2
    assert result.reachable.value == pytest.approx(0.75)
    assert result.deployed.value == pytest.approx((0.25 + 0.75) / 2)


def test_the_waterfall_names_a_harmful_verifier():
    utilities = np.tile([0.0, 0.0, 1.0, 1.0], (30, 1))
    good = estimate(utilities, verifier=utilities)
    assert [stage.stage for stage in good.waterfall][:3] == ["deployed", "recoverable", "reachable"]
    assert good.waterfall[1].value == pytest.approx(good.reachable.value)
    bad = estimate(utilities, verifier=-utilities)
    assert bad.waterfall[1].value < bad.deployed.value
    assert "verifier harms" in bad.waterfall[1].note
    assert "verifier_harms" in [d.code for d in bad.diagnostics]


def test_bootstrap_is_reproducible():
    utilities = np.random.default_rng(0).random((50, 4))
    options = Options(method="bootstrap", seed=5)
    assert estimate(utilities, options=options) == estimate(utilities, options=options)
    other = estimate(utilities, options=Options(method="bootstrap", seed=6))
    assert other.risk.low != estimate(utilities, options=options).risk.low


@pytest.mark.parametrize(
    ("utilities", "keywords", "error", "message"),
    [
        ([], {}, Undefined, "no items"),
        (np.zeros((0, 4)), {}, Undefined, "no items"),
        (np.zeros((4, 0)), {}, Undefined, "K = 0"),
        ([[None, None]], {}, Undefined, "missing"),
        ([[0, 1.5]], {}, InputError, "item 0, candidate 1"),
        ([[0, -0.1]], {}, InputError, "rescale"),
        ([[0, float("inf")]], {}, InputError, "rescale"),
        ([["a", 1]], {}, InputError, "numbers"),
        (np.zeros(3), {}, InputError, "two-dimensional"),
        ([[0, 1]], {"ks": 3}, InputError, "only 2"),
        ([[0, 1]], {"ks": 0}, InputError, "at least 1"),
        ([[0, 1]], {"ks": []}, InputError, "empty"),
        ([[0, 1]], {"deployed": [0, 1]}, InputError, "deployed"),
        ([[0, 1]], {"deployed": [2]}, InputError, "deployed"),
        ([[0, 1]], {"clusters": ["a", "b"]}, InputError, "clusters"),
        ([[0, 1]], {"seeds": [0]}, InputError, "seeds"),
        ([[0, 1]], {"level": 0}, InputError, "level"),
        ([[0, 1]], {"verifier": [[0]]}, InputError, "verifier"),
    ],
)
def test_bad_input_is_refused(utilities, keywords, error, message):
    with pytest.raises(error, match=message):
        estimate(utilities, **keywords)


def test_drawing_half_of_the_pool_with_replacement_is_another_figure():
    """32 of 64 with replacement hold about 25 different votes: a noisier majority than that of 32 candidates."""
    utilities, answers = (np.load(REFERENCE / f"{name}.npy") for name in ("utilities", "answers"))
    published = json.loads((REFERENCE / "reference_code.json").read_text())["self_consistency_with_replacement"]["32"]
    ours = self_consistency(utilities, answers, 32).value
    assert ours - published["mean_of_5_seeds"] > 2 * published["sd_between_seeds"]
    distinct = 64 * (1 - (1 - 1 / 64) ** 32)
    assert distinct == pytest.approx(25.3, abs=0.1)
    fewer = self_consistency(utilities, answers, 25).value
    assert published["mean_of_5_seeds"] < fewer < ours
