"""One process writes to an audit log, under whatever name others ask for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.gateway.test_log import RECORD, lines, opened

from akrasia.core import RunLocked, StoreFailed
from akrasia.gateway.logfile import LogFile
from akrasia.gateway.verify import verify_log


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
