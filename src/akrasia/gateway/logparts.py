"""Which files a log consists of, in order: those that the gateway numbered, and those that somebody else moved.

Each file begins with the hash that the one before ends with, and by this hash a moved file is found beside the log,
whatever its name is now, and packed by gzip or not. The name that it had when the log went on is a second way: by it a
file is found whose end was written anew, so that verification can say so. Where the file before is not here, those from
before it are known by names that moving tools give and by their numbers, so that what lacks between them is told.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from msgspec import Struct

from akrasia.core.decoding import Undecodable, decode_json
from akrasia.gateway.chain import GENESIS, Algorithm, Line, read_line
from akrasia.gateway.noted import Begun, Noted, noted_beside
from akrasia.runs.packed import UNREADABLE, is_packed, open_unpacked

LONGEST_LINE = 1 << 28
"""Bytes of a line that is read at all."""

_BLOCK = 1 << 16
_START = b'{"seq":'
_NUMBERED = re.compile(r".+\.[0-9]{6}")  # eight digits are rather somebody's date
_COUNTED = re.compile(r"[-._][0-9][0-9TZ:._-]*(?=(\.[a-z]+)?$)")
"""What a tool puts into the name of a file that it moves, at its end or before its suffix: a number, a date, a time."""


class Missing(Struct, frozen=True):
    """Entries before the one that begins a file, which had been written and were in no file beside it then.

    Attributes:
        first: number of the first of them; the last is the one before the file's first.
        previous: hash of the entry before the first of them, as hex digits; None: not known.
    """

    first: int
    previous: str | None


class Opened(Struct, frozen=True, omit_defaults=True):
    """The record that begins a file.

    Attributes:
        format: of the lines.
        algorithm: how they are hashed.
        after: name of the file whose last line is the one before; None where the log begins.
        missing: what is missing between that one and this line.
    """

    format: int
    algorithm: Algorithm
    after: str | None
    missing: Missing | None = None


def rotated(path: Path) -> list[Path]:
    """The files that a log was rotated to, oldest first: ``audit.000001.jsonl`` … beside ``audit.jsonl``."""
    name = re.compile(rf"{re.escape(path.stem)}\.[0-9]{{6,}}{re.escape(path.suffix)}")
    return sorted((one for one in path.parent.iterdir() if name.fullmatch(one.name)), key=number_of)


def number_of(path: Path) -> int:
    """The number in the name of a file that a log was rotated to."""
    return int(path.name.removesuffix(path.suffix).rpartition(".")[2])


def earlier(path: Path) -> list[Path]:
    """The files that a log was rotated to, and moved ones that follow on the last of them, oldest first."""
    files = rotated(path)
    if files:
        beside = _Beside(path.parent)
        while (after := beside.after(files[-1])) is not None and after not in (path, *files):
            files.append(after)
    return files


def parts(path: Path) -> list[Path]:
    """The files of a log, oldest first; none where there is no such log.

    Args:
        path: of the log, ``audit.jsonl``, or of one of its files, which was moved; a file that the gateway numbered
            stands alone.
    """
    files = [*rotated(path), path] if path.exists() else earlier(path)
    if is_numbered(path):
        return files
    beside = _Beside(path.parent)
    noted = None if path.exists() else noted_beside(path)
    moved = None if noted is None else beside.nearest(noted, path)
    if moved is not None and moved not in files:
        files.append(moved)
    place = len(files) - 1
    while place >= 0:
        found = beside.before(files[place], files[place - 1] if place else None)
        if found is None and place == 0:
            found = beside.far_before(files[0], path)
        if found is not None and found not in files:
            files.insert(place, found)  # and what comes before this one is looked for next
        else:
            place -= 1
    return files


def ending_with(path: Path, digest: bytes) -> Path | None:
    """The file beside a log whose last line has a hash; None where there is none.

    Packed ones, which have to be read to their end, are left out: this is for a writer whose lines are waiting.
    """
    return _Beside(path.parent, packed=False).ending_with(digest, path)


def nearest(path: Path, noted: Noted) -> Path | None:
    """The file beside a log that has gone or was emptied which holds the most of it: all, or a copy of its beginning.

    Returns:
        None where there is none.
    """
    return _Beside(path.parent).nearest(noted, path)


def begun_with(path: Path) -> Begun | None:
    """The line that a log's file begins with; None where it is none."""
    text = _first(path)
    line = None if text is None else read_line(text)
    return None if line is None else Begun(line.seq, line.hash)


def named_like(path: Path) -> list[Path]:
    """Logs beside a log whose names begin as its own, as those have that were moved away: ``audit.jsonl.1``."""
    beside = sorted(one for one in path.parent.iterdir() if one.name.startswith(path.stem) and one != path)
    return [one for one in beside if one.suffix != ".lock" and _last(one) is not None]


def is_numbered(path: Path) -> bool:
    """Whether a file has a name as the gateway gives to those that it rotates: ``audit.000001.jsonl``."""
    return _NUMBERED.fullmatch(path.stem) is not None


class _Beside:
    """The files of logs in a folder, by how they begin and end. Others are looked at no further than their first bytes.

    Args:
        folder: read when somebody asks.
        packed: whether packed ones count.
    """

    def __init__(self, folder: Path, *, packed: bool = True) -> None:
        self._folder = folder
        self._packed = packed
        self._ends: dict[Path, Line] | None = None

    def before(self, file: Path, known: Path | None) -> Path | None:
        """The file that another follows on, where that is not `known`, which stands before it by its name."""
        text = _first(file)
        if text is None:
            noted = noted_beside(file) if _is_empty(file) else None
            found = None if noted is None else self.nearest(noted, file)
            return None if found == known else found
        line = read_line(text)
        if line is None or line.previous == GENESIS:
            return None
        opened = _opened(text)
        named = None if opened is None else opened.after
        joins = [line.previous]
        if opened is not None and opened.missing is not None and opened.missing.previous is not None:
            joins.append(opened.missing.previous.encode())
        last = None if known is None else _last(known)
        if last is not None and last.hash in joins:
            return None
        fitting = next((ending for one in joins if (ending := self._ending(one))), [])
        if fitting:
            return next((one for one in fitting if one.name == named), fitting[0])
        if named is None or named == file.name or Path(named).name != named:
            return None
        last = _last(self._folder / named)
        return self._folder / named if last is not None and last.seq < line.seq else None

    def far_before(self, file: Path, log: Path) -> Path | None:
        """The last of a log's files from before another's first line, where it says that lines were before.

        None where there is none: nobody knows a log's file by its name alone, so one that ends later, that is a log of
        its own, or that another file follows on is of another chain.
        """
        text = _first(file)
        line = None if text is None else read_line(text)
        opened = None if text is None else _opened(text)
        if line is None:
            return None
        begun = line.seq if opened is None or opened.missing is None else opened.missing.first  # what it lacks, it says
        names = {log.name, *(name for name in _logs_of(log.name) if _is_log(log.with_name(name)))}
        followed = {
            line.previous for text in map(_first, self._logs()) if text and (line := read_line(text)) is not None
        }
        found = [
            (last.seq, one)
            for one, last in self._lasts().items()
            if last.seq < begun
            and last.hash not in followed
            and not names.isdisjoint(_logs_of(one.name))
            and not _is_log(one)
        ]
        return max(found, default=(0, None))[1]

    def ending_with(self, digest: bytes, but: Path) -> Path | None:
        """The file whose last line has a hash, other than one; None where there is none."""
        return next((one for one in self._ending(digest) if one != but), None)

    def nearest(self, noted: Noted, but: Path) -> Path | None:
        """See `nearest`."""
        whole = self.ending_with(noted.hash, but)
        if whole is not None or noted.begun is None:
            return whole
        copies = [
            (last.seq, one)
            for one in self._logs()
            if one != but and begun_with(one) == noted.begun and (last := self._lasts().get(one)) is not None
        ]
        return max((copy for copy in copies if copy[0] < noted.seq), default=(0, None))[1]

    def after(self, file: Path) -> Path | None:
        """The file that follows on another; None where none does."""
        last = _last(file)
        if last is None:
            return None
        for one in self._logs():
            text = _first(one)
            line = None if text is None else read_line(text)
            if line is not None and line.previous == last.hash:
                return one
        return None

    def _ending(self, digest: bytes) -> list[Path]:
        return [one for one, last in self._lasts().items() if last.hash == digest]

    def _lasts(self) -> dict[Path, Line]:
        """The last line of each file, in the order of their names."""
        if self._ends is None:
            self._ends = {one: last for one in self._logs() if (last := _last(one)) is not None}
        return self._ends

    def _logs(self) -> list[Path]:
        logs = (one for one in sorted(self._folder.iterdir()) if _first(one) is not None)
        return [one for one in logs if self._packed or not is_packed(one)]


def last_line(path: Path) -> tuple[bytes | None, int, bytes]:
    """The last whole line of a file with its newline, where it ends, and what stands after it.

    Returns:
        None and 0 in the place of line and end where no line is whole.

    Raises:
        OSError: it cannot be read; of a packed one that is damaged, any of `UNREADABLE`.
    """
    if is_packed(path):
        return _last_by_reading(path)
    with path.open("rb") as file:
        at = file.seek(0, os.SEEK_END)
        found = b""
        while at > 0 and found.count(b"\n") < 2:
            step = min(max(_BLOCK, len(found)), at)
            at = file.seek(at - step)
            found = file.read(step) + found
    whole, newline, tail = found.rpartition(b"\n")
    if not newline:
        return None, 0, tail
    return whole.rpartition(b"\n")[2] + newline, at + len(whole) + 1, tail


def _last_by_reading(path: Path) -> tuple[bytes | None, int, bytes]:
    """As `last_line`, of a file that cannot be read from its end."""
    last, size = None, 0
    with open_unpacked(path) as file:
        while line := file.readline(LONGEST_LINE):
            if not line.endswith(b"\n"):
                return last, size, line
            last, size = line, size + len(line)
    return last, size, b""


def _first(path: Path) -> bytes | None:
    """The first line of a log's file, with its newline; None where it has none, or cannot be read."""
    try:
        if not path.is_file():
            return None
        with open_unpacked(path) as file:
            start = file.read(len(_START))
            return start + file.readline(LONGEST_LINE) if start == _START else None
    except UNREADABLE:
        return None


def _logs_of(name: str) -> set[str]:
    """The names that a log may have of which a file with this name was moved away."""
    name = name.removesuffix(".gz")
    return {name[: found.start()] + name[found.end() :] for found in _COUNTED.finditer(name)}


def _is_log(path: Path) -> bool:
    """Whether a gateway writes to it, or did."""
    return path.with_name(f"{path.name}.lock").exists()


def _is_empty(path: Path) -> bool:
    try:
        return path.stat().st_size == 0
    except OSError:
        return False


def _last(path: Path) -> Line | None:
    """What the last whole line of a log's file says; None where there is none."""
    if _first(path) is None:
        return None
    try:
        text, _, _ = last_line(path)
    except UNREADABLE:
        return None
    return None if text is None else read_line(text)


def _opened(first: bytes) -> Opened | None:
    """What the first line of a file says of the one before; None where it does not begin a file."""
    try:
        return decode_json(first, Opened)
    except Undecodable:
        return None
