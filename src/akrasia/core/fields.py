"""Fields of files that people and other programs write: their encoding, numbers, booleans and missing values.

What a column means, and where in its file a field stands, is left to whoever reads the file.
"""

from __future__ import annotations

import json
import math
import re

from akrasia.core.errors import InputError

MISSING = ("", "NA", "N/A", "NaN", "nan")
"""What spreadsheets and statistics programs write where there is no measurement."""

_TRUTH = {"true": 1.0, "false": 0.0}

MOST_SAMPLE = 2**63 - 1
"""The highest number that a sample can have."""


def read_number(field: object) -> float:
    """A field as a number: true is 1 and false 0, as a word too; NaN where it is None or a word of `MISSING`.

    Raises:
        ValueError: it is none of these.
    """
    if field is None:
        return math.nan
    try:
        return float(field)  # type: ignore[arg-type]  # what is no number at all is told by the TypeError
    except TypeError:
        raise ValueError(f"{field!r} is no number") from None
    except ValueError:
        word = str(field).strip()
        if word in MISSING:
            return math.nan
        if word.lower() in _TRUTH:
            return _TRUTH[word.lower()]
        raise


def read_sample(field: object) -> int:
    """A field as the number of a sample, from 0 to `MOST_SAMPLE`.

    Raises:
        ValueError: it is no such whole number.
    """
    number = int(field) if isinstance(field, str | int) else -1
    if isinstance(field, float) and field.is_integer():
        number = int(field)
    if isinstance(field, bool) or not 0 <= number <= MOST_SAMPLE:
        raise ValueError(f"{field!r} is no number of a sample")
    return number


NOT_UTF8 = "not UTF-8 text: save the file as UTF-8"
UTF16 = "not UTF-8 text, and looks like UTF-16: save it as UTF-8"


def looks_like_utf16(content: bytes) -> bool:
    """Whether bytes are UTF-16 or UTF-32 rather than another encoding: by their mark, or since text has no zeros."""
    return b"\0" in content or content.startswith((b"\xff\xfe", b"\xfe\xff"))


def check_utf8(name: str, content: bytes, *, whole: bool = True) -> None:
    """Refuse text in another encoding than UTF-8.

    Args:
        name: of the file, or of the line.
        content: its bytes.
        whole: the content is a file, of which a line can be named.

    Raises:
        InputError: it is UTF-16 or UTF-32, or a line (it is named) is not UTF-8, as of Latin-1.
    """
    if looks_like_utf16(content):
        raise InputError(f"{name} is {UTF16}")
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        place = f"{name}, line {line}" if whole else name
        raise InputError(f"{place}: {NOT_UTF8}") from None


# A field that opens with a quote, what closes it, and what follows that though the field should end there.
_QUOTED = re.compile(rb'(?:\A(?:\xef\xbb\xbf)?|[,\r\n])"([^"]*+(?:""[^"]*+)*+)("?)([^,\r\n]?)')


def check_quotes(name: str, content: bytes) -> None:
    """Refuse CSV in which a stray quote swallows lines: a field that is never closed, or closed lines later by another.

    A quote within a field that opens without one is text, and a field may hold lines where its quotes close it.

    Args:
        name: of the file.
        content: its bytes, with commas between the fields.

    Raises:
        InputError: there is such a quote; it names the line where it opens.
    """
    for found in _QUOTED.finditer(content):
        inside, closing, beyond = found.groups()
        if closing and not (beyond and (b"\n" in inside or b"\r" in inside)):
            continue
        line = _lines(content[: found.start(1)])
        how = f"closed only in line {_lines(content[: found.end(2)])}, within a field" if closing else "never closed"
        raise InputError(
            f'{name}, line {line}: a quote opens a field here that is {how}: remove it, or write "" for one in a text'
        )


def _lines(content: bytes) -> int:
    return len(re.findall(rb"\r\n?|\n", content)) + 1


def repeated_key(text: bytes | str) -> str | None:
    """A key that one of the objects of some valid JSON has twice, of which a decoder would silently keep the last."""
    found: list[str] = []

    def look(pairs: list[tuple[str, object]]) -> None:
        seen: set[str] = set()
        for key, _ in pairs:
            found.extend([key] if key in seen else [])
            seen.add(key)

    # Numbers stay text: one of thousands of digits would be refused.
    json.loads(text, object_pairs_hook=look, parse_int=str)
    return found[0] if found else None
