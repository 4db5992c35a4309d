from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from akrasia.stats import best_of, order_weights

tables = arrays(float, (2, 5), elements=st.sampled_from([0.0, 0.3, 0.7, 1.0, np.nan]))


def test_weights_by_hand():
    # 4 candidates, pairs: 6 of them, the largest is u_(2), u_(3), u_(4) in 1, 2, 3 of them.
    assert order_weights(4, [2])[:, 0] == pytest.approx([0, 1 / 6, 2 / 6, 3 / 6])
    assert order_weights(4, [4])[:, 0] == pytest.approx([0, 0, 0, 1])
    assert order_weights(4, [1])[:, 0] == pytest.approx([0.25] * 4)


def test_weights_stay_exact_for_many():
    weights = order_weights(2000, [1, 500, 1999])
    assert weights.sum(axis=0) == pytest.approx([1, 1, 1])


def chosen(values, scores, k):
    """By brute force over the subsets of the draws that have both."""
    both = [(v, s) for v, s in zip(values, scores, strict=True) if not np.isnan(v + s)]
    means = []
    for subset in combinations(both, k):
        top = max(score for _, score in subset)
        means.append(np.mean([value for value, score in subset if score == top]))
    return np.mean(means) if means else np.nan


@given(tables, tables, st.integers(1, 5))
def test_equals_the_average_over_all_subsets(values, scores, k):
    wanted = [chosen(*rows, k) for rows in zip(values, scores, strict=True)]
    # Ties inside a subset are shared among all draws of that score, in the subset or not: equal in the mean.
    assert best_of(values, scores, k) == pytest.approx(wanted, nan_ok=True)


def test_too_few_draws_have_no_best():
    assert np.isnan(best_of(np.array([[1.0, np.nan]]), np.array([[1.0, 1.0]]), 2)).all()
