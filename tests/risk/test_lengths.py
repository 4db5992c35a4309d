from __future__ import annotations

import math
import re
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from akrasia.core.errors import InputError, Undefined
from akrasia.risk import LengthSweep, length_sweep

LENGTHS = np.array([0, 64, 128, 256, 512, 1024, 2048.0])
Curve = Callable[[np.ndarray], np.ndarray]


def codes(sweep: LengthSweep) -> list[str]:
    return [diagnostic.code for diagnostic in sweep.diagnostics]


def exponential(floor: float, fall: float, scale: float) -> Curve:
    """Deployed utility where everything is reachable."""
    return lambda lengths: 1 - floor - fall * np.exp(-lengths / scale)


def draw(curve: Curve, items: int, rng: np.random.Generator, *, families: int | None = None) -> np.ndarray:
    """Eight candidates an item and length; items (or families of them) differ in difficulty, alike at all lengths."""
    shift = rng.normal(0, 0.15, families or items)
    own = shift if families is None else np.repeat(shift, items // families)
    return rng.binomial(8, np.clip(curve(LENGTHS) + own[:, None], 0, 1)) / 8


def sweep(deployed: np.ndarray, seed: int = 0, **options: object) -> LengthSweep:
    return length_sweep(LENGTHS, deployed, np.ones(len(deployed)), np.random.default_rng(seed), **options)


class TestByHand:
    # Two items, reachable 1 and 0.5. Risk by item: (1, 0.5, 0.25, 0.25) and (0.5, 0.5, 0.25, 0.25).
    LENGTHS = (0, 10, 20, 40)
    DEPLOYED = ((0.0, 0.5, 0.75, 0.75), (0.0, 0.0, 0.25, 0.25))
    REACHABLE = (1.0, 0.5)

    def test_points_and_steps(self) -> None:
        found = length_sweep(self.LENGTHS, self.DEPLOYED, self.REACHABLE, np.random.default_rng(0))
        assert [point.length for point in found.points] == [0, 10, 20, 40]
        assert [point.risk.value for point in found.points] == [0.75, 0.5, 0.25, 0.25]
        assert [point.deployed.value for point in found.points] == [0, 0.25, 0.5, 0.5]
        # per token: (0.5 − 0.75) / 10, (0.25 − 0.5) / 10, 0 / 20
        assert [step.marginal.value for step in found.steps] == pytest.approx([-0.025, -0.025, 0])
        # First step: −0.05 and 0 per token, mean −0.025, standard error 0.025; t with one degree of freedom: 12.706.
        assert found.steps[0].marginal.low == pytest.approx(-0.025 - 12.706 * 0.025, abs=1e-4)
        # Second step: −0.025 in both items, so no spread at all.
        assert found.steps[1].marginal.half_width == pytest.approx(0)

    def test_lengths_may_come_in_any_order(self) -> None:
        order = [2, 0, 3, 1]
        deployed = np.array(self.DEPLOYED)[:, order]
        shuffled = length_sweep(np.array(self.LENGTHS)[order], deployed, self.REACHABLE, np.random.default_rng(0))
        assert shuffled == length_sweep(self.LENGTHS, self.DEPLOYED, self.REACHABLE, np.random.default_rng(0))

    def test_items_that_miss_anything_are_left_out_and_counted(self) -> None:
        deployed = [*self.DEPLOYED, (0.1, math.nan, 0.1, 0.1), (0.1, 0.1, 0.1, 0.1)]
        found = length_sweep(
            self.LENGTHS, deployed, (*self.REACHABLE, 1, math.nan), np.random.default_rng(0), clusters=list("abcd")
        )
        assert found.items == 2
        assert [point.risk.value for point in found.points] == [0.75, 0.5, 0.25, 0.25]
        assert "incomplete_items" in codes(found)
        assert "2 of 4 items" in found.diagnostics[0].message

    def test_an_exact_curve_gives_its_parameters_back_but_no_interval(self) -> None:
        deployed = np.tile(exponential(0.1, 0.4, 100)(LENGTHS), (5, 1))
        found = sweep(deployed)
        assert found.shape == "falling"
        assert found.fit is not None
        assert found.fit.floor.value == pytest.approx(0.1, abs=1e-3)
        assert found.fit.fall.value == pytest.approx(0.4, abs=1e-3)
        assert found.fit.scale.value == pytest.approx(100, rel=0.01)
        # −fall / scale at 0, and at 1024 its e^(−10.24)th part
        assert found.fit.marginal[0].value == pytest.approx(-0.004, rel=0.01)
        assert found.fit.marginal[5].value == pytest.approx(-0.004 * math.exp(-10.24), rel=0.15)
        # 90 % of the fall is made where exp(−L / 100) = 0.1: L = 100 ln 10 = 230.26
        assert found.knee is not None
        assert found.knee.value == pytest.approx(230.26, rel=0.01)
        assert (found.knee.low, found.knee.high, found.p) == (None, None, None)
        assert codes(found) == ["no_spread"]


class TestKnownWorlds:
    def test_the_knee_is_found(self) -> None:
        found = sweep(draw(exponential(0.2, 0.4, 150), 300, np.random.default_rng(1)))
        truth = 150 * math.log(10)  # 345
        assert found.shape == "falling"
        assert found.p is not None
        assert found.p < 0.001
        assert found.knee is not None
        assert found.knee.low < truth < found.knee.high
        assert found.knee.high - found.knee.low < truth
        assert found.fit is not None
        assert found.fit.fall.low < 0.4 < found.fit.fall.high
        assert found.fit.misfit < 0.03
        assert found.diagnostics == ()

    def test_no_effect_has_no_knee(self) -> None:
        found = sweep(draw(lambda lengths: np.full(len(lengths), 0.5), 200, np.random.default_rng(2)))
        assert (found.shape, found.knee, codes(found)) == ("flat", None, ["no_effect"])
        assert found.p is not None
        assert found.p > 0.05

    def test_the_same_utility_everywhere_has_no_knee(self) -> None:
        found = sweep(np.full((20, 7), 0.25))
        assert (found.shape, found.knee, found.p, codes(found)) == ("flat", None, None, ["no_effect"])

    def test_rising_risk_says_so(self) -> None:
        found = sweep(draw(exponential(0.6, -0.4, 150), 200, np.random.default_rng(3)))
        assert (found.shape, found.knee, codes(found)) == ("rising", None, ["rising_risk"])
        assert found.fit is not None
        assert found.fit.fall.high is not None
        assert found.fit.fall.high < 0

    def test_a_risk_that_turns_has_no_knee(self) -> None:
        best_at_256 = draw(
            lambda x: 0.4 + 0.3 * np.exp(-((np.log2(x + 32) - 8) ** 2) / 2), 200, np.random.default_rng(4)
        )
        found = sweep(best_at_256)
        assert (found.shape, found.knee, codes(found)) == ("other", None, ["poor_fit"])

    def test_a_fall_that_goes_on_beyond_the_sweep(self) -> None:
        found = sweep(draw(exponential(0.1, 0.6, 2000), 300, np.random.default_rng(5)))  # knee at 4605
        assert (found.shape, found.knee, codes(found)) == ("falling", None, ["knee_beyond"])
        assert "beyond 2048 tokens, and its interval begins at" in found.diagnostics[0].message

    def test_a_knee_beyond_the_sweep_may_have_an_interval_that_begins_within(self) -> None:
        found = sweep(draw(exponential(0.1, 0.6, 980), 300, np.random.default_rng(5)))  # knee at 2257
        assert (found.knee, codes(found)) == (None, ["knee_beyond"])
        said = re.search(r"lies beyond 2048 tokens, and its interval begins at (\d+)\.", found.diagnostics[0].message)
        assert said is not None
        assert int(said[1]) < 2048

    def test_a_fall_that_is_over_before_the_first_length(self) -> None:
        found = sweep(draw(exponential(0.2, 0.4, 8), 300, np.random.default_rng(6)))  # knee at 18
        assert (found.shape, found.knee, codes(found)) == ("falling", None, ["knee_before"])
        assert "at most" in found.diagnostics[0].message

    def test_clusters_widen(self) -> None:
        deployed = draw(exponential(0.2, 0.4, 150), 300, np.random.default_rng(7), families=20)
        alone, together = sweep(deployed), sweep(deployed, clusters=np.repeat(np.arange(20), 15))
        assert (alone.clusters, together.clusters) == (300, 20)
        wide, narrow = together.points[0].risk.half_width, alone.points[0].risk.half_width
        assert wide is not None
        assert narrow is not None
        assert wide > 1.5 * narrow

    def test_the_same_seed_gives_the_same_record(self) -> None:
        deployed = draw(exponential(0.2, 0.4, 150), 50, np.random.default_rng(8))
        assert sweep(deployed, 3) == sweep(deployed, 3)


class TestTooLittle:
    def test_three_lengths_show_no_shape(self) -> None:
        found = length_sweep([0, 64, 128], np.full((9, 3), 0.5), np.ones(9), np.random.default_rng(0))
        assert (found.shape, found.fit, found.knee, codes(found)) == ("unknown", None, None, ["no_curve"])
        assert len(found.points) == 3

    def test_one_cluster(self) -> None:
        found = sweep(np.full((3, 7), 0.5), clusters=["a", "a", "a"])
        assert (found.shape, found.knee, codes(found)) == ("unknown", None, ["no_curve"])

    def test_no_item_is_complete(self) -> None:
        with pytest.raises(Undefined, match="no item is known at every length"):
            sweep(np.full((3, 7), np.nan))

    @pytest.mark.parametrize(
        ("lengths", "deployed", "reachable", "said"),
        [
            ([0, 64], [[0.5]], [1], "deployed must be"),
            ([0], [[0.5]], [1, 1], "reachable must be"),
            ([0, 0], [[0.5, 0.5]], [1], "different numbers"),
            ([-1, 0], [[0.5, 0.5]], [1], "0 or more"),
            ([0, 64], [[0.5, 1.5]], [1], r"deployed holds a utility outside \[0, 1\]"),
            ([0, 64], [[0.5, 0.5]], [2], r"reachable holds a utility outside \[0, 1\]"),
        ],
    )
    def test_refusals(self, lengths: list[int], deployed: list[list[float]], reachable: list[int], said: str) -> None:
        with pytest.raises(InputError, match=said):
            length_sweep(lengths, deployed, reachable, np.random.default_rng(0))

    def test_clusters_of_another_length(self) -> None:
        with pytest.raises(InputError, match="clusters must be 3 labels"):
            sweep(np.full((3, 7), 0.5), clusters=["a", "b"])


@given(arrays(np.float64, (12, 5), elements=st.floats(0, 1, width=16)), st.integers(0, 3))
def test_whatever_the_data_the_record_is_sound(deployed: np.ndarray, seed: int) -> None:
    lengths = np.array([0, 32, 64, 128, 256])
    found = length_sweep(lengths, deployed, np.ones(12), np.random.default_rng(seed), resamples=200)
    assert (found.knee is not None) <= (found.shape == "falling")
    if found.knee is not None:
        assert 32 <= found.knee.value <= 256
    else:
        assert {"no_effect", "rising_risk", "poor_fit", "knee_beyond", "knee_before"} & set(codes(found))
    # Utilities halved: the means and steps halve with them (the risk is 1 − u, its change is linear in u).
    halved = length_sweep(lengths, deployed / 2, np.full(12, 0.5), np.random.default_rng(seed), resamples=200)
    for one, half in zip(found.points, halved.points, strict=True):
        assert half.risk.value == pytest.approx(one.risk.value / 2)
    for step, half_step in zip(found.steps, halved.steps, strict=True):
        assert half_step.marginal.value == pytest.approx(step.marginal.value / 2, abs=1e-12)


@pytest.mark.slow
def test_coverage_of_the_knee_and_size_of_the_test() -> None:
    """1,000 worlds each; Monte Carlo error at most 0.009."""
    rng = np.random.default_rng(20)
    truth = 150 * math.log(10)
    covered = given_knees = found_effect = 0
    for world in range(1000):
        found = sweep(draw(exponential(0.2, 0.4, 150), 200, rng), world, resamples=500)
        if found.knee is not None:
            given_knees += 1
            covered += found.knee.low <= truth <= (found.knee.high or math.inf)
        nothing = sweep(draw(lambda lengths: np.full(len(lengths), 0.5), 200, rng), world, resamples=500)
        found_effect += nothing.shape != "flat"
    assert given_knees > 980
    assert covered / given_knees > 0.92
    assert found_effect / 1000 < 0.07
