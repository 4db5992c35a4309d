"""Whether an audit log is whole: what was edited, deleted, repeated or moved, and where. Constant memory.

What it cannot tell without a key: a log that was written anew from some line on, since anyone can hash. A head that was
kept elsewhere tells it (`head`), and so does a key that the writer of the new log does not have. Lines that were cut
off at the end are told by a head alone, or by what the gateway noted beside the log, as long as nobody changed that.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NoReturn

from msgspec import Struct

from akrasia.core import InputError
from akrasia.core.decoding import Undecodable, decode_json
from akrasia.gateway.chain import GENESIS, KEY_VARIABLE, Line, algorithm, hash_of, is_torn, read_line
from akrasia.gateway.logparts import LONGEST_LINE, Opened, is_numbered, parts
from akrasia.gateway.noted import Noted, noted_beside
from akrasia.runs.packed import UNREADABLE, open_unpacked

Status = Literal["whole", "broken", "incomplete"]
Kind = Literal["edited", "deleted", "reordered", "repeated", "wrong key", "cut tail", "torn"]

MOST_FAULTS = 20
"""So many are told; all are counted."""

MOST_GAPS = 1000
"""Gaps that are remembered, to tell lines that were moved from lines that are gone."""


class Fault(Struct, frozen=True):
    """What is wrong, and where.

    Attributes:
        kind: what happened. "torn": the last line has no end. Mostly a process was killed while it wrote it; that it
            had been whole, where the note beside the log proves that, stands in the message.
        file, line: where it shows; line from 1.
        message: in words.
    """

    kind: Kind
    file: str
    line: int
    message: str


class Verification(Struct, frozen=True):
    """What was found.

    Attributes:
        status: "incomplete": nothing worse than a torn last line, or that the newest file is not there.
        log: what was verified.
        files: in order.
        records, lines: requests; all whole lines.
        first_seq: number of the first line; above 0 where older files are not there.
        head: hash of the last line; None where there is none.
        keyed: whether the lines were verified with a key.
        faults: the first `MOST_FAULTS`; fault_count: of all.
        notes: what is no fault, and should be known.
        bytes, seconds: how much was read, and how long it took.
    """

    status: Status
    log: str
    files: tuple[str, ...]
    records: int
    lines: int
    first_seq: int | None
    head: str | None
    keyed: bool
    faults: tuple[Fault, ...]
    fault_count: int
    notes: tuple[str, ...]
    bytes: int
    seconds: float


def verify_log(path: Path, *, key: bytes | None = None, head: str | None = None) -> Verification:
    """Verify a log with the files that it was rotated to or that were moved away; or a rotated one alone.

    Args:
        path: of the log, ``audit.jsonl``, or of a rotated file, ``audit.000001.jsonl``.
        key: that the log was written with; None: without one.
        head: a hash that must stand in the log, as 64 hex digits: of its last line when somebody noted it.

    Raises:
        InputError: there is no such log, it is none, or it was written with a key and none is given.
    """
    if head is not None and (len(head) != 64 or not set(head) <= set("0123456789abcdef")):
        raise InputError(f"--head {head!r} is no hash of a line: it is 64 of the digits 0-9 and a-f")
    began = time.perf_counter()
    while True:
        noted = noted_beside(path)  # before the lines, of which there may be more by then
        files = _parts(path)
        if not files and noted is None:
            raise InputError(f"{path} does not exist: name an audit log")
        check = _Check(key, head, path)
        try:
            for file in files:
                check.read(file, last=file == files[-1])
            check.end(files[0] if files else path, noted)
        except InputError:
            if _parts(path) == files:
                raise
        else:
            if _parts(path) == files:
                break  # else the gateway has rotated it meanwhile, and a file was read under another's name, or gone
    if path not in files:
        check.absent = True
        check.notes.append(f"{path} is not there{f': the log ends with {files[-1].name}' if files else ''}")
    return Verification(
        status=check.status,
        log=str(path),
        files=tuple(str(file) for file in files),
        records=check.records,
        lines=check.lines,
        first_seq=check.first_seq,
        head=check.last.hash.decode() if check.last else None,
        keyed=key is not None,
        faults=tuple(check.faults),
        fault_count=check.fault_count,
        notes=tuple(check.notes),
        bytes=check.bytes,
        seconds=time.perf_counter() - began,
    )


def _parts(path: Path) -> list[Path]:
    """See `akrasia.gateway.logparts.parts`.

    Raises:
        InputError: the folder cannot be read.
    """
    try:
        return parts(path)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"cannot read the folder of {path}: {error.strerror or error}") from None


def lines_of(path: Path) -> Iterator[bytes]:
    """The lines of a file, unpacked, with their newlines; the last may lack one.

    Raises:
        InputError: it cannot be read, or a line is too long for a log's.
    """
    try:
        with open_unpacked(path) as file:
            while line := file.readline(LONGEST_LINE):
                if len(line) == LONGEST_LINE:
                    raise InputError(f"{path} is not an audit log: it has a line above {LONGEST_LINE >> 20} MiB")
                yield line
    except UNREADABLE as error:
        raise InputError(f"cannot read the audit log {path}: {getattr(error, 'strerror', None) or error}") from None


def _alike(text: bytes) -> bool:
    """Whether a line is one of a log, or was."""
    return text.startswith(b'{"seq":') or b',"hash":"' in text


class _Check:
    """Goes through the lines of a log once, and remembers where the chain is, what is missing and what is wrong.

    A line that is not what was written is one fault: its number and its hashes are not to be trusted, so the chain is
    taken up again at the next line with its own hash.
    """

    def __init__(self, key: bytes | None, head: str | None, log: Path) -> None:
        self._key = key
        self._log = log.name
        self._folder = log.parent
        self._alone = is_numbered(log)
        self._wanted = None if head is None else head.encode()
        self.last: Line | None = None  # of the lines in their place, the highest
        self.first_seq: int | None = None
        self.records = self.lines = self.bytes = self.fault_count = 0
        self.faults: list[Fault] = []
        self.notes: list[str] = []
        self.absent = False
        self._torn: tuple[str, int, int] | None = None
        self._missing_from: int | None = None
        self._adrift = False
        self._unkeyed = False
        self._gaps: list[tuple[range, str, int]] = []
        self._file = self._before = ""
        self._read: set[str] = set()
        self._doubtful = False
        self._number = 0

    @property
    def status(self) -> Status:
        torn = self._torn is not None
        if self.fault_count > torn:
            return "broken"
        return "incomplete" if torn or self.absent else "whole"

    def read(self, path: Path, *, last: bool) -> None:
        """Go through one file."""
        self._before, self._file, self._number = self._file, path.name, 0
        self._read.add(path.name)
        for text in lines_of(path):
            self._number += 1
            self.bytes += len(text)
            if not text.endswith(b"\n"):
                self._unended(text, last=last)
                continue
            self.lines += 1
            line = read_line(text)
            proven = line is not None and hash_of(line.hashed, self._key) == line.hash
            if self._number == 1:
                self._begin(text, line, proven=proven)
            elif self._doubtful:  # one line may have been broken in two
                if not _alike(text):
                    self._refuse()
                self._doubtful = False
            if line is None or not proven:
                self._adrift = True
                self._fault("edited", "this line is not what was written: its hash is another")
            else:
                self._take(line)

    def end(self, first: Path, noted: Noted | None) -> None:
        """Nothing comes any more: what is missing now is gone.

        Args:
            first: the first file.
            noted: the line that the log ended with when it was last written; None: nobody knows.
        """
        if self._doubtful:
            self._refuse()
        self._file = self._file or first.name
        last = self.last
        known = -1 if not self.lines else None if last is None else last.seq
        gone = 0 if noted is None or known is None else noted.seq - known
        cut = gone > (self._torn is not None)
        if cut:
            self._torn = None  # more than that line is gone
        elif self._torn is not None:
            file, number, size = self._torn
            why = "its writer was killed, or is writing"
            if gone > 0:
                why = f"it had been whole ({self._log}.lock), and was cut"
            self._fault("torn", f"the last line ends after {size} bytes: {why}", file, number)
        if not self.lines and self._torn is None and not cut and not self.fault_count:
            raise InputError(f"{first} holds no line: it is no audit log, or one that never began")
        if self._key is not None and self.lines and self.last is None:
            torn = [fault for fault in self.faults if fault.kind == "torn"]
            what = "without a key" if self._unkeyed else "with another key, or it has been edited"
            self.faults = [Fault("wrong key", first.name, 1, f"the log was written {what}"), *torn]
            self.fault_count = len(self.faults)
        for gap, file, number in self._gaps:
            many = f"entries {gap.start} to {gap.stop - 1} are" if len(gap) > 1 else f"entry {gap.start} is"
            self._fault("deleted", f"{many} missing before this line", file, number)
        if self._wanted is not None and self.last is not None:
            self._fault("cut tail", f"no line has the head {self._wanted.decode()}: the end was cut off or rewritten")
        elif noted is not None and cut:
            left = "no line is left" if last is None else "the end was cut off"
            self._fault("cut tail", f"{left}: entry {noted.seq} had been written ({self._log}.lock)")
        elif noted is not None and last is not None and last.seq == noted.seq and last.hash != noted.hash:
            self._fault("cut tail", f"entry {last.seq} was another when it was written ({self._log}.lock)")
        elsewhere = self.first_seq if self._missing_from is None else self._missing_from
        if elsewhere and not self._alone:
            many = "1 earlier line is" if elsewhere == 1 else f"{elsewhere} earlier lines are"
            self.notes.append(f"the log begins in the middle: {many} elsewhere, and nobody has verified them here")

    # --- one line ------------------------------------------------------------------------------------------------

    def _take(self, line: Line) -> None:
        """A line with its own hash: is it in its place?"""
        self.records += line.kind == "request"
        if line.hash == self._wanted:
            self._wanted = None
        last = self.last
        if last is None:
            self.first_seq = line.seq
            if self._missing_from is not None and self._missing_from < line.seq:
                self._gap(range(self._missing_from, line.seq))
        elif line.seq <= last.seq:
            self._late(line)
            return
        elif not self._adrift and line.seq > last.seq + 1:
            self._gap(range(last.seq + 1, line.seq))
        elif not self._adrift and line.previous != last.hash:
            self._fault("edited", f"entry {last.seq}, before this line, was another when this one was written")
        if line.seq == 0 and line.previous != GENESIS:
            self._fault("edited", "the first entry names one before it")
        self.last, self._adrift = line, False

    def _begin(self, text: bytes, line: Line | None, *, proven: bool) -> None:
        """A file begins by saying how it is hashed, and which file was before it."""
        self._doubtful = line is None and self.last is None and not _alike(text)
        if line is None or line.kind != "opened":
            if proven and not self._before:
                self._fault("deleted", "the file does not begin with the line that opens it: its beginning was cut off")
            return
        try:
            opened = decode_json(text, Opened)
        except Undecodable:
            return  # its hash tells
        if not proven and self._key is None and opened.algorithm != algorithm(None):
            raise InputError(f"{self._file} was written with a key: give it with --key-file, or in {KEY_VARIABLE}")
        self._unkeyed = self._unkeyed or opened.algorithm == algorithm(None)
        if proven and self.last is None and opened.missing is not None:
            self._missing_from = opened.missing.first
        joined = line is not None and self.last is not None and line.previous == self.last.hash
        if opened.after is not None and opened.after != self._before and not joined:
            self.notes.append(f"{self._file} follows on {self._absent(opened.after)}")

    def _refuse(self) -> NoReturn:
        raise InputError(f"{self._file} is not an audit log: name the file of `akrasia serve --log`")

    def _absent(self, name: str) -> str:
        if self._alone:
            return f"{name}, which was not read with it: name the log to verify both"
        if name == self._file or name in self._read:
            return f"a file that was named {name} then, which is not here"
        beside = {one.name for one in self._folder.iterdir() if one.suffix != ".lock"}
        packed = sorted(one for one in beside if one.startswith(f"{name}."))
        if packed and name not in beside:
            return f"{name}, which is not here (unpack {', '.join(packed)}, if that is it)"
        return f"{name}, which is not here"

    def _gap(self, missing: range) -> None:
        if len(self._gaps) < MOST_GAPS:
            self._gaps.append((missing, self._file, self._number))
        else:
            self._fault("deleted", f"entries {missing.start} to {missing.stop - 1} are missing before this line")

    def _late(self, line: Line) -> None:
        """A line that should have come before: it was moved, or stands here a second time."""
        for place, (gap, file, number) in enumerate(self._gaps):
            if line.seq in gap:
                rest = (range(gap.start, line.seq), range(line.seq + 1, gap.stop))
                self._gaps[place : place + 1] = [(part, file, number) for part in rest if part]
                self._fault("reordered", f"entry {line.seq} stands after a later one")
                return
        self._fault("repeated", f"entry {line.seq} stands after a later one, and not for the first time")

    def _unended(self, text: bytes, *, last: bool) -> None:
        if last and is_torn(text):
            self._torn = (self._file, self._number, len(text))
        elif is_torn(text):  # a line that had been whole is missing where the next file goes on
            self.notes.append(
                f"{self._file} ends in a torn line of {len(text)} bytes: it was moved as its writer left it"
            )
        else:
            self._fault("edited", "the last line does not end as the log ends lines")

    def _fault(self, kind: Kind, message: str, file: str | None = None, line: int | None = None) -> None:
        self.fault_count += 1
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(Fault(kind, file or self._file, line or self._number, message))
