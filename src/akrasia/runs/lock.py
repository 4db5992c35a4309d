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

    Raises:
        RunLocked: on entering, when another live process holds it.
    """

    def __init__(self, folder: Path, file: str = "") -> None:
        self._path = folder / (f"{file}.lock" if file else "run.lock")
        self._written = folder / file
        self._file: IO[str] | None = None

    def __enter__(self) -> RunLock:
        file = self._path.open("a+", encoding="utf-8")
        try:
            _take(file)
        except OSError:
            file.seek(0)
            holder = file.read(4096).strip() or "another process"
            file.close()
            raise RunLocked(
                f"{self._written} is being written by {holder}: wait until it ends, or stop it and run this again"
            ) from None
        file.seek(0)
        file.truncate()
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        self._file = file
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
