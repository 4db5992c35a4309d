"""Files of items: what is read as it stands, and what is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from akrasia.core import InputError, Message
from akrasia.suites import load_suite


def write(folder: Path, *lines: str | bytes, name: str = "mine.jsonl") -> str:
    path = folder / name
    path.write_bytes(b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines))
    return str(path)


def test_a_full_row(tmp_path: Path) -> None:
    row = '{"id":"q1","input":"2+2?","target":"4","utility":"exact","cluster":"f","metadata":{"source":"me"}}'
    suite = load_suite(write(tmp_path, row))
    (item,) = suite.items
    assert (item.id, item.input, item.target) == ("q1", (Message("user", "2+2?"),), "4")
    assert (item.utility, item.cluster, item.metadata) == ("exact", "f", {"source": "me"})


def test_messages_keep_their_roles(tmp_path: Path) -> None:
    row = '{"id":"a","input":[{"role":"system","content":"s"},{"role":"user","content":"u"}]}'
    (item,) = load_suite(write(tmp_path, row)).items
    assert item.input == (Message("system", "s"), Message("user", "u"))
    assert item.target is None
    assert item.utility is None


@pytest.mark.parametrize(
    ("written", "target"),
    [
        ("0.10", "0.10"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("-7", "-7"),
        ("1e3", "1e3"),
        ('"0.10"', "0.10"),
        ("null", None),
    ],
)
def test_a_target_keeps_the_digits_it_was_written_with(tmp_path: Path, written: str, target: str | None) -> None:
    (item,) = load_suite(write(tmp_path, f'{{"id":1,"input":"x","target": {written} }}')).items
    assert item.target == target


def test_numbers_as_id_and_cluster_become_text(tmp_path: Path) -> None:
    (item,) = load_suite(write(tmp_path, '{"id":7,"input":"x","cluster":3}')).items
    assert (item.id, item.cluster) == ("7", "3")


def test_windows_files_and_trailing_blank_lines_are_read(tmp_path: Path) -> None:
    path = write(tmp_path, b'\xef\xbb\xbf{"id":"a","input":"x"}\r', b'{"id":"b","input":"y"}\r', b"\r", b"")
    assert [item.id for item in load_suite(path).items] == ["a", "b"]


GOOD = '{"id":"a","input":"x"}'


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"id":"b","input":', "not valid JSON"),
        ('{"id":"b"}', "missing required field `input`"),
        ('{"id":"b","input":3}', "`$.input`"),
        ('{"id":"b","input":""}', "`$.input`"),
        ('{"id":"b","input":[]}', "`$.input`"),
        ('{"id":"b","input":[{"role":"usr","content":"x"}]}', "`$.input[0].role`"),
        ('{"id":"b","input":[{"role":"user","content":3}]}', "`$.input[0].content`"),
        ('{"id":"b","input":[{"role":"user","content":"x","name":"n"}]}', "unknown field `name`"),
        ('{"id":1.5,"input":"x"}', "`$.id`"),
        ('{"id":"","input":"x"}', "empty id"),
        ('{"id":"b","input":"x","target":true}', "`$.target`"),
        ('{"id":"b","input":"x","target":["4"]}', "`$.target`"),
        ('{"id":"b","inptu":"x"}', "unknown key 'inptu'; did you mean 'input'?"),
        ('{"id":"b","input":"x","metadata":"y"}', "`$.metadata`"),
        ('["b"]', "expected an object, got a list"),
        ('{"id":"b","input":[{"role":"bot","content":"x"}]}', "unknown role 'bot'"),
        ('{"id":"b","input":[{"role":"bot","content":"x"}]}', "known: system, developer, user, assistant, tool"),
        ('{"id":"b","input":"x","utility":true}', "expected text, got true or false - at `$.utility`"),
        ('{"id":true,"input":"x"}', "expected a whole number or text, got true or false - at `$.id`"),
        ('{"id":"b","input":"x","target":1e400}', "Number out of range - at `$.target`"),
        ('{"id":1e400,"input":"x"}', "out of range - at `$.id`"),
        ('{"id":"b","input":"x","metadata":{"a":1e400}}', "out of range - at `$.metadata"),
        (f'{{"id":"b","input":"x","metadata":{{"a":{"[" * 3000}{"]" * 3000}}}}}', "nested too deeply"),
        ("id,input,target", "looks like a table of columns (CSV)"),
        ("", "blank line"),
        (b'{"id":"b","input":"\xff"}', "not UTF-8 text: save the file as UTF-8"),
        ('{"id":"a","input":"y"}', "id 'a' is already used in line 1"),
    ],
)
def test_a_wrong_line_is_named_by_file_and_number(tmp_path: Path, line: str | bytes, expected: str) -> None:
    path = write(tmp_path, GOOD, line, '{"id":"z","input":"x"}')
    with pytest.raises(InputError) as caught:
        load_suite(path)
    assert str(caught.value).startswith(f"{path}, line 2: ")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_same_id_as_number_and_text_is_a_duplicate(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="id '1' is already used in line 1"):
        load_suite(write(tmp_path, '{"id":1,"input":"x"}', '{"id":"1","input":"y"}'))


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is empty"):
        load_suite(str(path))


def test_utf16_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_bytes(GOOD.encode("utf-16"))
    with pytest.raises(InputError, match="UTF-16: save it as UTF-8"):
        load_suite(str(path))


def test_a_missing_file_names_its_neighbour(tmp_path: Path) -> None:
    write(tmp_path, GOOD, name="questions.jsonl")
    with pytest.raises(InputError, match=r"did you mean .*questions\.jsonl"):
        load_suite(str(tmp_path / "question.jsonl"))


def test_a_missing_file_named_like_a_suite_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the suite of that name is 'arithmetic', without \.jsonl"):
        load_suite(str(tmp_path / "arithmetic.jsonl"))


def test_the_fingerprint_follows_the_items_and_not_the_file(tmp_path: Path) -> None:
    one = load_suite(write(tmp_path, '{"id":"a","input":"x","metadata":{"p":1,"q":2}}', name="one.jsonl"))
    same = load_suite(write(tmp_path, '{"input":"x", "id":"a","metadata":{"q":2,"p":1}}', name="same.jsonl"))
    other = load_suite(write(tmp_path, '{"id":"a","input":"x","target":"1"}', name="other.jsonl"))
    assert one.fingerprint == same.fingerprint
    assert one.fingerprint != other.fingerprint
