"""Where a log goes on when its writer starts: after its last line, wherever that is now, and what is told of it."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

from akrasia.core import InputError
from akrasia.gateway.chain import GENESIS, Line, hash_of, is_torn, read_line
from akrasia.gateway.logparts import Missing, begun_with, earlier, last_line, named_like, nearest, rotated
from akrasia.gateway.noted import Begun, Noted, noted_in

GONE = "a file that was moved, deleted or emptied"
"""What a log follows on whose last lines nobody finds."""


class Mended(Struct, frozen=True):
    """The record that follows on a torn line: how many bytes were there, and the file that they were moved to."""

    torn_bytes: int
    aside: str


class End(Struct, frozen=True):
    """Where a log goes on.

    Attributes:
        seq: number of the next line.
        previous: hash of the line before it.
        size: bytes of the whole lines that the file has.
        after: name of the file that a new one follows on; None where the log begins, or the file goes on.
        mended: a torn line that was set aside.
        remark: what the owner has to know of lines that are not where they were.
        begun: the first line of the file; None where it has none.
        missing: entries between the file that a new one follows on and the next line.
        lacking: all entries that were nowhere at this start or an earlier one, as `Noted.missing` has them.
    """

    seq: int = 0
    previous: bytes = GENESIS
    size: int = 0
    after: str | None = None
    mended: Mended | None = None
    remark: str | None = None
    begun: Begun | None = None
    missing: Missing | None = None
    lacking: str = ""


def find_end(path: Path, key: bytes | None, left: str | None) -> End:
    """Find where the chain is, and set a torn last line aside.

    Args:
        path: of the log; it need not be there.
        key: for HMAC; None: without one.
        left: what its last writer noted; None where it never had one.

    Raises:
        InputError: it is no audit log, or its last line was not made with this key.
        OSError: a file cannot be read or cut.
    """
    noted = noted_in(left or "")
    mended = None
    if path.exists():
        last, size, tail = last_line(path)
        if tail:
            mended = _set_aside(path, tail, size, first=last is None)
        if last is not None:
            line, begun = _verified(last, path, key), begun_with(path)
            if noted is None or not _beyond(noted, line):
                remark, lacking = _lacking(path, noted)
                return End(line.seq + 1, line.hash, size, None, mended, remark, begun, None, lacking)
            remark = (
                f"{path} was cut or replaced: it ends with entry {line.seq}, and entry {noted.seq} had been written; "
                "the audit log goes on after that one, and akrasia verify-log tells of the gap"
            )
            lacking = noted.lacking(min(line.seq + 1, noted.seq))
            return End(noted.seq + 1, noted.hash, size, None, mended, remark, begun, None, lacking)
    before = _before(path, key, noted)
    if before is not None and (noted is None or not _beyond(noted, before[1])):
        remark, lacking = _lacking(path, noted)
        return End(before[1].seq + 1, before[1].hash, 0, before[0].name, mended, remark, lacking=lacking)
    if noted is not None:
        return _without(path, noted, before, mended)
    return End(mended=mended, remark=_anew(path, left))


def _without(path: Path, noted: Noted, before: tuple[Path, Line] | None, mended: Mended | None) -> End:
    """Where a log goes on that has gone with entries that nobody finds."""
    begun = noted.seq if noted.begun is None else noted.begun.seq
    first = begun if before is None else before[1].seq + 1
    remark = (
        f"{path} has gone or was emptied, and no file beside it ends with entry {noted.seq}, its last: the audit log "
        f"goes on after that one, and akrasia verify-log tells that entries {first} to {noted.seq} are missing"
    )
    return End(
        seq=noted.seq + 1,
        previous=noted.hash,
        after=GONE if before is None else before[0].name,
        mended=mended,
        remark=remark,
        missing=Missing(first, None if before is None else before[1].hash.decode()),
        lacking=noted.lacking(first),
    )


def _lacking(path: Path, noted: Noted | None) -> tuple[str | None, str]:
    """What earlier starts have missed is told as long as the log goes on."""
    if noted is None or not noted.missing:
        return None, ""
    return f"{path} lacks entries that had been written ({noted.missing}): see akrasia verify-log", noted.missing


def _anew(path: Path, left: str | None) -> str | None:
    """What is to be told of a log that begins, though it seems to have begun before; None where it does not."""
    beside = ", ".join(one.name for one in named_like(path))
    if left is None and not beside:
        return None
    logs = f"; logs of like names are here, which it does not go on: {beside}" if beside else ""
    return f"{path}: a new chain begins, because no earlier file of it was found{logs}"


def _beyond(noted: Noted, line: Line) -> bool:
    """Whether lines had been written that come after a line, or another in its place."""
    return noted.seq > line.seq or (noted.seq == line.seq and noted.hash != line.hash)


def _before(path: Path, key: bytes | None, noted: Noted | None) -> tuple[Path, Line] | None:
    """The file that a new one follows on, and its last line; None where there is none."""
    found = None if noted is None else nearest(path, noted)
    if found is not None:
        last, _, _ = last_line(found)
        line = read_line(last or b"")
        if line is not None and hash_of(line.hashed, key) == line.hash:
            return found, line
        if line is None or noted is None or line.hash == noted.hash:
            return found, _verified(last or b"", found, key)  # which says what is wrong; a part that was edited is none
    numbered = rotated(path)
    moved = earlier(path)
    if moved and moved[-1] not in numbered:
        last, _, tail = last_line(moved[-1])
        line = None if last is None or tail else read_line(last)
        if line is not None and hash_of(line.hashed, key) == line.hash:
            return moved[-1], line  # else it has no end that can be trusted
    if not numbered:
        return None
    last, _, tail = last_line(numbered[-1])
    if last is None or tail:
        raise InputError(f"{numbered[-1]} does not end with a whole line: see what `akrasia verify-log {path}` says")
    return numbered[-1], _verified(last, numbered[-1], key)


def _verified(last: bytes, path: Path, key: bytes | None) -> Line:
    line = read_line(last)
    if line is None:
        raise InputError(f"{path} is not an audit log (its last line is none): name another file with --log")
    if hash_of(line.hashed, key) != line.hash:
        how = "this key" if key is not None else "no key"
        raise InputError(
            f"the last line of {path} does not verify with {how}: give the key that the log was begun with, or see "
            f"what `akrasia verify-log {path}` says"
        )
    return line


def _set_aside(path: Path, tail: bytes, end: int, *, first: bool) -> Mended:
    """Move a torn last line to a file of its own."""
    if first and not is_torn(tail):
        raise InputError(f"{path} is not an audit log: name another file with --log")
    number = 1
    while (aside := path.with_name(f"{path.name}.torn-{number}")).exists():
        number += 1
    with aside.open("xb") as file:
        file.write(tail)
        file.flush()
        os.fsync(file.fileno())
    with path.open("r+b") as file:
        file.truncate(end)
        os.fsync(file.fileno())
    return Mended(len(tail), aside.name)
