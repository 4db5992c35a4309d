"""Decoding the JSON and TOML that people and other programs write: every way in which it may fail is one clear line.

Which file it stands in, and what should stand there, is added by whoever reads the file (`Undecodable.at`).
"""

from __future__ import annotations

import re
import tomllib
from typing import Any, TypeVar, overload

import msgspec
from msgspec.json import Decoder

from akrasia.core.errors import InputError
from akrasia.core.fields import NOT_UTF8, UTF16, looks_like_utf16

Kind = TypeVar("Kind")

DEEPEST = 100
"""Levels that objects, lists and tables may be nested: far below what any decoder or encoder after it can hold."""


class Undecodable(InputError):
    """Text that cannot be decoded. Its message lacks the place; `at` gives it one.

    Attributes:
        wrong_kind: the text is whole and valid, and holds something of another kind or range than was asked for.
    """

    def __init__(self, said: str, *, wrong_kind: bool = False) -> None:
        super().__init__(said)
        self.wrong_kind = wrong_kind

    def at(self, where: str, expected: str = "") -> InputError:
        """The error with its place before it and, unless it has its remedy, what should stand there after it."""
        ended = not expected or str(self) in (NOT_UTF8, UTF16)
        return InputError(f"{where}: {self}" if ended else f"{where}: {self}; {expected}")


@overload
def decode_json(content: bytes | str, kind: Decoder[Kind]) -> Kind: ...
@overload
def decode_json(content: bytes | str, kind: type[Kind]) -> Kind: ...
def decode_json(content: bytes | str, kind: Any) -> Any:
    """One JSON value of a kind that msgspec knows; `Any` takes all that JSON has.

    Args:
        content: the text; a byte order mark is none of it.
        kind: the type, or a decoder of it where there are many to decode.

    Raises:
        Undecodable: it is malformed, of another kind, out of range, nested deeper than `DEEPEST`, or not UTF-8.
    """
    decoder = kind if isinstance(kind, Decoder) else Decoder(kind)
    text = _text(content)
    _refuse_depth(text)
    try:
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        raise Undecodable(str(error), wrong_kind=True) from None
    except msgspec.DecodeError as error:
        raise Undecodable(_malformed(text, str(error))) from None
    except UnicodeEncodeError:
        raise Undecodable(NOT_UTF8) from None


def decode_toml(content: bytes | str, kind: type[Kind]) -> Kind:
    """The table that some TOML is, as a kind that msgspec knows.

    Raises:
        Undecodable: it is malformed, of another kind, has a whole number beyond all range, is nested deeper than
            `DEEPEST`, or is not UTF-8.
    """
    table = _table(content)
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise Undecodable(str(error), wrong_kind=True) from None


def _table(content: bytes | str) -> dict[str, Any]:
    try:
        table = tomllib.loads(_text(content))
    except tomllib.TOMLDecodeError as error:
        raise Undecodable(f"not valid TOML: {error}") from None
    except ValueError:  # an integer of so many digits that Python refuses to read it
        raise Undecodable("a whole number in it is out of range", wrong_kind=True) from None
    except RecursionError:
        raise Undecodable(TOO_DEEP) from None
    if is_too_deep(table):
        raise Undecodable(TOO_DEEP)
    return table


TOO_DEEP = f"nested too deeply: at most {DEEPEST} levels can be read"


def is_too_deep(outermost: dict[str, Any]) -> bool:
    """Whether a decoded object or table is nested deeper than `DEEPEST`."""
    level: list[Any] = [outermost]
    for _ in range(DEEPEST):
        level = [
            inner
            for held in level
            for inner in (held.values() if isinstance(held, dict) else held)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _text(content: bytes | str) -> str:
    if isinstance(content, str):
        return content
    try:
        return content.decode().removeprefix("\ufeff")  # the codec that drops the mark takes ten times as long
    except UnicodeDecodeError:
        raise Undecodable(UTF16 if looks_like_utf16(content) else NOT_UTF8) from None


_BRACKETS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{}]')


def _refuse_depth(text: str) -> None:
    # Few texts have so many brackets at all, and to count them is quicker than to look at each.
    if text.count("[") + text.count("{") <= DEEPEST:
        return
    depth = 0
    for found in _BRACKETS.finditer(text):
        sign = found[0]
        if sign in "[{":
            depth += 1
            if depth > DEEPEST:
                raise Undecodable(TOO_DEEP)
        elif sign in "]}":
            depth -= 1


_HALF = re.compile(r"(?<!\\)(?:\\\\)*\\u(?:d[89ab][0-9a-f]{2}(?!\\ud[c-f])|d[c-f][0-9a-f]{2})", re.IGNORECASE)
"""An escaped surrogate that no second one follows, or a second one alone: msgspec then speaks of other things."""

_JSON_STARTS = frozenset('{["-0123456789tfn')
_SHOWN = 40


def _malformed(text: str, said: str) -> str:
    start = text.strip()
    if not start:
        return "not valid JSON: there is nothing"
    if "\0" in start:
        return UTF16
    if start[0] not in _JSON_STARTS:
        line = start.splitlines()[0]
        shown = line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
        columns = ", and looks like a table of columns (CSV)" if re.search(r"[,;\t]", line) else ""
        return f"not valid JSON: it begins {shown!r}{columns}"
    if _HALF.search(text):
        return "not valid JSON: half a surrogate pair (as \\ud800), which is no character: remove it"
    if said == "Input data was truncated":
        return "not valid JSON: it breaks off before its end"
    return f"not valid JSON: {said.removeprefix('JSON is malformed: ')}"
