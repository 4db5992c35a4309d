"""What of a reply no audit reads: fields and shapes that `akrasia.gateway.allowed` does not know. Pure.

Of a known field in an unknown shape nothing can be audited, in no mode. Fields that are not known stay behind in
`enforce`; in `observe` and `annotate` they reach the client, and a text in one of them is a text that nobody read.
Excused are images, sound, files, and labels: names and ids of one word, in the fields that protocols have for them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from akrasia.gateway.allowed import TEXTS, known_function, spelled, text_of, unknown_calls
from akrasia.gateway.citations import ANNOTATIONS, cited
from akrasia.gateway.thoughts import thinks_in_blocks
from akrasia.gateway.wire import Body

_MESSAGE = frozenset({*TEXTS, "role", "tool_calls", "function_call"})
_CHOICE = frozenset({"index", "message", "logprobs", "finish_reason"})
_REPLY = frozenset({"choices"})
_MADE_ANEW = frozenset({"id", "object", "created", "model", "choices", "usage"})
_LABELLED = frozenset(
    {"id", "object", "model", "created", "system_fingerprint", "service_tier", "provider", "x_groq", "usage"}
    | {"prompt_filter_results", "content_filter_results", "role", "type", "expires_at", "index"}
    | {"finish_reason", "native_finish_reason", "stop_reason", "matched_stop"}
)
"""Fields whose texts are labels, wherever they stand."""

_STOPS = frozenset({"stop_reason", "matched_stop"})
"""Those of them that may say which stop string of the request a choice ended at, in its words."""

_BESIDE = frozenset({"obfuscation", "p", "request_id"})
"""Fields beside the choices whose text is a label: padding against listeners, and an id."""

_BESIDE_INSIDE = {
    "metadata": frozenset({"weight_version"}),
    "model_info": frozenset({"arch", "quant", "format"}),
    "runtime": frozenset({"name", "version", "supported_formats"}),
}
"""Objects beside the choices, and their fields whose texts are labels."""

_FIGURES = "perf_metrics"
"""Field beside the choices whose figures may be texts."""

_MEDIA = ("audio", "images", "image_url", "input_audio", "output_audio", "image", "file")
_SAID = frozenset({"transcript", "text"})
_LABEL = re.compile(r"[!-~]{0,128}")
_FIGURE = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?(e[+-]?[0-9]{1,3})?")
_SEALED = re.compile(r"[A-Za-z0-9+/=_-]*")
_FIRM = re.compile(r"[!-~]{0,24}( [!-~]{1,24}){0,2}")  # "Google AI Studio", as routers name who answered


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


def odd_texts(delta: Mapping[str, Any]) -> str | None:
    """Which texts of a delta are none, in words; None: none is. Put together with others, they could not be seen."""
    found = [
        name for name, field in delta.items() if not isinstance(field, str) and name in TEXTS and not _listed(field)
    ]
    return "; ".join(f"{name} of an unknown shape" for name in found) or None


def _listed(field: object) -> bool:
    return field is None or isinstance(field, list)


def stops_of(request: Mapping[str, Any]) -> frozenset[str]:
    """The stop strings of a request: they are the client's own words wherever a reply says them again."""
    stop = request.get("stop")
    return frozenset(one for one in (stop if isinstance(stop, list) else [stop]) if isinstance(one, str))


def unread_fields(choice: Mapping[str, Any], stops: frozenset[str] = frozenset()) -> Body:
    """The fields of a choice that hold text which is in no audited part, by name; fields of its message by theirs.

    Args:
        choice: as the upstream sent it.
        stops: of the request, as from `stops_of`.
    """
    message = choice.get("message")
    said: Mapping[str, Any] = message if isinstance(message, dict) else {}
    read = _read_in(said)
    found = _beside(choice, read, stops)
    if not spelled(choice.get("logprobs"), said):
        found["logprobs"] = choice["logprobs"]
    for name, field in said.items():
        if name in TEXTS:
            unread = any(_more(part, {"text"}) for part in field) if isinstance(field, list) else False
        elif name in ("tool_calls", "function_call"):
            calls = field if isinstance(field, list) else [{"function": field}]
            unread = any(_more_of_call(call) for call in calls)
        elif (name == ANNOTATIONS and cited(said) is not None) or thinks_in_blocks(name, field):
            unread = False
        else:
            unread = _holds_text(name, field, read=read)
        if unread:
            found[name] = field
    return found


def unread_beside(reply: Mapping[str, Any]) -> Body:
    """The fields of a whole reply, or of a chunk, that hold text beside its choices, by name."""
    return {
        name: field
        for name, field in reply.items()
        if name not in _REPLY and _holds_text(name, _without_labels(name, field))
    }


def unread_in_chunks(
    chunks: Sequence[Mapping[str, Any]], choices: Iterable[Body], stops: frozenset[str] = frozenset()
) -> tuple[str | None, Body]:
    """What is lost where chunks are put together, and so is read by nobody.

    Of fields that do not grow the last counts, but a client gets every one.

    Args:
        chunks: of the protocol's form at least as far as `akrasia.gateway.stream.assemble` needs it.
        choices: what they add up to.
        stops: of the request, as from `stops_of`.

    Returns:
        Why not all of the chunks can be read, in words, None where it can; and the fields that hold text, by name.
    """
    why: str | None = None
    beside: dict[str, list[Any]] = {}
    grown: dict[object, dict[str, list[Any]]] = {}
    # Most chunks of a stream differ in their deltas alone: what was just found to hold nothing is not looked at again.
    same: Body = {}
    clean: Body = {}
    for chunk in chunks:
        head = {name: field for name, field in chunk.items() if name != "choices"}
        if head != same:
            same = head
            for name, field in unread_beside(head).items():
                said = beside.setdefault(name, [])
                if not said or said[-1] != field:  # of what stands in every chunk one is enough
                    said.append(field)
        for part in chunk.get("choices") or ():
            if type(part.get("index", 0)) is not int or not isinstance(part.get("delta", {}), dict | None):
                why = "a chunk of an unknown shape"
            elif part.get("delta"):
                why = why or odd_texts(part["delta"])
            rest = {name: field for name, field in part.items() if name != "delta"}
            if rest == clean:
                continue
            found = _beside(rest, stops=stops) | _stray_message(part)
            if not found:
                clean = rest
            for name, field in found.items():
                grown.setdefault(part.get("index", 0), {}).setdefault(name, []).append(field)
    read = {choice.get("index", 0): _read_in(choice.get("message")) for choice in choices}
    for index, fields in grown.items():
        for name, pieces in fields.items():
            said = _together(pieces)
            if not isinstance(said, str) or said not in read.get(index, ()):
                beside.setdefault(name, []).extend(pieces)
    return why, {name: _together(pieces) for name, pieces in beside.items()}


def _together(pieces: list[Any]) -> Any:
    """What chunks say of one field: texts as one text."""
    if all(isinstance(piece, str) for piece in pieces):
        return "".join(pieces)
    return pieces[0] if len(pieces) == 1 else pieces


def known_fields(choice: Mapping[str, Any]) -> Body:
    """The fields of a choice that the protocol has."""
    return {name: field for name, field in choice.items() if name in _CHOICE}


def _beside(choice: Mapping[str, Any], read: frozenset[str] = frozenset(), stops: frozenset[str] = frozenset()) -> Body:
    """The fields of a choice, its message and log-probabilities aside, that hold text which is none of those read."""
    return {
        name if name in _CHOICE else f"choice.{name}": field
        for name, field in choice.items()
        if name not in ("message", "logprobs")
        and not (name in _STOPS and isinstance(field, str) and field in stops)
        and _holds_text(name, field, read=read)
    }


def _without_labels(name: str, field: object) -> object:
    """A field that stands beside the choices without the texts that are labels there alone; names stay."""
    if isinstance(field, str):
        return None if name in _BESIDE and _LABEL.fullmatch(field) else field
    if not isinstance(field, dict) or (name not in _BESIDE_INSIDE and name != _FIGURES):
        return field
    labels, form = (field.keys(), _FIGURE) if name == _FIGURES else (_BESIDE_INSIDE[name], _LABEL)
    return {key: None if key in labels and _is_one(one, form) else one for key, one in field.items()}


def _is_one(field: object, form: re.Pattern[str]) -> bool:
    """Whether a field is one text of a form, or a list of one: words in a row could be a sentence."""
    said = field[0] if isinstance(field, list) and len(field) == 1 else field
    return isinstance(said, str) and form.fullmatch(said) is not None


def _without_signature(extra: object) -> object:
    """The `extra_content` of a message or call without the signature of its thought, which only its maker can read."""
    google = extra.get("google") if isinstance(extra, dict) else None
    if not isinstance(extra, dict) or not isinstance(google, dict):
        return extra
    if not _is_one(google.get("thought_signature"), _SEALED):
        return extra
    return {**extra, "google": {**google, "thought_signature": None}}


def _stray_message(part: Mapping[str, Any]) -> Body:
    """The message in a chunk, which has a delta in its place."""
    message = part.get("message")
    return {"choice.message": message} if _holds_text("message", message) else {}


def _read_in(message: object) -> frozenset[str]:
    """The texts of a message that are read: where an upstream repeats one whole, nothing is left to read."""
    said = [text_of(message.get(name)) for name in TEXTS] if isinstance(message, dict) else []
    return frozenset(text for text in said if text)


def place_of(name: str, index: int | None) -> str:
    """Where a field stands in a reply: ``choices[0].message.thinking``, ``choices[0].text``, ``citations``.

    Args:
        name: as from `unread_fields` or `unread_beside`.
        index: of the choice; None: it was said beside all of them, or by the chunks of any.
    """
    said = name.removeprefix("choice.")
    if index is None:
        return f"choices[].{said}" if said != name or name in _CHOICE else name
    return f"choices[{index}].{said}" if said != name or name in _CHOICE else f"choices[{index}].message.{name}"


def left_beside(reply: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of a reply's fields beside its choices that do not leave where it is made anew."""
    return tuple(name for name, field in reply.items() if name not in _MADE_ANEW and not _is_empty(field))


def left_out(choice: Mapping[str, Any], leaves: Mapping[str, Any]) -> tuple[str, ...]:
    """The places of a choice's fields that do not leave, or not whole; in the order in which they stand.

    Args:
        choice: as the upstream sent it.
        leaves: what leaves of it.
    """
    index = leaves.get("index", 0)
    return tuple(place_of(name, index) for name in _left_out(choice, leaves))


def _left_out(choice: Mapping[str, Any], leaves: Mapping[str, Any]) -> list[str]:
    message = choice.get("message")
    went: Mapping[str, Any] = leaves.get("message") or {}
    names = [name for name, field in choice.items() if name not in _CHOICE and not _is_empty(field)]
    found = [f"choice.{name}" for name in names]
    if not _is_empty(choice.get("logprobs")) and leaves.get("logprobs") is None:
        found.append("choice.logprobs")
    if not isinstance(message, dict):
        return found if message is None else ["message", *found]
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
    return found


def any_repeats_a_field(texts: Sequence[bytes], found: Sequence[Body]) -> bool:
    """Whether `repeats_a_field` is so of any of several texts.

    Args:
        texts: JSON.
        found: what they were decoded to.
    """
    together = b"".join(texts)
    if b"\\u" not in together and together.count(b'"') == msgspec.json.encode(found).count(b'"'):
        return False
    return any(map(repeats_a_field, texts))


def repeats_a_field(text: bytes) -> bool:
    """Whether some object of a JSON text has a field twice: readers differ in which of them counts."""
    # Written anew, a text that lost a field has fewer quotes. Only escapes may hide that.
    if b"\\u" not in text and text.count(b'"') == msgspec.json.encode(msgspec.json.decode(text)).count(b'"'):
        return False
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


def _holds_text(name: str, field: object, media: bool = False, read: frozenset[str] = frozenset()) -> bool:
    """Whether a field holds text, in its name too, that is no label in its place, no data of a medium, and not read."""
    if _LABEL.fullmatch(name) is None:
        return True
    if isinstance(field, str):
        if name in _LABELLED:
            return (_FIRM if name == "provider" else _LABEL).fullmatch(field) is None
        if media and name not in _SAID:
            return any(letter.isspace() for letter in field)
        return bool(field.strip()) and field not in read
    media = media or name in _MEDIA
    if name == "extra_content":
        field = _without_signature(field)
    if isinstance(field, dict):
        # What stands in a labelled field are labels: of a filter's results, say, the severities.
        return any(
            _LABEL.fullmatch(key) is None or _holds_text(name if name in _LABELLED else key, one, media, read)
            for key, one in field.items()
        )
    return isinstance(field, list) and any(_holds_text(name, one, media, read) for one in field)


def _is_empty(field: object) -> bool:
    return field is None or field == "" or field == [] or field == {}
