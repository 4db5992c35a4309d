"""What an export holds, that it reads back as it was, and that a holdout never divides a family."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from akrasia.core import InputError, Item, Message, Suite
from akrasia.suites import build_suite, load_suite
from akrasia.suites.valdi_export import export_suite, split_suite, write_split


@pytest.fixture(scope="module")
def some() -> Suite:
    return load_suite("valdi?families=20")


@pytest.mark.parametrize("name", ["valdi?families=6", "valdi-para?families=6", "arithmetic:sum?size=9"])
def test_jsonl_reads_back_to_the_same_suite(name: str, tmp_path: Path) -> None:
    suite = load_suite(name)
    path, _ = export_suite(suite, tmp_path / "out.jsonl")
    again = load_suite(str(path))
    assert again.items == suite.items


def test_parquet_has_a_column_for_every_part_of_the_record(some: Suite, tmp_path: Path) -> None:
    path, _ = export_suite(some, tmp_path / "new" / "valdi.parquet")
    table = pq.read_table(path)
    assert table.column_names == [
        *("id", "input", "cluster", "domain", "pressure", "addressee", "role", "tension", "stakes"),
        *("language", "version", "canary"),
    ]
    first = table.to_pylist()[0]
    item = some.items[0]
    assert (first["id"], first["input"], first["cluster"]) == (item.id, item.input[0].content, item.cluster)
    assert first["tension"] == item.metadata["tension"]
    assert table.num_rows == len(some.items)
    assert table.schema.metadata[b"akrasia_fingerprint"].decode() == some.fingerprint


def test_parquet_of_any_suite(tmp_path: Path) -> None:
    items = [
        Item("a", (Message("system", "s"), Message("user", "u")), "5", "numeric", metadata={"x": 1, "id": "n"}),
        Item("b", (Message("user", "u"),), metadata={"x": "one", "y": {"z": [1]}}),
    ]
    path, _ = export_suite(build_suite("own", items), tmp_path / "own.parquet")
    rows = pq.read_table(path).to_pylist()
    assert rows[0]["input"] == [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    assert [row["target"] for row in rows] == ["5", None]
    assert [row["x"] for row in rows] == ["1", '"one"']
    assert [row["y"] for row in rows] == [None, '{"z":[1]}']
    assert [row["metadata_id"] for row in rows] == ["n", None]


def test_the_card_says_what_the_data_are(some: Suite, tmp_path: Path) -> None:
    path, card = export_suite(some, tmp_path / "valdi.parquet")
    text = card.read_text()
    assert text.startswith("---\n")
    assert 'data_files: "valdi.parquet"' in text
    assert "license: apache-2.0" in text
    assert some.fingerprint in text
    assert "do not reproduce" in text
    for column in pq.read_table(path).column_names:
        assert f"| `{column}` |" in text
    _, card = export_suite(load_suite("arithmetic:sum?size=9"), tmp_path / "sums.jsonl")
    assert "license" not in card.read_text()


def test_a_readme_of_your_own_is_never_replaced(some: Suite, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("mine")
    with pytest.raises(InputError, match="choose another folder"):
        export_suite(some, tmp_path / "valdi.parquet")
    assert readme.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


def test_data_that_are_there_are_never_replaced(some: Suite, tmp_path: Path) -> None:
    mine = tmp_path / "mine.jsonl"
    mine.write_text('{"id": "a", "input": "x"}\n')
    with pytest.raises(InputError, match=r"mine\.jsonl is there already"):
        export_suite(some, mine)
    assert mine.read_text() == '{"id": "a", "input": "x"}\n'
    assert [path.name for path in tmp_path.iterdir()] == ["mine.jsonl"]


def test_the_card_says_what_rows_cannot_carry(some: Suite, tmp_path: Path) -> None:
    sums = load_suite("arithmetic:sum?size=9")
    _, card = export_suite(sums, tmp_path / "sums.jsonl")
    assert f"max_tokens = {sums.sampling.max_tokens}" in card.read_text()
    own = build_suite("own", [Item("a", (Message("user", "u"),), "5", "numeric")])
    _, card = export_suite(own, tmp_path / "own.jsonl")
    assert "The suite samples with" not in card.read_text()


def test_places_that_cannot_be_written_to(some: Suite, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/out\.jsonl cannot be written"):
        export_suite(some, tmp_path / "file" / "out.jsonl")
    with pytest.raises(InputError, match=r"end the name in \.jsonl or \.parquet"):
        export_suite(some, tmp_path / "out.csv")


@given(st.integers(0, 10**6), st.floats(0.2, 0.8))
def test_a_split_divides_no_family(seed: int, holdout: float) -> None:
    suite = load_suite("valdi?families=20&pressure=none,money")
    kept, held = split_suite(suite, holdout, seed)
    assert {item.cluster for item in kept}.isdisjoint(item.cluster for item in held)
    assert sorted(item.id for item in (*kept, *held)) == sorted(item.id for item in suite.items)
    # 20 families are 4 of each of 5 domains, and every variant of a family follows it.
    assert len(held) == 2 * 5 * round(holdout * 4)
    again = split_suite(suite, holdout, seed)
    assert again == (kept, held)


def test_the_same_families_are_held_out_in_every_suite_of_them() -> None:
    _, held = split_suite(load_suite("valdi"), 0.2, 11)
    _, para = split_suite(load_suite("valdi-para"), 0.2, 11)
    assert {item.cluster for item in held} == {item.cluster for item in para}
    _, other = split_suite(load_suite("valdi"), 0.2, 12)
    assert {item.cluster for item in other} != {item.cluster for item in held}


def test_a_split_is_written_once(some: Suite, tmp_path: Path) -> None:
    first, second = write_split(some, 0.25, 1, tmp_path / "parts")
    assert (first.items, first.families, second.items, second.families) == (150, 15, 50, 5)
    assert len(load_suite(second.path).items) == 50
    with pytest.raises(InputError, match="is there already"):
        write_split(some, 0.25, 2, tmp_path / "parts")


@pytest.mark.parametrize("holdout", [0.0, 1.0, -0.1, float("nan")])
def test_shares_that_are_none(holdout: float, some: Suite) -> None:
    with pytest.raises(InputError, match="is no share"):
        split_suite(some, holdout, 0)


def test_too_few_families_to_split() -> None:
    with pytest.raises(InputError, match="too few families"):
        split_suite(load_suite("valdi?families=1"), 0.2, 0)
