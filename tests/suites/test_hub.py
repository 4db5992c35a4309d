"""Rows from files with a benchmark's columns, and what is said when they cannot be had."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from akrasia.core import InputError
from akrasia.suites import load_suite

ROWS = [
    {"question": "Ann has 2 pens and buys 3. How many?", "answer": "2 + 3 = 5\n#### 5", "extra": 1},
    {"question": "A box costs $1,000 twice. In all?", "answer": "Twice 1000.\n#### 2,000", "extra": 2},
]


def write(folder: Path, name: str) -> str:
    path = folder / name
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(ROWS))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return str(path)


def test_every_kind_of_file_gives_the_same_suite(tmp_path: Path) -> None:
    suites = [load_suite(f"gsm8k?rows={write(tmp_path, name)}") for name in ("r.jsonl", "r.json", "r.parquet")]
    assert len({suite.fingerprint for suite in suites}) == 1
    assert [item.target for item in suites[0].items] == ["5", "2,000"]


def test_the_origin_is_recorded_with_a_hash(tmp_path: Path) -> None:
    path = write(tmp_path, "r.jsonl")
    description = load_suite(f"gsm8k?rows={path}").description
    assert f"{path}#" in description
    Path(path).write_text(json.dumps(ROWS[0]) + "\n")
    assert load_suite(f"gsm8k?rows={path}").description != description


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"question": "x"}\n', "row 1 of .* missing required field `answer`"),
        ('{"question": 3, "answer": "#### 1"}\n', r"row 1 of .*\$.question"),
        ("{broken\n", "r.jsonl, line 1: not valid JSON"),
        ("[1]\n", "r.jsonl, line 1: .*; expected rows"),
        (f'{{"question": {"[" * 3000}', "r.jsonl, line 1: nested too deeply"),
        (f'{{"question": {"9" * 5000}, "answer": "x"}}', "r.jsonl, line 1: .*out of range"),
        ("question,answer\n", r"r.jsonl, line 1: .*looks like a table of columns \(CSV\)"),
        ("", "has no items"),
    ],
)
def test_rows_that_do_not_fit_are_refused(tmp_path: Path, content: str, expected: str) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(content)
    with pytest.raises(InputError, match=expected):
        load_suite(f"gsm8k?rows={path}")


def test_missing_files_and_parts_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        load_suite(f"gsm8k?rows={tmp_path / 'no.jsonl'}")
    with pytest.raises(InputError, match=r"no algebra\.jsonl, \.json or \.parquet"):
        load_suite(f"math:algebra?rows={tmp_path}")
    broken = tmp_path / "r.parquet"
    broken.write_bytes(b"PAR1 no PAR1")
    with pytest.raises(InputError, match="cannot be read"):
        load_suite(f"gsm8k?rows={broken}")


def test_without_the_extra_the_command_and_the_way_round_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match=r"pip install 'akrasia\[datasets\]', or give the rows as a file by \?rows="):
        load_suite("gsm8k")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gsm8k:main", "'gsm8k' has no variants"),
        ("math:algebr", "did you mean 'algebra'"),
        ("bbh:navigat", "did you mean 'navigate'"),
        ("livecodebench:v7", "unknown variant 'v7'"),
        ("livecodebench?since=2024-13-01", "there is no day '2024-13-01'"),
        ("livecodebench?since=soon", "since='soon'"),
        ("gsm8k?revison=main", "did you mean 'revision'"),
    ],
)
def test_wrong_names_are_refused_before_anything_is_fetched(name: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        load_suite(name)
    assert expected in str(caught.value)
