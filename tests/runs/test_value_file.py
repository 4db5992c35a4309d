from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from akrasia.core import InputError
from akrasia.runs.value_file import holds_value_labels, read_gold_labels, read_labels


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
    "one value twice in JSON": (
        [row(), '{"scenario": "b", "mode": "fast", "stated": {"tradition": 1, "tradition": 0}, "action": {}}'],
        "line 2: the key 'tradition' stands twice",
    ),
    "one key twice in JSON": (
        ['{"scenario": "b", "mode": "fast", "stated": {"face": 1}, "stated": {"face": 0}}'],
        "line 1: the key 'stated' stands twice",
    ),
    "upheld and betrayed": (
        [row(), row("b", action={"achievement": 1}, betrayed={"achievement": 1})],
        "line 2: achievement is 1 in action and 1 in betrayed; action means present and upheld",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_its_line(tmp_path, case):
    rows, message = REFUSED[case]
    with pytest.raises(InputError, match=message):
        read_labels(write(tmp_path, *rows))


def test_no_such_file(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_labels(tmp_path / "none.jsonl")


def test_what_editors_add_is_passed_over(tmp_path):
    path = tmp_path / "labels.jsonl"
    lines = ["", json.dumps(row("a")), "  ", json.dumps(row("b")), ""]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    assert read_labels(path).scenarios == ("a", "b")
    assert holds_value_labels(path)
    path.write_bytes(b"\n\n" + json.dumps(row(action={"achievement": 2})).encode())
    with pytest.raises(InputError, match="line 3, action"):  # lines are counted as an editor counts them
        read_labels(path)


def test_a_panel_divided_over_a_value_may_have_both(tmp_path):
    table = read_labels(write(tmp_path, row(action={"achievement": 0.5}, betrayed={"achievement": 0.5})))
    assert table.modes["fast"].betrayed is not None


def test_which_files_hold_value_labels(tmp_path):
    (tmp_path / "gold.csv").write_text("item,sample,gold\na,0,1\n")
    (tmp_path / "gold.jsonl").write_text('{"item": "a", "sample": 0, "gold": 1}\n')
    assert not holds_value_labels(tmp_path / "gold.csv")
    assert not holds_value_labels(tmp_path / "gold.jsonl")
    assert not holds_value_labels(tmp_path / "none.jsonl")
    assert holds_value_labels(write(tmp_path, row()))


class TestGold:
    def test_shades_are_refused(self, tmp_path):
        path = write(tmp_path, row(), row("b", action={"achievement": 0.5}))
        with pytest.raises(InputError, match=r"line 2, action: achievement is 0\.5; gold is 1 where"):
            read_gold_labels(path, of_run=False)
        assert read_labels(path).scenarios == ("s1", "b")

    @pytest.mark.parametrize("other", [("s#0", "slow"), ("s#1", "fast")], ids=["mode", "draw"])
    def test_contradictions_about_shared_statements_name_both_lines(self, tmp_path, other):
        path = write(tmp_path, row("s#0"), row("t#0"), row(*other, stated={"achievement": 0}))
        with pytest.raises(
            InputError, match="line 3: achievement is 0 in stated, and 1 on line 1; all modes and draws of s"
        ):
            read_gold_labels(path, of_run=True)
        assert read_gold_labels(path, of_run=False).values == ("achievement",)  # of texts that may differ

    def test_half_filled_rows_are_none(self, tmp_path):
        path = write(tmp_path, row("s#0"), row("s#0", "slow", stated={"achievement": None}))
        assert list(read_gold_labels(path, of_run=True).modes) == ["fast", "slow"]


@pytest.mark.parametrize(("encoding", "said"), [("utf-16", "looks like UTF-16"), ("latin-1", "line 2: not UTF-8")])
def test_another_encoding_is_named(tmp_path, encoding, said):
    path = tmp_path / "labels.jsonl"
    lines = [json.dumps(row("s1")), json.dumps(row("\xe9"), ensure_ascii=False), ""]
    path.write_bytes("\n".join(lines).encode(encoding))
    with pytest.raises(InputError, match=f"{said}.*: save (it|the file) as UTF-8"):
        read_labels(path)


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (b"[" * 3000 + b"]" * 3000, "nested too deeply"),
        (b'"\xe9"', "not UTF-8 text: save the file as UTF-8"),
        (b'"\\ud800"', "half a surrogate pair"),
        (b"1" + b"0" * 5000, None),
    ],
)
def test_texts_to_label_are_passed_over_and_yet_checked(tmp_path, texts, said):
    path = tmp_path / "labels.jsonl"
    path.write_bytes(json.dumps(row("s1")).encode()[:-1] + b', "texts": ' + texts + b"}\n")
    if said is None:
        assert read_labels(path).scenarios == ("s1",)
        return
    with pytest.raises(InputError, match=f"line 1: .*{said}"):
        read_labels(path)


def test_a_first_key_in_latin_1_is_no_label_of_a_value(tmp_path):
    path = tmp_path / "labels.jsonl"
    path.write_bytes('{"szenario\xe9": 1}\n'.encode("latin-1"))
    assert not holds_value_labels(path)


def test_a_grade_a_little_above_one_is_shown_whole(tmp_path):
    with pytest.raises(InputError, match=r"achievement is 1\.0000001; it must"):
        read_labels(write(tmp_path, row(action={"achievement": 1.0000001})))
