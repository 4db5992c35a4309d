"""Files that are read as they are, and unpacked on the way where gzip has packed them (logrotate's `compress`)."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import IO, cast

UNREADABLE = (OSError, EOFError, zlib.error)
"""What opening and reading may raise: the file's own troubles, and a packed one's that is cut or damaged."""

_GZIP = b"\x1f\x8b"


def is_packed(path: Path) -> bool:
    """Whether a file is packed by gzip, whatever its name.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return file.read(len(_GZIP)) == _GZIP


def open_unpacked(path: Path) -> IO[bytes]:
    """A file's bytes from its beginning, in blocks.

    Raises:
        OSError: it cannot be opened. Reading may raise what `UNREADABLE` names.
    """
    if is_packed(path):
        return cast("IO[bytes]", gzip.open(path, "rb"))
    return path.open("rb", buffering=1 << 20)
