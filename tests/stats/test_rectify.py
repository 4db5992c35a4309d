from __future__ import annotations

import numpy as np
import pytest

from akrasia.core.errors import InputError, Undefined
from akrasia.stats import group, rectified_mean, rectify


def test_by_hand():
    # Cheap means .5 over six items; gold on three: truth − cheap = 0, −1, 0. With λ = 1: .5 − 1/3.
    cheap = np.array([1.0, 1, 0, 1, 0, 0])
    truth = np.array([1.0, 0, 0, np.nan, np.nan, np.nan])
    found = rectify(cheap, truth, group(6), tuning=1.0)
    assert found.value == pytest.approx(0.5 - 1 / 3)
    # With λ = 0 only the gold counts.
    assert rectify(cheap, truth, group(6), tuning=0.0).value == pytest.approx(1 / 3)


def test_tuning_is_the_regression_coefficient():
    # Gold: cheap (1, 1, 0, 0), truth (1, 0, 0, 0): covariance .125, variance .25 → λ = .5.
    cheap = np.array([1.0, 1, 0, 0, 1, 0])
    truth = np.array([1.0, 0, 0, 0, np.nan, np.nan])
    assert rectify(cheap, truth, group(6)).tuning == pytest.approx(0.5)


def test_a_perfect_verifier_keeps_its_value_but_not_for_certain():
    cheap = np.tile([0.0, 1.0], 200)
    truth = np.where(np.arange(400) < 50, cheap, np.nan)
    figure = rectified_mean(cheap, truth)
    assert figure.value == pytest.approx(0.5)
    # No error among 50: a rate of up to about 3/50 cannot be excluded.
    assert figure.half_width > 0.05


def test_gold_on_every_item_is_the_truth():
    rng = np.random.default_rng(0)
    truth = (rng.random(100) < 0.4).astype(float)
    figure = rectified_mean(rng.random(100), truth)
    assert figure.value == pytest.approx(truth.mean())


def test_unequal_inclusion_is_undone():
    rng = np.random.default_rng(1)
    hard = np.arange(4000) % 2 == 0
    truth = np.where(hard, 0.2, 0.9)
    inclusion = np.where(hard, 0.5, 0.1)
    seen = np.where(rng.random(4000) < inclusion, truth, np.nan)
    assert rectified_mean(np.full(4000, 0.5), seen, inclusion=inclusion).value == pytest.approx(0.55, abs=0.03)


def test_refusals():
    with pytest.raises(Undefined):
        rectified_mean([0.1, 0.2, 0.3], [0.1, np.nan, np.nan])
    with pytest.raises(InputError):
        rectified_mean([0.1, np.nan, 0.3], [0.1, 0.2, 0.3])
    with pytest.raises(InputError):
        rectified_mean([0.1, 0.2, 0.3], [0.1, 0.2, 0.3], inclusion=[0.0, 1.0, 1.0])


def test_coverage_with_few_errors():
    rng = np.random.default_rng(2)
    worlds, covered = 300, 0
    for _ in range(worlds):
        truth = (rng.random(400) < 0.6).astype(float)
        cheap = np.where(rng.random(400) < 0.02, 1 - truth, truth)
        seen = np.full(400, np.nan)
        drawn = rng.choice(400, 80, replace=False)
        seen[drawn] = truth[drawn]
        figure = rectified_mean(cheap, seen)
        covered += figure.low <= 0.6 <= figure.high
    assert covered / worlds >= 0.92


@pytest.mark.parametrize("short", [1.0, 0.99, 0.9])
def test_close_to_an_end_the_interval_knows_what_gold_alone_knows(short):
    # 20 labels, all right: alone they put the mean above 20 / (20 + t²), t = 2.101 (18 degrees), that is 0.819. That
    # the measurement is not quite 1 on one item changes little; its interval had gone down to about 0.1.
    cheap = np.ones(100)
    cheap[50] = short
    truth = np.where(np.arange(100) < 20, 1.0, np.nan)
    figure = rectified_mean(cheap, truth)
    assert figure.low == pytest.approx(20 / (20 + 2.101**2), abs=0.005)


def test_labels_of_unequal_weight_count_for_fewer_there():
    # Two of 20 items stand for almost all others: as if (18 · 1 + 2 · 50)² / (18 + 2 · 2500) = 2.8 had been labelled.
    cheap = np.ones(118)
    truth = np.where(np.arange(118) < 20, 1.0, np.nan)
    inclusion = np.where(np.arange(118) < 18, 1.0, 0.02)
    figure = rectified_mean(cheap, truth, inclusion=inclusion)
    assert figure.low == pytest.approx(2 / (2 + 2.101**2), abs=0.001)
