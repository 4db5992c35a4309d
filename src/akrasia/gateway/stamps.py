"""By what a file that changed is told from one that did not, without reading it."""

from __future__ import annotations

from pathlib import Path

Stamp = tuple[int, ...]
"""Times of the contents and of the entry, size, device and inode: an edit that keeps some of them changes another."""

GONE: Stamp = ()
"""Of a file that is not there, or cannot be looked at."""


def stamp_of(path: Path) -> Stamp:
    """The stamp of a file as it is now. Taken before the file is read, it shows every change since."""
    try:
        found = path.stat()
    except OSError:
        return GONE
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_dev, found.st_ino)
