from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from akrasia.core.errors import InputError
from akrasia.gap.spread import reading_spread


def test_by_hand():
    # Wordings a, a, b; one order. Cell 0: grades 1, 1, 0: pairs of other wordings (1, 0), (1, 0): differ always,
    # ½ · 1; repeated: 0. Cell 1: .6, .4, .6: pairs (.6, .6), (.4, .6): labels differ in one of two, half squares
    # 0 and .02; repeated: .02.
    grades = np.array([[[1.0], [1], [0]], [[0.6], [0.4], [0.6]]])
    found = reading_spread(grades, wordings=["a", "a", "b"])
    wording = found.wording
    assert wording.flips.value == 1
    assert wording.disagreement.value == pytest.approx(3 / 4)
    assert found.noise.value == pytest.approx((0 + 0.02) / 2)
    assert wording.component.value == pytest.approx((0.5 + 0.01) / 2 - 0.01)
    assert wording.noise_removed
    assert [(one.name, one.mean.value) for one in wording.means] == [("a", pytest.approx(0.75)), ("b", 0.3)]
    assert found.order is None
    # Family means (1, 0) and (.5, .6): MS between 2 · .225² · 2 = .2025, MS rest .3025: no variance of means shows.
    assert wording.means_variance.value == 0
    assert found.diagnostics == ()


def test_wording_and_order_are_told_apart():
    # A label that hangs on the order alone.
    grades = np.tile([[[1.0], [0], [1], [0]]], (12, 1, 1))
    found = reading_spread(grades, wordings=["a", "a", "b", "b"], orders=[1, 2, 1, 2])
    assert found.wording.flips.value == 0
    assert found.order.flips.value == 1
    assert found.order.component.value == pytest.approx(0.5)
    assert found.wording.means_variance.value == 0
    # (1 − 0)² / 2 between two means, with no rest.
    assert found.order.means_variance.value == pytest.approx(0.5)
    assert [note.code for note in found.diagnostics] == ["noise_included"] * 2


def test_what_always_changes_together_cannot_be_told_apart():
    found = reading_spread(np.ones((4, 3, 2)), wordings="abc", orders="123")
    assert found.wording is None
    assert found.order is None
    assert [note.code for note in found.diagnostics] == ["confounded"] * 2


def test_one_reading_tells_nothing():
    found = reading_spread(np.ones((4, 1, 2)))
    assert (found.wording, found.order, found.noise, found.diagnostics) == (None, None, None, ())


def test_missing_cells_are_left_out_pairwise():
    grades = np.array([[[1.0, np.nan], [0.0, 1.0]], [[1.0, 1.0], [1.0, np.nan]]])
    found = reading_spread(grades, wordings="ab")
    assert found.wording.cells == 2
    assert found.wording.flips.value == 0.5
    assert [one.mean.value for one in found.wording.means] == [1.0, 0.5]


@settings(max_examples=50)
@given(arrays(float, (4, 3, 2), elements=st.sampled_from([0.0, 0.2, 0.7, 1.0])))
def test_the_component_is_the_mean_variance_over_wordings(grades):
    found = reading_spread(grades, wordings="abc").wording
    assert found.component.value == pytest.approx(grades.var(axis=1, ddof=1).mean())
    labels = grades >= 0.5
    assert found.flips.value == pytest.approx((labels.any(axis=1) & ~labels.all(axis=1)).mean())
    assert 0 <= found.disagreement.value <= found.flips.value + 1e-12


def elicited(rng, scenarios: int, wordings: int, by_wording: float, in_cell: float, noise: float):
    """Every wording twice: a shift of its own, a shift in each cell, and noise."""
    level = 0.5 + rng.normal(0, 0.05, (scenarios, 1, 4))
    shift = rng.normal(0, by_wording, (1, wordings, 1)) + rng.normal(0, in_cell, (scenarios, wordings, 4))
    grades = np.repeat(level + shift, 2, axis=1)
    return grades + rng.normal(0, noise, grades.shape), np.repeat(np.arange(wordings), 2)


def test_components_add_up():
    rng = np.random.default_rng(0)
    grades, wordings = elicited(rng, 400, 12, 0.02, 0.035, 0.04)
    found = reading_spread(grades, wordings=wordings.tolist())
    assert found.noise.value == pytest.approx(0.04**2, rel=0.1)
    assert found.wording.component.value == pytest.approx(0.02**2 + 0.035**2, rel=0.35)
    assert found.wording.means_variance.low < 0.02**2 < found.wording.means_variance.high


def coverage(worlds: int) -> tuple[float, float]:
    rng = np.random.default_rng(1)
    hits = cells = 0
    for _ in range(worlds):
        grades, wordings = elicited(rng, 40, 3, 0.02, 0.035, 0.04)
        spread = reading_spread(grades, wordings=wordings.tolist()).wording
        hits += spread.means_variance.low <= 0.02**2 <= spread.means_variance.high
        grades, wordings = elicited(rng, 40, 3, 0.0, 0.035, 0.04)
        spread = reading_spread(grades, wordings=wordings.tolist()).wording
        cells += spread.component.low <= 0.035**2 <= spread.component.high
    return hits / worlds, cells / worlds


def test_coverage():
    of_means, of_cells = coverage(150)
    assert of_means >= 0.9
    assert of_cells >= 0.9


@pytest.mark.slow
def test_coverage_long():
    of_means, of_cells = coverage(2000)
    print(f"variance of wording means {of_means:.3f}, component of a cell {of_cells:.3f}")
    assert 0.93 <= of_means <= 0.97
    assert 0.92 <= of_cells <= 0.98


def test_refusals():
    with pytest.raises(InputError):
        reading_spread(np.ones((3, 2)))
    with pytest.raises(InputError):
        reading_spread(np.ones((3, 2, 2)), wordings="abc")
    with pytest.raises(InputError):
        reading_spread(2 * np.ones((3, 2, 2)))
