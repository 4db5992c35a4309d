"""What of a reply no audit reads: fields and shapes that `akrasia.gateway.allowed` does not know. Pure.

Of a known field in an unknown shape nothing can be audited, in no mode. Fields that are not known stay behind in
`enforce`; in `observe` and `annotate` they reach the client, and a text in one of them is a text that nobody read.
Excused are images, sound, files, and labels: names and ids of one word, in the fields that protocols have for them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from akrasia.gateway.allowed import TEXTS, known_function, spelled, text_of, unknown_calls
from akrasia.gateway.wire import Body

_MESSAGE = frozenset({*TEXTS, "role", "tool_calls", "function_call"})
_CHOICE = frozenset({"index", "message", "logprobs", "finish_reason"})
_REPLY = frozenset({"choices"})
_LABELLED = frozenset(
    {"id", "object", "model", "created", "system_fingerprint", "service_tier", "provider", "x_groq", "usage"}
    | {"prompt_filter_results", "content_filter_results", "role", "type", "expires_at", "index"}
    | {"finish_reason", "native_finish_reason", "stop_reason", "matched_stop"}
)
"""Fields whose texts are labels, wherever they stand."""

_MEDIA = ("audio", "images", "image_url", "input_audio", "output_audio", "image", "file")
_SAID = frozenset({"transcript", "text"})
_LABEL = re.compile(r"[!-~]{0,128}")


def unknown_shape(choice: Mapping[str, Any], *, media: bool) -> str | None:
    """Which known field of a choice has a shape that cannot be audited, in words; None: none has.

    Args:
        choice: as the upstream sent it.
        media: whether images, sound and files are excused between the parts of a content, as where they are passed on.
    """
    message = choice.get("message")
    if message is None:
        beside = ", ".join(unread_fields(choice))
        return f"no message, but text in {beside}" if beside else None
    if not isinstance(message, dict):
        return "a message that is no object"
    found = [f"{name} of an unknown shape" for name in TEXTS if not _is_text(message.get(name), media)]
    if unknown_calls(message):
        found.append("a tool call of an unknown kind")
    if message.get("function_call") and known_function(message["function_call"]) is None:
        found.append("a function_call of an unknown kind")
    return "; ".join(found) or None


def unread_fields(choice: Mapping[str, Any]) -> Body:
    """The fields of a choice that hold text which is in no audited part, by name; fields of its message by theirs.

    Args:
        choice: as the upstream sent it.
    """
    message = choice.get("message")
    found = {
        name if name in _CHOICE else f"choice.{name}": field
        for name, field in choice.items()
        if name != "message" and name != "logprobs" and _holds_text(name, field)
    }
    said: Mapping[str, Any] = message if isinstance(message, dict) else {}
    if not spelled(choice.get("logprobs"), said):
        found["logprobs"] = choice["logprobs"]
    for name, field in said.items():
        if name in TEXTS:
            unread = any(_more(part, {"text"}) for part in field) if isinstance(field, list) else False
        elif name in ("tool_calls", "function_call"):
            calls = field if isinstance(field, list) else [{"function": field}]
            unread = any(_more_of_call(call) for call in calls)
        else:
            unread = _holds_text(name, field)
        if unread:
            found[name] = field
    return found


def unread_beside(reply: Mapping[str, Any]) -> Body:
    """The fields of a whole reply, or of a chunk, that hold text beside its choices, by name."""
    return {name: field for name, field in reply.items() if name not in _REPLY and _holds_text(name, field)}


def unread_in_chunks(chunks: Iterable[Mapping[str, Any]]) -> tuple[str | None, Body]:
    """What is lost where chunks are put together, and so is read by nobody.

    Of fields that do not grow the last counts, but a client gets every one.

    Returns:
        Why not all of the chunks can be read, in words, None where it can; and the fields that hold text, by name.
    """
    found: Body = {}
    why: str | None = None
    for chunk in chunks:
        found |= unread_beside(chunk)
        for part in chunk.get("choices") or ():
            if type(part.get("index", 0)) is not int or not isinstance(part.get("delta", {}), dict | None):
                why = "a chunk of an unknown shape"
            rest = {name: field for name, field in part.items() if name not in ("delta", "logprobs", "message")}
            found |= unread_fields(rest)
            if _holds_text("message", part.get("message")):
                found["choice.message"] = part["message"]
    return why, found


def left_out(choice: Mapping[str, Any], leaves: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of a choice's fields that do not leave, or not whole; in the order in which they stand.

    Args:
        choice: as the upstream sent it.
        leaves: what leaves of it.
    """
    message = choice.get("message")
    went: Mapping[str, Any] = leaves.get("message") or {}
    names = [name for name, field in choice.items() if name not in _CHOICE and not _is_empty(field)]
    found = [f"choice.{name}" for name in names]
    if not _is_empty(choice.get("logprobs")) and leaves.get("logprobs") is None:
        found.append("choice.logprobs")
    if not isinstance(message, dict):
        return tuple(found if message is None else ["message", *found])
    for name, field in message.items():
        if _is_empty(field) or name == "role":
            continue
        whole = name in went
        if name in TEXTS:
            whole = whole and _is_text(field, media=False) and text_of(field) == went[name]
            whole = whole and not (isinstance(field, list) and any(_more(part, {"text"}) for part in field))
        elif name in ("tool_calls", "function_call") and whole:
            calls = field if isinstance(field, list) else [{"function": field}]
            kept = went[name] if isinstance(went[name], list) else [went[name]]
            whole = len(calls) == len(kept) and not any(_more_of_call(call) for call in calls)
        if not whole:
            found.append(name)
    return tuple(found)


def repeats_a_field(text: bytes) -> bool:
    """Whether some object of a JSON text has a field twice: readers differ in which of them counts."""
    repeated = False

    def made(pairs: list[tuple[str, Any]]) -> Body:
        nonlocal repeated
        fields = dict(pairs)
        repeated = repeated or len(fields) < len(pairs)
        return fields

    json.loads(text, object_pairs_hook=made)
    return repeated


def _is_text(field: object, media: bool) -> bool:
    """Whether a field is nothing, a text, or texts in typed parts."""
    if field is None or isinstance(field, str):
        return True
    if not isinstance(field, list):
        return False
    for part in field:
        if not isinstance(part, dict):
            return False
        if part.get("type") == "text" and isinstance(part.get("text"), str):
            continue
        if not media or part.get("type") not in _MEDIA or _more(part, set()):
            return False
    return True


def _more(fields: object, known: set[str]) -> bool:
    """Whether fields besides the known ones hold text."""
    if not isinstance(fields, dict):
        return _holds_text("", fields)
    return any(_holds_text(name, field) for name, field in fields.items() if name not in known)


def _more_of_call(call: object) -> bool:
    if not isinstance(call, dict):
        return _holds_text("", call)
    inner = _more(call.get("function"), {"name", "arguments"}) or _more(call.get("custom"), {"name", "input"})
    return inner or _more(call, {"function", "custom"})


def _holds_text(name: str, field: object, media: bool = False) -> bool:
    """Whether a field holds text, in its name too, that is neither a label in its place nor data of a medium."""
    if _LABEL.fullmatch(name) is None:
        return True
    if isinstance(field, str):
        if name in _LABELLED:
            return _LABEL.fullmatch(field) is None
        if media and name not in _SAID:
            return any(letter.isspace() for letter in field)
        return bool(field.strip())
    media = media or name in _MEDIA
    if isinstance(field, dict):
        # What stands in a labelled field are labels: of a filter's results, say, the severities.
        return any(_holds_inside(name, key, one, media) for key, one in field.items())
    return isinstance(field, list) and any(_holds_text(name, one, media) for one in field)


def _holds_inside(name: str, key: str, field: object, media: bool) -> bool:
    if _LABEL.fullmatch(key) is None:
        return True
    return _holds_text(name if name in _LABELLED else key, field, media)


def _is_empty(field: object) -> bool:
    return field is None or field == "" or field == [] or field == {}
