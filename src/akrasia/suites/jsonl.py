"""Your own suite as a JSONL file: one item a line.

A row is ``{"id", "input", "target"?, "utility"?, "cluster"?, "metadata"?}``. Whether the utility exists and gets
what it needs is checked by whoever runs the suite, since utilities stand above suites.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta, Raw, Struct, field

from akrasia.core import InputError, Item, Message, Suite
from akrasia.core.decoding import Undecodable, decode_json
from akrasia.core.registry import near_names
from akrasia.suites.registry import SUITES
from akrasia.suites.source import build_suite

_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


Role = Literal["system", "developer", "user", "assistant", "tool"]
ROLES: tuple[str, ...] = get_args(Role)


class _RowMessage(Struct, frozen=True, forbid_unknown_fields=True):
    role: Role
    content: str


class _Row(Struct, frozen=True, forbid_unknown_fields=True):
    # `target` stays raw so that a number keeps the digits that the file gives it (0.10, twenty digits).
    id: str | int
    input: Annotated[str, Meta(min_length=1)] | Annotated[tuple[_RowMessage, ...], Meta(min_length=1)]
    target: Raw = Raw(b"null")
    utility: str | None = None
    cluster: str | int | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


_DECODER = msgspec.json.Decoder(_Row)


def read_jsonl(path: Path) -> Suite:
    """The suite in a JSONL file, in the file's order.

    Lines end in LF or CRLF; a UTF-8 byte-order mark is skipped; blank lines may stand only at the end. Numbers as id or
    cluster become text, and so do numbers as target, digit by digit.

    Raises:
        InputError: the file cannot be read, has no rows, or a line is wrong; the message names file and line.
    """
    lines = _lines(path)
    first_line: dict[str, int] = {}
    items = []
    for number, line in enumerate(lines, start=1):
        item = _item(line, f"{path}, line {number}")
        if item.id in first_line:
            raise InputError(
                f"{path}, line {number}: id {item.id!r} is already used in line {first_line[item.id]}: "
                "give every row its own"
            )
        first_line[item.id] = number
        items.append(item)
    return build_suite(str(path), items, description=f"{len(items)} items of {path.name}")


def place_of(suite: str, position: int) -> str:
    """Where an item stands, for messages: file and line where its suite is a file, else the suite.

    Args:
        suite: as the user named it.
        position: of the item; every line before the last holds one.
    """
    if suite.partition("?")[0].partition(":")[0] in SUITES:
        return f"suite {suite}"
    return f"{suite}, line {position + 1}"


def _lines(path: Path) -> list[bytes]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        near = _near_hint(path)
        raise InputError(f"suite file {str(path)!r} does not exist{near}") from None
    except IsADirectoryError:
        raise InputError(f"suite {str(path)!r} is a folder: give a JSONL file in it") from None
    except OSError as error:
        raise InputError(f"suite file {str(path)!r} cannot be read: {error.strerror}") from None
    if data.startswith(_UTF16_BOMS):
        raise InputError(f"suite file {str(path)!r} is UTF-16: save it as UTF-8")
    lines = data.removeprefix(_UTF8_BOM).split(b"\n")
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise InputError(f"suite file {str(path)!r} is empty: write one JSON object a line")
    return lines


def _near_hint(path: Path) -> str:
    """What may have been meant by a missing file: a neighbour in its folder, or a registered name."""
    folder = path.parent
    neighbours = [entry.name for entry in folder.glob("*.jsonl")] if folder.is_dir() else []
    near = get_close_matches(path.name, neighbours, n=3, cutoff=0.5)
    if near:
        return f"; did you mean {' or '.join(repr(str(folder / name)) for name in near)}?"
    if path.stem in SUITES:
        return f"; the suite of that name is {path.stem!r}, without .jsonl"
    return ": check the path, or see `akrasia suite list` for names"


def _item(line: bytes, where: str) -> Item:
    if not line.strip():
        raise InputError(f"{where}: blank line: remove it, or write an item there")
    try:
        row = decode_json(line, _DECODER)
        target = _target(row.target, where)
    except Undecodable as error:
        if error.wrong_kind:
            raise InputError(f"{where}: {_unknown_key(line) or _readable(str(error))}") from None
        raise error.at(where, "write one whole object a line") from None
    if row.id == "":
        raise InputError(f"{where}: empty id - at `$.id`")
    messages = row.input if isinstance(row.input, tuple) else (_RowMessage("user", row.input),)
    return Item(
        id=str(row.id),
        input=tuple(Message(message.role, message.content) for message in messages),
        target=target,
        utility=row.utility,
        cluster=None if row.cluster is None else str(row.cluster),
        metadata=row.metadata,
    )


_IN_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number with decimals",
    "bool": "true or false",
    "null": "nothing",
    "object": "an object",
    "array": "a list",
}
_EXPECTED = re.compile(r"Expected `([a-z| ]+)`(?:, got `([a-z]+)`)?")


def _readable(message: str) -> str:
    """What is wrong with a value, in words; the place in the row stays as it is."""
    if message.startswith("Invalid enum value"):
        role, _, place = message.removeprefix("Invalid enum value ").partition(" - ")
        return f"unknown role {role} - {place}; known: {', '.join(ROLES)}"
    return _EXPECTED.sub(
        lambda found: (
            "expected " + _any_of(found[1]) + (f", got {_IN_WORDS.get(found[2], found[2])}" if found[2] else "")
        ),
        message,
    )


def _any_of(kinds: str) -> str:
    words = [_IN_WORDS.get(kind, kind) for kind in kinds.split(" | ") if kind != "null"]
    return " or ".join(words)


def _target(raw: Raw, where: str) -> str | None:
    """A target as text; a number exactly as it is written.

    Raises:
        Undecodable: it is a number out of range.
        InputError: it is neither.
    """
    try:
        value = decode_json(bytes(raw), object)
    except Undecodable as error:
        raise Undecodable(f"{str(error).partition(' - at ')[0]} - at `$.target`", wrong_kind=True) from None
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | dict | list):
        kind = {bool: "bool", dict: "object", list: "array"}[type(value)]
        raise InputError(f"{where}: expected text or a number, got `{kind}` - at `$.target`")
    return bytes(raw).decode().strip()


def _unknown_key(line: bytes) -> str | None:
    """What to say about a key that no row has; None when the keys are in order."""
    try:
        row = decode_json(line, dict[str, Raw])
    except Undecodable:  # no object: what is wrong is said by whoever asks
        return None
    known = list(_Row.__struct_fields__)
    for key in row:
        if key not in known:
            return f'unknown key {key!r}{near_names(key, known)}; anything else goes into "metadata"'
    return None
