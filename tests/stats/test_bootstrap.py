from __future__ import annotations

import numpy as np
import pytest

from akrasia.core.errors import InputError, Undefined
from akrasia.stats import Resampler, bootstrap_interval, group, mean_interval


def test_agrees_with_the_cluster_robust_interval():
    rng = np.random.default_rng(1)
    clusters = np.repeat(np.arange(150), 4)
    values = np.clip(0.5 + 0.2 * rng.normal(size=150)[clusters] + 0.1 * rng.normal(size=600), 0, 1)
    exact = mean_interval(values, clusters=clusters)
    boot = bootstrap_interval(values, np.random.default_rng(2), clusters=clusters)
    assert boot.value == pytest.approx(exact.value)
    assert boot.half_width == pytest.approx(exact.half_width, rel=0.08)
    assert boot.method == "bootstrap"


def test_resampled_means_match_a_plain_loop():
    rng = np.random.default_rng(3)
    values = rng.random(40)
    spread = Resampler(group(40), np.random.default_rng(4), 4000).means(values).std()
    plain = np.std([rng.choice(values, 40).mean() for _ in range(4000)])
    assert spread == pytest.approx(plain, rel=0.06)


def test_joined_blocks_keep_the_spread():
    rng = np.random.default_rng(5)
    values = rng.random(9000)
    means = Resampler(group(9000), np.random.default_rng(6), 3000).means(values)
    assert means.std() == pytest.approx(values.std() / np.sqrt(9000), rel=0.08)


def test_counted_rows_keep_the_spread():
    repeats = [300, 500, 200]
    means = Resampler(group(3, repeats=repeats), np.random.default_rng(7), 4000).means(np.array([0.0, 0.5, 1.0]))
    rows = np.repeat([0.0, 0.5, 1.0], repeats)
    assert means.mean() == pytest.approx(rows.mean(), abs=0.002)
    assert means.std() == pytest.approx(rows.std() / np.sqrt(1000), rel=0.06)


def test_near_the_end_wilson_takes_over():
    assert bootstrap_interval(np.ones(40), np.random.default_rng(0)).method == "wilson"


def test_one_seed_one_interval():
    values = np.linspace(0, 1, 30)
    first, second = (bootstrap_interval(values, np.random.default_rng(9)) for _ in range(2))
    assert first == second


def test_refusals():
    with pytest.raises(Undefined):
        bootstrap_interval([0.4, 0.6], np.random.default_rng(0), clusters=["a", "a"])
    with pytest.raises(InputError):
        bootstrap_interval([0.4, 0.6], np.random.default_rng(0), resamples=10)
    with pytest.raises(InputError):
        bootstrap_interval([0.4, np.nan], np.random.default_rng(0))


def test_many_columns_at_once_are_the_same_resamples() -> None:
    rng = np.random.default_rng(3)
    cells = rng.random((60, 3))
    resampler = Resampler(group(60, np.repeat(np.arange(20), 3)), np.random.default_rng(4), 200)
    together = resampler.means(cells)
    assert together.shape == (200, 3)
    for column in range(3):
        assert together[:, column] == pytest.approx(resampler.means(cells[:, column]), abs=1e-6)
