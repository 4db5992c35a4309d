"""One process writes to an audit log, under whatever name others ask for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.gateway.test_log import RECORD, lines, opened

from akrasia.core import RunLocked, StoreFailed
from akrasia.gateway.logfile import LogFile
from akrasia.gateway.noted import noted_beside
from akrasia.gateway.verify import verify_log
from akrasia.runs.lock import RunLock


async def test_one_process_writes(tmp_path: Path) -> None:
    log = await opened(tmp_path / "audit.jsonl")
    with pytest.raises(RunLocked, match=r"audit.jsonl is being written by process \d+"):
        await opened(tmp_path / "audit.jsonl")
    other = await opened(tmp_path / "other.jsonl")
    await other.close()
    await log.close()
    again = await opened(tmp_path / "audit.jsonl")
    await again.append(RECORD)
    await again.close()
    assert [line["seq"] for line in lines(tmp_path / "audit.jsonl")] == [0, 1]


@pytest.mark.parametrize("how", ["a symbolic link", "another name", "without its lock file"])
async def test_one_process_writes_whatever_it_calls_the_file(tmp_path: Path, how: str) -> None:
    path, other = tmp_path / "audit.jsonl", tmp_path / "other.jsonl"
    log = await opened(path)
    await log.append(RECORD)
    if how == "a symbolic link":
        other.symlink_to(path)
    elif how == "another name":
        other.hardlink_to(path)
    else:
        other = path
        (tmp_path / "audit.jsonl.lock").unlink()
    kept = path.read_bytes()
    with pytest.raises(RunLocked, match=rf"{other.name} is being written by another process \(by another name"):
        await opened(other)
    assert path.read_bytes() == kept
    await log.append(RECORD)
    await log.rotate()
    await log.append(RECORD)
    if how == "a symbolic link":
        with pytest.raises(RunLocked):
            await opened(other)
    await log.close()
    assert (verify_log(path).status, verify_log(path).records) == ("whole", 3)
    again = await opened(other)
    await again.close()


async def test_two_that_begin_a_log_are_one(tmp_path: Path) -> None:
    """Neither file is there when they start: the first to write has it."""
    path, other = tmp_path / "audit.jsonl", tmp_path / "other.jsonl"
    other.symlink_to(path)
    second = LogFile(other, None, None, lambda _: None)
    log = await opened(path)
    with pytest.raises(StoreFailed, match="another process has begun to write it; start the gateway again"):
        second.write("t", [("t", b'{"id":"second"}')])
    second.close()
    await log.append(RECORD)
    await log.close()
    assert verify_log(path).records == 1


async def test_a_lock_that_is_taken_away_with_the_log_is_made_anew(tmp_path: Path) -> None:
    path, told = tmp_path / "audit.jsonl", list[str]()
    log = await opened(path, on_notice=told.append)
    await log.append(RECORD)
    note = noted_beside(path)
    path.with_name("audit.jsonl.lock").unlink()
    path.rename(tmp_path / "audit.jsonl.1")
    digest = await log.append(RECORD)
    assert told[0] == f"{path}.lock was taken away while in use: it was made anew"
    assert len(told) == 2, "and where the log went"
    with pytest.raises(RunLocked, match=r"audit.jsonl is being written by process \d+"):
        await opened(path)
    left = noted_beside(path)
    assert note is not None
    assert left is not None
    assert (left.hash.decode(), left.seq) == (digest, note.seq + 2)
    await log.close()
    assert (verify_log(path).status, verify_log(path).records) == ("whole", 2)


async def test_who_lost_the_log_to_another_says_so_and_writes_nothing(tmp_path: Path) -> None:
    path, moved = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.1"
    log = await opened(path)
    await log.append(RECORD)
    path.with_name("audit.jsonl.lock").unlink()
    path.rename(moved)
    kept = moved.read_bytes()
    second = await opened(path)
    for _ in range(2):
        with pytest.raises(StoreFailed, match="its lock file was taken away, and another process has begun to write"):
            await log.append(RECORD)
    assert log.failing
    await second.append(RECORD)
    with pytest.raises(StoreFailed):
        await log.append(RECORD)
    await log.close()
    await second.append(RECORD)
    with pytest.raises(RunLocked):
        await opened(path)
    await second.close()
    assert moved.read_bytes() == kept
    assert (verify_log(path).status, verify_log(path).records) == ("whole", 2)


def test_a_lock_keeps_its_note_when_it_is_made_anew(tmp_path: Path) -> None:
    lock = RunLock(tmp_path, "log")
    assert not lock.keep(), "which is not held"
    with lock:
        lock.note("last line 7")
        assert not lock.keep()
        (tmp_path / "log.lock").unlink()
        assert lock.keep()
        assert not lock.keep()
        lock.note("last line 8")
        assert (tmp_path / "log.lock").read_text().splitlines()[1:] == ["last line 8"]
        (tmp_path / "log.lock").unlink()
        assert lock.keep()
        assert (tmp_path / "log.lock").read_text().splitlines()[1:] == ["last line 8"]
        with pytest.raises(RunLocked), RunLock(tmp_path, "log"):
            pass
    with RunLock(tmp_path, "log") as again:
        assert again.left == "last line 8"
