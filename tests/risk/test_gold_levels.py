"""Corrected intervals of several levels: a higher one holds every lower one, for each figure that gold corrects."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from akrasia import risk
from akrasia.stats import Figure

LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99, 0.999)
WITHOUT_TAIL = risk.Options(extrapolate=False)


def _labelled(
    seed: int, items: int, candidates: int, beta: tuple[float, float], clustered: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """What a verifier says that errs on 7 % of candidates, with the truth of a third of the items, and clusters."""
    rng = np.random.default_rng(seed)
    truth = (rng.random((items, candidates)) < rng.beta(*beta, items)[:, None]) * 1.0
    said = np.where(rng.random(truth.shape) < 0.07, 1 - truth, truth)
    labels = np.full(truth.shape, np.nan)
    drawn = rng.choice(items, max(4, items // 3), replace=False)
    labels[drawn] = truth[drawn]
    return said, labels, np.arange(items) // 2 if clustered else None


def _figures(said: np.ndarray, labels: np.ndarray, clusters: np.ndarray | None, level: float) -> dict[str, Figure]:
    found = risk.estimate(said, gold=labels, clusters=clusters, level=level, options=WITHOUT_TAIL)
    named = {"deployed": found.deployed, "reachable": found.reachable, "risk": found.risk}
    for point in found.curve:
        named |= {f"reachable@{point.k}": point.reachable, f"risk@{point.k}": point.risk}
    return {name: figure for name, figure in named.items() if figure is not None}


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    items=st.integers(8, 79),
    candidates=st.integers(2, 6),
    beta=st.sampled_from([(0.5, 1.0), (5.0, 0.5), (0.3, 5.0), (1.0, 1.0)]),
    clustered=st.booleans(),
)
def test_intervals_are_nested_in_the_level(seed, items, candidates, beta, clustered):
    world = _labelled(seed, items, candidates, beta, clustered)
    told = [_figures(*world, level) for level in LEVELS]
    assert {"deployed", "reachable", "risk", "risk@2"} <= set(told[0])
    for inner, outer in pairwise(told):
        for name, figure in inner.items():
            wider = outer[name]
            assert wider.low - 1e-9 <= figure.low <= figure.value <= figure.high <= wider.high + 1e-9, name
