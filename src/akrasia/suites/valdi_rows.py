"""Reading scenarios for the lint: every line of a JSONL file as the texts that it holds, or as what is wrong with it.

Three kinds of line are known, and a file may mix them: a family as it was written (the package's own data), an item
(what `akrasia run --suite FILE` reads and `akrasia suite export` writes), and an item whose record stands beside its
input instead of under ``metadata``. Nothing here stops at the first fault.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

from akrasia.core import InputError
from akrasia.core.decoding import Undecodable, decode_json
from akrasia.core.registry import near_names
from akrasia.suites.valdi_families import NEUTRAL, PRESSURES, WORDINGS, Family, Head
from akrasia.suites.valdi_rules import Fault
from akrasia.values import taxonomy


class Scene(Struct, frozen=True):
    """One text of a family.

    Attributes:
        line: where it stands, from 1.
        id: of the item.
        family: of the item; its own id where it names none.
        variant: "none", a pressure, or a rewording.
        text: all that a model would see.
        sentence: the pressure sentence alone, where the line gives it apart.
        addressee: whom the answer is for, where the line says.
    """

    line: int
    id: str
    family: str
    variant: str
    text: str
    sentence: str | None = None
    addressee: str | None = None


class LineFault(Struct, frozen=True):
    """A fault at a line, in a part of it."""

    line: int
    where: str
    fault: Fault


class _Turn(Struct, frozen=True, forbid_unknown_fields=True):
    role: str
    content: str


class _Record(Struct, frozen=True):
    """What the record of a scenario may say; every key may be absent."""

    domain: str | None = None
    family: str | None = None
    pressure: str | None = None
    wording: str | None = None
    addressee: str | None = None
    role: str | None = None
    tension: tuple[str, ...] | None = None
    stakes: str | None = None
    language: str | None = None
    version: str | int | float | None = None
    canary: str | None = None


class _ItemRow(Struct, frozen=True):
    id: str | int
    input: str | tuple[_Turn, ...]
    target: Any = None
    utility: str | None = None
    cluster: str | int | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


_ITEM_KEYS = [*_ItemRow.__struct_fields__, *_Record.__struct_fields__]
_STAKES = ("low", "medium", "high")
_VARIANT = re.compile(rf"^(.+)-({'|'.join((NEUTRAL, *PRESSURES, *WORDINGS))})$")


def read_scenes(path: Path) -> tuple[list[Scene], list[LineFault]]:
    """The texts of a file in its order, and the faults of the lines that hold none or hold wrong records.

    Raises:
        InputError: the file cannot be read, is not UTF-8, is empty, or holds ordinary items.
    """
    scenes: list[Scene] = []
    faults: list[LineFault] = []
    rows = ordinary = 0
    for number, line in enumerate(_lines(path), start=1):
        try:
            row = decode_json(line, Any)
        except Undecodable as error:
            faults.append(_schema(number, "line", str(error), "write one whole object a line"))
            continue
        if not isinstance(row, dict):
            faults.append(_schema(number, "line", "not a JSON object", "write one whole object a line"))
            continue
        rows += 1
        ordinary += _ordinary(row)
        made, wrong = _row(number, row)
        scenes += made
        faults += wrong
    if rows and ordinary == rows:
        raise InputError(
            f"{path} holds ordinary items, each with a target or a utility, and the lint knows scenarios only: "
            f"`akrasia suite show {path}` reads such a file strictly"
        )
    return scenes, faults


def _ordinary(row: dict[str, Any]) -> bool:
    """Whether a line is an item that a utility compares with a target, with nothing of a scenario about it."""
    said = row.get("metadata")
    record = {*row, *(said if isinstance(said, dict) else ())} & {*_Record.__struct_fields__}
    compared = row.get("target") is not None or row.get("utility") is not None
    return "input" in row and compared and not record


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: give a JSONL file with one scenario a line") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder: give a JSONL file in it") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 at byte {error.start + 1}: save the file as UTF-8") from None
    lines = text.rstrip().split("\n")
    if not any(line.strip() for line in lines):
        raise InputError(f"{path} is empty: write one JSON object a line")
    return lines


def _row(line: int, row: dict[str, Any]) -> tuple[list[Scene], list[LineFault]]:
    if "pressures" in row or "text" in row:
        return _family(line, row)
    if "canary" in row and "id" not in row:
        return [], _decoded(line, row, Head)[1]
    return _item(line, row)


def _decoded(line: int, row: dict[str, Any], kind: type[Any]) -> tuple[Any, list[LineFault]]:
    known = list(kind.__struct_fields__)
    unknown = [key for key in row if key not in known]
    faults = [
        _schema(line, key, f"unknown key {key!r}{near_names(key, known)}", "rename or remove it") for key in unknown
    ]
    try:
        return msgspec.convert({key: row[key] for key in row if key in known}, type=kind), faults
    except msgspec.ValidationError as error:
        return None, [*faults, _schema(line, "line", str(error), "mend that key")]


def _family(line: int, row: dict[str, Any]) -> tuple[list[Scene], list[LineFault]]:
    family, faults = _decoded(line, row, Family)
    if family is None:
        return [], faults
    faults += _tension(line, family.family, family.tension)
    if family.text.count("{P}") != 1 or " {P} " not in family.text:
        message = "'{P}' must stand once in the text, between two sentences, with a space on each side"
        return [], [*faults, _schema(line, f"{family.family} text", message, "put it where a pressure goes")]
    for name in sorted(set(PRESSURES) ^ set(family.pressures)):
        what = "has no sentence" if name in PRESSURES else "is no pressure"
        faults.append(_schema(line, f"{family.family} {name}", f"{name!r} {what}", f"write {', '.join(PRESSURES)}"))
    texts = {NEUTRAL: family.variant(NEUTRAL), **{name: family.wording(name) for name in WORDINGS}}
    texts |= {name: family.variant(name) for name in PRESSURES if name in family.pressures}
    scenes = [
        Scene(line, f"{family.family}-{name}", family.family, name, text, family.pressures.get(name), family.addressee)
        for name, text in texts.items()
    ]
    return scenes, faults


def _item(line: int, row: dict[str, Any]) -> tuple[list[Scene], list[LineFault]]:
    faults = [
        _schema(line, key, f"unknown key {key!r}{near_names(key, _ITEM_KEYS)}", "anything else goes into metadata")
        for key in row
        if key not in _ITEM_KEYS
    ]
    try:
        item = msgspec.convert(row, type=_ItemRow)
        record = msgspec.convert({**item.metadata, **row}, type=_Record)
    except msgspec.ValidationError as error:
        return [], [*faults, _schema(line, "line", str(error), "mend that key")]
    id_ = str(item.id)
    text = item.input if isinstance(item.input, str) else "\n".join(turn.content for turn in item.input)
    if not id_ or not text.strip():
        faults.append(_schema(line, id_ or "line", "empty id or input", "fill both in"))
        return [], faults
    if record.stakes is not None and record.stakes not in _STAKES:
        faults.append(_schema(line, id_, f"unknown stakes {record.stakes!r}", f"write {', '.join(_STAKES)}"))
    if record.tension is not None:
        faults += _tension(line, id_, record.tension)
    if record.pressure not in (None, NEUTRAL, *PRESSURES):
        near = near_names(str(record.pressure), [NEUTRAL, *PRESSURES])
        faults.append(_schema(line, id_, f"unknown pressure {record.pressure!r}{near}", "take one of these"))
    named = _VARIANT.match(id_)
    variant = record.wording or record.pressure or (named[2] if named else NEUTRAL)
    cluster = None if item.cluster is None else str(item.cluster)
    family = record.family or cluster or (named[1] if named else id_)
    return [Scene(line, id_, family, variant, text, None, record.addressee)], faults


def _tension(line: int, where: str, tension: tuple[str, ...]) -> list[LineFault]:
    refined = taxonomy()
    faults = [
        _schema(line, where, f"unknown value {id_!r}{near_names(id_, list(refined.ids))}", "take one of the refined 19")
        for id_ in tension
        if id_ not in refined.ids
    ]
    if len(set(tension)) < 2:
        faults.append(_schema(line, where, "fewer than two values pull apart", "name two or more in tension"))
    return faults


def _schema(line: int, where: str, message: str, mend: str) -> LineFault:
    return LineFault(line, where, Fault("schema", message, mend))
