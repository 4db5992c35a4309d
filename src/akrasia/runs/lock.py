"""One writer per run folder, or per file: a lock that the operating system drops when its holder dies."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from types import TracebackType
from typing import IO

from akrasia.core import RunLocked

_LONGEST = 4096
"""Characters of a lock file that are read."""

_FAR = 1 << 40


def lock_file(number: int, beyond: int = _FAR) -> None:
    """Lock an open file against every other process, and every other opening of it, under whatever name.

    The lock goes when the file is closed. Others still read the file, and append to it unless they ask for the lock.

    Args:
        number: the descriptor; open for writing.
        beyond: a place behind all that others read: Windows' locks are mandatory, and of bytes.

    Raises:
        OSError: somebody else has it.
    """
    if sys.platform == "win32":
        import msvcrt

        at = os.lseek(number, 0, os.SEEK_CUR)
        os.lseek(number, beyond, os.SEEK_SET)
        msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
        os.lseek(number, at, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)


class RunLock:
    """Held while a process writes to a run; the file says who holds it.

    Args:
        folder: the run's.
        file: for what is not a run, the file in that folder that the process writes; its name and ``.lock`` is the
            lock's.
        written: descriptor of that file where it is there: locked before, so that no other name of it gets in.

    Attributes:
        left: what the last holder noted; None where there was none before.

    Raises:
        RunLocked: on entering, when another live process holds it.
    """

    def __init__(self, folder: Path, file: str = "", written: int | None = None) -> None:
        self._path = folder / (f"{file}.lock" if file else "run.lock")
        self._name = folder / file
        self._written = written
        self._file: IO[str] | None = None
        self._at = 0
        self.left: str | None = None

    def __enter__(self) -> RunLock:
        if self._written is not None:
            try:
                lock_file(self._written)
            except OSError:
                raise self._refusal() from None
        self._take()
        return self

    def keep(self) -> bool:
        """Make the lock file anew, with what was noted, where somebody took it away; whether that was so.

        Raises:
            RunLocked: another process has made one meanwhile.
            OSError: it cannot be made.
        """
        if self._file is None or self._is_there(self._file):
            return False
        lost = self._file
        lost.seek(0)
        self._take(lost.read(_LONGEST).partition("\n")[2])
        lost.close()
        return True

    def _is_there(self, file: IO[str]) -> bool:
        try:
            return os.path.samestat(self._path.stat(), os.fstat(file.fileno()))
        except FileNotFoundError:
            return False

    def _take(self, noted: str | None = None) -> None:
        """Lock the lock file and name the holder in it; what is noted there stays, but where a note is given."""
        number = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        file = os.fdopen(number, "r+", encoding="utf-8", errors="replace", newline="")
        try:
            lock_file(number, _LONGEST)
        except OSError:
            file.close()
            raise self._refusal() from None
        holder, _, note = file.read(_LONGEST).partition("\n")
        self.left = note.strip() if holder else None
        self._file = file
        own = f"process {os.getpid()} on {socket.gethostname()}\n"
        self._write(0, own + (note if noted is None else noted))
        self._at = len(own.encode())

    def note(self, text: str) -> None:
        """Leave a line for the next holder, in the place of the one that was there.

        Raises:
            OSError: it cannot be written.
        """
        self._write(self._at, f"{text}\n")

    def _refusal(self) -> RunLocked:
        holder = ""
        if self._path.exists():
            with self._path.open(encoding="utf-8", errors="replace") as file:
                holder = file.readline(_LONGEST).strip()
        who = holder or "another process (by another name, or its lock file was taken away)"
        return RunLocked(f"{self._name} is being written by {who}: wait until it ends, or stop it and run this again")

    def _write(self, at: int, text: str) -> None:
        """Write from there to the end; over what is as long, so that a kill loses none of it."""
        if self._file is not None:
            self._file.seek(at)
            self._file.write(text)
            self._file.truncate()
            self._file.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
