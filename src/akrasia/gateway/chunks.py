"""The form of a chunk that is relied on where a reply is read while it comes: indexes, deltas and tool calls."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from akrasia.gateway.stream import read_chunks
from akrasia.gateway.wire import Body, upstream_failed


class _Delta(Struct):
    tool_calls: list[Body] | None = None


class _Part(Struct):
    index: int = 0
    delta: _Delta | None = None


class _Chunk(Struct):
    choices: list[_Part] | None = None


def chunks_of(events: bytes) -> list[Body]:
    """The chunks in whole events.

    Raises:
        WireError: they are not of the form that is relied on.
    """
    try:
        found = list(read_chunks(events))
        for chunk in found:
            msgspec.convert(chunk, _Chunk)
    except msgspec.ValidationError as error:
        # Names the place and the types alone, never what stands there.
        what, _, place = str(error).partition(" - at `$")
        said = f"the upstream sent a chunk with {place.strip('.`') or 'no object'} of another type ({what})"
        raise upstream_failed(502, said, "upstream_invalid") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise upstream_failed(502, "the upstream sent an event that is no chunk", "upstream_invalid") from None
    return found
