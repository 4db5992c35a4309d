"""Where files are cached, and their SHA-256 without reading a large file twice.

A digest is remembered under the file's path, size and modification time; a file that changed is read again.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from akrasia.core.decoding import Undecodable, decode_json

CACHE_VARIABLE = "AKRASIA_CACHE"
_BLOCK = 1 << 20


class _Stamp(Struct, frozen=True):
    path: str
    size: int
    mtime_ns: int
    sha256: str


def cache_dir() -> Path:
    """The user's cache folder for Akrasia: `$AKRASIA_CACHE`, else the platform's usual place. It may not exist yet."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("akrasia", appauthor=False))


def weights_dir() -> Path:
    """The folder of cached model files. It may not exist yet."""
    return cache_dir() / "weights"


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal.

    Read from the cache's stamp when path, size and modification time still fit, else computed and stamped. A cache that
    cannot be written costs time only.

    Raises:
        OSError: the file cannot be read.
    """
    path = path.resolve()
    facts = path.stat()
    stamp_file = _stamp_file(path)
    stamp = _read_stamp(stamp_file)
    if stamp and (stamp.path, stamp.size, stamp.mtime_ns) == (str(path), facts.st_size, facts.st_mtime_ns):
        return stamp.sha256
    with path.open("rb") as stream:
        sha256 = _digest(stream)
    remember_digest(path, sha256, facts)
    return sha256


def remember_digest(path: Path, sha256: str, facts: os.stat_result) -> None:
    """Stamp a file whose digest is known, as it was when `facts` were taken."""
    stamp = _Stamp(str(path.resolve()), facts.st_size, facts.st_mtime_ns, sha256)
    target = _stamp_file(path.resolve())
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".stamp-", delete=False) as stream:
            stream.write(msgspec.json.encode(stamp))
        Path(stream.name).replace(target)
    except OSError:
        return  # the stamp only saves time; a read-only cache must not stop a model that is there


def _stamp_file(path: Path) -> Path:
    return cache_dir() / "digests" / f"{hashlib.sha256(str(path).encode()).hexdigest()[:32]}.json"


def _read_stamp(path: Path) -> _Stamp | None:
    try:
        return decode_json(path.read_bytes(), _Stamp)
    except (OSError, Undecodable):
        return None


def _digest(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := stream.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()
