"""The names under which the gateway tells clients of audits. An upstream that uses them is not heard.

A verdict is a header, a comment of a stream or a field of a body; whoever can write replies must not be able to write
those, in capitals neither. Fields are cut out of the bytes, which else stay as they came: of two fields of one name
another reader may take the other, and what a strict one refuses may yet be mended on its way. Pure.
"""

from __future__ import annotations

import re

from msgspec import Struct

from akrasia.gateway.stream import in_one_line, payloads, whole_events

HEADERS = "x-akrasia-"
"""What the gateway's own headers begin with."""

FIELD = "akrasia"
"""The field of a body, and the first word of a comment, that tells of an audit."""

_WORD = FIELD.encode()
_ESCAPED = re.compile(rb"\\u00[4-7]")
"""What begins a letter of the word in JSON's escapes."""

_INSIDE = {("body", "choices"): "choices", ("choice", "message"): "said", ("choice", "delta"): "said"}
"""What a field is that stands at a place, by its name, as far as a verdict could belong there."""


def _spelt(name: str) -> str:
    """An expression for a name in JSON, letter by letter as it is or escaped."""
    return "".join(rf"(?:{one}|\\u00{ord(one):02x}|\\u00{ord(one.upper()):02x})" for one in name)


def _names(*names: str) -> re.Pattern[bytes]:
    """An expression for fields of those names, in any case; the group that matches is the name."""
    groups = "|".join(f"(?P<{name}>{_spelt(name)})" for name in names)
    return re.compile(rf'"(?:{groups})"[ \t\r\n]*:'.encode(), re.IGNORECASE)


_OWN = _names(FIELD)
_PLACED = _names(FIELD, "choices", "message", "delta")
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[{}\[\],]', re.DOTALL)
"""What makes up the form of a JSON text. A string that nothing ends goes on to the end, so that no text takes long."""

_DATA = b"data:"
_LINES = (b":", _DATA, b"event:", b"id:", b"retry:")
"""What a line of an event begins with, to a reader of events."""

_BOM = b"\xef\xbb\xbf"


def body_without(body: bytes) -> bytes:
    """An upstream's body, or a chunk, without the fields that are the gateway's; as it came where it has none.

    They are looked for at the top, in each choice, and in its message and delta: where a verdict could belong.
    """
    if not _may_name(body) or _OWN.search(body) is None:
        return body
    made, kept = [], 0
    for start, end in sorted(_own_fields(body)):
        made.append(body[kept:start])
        kept = max(kept, end)
    return b"".join([*made, body[kept:]])


def events_without(events: bytes) -> bytes:
    """An upstream's whole events without the gateway's fields, and without its word in lines that are no data.

    What in the data ends a line to some readers is escaped where the word is: behind it, words would be a comment. They
    are as they came where they have none. An event of which nothing is left is left out.
    """
    if not _may_name(events):
        return events
    made, end = [], 0
    for event in whole_events(events):
        end += len(event)
        made.append(_event_without(event))
    return b"".join([*made, events[end:]])


def _may_name(data: bytes) -> bool:
    """Whether the word may stand there, in JSON's escapes as well; False is certain."""
    return _WORD in data.lower() or (b"\\u00" in data and _ESCAPED.search(data) is not None)


def _event_without(event: bytes) -> bytes:
    lines = event.removeprefix(_BOM).splitlines()
    kept = [in_one_line(line) for line in lines if line.startswith(_DATA) or _WORD not in line.lower()]
    if kept != lines:
        # What follows a carriage return is a line of its own, and to some readers the rest of the one before.
        kept = [line for line in kept if line.startswith(_LINES)]
        event = b"".join([*(line + b"\n" for line in kept), b"\n"]) if kept else b""
    for data in payloads(event):
        made = body_without(data)
        if made != data:
            others = [line for line in kept if line and not line.startswith(_DATA)]
            said = (b"data: " + line for line in made.split(b"\n"))
            return b"\n".join([*others, *said, b"", b""])
    return event


class _Open(Struct):
    """An object or list that is being read.

    Attributes:
        place: what it is.
        start: where the field begins that is being read.
        fields: whether it is an object.
        name: of that field where it is one that is looked for; "": another; None: it has not come.
        comma: behind the last field that is kept; None: none is yet.
    """

    place: str
    start: int
    fields: bool
    name: str | None = None
    comma: int | None = None

    def inside(self) -> str:
        """What begins here is; "": nothing in which a verdict could belong."""
        if self.fields:
            return _INSIDE.get((self.place, self.name or ""), "")
        return "choice" if self.place == "choices" else ""


def _own_fields(body: bytes) -> list[tuple[int, int]]:
    """Where the gateway's fields stand, each with a comma that goes with it."""
    found: list[tuple[int, int]] = []
    around: list[_Open] = []
    aside = 0  # so deep in what can hold no verdict
    for token in _TOKEN.finditer(body):
        at, mark = token.start(), body[token.start()]
        now = around[-1] if around else None
        if aside:
            aside += (mark in b"{[") - (mark in b"}]")
        elif mark in b"{[":
            place = "body" if now is None else now.inside()
            if place:
                around.append(_Open(place, at + 1, mark in b"{"))
            else:
                aside = 1
        elif now is None:
            continue
        elif mark in b'"':
            if now.fields and now.name is None:
                named = _PLACED.match(body, at)
                now.name = "" if named is None else named.lastgroup
        elif mark in b",":
            if now.name == FIELD:
                found.append((now.start, at + 1))
            else:
                now.comma = at
            now.start, now.name = at + 1, None
        else:
            if now.name == FIELD:
                found.append((now.start if now.comma is None else now.comma, at))
            around.pop()
    return found
