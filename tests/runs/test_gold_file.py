"""Files of gold labels as people and other programs save them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from akrasia.core import InputError
from akrasia.runs.gold import GoldRow, read_gold, write_gold

ITEMS, SAMPLES = ["a", "b"], [range(2), range(2)]


def labels(path: Path) -> NDArray[np.float64]:
    return np.asarray(read_gold(path, ITEMS, SAMPLES).labels, dtype=np.float64)


def refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(InputError) as refused:
        read_gold(path, ITEMS, SAMPLES)
    return str(refused.value)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_texts_with_separators_of_their_own_do_not_break_rows(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"gold.{kind}"
    text = "one\u2028two\x0cthree\x85four\r\nfive"
    write_gold([GoldRow("a", sample, sample / 2, sample, 1.0, text, None, text) for sample in range(2)], path)
    read = read_gold(path, ["a"], [range(2)])
    assert np.asarray(read.labels).tolist() == [[0.0, 0.5]]


def test_booleans_and_missing_words(tmp_path: Path) -> None:
    (tmp_path / "gold.csv").write_text("item,sample,gold\na,0,TRUE\na,1,false\nb,0,NA\nb,1,nan\n")
    (tmp_path / "gold.jsonl").write_text(
        '{"item": "a", "sample": 0, "gold": true}\n\n{"item": "a", "sample": 1, "gold": false}\n'
    )
    for kind in ("csv", "jsonl"):
        np.testing.assert_array_equal(labels(tmp_path / f"gold.{kind}"), [[1, 0], [np.nan, np.nan]])


def test_encodings(tmp_path: Path) -> None:
    text = "item,sample,gold,text\na,0,1,é\n"
    assert "looks like UTF-16: save it as UTF-8" in refusal(tmp_path / "gold.csv", text.encode("utf-16"))
    assert "line 2: not UTF-8 text: save" in refusal(tmp_path / "gold.csv", text.encode("latin-1"))
    (tmp_path / "gold.csv").write_text(text, encoding="utf-8-sig")
    np.testing.assert_array_equal(labels(tmp_path / "gold.csv"), [[1, np.nan], [np.nan, np.nan]])


def test_a_label_that_stands_twice_in_an_object(tmp_path: Path) -> None:
    row = json.dumps({"item": "a", "sample": 0, "gold": 1})[:-1] + ', "gold": 0}\n'
    assert "line 1: the key 'gold' stands twice" in refusal(tmp_path / "gold.jsonl", row.encode())


def test_half_a_sample_is_no_sample(tmp_path: Path) -> None:
    row = json.dumps({"item": "a", "sample": 0.5, "gold": 1}) + "\n"
    assert "sample is 0.5, not a whole number" in refusal(tmp_path / "gold.jsonl", row.encode())


def test_a_stray_quote_swallows_no_labels(tmp_path: Path) -> None:
    text = 'item,sample,gold,text\na,0,1,"x\na,1,0,y\nb,0,0,z\n'
    assert "line 2: a quote opens a field here that is never closed" in refusal(tmp_path / "gold.csv", text.encode())


def test_a_text_too_long_for_csv(tmp_path: Path) -> None:
    text = "item,sample,gold,text\na,0,1," + "x" * 200_000 + "\n"
    assert "write the labels as JSONL instead" in refusal(tmp_path / "gold.csv", text.encode())


@pytest.mark.parametrize("share", ["0", "-0.5", "1.5", "inf"])
def test_an_inclusion_that_is_no_probability(tmp_path: Path, share: str) -> None:
    text = f"item,sample,gold,inclusion\na,0,1,0.5\nb,0,1,{share}\n"
    said = refusal(tmp_path / "gold.csv", text.encode())
    assert f"gold.csv, line 3: inclusion is {share}; write the probability" in said


def test_jsonl_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "gold.jsonl"
    assert "line 1: not valid JSON: it begins 'item,sample,gold'" in refusal(path, b"item,sample,gold\na,0,1\n")
    deep = b'{"item": "a", "sample": 0, "gold": 1, "text": ' + b"[" * 3000 + b"]" * 3000 + b"}\n"
    assert "line 1: nested too deeply" in refusal(path, deep)
    assert "line 1: Number out of range" in refusal(path, b'{"item": "a", "sample": 0, "gold": 1e400}\n')
