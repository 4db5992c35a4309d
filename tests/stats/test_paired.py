from __future__ import annotations

import numpy as np
import pytest

from akrasia.core.errors import InputError, Undefined
from akrasia.stats import detectable_difference, holm, mcnemar, melded_interval, paired_difference, sign_flip


def test_holm_by_hand():
    # Sorted .01 · 3, .03 · 2, .04 · 1, made monotone: .03, .06, .06.
    assert holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]
    with pytest.raises(InputError):
        holm([1.2])


def test_difference_is_second_minus_first():
    result = paired_difference([0.0, 0.2, 0.4, 0.1], [0.5, 0.6, 1.0, 0.4])
    assert result.difference.value == pytest.approx(0.45)  # (.5 + .4 + .6 + .3) / 4
    assert result.test == "cluster-t"
    assert result.items == 4


def test_missing_pairs_are_left_out():
    result = paired_difference([0.0, np.nan, 1.0], [1.0, 1.0, np.nan])
    assert result.items == 1
    assert result.difference.value == 1.0


def test_clusters_of_one_item_each_are_independent_items():
    before, after = np.zeros(24), np.r_[np.ones(9), np.zeros(15)]
    found = paired_difference(before, after, clusters=[f"item-{index}" for index in range(24)])
    assert (found.test, found.p) == ("mcnemar", pytest.approx(2 / 2**9))
    together = paired_difference(before, after, clusters=[0, 0, *range(1, 23)])
    assert together.test == "cluster-t"
    apart = paired_difference(np.r_[np.nan, before], np.r_[1.0, after], clusters=[0, *range(24)])
    assert apart.test == "mcnemar"  # the pair that would share a cluster was not measured


def test_no_discordant_pair_is_not_certainty():
    same = np.tile([0.0, 1.0], 50)
    result = paired_difference(same, same)
    assert result.p == 1.0
    assert result.difference.high > 0.01
    assert result.minimum_detectable > 0


def test_minimum_detectable_by_hand():
    # Differences ±.5 alternating over 400 pairs: SE = .5/sqrt(399); t(.975; 399) = 1.96593, and
    # with so many degrees the noncentral t needs just t(.8; 399) = 0.84256 more.
    first = np.tile([0.25, 0.75], 200)
    result = paired_difference(first, 1 - first)
    assert result.minimum_detectable == pytest.approx((1.96593 + 0.84256) * 0.5 / np.sqrt(399), abs=2e-4)


def test_right_and_wrong_answers_have_the_exact_interval_and_power():
    before, after = np.zeros(24), np.r_[np.ones(9), np.zeros(15)]
    found = paired_difference(before, after)
    assert (found.difference.low, found.difference.high) == melded_interval(9, 0, 24)
    assert (found.difference.method, found.difference.n) == ("mcnemar-melded", 24)
    assert found.minimum_detectable == detectable_difference(9, 24)
    # Five items cannot be significant, whatever they show: no difference is detected, and 0 stays in.
    few = paired_difference(np.zeros(5), np.ones(5))
    assert (few.p, few.minimum_detectable) == (pytest.approx(2 / 32), None)
    assert few.difference.low is not None
    assert few.difference.low < 0


def test_few_graded_items_detect_nothing_either():
    # 4 items, changes ±.9 alternating: SE = .9/sqrt(3) = .52, and t(.975; 3) = 3.18 alone makes that more than 1.
    found = paired_difference([0.0, 0.9, 0.0, 0.9], [0.9, 0.0, 0.9, 0.0])
    assert found.minimum_detectable is None
    assert found.p == pytest.approx(1)


def test_clusters_widen():
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(20), 10)
    shift = rng.normal(size=20)[clusters] * 0.2
    first = rng.random(200)
    alone = paired_difference(first, first + shift)
    joined = paired_difference(first, first + shift, clusters=clusters)
    assert joined.difference.half_width > 2 * alone.difference.half_width
    assert joined.p > alone.p


def test_refusals():
    with pytest.raises(InputError):
        paired_difference([0.0], [0.0, 1.0])
    with pytest.raises(Undefined):
        paired_difference([np.nan], [1.0])
    with pytest.raises(InputError, match="say bounded=False"):
        paired_difference([0.0], [3.0])


@pytest.mark.parametrize("after", [[0.9, 0.0, 0.9], [0.0, 0.0, 0.9], [0.0, 0.9, 0.0]])
def test_no_interval_of_a_few_items_leaves_what_is_possible(after):
    """Three items: t with 2 degrees of freedom is 4.30, and 4.30 times the standard error exceeds 1 in each case."""
    before = [0.0, 0.9, 0.0]
    found = paired_difference(before, after).difference
    free = paired_difference(before, after, bounded=False).difference
    assert free.high - free.low > 2
    assert (found.value, found.low, found.high) == (free.value, -1.0, 1.0)


def test_false_alarms_stay_rare():
    rng = np.random.default_rng(11)
    worlds = 400
    rejected = 0
    for _ in range(worlds):
        chance = rng.random(60)
        a, b = (rng.random(60) < chance), (rng.random(60) < chance)
        rejected += paired_difference(a, b).p < 0.05
    assert rejected / worlds <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / worlds)


def test_the_same_difference_everywhere_is_not_certainty() -> None:
    result = paired_difference(np.full(30, 0.7), np.full(30, 0.4))
    assert result.difference.value == pytest.approx(-0.3)
    # One more at −.9 and one at .3: 2 · .36 / 32² = .026517² around −.3, and t(.975; 29) = 2.0452.
    assert result.difference.low == pytest.approx(-0.3 - 2.0452 * 0.026517, abs=1e-4)
    assert result.difference.high == pytest.approx(-0.3 + 2.0452 * 0.026517, abs=1e-4)
    assert result.p is not None
    assert result.p < 1e-5
    assert paired_difference(np.full(30, 0.5), np.full(30, 0.5)).p == 1.0


def test_families_that_all_gain_are_as_many_as_they_are_and_not_their_pairs() -> None:
    labels = np.repeat(np.arange(6), 20)
    result = paired_difference(np.zeros(120), np.ones(120), clusters=labels)
    alone = paired_difference(np.full(6, 0.0), np.full(6, 1.0), clusters=np.array([0, 0, 1, 2, 3, 4]))
    assert (result.difference.value, result.difference.high, result.test) == (1, 1, "cluster-t")
    assert result.difference.low == pytest.approx(1 - 2.5706 * np.sqrt(8) / 8, abs=1e-4)  # see `mean_change`
    assert alone.difference.low < 0  # five families: that they all go one way has a chance of 2/32


def test_sign_flip_by_hand() -> None:
    # |3|, |1|, |1|: sums over the 8 patterns are ±5, ±3 (twice), ±1; at least 3 in size: 6 of 8.
    assert sign_flip([3, 1, -1]) == pytest.approx(6 / 8)
    assert sign_flip([6, 2, -2]) == pytest.approx(6 / 8)
    assert sign_flip([]) == 1.0
    assert sign_flip([2, -2]) == 1.0
    with pytest.raises(InputError):
        sign_flip([0.5])


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (5, 0), (3, 9), (40, 21)])
def test_sign_flip_of_single_draws_is_mcnemar(gained: int, lost: int) -> None:
    assert sign_flip([1] * gained + [-1] * lost + [0] * 7) == pytest.approx(mcnemar(gained, lost))


def test_sign_flip_has_a_normal_limit() -> None:
    changes = np.where(np.arange(40_000) % 200 < 101, 1, -1)  # 20,200 up, 19,800 down: 400 / √40,000 = 2
    assert sign_flip(changes) == pytest.approx(0.0455, abs=1e-4)
    assert sign_flip(changes[:4000]) == pytest.approx(mcnemar(2020, 1980))
