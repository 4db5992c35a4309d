"""The OpenAI chat-completions protocol, as far as the gateway reads it: requests, error objects, completions.

Pure: bytes in, records and bytes out. What is streamed is `stream`'s business, sending and receiving `upstream`'s.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct

from akrasia.core import AkrasiaError
from akrasia.core.decoding import DEEPEST, TOO_DEEP, is_too_deep
from akrasia.gateway.credentials import Credentials
from akrasia.models.chat_faults import one_line, read_error, scrub

Body = dict[str, Any]
"""A JSON object of the protocol: fields that the gateway does not know stay in it."""


class ErrorObject(Struct, frozen=True):
    """OpenAI's error object; clients read `message`, `type`, `param` and `code`."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class WireError(AkrasiaError):
    """A request that is answered with an error object.

    Args:
        status: of the response.
        error: what the body says.
        retry_after: the Retry-After header, as text; None: none.
        body: the body in place of the error object, where the upstream's own is passed on.
        reason: a word for metrics; the error's code where not given.

    Attributes:
        headers: more of the response's headers, such as the audit's id; whoever raises or passes it on may add some.
    """

    def __init__(
        self,
        status: int,
        error: ErrorObject,
        *,
        retry_after: str | None = None,
        body: bytes | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(error.message)
        self.status = status
        self.error = error
        self.retry_after = retry_after
        self.headers: dict[str, str] = {}
        self.body = error_body(error) if body is None else body
        self.reason = reason or error.code or error.type


def error_body(error: ErrorObject) -> bytes:
    """``{"error": {message, type, param, code}}``."""
    return msgspec.json.encode({"error": error})


def refused(status: int, message: str, code: str, *, param: str | None = None) -> WireError:
    """An error that is the client's to mend: what is wrong, and in which field."""
    kind = {401: "authentication_error", 403: "permission_error", 404: "not_found_error"}
    return WireError(status, ErrorObject(message, kind.get(status, "invalid_request_error"), param, code))


def upstream_failed(status: int, message: str, code: str) -> WireError:
    """An error that the upstream caused: 502 where it answered wrongly or not at all, 504 where it was too slow."""
    return WireError(status, ErrorObject(message, "upstream_error", None, code))


def overloaded(message: str, retry_after_s: int) -> WireError:
    """Too many requests under way: 503, with the seconds after which to come again."""
    error = ErrorObject(message, "server_error", None, "overloaded")
    return WireError(503, error, retry_after=str(retry_after_s))


class ChatHead(Struct, frozen=True, gc=False):
    """The fields of a chat request that routing needs.

    Attributes:
        model: as the client wrote it, strategy included.
        stream: whether the answer is wanted as events.
    """

    model: str
    stream: bool | None = None


_HEAD = msgspec.json.Decoder(ChatHead)
_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_BODY = msgspec.json.Decoder(Body)


def read_object(text: bytes) -> Body:
    """A JSON object of the protocol.

    Raises:
        msgspec.DecodeError, UnicodeDecodeError: it is none, or is nested deeper than `DEEPEST`, where who looks inside
            level by level could not follow.
    """
    try:
        found: Body = _BODY.decode(text)
    except RecursionError:
        raise msgspec.DecodeError(TOO_DEEP) from None
    # Few have so many brackets at all, and to count them is quicker than to go inside.
    if text.count(b"[") + text.count(b"{") > DEEPEST and is_too_deep(found):
        raise msgspec.DecodeError(TOO_DEEP)
    return found


def read_head(body: bytes) -> ChatHead:
    """What routing needs of a request's body; the rest is not decoded.

    Raises:
        WireError: 400, when it is no JSON object with a model.
    """
    try:
        return _HEAD.decode(body)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at ")
        param = place.strip("`").removeprefix("$").removeprefix(".") or None
        if "missing required field `model`" in what:
            raise refused(400, "you must provide a model parameter", "missing_model", param="model") from None
        raise refused(400, f"the request cannot be read: {error}", "invalid_type", param=param) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _not_json(body, error) from None


def read_request(body: bytes) -> Body:
    """The whole request, for modes that must understand it.

    Raises:
        WireError: 400, when it is no JSON object or has no list of messages.
    """
    try:
        request = read_object(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _not_json(body, error) from None
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(one, dict) for one in messages):
        raise refused(400, "messages must be a list of messages, at least one", "invalid_type", param="messages")
    return request


def _not_json(body: bytes, error: Exception) -> WireError:
    if has_half_character(body):
        said = "the request holds half a character (a lone \\ud800 to \\udfff), which is no text: send whole ones"
        return refused(400, said, "invalid_json")
    if isinstance(error, msgspec.ValidationError) and "out of range" in str(error):
        said = "the request holds a number that is too large to be read (1e400, or more than 4,300 digits)"
        return refused(400, said, "invalid_json")
    return refused(400, f"the request's body is not JSON: {one_line(str(error))}", "invalid_json")


def has_half_character(body: bytes) -> bool:
    """Whether a body is JSON but for an escape of half a character, which stands for no text."""
    try:
        json.dumps(json.loads(body), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except (ValueError, RecursionError):
        return False
    return False


def with_model(body: bytes, model: str) -> bytes:
    """The request with another model's name, each other field as it was, and no field twice."""
    fields = _FIELDS.decode(body)
    fields["model"] = Raw(msgspec.json.encode(model))
    return msgspec.json.encode(fields)


def names_model_once(body: bytes) -> bool:
    """Whether every reader of the body finds the same model in it.

    JSON with a field twice is read by some from the first and by others from the last: a request could take one
    model's route and be answered by another. True is certain; False only says that it is not, as with a nested field.
    """
    # The letters of "model", written as escapes, all begin so.
    return body.count(b'"model"') == 1 and b"\\u006" not in body


Count = Annotated[int, Meta(ge=0, le=2**53)]
"""Of tokens."""


class TokenUsage(Struct, frozen=True, gc=False):
    """Tokens that a completion says it took; None where it does not say, or in no whole number."""

    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None


class CompletionTail(Struct, frozen=True, gc=False):
    """What the gateway reads of a completion that it passes on."""

    usage: TokenUsage | None = None
    error: Raw = Raw(b"")


class _Tail(Struct, frozen=True, gc=False):
    """The same, with a usage in whatever form: it is no reason to refuse a reply."""

    usage: Raw = Raw(b"null")
    error: Raw = Raw(b"")


_TAIL = msgspec.json.Decoder(CompletionTail)
_ODD_TAIL = msgspec.json.Decoder(_Tail)
_COUNT = msgspec.json.Decoder(Count)


def read_tail(body: bytes) -> CompletionTail | None:
    """Usage and error of a completion's body; None when it is no JSON object in whole UTF-8."""
    try:
        try:
            tail = _TAIL.decode(body)
        except msgspec.ValidationError:
            odd = _ODD_TAIL.decode(body)
            tail = CompletionTail(_counted(odd.usage), odd.error)
        if not body.isascii():
            body.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return tail


def _counted(usage: Raw) -> TokenUsage | None:
    try:
        fields = _FIELDS.decode(usage)
    except msgspec.DecodeError:
        return None
    return TokenUsage(*(_count(fields.get(name)) for name in ("prompt_tokens", "completion_tokens")))


def _count(field: Raw | None) -> int | None:
    try:
        return None if field is None else _COUNT.decode(field)
    except msgspec.DecodeError:
        return None


def streams(content_type: str) -> bool:
    """Whether an answer of this `Content-Type` is a stream of events; media types go by any case."""
    return content_type.lower().startswith("text/event-stream")


def unreadable(content_type: str, body: bytes) -> str:
    """What a body is of which `read_tail` makes nothing, in words."""
    if streams(content_type) or body.lstrip().startswith(b"data:"):
        return "a stream of events that it was not asked for"
    odd = "JSON that is nested too deeply, or has a number in it that is none"
    try:
        found = json.loads(body)
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "JSON in which half a character stands (a lone \\ud800 to \\udfff), which is no text"
    except RecursionError:
        return odd
    except ValueError:
        return "a body that is not whole JSON"
    return odd if isinstance(found, dict) else "JSON that is no object"


def read_completion(body: bytes) -> Body | None:
    """A whole completion; None when the body is no JSON object with choices, or is nested too deeply."""
    try:
        completion = read_object(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return completion if isinstance(completion.get("choices"), list) else None


def indexes_of(choices: Sequence[Body]) -> list[int]:
    """The index of each choice; its place where the upstream does not number them, each once, from 0 on."""
    found = [choice.get("index") for choice in choices]
    indexes = [index for index in found if type(index) is int and index >= 0]
    return indexes if len(set(indexes)) == len(found) else list(range(len(found)))


_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


_WAIT = re.compile(  # shorter than any key, or as HTTP writes dates
    r"[0-9]{1,7}(\.[0-9]{1,3})?"
    r"|(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [0-9]{4}"
    r" [0-9]{2}:[0-9]{2}:[0-9]{2} GMT"
)

ANSWERED_200 = "upstream_200"
"""Reason of an error that the upstream sent under status 200: clients get it under 502."""


def upstream_error(status: int, headers: Mapping[str, str], body: bytes, key: str | None) -> WireError:
    """The upstream's refusal as the client gets it: its status, its error object where it sent one, and Retry-After.

    Whatever else it sent (a web page, another shape of error) becomes an error object. The upstream's key is blotted
    out of it. Of Retry-After passes what it may be: a number of seconds, or a date. An error under status 200 becomes
    502.
    """
    reason, status = f"upstream_{status}", 502 if status == 200 else status
    retry_after = headers.get("Retry-After")
    if retry_after is not None and _WAIT.fullmatch(retry_after) is None:
        retry_after = None
    body = Credentials(key).out_of_json(body)
    text = scrub(body.decode("utf-8", "surrogateescape"), key).encode("utf-8", "surrogateescape")
    own = _own_error(text)
    if own is not None:
        return WireError(status, own, retry_after=retry_after, body=text, reason=reason)
    page = "html" in headers.get("Content-Type", "") or body.lstrip()[:1] == b"<"
    said = "a web page, not an API's answer" if page else read_error(body, key).message or "nothing more"
    kind = _TYPES.get(status, "upstream_error" if status >= 500 else "invalid_request_error")
    answered = "an error under HTTP 200" if reason == ANSWERED_200 else f"HTTP {status}"
    error = ErrorObject(f"the upstream answered {answered}: {said}", kind, None, None)
    return WireError(status, error, retry_after=retry_after, reason=reason)


def _own_error(body: bytes) -> ErrorObject | None:
    """The error object in a body that clients can read as it is."""
    try:
        error = msgspec.json.decode(body.decode()).get("error")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, AttributeError):
        return None
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return None
    code, param = error.get("code"), error.get("param")
    return ErrorObject(
        error["message"], str(error.get("type") or "upstream_error"), str(param) if param else None, str(code or "")
    )
