"""The form of a line of the audit log, and how each holds on to the one before. Pure: bytes in, bytes out.

A line is one JSON object and a newline. It begins with ``{"seq":N,"time":"…","type":"…"`` and ends with
``,"previous":"P","hash":"H"}``. H is the SHA-256, in 64 lower-case hex digits, of the line's own bytes before
``,"hash":"`` with ``}`` put after them: of the same object without ``hash``. P is the H of the line before; in the
first line of all it is 64 zeros. With a key, HMAC-SHA256 takes the place of SHA-256.

Since the bytes themselves are hashed, nobody has to agree on a canonical form of JSON.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from pathlib import Path
from typing import Literal

from msgspec import Struct

from akrasia.core import InputError

FORMAT = 1
"""Of the lines; it stands in the first line of each file."""

GENESIS = b"0" * 64
"""What the first line of all names as the hash before it."""

KEY_VARIABLE = "AKRASIA_LOG_KEY"
"""Environment variable that holds the key of a log."""

LEAST_KEY = 16
"""Bytes that a key must have: a guessable key protects nothing, since anyone can try keys on a line."""

Algorithm = Literal["sha256", "hmac-sha256"]

_HASH = b',"hash":"'
_PREVIOUS = b',"previous":"'
_END = b'"}\n'
_TAIL = len(_PREVIOUS) + 64 + 1 + len(_HASH) + 64 + len(_END)
_HEX = re.compile(rb"[0-9a-f]{64}")
_HEAD = re.compile(rb'\{"seq":(0|[1-9][0-9]{0,18}),"time":"([^"\\]*)","type":"([a-z]+)"')


class Line(Struct, frozen=True):
    """What a line says of itself.

    Attributes:
        seq: its number in the whole log, from 0.
        kind: its ``type``: "opened" begins a file, "mended" follows on a torn line, "request" is a record.
        previous: the hash that it names for the line before, as hex digits.
        hash: the hash that it states, as hex digits.
        hashed: the bytes that the hash is taken of.
    """

    seq: int
    kind: str
    previous: bytes
    hash: bytes
    hashed: bytes


def hash_of(hashed: bytes, key: bytes | None) -> bytes:
    """The hash, as hex digits, of a line's bytes without its ``hash``."""
    if key is None:
        return hashlib.sha256(hashed).hexdigest().encode()
    return hmac.digest(key, hashed, "sha256").hex().encode()


def algorithm(key: bytes | None) -> Algorithm:
    """How lines are hashed under a key, or without one."""
    return "sha256" if key is None else "hmac-sha256"


def write_line(head: tuple[int, str, str], record: bytes, previous: bytes, key: bytes | None) -> tuple[bytes, bytes]:
    """One line, and its hash.

    Args:
        head: number, time and type.
        record: the rest of the line as a JSON object of at least one member.
        previous: hash of the line before.
        key: None: without one.
    """
    seq, time, kind = head
    body = b'{"seq":%d,"time":"%s","type":"%s",%s,"previous":"%s"' % (
        seq, time.encode(), kind.encode(), record[1:-1], previous,
    )  # fmt: skip
    digest = hash_of(body + b"}", key)
    return b'%s,"hash":"%s"}\n' % (body, digest), digest


def read_line(line: bytes) -> Line | None:
    """What a line says; None where it has not the form of a line of a log.

    Args:
        line: with its newline.
    """
    at = len(line) - _TAIL
    head = _HEAD.match(line)
    if at < 0 or head is None or head.end() > at:
        return None
    before = at + len(_PREVIOUS)
    after = before + 64 + 1
    previous, stated = line[before : before + 64], line[after + len(_HASH) : -len(_END)]
    shaped = line.startswith(_PREVIOUS, at) and line.startswith(b'"' + _HASH, after - 1) and line.endswith(_END)
    if not shaped or _HEX.fullmatch(previous) is None or _HEX.fullmatch(stated) is None:
        return None
    return Line(int(head[1]), head[3].decode(), previous, stated, line[:after] + b"}")


def is_torn(tail: bytes) -> bool:
    """Whether the last bytes of a file, which no newline ends, may be the beginning of a line.

    A whole line with another byte where its newline was is none: a line is torn by leaving bytes out.
    """
    start = b'{"seq":'
    return tail.startswith(start[: len(tail)]) and read_line(tail[:-1] + b"\n") is None


def read_key(key_file: Path | None = None) -> bytes | None:
    """The key of a log: a file's content without blanks around it, else the environment's; None where there is none.

    Raises:
        InputError: the file cannot be read, or the key is too short to protect anything.
    """
    if key_file is not None:
        where = str(key_file)
        try:
            key = key_file.read_bytes().strip()
        except OSError as error:
            raise InputError(f"cannot read the log's key file {key_file}: {error.strerror}") from None
    else:
        where = KEY_VARIABLE
        key = os.environ.get(KEY_VARIABLE, "").strip().encode()
        if not key:
            return None
    if len(key) < LEAST_KEY:
        raise InputError(
            f"the log's key in {where} has {len(key)} bytes: give at least {LEAST_KEY}, for instance of "
            "`openssl rand -hex 32`"
        )
    return key
