from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from akrasia.core import InputError, Undefined
from akrasia.stats.held_share import held_share


def test_nothing_of_12_families_says_nothing_about_a_twentieth():
    """Two draws each of 12 families, none of them a hit: 0.95 ** 12 = 0.540 is the chance, twice that more than 1."""
    found = held_share([0.0] * 12, 0.05, clusters=list(range(12)), draws=24)
    assert (found.share.value, found.share.low, found.effective) == (0.0, 0.0, 12)
    # 1 − 0.025 ** (1 / 12)
    assert found.share.high == pytest.approx(0.2646, abs=1e-4)
    assert found.p == 1.0
    # At a threshold of 0.3: 2 · 0.7 ** 12.
    assert held_share([0.0] * 12, 0.3).p == pytest.approx(0.02768, abs=1e-5)


def test_p_depends_on_the_estimate():
    found = [held_share([1.0] * hits + [0.0] * (12 - hits), 0.05).p for hits in (0, 1, 2, 3, 12)]
    # Twice P(X ≥ hits): 2 (1 − 0.95¹² ) = 0.919; 0.237; 0.039; 2 · 0.05¹².
    assert found == pytest.approx([1.0, 0.9193, 0.2367, 0.0391, 4.88e-16], rel=2e-3)


def test_families_count_as_what_they_are_worth():
    # 40 families of 5 items that are all alike: 40 draws, not 200.
    alike = np.repeat([0.0, 1.0], 20).repeat(5)
    found = held_share(alike, 0.3, clusters=np.arange(40).repeat(5))
    assert 35 < found.effective < 40
    # 40 families of 4 independent draws are worth nearly all 160, and never more.
    rng = np.random.default_rng(0)
    loose = rng.binomial(4, 0.5, 40) / 4
    assert 100 < held_share(loose, 0.3, draws=160).effective <= 160
    assert held_share([0.5, 0.5, 0.25, 0.75] * 10, 0.3, draws=160).effective == 160


shares = st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), min_size=1, max_size=40)


@given(shares, st.floats(0.01, 0.99), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_the_interval_leaves_the_threshold_out_exactly_where_p_says_so(
    values: list[float], threshold: float, level: float
):
    found = held_share(values, threshold, level=level)
    assert found.share.low is not None
    assert found.share.high is not None
    assert 0 <= found.share.low <= found.share.value <= found.share.high <= 1
    if abs(found.p - (1 - level)) > 1e-9:
        assert (found.share.low <= threshold <= found.share.high) == (found.p > 1 - level)


@pytest.mark.parametrize(("threshold", "alike"), [(0.05, False), (0.05, True), (0.1, False), (0.5, True)])
def test_a_true_threshold_is_seldom_denied(threshold: float, alike: bool):
    """30 families of 4 draws, each family alike or not: either side of the test errs in 2.5 % at most."""
    rng = np.random.default_rng(7)
    above = below = 0
    worlds = 400
    for _ in range(worlds):
        chance = (rng.random(30) < threshold) * 1.0 if alike else np.full(30, threshold)
        found = held_share(rng.binomial(4, chance) / 4, threshold, draws=120)
        above += found.p < 0.05 and found.share.value > threshold
        below += found.p < 0.05 and found.share.value < threshold
    # 0.025 and three standard errors of 400 worlds.
    assert max(above, below) / worlds < 0.025 + 3 * 0.0078


def test_what_cannot_be_held_against_a_threshold():
    with pytest.raises(Undefined, match="at least one item"):
        held_share([], 0.1)
    for values, threshold in (([1.5], 0.1), ([float("nan")], 0.1), ([0.5], -0.1)):
        with pytest.raises(InputError, match=r"lie in \[0, 1\]"):
            held_share(values, threshold)
