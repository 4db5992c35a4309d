"""The smallest mean change that the t test finds with a given power, with the two units that it adds."""

from __future__ import annotations

import numpy as np
import pytest

from akrasia.stats import paired_difference
from akrasia.stats.change_power import detectable_change


def _detectable(units: list[float], **options: float) -> float | None:
    values = np.array(units)
    return detectable_change(values, float(values.var(ddof=1)) / len(values), **options)


def _share_found(changes: np.ndarray) -> float:
    tested = [paired_difference(np.zeros(len(row)), row, clusters=np.arange(len(row))).p for row in changes]
    return float(np.mean([p is not None and p < 0.05 for p in tested]))


@pytest.mark.parametrize("count", [2, 3, 4, 5])
@pytest.mark.parametrize("shared", [0.0, 0.5, 1.0])
def test_what_could_never_be_significant_detects_nothing(count: int, shared: float):
    found = paired_difference(np.zeros(count), np.full(count, 0.5))
    assert found.p > 0.05
    assert found.minimum_detectable is None
    assert _detectable([shared] * count) is None
    clustered = paired_difference(np.zeros(15), np.ones(15), clusters=np.repeat(np.arange(5), 3))
    assert clustered.minimum_detectable is None


def test_five_are_enough_at_a_lower_level():
    assert _detectable([0.5] * 5, level=0.9) is not None


def test_where_none_moved_it_is_what_so_many_of_0_and_1_would_show():
    """Six of six are significant and five are not, so that all six must move: d^6 = .8."""
    assert _detectable([0.0] * 6) == pytest.approx(0.8 ** (1 / 6))


def test_where_all_moved_alike_it_is_what_the_added_units_leave():
    """Six by .5 without a spread: x is significant where (8 x)² > 2.5706² · 2 · 1²."""
    assert _detectable([0.5] * 6) == pytest.approx(2.5706 * np.sqrt(2) / 8, abs=1e-4)


def test_with_many_units_it_is_the_noncentral_t():
    from scipy.special import nctdtr, stdtrit

    values = [0.1 * step for step in range(-5, 6) if step] * 60
    found = _detectable(values)
    error = np.std(values, ddof=1) / np.sqrt(600)
    bound = stdtrit(599, 0.975)
    power = 1 - nctdtr(599, found / error, bound) + nctdtr(599, found / error, -bound)
    assert power == pytest.approx(0.8, abs=0.005)


@pytest.mark.parametrize("count", [8, 12, 40])
def test_it_belongs_to_the_interval_and_moves_with_it(count: int):
    """Never below the half-width, nor far beyond it, and no leap where one unit more stays."""
    changes = np.random.default_rng(count).normal(0.05, 0.05, count)
    before = None
    for still in range(count + 1):
        row = np.where(np.arange(count) < still, 0.0, changes)
        result = paired_difference(np.zeros(count), row, clusters=np.arange(count))
        half = (result.difference.high - result.difference.low) / 2
        assert 0.9 * half < result.minimum_detectable < 3.5 * half
        assert before is None or 0.75 * before < result.minimum_detectable < 2 * before
        before = result.minimum_detectable


def test_values_without_a_range_detect_more_than_1():
    assert detectable_change(np.arange(100.0, 113.0) * 3, 100.0, bounded=False) > 20


@pytest.mark.parametrize("draws", [2, 4])
@pytest.mark.parametrize("count", [8, 12])
def test_eighty_of_a_hundred_repetitions_find_it(count: int, draws: int):
    """Items of a few draws each: where the detectable difference is the true one, the test finds about 80 % or more."""
    rng = np.random.default_rng(count)

    def changes(difference: float, worlds: int) -> np.ndarray:
        low = 0.5 - difference / 2
        ups = rng.binomial(draws, low + difference, (worlds, count))
        return (ups - rng.binomial(draws, low, (worlds, count))) / draws

    for difference in np.linspace(0.1, 0.98, 45):
        told = [detectable_change(row, row.var(ddof=1) / count) or 1.0 for row in changes(difference, 25)]
        if np.mean(told) <= difference:
            break
    assert _share_found(changes(np.mean(told), 400)) >= 0.78 - 3 * np.sqrt(0.16 / 400)


@pytest.mark.parametrize("count", [6, 10, 40])
def test_where_nothing_moved_it_is_found_when_so_many_do(count: int):
    found = _detectable([0.0] * count)
    rng = np.random.default_rng(count)
    # Changes of 1 in independent pairs would be McNemar's: these are graded by a hair.
    moved = (rng.random((400, count)) < found) * (1 - 1e-6)
    assert _share_found(moved) >= 0.8 - 3 * np.sqrt(0.16 / 400)
