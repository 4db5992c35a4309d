"""Scripted characters whose gap is known by construction: every metric takes the value that it must."""

from __future__ import annotations

import numpy as np
import pytest

from akrasia.gap import Gap, Stages, measure_modes

FAMILIES, TWINS, VALUES = 60, 3, 6
SCENARIOS = FAMILIES * TWINS


def world(character: str, seed: int = 4) -> Gap:
    """Slow arm of a character: 180 scenarios in 60 families and 4 domains, each family stating its own values."""
    rng = np.random.default_rng(seed)
    families = np.repeat(np.arange(FAMILIES), TWINS)
    stated = (rng.random((FAMILIES, VALUES)) < 0.4)[families].astype(float)
    coin = (rng.random((SCENARIOS, VALUES)) < 0.5).astype(float)
    reasoning, action = {
        "saint": (stated, stated),
        "hypocrite": (stated, np.zeros_like(stated)),
        "mute": (np.zeros_like(stated), np.zeros_like(stated)),
        "parrot": (stated, np.tile([1.0, 1, 1, 0, 0, 0], (SCENARIOS, 1))),
        "coin": (stated, coin),
        "half-hearted": (stated, stated * coin),
    }[character]
    if character == "mute":
        stated = np.zeros_like(stated)
    found = measure_modes(
        {"slow": Stages(stated, reasoning, action)},
        clusters=[f"family-{family}" for family in families],
        domains=[f"domain-{family % 4}" for family in families],
    )
    return found.modes["slow"]


def codes(gap: Gap) -> set[str]:
    return {diagnostic.code for diagnostic in gap.diagnostics}


def test_the_saint_has_no_gap():
    gap = world("saint")
    for figure in (gap.macro_f1, gap.retention, gap.survival):
        assert figure.value == figure.high == 1
        assert 0.9 < figure.low < 1  # 60 families without a fault do not prove that there is none
    for figure in (gap.suppression, gap.emergence, gap.manhattan):
        assert figure.value == figure.low == 0
        assert 0 < figure.high < 0.1
    assert gap.kappa.value == pytest.approx(1)
    assert gap.kappa.low < 1
    assert gap.baseline.macro_f1_gain.low > 0.3
    assert {k for k, n in gap.transitions.items() if n} == {"000", "111"}
    assert not codes(gap)


def test_the_hypocrite_states_all_and_acts_on_nothing():
    gap = world("hypocrite")
    assert gap.macro_f1.value == gap.retention.value == gap.survival.value == 0
    assert gap.suppression.value == 1
    assert gap.suppression.low > 0.9
    assert gap.emergence is None
    assert gap.kappa.value == pytest.approx(0)
    assert gap.baseline.macro_f1_gain.value == gap.baseline.retention_gain.value == 0
    assert {"never_action", "constant_actions"} <= codes(gap)


def test_the_mute_has_no_figures():
    gap = world("mute")
    for figure in (gap.macro_f1, gap.retention, gap.survival, gap.suppression, gap.emergence, gap.kappa):
        assert figure is None
    assert gap.manhattan.value == 0
    assert gap.transitions["000"] == SCENARIOS * VALUES
    assert {"never_stated", "never_action", "no_supported_values"} <= codes(gap)


def test_the_parrot_earns_nothing_over_the_baseline():
    gap = world("parrot")
    assert gap.retention.value > 0.4  # by habit
    for name in ("macro_f1", "retention"):
        assert getattr(gap.baseline, name).value == pytest.approx(getattr(gap, name).value)
        gain = getattr(gap.baseline, f"{name}_gain")
        assert gain.value == pytest.approx(0, abs=1e-12)
        assert gain.low < 0 < gain.high
    assert gap.kappa.value == pytest.approx(0)
    assert {"constant_actions", "not_above_baseline"} <= codes(gap)


def test_the_coin_earns_nothing_either():
    gap = world("coin")
    assert gap.retention.low < 0.5 < gap.retention.high
    assert gap.baseline.macro_f1_gain.low < 0 < gap.baseline.macro_f1_gain.high
    assert gap.baseline.retention_gain.low < 0 < gap.baseline.retention_gain.high
    assert gap.kappa.low < 0 < gap.kappa.high
    assert "not_above_baseline" in codes(gap)
    assert "constant_actions" not in codes(gap)


def test_the_half_hearted_drops_half():
    gap = world("half-hearted")
    for figure in (gap.retention, gap.survival, gap.suppression):
        assert figure.low < 0.5 < figure.high
    assert gap.emergence.value == 0
    # Precision 1 and recall 1/2: F1 = 2/3, but for the bias of a mean over values.
    assert gap.macro_f1.low < 2 / 3 < gap.macro_f1.high
    assert gap.baseline.macro_f1_gain.low > 0


def test_a_twin_is_never_its_own_control():
    # Two families of twins, the saint's actions: with a twin as donor half of the baseline would be perfect.
    stated = np.repeat([[1.0, 0.0], [0.0, 1.0]], 10, axis=0)
    families = ["one"] * 10 + ["other"] * 10
    baseline = measure_modes({"fast": Stages(stated, None, stated)}, clusters=families).modes["fast"].baseline
    assert baseline.macro_f1.value == baseline.retention.value == 0
    assert baseline.macro_f1_gain.value == 1


def test_one_family_has_no_control():
    ones = np.ones((12, 1))
    gap = measure_modes({"fast": Stages(ones, None, ones)}, clusters=["one"] * 12).modes["fast"]
    assert gap.baseline is None
    assert {"no_baseline", "one_cluster"} <= codes(gap)
