"""Standard output and standard error that may lose their reader (`akrasia risk RUN | head`).

A command whose reader is gone has nobody to tell, and nothing went wrong: it goes on to its end, what it writes is
dropped, and its exit code is the one that it would have had. This stands below every way to write, so no command and no
library has to know of it, and a broken pipe elsewhere (to a sandbox, to an endpoint) is still the error that it is.
"""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Outlet(io.RawIOBase):
    """The raw end of a stream, which drops what is written once nobody reads.

    Args:
        raw: the end that is written to.
    """

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self._read = True

    def write(self, data: Buffer) -> int | None:
        """As of any raw stream; all of it counts as written once nobody reads."""
        if self._read:
            try:
                return self._raw.write(data)
            except BrokenPipeError:
                self._read = False
        return memoryview(data).nbytes

    def writable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """Of the stream itself."""
        return self._raw.fileno()

    def isatty(self) -> bool:
        """Whether a terminal shows it."""
        return self._raw.isatty()


def outlast_readers() -> None:
    """Put standard output and standard error on outlets; streams that are no files stay what they are."""
    sys.stdout, sys.stderr = _outlasting(sys.stdout), _outlasting(sys.stderr)


def _outlasting(stream: TextIO) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    # Unbuffered (`python -u`) the raw end stands where the buffer would.
    below = stream.buffer
    raw = below if isinstance(below, io.RawIOBase) else getattr(below, "raw", None)
    if not isinstance(raw, io.RawIOBase) or isinstance(raw, Outlet):
        return stream
    stream.flush()
    outlet = Outlet(raw)
    return io.TextIOWrapper(
        outlet if raw is below else io.BufferedWriter(outlet),  # type: ignore[type-var]  # as Python itself makes it
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
