"""The one written form of a list of values, for shipped taxonomies and for constitutions: strict TOML.

A list is ``name``, optionally ``title``, ``source`` and ``licence``, and ``[[value]]`` tables whose keys are the
fields of `Value`.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

import msgspec
from msgspec import Struct, field

from akrasia.core import InputError
from akrasia.core.decoding import Undecodable, decode_toml
from akrasia.core.registry import near_names
from akrasia.values.records import Taxonomy, Text, Value


class _Form(Struct, frozen=True, forbid_unknown_fields=True):
    name: Text
    values: tuple[Value, ...] = field(name="value")
    title: str = ""
    source: str = ""
    licence: str = ""


_TOP_KEYS = ["name", "title", "source", "licence", "value"]
_VALUE_KEYS = list(Value.__struct_fields__)


def parse_form(text: bytes | str, where: str, known: Taxonomy | None = None) -> Taxonomy:
    """A list of values from its TOML text.

    Args:
        text: the TOML.
        where: the file's name, for messages.
        known: a taxonomy that lends name and definition to a value with an id of its own and no definition.

    Raises:
        InputError: not TOML, an unknown key, a wrong type, no values, an id given twice, or names that clash.
    """
    try:
        table = decode_toml(text, dict[str, Any])
    except Undecodable as error:
        raise error.at(where) from None
    _refuse_unknown(table, _TOP_KEYS, where)
    rows = table.get("value", [])
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{where} has no values: write each as a [[value]] table with id and definition")
    for number, row in enumerate(rows, start=1):
        _refuse_unknown(row, _VALUE_KEYS, f"{where}, value {number}")
        if known is not None and "definition" not in row and "id" in row:
            if row["id"] not in known.ids:
                raise InputError(f"{where}, value {number}: {_undefined(row['id'], known)}")
            row.update(definition=known.find(row["id"]).definition, name=row.get("name", known.find(row["id"]).name))
    try:
        form = msgspec.convert(table, type=_Form)
    except msgspec.ValidationError as error:
        raise InputError(f"{where}: {error}") from None
    return _checked(form, where)


def _undefined(value: object, known: Taxonomy) -> str:
    near = get_close_matches(str(value), known.ids, n=3, cutoff=0.6)
    meant = f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""
    return f"missing required field `definition` of {value!r}, which is no shipped value{meant}: say what it is"


def _refuse_unknown(table: dict[str, Any], known: list[str], where: str) -> None:
    for key in table:
        if key not in known:
            raise InputError(f"{where}: unknown key {key!r}{near_names(key, known)}")


def _checked(form: _Form, where: str) -> Taxonomy:
    seen: set[str] = set()
    for value in form.values:
        if value.id in seen:
            raise InputError(f"{where}: the id {value.id!r} is given twice: give every value its own")
        seen.add(value.id)
    made = Taxonomy(form.name, form.values, form.title or form.name, form.source, form.licence)
    try:
        made.find(form.values[0].id)  # names that clash are refused here, not at the first look-up
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return made
