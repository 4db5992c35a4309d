"""The audit log on the disk: lines that are appended and forced down together, and rotation.

Where a log goes on that was written before is found by `akrasia.gateway.resume`. Whoever is killed while writing leaves
at most a torn last line. After an error the file is cut back to its last whole line, so that what comes next goes on
with the chain. Nothing here is async: `akrasia.gateway.log` brings the thread.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from akrasia.core import InputError, RunLocked, StoreFailed
from akrasia.gateway.chain import FORMAT, algorithm, write_line
from akrasia.gateway.logparts import Opened, ending_with, number_of, rotated
from akrasia.gateway.noted import Begun, Noted
from akrasia.gateway.resume import find_end
from akrasia.runs.lock import RunLock, lock_file

_force: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)
"""Waits until the disk has a file's bytes, and its length."""

_ENVELOPE = 256
"""About how many bytes a line has besides its record."""


class _NotOurs(OSError):
    """The file is no longer what this process has written: nobody knows where the chain is."""


class LogFile:
    """One log, open for appending by this process alone.

    Args:
        path: of the log; it is made where there is none.
        key: for HMAC; None: without one.
        rotate_bytes: from which size on the next lines go to a new file; a batch is never divided. None: never.
        on_notice: called with one line that the owner should see.

    Attributes:
        failing: whether the last lines could not be written.
        remark: what is to be known of lines that are not where they were; None: nothing.

    Raises:
        RunLocked: another live process writes to it.
        InputError: it cannot be opened, is no audit log, or its last line was not made with this key.
    """

    def __init__(
        self, path: Path, key: bytes | None, rotate_bytes: int | None, on_notice: Callable[[str], None]
    ) -> None:
        self.path = path
        self._key = key
        self._rotate_bytes = rotate_bytes
        self._on_notice = on_notice
        self._dirty = False
        self._stuck = False
        self.failing = False
        self._file: int | None = None
        if not path.parent.is_dir():
            raise InputError(f"{path}: there is no folder {path.parent}: make it, or name the log elsewhere")
        try:
            self._file = self._open(0) if path.exists() else None
            self._lock = RunLock(path.parent, path.name, self._file)
            self._lock.__enter__()
        except OSError as error:
            self._let_go()
            raise _unusable(path, error) from None
        except RunLocked:
            self._let_go()
            raise
        try:
            end = find_end(path, key, self._lock.left)
        except OSError as error:
            self.close()
            raise _unusable(path, error) from None
        except InputError:
            self.close()
            raise
        self._seq, self._previous, self._after = end.seq, end.previous, end.after
        self._begun, self._missing, self._lacking = end.begun, end.missing, end.lacking
        self._size = end.size  # of the whole lines; anything beyond is to be cut off
        self._pending: list[tuple[str, bytes]] = []  # lines of our own that go before the next batch
        self.remark = end.remark
        if end.remark is not None:
            on_notice(end.remark)
        if end.mended is not None:
            self._pending.append(("mended", msgspec.json.encode(end.mended)))
            torn, aside = end.mended.torn_bytes, end.mended.aside
            on_notice(f"{path} ended in a torn line of {torn} bytes, which is now in {aside}")

    @property
    def head(self) -> str:
        """The hash of the last line that is on the disk."""
        return self._previous.decode()

    def write(self, time: str, records: Sequence[tuple[str, bytes]]) -> list[str]:
        """Append records as lines, and force them to the disk together: all of them, or none.

        Args:
            time: for lines of the log's own.
            records: time and JSON object of each.

        Returns:
            The hash of each line.

        Raises:
            StoreFailed: they could not be written. The log is as it was, and may be written again.
        """
        coming = sum(len(record) + _ENVELOPE for _, record in records)
        if self._rotate_bytes is not None and records and self._size and self._size + coming > self._rotate_bytes:
            self._rotate_if_possible()
        try:
            self._ready()
            lines, seq, previous, begun = self._own_lines(time)
            hashes = []
            for moment, record in records:
                line, previous = write_line((seq, moment, "request"), record, previous, self._key)
                seq += 1
                lines.append(line)
                hashes.append(previous.decode())
            data = b"".join(lines)
            if data:
                self._commit(data)
                with suppress(OSError):  # a note that is older than the log finds less, and nothing wrong
                    self._lock.note(Noted(seq - 1, previous, begun, self._lacking).text())
        except OSError as error:
            self._undo()
            self.failing = True
            raise StoreFailed(f"cannot write the audit log {self.path}: {_told(error)}") from None
        self._seq, self._previous, self._size, self._begun = seq, previous, self._size + len(data), begun
        self.failing = False
        self._pending.clear()
        self._missing = None
        return hashes

    def rotate(self) -> Path:
        """Give the file a number, and let the next lines go to a new one, which names it and its last hash.

        Raises:
            StoreFailed: it cannot be renamed; the log goes on in the same file.
        """
        if not self._size:
            raise StoreFailed(f"cannot rotate the audit log {self.path}: it has no line yet")
        before = rotated(self.path)
        number = 1 + (number_of(before[-1]) if before else 0)
        target = self.path.with_name(f"{self.path.stem}.{number:06}{self.path.suffix}")
        try:
            self._ready()
            if not self._size and self._after is not None:
                return self.path.with_name(self._after)  # somebody was quicker
            if sys.platform == "win32":  # which renames no open file
                self._let_go()
            self.path.rename(target)
        except OSError as error:
            raise StoreFailed(f"cannot rotate the audit log {self.path}: {_told(error)}") from None
        self._let_go()
        self._after, self._size = target.name, 0
        return target

    def close(self) -> None:
        """Let go of the file and the lock."""
        self._let_go()
        self._lock.__exit__(None, None, None)

    # --- writing -------------------------------------------------------------------------------------------------

    def _ready(self) -> None:
        """Have the file open, and no longer than its whole lines.

        Raises:
            OSError: it cannot be opened or cut, or is not the file that was opened.
        """
        self._keep_lock()
        if self._file is None:
            file = self._open(os.O_CREAT)
            try:
                lock_file(file)
            except OSError:
                os.close(file)
                raise _NotOurs(0, "another process has begun to write it") from None
            self._file = file
        mine = os.fstat(self._file)
        try:
            there = self.path.stat()
        except FileNotFoundError:
            there = None
        copy = ending_with(self.path, self._previous) if self._size and not mine.st_size else None
        if copy is not None:
            self._begin_emptied(copy)
        elif mine.st_size < self._size or (mine.st_size > self._size and not self._dirty):
            raise _NotOurs(0, "it was truncated or written by another process while in use")
        if there is None or (there.st_ino, there.st_dev) != (mine.st_ino, mine.st_dev):
            # What was moved is still there, whether or not an empty file was put in its place; what was deleted is not.
            if mine.st_nlink and (there is None or not there.st_size):
                return self._begin_anew(self._file, mine)
            raise _NotOurs(0, "it was deleted or replaced while in use")
        if self._dirty:
            os.ftruncate(self._file, self._size)
            self._dirty = False

    def _keep_lock(self) -> None:
        """Keep others from beginning this log, also when somebody has taken the lock file away.

        Raises:
            OSError: one of them has; or no lock file can be made.
        """
        try:
            if self._lock.keep():
                self._on_notice(f"{self.path}.lock was taken away while in use: it was made anew")
        except RunLocked:
            raise _NotOurs(0, "its lock file was taken away, and another process has begun to write it") from None

    def _begin_anew(self, file: int, moved: os.stat_result) -> None:
        """Go on in a new file, or one that was put there empty, that names the old one, which somebody has moved away.

        Raises:
            OSError: the old one cannot be cut to its whole lines, or no new one be made.
        """
        if self._dirty:
            os.ftruncate(file, self._size)
            self._dirty = False
        there = (one.name for one in self.path.parent.iterdir() if _is(one, moved))
        self._after = next(there, "a file that was moved to another folder")
        self._let_go()
        self._size = 0
        self._on_notice(f"{self.path} was moved away ({self._after}): the audit log goes on in a new file")
        self._ready()

    def _begin_emptied(self, copy: Path) -> None:
        """Go on at the beginning of the file, which somebody has emptied after copying all of it."""
        self._after, self._size, self._dirty = copy.name, 0, False
        self._on_notice(f"{self.path} was copied ({copy.name}) and emptied: the audit log goes on at its beginning")

    def _own_lines(self, time: str) -> tuple[list[bytes], int, bytes, Begun | None]:
        """The lines that have to stand before the next record, where the chain then is, and the file's first line."""
        seq, previous = self._seq, self._previous
        own = list(self._pending)
        if self._size == 0:
            opened = Opened(FORMAT, algorithm(self._key), self._after, self._missing)
            own.insert(0, ("opened", msgspec.json.encode(opened)))
        lines = []
        begun = self._begun if self._size else None
        for kind, record in own:
            line, previous = write_line((seq, time, kind), record, previous, self._key)
            begun = begun or Begun(seq, previous)
            seq += 1
            lines.append(line)
        return lines, seq, previous, begun

    def _commit(self, data: bytes) -> None:
        """Write all of it, and wait for the disk."""
        if self._file is None:
            raise OSError(0, "it is closed")
        self._dirty = True
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._file, rest) :]
        _force(self._file)
        self._dirty = False

    def _undo(self) -> None:
        """Cut off what was written in part; where that fails too, it is tried again before the next line."""
        if self._dirty and self._file is not None:
            try:
                if os.fstat(self._file).st_size > self._size:  # one that somebody else has cut is not made longer
                    os.ftruncate(self._file, self._size)
            except OSError:
                return
            self._dirty = False

    def _rotate_if_possible(self) -> None:
        """A log that cannot be rotated goes on in its file, which is better than none."""
        try:
            self.rotate()
            self._stuck = False
        except StoreFailed as error:
            if not self._stuck:
                self._on_notice(f"{error}; it goes on in the same file")
            self._stuck = True

    def _open(self, more: int) -> int:
        number = os.open(self.path, os.O_RDWR | os.O_APPEND | more | getattr(os, "O_BINARY", 0), 0o600)
        _sync_folder(self.path.parent)
        return number

    def _let_go(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _is(path: Path, file: os.stat_result) -> bool:
    try:
        found = path.stat()
    except OSError:  # gone by now
        return False
    return (found.st_ino, found.st_dev) == (file.st_ino, file.st_dev)


def _told(error: OSError) -> str:
    """What is wrong with the file, and the one thing that helps."""
    cure = "start the gateway again" if isinstance(error, _NotOurs) else "make room or restore access"
    return f"{error.strerror or error}; {cure}"


def _unusable(path: Path, error: OSError) -> InputError:
    return InputError(f"cannot open the audit log {path}: {error.strerror or error}; name a file in a folder of yours")


def _sync_folder(folder: Path) -> None:
    """Make a file's name as safe as its contents. Windows has no such thing."""
    if sys.platform != "win32":
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
