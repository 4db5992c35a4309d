from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from akrasia.risk.curve import all_fail, reachable_items, worst_items
from akrasia.risk.pool import read_pool

pools = st.integers(1, 7).flatmap(lambda k: arrays(float, (3, k), elements=st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0])))


def over_subsets(row, k, deployed=0.0):
    return np.mean([max(*subset, deployed) for subset in combinations(row, k)])


def test_the_given_array_is_left_as_it_is():
    # Sorted in place, verifier and answers would no longer stand beside their utilities.
    utilities = np.array([[0.5, 0.25, 0.0], [1.0, 0.75, 0.5]])
    utilities.setflags(write=False)
    (values,) = reachable_items(read_pool(utilities), [2])
    # Row 1: of three pairs two have maximum 0.5 and one 0.25; row 2: 1, 1, 0.75.
    assert values == pytest.approx([1.25 / 3, 2.75 / 3])
    assert worst_items(read_pool(utilities), 3) == pytest.approx([0.0, 0.5])


def test_failures_by_hand():
    # 4 candidates with 1 success: of 6 pairs 3 miss it.
    assert all_fail(4, [1, 2, 4])[1] == pytest.approx([0.75, 0.5, 0.0])


@given(pools, st.data())
def test_equals_the_average_over_all_subsets(utilities, data):
    k = data.draw(st.integers(1, utilities.shape[1]))
    (values,) = reachable_items(read_pool(utilities), [k])
    assert values == pytest.approx([over_subsets(row, k) for row in utilities])
    assert worst_items(read_pool(utilities), k) == pytest.approx(
        [np.mean([min(subset) for subset in combinations(row, k)]) for row in utilities]
    )


@given(pools, st.data())
def test_a_deployed_candidate_joins_the_pool(utilities, data):
    k = data.draw(st.integers(1, utilities.shape[1]))
    deployed = data.draw(arrays(float, (3, 2), elements=st.sampled_from([0.0, 0.3, 1.0])))
    (values,) = reachable_items(read_pool(utilities), [k], deployed)
    expected = [np.mean([over_subsets(row, k, d) for d in ds]) for row, ds in zip(utilities, deployed, strict=True)]
    assert values == pytest.approx(expected)
    assert np.all(values >= deployed.mean(axis=1) - 1e-12)


def test_binary_and_graded_paths_agree():
    rng = np.random.default_rng(0)
    binary = (rng.random((40, 9)) < 0.3).astype(float)
    graded = binary.copy()
    graded[0, 0] = 0.999999
    deployed = (rng.random(40) < 0.5).astype(float)
    for given_deployed in (None, deployed):
        one = list(reachable_items(read_pool(binary), [1, 4, 9], given_deployed))
        two = list(reachable_items(read_pool(graded), [1, 4, 9], given_deployed))
        for a, b in zip(one, two, strict=True):
            assert a[1:] == pytest.approx(b[1:])


def test_a_probability_as_deployed_is_the_exact_expectation():
    # Of (0, 0), only a deployed success (probability .4) makes it reachable. Of (1, 0) at k = 1: .5 + .5 · .4.
    first, second = next(reachable_items(read_pool([[0, 0], [1, 0]]), [1], np.array([0.4, 0.4])))
    assert (first, second) == pytest.approx((0.4, 0.7))


def test_ragged_pools():
    pool = read_pool([[0, 1, 0], [1, None], [0.5]])
    assert pool.planned.tolist() == [3, 2, 1]
    assert pool.observed.tolist() == [3, 1, 1]
    assert next(reachable_items(pool, [1])).tolist() == pytest.approx([1 / 3, 1, 0.5])
