"""Files of a log that somebody moved: they are found by the chain, whatever they are called now."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.gateway.test_chain import kinds, rehashed, write

from akrasia.gateway.logfile import LogFile
from akrasia.gateway.logparts import parts, rotated
from akrasia.gateway.verify import verify_log


def go_on(path: Path, records: int = 2, after: Callable[[], object] | None = None) -> str:
    """Append so many requests by one process, which sees what happens after the first; the head before that."""
    file = LogFile(path, None, None, lambda _: None)
    head = ""
    for number in range(records):
        file.write("", [("2030-01-01T00:00:01.000Z", json.dumps({"id": f"{path.name} {number}"}).encode())])
        if number == 0:
            head = file.head
            if after is not None:
                after()
    file.close()
    return head


@pytest.mark.parametrize("name", ["audit.jsonl.1", "audit.jsonl-20300101", "old.log", "a"])
def test_a_moved_file_is_read_under_its_new_name(tmp_path: Path, name: str) -> None:
    path, moved = tmp_path / "audit.jsonl", tmp_path / name
    write(path, 4)
    head = go_on(path, 3, lambda: path.rename(moved))
    (tmp_path / "another.jsonl").write_text('{"id": 1}\n')
    write(tmp_path / "other.jsonl", 3)
    (tmp_path / "folder").mkdir()
    assert parts(path) == [moved, path]
    found = verify_log(path, head=head)
    assert (found.status, found.records, found.first_seq, found.notes) == ("whole", 7, 0, ())
    assert found.files == (str(moved), str(path))


def test_moved_files_stand_among_numbered_ones(tmp_path: Path) -> None:
    path, moved = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.1"
    write(path, 20, rotate_bytes=2000)
    numbered = rotated(path)
    head = go_on(path, 3, lambda: path.rename(moved))
    file = LogFile(path, None, None, lambda _: None)
    file.rotate()
    file.close()
    go_on(path, 1)
    assert parts(path) == [*numbered, moved, rotated(path)[-1], path]
    found = verify_log(path, head=head)
    assert (found.status, found.records, found.notes) == ("whole", 24, ())
    path.unlink()
    assert kinds(verify_log(path)) == ["cut tail"]
    (tmp_path / "audit.jsonl.lock").unlink()
    absent = verify_log(path)
    assert (absent.status, absent.records) == ("incomplete", 23)


def test_names_that_move_on_with_each_rotation(tmp_path: Path) -> None:
    """As logrotate does it: every file was audit.jsonl.1 when the next one began."""
    path = tmp_path / "audit.jsonl"

    def shift() -> None:
        for number in range(8, 0, -1):
            old = tmp_path / f"audit.jsonl.{number}"
            if old.exists():
                old.rename(tmp_path / f"audit.jsonl.{number + 1}")
        path.rename(tmp_path / "audit.jsonl.1")

    write(path, 2)
    for _ in range(3):
        go_on(path, 2, shift)
    names = ["audit.jsonl.3", "audit.jsonl.2", "audit.jsonl.1", "audit.jsonl"]
    assert [one.name for one in parts(path)] == names
    found = verify_log(path)
    assert (found.status, found.records, found.notes) == ("whole", 8, ())
    assert [one.name for one in parts(tmp_path / "audit.jsonl.2")] == names[:2]
    (tmp_path / "audit.jsonl.2").unlink()
    (tmp_path / "audit.jsonl.2.gz").write_bytes(b"\x1f\x8b packed")  # which nobody can unpack
    found = verify_log(path)
    assert (found.status, len(found.files), found.first_seq) == ("broken", 3, 0)
    assert [fault.message for fault in found.faults] == ["entries 4 to 6 are missing before this line"]
    assert found.notes == ("audit.jsonl.1 follows on a file that was named audit.jsonl.1 then, which is not here",)
    (tmp_path / "audit.jsonl.3").unlink()
    found = verify_log(path)
    assert (found.status, len(found.files), found.first_seq) == ("whole", 2, 7)
    assert found.notes[1:] == (
        "the log begins in the middle: 7 earlier lines are elsewhere, and nobody has verified them here",
    )


@pytest.mark.parametrize(
    "name", ["audit.jsonl-2030010{}", "audit-2030-01-0{}.jsonl", "audit.jsonl.2030-01-0{}T14:00:00Z.gz"]
)
def test_a_moved_file_that_lacks_in_the_middle_is_a_gap(tmp_path: Path, name: str) -> None:
    path = tmp_path / "audit.jsonl"
    moved = [tmp_path / name.format(number).removesuffix(".gz") for number in range(1, 6)]
    write(path, 2)  # entries 0 to 2
    for target in moved:
        go_on(path, 2, lambda target=target: path.rename(target))  # type: ignore[misc]
    if name.endswith(".gz"):
        moved = [pack(one) for one in moved]
    write(tmp_path / "audit-2.jsonl", 2)  # another gateway's, and what was moved of it
    go_on(tmp_path / "audit-2.jsonl", 3, lambda: (tmp_path / "audit-2.jsonl").rename(tmp_path / "audit-2.jsonl.1"))
    (tmp_path / "copy.of.audit.jsonl").write_bytes((tmp_path / "audit-2.jsonl.1").read_bytes())
    assert verify_log(path).status == "whole"

    kept = {one: one.read_bytes() for one in (moved[1], moved[3])}
    for one in kept:
        one.unlink()
    found = verify_log(path)
    assert [(fault.kind, fault.file, fault.line, fault.message) for fault in found.faults] == [
        ("deleted", moved[2].name, 1, "entries 4 to 6 are missing before this line"),
        ("deleted", moved[4].name, 1, "entries 10 to 12 are missing before this line"),
    ]
    assert found.files == tuple(map(str, (moved[0], moved[2], moved[4], path)))
    assert verify_log(moved[4]).fault_count == 2, "by another of its files, too"

    moved[0].unlink()
    moved[2].unlink()
    found = verify_log(path)
    assert (found.status, found.first_seq) == ("whole", 13)
    assert found.notes[-1].startswith("the log begins in the middle: 13 earlier lines are elsewhere")

    other = tmp_path / "other.jsonl"  # another log of old, though the name of its first file says something else
    write(other, 2)
    go_on(other, 2, lambda: other.rename(moved[0]))
    (tmp_path / "other.jsonl.lock").unlink()
    assert verify_log(path).status == "whole"
    other.unlink()
    assert verify_log(path).status == "broken", "nothing tells it from a file of this log"


def pack(path: Path) -> Path:
    packed = path.with_name(f"{path.name}.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return packed


def test_packed_files_are_read(tmp_path: Path) -> None:
    """As logrotate's compress leaves them: numbered ones, moved ones, and the one that a start goes on after."""
    path, moved = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.1"
    write(path, 20, rotate_bytes=2000)
    middle = rotated(path)[1]
    head = go_on(path, 3, lambda: path.rename(moved))
    many = len(parts(path))
    (tmp_path / "notes.gz").write_bytes(gzip.compress(b"something else"))
    pack(moved)
    packed = pack(middle)
    found = verify_log(path, head=head)
    assert (found.status, found.records, found.notes, len(found.files)) == ("whole", 23, (), many)
    last = pack(path)
    assert (verify_log(path).status, verify_log(path).records) == ("incomplete", 23)
    go_on(path, 2)
    assert json.loads(path.read_bytes().splitlines()[0])["after"] == last.name
    assert (verify_log(path).status, verify_log(path).records) == ("whole", 25)

    whole = packed.read_bytes()
    packed.write_bytes(gzip.compress(gzip.decompress(whole).replace(b'"id": "r6"', b'"id": "rX"')))
    assert kinds(verify_log(path)) == ["edited"]
    for damaged in (whole[:-20], b"\x28\xb5\x2f\xfd as another packer has it"):
        packed.write_bytes(damaged)
        found = verify_log(path)
        assert kinds(found) == ["deleted"], "what nobody can read proves nothing"
        assert f"{middle.name}, which is not here (unpack {packed.name}, if that is it)" in found.notes[0]


def test_a_log_that_was_moved_while_no_gateway_ran_is_gone_on_with(tmp_path: Path) -> None:
    path, moved = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.1"
    write(path, 20, rotate_bytes=2000)
    numbered = rotated(path)
    path.rename(moved)
    head = go_on(path, 2)
    assert parts(path) == [*numbered, moved, path]
    found = verify_log(path, head=head)
    assert (found.status, found.records, found.notes) == ("whole", 22, ())

    path.unlink()
    moved.write_bytes(moved.read_bytes()[:-9])  # put aside since it is broken: the chain goes on where it can
    (tmp_path / "audit.jsonl.lock").unlink()
    go_on(path, 2)
    assert json.loads(path.read_bytes().splitlines()[0])["after"] == numbered[-1].name


def test_a_torn_line_in_a_file_that_was_moved_is_no_edit(tmp_path: Path) -> None:
    path, moved = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.1"
    write(path, 4)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"seq":5,"ti')  # as a killed writer leaves it
    path.rename(moved)
    assert verify_log(path).status == "incomplete"
    go_on(path, 2)
    found = verify_log(path)
    assert (found.status, found.records, found.files) == ("whole", 6, (str(moved), str(path)))
    assert found.notes == ("audit.jsonl.1 ends in a torn line of 12 bytes: it was moved as its writer left it",)

    moved.write_bytes(whole[:-9])  # one that was whole, and was cut
    assert [fault.message for fault in verify_log(path).faults] == ["entry 4 is missing before this line"]
    moved.write_bytes(whole + b"something else")
    assert kinds(verify_log(path)) == ["edited"]


def test_a_date_in_a_name_is_no_number_of_ours(tmp_path: Path) -> None:
    path, moved = tmp_path / "audit.20300101.jsonl", tmp_path / "old"
    write(path, 20, rotate_bytes=2000)
    go_on(path, 2, lambda: path.rename(moved))
    assert verify_log(path).records == 22


def test_the_log_has_gone_and_the_moved_file_is_the_last(tmp_path: Path) -> None:
    path, moved = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.1"
    write(path, 20, rotate_bytes=2000)
    path.rename(moved)
    found = verify_log(path)
    assert (found.status, found.records) == ("incomplete", 20)
    assert "is not there: the log ends with audit.jsonl.1" in found.notes[0]


def test_a_moved_file_that_was_tampered_with_is_told(tmp_path: Path) -> None:
    path, moved = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.1"
    write(path, 4)
    go_on(path, 3, lambda: path.rename(moved))
    content = moved.read_bytes()
    lines = content.splitlines(keepends=True)

    moved.write_bytes(content.replace(b'"id": "r2"', b'"id": "rX"'))
    assert kinds(verify_log(path)) == ["edited"]

    moved.write_bytes(b"".join(lines[:-1]))
    assert kinds(verify_log(path)) == ["deleted"]

    moved.write_bytes(b"".join((*lines[:-1], rehashed(lines[-1], lambda record: record.update(id="another")))))
    found = verify_log(path)
    assert (kinds(found), found.faults[0].file) == (["edited"], "audit.jsonl")

    moved.unlink()
    found = verify_log(path)
    assert found.status == "whole"
    assert found.notes == (
        "audit.jsonl follows on audit.jsonl.1, which is not here",
        "the log begins in the middle: 6 earlier lines are elsewhere, and nobody has verified them here",
    )
