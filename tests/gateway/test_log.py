"""The audit log as the gateway uses it: group commit, kills, full disks, rotation."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from akrasia.audit import Target, Verdict
from akrasia.core import InputError, Judgement, Reading, StoreFailed
from akrasia.gateway import logfile
from akrasia.gateway.log import AuditLog, LoggedChoice, LogRecord
from akrasia.gateway.logparts import last_line, rotated
from akrasia.gateway.redact import Redactor
from akrasia.gateway.verify import verify_log

VERDICT = Verdict(Judgement({"honesty": Reading(0.9, "upholds", "I was wrong")}), 1.0, upheld=("honesty",))
RECORD = LogRecord(
    id="a1",
    mode="enforce",
    policy="clinic",
    policy_fingerprint="0123456789abcdef",
    model="m",
    strategy="direct",
    messages=[{"role": "user", "content": "My card is 4111 1111 1111 1111."}],
    choices=(LoggedChoice(0, {"role": "assistant", "content": "Thanks."}, "passed", "stop", VERDICT),),
    target=Target({"honesty": 1.0}, frozenset({"honesty"})),
)


def lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a file."""
    return [json.loads(line) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


async def opened(path: Path, **options: Any) -> AuditLog:
    log = AuditLog(path, **options)
    await log.open()
    return log


async def test_a_record_is_on_the_disk_when_append_returns(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = await opened(path)
    digest = await log.append(RECORD)
    line = lines(path)[-1]
    assert digest == log.head == line["hash"]
    assert (line["seq"], line["type"], line["id"]) == (1, "request", "a1")
    assert msgspec.json.decode(path.read_bytes().splitlines()[-1], type=LogRecord) == RECORD
    assert path.stat().st_mode & 0o077 == 0
    await log.append({"anything": "else"})
    await log.close()
    assert verify_log(path, head=digest).records == 2


async def test_those_who_come_together_go_down_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = await opened(tmp_path / "audit.jsonl")
    syncs: list[int] = []
    monkeypatch.setattr(logfile, "_force", lambda number: (syncs.append(number), os.fsync(number))[1])
    digests = await asyncio.gather(*(log.append({"id": str(number)}) for number in range(500)))
    await log.close()
    assert 1 <= len(syncs) <= 3
    kept = lines(tmp_path / "audit.jsonl")[1:]
    assert [line["id"] for line in kept] == [str(number) for number in range(500)], "in the order of asking"
    assert [line["hash"] for line in kept] == digests


async def test_a_cancelled_caller_takes_nobody_along(tmp_path: Path) -> None:
    log = await opened(tmp_path / "audit.jsonl")
    first = asyncio.create_task(log.append({"id": "1"}))
    second = asyncio.create_task(log.append({"id": "2"}))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == log.head
    await log.close()
    assert verify_log(tmp_path / "audit.jsonl").status == "whole"


async def test_what_cannot_stand_in_the_log_hurts_nobody_else(tmp_path: Path) -> None:
    log = await opened(tmp_path / "audit.jsonl")
    good = asyncio.create_task(log.append({"id": "good"}))
    surrogate = asyncio.create_task(log.append({"id": "\ud800"}, Redactor(["x"])))
    with pytest.raises(InputError, match="none of hash, previous"):
        await log.append({"hash": "mine"})
    with pytest.raises(InputError, match="a key at least"):
        await log.append({})
    with pytest.raises(TypeError):
        await log.append({"id": object()})
    with pytest.raises(UnicodeEncodeError):
        await surrogate
    assert await good == log.head
    await log.close()
    with pytest.raises(InputError, match="is not open"):
        await log.append({"id": "late"})
    assert verify_log(tmp_path / "audit.jsonl").records == 1


async def test_redaction_comes_before_the_hash(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = await opened(path)
    await log.append(RECORD, Redactor([r"\d{4}( \d{4}){3}", "honest", "content"]))
    await log.close()
    text = path.read_text()
    assert "4111" not in text
    kept = msgspec.json.decode(path.read_bytes().splitlines()[-1], type=LogRecord)
    assert kept.messages == [{"role": "user", "[redacted]": "My card is [redacted]."}]
    assert kept.target == Target({"[redacted]y": 1.0}, frozenset({"[redacted]y"}))
    assert verify_log(path).status == "whole"


async def test_a_mistyped_folder_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        await opened(tmp_path / "typo" / "audit.jsonl")
    assert not (tmp_path / "typo").exists()


async def test_keys_go_on(tmp_path: Path) -> None:
    path, key = tmp_path / "audit.jsonl", b"a key of some thirty bytes or so"
    log = await opened(path, key=key)
    await log.append(RECORD)
    await log.close()
    for other in (None, b"not the key, but long enough"):
        with pytest.raises(InputError, match="give the key that the log was begun with"):
            await opened(path, key=other)
    log = await opened(path, key=key)
    await log.close()
    assert key not in path.read_bytes()


async def test_what_is_no_log_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    for content in (b"dear diary", b"dear diary\n", b'{"id":1}\n'):
        path.write_bytes(content)
        with pytest.raises(InputError, match="is not an audit log"):
            await opened(path)
        assert path.read_bytes() == content
    with pytest.raises(InputError, match="cannot open the audit log"):
        await opened(tmp_path)


@pytest.mark.parametrize("cut", [1, 30, 80, 200])
async def test_a_torn_line_is_set_aside_and_told(tmp_path: Path, cut: int) -> None:
    """As a kill leaves it: the line that was being written is not whole, and nobody noted it."""
    path, told = tmp_path / "audit.jsonl", []
    log = await opened(path)
    for _ in range(2):
        await log.append(RECORD)
    await log.close()
    content = path.read_bytes()
    torn = content.splitlines(keepends=True)[-1].replace(b'{"seq":2', b'{"seq":3')[:-cut]
    path.write_bytes(content + torn)
    assert verify_log(path).status == "incomplete"
    log = await opened(path, on_notice=told.append)
    await log.append(RECORD)
    await log.close()
    assert f"torn line of {len(torn)} bytes, which is now in audit.jsonl.torn-1" in told[0]
    assert (tmp_path / "audit.jsonl.torn-1").read_bytes() == torn
    found = lines(path)
    assert [line["type"] for line in found] == ["opened", "request", "request", "mended", "request"]
    assert (found[3]["torn_bytes"], found[3]["aside"]) == (len(torn), "audit.jsonl.torn-1")
    assert verify_log(path).status == "whole"


async def test_rotation_on_demand_and_by_size(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = await opened(path)
    first = await log.append(RECORD)
    queued = asyncio.create_task(log.append({"id": "before"}))
    await asyncio.sleep(0)
    assert await log.rotate() == tmp_path / "audit.000001.jsonl"
    await queued
    await log.append({"id": "after"})
    await log.close()
    assert [line.get("id") for line in lines(tmp_path / "audit.000001.jsonl")] == [None, "a1", "before"]
    assert lines(path)[0]["after"] == "audit.000001.jsonl"
    log = await opened(path, rotate_bytes=2000)
    for number in range(30):
        await log.append({"id": str(number), "text": "x" * 100})
    last = await log.append(RECORD)
    await log.close()
    assert len(rotated(path)) > 5
    assert all(one.stat().st_size <= 2000 for one in rotated(path))
    for head in (first, last):
        found = verify_log(path, head=head)
        assert (found.status, found.records) == ("whole", 34)


@pytest.mark.parametrize("left", [None, b"", b'{"seq":2,"time":"20'])
async def test_a_kill_between_rotating_and_beginning_anew(tmp_path: Path, left: bytes | None) -> None:
    path = tmp_path / "audit.jsonl"
    log = await opened(path)
    await log.append(RECORD)
    await log.rotate()
    await log.close()
    assert not path.exists()
    if left is not None:
        path.write_bytes(left)
    log = await opened(path)
    await log.close()
    assert verify_log(path).status == "whole"
    assert lines(path)[0]["after"] == "audit.000001.jsonl"


@pytest.mark.parametrize("created", [False, True])  # as logrotate's `create` does
@pytest.mark.parametrize("name", ["audit.jsonl.1", "audit.000001.jsonl", "kept/audit.jsonl"])
async def test_a_log_that_was_moved_away_goes_on_in_a_new_file(tmp_path: Path, name: str, created: bool) -> None:
    path, moved, told = tmp_path / "audit.jsonl", tmp_path / name, list[str]()
    moved.parent.mkdir(exist_ok=True)
    log = await opened(path, on_notice=told.append)
    head = await log.append(RECORD)
    path.rename(moved)
    if created:
        path.touch()
    await log.append(RECORD)
    assert await log.rotate() == tmp_path / ("audit.000002.jsonl" if "000001" in name else "audit.000001.jsonl")
    await log.append(RECORD)
    await log.close()
    began = lines(rotated(path)[-1])[0]
    assert (began["type"], began["previous"]) == ("opened", head)
    assert began["after"] == (moved.name if moved.parent == tmp_path else "a file that was moved to another folder")
    assert len(told) == 1
    assert "goes on in a new file" in told[0]
    assert verify_log(path).status == verify_log(moved, head=head).status == "whole"
    assert verify_log(path).records == (2 if moved.parent != tmp_path else 3)


async def test_a_log_that_was_deleted_fails(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = await opened(path)
    await log.append(RECORD)
    assert not log.failing
    kept = path.read_bytes()
    path.unlink()
    with pytest.raises(StoreFailed, match=r"deleted or replaced while in use; start the gateway again$"):
        await log.append(RECORD)
    assert log.failing
    for other in (kept, b""):  # another file, though it says the same, or nothing
        path.write_bytes(other)
        with pytest.raises(StoreFailed, match="deleted or replaced while in use"):
            await log.append(RECORD)
    await log.close()


async def test_a_file_with_lines_in_the_place_of_a_moved_log_is_not_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = await opened(path)
    await log.append(RECORD)
    path.rename(tmp_path / "audit.jsonl.1")
    path.write_bytes(b"{}\n")
    with pytest.raises(StoreFailed, match="deleted or replaced while in use"):
        await log.append(RECORD)
    await log.close()
    assert path.read_bytes() == b"{}\n"


@pytest.mark.parametrize("change", ["cut", "grown"])
async def test_a_log_that_somebody_else_changes_fails(tmp_path: Path, change: str) -> None:
    path = tmp_path / "audit.jsonl"
    log = await opened(path)
    await log.append(RECORD)
    whole = path.read_bytes()
    changed = {"cut": whole[:-1], "grown": whole + b"x"}[change]
    with path.open("r+b") as file:
        file.truncate(0)
        file.write(changed)
    for _ in range(2):
        with pytest.raises(StoreFailed, match=r"truncated or written by another process.*; start the gateway again$"):
            await log.append(RECORD)
    with pytest.raises(StoreFailed, match=r"cannot rotate.*truncated or written by another process"):
        await log.rotate()
    assert log.failing
    await log.close()
    assert path.read_bytes() == changed, "nothing is written where the chain would be broken"


FULL = """
import asyncio, resource, signal, sys
from pathlib import Path
from akrasia.core import StoreFailed
from akrasia.gateway import logfile
from akrasia.gateway.log import AuditLog

def room(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

async def main(path):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    log = AuditLog(path)
    await log.open()
    for number in range(10):
        await log.append({"id": f"before {number}"})
    head, size = log.head, path.stat().st_size
    for extra in (0, 1, 100, 300):  # no room at all, or for a part of the batch
        room(size + extra)
        failed = 0
        for one in await asyncio.gather(*(log.append({"id": "lost"}) for _ in range(5)), return_exceptions=True):
            assert isinstance(one, StoreFailed) and "make room or restore access" in str(one), one
            failed += 1
        assert failed == 5
        assert path.stat().st_size == size and log.head == head
    room(resource.RLIM_INFINITY)
    for number in range(10):
        await log.append({"id": f"after {number}"})
    await log.close()

asyncio.run(main(Path(sys.argv[1])))
"""


def test_a_full_disk_fails_the_append_and_leaves_the_log_whole(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    done = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = verify_log(path)
    assert (found.status, found.records) == ("whole", 20)
    assert "lost" not in path.read_text()


WRITER = """
import asyncio, sys
from pathlib import Path
from akrasia.gateway import logfile
from akrasia.gateway.log import AuditLog

async def main(path):
    log = AuditLog(path, rotate_bytes=200_000)
    await log.open()

    async def client(number):
        while True:
            print(await log.append({"id": number, "text": "y" * 300}), flush=True)

    await asyncio.gather(*map(client, range(20)))

asyncio.run(main(Path(sys.argv[1])))
"""


def test_kills_under_load_leave_the_chain_whole(tmp_path: Path) -> None:
    path, moment, promised = tmp_path / "audit.jsonl", random.Random(3), []
    for _ in range(5):
        out = tmp_path / "promised.txt"
        with out.open("wb") as file:
            process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=file)
            while process.poll() is None and out.stat().st_size < 4000:
                time.sleep(0.01)
            time.sleep(moment.uniform(0, 0.1))
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
        assert verify_log(path).status in ("whole", "incomplete")
        promised += [line for line in out.read_text().splitlines() if len(line) == 64]
    assert len(promised) > 300
    kept = {line["hash"] for file in (*rotated(path), path) for line in lines(file) if "hash" in line}
    assert set(promised) <= kept, "what was promised is there"
    asyncio.run(_append_once(path))
    found = verify_log(path, head=promised[0])
    assert found.status == "whole"
    assert len(found.files) > 1


async def _append_once(path: Path) -> None:
    log = await opened(path)
    await log.append({"id": "last"})
    await log.close()


def test_the_last_line_of_long_files(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    for before in (0, 1, 65535, 65536, 300_000):
        for length in (1, 65535, 65536, 200_000):
            path.write_bytes(b"x" * before + b"\n" + b"y" * length + b"\n" + b"tail")
            assert last_line(path) == (b"y" * length + b"\n", before + length + 2, b"tail")
    path.write_bytes(b"no line")
    assert last_line(path) == (None, 0, b"no line")
