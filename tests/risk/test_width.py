from __future__ import annotations

import numpy as np
import pytest

from akrasia.core.errors import InputError, Undefined
from akrasia.risk import UntilWidth, candidates_needed, decide, estimate_stopped, read_stopped
from akrasia.risk.stopped import reachable_stopped


def follow(plan, p, rng):
    """Sample one item by the plan."""
    outcomes: list[float] = []
    while needed := candidates_needed(plan, outcomes):
        outcomes += (rng.random(needed) < p).astype(float).tolist()
    return outcomes


def test_what_an_item_needs():
    plan = UntilWidth(0.05, first=3, most=8, batch=4)
    assert candidates_needed(plan, []) == 3
    assert candidates_needed(plan, [1]) == 2
    assert candidates_needed(plan, [0, 1, 0]) == 0
    assert candidates_needed(plan, [0, 0, 0]) == 4
    assert candidates_needed(plan, [0] * 7) == 1
    assert candidates_needed(plan, [0] * 7 + [1]) == 0
    assert candidates_needed(plan, [0] * 8) == 0


def test_estimates_by_hand():
    # first = 2. Items: (1, 0): mean .5; (0, 0, 1): 0, success at 3; (0, 0, 0, 0): 0, never.
    pools = read_stopped([[1, 0], [0, 0, 1], [0, 0, 0, 0]], first=2, most=4)
    assert pools.success_at.tolist() == [1, 3, 0]
    assert pools.generations == 9
    assert reachable_stopped(pools, 1).tolist() == [0.5, 0, 0]
    assert reachable_stopped(pools, 2).tolist() == [1, 0, 0]
    assert reachable_stopped(pools, 3).tolist() == [1, 1, 0]
    result = estimate_stopped(pools, extrapolate=False)
    assert result.deployed.value == pytest.approx(1 / 6)
    assert result.reachable.value == pytest.approx(2 / 3)
    assert result.risk.value == pytest.approx(1 / 2)
    assert result.candidates == 9
    assert [point.k for point in result.curve] == [1, 2, 4]


def test_an_item_that_could_not_be_followed_counts_as_not_reached():
    # (0, 0, 0) was cut short at 3 of 4: its mean stands, reachable@4 takes it for a failure, and a likelihood knows 3.
    outcomes = [[1, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0, 0]]
    with pytest.raises(InputError, match="item 2 is unfinished"):
        read_stopped(outcomes, first=2, most=4)
    pools = read_stopped(outcomes, first=2, most=4, cut_short=True)
    assert pools.followed.tolist() == [1, 3, 3, 4]
    assert pools.cut_short == 1
    result = estimate_stopped(pools, extrapolate=False)
    assert result.deployed.value == pytest.approx(1 / 8)
    assert result.reachable.value == pytest.approx(1 / 2)
    with pytest.raises(InputError, match="item 0 is unfinished"):
        read_stopped([[0]], first=2, most=4, cut_short=True)


def test_the_share_of_a_stopped_pool_is_biased_and_ours_is_not():
    rng = np.random.default_rng(0)
    plan = UntilWidth(0.05, first=4, most=64, batch=1)
    p = rng.beta(0.4, 1.2, 4000)
    pools = [follow(plan, chance, rng) for chance in p]
    naive = np.mean([np.mean(pool) for pool in pools])
    result = estimate_stopped(read_stopped(pools, first=4, most=64), extrapolate=False)
    error = result.deployed.half_width / 1.96
    assert naive - p.mean() > 4 * error
    assert abs(result.deployed.value - p.mean()) < 4 * error
    assert abs(result.reachable.value - (1 - (1 - p) ** 64).mean()) < 4 * result.reachable.half_width / 1.96


def test_stopping_is_no_bias_to_the_extrapolation():
    rng = np.random.default_rng(1)
    plan = UntilWidth(0.05, first=4, most=16, batch=1)
    p = np.where(rng.random(600) < 0.1, 0, rng.beta(0.8, 3, 600))
    result = estimate_stopped(read_stopped([follow(plan, one, rng) for one in p], first=4, most=16))
    assert result.extrapolation.k == 64
    assert result.extrapolation.reachable.low < (1 - (1 - p) ** 64).mean() < result.extrapolation.reachable.high


def test_decisions():
    rng = np.random.default_rng(2)
    plan = UntilWidth(0.04)
    pools = [follow(plan, p, rng) for p in rng.beta(2, 2, 600)]
    early = decide(plan, pools[:50])
    assert not early.stop
    assert early.look_at == 100
    assert early.half_width is None
    first = decide(plan, pools[:100])
    assert not first.stop
    assert 110 <= first.look_at <= 200
    last = decide(plan, pools)
    assert last.stop
    assert last.half_width <= 0.04


def test_refusals():
    for wrong in ({"half_width": 0}, {"half_width": 0.1, "first": 1}, {"half_width": 0.1, "most": 3}):
        with pytest.raises(InputError):
            UntilWidth(**wrong)
    with pytest.raises(InputError, match="unfinished"):
        read_stopped([[0, 0, 0]], first=2, most=4)
    with pytest.raises(InputError, match="0 or 1"):
        read_stopped([[0.5, 0]], first=2, most=4)
    with pytest.raises(Undefined):
        read_stopped([], first=2, most=4)
    with pytest.raises(InputError, match="followed up to 4"):
        estimate_stopped(read_stopped([[1, 0]], first=2, most=4), ks=[5])
