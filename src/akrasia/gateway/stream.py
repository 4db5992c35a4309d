"""Chat completions as server-sent events: splitting the bytes, putting chunks together, and the way back.

Pure. `assemble(emit(x, usage=True)) == x` for every whole completion x; the bytes of a stream may be cut anywhere,
inside a character too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from akrasia.gateway.wire import Body, ErrorObject, error_body, read_object, upstream_failed

DONE_DATA = b"[DONE]"
DONE = b"data: " + DONE_DATA + b"\n\n"
"""The event that ends a stream whole."""

_PIECE = 64
_BOM = b"\xef\xbb\xbf"
_BOUNDARY = re.compile(rb"\r?\n\r?\n")
_OTHER_ENDS = re.compile(rb"[\x0b\x0c\x1c-\x1e]|\xc2\x85|\xe2\x80[\xa8\xa9]")
"""What ends a line to some readers, though not in a stream of events: such as U+2028, in UTF-8."""

BASE = ("id", "created", "model", "system_fingerprint", "service_tier")
"""Fields that tell of a whole stream, in each of its chunks."""


class EventSplitter:
    """Hands over whole events: what has come up to the last blank line. The rest waits for more.

    Args:
        limit: the most bytes that one event may have.

    Attributes:
        rest: what has come of an event that is not whole yet.
    """

    def __init__(self, limit: int = 16 * 2**20) -> None:
        self.rest = b""
        self._limit = limit

    def feed(self, chunk: bytes) -> bytes:
        """The whole events that have come by now and were not handed over, as they came; b"" for none.

        Raises:
            ValueError: an event is larger than the limit.
        """
        if not self.rest and chunk.endswith(b"\n\n"):
            return chunk
        seen = max(0, len(self.rest) - 3)
        data = self.rest + chunk
        end = max(data.rfind(b"\n\n", seen) + 2, data.rfind(b"\n\r\n", seen) + 3)
        if end < 3 and data[:2] != b"\n\n":
            end = 0
        self.rest = data[end:]
        if len(self.rest) > self._limit:
            raise ValueError(f"an event of more than {self._limit} bytes")
        return data[:end]

    def end(self) -> bytes:
        """What is left where nothing more comes, as a whole event: a ``[DONE]`` or comments that lack their blank line.

        Raises:
            WireError: it is anything else, of which nobody knows what it lacks.
        """
        rest = self.rest.strip(b"\r\n")
        if not rest.strip():
            return b""
        known = all(line.startswith((b":", b"data:")) for line in rest.splitlines() if line)
        if not known or payloads(rest) not in ([], [DONE_DATA]):
            raise upstream_failed(502, "the upstream's stream ended inside an event", "upstream_reset")
        self.rest = b""
        return rest + b"\n\n"


def whole_events(events: bytes) -> Iterator[bytes]:
    """Each of several whole events by itself, with the blank line that ends it."""
    start = 0
    for boundary in _BOUNDARY.finditer(events):
        yield events[start : boundary.end()]
        start = boundary.end()


def payloads(events: bytes) -> list[bytes]:
    """The data of each event, in order; comments and events without data are left out.

    Args:
        events: whole events, as from `EventSplitter.feed`.
    """
    found = []
    if _BOM in events:  # a reader of events skips it at their beginning
        events = events.removeprefix(_BOM).replace(b"\n" + _BOM, b"\n")
    for event in _BOUNDARY.split(events) if b"\r" in events else events.split(b"\n\n"):
        if event.startswith(b"data:") and b"\n" not in event and b"\r" not in event:  # as nearly all are
            found.append(event[6:] if event[5:6] == b" " else event[5:])
            continue
        lines = [line[5:].removeprefix(b" ") for line in event.splitlines() if line.startswith(b"data:")]
        if lines:
            found.append(b"\n".join(lines))
    return found


def in_one_line(text: bytes) -> bytes:
    """JSON in which no reader finds the end of a line, so that no words in it look like a line of their own."""
    return _OTHER_ENDS.sub(lambda end: b"\\u%04x" % ord(end[0].decode()), text)


def encode_event(chunk: Body) -> bytes:
    """A chunk as an event."""
    data = msgspec.json.encode(chunk)
    return b"data: " + (data if data.isascii() else in_one_line(data)) + b"\n\n"


def error_event(error: ErrorObject) -> bytes:
    """An error as an event; after it a stream ends without `DONE`."""
    return b"data: " + error_body(error) + b"\n\n"


def read_chunks(events: bytes) -> Iterator[Body]:
    """The chunks in whole events; the closing ``[DONE]`` is none.

    Raises:
        msgspec.DecodeError, UnicodeDecodeError: an event holds no JSON object, or one that is nested too deeply.
    """
    for data in payloads(events):
        if data.strip() != DONE_DATA:
            yield read_object(data)


def assemble(chunks: Iterable[Body]) -> Body:
    """The whole completion that chunks of a stream add up to.

    Strings grow, tool calls are put together by index and id, log-probabilities line up; of any other field the last
    that was not null counts. A message beside a delta is no part of one, and left out. Choices come out in the order of
    their index.
    """
    whole: Body = {}
    choices: dict[int, Body] = {}
    for chunk in chunks:
        for name, field in chunk.items():
            if name == "choices":
                for choice in field or ():
                    _add_choice(choices.setdefault(choice.get("index", 0), {}), choice)
            elif field is not None or name not in whole:
                whole[name] = field
    if whole.get("usage", ...) is None:
        del whole["usage"]  # chunks say null until the usage comes
    whole["object"] = "chat.completion"
    whole["choices"] = [_settled(choices[index]) for index in sorted(choices)]
    return whole


class _Text:
    """A string that grows: its pieces are put together once, at the end, since a reply may come letter by letter."""

    __slots__ = ("pieces",)

    def __init__(self, *pieces: str) -> None:
        self.pieces = list(pieces)


def _add_choice(choice: Body, part: Body) -> None:
    choice.setdefault("index", part.get("index", 0))
    message = choice.setdefault("message", {})
    for name, field in (part.get("delta") or {}).items():
        if name == "tool_calls" and isinstance(field, list):
            calls = message.get("tool_calls")
            if not isinstance(calls, _Calls):
                before, calls = calls, _Calls()
                message["tool_calls"] = calls if _says_nothing(before) else _both(before, calls)
            calls.add(field)
        elif name == "role":
            message["role"] = _once(message.get("role"), field)
        else:
            message[name] = _grown(message.get(name), field)
    if "logprobs" in part:
        known = choice.setdefault("logprobs", None)
        choice["logprobs"] = _grown(known, part["logprobs"])
    for name, field in part.items():
        if name not in ("index", "delta", "logprobs", "message") and (field is not None or name not in choice):
            choice[name] = field


class _Calls:
    """Tool calls that grow, by the upstream's index: a stream may begin to count anywhere, and leave numbers out.

    Another id with a name under the same index is another call: some upstreams number all of them alike. One without a
    name is not: others give every piece of a call an id of its own.
    """

    __slots__ = ("latest", "named", "numbered", "odd")

    def __init__(self) -> None:
        self.numbered: dict[int, list[Body]] = {}
        self.named: dict[tuple[int, str], Body] = {}
        self.latest: dict[int, Body] = {}
        self.odd: list[Body] = []

    def add(self, parts: list[Body]) -> None:
        """Put parts to the calls that they are of; what has no number that counts is a call of its own."""
        for position, part in enumerate(parts):
            index = part.get("index", position)
            numbered = type(index) is int and index >= 0
            if numbered:
                call = self._call(index, part)
            else:
                self.odd.append(call := {})
            for name, field in part.items():
                if name in ("id", "type"):
                    call[name] = _once(call.get(name), field)
                elif name != "index" or not numbered:  # what is no number may be a text
                    call[name] = _grown(call.get(name), field)

    def in_order(self) -> list[Body]:
        """The calls, in the order of their numbers."""
        return [*(call for index in sorted(self.numbered) for call in self.numbered[index]), *self.odd]

    def _call(self, index: int, part: Body) -> Body:
        """The call that a part is of: that of its index and id, or the index's latest unless the part begins one."""
        latest, given = self.latest.get(index), part.get("id")
        told = (index, given) if isinstance(given, str) and given else None
        found = latest if told is None else self.named.get(told, latest)
        begins = told is not None and found is latest and _named(part)
        if found is None or (begins and found.get("id") not in (None, "", given)):
            self.numbered.setdefault(index, []).append(found := {})
        if told is not None:
            self.named[told] = found
        self.latest[index] = found
        return found


def _named(part: Body) -> bool:
    """Whether a part of a call says what is called."""
    kinds = (part.get(kind) for kind in ("function", "custom"))
    return any(isinstance(one, dict) and one.get("name") for one in kinds)


def _grown(known: Any, part: Any) -> Any:
    """A field with what a chunk adds to it: what is known is ours and grows in place, a chunk is never changed."""
    if part is None:
        return known
    if isinstance(part, str) and isinstance(known, _Text):
        known.pieces.append(part)
        return known
    if isinstance(part, list) and isinstance(known, list):
        known += part
        return known
    if isinstance(part, dict) and (isinstance(known, dict) or _says_nothing(known)):
        known = known if isinstance(known, dict) else {}
        for name, field in part.items():
            known[name] = _grown(known.get(name), field)
        return known
    if _says_nothing(known):
        return _Text(part) if isinstance(part, str) else list(part) if isinstance(part, list) else part
    return known if _says_nothing(part) else _both(known, part)


def _says_nothing(field: Any) -> bool:
    if isinstance(field, _Text):
        return not any(field.pieces)
    if isinstance(field, _Calls):
        return not field.numbered and not field.odd
    return not isinstance(field, str | list | dict) or not field


def _both(known: Any, part: Any) -> list[Any]:
    """Two fields of unlike kinds: an audit must not miss either, and a list of them is a shape that it tells of."""
    first = known if isinstance(known, list) else [known]
    return [*first, *(part if isinstance(part, list) else [part])]


def _once(known: Any, part: Any) -> Any:
    """A field that each chunk says anew."""
    if not part or part == known:
        return known
    return _both(known, part) if known else part


def _settled(field: Any) -> Any:
    """A field that is whole."""
    if isinstance(field, _Text):
        return "".join(field.pieces)
    if isinstance(field, _Calls):
        return [_settled(call) for call in field.in_order()]
    if isinstance(field, dict):
        return {name: _settled(one) for name, one in field.items()}
    if isinstance(field, list):
        return [_settled(one) for one in field]
    return field


def emit(completion: Body, *, usage: bool = False) -> Iterator[Body]:
    """The chunks of a stream that add up to a whole completion.

    One id and `created` in all of them, one finish_reason per choice, reasoning before content, and the usage in a
    last chunk of its own where it is asked for.

    Args:
        completion: as from `assemble`, or as an upstream sent it.
        usage: whether the client asked for the usage (`stream_options.include_usage`).
    """
    base: Body = {name: completion[name] for name in BASE if name in completion}
    base["object"] = "chat.completion.chunk"
    if usage and "usage" in completion:
        base["usage"] = None
    other = {k: v for k, v in completion.items() if k not in (*BASE, "object", "choices", "usage")}
    choices = completion["choices"]
    for position, choice in enumerate(choices):
        parts = list(_parts(choice))
        for place, part in enumerate(parts):
            last = place == len(parts) - 1 and position == len(choices) - 1
            yield {**base, **(other if last else {}), "choices": [part]}
    if usage and "usage" in completion:
        yield {**base, **({} if choices else other), "choices": [], "usage": completion["usage"]}
    elif not choices:
        yield {**base, **other, "choices": []}


def _parts(choice: Body) -> Iterator[Body]:
    index = choice.get("index", 0)
    message = choice.get("message")
    message = message if isinstance(message, dict) else {}
    logprobs = choice.get("logprobs")
    spelt = logprobs.get("content") if isinstance(logprobs, dict) else None
    pieces: dict[str, list[Body]] = {}
    first: Body = {}
    for name, field in message.items():
        if name == "tool_calls" and isinstance(field, list):
            pieces[name] = [{name: [part]} for part in _call_parts(field)]
            if not field:
                first[name] = []
        elif isinstance(field, str) and field and name != "role":
            pieces[name] = [{name: piece} for piece in _cut(field, spelt if name == "content" else None)]
        else:
            first[name] = field
    opening: Body = {"index": index, "delta": first, "finish_reason": None}
    tokens: list[Any] = []
    if "logprobs" in choice:
        opening["logprobs"] = logprobs
    if isinstance(logprobs, dict) and isinstance(spelt, list) and len(pieces.get("content", ())) == len(spelt):
        tokens = spelt
        opening["logprobs"] = logprobs | ({"content": []} if tokens else {})
    yield opening
    for name in sorted(pieces, key=lambda name: (not name.startswith("reasoning"), name == "tool_calls")):
        for place, delta in enumerate(pieces[name]):
            part: Body = {"index": index, "delta": delta, "finish_reason": None}
            if name == "content" and tokens:
                part["logprobs"] = {"content": [tokens[place]]}
            yield part
    given = ("index", "logprobs", "finish_reason", *(("message",) if message or not choice.get("message") else ()))
    closing = {name: field for name, field in choice.items() if name not in given}
    yield {"index": index, "delta": {}, **closing, "finish_reason": choice.get("finish_reason")}


def _cut(text: str, spelt: Any) -> list[str]:
    """A text in pieces: its tokens where they are known, else so many letters each."""
    if isinstance(spelt, list) and spelt:
        tokens = [one.get("token") if isinstance(one, dict) else None for one in spelt]
        words = [token for token in tokens if isinstance(token, str) and token]
        if len(words) == len(tokens) and "".join(words) == text:
            return words
    return [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]


def _call_parts(calls: list[Any]) -> Iterator[Any]:
    """Each tool call: who is called, and then the arguments."""
    for index, call in enumerate(calls):
        if not isinstance(call, dict):
            yield call
            continue
        function = call.get("function")
        arguments = function.get("arguments") if isinstance(function, dict) else None
        if not isinstance(arguments, str) or not arguments:
            yield {**call, "index": index}
            continue
        yield {**call, "index": index, "function": {**call["function"], "arguments": ""}}
        for piece in _cut(arguments, None):
            yield {"index": index, "function": {"arguments": piece}}
