"""The names under which the gateway tells clients of audits. An upstream that uses them is not heard.

A verdict is a header, a comment of a stream or a field of a body; whoever can write replies must not be able to write
those, in capitals neither. Pure.
"""

from __future__ import annotations

import re

import msgspec
from msgspec import Raw

from akrasia.gateway.stream import payloads, whole_events

HEADERS = "x-akrasia-"
"""What the gateway's own headers begin with."""

FIELD = "akrasia"
"""The field of a body, and the first word of a comment, that tells of an audit."""

_WORD = FIELD.encode()
_ESCAPED = re.compile(rb"\\u00[4-7]")
"""What begins a letter of the word in JSON's escapes."""

_OWN_LINE = re.compile(rb"\s*(?::|event:)\s*" + _WORD, re.IGNORECASE)
_LINES = (b":", b"data", b"event", b"id", b"retry")
"""What a line of an event begins with, to a reader of events."""

_BOM = b"\xef\xbb\xbf"
_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_LIST = msgspec.json.Decoder(list[Raw])
_Object = dict[str, Raw]


def body_without(body: bytes) -> bytes:
    """An upstream's body, or a chunk, without the fields that are the gateway's; as it came where it has none.

    They are looked for at the top, in each choice, and in its message and delta: where a verdict could belong.
    """
    fields = _object(body) if _may_name(body) else None
    if fields is None:
        return body
    changed = _took_own(fields)
    choices = _choices_without(fields.get("choices"))
    if choices is not None:
        fields["choices"] = choices
    return msgspec.json.encode(fields) if changed or choices is not None else body


def events_without(events: bytes) -> bytes:
    """An upstream's whole events without comments, names of events and fields that are the gateway's.

    They are as they came where they have none. An event of which nothing is left is left out.
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
    lines = event.removeprefix(_BOM).splitlines(keepends=True)
    kept = [line for line in lines if _OWN_LINE.match(line) is None]
    if len(kept) < len(lines):
        # What follows a carriage return is a line of its own, and to some readers the rest of the one before.
        kept = [line for line in kept if line.startswith(_LINES)]
        event = b"".join([*kept, lines[-1]]) if kept else b""
    for data in payloads(event):
        made = body_without(data)
        if made is not data:
            others = [line for line in kept if line.strip() and not line.startswith(b"data")]
            return b"".join(others) + b"data: " + made + b"\n\n"
    return event


def _choices_without(choices: Raw | None) -> Raw | None:
    """Choices without the gateway's fields; None: they have none, or are no list."""
    try:
        given = [] if choices is None else _LIST.decode(choices)
    except msgspec.DecodeError:
        return None
    made = [_choice_without(choice) for choice in given]
    if all(one is None for one in made):
        return None
    return _raw([one or choice for one, choice in zip(made, given, strict=True)])


def _choice_without(choice: Raw) -> Raw | None:
    """A choice without the gateway's fields; None: it has none, or is no object."""
    fields = _object(choice)
    if fields is None:
        return None
    changed = _took_own(fields)
    for name in ("message", "delta"):
        inside = _object(fields[name]) if name in fields else None
        if inside is not None and _took_own(inside):
            fields[name], changed = _raw(inside), True
    return _raw(fields) if changed else None


def _took_own(fields: _Object) -> bool:
    """Take the gateway's fields out of an object; whether it had any."""
    own = [name for name in fields if name.lower() == FIELD]
    for name in own:
        del fields[name]
    return bool(own)


def _object(data: bytes | Raw) -> _Object | None:
    """The fields of an object; None where it is none."""
    try:
        return _FIELDS.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _raw(made: _Object | list[Raw]) -> Raw:
    return Raw(msgspec.json.encode(made))
