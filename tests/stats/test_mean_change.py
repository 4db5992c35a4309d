"""Mean changes of which few units tell how much they vary: no false certainty, at 0, at 1 or between."""

from __future__ import annotations

import numpy as np
import pytest

from akrasia.stats import paired_difference
from akrasia.stats.mean_change import mean_change


def _change(units: list[float], moved: int | None = None):
    values = np.array(units)
    return mean_change(float(values.mean()), values, float(values.var(ddof=1)) / len(values), moved)


def test_by_hand_where_all_changed_alike():
    # Six of +1 with one more at +1 and one at −1: mean 6/8, mean square 8/8, so the variance of the mean is
    # (1 − 36/64) / 8 = 28/512. t(.975; 5) = 2.5706.
    found = _change([1.0] * 6)
    assert (found.value, found.centre, found.degrees) == (1, 0.75, 5)
    assert found.error == pytest.approx(np.sqrt(28 / 512))
    low, high = found.interval(0.95)
    assert low == pytest.approx(0.75 - 2.5706 * np.sqrt(28 / 512), abs=1e-4)
    assert high > 1  # cut off by who knows the range
    assert found.p == pytest.approx(0.024, abs=0.001)  # t = 3.207 with 5 degrees of freedom


def test_nobody_moved_is_symmetric():
    found = _change([0.0] * 30)
    assert (found.centre, found.p) == (0, 1)
    assert found.error == pytest.approx(np.sqrt(2) / 32)  # ((0 + 2) / 32 − 0) / 32


@pytest.mark.parametrize("shared", [-1.0, -0.4, 0.0, 0.25, 1.0])
def test_what_counts_is_who_differs_from_the_rest(shared: float):
    nine, ten = [shared] * 30 + [0.5] * 9, [shared] * 30 + [0.5] * 10
    assert _change(nine).centre == pytest.approx(np.mean(nine) * 39 / 41)
    assert _change(ten).centre == np.mean(ten)
    assert _change(ten).error == pytest.approx(np.std(ten, ddof=1) / np.sqrt(40))


def test_the_added_pair_goes_to_the_ends_however_small_the_shared_change():
    """All by .05 does not show that one in twenty does not go by −1, and then the mean is below 0."""
    # 20 of .05 with one at +1 and one at −1: (.05 + 2) / 22 less (1/22)², over 22.
    found = _change([0.05] * 20)
    assert found.centre == pytest.approx(1 / 22)
    assert found.error == pytest.approx(np.sqrt((2.05 / 22 - 1 / 22**2) / 22))
    assert found.p > 0.05
    wider = _change([2.0] * 20)  # pseudo-values may go further, and the pair with them
    assert wider.error == pytest.approx(2 * _change([1.0] * 20).error)


def test_changes_that_share_nothing_are_left_alone():
    values = np.linspace(0.1, 0.9, 12).tolist()
    assert _change(values).centre == np.mean(values)
    assert _change(values, moved=9).centre < np.mean(values)


@pytest.mark.parametrize("units", [[1.0] * 5, [1.0] * 6, [0.5] * 8 + [0.0], [0.3, -0.1, 0.2], [0.0] * 4])
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


@pytest.mark.parametrize("units", [8, 12, 20, 30])
@pytest.mark.parametrize("shared", [0.05, 0.3])
def test_they_cover_where_most_move_by_the_same_and_few_to_an_end(units: int, shared: float):
    """With a pair that went only as far as any did, the interval held the truth in 36 to 78 of 100 such worlds."""
    rng = np.random.default_rng(units)
    inside = 0
    for _ in range(300):
        change = np.where(rng.random(units) < 0.05, -1.0, shared)
        found = paired_difference(np.zeros(units), change).difference
        inside += found.low <= 0.95 * shared - 0.05 <= found.high
    assert inside / 300 >= 0.91


@pytest.mark.slow
@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("pairs", [2, 10])
@pytest.mark.parametrize("families", [6, 10, 20, 50])
def test_they_cover_near_every_end(families: int, pairs: int, together: bool):
    """With few units a t interval of three values covers a little less than it says: 92 % is what is promised here."""
    for up, down in ((0, 0), (0.02, 0), (0.1, 0), (0.9, 0), (0.98, 0), (0.9, 0.1), (0.98, 0.02), (0.99, 0.01), (1, 0)):
        seen = _coverage(families, pairs, up, down, 1000, together=together)
        assert seen >= 0.92 - 3 * np.sqrt(0.92 * 0.08 / 1000), (up, down)
