from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from akrasia.core import InputError
from akrasia.interop import read_labels


def row(scenario: object = "s1", mode: str = "fast", **fields: object) -> dict[str, object]:
    return {"scenario": scenario, "mode": mode, "stated": {"achievement": 1}, "action": {"achievement": 0}, **fields}


def write(tmp_path: Path, *rows: object) -> Path:
    path = tmp_path / "labels.jsonl"
    path.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in rows))
    return path


def test_rows_become_arrays(tmp_path):
    table = read_labels(
        write(
            tmp_path,
            row("b", "slow", stated={"tradition": 0.2, "achievement": True}, reasoning={"tradition": 1}, domain="work"),
            row("a", "fast", reasoning=None, cluster=7, domain="health", betrayed={"achievement": 1}),
            row("b", "fast", action={"tradition": None, "achievement": 0.5}, domain="work"),
        )
    )
    assert table.scenarios == ("b", "a")
    assert table.values == ("achievement", "tradition")  # the order of the taxonomy
    assert list(table.modes) == ["slow", "fast"]
    slow, fast = table.modes["slow"], table.modes["fast"]
    np.testing.assert_array_equal(slow.stated, [[1, 0.2], [np.nan, np.nan]])
    np.testing.assert_array_equal(slow.reasoning, [[np.nan, 1], [np.nan, np.nan]])
    np.testing.assert_array_equal(slow.asked, [True, False])
    np.testing.assert_array_equal(fast.action, [[0.5, np.nan], [0, np.nan]])
    np.testing.assert_array_equal(fast.betrayed, [[np.nan, np.nan], [1, np.nan]])
    assert fast.reasoning is None
    assert fast.asked.all()
    assert slow.betrayed is None
    assert table.domains == ("work", "health")
    assert table.clusters == ("b", "7")
    assert table.pressures is None


def test_what_a_scenario_id_tells_need_not_be_repeated(tmp_path):
    table = read_labels(
        write(tmp_path, row("health-004-none"), row("health-004-sunk-cost"), row("work-001-time", domain="office"))
    )
    assert table.clusters == ("health-004", "health-004", "work-001")
    assert table.domains == ("health", "health", "office")
    assert table.pressures == ("none", "sunk-cost", "time")


def test_names_of_values(tmp_path):
    labels = {"Self-direction: thought": 1, "universalism-objectivity": 0, "honesty": 1, "benevolence": 1}
    table = read_labels(write(tmp_path, row(stated=labels, action={})))
    assert table.values == ("self-direction-thought", "benevolence", "universalism-objectivity", "honesty")
    assert table.modes["fast"].stated.tolist() == [[1, 1, 0, 1]]


def test_gold_may_say_how_it_was_drawn(tmp_path):
    table = read_labels(write(tmp_path, row("a", inclusion=0.25, texts={"action": ["No."]}), row("b", inclusion=1)))
    assert table.modes["fast"].inclusion.tolist() == [0.25, 1]


REFUSED = {
    "no JSON": (["{"], "line 1: .*expected an object with scenario"),
    "blank line": ([row(), ""], "line 2: "),
    "unknown key": ([row(act={})], "line 1: .*unknown field `act`"),
    "no mode": ([{"scenario": "a"}], "line 1: .*missing required field `mode`"),
    "mode of capitals": ([row(mode="Fast")], "line 1: .*mode"),
    "grade above 1": ([row(), row("b", action={"achievement": 2})], "line 2, action: achievement is 2; it must lie"),
    "grade below 0": ([row(stated={"achievement": -0.1})], "line 1, stated: achievement is -0.1"),
    "grade no number": ([row(stated={"achievement": "high"})], "line 1: "),
    "repeated": ([row("a"), row("b"), row("a")], "line 3: scenario 'a' in mode 'fast' stands already at line 1"),
    "slip of a known id": ([row(stated={"benevolence-carring": 1})], "did you mean 'benevolence-caring'"),
    "slip of an own name": (
        [row(str(i), stated={"fair-play": 1}) for i in range(3)] + [row("x", stated={"fairplay": 1})],
        "line 4: value 'fairplay' stands on no other line and looks like 'fair-play'",
    ),
    "own name badly written": ([row(stated={"Fair Play": 1})], "'Fair Play' is no known value; write a name"),
    "one value twice": (
        [row(stated={"Achievement": 1, "achievement": 0})],
        "line 1, stated: 'Achievement' and 'achievement' are the same value",
    ),
    "two domains": ([row("a", domain="x"), row("a", "slow", domain="y")], "line 2: .*another domain"),
    "inclusion of 0": ([row(inclusion=0)], "line 1: "),
    "no label": ([row(stated={}, action={"achievement": None})], "holds no label"),
    "empty": ([], "is empty"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_its_line(tmp_path, case):
    rows, message = REFUSED[case]
    with pytest.raises(InputError, match=message):
        read_labels(write(tmp_path, *rows))


def test_no_such_file(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_labels(tmp_path / "none.jsonl")
