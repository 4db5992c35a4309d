"""Mean changes of which few units tell how much they vary: no false certainty, at 0, at 1 or between."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from akrasia.stats import paired_difference
from akrasia.stats.mean_change import added_share, mean_change


def _change(units: list[float], moved: int | None = None):
    values = np.array(units)
    return mean_change(float(values.mean()), values, float(values.var(ddof=1)) / len(values), moved)


def _half(units: list[float] | np.ndarray) -> float:
    low, high = _change(list(units)).interval(0.95)
    return (high - low) / 2


def test_by_hand_where_all_changed_alike():
    # Six of +1 with one at 3 and one at −1: mean 1, squares of deviations 8, so the variance of the mean is 8 / 8².
    # t(.975; 5) = 2.5706.
    found = _change([1.0] * 6)
    assert (found.value, found.degrees, found.moved) == (1, 5, 6)
    assert found.error == pytest.approx(np.sqrt(8) / 8)
    low, high = found.interval(0.95)
    assert low == pytest.approx(1 - 2.5706 * np.sqrt(8) / 8, abs=1e-4)
    assert high > 1  # cut off by who knows the range
    assert found.p == pytest.approx(0.0367, abs=1e-4)  # t = 2.828 with 5 degrees of freedom
    few = _change([1.0] * 5 + [0.0] * 15)
    assert few.p == 0.0625  # t says less: 5 that toss a coin agree in 2 of 32 cases
    assert few.interval(0.95)[0] == 0 < few.interval(0.9)[0]


def test_by_hand_where_some_moved():
    # Three of ten, by .5, −.5 and .4. Furthest² + unseen² = .25 + .75 · .7 / 4; deviations: .66 − .4² / 10 = .644.
    found = _change([0.5, -0.5, 0.4] + [0.0] * 7)
    assert found.error == pytest.approx(np.sqrt((0.644 + 2 * (0.25 + 0.75 * 0.7 / 4)) / 144))
    # By hand again where somebody else knows that two of them moved: 1 − 2/10 over 3.
    told = _change([0.5, -0.5, 0.4] + [0.0] * 7, moved=2)
    assert told.error == pytest.approx(np.sqrt((0.644 + 2 * (0.25 + 0.75 * 0.8 / 3)) / 144))
    assert (found.moved, told.moved) == (3, 2)


def test_nobody_moved_is_symmetric():
    found = _change([0.0] * 30)
    assert (found.value, found.p) == (0, 1)
    assert found.error == pytest.approx(np.sqrt(2) / 32)
    assert found.interval(0.95) == pytest.approx((-2.0452 * np.sqrt(2) / 32, 2.0452 * np.sqrt(2) / 32), abs=1e-4)


def test_all_by_little_is_all_by_1_on_a_smaller_scale():
    whole, part = _change([1.0] * 25), _change([1 / 19] * 25)
    assert (part.error, part.p) == pytest.approx((whole.error / 19, whole.p))


@pytest.mark.parametrize("count", [6, 12, 14, 40])
def test_one_unit_that_stays_changes_little(count: int):
    """Unit for unit set to 0: a guard that came in at a number of them made the interval ten times as wide at one."""
    changes = np.random.default_rng(count).normal(0.05, 0.05, count)
    halves = [_half(np.where(np.arange(count) < still, 0.0, changes)) for still in range(count + 1)]
    ratios = np.array(halves[1:]) / np.array(halves[:-1])
    assert ratios.min() > 0.8
    assert ratios[:-1].max() < 1.45  # the last to stay: half of what is known of how far they go
    assert ratios[-1] < 2
    assert halves[0] < 1.5 * 2.571 * changes.std(ddof=1) / np.sqrt(count) + 0.03


@given(
    changes=st.lists(st.integers(-100, 100).map(lambda part: part / 100), min_size=2, max_size=40),
    moved=st.integers(0, 40),
    one=st.integers(0, 39),
    by=st.floats(-1e-6, 1e-6),
)
def test_it_is_no_shorter_than_t_and_moves_with_the_data(changes: list[float], moved: int, one: int, by: float):
    found = _change(changes)
    assert found.error >= np.std(changes, ddof=1) / np.sqrt(len(changes)) - 1e-12
    assert _change(changes, moved).error >= found.error
    near = list(changes)
    near[one % len(near)] += by if abs(near[one % len(near)]) > 0.005 else 0.0
    assert _change(near).error == pytest.approx(found.error, rel=1e-3)
    assert _change([-change for change in changes]).p == pytest.approx(found.p)


@pytest.mark.parametrize("count", [20, 24, 30, 40])
@pytest.mark.parametrize("gain", [0.05, 0.5])
def test_an_even_split_is_no_exception(count: int, gain: float):
    halves = [_half([gain] * some + [0.0] * (count - some)) for some in range(count // 2 - 2, count // 2 + 3)]
    assert all(0.8 < after / before < 1.25 for before, after in pairwise(halves))


@pytest.mark.parametrize("count", [40, 2000])
def test_with_many_units_that_move_it_is_the_t_test(count: int):
    changes = np.random.default_rng(0).normal(0.05, 0.2, count)
    textbook = ttest_1samp(changes, 0.0)
    found = _change(list(changes))
    assert found.p == pytest.approx(textbook.pvalue, rel=1e-9)
    assert found.interval(0.95) == pytest.approx(tuple(textbook.confidence_interval(0.95)), rel=1e-9)


def test_units_tell_by_how_far_they_lie_from_the_median():
    assert added_share(np.zeros(9)) == added_share(np.full(9, 0.3)) == 1
    assert added_share(np.array([0.0] * 30 + [0.5])) == 1  # one tells
    assert added_share(np.array([1.0, -1.0] * 6)) == pytest.approx(14 / 15)  # 6 lie 2 from the others
    assert added_share(np.array([1.0, -1.0] * 6 + [0.0])) == pytest.approx(8 / 15)  # 12 lie 1 from that
    assert added_share(np.array([1.0, -1.0] * 20)) == 0
    # Distances 1, 2 and 3 of four each: 24² / 56 = 10.29.
    assert added_share(np.repeat([1.0, -2.0, 3.0, 0, 0, 0, -1, 2, -3, 0, 0], 2)) == pytest.approx((20 - 576 / 56) / 15)


@pytest.mark.parametrize(
    "units", [[1.0] * 5, [1.0] * 6, [0.5] * 8 + [0.0], [0.3, -0.1, 0.2], [0.0] * 4, [1.0] * 5 + [0.0] * 15]
)
@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.99])
def test_the_interval_leaves_0_out_exactly_when_p_is_small(units: list[float], level: float):
    found = _change(units)
    low, high = found.interval(level)
    assert low <= found.value <= high
    assert (low > 0 or high < 0) == (found.p < 1 - level)


def _coverage(families: int, pairs: int, up: float, down: float, worlds: int, *, together: bool) -> float:
    """How often the interval holds the truth when families, or their pairs one by one, gain or lose 1 or stay."""
    rng = np.random.default_rng(families + pairs)
    labels = np.repeat(np.arange(families), pairs)
    inside = 0
    for _ in range(worlds):
        chance = np.repeat(rng.random(families), pairs) if together else rng.random(families * pairs)
        change = (chance < up) * 1.0 - (chance > 1 - down)
        found = paired_difference(np.zeros_like(change), change, clusters=labels).difference
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= up - down <= found.high
    return inside / worlds


@pytest.mark.parametrize(("up", "down"), [(0.98, 0.02), (0.95, 0.0), (0.03, 0.0), (0.0, 0.97)])
@pytest.mark.parametrize("together", [True, False])
def test_families_that_all_but_agree_cover(up: float, down: float, together: bool):
    """Twenty families of five: without the added pair the interval held the truth in 18 to 60 of 100 such worlds."""
    assert _coverage(20, 5, up, down, 300, together=together) >= 0.91  # .95 less 3 standard errors of .0126


def _drawn(world: str, share: float, rng: np.random.Generator, shape: tuple[int, int]) -> tuple[np.ndarray, float]:
    """Changes of which a share is not 0, and their true mean."""
    sizes, mean = {
        "up or down by 1": lambda: (np.where(rng.random(shape) < 0.5, 1.0, -1.0), 0.0),
        "up or down by .5": lambda: (np.where(rng.random(shape) < 0.5, 0.5, -0.5), 0.0),
        "up by 1": lambda: (np.ones(shape), 1.0),
        "small": lambda: (rng.normal(0.05, 0.05, shape), 0.05),
        "uniform": lambda: (rng.random(shape), 0.5),
        "skewed": lambda: (rng.beta(0.5, 2, shape), 0.2),
    }[world]()
    return np.where(rng.random(shape) < share, sizes, 0.0), mean * share


@pytest.mark.slow
@pytest.mark.parametrize("world", ["up or down by 1", "up or down by .5", "up by 1", "small", "uniform", "skewed"])
@pytest.mark.parametrize("count", [6, 8, 10, 12, 15, 20, 30, 40, 60])
def test_it_covers_whatever_share_moves(world: str, count: int):
    """At least 94 % from 10 units on, and 92 % with 6 and 8: a t interval of a few values covers less than it says."""
    rng = np.random.default_rng(count)
    promised, worlds = 0.94 if count >= 10 else 0.92, 2000
    for share in (0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.0):
        changes, truth = _drawn(world, share, rng, (worlds, count))
        ends = np.array([_change(row).interval(0.95) for row in changes])
        seen = np.mean((ends[:, 0] - 1e-9 <= truth) & (truth <= ends[:, 1] + 1e-9))
        assert seen >= promised - 3 * np.sqrt(promised * (1 - promised) / worlds), share


@pytest.mark.slow
@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("pairs", [2, 10])
@pytest.mark.parametrize("families", [6, 10, 20, 50])
def test_they_cover_near_every_end(families: int, pairs: int, together: bool):
    """With few units a t interval of three values covers a little less than it says: 92 % is what is promised here."""
    for up, down in ((0, 0), (0.02, 0), (0.1, 0), (0.9, 0), (0.98, 0), (0.9, 0.1), (0.98, 0.02), (0.99, 0.01), (1, 0)):
        seen = _coverage(families, pairs, up, down, 1000, together=together)
        assert seen >= 0.92 - 3 * np.sqrt(0.92 * 0.08 / 1000), (up, down)
