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


def test_the_added_pair_goes_as_far_as_any_did():
    """All by 1/19 is all by 1 on a smaller scale; where most did not move, their scale is unknown and 1 is taken."""
    whole, part = _change([1.0] * 25), _change([1 / 19] * 25)
    assert (part.centre, part.error, part.p) == pytest.approx((whole.centre / 19, whole.error / 19, whole.p))
    wider = _change([1 / 19] * 24 + [-1.0])
    assert wider.error == pytest.approx(np.sqrt(((24 / 361 + 3) / 27 - ((24 / 19 - 1) / 27) ** 2) / 27))
    still = _change([0.0] * 24 + [1 / 19])
    assert still.error == pytest.approx(np.sqrt(((1 / 361 + 2) / 27 - (1 / 19 / 27) ** 2) / 27))


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


@pytest.mark.slow
@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("pairs", [2, 10])
@pytest.mark.parametrize("families", [6, 10, 20, 50])
def test_they_cover_near_every_end(families: int, pairs: int, together: bool):
    """With few units a t interval of three values covers a little less than it says: 92 % is what is promised here."""
    for up, down in ((0, 0), (0.02, 0), (0.1, 0), (0.9, 0), (0.98, 0), (0.9, 0.1), (0.98, 0.02), (0.99, 0.01), (1, 0)):
        seen = _coverage(families, pairs, up, down, 1000, together=together)
        assert seen >= 0.92 - 3 * np.sqrt(0.92 * 0.08 / 1000), (up, down)
