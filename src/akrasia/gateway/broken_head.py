"""What a client is told whose request is no HTTP that can be read, or is larger than the limits: what, and which limit.

Nothing of what the client sent is quoted.
"""

from __future__ import annotations

import re

from aiohttp.http_exceptions import ContentEncodingError, LineTooLong, TransferEncodingError

from akrasia.gateway.policy import Limits
from akrasia.gateway.wire import WireError, refused

LINE_BYTES = 8 * 2**10
"""Of a request's first line, so of its URL."""

_NUMBER = re.compile(r"more than (\d+) bytes")


def broken_head(error: BaseException | None, message: str | None, limits: Limits) -> WireError:
    """The error for a request that could not be read.

    Args:
        error: the HTTP library's.
        message: its words.
        limits: that the connection was opened with.
    """
    said = (message or "").split("\n")[0].rstrip(" :.")
    if isinstance(error, LineTooLong):
        return _too_long(said, limits)
    if said.startswith("Too many headers"):
        text = f"the request has more than {limits.header_count} headers, the most that are taken (header_count)"
        return refused(431, text, "invalid_http")
    if isinstance(error, ContentEncodingError):
        text = "the body's Content-Encoding is not taken here: send it as it is, or as gzip or deflate"
        return refused(415, text, "unsupported_media_type")
    if isinstance(error, TransferEncodingError) or "chunk" in said.lower():
        return refused(400, "the body's chunks cannot be read: they are not what RFC 9112 says", "invalid_http")
    if "HTTPS" in said:
        return refused(
            400, "this port speaks plain HTTP, and TLS came: write http:// in place of https://", "invalid_http"
        )
    # The library's words name the header at most; those that quote what came are left out.
    why = f" ({said[0].lower()}{said[1:]})" if said and "'" not in said.replace("'Host'", "") else ""
    return refused(400, f"the request's head cannot be read{why}: send plain HTTP/1.1", "invalid_http")


def _too_long(said: str, limits: Limits) -> WireError:
    found = _NUMBER.search(said)
    most = int(found[1]) if found else 0
    if most == LINE_BYTES != limits.header_bytes:
        return refused(414, f"the URL has more than {LINE_BYTES} bytes, the most that is taken", "invalid_http")
    text = f"a header field has more than {limits.header_bytes} bytes, the most that is taken (header_bytes)"
    return refused(431, text, "invalid_http")
