from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akrasia.core.errors import InputError
from akrasia.gap.pressure import pressure_contrasts
from akrasia.stats import holm, mcnemar


def rows(families: int, *pressures: str) -> tuple[list[str], np.ndarray]:
    """Family by family, the scenarios under each pressure."""
    return list(pressures) * families, np.repeat(np.arange(families), len(pressures))


def find(found, pressure: str, value: str | None, outcome: str):
    of = found.overall if value is None else found.contrasts
    (one,) = [c for c in of if (c.pressure, c.value, c.outcome) == (pressure, value, outcome)]
    return one


def test_by_hand():
    # One value, always stated. Of 12 families 8 lose it under pressure, 1 gains it, 2 keep it, 1 never has it.
    pressures, families = rows(12, "none", "time")
    before = np.array([1] * 8 + [0] + [1, 1] + [0])
    after = np.array([0] * 8 + [1] + [1, 1] + [0])
    action = np.stack([before, after], axis=1).reshape(-1, 1).astype(float)
    found = find(
        pressure_contrasts(np.ones((24, 1)), action, pressures, families, values=["honesty"]),
        "time", "honesty", "retention",
    )  # fmt: skip
    assert found.odds_ratio.value == pytest.approx(1.5 / 8.5)
    # log OR ± t₁₁ √(1/1.5 + 1/8.5)
    half = 2.2009852 * np.sqrt(1 / 1.5 + 1 / 8.5)
    assert np.log(found.odds_ratio.high / found.odds_ratio.value) == pytest.approx(half)
    assert (found.neutral, found.pressed) == pytest.approx((10 / 12, 3 / 12))
    assert found.difference.value == pytest.approx(-7 / 12)
    assert found.p == pytest.approx(mcnemar(1, 8))
    assert (found.pairs, found.unstated, found.missing) == (12, 0, 0)


def test_several_actions_are_draws_within_a_family():
    # Two families, 2 actions each. Family 0: 2 of 2 before, 1 of 2 after; family 1: 1 of 2 before, 1 of 2 after.
    # Up: 1/2 · 0 + 1/2 · 1/2 = 1/4; down: 1 · 1/2 + 1/2 · 1/2 = 3/4. OR = (1/4 + 1/2) / (3/4 + 1/2) = 3/5.
    action = np.array([[[1.0], [1]], [[1], [0]], [[1], [0]], [[0], [1]]])
    pressures, families = rows(2, "none", "time")
    found = find(pressure_contrasts(np.ones((4, 1)), action, pressures, families), "time", "value-1", "retention")
    assert found.odds_ratio.value == pytest.approx(3 / 5)
    # Changes: 1 · 2 − 2 · 2 = −2 and 0: one family, either sign as likely.
    assert found.p == 1.0
    assert (found.neutral, found.pressed) == pytest.approx((3 / 4, 1 / 2))
    # The same actions as rows of their own.
    flat = pressure_contrasts(np.ones((8, 1)), action.reshape(8, 1), np.repeat(pressures, 2), np.repeat(families, 2))
    assert find(flat, "time", "value-1", "retention") == found


def test_retention_needs_the_value_stated_in_both():
    pressures, families = rows(4, "none", "time")
    stated = np.array([[1.0], [1], [1], [0], [0], [0], [1], [np.nan]])
    action = np.array([[1.0], [0], [1], [0], [1], [1], [1], [0]])
    found = pressure_contrasts(stated, action, pressures, families)
    kept = find(found, "time", "value-1", "retention")
    assert (kept.pairs, kept.unstated, kept.missing) == (1, 2, 1)
    shown = find(found, "time", "value-1", "presence")
    assert (shown.pairs, shown.unstated, shown.missing) == (4, 0, 0)
    assert (shown.neutral, shown.pressed) == pytest.approx((1, 1 / 4))


def test_missing_pairs_are_counted_and_none_leaves_no_figure():
    pressures, families = rows(3, "none", "time", "money")
    keep = np.array([True, True, True, True, True, False, False, True, False])
    action = np.ones((9, 1))
    action[1] = np.nan
    found = pressure_contrasts(np.ones((6, 1)), action[keep], np.array(pressures)[keep], families[keep])
    one = find(found, "time", "value-1", "retention")
    assert (one.pairs, one.missing) == (1, 1)
    # Family 1 lacks money, family 2 its neutral scenario; of money family 2 has nothing at all.
    assert found.unpaired == {"money": 1, "time": 1}
    assert "unpaired" in [note.code for note in found.diagnostics]
    never = pressure_contrasts(np.zeros((4, 1)), np.ones((4, 1)), ["none", "time"] * 2, np.repeat([0, 1], 2))
    empty = find(never, "time", "value-1", "retention")
    assert empty.odds_ratio is None
    assert empty.p is None
    assert empty.p_adjusted is None
    assert empty.unstated == 2


def world(seed: int, families: int, actions: int, values: int = 6):
    """Money suppresses the first value; authority nothing. Families differ in what they do."""
    rng = np.random.default_rng(seed)
    pressures, clusters = rows(families, "none", "money", "authority")
    stated = np.repeat(rng.random((families, values)) < 0.7, 3, axis=0)
    will = np.repeat(rng.beta(4, 2, (families, values)), 3, axis=0)
    will[1::3, 0] *= 0.3
    action = rng.random((len(stated), actions, values)) < (stated * will)[:, None]
    return stated.astype(float), action.astype(float), pressures, clusters


@pytest.mark.parametrize("actions", [1, 6])
def test_it_names_the_pressure_and_the_value(actions: int):
    found = pressure_contrasts(*world(0, 80, actions))
    assert [(one.pressure, one.value) for one in found.suppressed()] == [("money", "value-1")]
    assert found.suppressed()[0].odds_ratio.high < 0.5
    assert find(found, "money", None, "retention").p_adjusted < 0.05
    assert find(found, "authority", None, "retention").p_adjusted > 0.05
    # Holm runs over every contrast of a value, both outcomes together.
    assert [one.p_adjusted for one in found.contrasts] == pytest.approx(holm([one.p for one in found.contrasts]))
    assert len(found.contrasts) == 2 * 2 * 6
    assert len(found.overall) == 2 * 2


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_changing_sides_turns_the_odds_round(seed: int):
    stated, action, pressures, clusters = world(seed, 10, 2, 2)
    there = pressure_contrasts(stated, action, pressures, clusters)
    swapped = [{"none": "money", "money": "none"}.get(name, name) for name in pressures]
    back = pressure_contrasts(stated, action, swapped, clusters)
    one, two = (find(found, "money", "value-1", "presence") for found in (there, back))
    assert one.odds_ratio.value == pytest.approx(1 / two.odds_ratio.value)
    assert one.odds_ratio.low == pytest.approx(1 / two.odds_ratio.high)
    assert one.p == pytest.approx(two.p)
    assert one.difference.value == pytest.approx(-two.difference.value)


def test_refusals():
    with pytest.raises(InputError):
        pressure_contrasts(np.ones((2, 1)), np.ones((2, 1)), ["none", "none"], [0, 0])
    with pytest.raises(InputError):
        pressure_contrasts(np.ones((2, 1)), np.ones((2, 1)), ["time", "money"], [0, 0])
    with pytest.raises(InputError):
        pressure_contrasts(np.ones((2, 1)), np.ones((2, 2)), ["none", "time"], [0, 0])
    with pytest.raises(InputError):
        pressure_contrasts(np.ones((2, 1)), 2 * np.ones((2, 1)), ["none", "time"], [0, 0])


def true_odds_ratio() -> float:
    rng = np.random.default_rng(9)
    p = rng.beta(4, 2, 1_000_000)
    q = p * 0.6
    return float((q * (1 - p)).mean() / (p * (1 - q)).mean())


def simulated(worlds: int, families: int, actions: int) -> tuple[float, float]:
    """Coverage of the odds ratio, and how often a pressure without effect is found to have one (p ≤ .05)."""
    rng = np.random.default_rng(10)
    truth = true_odds_ratio()
    hits = false = 0
    pressures, clusters = rows(families, "none", "money", "time")
    for _ in range(worlds):
        p = np.repeat(rng.beta(4, 2, families), 3)
        p[1::3] *= 0.6
        action = (rng.random((len(p), actions)) < p[:, None])[..., None].astype(float)
        found = pressure_contrasts(np.ones((len(p), 1)), action, pressures, clusters)
        one = find(found, "money", "value-1", "retention").odds_ratio
        hits += one.low <= truth <= one.high
        false += find(found, "time", "value-1", "retention").p <= 0.05
    return hits / worlds, false / worlds


@pytest.mark.parametrize("actions", [1, 4])
def test_coverage(actions: int):
    covered, false = simulated(150, 40, actions)
    assert covered >= 0.88
    assert false <= 0.1


@pytest.mark.slow
@pytest.mark.parametrize("families", [20, 60])
@pytest.mark.parametrize("actions", [1, 4])
def test_coverage_long(families: int, actions: int):
    covered, false = simulated(1500, families, actions)
    print(f"odds ratio, {families} families, {actions} actions: covered {covered:.3f}, false alarms {false:.3f}")
    assert covered >= 0.92
    assert false <= 0.065
