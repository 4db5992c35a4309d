"""One writer per run folder: a lock that the operating system drops when its holder dies."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from types import TracebackType
from typing import IO

from akrasia.core import RunLocked


def _take(file: IO[str]) -> None:
    if sys.platform == "win32":
        import msvcrt

        # Beyond the text, so that others can still read who holds it: Windows locks are mandatory.
        file.seek(4096)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        file.seek(0)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class RunLock:
    """Held while a process writes to a run; the file says who holds it.

    Args:
        folder: the run's.
        file: for what is not a run, the file in that folder that the process writes; its name and ``.lock`` is the
            lock's.

    Attributes:
        left: what the last holder noted; None where there was none before.

    Raises:
        RunLocked: on entering, when another live process holds it.
    """

    def __init__(self, folder: Path, file: str = "") -> None:
        self._path = folder / (f"{file}.lock" if file else "run.lock")
        self._written = folder / file
        self._file: IO[str] | None = None
        self._at = 0
        self.left: str | None = None

    def __enter__(self) -> RunLock:
        number = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        file = os.fdopen(number, "r+", encoding="utf-8", errors="replace", newline="")
        try:
            _take(file)
        except OSError:
            file.seek(0)
            holder = file.readline(4096).strip() or "another process"
            file.close()
            raise RunLocked(
                f"{self._written} is being written by {holder}: wait until it ends, or stop it and run this again"
            ) from None
        file.seek(0)
        holder, _, note = file.read(4096).partition("\n")
        self.left = note.strip() if holder else None
        self._file = file
        own = f"process {os.getpid()} on {socket.gethostname()}\n"
        self._write(0, own + note)
        self._at = len(own.encode())
        return self

    def note(self, text: str) -> None:
        """Leave a line for the next holder, in the place of the one that was there.

        Raises:
            OSError: it cannot be written.
        """
        self._write(self._at, f"{text}\n")

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
