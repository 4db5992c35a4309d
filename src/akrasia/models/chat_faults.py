"""What an answer that is no completion means: try again, wait, change the call's form, or give up, and on what.

Pure: it reads a status, headers and a body. Acting on the fault is `openai`'s business.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any

import msgspec
from msgspec import Struct

from akrasia.core.decoding import Undecodable, decode_json
from akrasia.models.chat_request import Dialect, Wire

_SHOWN = 300
_RETRIED = frozenset({408, 409, 425})
_QUOTA_CODES = frozenset(
    {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "quota_exceeded", "insufficient_credits"}
    | {"insufficient_balance", "insufficient_funds", "payment_required"}
)
_QUOTA_WORDS = re.compile(r"\b(quota|credits?|billing|balance|payment)\b", re.IGNORECASE)
_RATE_WORDS = re.compile(
    r"rate.?limit|too many requests|per (second|minute|hour|day)|try again|retry (in|after)", re.IGNORECASE
)
_CONTENT_WORDS = re.compile(r"content.?(policy|filter|management)|moderation|flagged|safety", re.IGNORECASE)
_UNKNOWN_MODEL = re.compile(
    r"model.{0,120}?(not found|does ?n.t exist|does not exist|not a valid|unknown|not available)|"
    r"(unknown|no such|invalid) model|not a valid model",
    re.IGNORECASE | re.DOTALL,
)
_N_REFUSED = re.compile(
    r"\bn\b['\"`]?\s*(must|should|is|was|:|=|>|value|parameter)|(param\w*|field|'|\")\s*['\"`]?n\b['\"`]|"
    r"one completion choice|multiple (choices|completions)|number of choices|candidate.?count",
    re.IGNORECASE,
)
_SEED_REFUSED = re.compile(
    r"['\"`]seed['\"`]|\bseed\b.{0,40}(support|unknown|recogni|permitted|forbidden)|"
    r"(unsupported|unknown|unrecogni[sz]ed|extra)\b.{0,40}\bseed\b",
    re.IGNORECASE,
)
_N_ALLOWED = re.compile(
    r"(?:<=|≤|at most|less than or equal to|maximum(?: value)?(?: of| is)?|up to|between 1 and)\s*(\d+)", re.IGNORECASE
)


class Kind(Enum):
    """What to do about a fault."""

    RETRY = "try again after a while"
    RATE_LIMITED = "try again when the endpoint lets us"
    REFORM = "try again in the dialect that the endpoint now revealed"
    REFUSED = "this request will never be answered"
    UNREADABLE = "this answer came whole and cannot be read, and it would not be another time"
    MISUSE = "no request will ever be answered"
    UNKNOWN_MODEL = "no request will ever be answered, and the names it knows would help"
    UNAUTHORISED = "no request will ever be answered with this key"
    QUOTA = "nothing will be answered until somebody pays"


class Fault(Struct, frozen=True):
    """Why a call brought no completion.

    Attributes:
        kind: what to do.
        message: one line for the user, without the key.
        pause_s: how long the endpoint asked to be left alone; None: it did not say.
        overload: it is a sign of too many calls at once.
        unreachable: nothing answered at all.
    """

    kind: Kind
    message: str
    pause_s: float | None = None
    overload: bool = False
    unreachable: bool = False


SHORTEST_SECRET = 12
"""No provider's key is shorter; what is shorter is a placeholder that a local server ignores."""


class ServerError(Struct, frozen=True):
    """What a server said about an error: `code` and `param` are lower case, "" where it did not say."""

    message: str
    code: str = ""
    param: str = ""
    status: int | None = None


def scrub(text: str, key: str | None) -> str:
    """The text with the key, and any masked form of it that keeps its first letters, blotted out."""
    if not key:
        return text
    text = text.replace(key, "***")
    if len(key) >= SHORTEST_SECRET:
        text = re.sub(re.escape(key[:7]) + r"[\w*.…-]*", "***", text)
    return text


def one_line(text: str, key: str | None = None) -> str:
    """Server text that is fit for an error message: scrubbed, on one line, at most 300 characters."""
    line = " ".join(scrub(text, key).split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"


def read_error(body: bytes, key: str | None = None) -> ServerError:
    """The error in a body, in whichever of the usual shapes it comes."""
    try:
        decoded: Any = decode_json(body, Any)
    except Undecodable:
        return ServerError(one_line(body.decode("utf-8", "replace"), key))
    if isinstance(decoded, list) and decoded:
        decoded = decoded[0]
    outer = decoded if isinstance(decoded, dict) else {"message": decoded}
    inner = outer.get("error", outer)
    if not isinstance(inner, dict):
        inner = {"message": inner}
    said = inner.get("message") or inner.get("detail") or outer.get("message") or outer.get("detail") or inner
    message = said if isinstance(said, str) else msgspec.json.encode(said).decode()
    code = inner.get("code")
    words = [str(w).lower() for w in (code, inner.get("type"), inner.get("status")) if isinstance(w, str)]
    status = code if isinstance(code, int) and not isinstance(code, bool) else None
    return ServerError(one_line(message, key), " ".join(words), str(inner.get("param") or "").lower(), status)


def retry_after_s(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds that the headers ask to wait: `retry-after-ms`, or `Retry-After` as seconds or as an HTTP date."""
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        text = headers.get("Retry-After")
        if text is None:
            return None
        if text.strip().replace(".", "", 1).isdigit():
            return float(text)
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - (now or datetime.now(UTC))).total_seconds())


def looks_like_html(content_type: str, body: bytes) -> bool:
    """Whether a web page came where JSON was due."""
    return "html" in content_type or body.lstrip()[:1] == b"<"


_BEYOND = re.compile(r"out of range")


def out_of_range(error: Exception) -> bool:
    """Whether an answer had the right shape up to a number that is too large."""
    return isinstance(error, msgspec.ValidationError) and _BEYOND.search(str(error)) is not None


def unreadable(body: bytes, error: Exception) -> str | None:
    """Why JSON that came whole is not to be read, so that asking again would not help; None where it came broken.

    Args:
        body: what came.
        error: what decoding it raised.
    """
    if out_of_range(error):
        return "it holds a number that is out of range"
    try:
        decoded = json.loads(body.decode(errors="replace"))
        body.decode()
        json.dumps(decoded, ensure_ascii=False).encode()
    except RecursionError:
        return "it is nested too deeply"
    except UnicodeDecodeError:
        return "it holds bytes that are not UTF-8"
    except UnicodeEncodeError:
        return "it holds half a surrogate pair, which is no character"
    except ValueError:
        return None
    return "it holds a number that JSON does not have"


def classify(status: int, headers: Mapping[str, str], body: bytes, key: str | None = None) -> Fault:
    """What an answer with an error status means. `REFORM` is decided apart, by `reform`."""
    page = looks_like_html(headers.get("Content-Type", ""), body)
    error = ServerError("a web page") if page else read_error(body, key)
    said = f"HTTP {status}: {error.message}" if error.message else f"HTTP {status}"
    pause_s = retry_after_s(headers)
    if status in (402, 403, 429) and _is_quota(status, error, pause_s):
        return Fault(Kind.QUOTA, said)
    if status == 429:
        return Fault(Kind.RATE_LIMITED, said, pause_s, overload=True)
    if status in _RETRIED or status >= 500:
        return Fault(Kind.RETRY, said, pause_s, overload=status in (503, 529))
    if status == 401 or (status == 403 and not _CONTENT_WORDS.search(error.message)):
        return Fault(Kind.UNAUTHORISED, said)
    if "model_not_found" in error.code or (status in (400, 404) and _UNKNOWN_MODEL.search(error.message)):
        return Fault(Kind.UNKNOWN_MODEL, said)
    if status in (404, 405) or status < 400:
        return Fault(Kind.MISUSE, f"{said} (no chat completions at this address: does the URL include /v1?)")
    return Fault(Kind.REFUSED, said)


def _is_quota(status: int, error: ServerError, pause_s: float | None) -> bool:
    if status == 402 or any(code in _QUOTA_CODES for code in error.code.split()):
        return True
    # Some endpoints word a plain rate limit as an exceeded quota: a wait that they name, or a period, tells it apart.
    return bool(pause_s is None and _QUOTA_WORDS.search(error.message) and not _RATE_WORDS.search(error.message))


def reform(body: bytes, wire: Wire, dialect: Dialect) -> bool:
    """Whether a 400 or 422 reveals a dialect in which the call should be tried again; narrows `dialect` accordingly.

    Calls already under way in the old dialect fail the same way after it has changed: they are tried again too.
    """
    error = read_error(body)
    text = error.message
    if wire.old_max_tokens and "max_completion_tokens" in text:
        dialect.old_max_tokens = False
    elif wire.seed and (error.param == "seed" or _SEED_REFUSED.search(text)):
        dialect.seed = False
    elif wire.n > 1 and (error.param == "n" or _N_REFUSED.search(text)):
        found = _N_ALLOWED.search(text)
        allowed = int(found[1]) if found else 1
        dialect.choices = min(dialect.choices, allowed if 1 <= allowed < wire.n else 1)
    else:
        return wire.n > dialect.choices
    return True
