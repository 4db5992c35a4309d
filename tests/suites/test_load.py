"""Which suite a text names."""

from __future__ import annotations

from pathlib import Path

import pytest

from akrasia.core import InputError
from akrasia.core.registry import near_names
from akrasia.suites import SUITES, load_suite


@pytest.mark.parametrize("name", SUITES.names())
def test_every_source_describes_itself(name: str) -> None:
    source = SUITES.get(name)
    assert source.description
    assert "\n" not in source.description
    if source.settings is not None:
        source.settings()


def test_an_unknown_name_gets_near_names_and_the_way_to_files() -> None:
    with pytest.raises(InputError) as caught:
        load_suite("arithmatic:sum")
    assert "did you mean 'arithmetic'?" in str(caught.value)
    assert ".jsonl" in str(caught.value)


def test_a_path_that_does_not_exist_is_a_file_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        load_suite(str(tmp_path / "mine.json"))


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        load_suite(str(tmp_path))


def test_an_existing_file_needs_no_extension(tmp_path: Path) -> None:
    path = tmp_path / "questions"
    path.write_text('{"id":"a","input":"x"}\n')
    assert load_suite(str(path)).name == str(path)


def test_a_registered_name_wins_over_a_file_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("arithmetic").write_text('{"id":"a","input":"x"}\n')
    with pytest.raises(InputError, match="needs a variant"):
        load_suite("arithmetic")


def test_near_names_of_settings() -> None:
    with pytest.raises(InputError) as caught:
        load_suite("arithmetic:sum?hihg=3")
    assert "no setting 'hihg'" + near_names("hihg", ["low", "high", "size", "examples", "seed"]) in str(caught.value)
