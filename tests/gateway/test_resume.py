"""Logs that were moved, emptied or cut, while a gateway wrote to them or none did: what goes on, and what is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.gateway.audited import policy
from tests.gateway.conftest import Serve
from tests.gateway.test_chain import kinds, write
from tests.gateway.test_logparts import go_on

from akrasia.core import StoreFailed
from akrasia.gateway.logfile import LogFile
from akrasia.gateway.logparts import parts
from akrasia.gateway.resume import GONE
from akrasia.gateway.verify import verify_log

NEXT = ("2030-01-01T00:00:02.000Z", [("2030-01-01T00:00:02.000Z", b'{"id":"next"}')])


def first(path: Path) -> dict[str, object]:
    line: dict[str, object] = json.loads(path.read_bytes().splitlines()[0])
    return line


def told_at_start(path: Path) -> tuple[list[str], str | None]:
    """What a start tells, and leaves to be known."""
    notices: list[str] = []
    file = LogFile(path, None, None, notices.append)
    file.write("2030-01-01T00:00:02.000Z", [])
    file.close()
    return notices, file.remark


def cut_lines(path: Path, number: int) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-number]))


@pytest.mark.parametrize("name", ["audit.jsonl.1", "old", "audit.jsonl-20300101"])
def test_a_log_that_was_moved_while_stopped_is_gone_on_with(tmp_path: Path, name: str) -> None:
    path, moved = tmp_path / "audit.jsonl", tmp_path / name
    write(path, 4)  # entries 0 (the opening) to 4
    path.rename(moved)
    assert told_at_start(path) == ([], None)
    assert (first(path)["seq"], first(path)["after"]) == (5, name)
    found = verify_log(path)
    assert (found.status, found.records, found.first_seq, len(found.files)) == ("whole", 4, 0, 2)


def test_a_log_that_was_moved_twice_while_stopped_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    write(path, 4)
    path.rename(tmp_path / "audit.jsonl.1")
    go_on(path, 2)
    (tmp_path / "audit.jsonl.1").rename(tmp_path / "audit.jsonl.2")
    path.rename(tmp_path / "audit.jsonl.1")
    go_on(path, 2)
    assert [one.name for one in parts(path)] == ["audit.jsonl.2", "audit.jsonl.1", "audit.jsonl"]
    assert (verify_log(path).status, verify_log(path).records) == ("whole", 8)


@pytest.mark.parametrize("how", ["moved", "deleted", "emptied"])
def test_a_log_that_has_gone_is_named_by_the_one_that_follows(tmp_path: Path, how: str) -> None:
    path = tmp_path / "audit.jsonl"
    write(path, 4)
    head = verify_log(path).head
    whole = path.read_bytes()
    if how == "moved":
        (tmp_path / "archive").mkdir()
        path.rename(tmp_path / "archive" / "audit.jsonl")
    elif how == "deleted":
        path.unlink()
    else:
        path.write_bytes(b"")
    assert kinds(verify_log(path)) == ["cut tail"]
    notices, remark = told_at_start(path)
    assert notices == [remark]
    assert "no file beside it ends with entry 4" in notices[0]
    assert (first(path)["seq"], first(path)["previous"], first(path)["after"]) == (5, head, GONE)
    assert first(path)["missing"] == {"first": 0, "previous": None}
    for _ in range(2):
        found = verify_log(path)
        assert (found.status, kinds(found), found.first_seq) == ("broken", ["deleted"], 5)
        assert found.faults[0].message == "entries 0 to 4 are missing before this line"
        assert not any("elsewhere" in note for note in found.notes)
        go_on(path, 2)
        (notice,), remark = told_at_start(path)
        assert notice == remark == f"{path} lacks entries that had been written (0 to 4): see akrasia verify-log"
    path.rename(tmp_path / "later")
    (tmp_path / "audit.jsonl.0").write_bytes(whole)
    go_on(path, 1)
    found = verify_log(path, head=head)
    assert (found.status, found.first_seq, len(found.files)) == ("whole", 0, 3), "they are found again"


def test_only_entries_that_are_nowhere_are_missing(tmp_path: Path) -> None:
    """What the files say that retention took is elsewhere; what the note says that nobody moved is missing."""
    path, moved = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.1"
    write(path, 4)
    go_on(path, 3, lambda: path.rename(moved))  # entries 6 (the opening) to 8
    moved.unlink()
    path.write_bytes(b"")
    told_at_start(path)
    found = verify_log(path)
    assert (found.status, found.faults[0].message) == ("broken", "entries 6 to 8 are missing before this line")
    assert found.notes[-1].startswith("the log begins in the middle: 6 earlier lines are elsewhere")


def test_a_new_chain_beside_an_old_one_is_told(tmp_path: Path) -> None:
    """Without the note of the last writer nobody knows which file this log was."""
    path = tmp_path / "audit.jsonl"
    assert told_at_start(path) == ([], None)
    path.rename(tmp_path / "audit.jsonl.1")
    lock = tmp_path / "audit.jsonl.lock"
    lock.write_text("process 1 on here\n", encoding="utf-8")  # as versions left it that noted nothing
    (notice,), remark = told_at_start(path)
    assert notice == remark
    assert "a new chain begins, because no earlier file of it was found" in notice
    assert notice.endswith("which it does not go on: audit.jsonl.1")
    path.unlink()
    lock.unlink()
    (tmp_path / "audit.jsonl.1").rename(tmp_path / "elsewhere")
    assert told_at_start(path) == ([], None)


def test_a_log_that_is_copied_and_emptied_while_it_is_written_goes_on(tmp_path: Path) -> None:
    """As logrotate's copytruncate does it."""
    path, notices = tmp_path / "audit.jsonl", list[str]()
    write(path, 4)
    head = verify_log(path).head
    file = LogFile(path, None, None, notices.append)
    (tmp_path / "audit.jsonl.1").write_bytes(path.read_bytes())
    path.write_bytes(b"")
    assert (verify_log(path).status, verify_log(path).records) == ("whole", 4)
    for _ in range(2):
        file.write(*NEXT)
    file.close()
    assert len(notices) == 1
    assert "was copied (audit.jsonl.1) and emptied" in notices[0]
    assert (first(path)["seq"], first(path)["previous"], first(path)["after"]) == (5, head, "audit.jsonl.1")
    found = verify_log(path, head=head)
    assert (found.status, found.records, found.first_seq, found.notes) == ("whole", 6, 0, ())
    (tmp_path / "audit.jsonl.1").unlink()
    found = verify_log(path)
    assert (found.status, found.first_seq) == ("whole", 5)
    assert found.notes[-1].startswith("the log begins in the middle: 5 earlier lines are elsewhere")


@pytest.mark.parametrize("lines", [0, 4])
def test_a_log_that_is_emptied_while_its_copy_lacks_lines_fails_until_the_next_start(
    tmp_path: Path, lines: int
) -> None:
    """What was written between copying and emptying is gone: nothing may leave until somebody has seen that."""
    path = tmp_path / "audit.jsonl"
    write(path, 4)
    file = LogFile(path, None, None, lambda _: None)
    if lines:
        (tmp_path / "audit.jsonl.1").write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:lines]))
    path.write_bytes(b"")
    for _ in range(2):
        with pytest.raises(StoreFailed, match="truncated or written by another process"):
            file.write(*NEXT)
    file.close()
    assert path.read_bytes() == b""
    found = verify_log(path)
    assert (found.status, kinds(found), found.lines) == ("broken", ["cut tail"], lines)
    (notice,), remark = told_at_start(path)
    assert notice == remark
    assert (first(path)["seq"], first(path)["after"]) == (5, "audit.jsonl.1" if lines else GONE)
    (tmp_path / "audit.jsonl.0").write_bytes(b"another file")
    if lines:
        (tmp_path / "audit.jsonl.1").rename(tmp_path / "audit.jsonl.2")
    for _ in range(2):
        go_on(path, 1)
        found = verify_log(path)
        many = "entry 4 is" if lines else "entries 0 to 4 are"
        assert (kinds(found), found.faults[0].message) == (["deleted"], f"{many} missing before this line")
        assert len(found.files) == 1 + bool(lines)


def test_a_part_that_was_edited_keeps_no_gateway_from_starting(tmp_path: Path) -> None:
    path, part = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.1"
    write(path, 4)
    part.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]).replace(b'"r1"', b'"rX"'))
    path.write_bytes(b"")
    _, remark = told_at_start(path)
    assert "entries 0 to 4 are missing" in (remark or "")
    assert kinds(verify_log(path)) == ["deleted"]


@pytest.mark.parametrize("number", [1, 3])
def test_a_cut_tail_is_told_by_the_note_beside_the_log(tmp_path: Path, number: int) -> None:
    path = tmp_path / "audit.jsonl"
    write(path, 8)
    head, whole = verify_log(path).head, path.read_bytes()
    cut_lines(path, number)
    found = verify_log(path)
    assert (found.status, kinds(found)) == ("broken", ["cut tail"])
    assert "entry 8 had been written (audit.jsonl.lock)" in found.faults[0].message
    assert kinds(verify_log(path, head=head)) == ["cut tail"]
    elsewhere = tmp_path / "copy.jsonl"
    elsewhere.write_bytes(path.read_bytes())
    assert verify_log(elsewhere).status == "whole", "nobody can know, and the head alone tells"
    assert kinds(verify_log(elsewhere, head=head)) == ["cut tail"]

    (notice,), remark = told_at_start(path)
    assert notice == remark
    assert f"it ends with entry {8 - number}, and entry 8 had been written" in notice
    go_on(path, 1)
    found = verify_log(path)
    assert kinds(found) == ["deleted"]
    assert path.read_bytes().count(b"\n") == 10 - number
    (tmp_path / "audit.jsonl.lock").unlink()
    path.write_bytes(whole)
    assert verify_log(path).status == "whole"


def test_a_last_line_that_was_written_anew_is_told_by_the_note(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    write(path, 8)
    cut_lines(path, 1)
    (tmp_path / "audit.jsonl.lock").rename(tmp_path / "kept")
    go_on(path, 1)  # entry 8 once more, with other words
    (tmp_path / "kept").rename(tmp_path / "audit.jsonl.lock")
    found = verify_log(path)
    assert kinds(found) == ["cut tail"]
    assert found.faults[0].message.startswith("entry 8 was another when it was written")


@pytest.mark.parametrize("cut", [1, 2, 20, 150])
def test_a_last_line_that_was_whole_once_is_missing_where_it_is_cut(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "audit.jsonl"
    write(path, 4)
    path.write_bytes(path.read_bytes()[:-cut])
    found = verify_log(path)
    assert (found.status, kinds(found)) == ("incomplete", ["torn"])
    assert "it had been whole (audit.jsonl.lock), and was cut" in found.faults[0].message
    notices, remark = told_at_start(path)
    assert "it ends with entry 3, and entry 4 had been written" in (remark or "")
    assert len(notices) == 2, "the torn bytes, which are set aside, and what is missing"
    for _ in range(2):
        go_on(path, 1)
        found = verify_log(path)
        assert (kinds(found), found.faults[0].message) == (["deleted"], "entry 4 is missing before this line")
        assert "lacks entries that had been written (4 to 4)" in (told_at_start(path)[1] or "")


def test_a_line_that_was_never_whole_is_torn(tmp_path: Path) -> None:
    """A kill leaves it behind the noted line."""
    path = tmp_path / "audit.jsonl"
    write(path, 4)
    with path.open("ab") as file:
        file.write(b'{"seq":5,"time":"20')
    assert (verify_log(path).status, kinds(verify_log(path))) == ("incomplete", ["torn"])
    (notice,), remark = told_at_start(path)
    assert ("torn line of 19 bytes" in notice, remark) == (True, None)
    assert verify_log(path).status == "whole"


def test_a_log_that_was_moved_while_stopped_is_incomplete_until_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    write(path, 4)
    path.rename(tmp_path / "audit.jsonl.1")
    found = verify_log(path)
    assert (found.status, found.records) == ("incomplete", 4)
    assert "is not there: the log ends with audit.jsonl.1" in found.notes[0]


async def test_health_says_what_is_missing_of_the_log(serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    write(log, 4)
    log.unlink()
    served = await serve(policy(tmp_path, "enforce"), log=log)
    async with served.client.get(f"{served.root}/health") as response:
        told = await response.json()
    assert told["status"] == "ok"
    assert "has gone or was emptied" in told["audit_log_remark"]
    assert told["audit_log_remark"] in served.notices
