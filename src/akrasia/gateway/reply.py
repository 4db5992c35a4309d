"""What passed of a reply that the client has anyway, as far as it can be read, and what of it cannot. Pure."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from akrasia.gateway.credentials import NO_CREDENTIALS, Credentials
from akrasia.gateway.joined import without_keys
from akrasia.gateway.stream import DONE_DATA, assemble, payloads
from akrasia.gateway.unread import any_repeats_a_field, known_fields, repeats_a_field, unread_beside, unread_in_chunks
from akrasia.gateway.wire import Body, read_completion, read_object

UNREADABLE = "the reply cannot be read"


class Reply(Struct, frozen=True):
    """What passed of a reply.

    Attributes:
        choices: as the upstream sent them, or put together from a stream; one that is no object under "message".
        unread: why not all of the reply can be read, whatever its choices say; None: all can.
        beside: what holds text beside the choices, by the fields' names; "reply" is the whole where it cannot be read.
    """

    choices: list[Body] = []
    unread: str | None = None
    beside: Body = {}


def read_reply(
    data: bytes, *, streamed: bool, keys: Credentials = NO_CREDENTIALS, stops: frozenset[str] = frozenset()
) -> Reply:
    """What there is in the bytes of a reply; no choice only where they say nothing at all.

    Args:
        data: whole events, or a body; b"" where nothing passed.
        streamed: whether these are events.
        keys: that nobody may read, also where the pieces of a reply make one together.
        stops: of the request, as from `akrasia.gateway.unread.stops_of`.
    """
    if not data:
        return Reply()
    try:
        made = _of_events(data, stops) if streamed else _of_body(data)
    except (msgspec.DecodeError, ValueError, AttributeError, TypeError, RecursionError):
        made = None
    if made is None:
        return unread_reply(data, keys)
    made = Reply([without_keys(choice, keys) for choice in made.choices], made.unread, without_keys(made.beside, keys))
    nothing = not made.choices and (made.unread is not None or made.beside)
    return msgspec.structs.replace(made, choices=[{}]) if nothing else made


def unread_reply(data: bytes, keys: Credentials = NO_CREDENTIALS) -> Reply:
    """A reply of which nothing is read: the whole of it as a text."""
    return Reply([{}], UNREADABLE, without_keys({"reply": data.decode(errors="replace")}, keys))


def _of_events(data: bytes, stops: frozenset[str]) -> Reply:
    texts = [one for one in payloads(data) if one.strip() != DONE_DATA]
    chunks = [read_object(one) for one in texts]
    choices = assemble(chunks)["choices"]
    unread, beside = unread_in_chunks(chunks, choices, stops)
    if any_repeats_a_field(texts, chunks):
        unread = _REPEATED
    return Reply([known_fields(choice) for choice in choices], unread, beside)


def _of_body(data: bytes) -> Reply | None:
    completion = read_completion(data)
    if completion is None:
        return None
    unread = _REPEATED if repeats_a_field(data) else None
    return Reply(_objects(completion["choices"]), unread, unread_beside(completion))


_REPEATED = "a field that stands twice in one object"


def _objects(choices: list[Body]) -> list[Body]:
    return [choice if isinstance(choice, dict) else {"message": choice} for choice in choices]
