"""What stands over the seam of two deltas of a stream: a key, or a character in two halves of a surrogate pair.

The end of a delta's text that may be the beginning of either waits for the next delta of the same choice and place, and
leaves with it; when another text of the choice goes on, or the choice or the stream ends, it leaves as it is. All else
leaves at once: of fields inside fields, what clients do not put together, such as names and citations, since in two
pieces they would read something else. In the parts of a list halves alone wait: a signed thought must not lose the
letters behind which its signature comes. A half whose other half never comes becomes U+FFFD. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from akrasia.core.decoding import is_too_deep
from akrasia.gateway.allowed import TEXTS
from akrasia.gateway.credentials import Credentials
from akrasia.gateway.stream import BASE, DONE_DATA, encode_event, payloads, whole_events
from akrasia.gateway.thoughts import SAID
from akrasia.gateway.wire import Body, read_object

Path = tuple[str | int, ...]
"""Where a text stands in a delta."""

_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
_HEAD = (*BASE, "object")
_ARGUMENTS = (("function", "arguments"), ("custom", "input"))
_IN_FIELDS = {"function_call": "arguments", "audio": "transcript"}
_IN_PARTS = {**dict.fromkeys(TEXTS, frozenset({"text"})), **SAID}
_OF_A_PART = ("type", "index")
"""By which a client knows what a part of a list goes on with."""

_SAID_ONCE = frozenset({"role", "id", "type", "name"})
_MOST = 1024
"""Texts that may wait at once: how many fields a stream has is the upstream's word."""


class _Held(Struct):
    """The end of a text, which waits.

    Attributes:
        text: never "".
        index: of its choice, as the upstream has it.
        head: of the chunk that it came with.
        part: which part of a list it stands in.
    """

    text: str
    index: Any
    head: Body
    part: Body


class Seams:
    """The events of one stream, with keys blotted out and characters whole.

    Args:
        keys: that no reader may get.
    """

    def __init__(self, keys: Credentials) -> None:
        self._keys = keys
        self._held: dict[tuple[int | str, Path], _Held] = {}

    def feed(self, events: bytes) -> bytes:
        """Whole events as they may go on; what is no chunk goes on as it came, but for keys."""
        halves = b"\\" in events and _may_halve(events)
        if not self._held and not halves and not self._keys.may_end_open(events):
            return events
        if events.count(b"\n\n") == 1 and events.endswith(b"\n\n") and b"\r" not in events:
            return self._event(events)
        made, end = [], 0
        for event in whole_events(events):
            end += len(event)
            made.append(self._event(event))
        return b"".join([*made, events[end:]])

    def end(self) -> bytes:
        """What still waits, as events."""
        held, self._held = self._held, {}
        return self._keys.out_of_json(b"".join(_event_of(path, one) for (_, path), one in held.items()))

    def _event(self, event: bytes) -> bytes:
        data = next(iter(payloads(event)), None)
        if data is not None and data.strip() == DONE_DATA:
            return self.end() + event
        chunk, halved = (None, False) if data is None else _read(data)
        choices = None if chunk is None else chunk.get("choices")
        if chunk is None or not isinstance(choices, list):
            return self._keys.out_of_json(event)
        before: list[bytes] = []
        changed = [self._part(chunk, part, before) for part in choices if isinstance(part, dict)]
        if halved or any(changed):
            event = encode_event(_whole(chunk) if halved else chunk)
        return self._keys.out_of_json(b"".join([*before, event]))

    def _part(self, chunk: Body, part: Body, before: list[bytes]) -> bool:
        """Put what waited to a choice's delta, and hold back its ends; whether that changed it.

        Args:
            chunk: that it is in.
            part: is changed.
            before: gets the events that have to leave first.
        """
        ends, changed = part.get("finish_reason") is not None, False
        index, delta = part.get("index", 0), part.get("delta")
        choice = index if isinstance(index, int) else repr(index)
        texts = list(_growing(delta)) if isinstance(delta, dict) else []
        paths = {path for path, _, _ in texts}
        if self._held and (ends or any(holder[name] for _, holder, name in texts)):
            for place in [place for place in self._held if place[0] == choice and place[1] not in paths]:
                before.append(_event_of(place[1], self._held.pop(place)))
        for path, holder, name in texts:
            held = self._held.pop((choice, path), None)
            text = _joined(holder[name] if held is None else held.text + holder[name], last=ends)
            text = self._keys.out_of(text)
            opens = 0 if path[0] in _IN_PARTS and len(path) > 1 else self._keys.open_end(text)
            keep = 0 if ends else max(opens, int("\ud800" <= text[-1:] <= "\udbff"))
            if keep:
                if len(self._held) >= _MOST:
                    before.append(self.end())
                head = {name: chunk[name] for name in _HEAD if name in chunk}
                of_part = {name: holder[name] for name in _OF_A_PART if name in holder}
                self._held[choice, path] = _Held(text[-keep:], index, head, of_part)
                text = text[:-keep]
            changed = changed or text != holder[name]
            holder[name] = text
        return changed


def _may_halve(data: bytes) -> bool:
    """Whether half a character may stand in JSON; False is certain."""
    return b"\\u" in data and _HALF.search(data) is not None


def _read(data: bytes) -> tuple[Body | None, bool]:
    """A chunk, None where it is none; and whether halves of characters may stand in it."""
    try:
        return read_object(data), False
    except (msgspec.DecodeError, UnicodeDecodeError):
        if not _may_halve(data):
            return None, False
    try:
        chunk = json.loads(data.decode(), parse_constant=_refused)
    except (ValueError, RecursionError):
        return None, False
    return (None if not isinstance(chunk, dict) or is_too_deep(chunk) else chunk), True


def _refused(constant: str) -> None:
    raise ValueError(f"JSON has no {constant}")


def _growing(delta: Body) -> Iterator[tuple[Path, Body, str]]:
    """The texts of a delta that go on in the next: where each stands, what holds it, and under which name."""
    for name, field in delta.items():
        if isinstance(field, str):
            if name not in _SAID_ONCE:
                yield (name,), delta, name
        elif isinstance(field, dict):
            said = _IN_FIELDS.get(name)
            if said is not None and isinstance(field.get(said), str):
                yield (name, said), field, said
        elif isinstance(field, list):
            for position, one in enumerate(field):
                if not isinstance(one, dict):
                    continue
                if name == "tool_calls":
                    yield from _arguments(one, position)
                elif name in _IN_PARTS:
                    yield from _in_part(name, one)


def _in_part(field: str, part: Body) -> Iterator[tuple[Path, Body, str]]:
    """The texts of a part of a list that go on in another of the same index, or without one."""
    index = part.get("index")
    for name in _IN_PARTS[field]:
        if isinstance(part.get(name), str):
            yield (field, index if isinstance(index, int) else "", name), part, name


def _arguments(call: Body, position: int) -> Iterator[tuple[Path, Body, str]]:
    index = call.get("index", position)
    for kind, name in _ARGUMENTS:
        said = call.get(kind)
        if isinstance(index, int) and isinstance(said, dict) and isinstance(said.get(name), str):
            yield ("tool_calls", index, kind, name), said, name


def _event_of(path: Path, held: _Held) -> bytes:
    """An event that says what waited, and nothing more."""
    text = _joined(held.text, last=True)
    delta: Body
    match path:
        case ("tool_calls", index, str(kind), str(name)):
            delta = {"tool_calls": [{"index": index, kind: {name: text}}]}
        case (str(field), str(name)):
            delta = {field: {name: text}}
        case (str(field), _, str(name)):
            delta = {field: [{**held.part, name: text}]}
        case _:
            delta = {str(path[0]): text}
    return encode_event({**held.head, "choices": [{"index": held.index, "delta": delta, "finish_reason": None}]})


def _joined(text: str, *, last: bool = False) -> str:
    """A text whose halves of characters are joined; one that stays alone is U+FFFD, but at the end, if that is open."""
    if text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text):
        return text
    rest = text[-1] if not last and "\ud800" <= text[-1] <= "\udbff" else ""
    whole = text.removesuffix(rest)
    return whole.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace") + rest


def _whole(field: Any) -> Any:
    """A chunk without halves of characters."""
    if isinstance(field, str):
        return _joined(field, last=True)
    if isinstance(field, dict):
        return {_whole(name): _whole(one) for name, one in field.items()}
    return [_whole(one) for one in field] if isinstance(field, list) else field
