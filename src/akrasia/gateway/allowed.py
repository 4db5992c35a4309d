"""What may leave of a reply in mode `enforce`, and the texts in it that an audit has to read. Pure.

A completion is made anew from fields that are named here; whatever else an upstream sends stays. Each text that may
leave is a `Part`, so nothing leaves that an audit did not see. What an upstream could write freely without it being
anybody's answer (ids, names, fingerprints, alternative tokens) is made here or left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

from msgspec import Struct

from akrasia.gateway.finish import allowed_finish, rewritten_finish
from akrasia.gateway.wire import ANSWERED_200, Body, ErrorObject, WireError

CONTENT, REFUSAL, REASONING, CALL = "content", "refusal", "reasoning", "tool call"
"""Names of parts; tool calls are numbered from 1."""

WITHOUT_ESCAPES = "without escapes"
"""Ends the name of a part: what a content or refusal with JSON's escapes is to clients that take it for JSON."""

REASONINGS = ("reasoning_content", "reasoning")
"""Fields of a message that tell what the model thought."""

TEXTS = (CONTENT, REFUSAL, *REASONINGS)
"""Fields of a message that are texts."""

_USAGE = ("prompt_tokens", "completion_tokens", "total_tokens")
_DETAILS = {
    "prompt_tokens_details": ("cached_tokens", "audio_tokens"),
    "completion_tokens_details": (
        "reasoning_tokens", "audio_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens",
    ),
}  # fmt: skip
_ERROR_CODES = frozenset(
    {"context_length_exceeded", "rate_limit_exceeded", "insufficient_quota", "model_not_found", "invalid_api_key"}
    | {"content_filter", "content_policy_violation", "unsupported_parameter", "unsupported_value", "server_error"}
)
_OWN_REASONS = frozenset(
    {"deadline_exceeded", "upstream_unreachable", "upstream_timeout", "upstream_reset", "upstream_invalid"}
    | {"no_answer", "n_not_available", "invalid_json", "invalid_type", "audit_unavailable"}
)
_LETTER = re.compile(r"\\u[0-9A-Fa-f]{4}")
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_SIGNS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_DEEPEST = 6
"""Times that JSON inside JSON is unescaped; what still has escapes then is told by `unread_escapes`."""

_CALL_ID = 9  # letters and digits, which is all that some upstreams take back


class Part(Struct, frozen=True):
    """One text of a message.

    Attributes:
        name: `CONTENT`, `REFUSAL`, `REASONING` or ``tool call 1`` …; where they pass, thoughts and citations too.
        text: all of it, with a word or a sign at least.
        spoken: whether it is said to the person: such a text can uphold values; of the others only betrayal tells.
    """

    name: str
    text: str
    spoken: bool


def allowed_message(message: object, seed: str = "") -> Body:
    """The fields of a message that may leave, each of its own type.

    Args:
        message: as the upstream sent it, or put together from a stream.
        seed: what the ids of its tool calls are made from; "" keeps those that it has.
    """
    given: Mapping[str, Any] = message if isinstance(message, dict) else {}
    kept: Body = {"role": "assistant", "content": text_of(given.get("content"))}
    for name in (REFUSAL, *REASONINGS):
        text = text_of(given.get(name))
        if text is not None:
            kept[name] = text
    calls = given.get("tool_calls")
    if isinstance(calls, list) and calls:
        made = [_call(call, f"{seed} {place}" if seed else "") for place, call in enumerate(calls)]
        known = [call for call in made if call is not None]
        kept |= {"tool_calls": known} if known else {}
    function = known_function(given.get("function_call"))
    if function is not None:
        kept["function_call"] = function
    return kept


def parts_of(message: Mapping[str, Any]) -> list[Part]:
    """The texts of a message from `allowed_message`; none where it says nothing, or white space alone."""
    found = []
    for name, spoken in ((CONTENT, True), (REFUSAL, True)):
        if message.get(name):
            found.append(Part(name, message[name], spoken))
    for name in (CONTENT, REFUSAL):
        text = message.get(name) or ""
        plain = readable(text)
        if plain != text:
            found.append(Part(f"{name} {WITHOUT_ESCAPES}", plain[len(text) + 1 :], False))
    thoughts = list(dict.fromkeys(message[name] for name in REASONINGS if message.get(name)))
    if thoughts:
        found.append(Part(REASONING, "\n".join(map(readable, thoughts)), False))
    for number, text in enumerate(_call_texts(message), start=1):
        found.append(Part(f"{CALL} {number}", text, False))
    return [part for part in found if part.text.strip()]


def spoken_text(message: Mapping[str, Any]) -> str:
    """What a message from `allowed_message` says to the person: its content, else its refusal; "" where neither is."""
    return message.get(CONTENT) or message.get(REFUSAL) or ""


def calls_tools(message: Mapping[str, Any]) -> bool:
    """Whether a message from `allowed_message` calls a tool."""
    return bool(message.get("tool_calls") or message.get("function_call"))


def unknown_calls(message: object) -> bool:
    """Whether a message calls tools in a way that is not known here, and so cannot be audited."""
    calls = message.get("tool_calls") if isinstance(message, dict) else None
    if not calls:
        return False
    return not isinstance(calls, list) or any(_call(call, "") is None for call in calls)


def allowed_choice(choice: Mapping[str, Any], audit_id: str) -> Body:
    """A choice with what may leave of it.

    Args:
        choice: as the upstream sent it.
        audit_id: of the request.
    """
    index = choice.get("index")
    index = index if isinstance(index, int) and not isinstance(index, bool) else 0
    message = allowed_message(choice.get("message"), f"{audit_id} {index}")
    finish = allowed_finish(choice.get("finish_reason"))
    stays = finish in ("tool_calls", "function_call") and not calls_tools(message)  # then nobody need wait for a result
    return {
        "index": index,
        "message": message,
        "logprobs": _logprobs(choice.get("logprobs"), message),
        "finish_reason": "stop" if stays else finish,
    }


def replaced(choice: Body, text: str, *, stopped: bool) -> Body:
    """A choice whose content is another text; reasoning and log-probabilities of the original do not go with it.

    Args:
        choice: from `allowed_choice`.
        text: what stands in the content's place.
        stopped: whether it stands in the place of everything, tool calls too.
    """
    message: Body = {"role": "assistant", "content": text}
    if stopped:
        return {"index": choice["index"], "message": message, "logprobs": None, "finish_reason": "content_filter"}
    message |= {name: choice["message"][name] for name in ("tool_calls", "function_call") if name in choice["message"]}
    finish = rewritten_finish(choice["finish_reason"])
    return {"index": choice["index"], "message": message, "logprobs": None, "finish_reason": finish}


def completion_of(audit_id: str, created: int, model: str, choices: Iterable[Body], usage: Body | None) -> Body:
    """A whole completion of choices that may leave."""
    made: Body = {
        "id": f"chatcmpl-{audit_id.removeprefix('audit-')}",
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": list(choices),
    }
    if usage is not None:
        made["usage"] = usage
    return made


def allowed_usage(usage: object) -> Body | None:
    """The numbers of a usage that are known by name; None where it has none."""
    if not isinstance(usage, dict):
        return None
    kept: Body = {name: usage[name] for name in _USAGE if _is_count(usage.get(name))}
    for name, fields in _DETAILS.items():
        details = usage.get(name)
        if isinstance(details, dict):
            counts = {field: details[field] for field in fields if _is_count(details.get(field))}
            kept |= {name: counts} if counts else {}
    return kept or None


def allowed_error(error: WireError) -> WireError:
    """An error in the gateway's own words: of an upstream's its status, and its code where that is a known one.

    An error's text is the upstream's to write, and may quote a reply. The audit log has it.
    """
    if error.reason in _OWN_REASONS:
        return error
    code = error.error.code if error.error.code in _ERROR_CODES else None
    answered = "an error under HTTP 200" if error.reason == ANSWERED_200 else f"HTTP {error.status}"
    said = f"the upstream refused or failed ({answered}{', ' + code if code else ''}); the audit log says why"
    kinds = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
    kind = kinds.get(error.status, "upstream_error" if error.status >= 500 else "invalid_request_error")
    after = error.retry_after if error.retry_after is not None and error.retry_after.strip().isdecimal() else None
    made = ErrorObject(said, kind, None, code or error.reason)
    return WireError(error.status, made, retry_after=after, reason=error.reason)


def text_of(field: object) -> str | None:
    """A text, also one that came as typed parts; None where there is none."""
    if isinstance(field, str):
        return field
    if isinstance(field, list):
        texts = [part.get("text") for part in field if isinstance(part, dict) and part.get("type") == "text"]
        return "".join(text for text in texts if isinstance(text, str))
    return None


def _call(call: object, seed: str) -> Body | None:
    """A tool call with what may leave of it; None where its kind is not known, or it would leave as another."""
    if not isinstance(call, dict):
        return None
    kinds = [kind for kind in ("function", "custom") if call.get(kind) is not None]
    if len(kinds) != 1 or call.get("type") not in (None, "", *kinds):
        return None
    given, (kind,) = call.get("id"), kinds
    own = blake2b(seed.encode(), digest_size=8).hexdigest()[:_CALL_ID] if seed else given
    made = known_function(call[kind], "arguments" if kind == "function" else "input")
    return None if made is None else {"id": own, "type": kind, kind: made}


def known_function(function: object, argument: str = "arguments") -> Body | None:
    """The name of a function and its arguments; None where they are no texts, and so are not what a tool would get."""
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        return None
    text = function.get(argument)
    if text is not None and not isinstance(text, str):
        return None
    return {"name": function["name"], argument: text or ""}


def _call_texts(message: Mapping[str, Any]) -> list[str]:
    calls = [call.get("function") or call.get("custom") for call in message.get("tool_calls") or ()]
    if message.get("function_call"):
        calls.append(message["function_call"])
    return [readable(f"{call['name']}\n{call.get('arguments', call.get('input', ''))}") for call in calls]


def readable(text: str) -> str:
    """A text as it stands, and as a reader of JSON will have it where letters are written in escapes, inside JSON too.

    Texts are unescaped, not decoded: of a field that stands twice a tool may take either, and some mend broken JSON.
    """
    return "\n".join(_forms(text))


def unread_escapes(text: str) -> str | None:
    """Why not all of a text, or of one from `readable`, can be read: what its escapes hide, in words; None: nothing."""
    if _LETTER.search(_forms(text)[-1]) is None:
        return None
    return f"escapes of JSON inside JSON more than {_DEEPEST} deep"


def _forms(text: str) -> list[str]:
    """A text, what it reads as, what that reads as, and so on."""
    forms = [text]
    while len(forms) <= _DEEPEST and _LETTER.search(forms[-1]):
        plain = _ESCAPE.sub(_letter, forms[-1])
        forms.append(plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    return forms


def _letter(escape: re.Match[str]) -> str:
    code, sign = escape.groups()
    return chr(int(code, 16)) if code else _SIGNS.get(sign, sign)


def _logprobs(logprobs: object, message: Mapping[str, Any]) -> Body | None:
    """Log-probabilities of the very tokens that the audited text consists of. Alternatives are no audited text."""
    if not isinstance(logprobs, dict):
        return None
    kept: Body = {}
    for name in (CONTENT, REFUSAL):
        tokens = _tokens(logprobs.get(name), message.get(name) or "")
        if tokens:
            kept[name] = tokens
    return kept or None


def spelled(logprobs: object, message: Mapping[str, Any]) -> bool:
    """Whether all tokens with log-probabilities are those of a message's own texts. Alternatives are excused."""
    if not isinstance(logprobs, dict):
        return logprobs is None
    for name, tokens in logprobs.items():
        if not tokens:
            continue
        text = text_of(message.get(name)) if name in (CONTENT, REFUSAL) else None
        known = _tokens(tokens, text or "")
        if not known or not all(_says_its_bytes(token, one) for token, one in zip(tokens, known, strict=True)):
            return False
    return True


def _says_its_bytes(token: Mapping[str, Any], known: Body) -> bool:
    """Whether a token's text is that of its bytes, which may be half a character, and it says nothing more."""
    more = (one for name, one in token.items() if name not in ("token", "bytes", "top_logprobs"))
    if any(isinstance(one, str | list | dict) for one in more) or not _are_bytes(token.get("bytes")):
        return False
    if not _are_alternatives(token.get("top_logprobs")):
        return False
    said = token.get("token")
    if said in (None, known["token"]):
        return True
    if not isinstance(said, str) or "\ufffd" not in known["token"]:
        return False
    half = bytes(known["bytes"]).decode(errors="backslashreplace")  # as some upstreams write it
    whole = known["token"].replace("\ufffd", "")
    return said in (half, f"bytes:{half}") or said.replace("\ufffd", "") in ("", whole)


def _are_bytes(field: object) -> bool:
    return field is None or (isinstance(field, list) and all(type(one) is int for one in field))


def _are_alternatives(field: object) -> bool:
    """Whether alternatives to a token are just that, each a token with its bytes and a number."""
    if field is None:
        return True
    return isinstance(field, list) and all(
        isinstance(one, dict)
        and isinstance(one.get("token"), str)
        and _are_bytes(one.get("bytes"))
        and not any(isinstance(more, str | list | dict) for name, more in one.items() if name not in ("token", "bytes"))
        for one in field
    )


def _tokens(tokens: object, text: str) -> list[Body]:
    if not isinstance(tokens, list):
        return []
    pieces: list[tuple[bytes, float | None]] = []
    for token in tokens:
        if not isinstance(token, dict):
            return []
        piece, given = _token_bytes(token), token.get("logprob")
        logprob = _as_float(given)
        if piece is None or (logprob is None and given is not None):  # null is a number that is lost, and says nothing
            return []
        pieces.append((piece, logprob))
    if b"".join(piece for piece, _ in pieces) != text.encode(errors="surrogatepass"):
        return []
    return [
        {"token": piece.decode(errors="replace"), "logprob": logprob, "bytes": list(piece), "top_logprobs": []}
        for piece, logprob in pieces
    ]


def _as_float(number: object) -> float | None:
    """A number that is not beyond all range; JSON may write an integer of any length."""
    try:
        return float(number) if isinstance(number, int | float) else None
    except OverflowError:
        return None


def _token_bytes(token: Mapping[str, Any]) -> bytes | None:
    """A token's bytes: as they are given, since a token may be half a character, else those of its text."""
    given, text = token.get("bytes"), token.get("token")
    if isinstance(given, list):
        try:
            return bytes(given)
        except (TypeError, ValueError):
            return None
    return text.encode(errors="surrogatepass") if isinstance(text, str) else None


def _is_count(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 0
