"""Every influence is the derivative that it claims to be, and the figures agree with their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akrasia.gap import Stages, measure
from akrasia.gap.baseline import _blind_f1, blind_counts
from akrasia.gap.cells import PairCounts, make_frame, pair_counts
from akrasia.gap.figures import macro_f1, mean_kappa
from akrasia.gap.linear import ratio
from akrasia.stats import mean_interval

FAMILIES, VALUES = 12, 3


def arrays(seed: int, scenarios: int = 36, missing: float = 0.1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    first = (rng.random((scenarios, VALUES)) < 0.5).astype(float)
    second = np.where(rng.random(first.shape) < 0.6, first, rng.random(first.shape) < 0.4).astype(float)
    for array in (first, second):
        array[rng.random(array.shape) < missing] = np.nan
    return first, second, rng.integers(0, FAMILIES, scenarios)


def scaled(pair: PairCounts, cluster: int, weight: float) -> PairCounts:
    """The counts with one cluster counted `weight` times."""
    weights = np.ones((len(pair.both), 1))
    weights[cluster] = weight
    return PairCounts(*(getattr(pair, name) * weights for name in ("both", "first", "second", "known", "apart")))


@pytest.mark.parametrize("name", ["macro_f1", "mean_kappa", "retention", "manhattan"])
def test_influence_is_the_derivative_by_cluster_weight(name):
    figure = {
        "macro_f1": lambda pair: macro_f1(pair, range(VALUES)),
        "mean_kappa": mean_kappa,
        "retention": lambda pair: ratio(pair.both, pair.first),
        "manhattan": lambda pair: ratio(pair.apart, pair.known),
    }[name]
    first, second, clusters = arrays(3)
    frame = make_frame(first.shape, None, clusters, None, None)
    pair = pair_counts(first, second, frame, 0.5)
    found = figure(pair)
    assert found.influence.sum() == pytest.approx(0, abs=1e-12)
    step = 1e-6
    for cluster in range(frame.units):
        up, down = figure(scaled(pair, cluster, 1 + step)), figure(scaled(pair, cluster, 1 - step))
        assert found.influence[cluster] == pytest.approx((up.value - down.value) / (2 * step), abs=1e-7)


def blind_value(first, second, clusters, domains, weights) -> float:
    """Expected F1 of value 0 against the action of a donor, donors and receivers weighted by their family."""
    both = marked = 0.0
    for s in range(len(first)):
        if np.isnan(first[s, 0]) or np.isnan(second[s, 0]):
            continue
        donors = [
            t
            for t in range(len(first))
            if domains[t] == domains[s] and clusters[t] != clusters[s] and not np.isnan(second[t, 0])
        ]
        if not donors:
            continue
        mass = np.array([weights[clusters[t]] for t in donors])
        mean = mass @ second[donors, 0] / mass.sum()
        both += weights[clusters[s]] * first[s, 0] * mean
        marked += weights[clusters[s]] * (first[s, 0] + second[s, 0])
    return 2 * both / marked


def test_baseline_and_its_influence_by_brute_force():
    first, second, clusters = arrays(5)
    clusters = np.unique(clusters, return_inverse=True)[1]
    domains = [f"d{cluster % 3}" for cluster in clusters]
    frame = make_frame(first.shape, None, clusters, domains, None)
    found = _blind_f1(blind_counts(Stages(first, None, second), frame, 0.5), 0)
    assert found.value == pytest.approx(blind_value(first, second, clusters, domains, np.ones(frame.units)))
    step = 1e-6
    for cluster in range(frame.units):
        up, down = np.ones(frame.units), np.ones(frame.units)
        up[cluster] += step
        down[cluster] -= step
        slope = blind_value(first, second, clusters, domains, up) - blind_value(first, second, clusters, domains, down)
        assert found.influence[cluster] == pytest.approx(slope / (2 * step), abs=1e-7)


def test_families_that_cross_domains_have_no_twin_as_donor():
    first, second, clusters = arrays(6)
    clusters = np.unique(clusters, return_inverse=True)[1]
    domains = [f"d{row % 2}" for row in range(len(clusters))]
    frame = make_frame(first.shape, None, clusters, domains, None)
    found = _blind_f1(blind_counts(Stages(first, None, second), frame, 0.5), 0)
    assert found.value == pytest.approx(blind_value(first, second, clusters, domains, np.ones(frame.units)))


def test_a_rate_is_the_clustered_mean_over_its_cells():
    # With one value, retention is the mean of the action over the scenarios that state it: the interval of `stats`.
    rng = np.random.default_rng(8)
    stated, action = (rng.random((200, 1)) < 0.6).astype(float), (rng.random((200, 1)) < 0.5).astype(float)
    clusters = np.repeat(np.arange(50), 4)
    mine = measure(stated, None, action, clusters=clusters).retention
    inside = stated[:, 0] == 1
    theirs = mean_interval(action[inside, 0], clusters=clusters[inside])
    assert (mine.value, mine.low, mine.high) == pytest.approx((theirs.value, theirs.low, theirs.high))


def textbook_kappa(first: np.ndarray, second: np.ndarray) -> float | None:
    p, q = first.mean(), second.mean()
    if p in (0, 1) and q in (0, 1):
        return None
    expected = p * q + (1 - p) * (1 - q)
    return ((first == second).mean() - expected) / (1 - expected)


labels = st.lists(st.tuples(*[st.sampled_from([0.0, 1.0])] * 3), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(rows=labels)
def test_definitions_hold_for_any_labels(rows):
    stated, reasoning, action = (np.array(rows)[:, [k]] for k in range(3))
    gap = measure(stated, reasoning, action)
    a, r, d = (np.array(rows)[:, k] == 1 for k in range(3))

    def share(hits, of):
        return None if not of.any() else pytest.approx((hits & of).sum() / of.sum())

    assert value(gap.retention) == share(d, a)
    assert value(gap.survival) == share(r & d, a)
    assert value(gap.suppression) == share(~d, a & r)
    assert value(gap.emergence) == share(~a, d)
    assert value(gap.manhattan) == pytest.approx((a != d).mean())
    assert value(gap.kappa) == (None if (k := textbook_kappa(a, d)) is None else pytest.approx(k))
    assert sum(gap.transitions.values()) == len(rows)
    assert gap.transitions["101"] == (a & ~r & d).sum()
    for figure in (gap.retention, gap.survival, gap.suppression, gap.emergence, gap.manhattan):
        if figure is not None:
            assert 0 <= figure.low <= figure.value <= figure.high <= 1
    if gap.kappa is not None:
        assert -1 <= gap.kappa.low <= gap.kappa.value <= gap.kappa.high <= 1


def value(figure):
    return None if figure is None else figure.value


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), shift=st.integers(1, 35))
def test_order_and_names_of_rows_change_nothing(seed, shift):
    first, second, clusters = arrays(seed)
    domains = [f"d{cluster % 3}" for cluster in clusters]
    one = measure(first, None, second, clusters=clusters, domains=domains)
    order = np.roll(np.arange(len(first)), shift)
    other = measure(
        first[order],
        None,
        second[order],
        clusters=[f"family {clusters[row]}" for row in order],
        domains=[domains[row] for row in order],
    )
    for name in ("macro_f1", "retention", "manhattan", "kappa"):
        left, right = getattr(one, name), getattr(other, name)
        assert (left.value, left.low, left.high) == pytest.approx((right.value, right.low, right.high))
    gains = one.baseline.macro_f1_gain, other.baseline.macro_f1_gain
    assert gains[0].value == pytest.approx(gains[1].value)
    assert gains[0].low == pytest.approx(gains[1].low)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_missing_labels_stay_within_the_bounds_of_retention(seed):
    first, second, _ = arrays(seed, missing=0.0)
    truth = measure(first, None, second).retention
    rng = np.random.default_rng(seed)
    for array in (first, second):
        array[rng.random(array.shape) < 0.3] = np.nan
    gap = measure(first, None, second)
    bounds = gap.missing.retention
    assert bounds.worst <= truth.value <= bounds.best
    assert bounds.worst <= gap.retention.value <= bounds.best
