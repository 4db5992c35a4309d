from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from akrasia.risk.curve import reachable_items
from akrasia.risk.missing import missing_bounds
from akrasia.risk.pool import read_pool


@settings(max_examples=60)
@given(
    arrays(float, (2, 4), elements=st.sampled_from([0.0, 0.3, 1.0, np.nan])),
    st.integers(1, 4),
)
def test_bounds_hold_for_every_filling(utilities, k):
    holes = np.argwhere(np.isnan(utilities))
    bounds = missing_bounds(read_pool(utilities), k)
    if not len(holes):
        assert bounds is None
        return
    risks, means = [], []
    for fill in product([0.0, 0.3, 0.65, 1.0], repeat=min(len(holes), 4)):
        filled = np.where(np.isnan(utilities), 0.5, utilities)
        for (row, column), value in zip(holes, fill, strict=False):
            filled[row, column] = value
        (best,) = reachable_items(read_pool(filled), [k])
        risks.append((best - filled.mean(axis=1)).mean())
        means.append(filled.mean())
    assert bounds.risk.best - 1e-9 <= min(risks)
    assert max(risks) <= bounds.risk.worst + 1e-9
    assert bounds.deployed.worst - 1e-9 <= min(means)
    assert max(means) <= bounds.deployed.best + 1e-9


def test_a_missing_deployed_candidate_by_hand():
    # Item 1: pool (0, 1), deployed unknown: risk at k = 2 between 0 (deployed 1) and 1 (deployed 0).
    bounds = missing_bounds(read_pool([[0, 1], [1, 1]]), 2, np.array([np.nan, 1.0]))
    assert (bounds.risk.best, bounds.risk.worst) == pytest.approx((0.0, 0.5))
    assert (bounds.deployed.worst, bounds.deployed.best) == pytest.approx((0.5, 1.0))


def test_what_is_missing_beside_the_pool_is_counted() -> None:
    found = missing_bounds(read_pool([[0, np.nan], [1, 1]]), 2, np.array([np.nan, 1.0]))
    assert found is not None
    assert found.missing == 2  # one of the pool, one deployed
