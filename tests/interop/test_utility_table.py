"""What other programs write: booleans, words for missing, encodings, indexes, and what is no table of utilities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from akrasia.core import InputError
from akrasia.interop import read_utilities

HEAD = "item,sample,utility\n"


def refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(InputError) as refused:
        read_utilities(path)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_booleans_and_missing_words_are_read_alike(tmp_path: Path) -> None:
    (tmp_path / "u.csv").write_text(
        HEAD.strip() + ",gold\na,0,True,1\na,1,false,NA\nb,0,NA,TRUE\nb,1,N/A,\nc,0,nan,NaN\nc,1,,0\n"
    )
    rows = [("a", 0, "true", 1), ("a", 1, "false", "null"), ("b", 0, "null", "true"), ("b", 1, "null", "null")]
    rows += [("c", 0, "null", "null"), ("c", 1, "null", 0)]
    (tmp_path / "u.jsonl").write_text(
        "".join(f'{{"item": "{i}", "sample": {s}, "utility": {u}, "gold": {g}}}\n' for i, s, u, g in rows)
    )
    columns = {
        "item": list("aabbcc"),
        "sample": [0, 1] * 3,
        "utility": [True, False, None, None, None, None],
        "gold": [1.0, None, 1.0, None, None, 0.0],
    }
    pq.write_table(pa.table(columns), tmp_path / "u.parquet")
    expected: Any = [[1, 0], [np.nan, np.nan], [np.nan, np.nan]]
    for kind in ("csv", "jsonl", "parquet"):
        found = read_utilities(tmp_path / f"u.{kind}")
        np.testing.assert_array_equal(np.asarray(found.utilities), expected)
        np.testing.assert_array_equal(np.asarray(found.gold), [[1, np.nan], [1, np.nan], [np.nan, 0]])


@pytest.mark.parametrize("name", ["utility", "item"])
def test_a_column_that_stands_twice(tmp_path: Path, name: str) -> None:
    text = f"{HEAD.strip()},{name}\na,0,1,0\n"
    assert f"the column {name!r} stands twice" in refusal(tmp_path / "u.csv", text.encode())
    names = ["item", "sample", "utility", name]
    pq.write_table(pa.Table.from_arrays([pa.array(["0"])] * 4, names=names), tmp_path / "u.parquet")
    with pytest.raises(InputError, match="stands twice"):
        read_utilities(tmp_path / "u.parquet")


def test_a_stray_quote_swallows_no_rows(tmp_path: Path) -> None:
    rows = [f"q{i},{sample},0.5,a{sample}" for i in range(30) for sample in range(5)]
    rows[19] = 'q3,4,0.5,"a4'
    text = "\n".join(["item,sample,utility,answer", *rows, ""])
    assert "u.csv, line 21: a quote opens a field here that is never closed" in refusal(
        tmp_path / "u.csv", text.encode()
    )


def test_answers_of_several_lines_in_a_large_table(tmp_path: Path) -> None:
    answer = "one\n,two,\nthree\n" * 8
    rows = "".join(f'q{i},0,1,"{answer}{i}"\n' for i in range(20_000))  # several of the blocks that it is read in
    (tmp_path / "u.csv").write_text(f"item,sample,utility,answer\n{rows}")
    assert read_utilities(tmp_path / "u.csv").answers == [[f"{answer}{i}"] for i in range(20_000)]


def test_a_key_that_stands_twice(tmp_path: Path) -> None:
    row = b'{"item": "a", "sample": 0, "utility": 1, "utility": 0}\n'
    assert "line 1: the key 'utility' stands twice" in refusal(tmp_path / "u.jsonl", row)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_utf_16_is_named(tmp_path: Path, kind: str, encoding: str) -> None:
    text = {"csv": HEAD + "a,0,1\n", "jsonl": '{"item": "a", "sample": 0, "utility": 1}\n'}[kind]
    message = refusal(tmp_path / f"u.{kind}", text.encode(encoding))
    assert "looks like UTF-16: save it as UTF-8" in message


def test_latin_1_is_named_with_its_line(tmp_path: Path) -> None:
    in_row = refusal(tmp_path / "u.csv", (HEAD + "a,0,1\né,0,1\n").encode("latin-1"))
    assert "u.csv, line 3: not UTF-8 text: save the file as UTF-8" in in_row
    in_head = refusal(tmp_path / "u.csv", "item,sample,utilité\na,0,1\n".encode("latin-1"))
    assert "line 1: not UTF-8 text" in in_head
    in_jsonl = refusal(tmp_path / "u.jsonl", '{"item": "é", "sample": 0, "utility": 1}\n'.encode("latin-1"))
    assert "line 1: not UTF-8 text" in in_jsonl


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "__index_level_0__"])
def test_the_index_of_a_pandas_table(tmp_path: Path, name: str) -> None:
    assert "index=False" in refusal(tmp_path / "u.csv", f"{name},{HEAD}0,a,0,1\n".encode())
    columns = {"item": ["a"], "sample": [0], "utility": [1.0], name: [0]}
    pq.write_table(pa.table(columns), tmp_path / "u.parquet")
    with pytest.raises(InputError, match="write the file with index=False"):
        read_utilities(tmp_path / "u.parquet")


@pytest.mark.parametrize("sample", ["-1", "99999999999999999999", "0.5", "NA", "True"])
def test_numbers_that_no_sample_has(tmp_path: Path, sample: str) -> None:
    message = refusal(tmp_path / "u.csv", f"{HEAD}a,{sample},1\n".encode())
    assert "line 2" in message
    assert "sample" in message


def test_half_a_sample_is_not_rounded(tmp_path: Path) -> None:
    for sample, accepted in ((1.0, True), (1.5, False)):
        pq.write_table(pa.table({"item": ["a"], "sample": [sample], "utility": [1.0]}), tmp_path / "u.parquet")
        if accepted:
            assert read_utilities(tmp_path / "u.parquet").samples == [[1]]
        else:
            with pytest.raises(InputError, match=r"sample is 1\.5"):
                read_utilities(tmp_path / "u.parquet")


def test_a_utility_a_little_above_one_is_shown_whole(tmp_path: Path) -> None:
    assert "utility is 1.0000001;" in refusal(tmp_path / "u.csv", f"{HEAD}a,0,1.0000001\n".encode())


def test_arrays_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "u.npy"
    message = refusal(path, b"item,sample,utility\n")
    assert "not a NumPy array file: save one (items, candidates) array of numbers with numpy.save" in message
    assert "pickle" not in message
    np.save(path, np.array([[1, None]], dtype=object))
    assert "holds Python objects, not numbers" in refusal(path, path.read_bytes())
    np.save(path, np.array([["a"]]))
    assert "of <U1" in refusal(path, path.read_bytes())
    np.save(path, np.eye(4))
    whole = path.read_bytes()
    for size in (50, 150):
        assert "not written to its end" in refusal(path, whole[:size])
    np.savez(tmp_path / "u.npz", np.eye(4))
    assert "an archive of arrays" in refusal(path, (tmp_path / "u.npz").read_bytes())
