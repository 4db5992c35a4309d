"""An LLM judge's reply as readings. Pure: text in, a verdict or the reason why there is none out, never a default.

Weak models wrap their JSON in prose or fences, rename the values, leave some out, and quote what the text does not say:
all of that is told apart here.
"""

from __future__ import annotations

import json
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from akrasia.core import InputError, Judgement, Reading, Reply
from akrasia.judges.llm_prompt import letters_in
from akrasia.values import Taxonomy

_SAME = {
    **dict.fromkeys('“”„‟«»″＂`´‘’‚‛′＇"', "'"),
    **dict.fromkeys("‐‑‒–—―−", "-"),
    **dict.fromkeys("‹[", "<"),
    "…": "...",
}
"""What counts as the same when a quotation is compared with the text (`llm_prompt.shown` writes ‹ for < and [)."""

_NAMED_UNKNOWN = 3
_BLOCK = 4096
_SPACES = re.compile("  +")

_MEND = "allow more with ?tokens=NUMBER, or ask for one value a call with ?each=1"


def read_reply(reply: Reply, text: str, taxonomy: Taxonomy, asked: Sequence[str]) -> Judgement:
    """The readings that a reply gives of a text.

    Args:
        reply: what the judge's model said.
        text: the text that was judged; evidence has to occur in it.
        taxonomy: by which values are known.
        asked: the ids that this reply should cover, in the order shown.

    Returns:
        A judgement in which every asked value is read or unread; or one with `missing` where the reply is cut off,
        stopped by a filter, or holds no JSON object with any of the values.
    """
    order = tuple(asked)
    if reply.finish == "length":
        return Judgement(order=order, missing=f"the judge was cut off: {_MEND}")
    if reply.finish == "content_filter":
        return Judgement(order=order, missing="the judge was stopped by the content filter")
    if not reply.text.strip():
        return Judgement(order=order, missing="the judge's reply is empty")
    entries, unknown = value_entries(reply.text, taxonomy)
    found = {value: entry for value, entry in entries.items() if value in asked}
    if not found:
        return Judgement(order=order, missing="no JSON object with verdicts in the judge's reply")
    folded = _Folded(text)
    readings: dict[str, Reading] = {}
    unread: dict[str, str] = {}
    for value in order:
        if value not in found:
            unread[value] = f"the reply leaves it out{_noted(unknown)}"
            continue
        reading = _reading(found[value], folded)
        if isinstance(reading, Reading):
            readings[value] = reading
        else:
            unread[value] = reading
    return Judgement(readings, unread, order)


def find_evidence(span: str, text: str) -> str | None:
    """The words of the text that a quotation stands for, as the text has them; None where they do not occur in it.

    Case, white space, the form of quotation marks and dashes, and invisible characters do not count, nor do quotation
    marks and dots around the whole. In JSON, as in a tool's arguments, line breaks and quotation marks may stand in
    escapes. A part of a word is no quotation: "u" occurs in nearly every text.
    """
    return _Folded(text).find(span)


class _Folded:
    """A text as quotations are compared: its signs replaced, and runs of space become one.

    It is folded a block at a time, and only the blocks where a quotation is found are gone through by the letter: a
    text may have millions.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._same = {ord(char): _same(char) for char in letters_in(text)}
        self._starts: list[int] = []
        pieces: list[str] = []
        size, spaced = 0, False
        for start in range(0, len(text), _BLOCK):
            piece = _SPACES.sub(" ", text[start : start + _BLOCK].translate(self._same))
            if spaced and piece.startswith(" "):
                piece = piece[1:]
            self._starts.append(size)
            pieces.append(piece)
            size += len(piece)
            spaced = piece.endswith(" ") if piece else spaced
        self._whole = "".join(pieces)

    def find(self, span: str) -> str | None:
        """See `find_evidence`."""
        wanted = _Folded(span)._whole.strip(" '.")
        if not any(char.isalnum() for char in wanted):
            return None
        whole = self._whole
        for at, end in self._found(wanted):
            begun = _inside_word(whole[max(0, at - 1) : at + 1]) and whole[max(0, at - 2) : at] not in _BREAKS
            if not begun and not _inside_word(whole[end - 1 : end + 1]):
                return self._text[self._place(at) : self._place(end - 1) + 1]
        return None

    def _found(self, wanted: str) -> Iterator[tuple[int, int]]:
        """Where a folded quotation stands: as it is, and then as JSON writes its line breaks and quotation marks."""
        at = self._whole.find(wanted)
        while at >= 0:
            yield at, at + len(wanted)
            at = self._whole.find(wanted, at + 1)
        if "\\" in self._whole and len(wanted) <= _LONGEST:
            escaped = "".join(_IN_JSON.get(char) or re.escape(char) for char in wanted)
            yield from (match.span() for match in re.finditer(escaped, self._whole))

    def _place(self, at: int) -> int:
        """Where in the text a character of the folded text comes from."""
        block = bisect_right(self._starts, at) - 1
        size = self._starts[block]
        spaced = size > 0 and self._whole[size - 1] == " "
        for place in range(block * _BLOCK, len(self._text)):
            for char in self._same[ord(self._text[place])]:
                if char == " " and spaced:
                    continue
                if size == at:
                    return place
                size, spaced = size + 1, char == " "
        raise IndexError(at)


def _same(char: str) -> str:
    """What a character is compared as."""
    if char.isspace():
        return " "
    if unicodedata.category(char) in ("Cc", "Cf"):
        return ""
    return _SAME.get(char) or unicodedata.normalize("NFKD", char).casefold()


_LONGEST = 2000
"""Letters of a quotation that is looked for in JSON's way, too."""

_IN_JSON = {" ": r"(?: |\\++[nrt])++", "'": r"\\*+'"}
_BREAKS = frozenset(f"\\{sign}" for sign in "nrtbf")
"""As JSON writes line breaks and the like, in a tool's arguments say: the letter is no part of the word after it."""


def _inside_word(pair: str) -> bool:
    """Whether two neighbours belong to one word; scripts without capitals may be written without spaces."""
    return len(pair) == 2 and all(char.isdigit() or char.upper() != char.lower() or unicodedata.combining(char)
                                  for char in pair)  # fmt: skip


def _reading(entry: object, text: _Folded) -> Reading | str:
    """The reading that one entry gives, or why it gives none."""
    verdict, span = (entry.get("verdict"), entry.get("evidence")) if isinstance(entry, dict) else (entry, None)
    word = verdict.strip().casefold() if isinstance(verdict, str) else verdict
    if word == "absent":
        return Reading(0.0)
    if word not in ("upholds", "betrays"):
        return f"the verdict {_short(verdict)} was not on offer"
    if not isinstance(span, str) or not span.strip():
        return f"the verdict {word!r} has no evidence"
    evidence = text.find(span)
    if evidence is None:
        return f"the evidence {_short(span)} does not occur in the text"
    return Reading(1.0, "upholds", evidence) if word == "upholds" else Reading(0.0, "betrays", evidence)


def value_entries(text: str, taxonomy: Taxonomy) -> tuple[dict[str, Any], list[str]]:
    """Value id → entry of the last object with any, and the names there that are no values.

    The last counts: a model that repeats what a text claims does so before it answers.
    """
    last: tuple[dict[str, Any], list[str]] = ({}, [])
    for found in json_objects(text):
        entries: dict[str, Any] = {}
        unknown = []
        for name, entry in _flat(found).items():
            try:
                entries[taxonomy.find(name).id] = entry
            except InputError:
                unknown.append(name)
        if entries:
            last = (entries, unknown)
    return last


def json_objects(text: str) -> Iterator[dict[str, Any]]:
    """The outermost JSON objects in a text, in order, whatever stands around them."""
    decoder = json.JSONDecoder()
    at = text.find("{")
    while at >= 0:
        try:
            found, end = decoder.raw_decode(text, at)
        except (json.JSONDecodeError, RecursionError):
            end = at + 1
        else:
            if isinstance(found, dict):
                yield found
        at = text.find("{", end)


def _flat(found: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of an object, also where they stand one level down, or in a list of objects that name their value."""
    if len(found) == 1:
        (inner,) = found.values()
        if isinstance(inner, dict) and "verdict" not in inner:
            return inner
        if isinstance(inner, list) and all(isinstance(entry, dict) for entry in inner):
            named = ((entry.get("id", entry.get("value")), entry) for entry in inner)
            return {name: entry for name, entry in named if isinstance(name, str)}
    return dict(found)


def _noted(unknown: Sequence[str]) -> str:
    if not unknown:
        return ""
    named = ", ".join(map(_short, unknown[:_NAMED_UNKNOWN])) + (", …" if len(unknown) > _NAMED_UNKNOWN else "")
    return f" (it names unknown values: {named})"


def _short(said: object) -> str:
    text = repr(said)
    return text if len(text) <= 60 else f"{text[:58]}…{text[-1]}"
