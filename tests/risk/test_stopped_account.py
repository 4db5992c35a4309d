"""What missing draws could change in a run to a width, by hand and by filling them."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akrasia.risk import (
    Chosen,
    Notes,
    Options,
    best_bounds,
    best_of_n_items,
    estimate,
    estimate_stopped,
    read_stopped,
    with_account,
)
from akrasia.risk.stopped import reachable_stopped
from akrasia.risk.stopped_account import stopped_bounds

FIRST, MOST = 2, 4


def test_by_hand() -> None:
    # Item 1 (?, 0, 1): deployed 0 or 1/2, reachable@4 is 1, so risk 1 or 1/2. Item 2 (0, 0, ?, 0, 0): deployed 0,
    # reachable@4 0 or 1, and so its risk. Item 3 is whole: 1, 1, 0.
    draws = [[None, 0, 1], [0, 0, None, 0, 0], [1, 1]]
    bounds = stopped_bounds(draws, first=FIRST, k=MOST)
    assert bounds is not None
    assert (bounds.deployed.worst, bounds.deployed.best) == pytest.approx((1 / 3, 0.5))
    assert (bounds.reachable.worst, bounds.reachable.best) == pytest.approx((2 / 3, 1))
    assert (bounds.risk.worst, bounds.risk.best) == pytest.approx((2 / 3, 0.5 / 3))
    assert stopped_bounds([[1, 1]], first=FIRST, k=MOST) is None


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.sampled_from([0.0, 1.0, None]), min_size=MOST, max_size=6), min_size=1, max_size=2),
    st.integers(1, MOST),
)
def test_bounds_hold_for_every_filling(draws: list[list[float | None]], k: int) -> None:
    bounds = stopped_bounds(draws, first=FIRST, k=k)
    gaps = [(i, j) for i, row in enumerate(draws) for j, utility in enumerate(row) if utility is None]
    if not gaps:
        assert bounds is None
        return
    assert bounds is not None
    found = []
    for values in product([0.0, 1.0], repeat=len(gaps)):
        filled = [list(row) for row in draws]
        for (i, j), value in zip(gaps, values, strict=True):
            filled[i][j] = value
        pools = read_stopped([[u for u in row if u is not None] for row in filled], first=FIRST, most=MOST)
        base, best = pools.early / FIRST, reachable_stopped(pools, k)
        found.append([base.mean(), best.mean(), (best - base).mean()])
    least, most = np.min(found, axis=0), np.max(found, axis=0)
    assert (bounds.deployed.worst, bounds.deployed.best) == pytest.approx((least[0], most[0]))
    assert (bounds.reachable.worst, bounds.reachable.best) == pytest.approx((least[1], most[1]))
    assert (bounds.risk.best, bounds.risk.worst) == pytest.approx((least[2], most[2]))


def test_the_account_counts_what_is_missing() -> None:
    draws: list[list[float | None]] = [[1, 0], [None, 0, 1], [0, 0, 0, None, 0], [0, 1]] * 30
    known = [[utility for utility in row if utility is not None] for row in draws]
    result = estimate_stopped(read_stopped(known, first=FIRST, most=MOST), extrapolate=False)
    told = with_account(result, draws, first=FIRST, notes=Notes(unparsed=40, truncated=0))
    assert (told.candidates, told.missing, told.items) == (360, 60, 120)
    assert told.missing_bounds is not None
    assert told.missing_bounds.deployed.worst <= told.deployed.value <= told.missing_bounds.deployed.best
    messages = {one.code: one.message for one in told.diagnostics}
    assert "60 of 360 utilities are missing" in messages["missing"]
    assert "40 of 360" in messages["parse_failures"]
    assert "ragged" not in messages


def first_known(draws: list[list[float | None]], size: int) -> np.ndarray:
    """(M, size) first known draws of each item, all missing where there are not so many."""
    known = [[utility for utility in row if utility is not None][:size] for row in draws]
    return np.array([row if len(row) == size else [np.nan] * size for row in known])


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.sampled_from([0.0, 1.0, None]), min_size=3, max_size=5), min_size=1, max_size=3).filter(
        lambda draws: any(sum(utility is not None for utility in row) >= 3 for row in draws)
    ),
    st.integers(1, 3),
)
def test_a_choice_among_draws_that_stand_in_for_missing_ones(draws: list[list[float | None]], n: int) -> None:
    utilities = first_known(draws, 3)
    known = ~np.isnan(utilities).any(axis=1)
    deployed = np.full(len(draws), np.nan)
    deployed[known] = best_of_n_items(utilities[known], utilities[known], n)
    came = np.array([[np.nan if utility is None else utility for utility in row[:3]] for row in draws])
    options = Options(extrapolate=False, chosen=Chosen(n, True, *best_bounds(came, n)), drawn=draws)
    result = estimate(utilities, deployed=deployed, ks=[3], options=options)
    # The figures are of the items that have three, and the counts of all that was drawn.
    assert result.items == known.sum()
    assert result.deployed.value == pytest.approx(deployed[known].mean())
    missing = sum(utility is None for row in draws for utility in row)
    assert (result.candidates, result.missing) == (sum(map(len, draws)), missing)
    gaps = np.argwhere(np.isnan(came))
    if not len(gaps):
        assert result.missing_bounds is None
        return
    # The bounds hold for every value that the missing ones among the first three could have had, and for the figure.
    assert result.missing_bounds is not None
    found = [result.deployed.value]
    for values in product([0.0, 1.0], repeat=len(gaps)):
        filled = came.copy()
        filled[tuple(gaps.T)] = values
        found.append(best_of_n_items(filled, filled, n).mean())
    bounds = result.missing_bounds.deployed
    assert (bounds.worst, bounds.best) == pytest.approx((min(found), max(found)))
