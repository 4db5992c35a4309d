"""From a table of labels to corrected figures."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec import structs

from akrasia.core.errors import InputError
from akrasia.gap import LabelTable, Stages, measure_modes
from akrasia.gap.labels import aligned_gold, measure_table

SCENARIOS, VALUES = 240, ("a", "b")
NAMES = tuple(f"s{row}" for row in range(SCENARIOS))


def judged(seed: int = 2) -> tuple[LabelTable, LabelTable]:
    """Labels by a judge that misses a quarter of the acted values, and the truth."""
    rng = np.random.default_rng(seed)
    shape = (SCENARIOS, len(VALUES))
    stated = (rng.random(shape) < 0.6).astype(float)
    action = stated * (rng.random(shape) < 0.8)
    read = action * (rng.random(shape) < 0.75)
    clusters, domains = NAMES, ("x",) * SCENARIOS
    tables = [
        LabelTable(NAMES, VALUES, {"fast": Stages(stated, None, labels)}, clusters, domains)
        for labels in (read, action)
    ]
    return tables[0], tables[1]


def part(table: LabelTable, rows: list[int], *, inclusion: float | None = None) -> LabelTable:
    """Some scenarios of a table, as a gold file would give them."""
    stages = table.modes["fast"]
    drawn = None if inclusion is None else np.full(len(rows), inclusion)
    return LabelTable(
        tuple(table.scenarios[row] for row in rows),
        table.values[::-1],
        {"fast": Stages(stages.stated[rows][:, ::-1], None, stages.action[rows][:, ::-1], drawn)},
        tuple(table.clusters[row] for row in rows),
        tuple(table.domains[row] for row in rows),
    )


def test_without_gold_it_is_the_measure_of_the_arms():
    table, _ = judged()
    found = measure_table(table, threshold=0.4, level=0.9)
    assert found == measure_modes(
        table.modes, values=VALUES, clusters=table.clusters, domains=table.domains, threshold=0.4, level=0.9
    )


def test_gold_becomes_the_headline_and_the_raw_figure_stands_beside_it():
    table, truth = judged()
    rows = np.random.default_rng(0).permutation(SCENARIOS)[:120].tolist()
    fast = measure_table(table, gold=part(truth, rows), seed=1).modes["fast"]
    raw = measure_table(table).modes["fast"]
    true = measure_table(truth).modes["fast"]
    for name in ("macro_f1", "retention", "survival", "suppression"):
        corrected, uncorrected = getattr(fast, name), getattr(fast.uncorrected, name)
        assert uncorrected == getattr(raw, name)
        assert corrected.low < getattr(true, name).value < corrected.high
    assert not raw.retention.low < true.retention.value < raw.retention.high  # the judge alone is wrong
    assert fast.manhattan == raw.manhattan
    assert fast.corrected == ("macro_f1", "retention", "survival", "suppression", "emergence")
    assert raw.corrected == ()


def test_an_alarm_about_what_gold_does_not_reach_says_so():
    table = LabelTable(
        NAMES, VALUES, {"fast": Stages(np.ones((SCENARIOS, 2)), None, np.ones((SCENARIOS, 2)))}, NAMES, NAMES
    )
    table = structs.replace(table, domains=("work",) * SCENARIOS)
    said = {
        gold is not None: next(d.message for d in found.modes["fast"].diagnostics if d.code == "not_above_baseline")
        for gold in (None, table)
        for found in [measure_table(table, gold=gold)]
    }
    assert said[True] == f"{said[False]}; as judged: gold does not reach the baseline"


def test_a_figure_without_a_value_gets_none_from_gold():
    table, truth = judged()
    slow, true = ({"slow": one.modes["fast"]} for one in (table, truth))
    table, truth = (LabelTable(NAMES, VALUES, modes, table.clusters, table.domains) for modes in (slow, true))
    found = measure_table(table, gold=truth).modes["slow"]
    assert found.survival is None
    assert found.uncorrected.survival is None
    assert found.uncorrected.retention is not None


def test_gold_stands_at_the_rows_and_columns_of_what_was_judged():
    table, truth = judged()
    found = aligned_gold(part(truth, [5, 2], inclusion=0.5), table)["fast"]
    np.testing.assert_array_equal(found.action[[2, 5]], truth.modes["fast"].action[[2, 5]])
    assert np.isnan(np.delete(found.action, [2, 5], axis=0)).all()
    assert found.inclusion[[2, 5]].tolist() == [0.5, 0.5]


def test_what_is_stated_is_labelled_once_where_the_arms_share_it():
    table, truth = judged()
    fast, slow = table.modes["fast"], table.modes["fast"]
    other = Stages(1 - slow.stated, None, slow.action)
    table = renamed(table, modes={"fast": fast, "slow": slow, "other": other})
    blank = Stages(np.full((2, 2), np.nan), None, fast.action[:2])
    gold = renamed(part(truth, [0, 1]), values=VALUES)
    filled = Stages(fast.stated[:2], None, fast.action[:2])
    found = aligned_gold(renamed(gold, modes={"fast": filled, "slow": blank, "other": blank}), table)
    np.testing.assert_array_equal(found["slow"].stated[:2], fast.stated[:2])
    assert np.isnan(found["slow"].stated[2:]).all()
    assert np.isnan(found["other"].stated).all()  # it was judged to state something else


def renamed(table: LabelTable, **changes: object) -> LabelTable:
    fields = {name: getattr(table, name) for name in table.__struct_fields__}
    return LabelTable(**{**fields, **changes})


def test_gold_about_something_else_is_refused():
    table, truth = judged()
    gold = part(truth, [0, 1])
    for changes, message in (
        ({"scenarios": ("s0", "other")}, "gold about scenario 'other'"),
        ({"values": ("a", "c")}, "gold about value 'c'"),
        ({"modes": {"slow": gold.modes["fast"]}}, "gold about mode 'slow'"),
    ):
        with pytest.raises(InputError, match=message):
            aligned_gold(renamed(gold, **changes), table)
    stages = gold.modes["fast"]
    half = Stages(stages.stated, None, stages.action, np.array([0.5, np.nan]))
    with pytest.raises(InputError, match="all or none"):
        aligned_gold(renamed(gold, modes={"fast": half}), table)
    asked = np.arange(SCENARIOS) > 0
    unasked = Stages(table.modes["fast"].stated, None, table.modes["fast"].action, asked=asked)
    with pytest.raises(InputError, match="no labels to correct"):
        aligned_gold(gold, renamed(table, modes={"fast": unasked}))
