from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from akrasia.core.errors import InputError, Undefined
from akrasia.stats import group, mean_interval, t_quantile, wilson
from akrasia.stats.intervals import Spread, bounded_interval


def test_t_interval_by_hand():
    # Mean 2.5; s² = (2.25 + .25 + .25 + 2.25) / 3 = 5/3; SE = sqrt(5/12); t(.975; 3) = 3.182446.
    figure = mean_interval([1.0, 2.0, 3.0, 4.0], bounded=False)
    half = 3.182446 * math.sqrt(5 / 12)
    assert figure.value == 2.5
    assert figure.low == pytest.approx(2.5 - half, abs=1e-5)
    assert figure.high == pytest.approx(2.5 + half, abs=1e-5)
    assert figure.n == 4


def test_cluster_robust_variance_by_hand():
    # Clusters (1, 1), (0, 0), (0, 0) have mean 1/3 and sums of deviations 4/3, −2/3, −2/3:
    # variance = 3/2 · (16 + 4 + 4)/9 / 36 = 1/9.
    grouping = group(6, ["a", "a", "b", "b", "c", "c"])
    values = np.array([1.0, 1, 0, 0, 0, 0])
    assert grouping.variance_of_mean(values) == pytest.approx(1 / 9)
    # As six independent items it would be (1/3)(2/3)/5 = 2/45: the clusters make it 2.5 times larger.
    assert grouping.design_effect(values) == pytest.approx(2.5)


def test_wilson_by_hand():
    # 0 of 10 with z = 1.96: upper end z²/(n + z²) = 3.8416/13.8416.
    low, high = wilson(0.0, 10, critical=1.96)
    assert low == 0
    assert high == pytest.approx(3.8416 / 13.8416)


def test_a_ceiling_does_not_give_certainty():
    figure = mean_interval(np.ones(50))
    assert figure.method == "wilson"
    assert figure.high == 1
    # 50 of 50 with t(.975; 49) = 2.00958: lower end n / (n + t²).
    assert figure.low == pytest.approx(50 / (50 + 2.00958**2), abs=1e-4)


def test_clusters_at_the_ceiling_count_once():
    alone, joined = mean_interval(np.ones(50)), mean_interval(np.ones(50), clusters=np.arange(50) // 5)
    assert joined.low < alone.low


def test_repeats_are_the_same_as_rows():
    rows = np.repeat([0.2, 0.5, 0.9], [3, 4, 5])
    grouping = group(3, repeats=[3, 4, 5])
    kinds = np.array([0.2, 0.5, 0.9])
    assert grouping.mean(kinds) == pytest.approx(rows.mean())
    assert grouping.variance_of_mean(kinds) == pytest.approx(rows.var(ddof=1) / 12)


def test_weights_shift_the_mean():
    # (3 · 1 + 1 · 0) / 4
    assert mean_interval([1.0, 0.0], weights=[3, 1]).value == 0.75


def test_one_item_gives_a_wide_interval_and_not_certainty():
    figure = mean_interval([1.0])
    assert figure.low is not None
    assert figure.low < 0.3
    assert mean_interval([2.0], bounded=False).low is None


@pytest.mark.parametrize(
    ("values", "keywords", "error"),
    [
        ([], {}, Undefined),
        ([0.5, math.nan], {}, InputError),
        ([0.5, 1.5], {}, InputError),
        ([0.5, 0.5], {"level": 1.0}, InputError),
        ([0.5, 0.5], {"clusters": ["a"]}, InputError),
        ([0.5, 0.5], {"weights": [1.0, 0.0]}, InputError),
    ],
)
def test_bad_input_is_refused(values, keywords, error):
    with pytest.raises(error):
        mean_interval(values, **keywords)


def test_quantiles():
    assert t_quantile(0.95, math.inf) == pytest.approx(1.959964, abs=1e-6)
    assert t_quantile(0.95, 10) == pytest.approx(2.228139, abs=1e-6)


def test_coverage_near_the_ceiling():
    # 50 items right with probability 0.97: a t interval covers about 78 %.
    rng = np.random.default_rng(7)
    worlds = 400
    covered = 0
    for _ in range(worlds):
        figure = mean_interval((rng.random(50) < 0.97).astype(float))
        covered += figure.low <= 0.97 <= figure.high
    assert covered / worlds >= 0.92


def test_a_row_without_a_label_is_its_own_cluster():
    assert group(4, ["a", None, None, "a"]).units == 3
    assert group(4, ["a", "", "", "a"]).units == 3
    assert group(4, [1.0, math.nan, math.nan, 1.0]).units == 3


@given(
    value=st.integers(0, 1000).map(lambda part: part / 1000),
    error=st.floats(0, 0.5),
    degrees=st.integers(1, 60),
    near=st.booleans(),
    few=st.booleans(),
    levels=st.tuples(st.floats(0.5, 0.999), st.floats(0.5, 0.999)).map(sorted),
)
def test_a_higher_level_holds_the_interval_of_a_lower_one(value, error, degrees, near, few, levels):
    spread = Spread(error**2, degrees, degrees + 2, near, few)
    inner, outer = (bounded_interval(value, spread, level) for level in levels)
    assert inner.method == outer.method
    assert 0 <= outer.low <= inner.low + 1e-12
    assert inner.low <= value <= inner.high
    assert inner.high - 1e-12 <= outer.high <= 1


def test_the_method_is_that_of_95_percent():
    """.2 with an error of .1: t(.975; 18) = 2.101 leaves the range, t(.95; 18) = 1.734 does not. By Wilson at both."""
    spread = Spread(0.01, 18, 20, near=False, few=False)
    # n = .2 · .8 / .01 = 16.
    assert bounded_interval(0.2, spread, 0.95).low == pytest.approx(wilson(0.2, 16, critical=2.1009)[0], abs=1e-4)
    assert bounded_interval(0.2, spread, 0.9).low == pytest.approx(wilson(0.2, 16, critical=1.7341)[0], abs=1e-4)
    inside = Spread(0.0081, 18, 20, near=False, few=False)  # .2 − 2.101 · .09 = .011, and t(.995; 18) = 2.878
    assert bounded_interval(0.2, inside, 0.95).low == pytest.approx(0.2 - 2.1009 * 0.09, abs=1e-4)
    assert bounded_interval(0.2, inside, 0.99).low == 0
