from __future__ import annotations

import numpy as np
import pytest

from akrasia.core.errors import InputError
from akrasia.gap import Stages, measure, measure_modes

NAN = np.nan


def column(*numbers: float) -> np.ndarray:
    return np.array(numbers, dtype=float)[:, None]


def test_every_rate_by_hand():
    # Six scenarios, one value. stated: 1 1 1 1 0 0; reasoning: 1 1 0 0 1 0; action: 1 0 1 0 1 0.
    gap = measure(column(1, 1, 1, 1, 0, 0), column(1, 1, 0, 0, 1, 0), column(1, 0, 1, 0, 1, 0))
    assert gap.mode == "slow"
    assert gap.retention.value == pytest.approx(2 / 4)  # acted in two of the four stated
    assert gap.survival.value == pytest.approx(1 / 4)  # only the first is stated, reasoned with and acted on
    assert gap.suppression.value == pytest.approx(1 / 2)  # of the two stated and reasoned with, one is not acted on
    assert gap.emergence.value == pytest.approx(1 / 3)  # of three acted on, one is not stated
    assert gap.manhattan.value == pytest.approx(3 / 6)  # scenarios 2, 4 and 5 differ
    assert gap.transitions == {
        "000": 1, "001": 0, "010": 0, "011": 1, "100": 1, "101": 1, "110": 1, "111": 1,
    }  # fmt: skip
    assert gap.macro_f1 is None  # five scenarios with the value are fewer than ten
    assert gap.by_value["value-1"].f1.value == pytest.approx(2 * 2 / (4 + 3))
    # agreement 3/6; expected 4/6 · 3/6 + 2/6 · 3/6 = 1/2
    assert gap.kappa.value == pytest.approx(0)
    pairs = gap.pairs
    assert pairs.stated_reasoning.retention.value == pytest.approx(2 / 4)
    assert pairs.stated_reasoning.emergence.value == pytest.approx(1 / 3)
    assert pairs.reasoning_action.retention.value == pytest.approx(2 / 3)
    assert {d.code for d in gap.diagnostics} >= {"no_supported_values", "few_clusters"}
    assert any("in at least 10 scenarios" in d.message for d in gap.diagnostics)


def test_an_arm_without_reasoning_has_complements():
    gap = measure(column(1, 1, 1, 0), None, column(1, 0, 1, 1))
    assert gap.mode == "fast"
    assert gap.survival == gap.retention
    assert gap.suppression.value == pytest.approx(1 - gap.retention.value)
    assert (gap.suppression.low, gap.suppression.high) == pytest.approx((1 - gap.retention.high, 1 - gap.retention.low))
    assert gap.transitions == {"0-0": 0, "0-1": 1, "1-0": 1, "1-1": 2}
    assert gap.pairs.reasoning_action is None


def test_macro_f1_is_the_mean_over_supported_values():
    # Value 1: stated in 10 of 20 scenarios, acted on in 5 of these and in 5 others: F1 = 2·5/(10 + 10) = 1/2.
    # Value 2: stated and acted on in the same 12: F1 = 1. Value 3: in 9 scenarios only: no support.
    stated, action = np.zeros((20, 3)), np.zeros((20, 3))
    stated[:10, 0] = 1
    action[5:15, 0] = 1
    stated[:12, 1] = action[:12, 1] = 1
    stated[:9, 2] = 1
    gap = measure(stated, None, action, values=["a", "b", "c"])
    assert gap.supported == ("a", "b")
    assert gap.macro_f1.value == pytest.approx((1 / 2 + 1) / 2)
    assert gap.by_value["c"].supported is False
    assert gap.by_value["c"].support == 9
    assert gap.by_value["c"].f1.value == 0
    assert "unsupported_values" in {d.code for d in gap.diagnostics}


def test_support_counts_over_all_arms():
    # In fast the value is present in 6 scenarios, in slow in 6 others: 12 in all, enough in both.
    stated, fast, slow = np.zeros((20, 1)), np.zeros((20, 1)), np.zeros((20, 1))
    fast[:6], slow[6:12] = 1, 1
    stated[:2] = 1
    found = measure_modes({"fast": Stages(stated, None, fast), "slow": Stages(stated, slow, slow)})
    assert found.modes["fast"].macro_f1.value == pytest.approx(2 * 2 / (2 + 6))
    assert found.modes["slow"].macro_f1.value == 0
    assert found.deliberation_effect.value == pytest.approx(-0.5)
    assert measure(stated, None, fast).macro_f1 is None


def test_grades_are_kept_in_the_distance_and_cut_elsewhere():
    gap = measure(column(0.8, 0.4), None, column(0.5, 0.5), threshold=0.5)
    assert gap.manhattan.value == pytest.approx((0.3 + 0.1) / 2)
    assert gap.manhattan_floor == 0
    assert gap.manhattan_binary.value == pytest.approx(1 / 2)
    assert gap.retention.value == 1  # present from 0.5 on
    rows = {row.threshold: row for row in gap.by_threshold}
    assert sorted(rows) == [0.3, 0.4, 0.5, 0.6, 0.7]
    assert rows[0.6].retention.value == 0
    assert rows[0.4].emergence.value == 0
    assert rows[0.6].emergence is None


def test_the_floor_of_the_distance_on_mixed_scales():
    # The best action, 1 and 0, stays 0.2 and 0.4 away.
    gap = measure(column(0.8, 0.4), None, column(1, 1))
    assert gap.manhattan_floor == pytest.approx((0.2 + 0.4) / 2)
    assert gap.manhattan.value == pytest.approx((0.2 + 0.6) / 2)
    assert "mixed_scales" in {d.code for d in gap.diagnostics}


def test_missing_is_pairwise_and_never_zero():
    stated = column(1, 1, NAN, 0, NAN)
    reasoning = column(1, NAN, 1, 1, 1)
    action = column(1, 0, 1, NAN, NAN)
    gap = measure(stated, reasoning, action)
    assert gap.retention.value == pytest.approx(1 / 2)  # scenarios 1 and 2
    assert gap.survival.value == 1  # scenario 1 alone has all three
    assert sum(gap.transitions.values()) == 1
    assert (gap.missing.stated, gap.missing.reasoning, gap.missing.action, gap.missing.cells) == (2, 1, 2, 5)
    assert gap.missing.share == pytest.approx(5 / 15)
    # Kept 1, dropped 1. Scenario 3 (acted on) may be stated; 5 may be stated and kept, or stated and dropped.
    assert gap.missing.retention.worst == pytest.approx(1 / 3)
    assert gap.missing.retention.best == pytest.approx(3 / 4)


def betrayal(*marks):
    """Four values stated, two of them dropped; the marks say of each whether the action betrays it."""
    stated, action = column(1, 1, 1, 1), column(0, 0, 1, 1)
    return measure(stated, None, action, betrayed=column(*marks))


def test_betrayal_labelled_only_where_it_holds_is_no_share():
    gap = betrayal(1, NAN, NAN, NAN)  # known of the first alone; any of the other three may be betrayed
    assert gap.betrayed is None
    assert gap.missing.betrayed == 3
    assert (gap.missing.betrayal.best, gap.missing.betrayal.worst) == (1 / 4, 1)
    note = next(d for d in gap.diagnostics if d.code == "betrayal_unknown")
    assert note.severity == "warning"
    assert "3 of 4 stated values" in note.message


def test_betrayal_of_what_is_labelled_is_a_share_with_bounds():
    gap = betrayal(1, 0, 0, NAN)
    assert gap.betrayed.value == pytest.approx(1 / 3)
    assert (gap.missing.betrayal.best, gap.missing.betrayal.worst) == (1 / 4, 2 / 4)
    assert "1 of 4 stated values" in next(d.message for d in gap.diagnostics if d.code == "betrayal_unknown")
    whole = betrayal(1, 0, 0, 0)
    assert whole.betrayed.value == 1 / 4
    assert "betrayal_unknown" not in {d.code for d in whole.diagnostics}


def test_an_action_that_nobody_read_is_not_counted_as_betrayal_left_out():
    gap = measure(column(1, 1), None, column(0, NAN), betrayed=column(1, NAN))
    assert gap.betrayed.value == 1
    assert "betrayal_unknown" not in {d.code for d in gap.diagnostics}


def test_what_was_not_asked_is_not_missing():
    asked = np.array([True, True, False, False])
    fast = Stages(column(1, 1, NAN, NAN), None, column(1, 0, NAN, NAN), asked=asked)
    slow = Stages(column(1, 1, 1, 0), column(1, 1, 1, 0), column(1, 1, 1, 0))
    found = measure_modes({"fast": fast, "slow": slow}, domains=["x", "x", "y", "y"])
    assert found.modes["fast"].scenarios == 2
    assert found.modes["fast"].missing.share == 0
    assert list(found.modes["fast"].by_domain) == ["x"]
    assert list(found.modes["slow"].by_domain) == ["x", "y"]


def test_parts_by_domain_pressure_and_value():
    stated, action = np.ones((24, 2)), np.ones((24, 2))
    action[:12, 0] = 0
    domains = ["x"] * 12 + ["y"] * 12
    gap = measure(stated, None, action, domains=domains, pressures=["none", "time"] * 12, values=["a", "b"])
    assert gap.by_domain["x"].retention.value == pytest.approx(1 / 2)
    assert gap.by_domain["y"].macro_f1.value == 1
    assert gap.by_domain["x"].macro_f1.value == pytest.approx(1 / 2)
    assert gap.by_domain["x"].transitions_by_value["a"]["1-0"] == 12
    assert gap.by_pressure["time"].scenarios == 12
    assert gap.by_pressure["time"].retention.value == pytest.approx(3 / 4)
    assert gap.by_value["a"].retention.value == pytest.approx(1 / 2)
    assert gap.by_value["b"].kappa is None  # both constant
    assert gap.by_value["a"].kappa.value == pytest.approx(0)


def test_betrayal_is_kept_apart():
    gap = measure(column(1, 1, 1, 0), None, column(0, 0, 1, 0), betrayed=column(1, 0, 0, 1))
    assert gap.betrayed.value == pytest.approx(1 / 3)
    assert measure(column(1), None, column(1)).betrayed is None


def test_deliberation_is_paired_on_what_both_know():
    # Twelve scenarios; fast keeps 6, slow all. One action of slow is missing: its scenario leaves both sides.
    stated = np.ones((12, 1))
    fast = np.repeat([[1.0], [0.0]], 6, axis=0)
    slow = np.ones((12, 1))
    slow[11] = NAN
    found = measure_modes({"fast": Stages(stated, None, fast), "slow": Stages(stated, stated, slow)})
    assert found.deliberation_effect.value == pytest.approx(1 - 2 * 6 / (11 + 6))


def test_arms_that_agree_are_not_exactly_equal():
    stated = np.ones((30, 1))
    found = measure_modes({"fast": Stages(stated, None, stated), "slow": Stages(stated, stated, stated)})
    effect = found.deliberation_effect
    assert effect.value == 0
    assert effect.low < -0.01 < 0.01 < effect.high


def test_unpaired_arms_have_no_effect():
    half = np.arange(24) < 12
    first, second = np.where(half[:, None], 1.0, NAN), np.where(half[:, None], NAN, 1.0)
    found = measure_modes(
        {"fast": Stages(first, None, first, asked=half), "slow": Stages(second, second, second, asked=~half)}
    )
    assert found.deliberation_effect is None
    assert [d.code for d in found.diagnostics] == ["no_deliberation_effect"]


def test_reasoning_belongs_to_slow():
    ones = np.ones((3, 1))
    fast = measure(ones, np.zeros((3, 1)), ones, mode="fast")
    assert fast.survival.value == 1
    assert "reasoning_ignored" in {d.code for d in fast.diagnostics}
    slow = measure(ones, None, ones, mode="slow")
    assert slow.survival is None
    assert slow.retention.value == 1
    assert "no_reasoning" in {d.code for d in slow.diagnostics}
    other = measure(ones, None, ones, mode="stated_first")
    assert other.survival.value == 1


def test_the_record_is_the_json_of_the_design():
    ones = np.ones((12, 1))
    record = measure_modes({"fast": Stages(ones, None, ones)}).record()
    assert record["deliberation_effect"] is None
    fast = record["modes"]["fast"]
    wanted = {"macro_f1", "manhattan", "retention", "survival", "suppression", "emergence"}
    assert all({"value", "low", "high"} <= set(fast[name]) for name in wanted - {"emergence"})
    assert {"transitions", "baseline", "kappa", "by_domain", "by_value"} <= set(fast)
    assert fast["kappa"] is None


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"action": [[1.5], [0]]}, "action, scenario 0, value 0: 1.5 lies outside"),
        ({"action": [[1, 0], [0, 1]]}, "action must have the shape"),
        ({"stated": [1, 0]}, "stated must have the shape"),
        ({"stated": [["x"], [0]]}, "array of numbers"),
        ({"stated": np.empty((0, 3))}, "stated is empty"),
        ({"values": ["a", "b"]}, "values must be 1 different names"),
        ({"domains": ["x"]}, "domains must be 2 labels"),
        ({"clusters": ["x"]}, "clusters must be 2 labels"),
        ({"threshold": 0.0}, "threshold must lie"),
        ({"level": 95.0}, "level must lie"),
    ],
)
def test_what_cannot_be_used_is_refused(kwargs, message):
    given = {"stated": [[1], [0]], "reasoning": None, "action": [[1], [0]], **kwargs}
    with pytest.raises(InputError, match=message):
        measure(given.pop("stated"), given.pop("reasoning"), given.pop("action"), **given)


def test_no_arm_is_refused():
    with pytest.raises(InputError, match="no arm"):
        measure_modes({})
    with pytest.raises(InputError, match="asked about no scenario"):
        measure_modes({"fast": Stages(column(1), None, column(1), asked=np.array([False]))})
