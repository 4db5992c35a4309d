"""The names under which the gateway tells clients of audits. An upstream that uses them is not heard.

A verdict is a header, a comment of a stream or a field of a body; whoever can write replies must not be able to write
those. Pure.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from akrasia.gateway.stream import payloads, whole_events

HEADERS = "x-akrasia-"
"""What the gateway's own headers begin with."""

FIELD = "akrasia"
"""The field of a body, and the first word of a comment, that tells of an audit."""

_WORD = FIELD.encode()
_FIELDS = msgspec.json.Decoder(dict[str, Raw])


def body_without(body: bytes) -> bytes:
    """An upstream's body without the field that is the gateway's; as it came where it has none."""
    if not _may_name(body):
        return body
    fields = _fields(body)
    return body if fields is None else msgspec.json.encode(fields)


def events_without(events: bytes) -> bytes:
    """An upstream's whole events without comments and fields that are the gateway's; as they came where they have none.

    An event of which nothing is left is left out.
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
    return _WORD in data or b"\\u00" in data


def _event_without(event: bytes) -> bytes:
    lines = event.splitlines(keepends=True)
    kept = [line for line in lines if not _is_own_comment(line)]
    if len(kept) < len(lines):
        event = b"".join(kept) if any(line.strip() for line in kept) else b""
    for data in payloads(event):
        fields = _fields(data)
        if fields is not None:
            return b"data: " + msgspec.json.encode(fields) + b"\n\n"
    return event


def _is_own_comment(line: bytes) -> bool:
    text = line.strip().removeprefix(b"\xef\xbb\xbf")
    return text.startswith(b":") and text[1:].lstrip().startswith(_WORD)


def _fields(data: bytes) -> dict[str, Raw] | None:
    """The fields of an object without the gateway's; None where it has none, or is no object."""
    try:
        fields = _FIELDS.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return None if fields.pop(FIELD, None) is None else fields
