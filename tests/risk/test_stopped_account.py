"""What missing draws could change in a run to a width, by hand and by filling them."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akrasia.risk import Notes, estimate_stopped, read_stopped, with_account
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
