"""API keys of the gateway's own: what a client shows, and the file in which only hashes of them stand.

A key is ``akr-ID-SECRET``; its line in the file is ``ID SALT HASH`` in hexadecimal, HASH being BLAKE2b-256 of the whole
key with that salt. Secrets are 192 random bits, so a fast hash is enough: there is nothing to guess.
"""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import blake2b
from hmac import compare_digest
from pathlib import Path
from secrets import token_bytes, token_hex, token_urlsafe

from msgspec import Struct

from akrasia.core import InputError
from akrasia.gateway.stamps import GONE, Stamp, stamp_of

_PREFIX = "akr"
_PERSON = b"akrasia-api-key"


class _Entry(Struct, frozen=True):
    salt: bytes
    digest: bytes


_NOBODY = _Entry(bytes(16), bytes(32))


class Keys:
    """The keys that are let in.

    Attributes:
        stamp: of their file, from just before it was read.
    """

    def __init__(self, entries: dict[str, _Entry], stamp: Stamp = GONE) -> None:
        self._entries = entries
        self.stamp = stamp

    def __len__(self) -> int:
        return len(self._entries)

    @classmethod
    def read(cls, path: Path) -> Keys:
        """The keys of a file.

        Raises:
            InputError: it cannot be read, or a line is no key's.
        """
        stamp = stamp_of(path)
        try:
            lines = path.read_text(encoding="ascii").splitlines()
        except OSError as error:
            raise InputError(
                f"cannot read the keys file {path}: {error.strerror}; `akrasia serve --new-key --keys {path}` makes one"
            ) from None
        except UnicodeDecodeError:
            raise InputError(f"the keys file {path} is not plain text") from None
        entries = {}
        for number, line in enumerate(lines, start=1):
            if not line.strip() or line.startswith("#"):
                continue
            try:
                name, entry = _read_line(line)
            except ValueError:
                raise InputError(f"{path}:{number}: no key's line: three hexadecimal words, or # and a note") from None
            if len(entry.salt) != 16 or len(entry.digest) != 32:
                raise InputError(f"{path}:{number}: salt or hash is cut short: take the line out and make a new key")
            entries[name] = entry
        return cls(entries, stamp)

    def still_in(self, path: Path) -> Keys:
        """Of these keys those whose lines still stand in a file, whatever else does; if it is unreadable, none."""
        stamp = stamp_of(path)
        try:
            lines = path.read_text(encoding="ascii", errors="replace").splitlines()
        except OSError:
            lines = []
        found = set()
        for line in lines:
            with suppress(ValueError):
                found.add(_read_line(line))
        return Keys({name: entry for name, entry in self._entries.items() if (name, entry) in found}, stamp)

    def accepts(self, key: str) -> bool:
        """Whether a key is one of these. How long the answer takes tells nothing of a secret."""
        name = key.split("-", 2)[1] if key.count("-") >= 2 else ""
        entry = self._entries.get(name)
        same = compare_digest(_digest(key, (entry or _NOBODY).salt), (entry or _NOBODY).digest)
        return same and entry is not None


def new_key(path: Path) -> str:
    """Make a key, and append its hash to the file, which is made readable to its owner alone where it is new.

    Returns:
        The key, which is kept nowhere.

    Raises:
        InputError: the file cannot be written.
    """
    name = token_hex(4)
    key = f"{_PREFIX}-{name}-{token_urlsafe(24)}"
    salt = token_bytes(16)
    line = f"{name} {salt.hex()} {_digest(key, salt).hex()}\n"
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(file, "a", encoding="ascii") as stream:
            stream.write(line)
    except OSError as error:
        raise InputError(f"cannot write the keys file {path}: {error.strerror}") from None
    return key


def _read_line(line: str) -> tuple[str, _Entry]:
    """The name in a line, and what stands beside it.

    Raises:
        ValueError: it has not the form of a key's line.
    """
    name, salt, digest = line.split()
    return name, _Entry(bytes.fromhex(salt), bytes.fromhex(digest))


def _digest(key: str, salt: bytes) -> bytes:
    return blake2b(key.encode("utf-8", "surrogateescape"), digest_size=32, salt=salt, person=_PERSON).digest()
