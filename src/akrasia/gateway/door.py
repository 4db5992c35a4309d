"""Who may come in, with what: Host and API key, method and content type, the size of a body, and the body itself."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

from aiohttp import web

from akrasia.gateway.keys import Keys
from akrasia.gateway.policy import Limits
from akrasia.gateway.sending import cut
from akrasia.gateway.wire import refused

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine alone; a name that is not "localhost" is not."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Door:
    """The checks before a request is routed.

    Args:
        host: the address that the server listens on.
        keys: those that are let in; None: everybody.
    """

    def __init__(self, host: str, keys: Keys | None) -> None:
        self.keys = keys
        self._hosts = _LOOPBACK_NAMES | {host, f"[{host}]"} if is_loopback(host) else None

    def check(self, request: web.BaseRequest, *, free: bool = False) -> None:
        """Let a request in, or not.

        A browser that was led to a name which now means this machine (DNS rebinding) still sends that name as Host.

        Args:
            request: any.
            free: it needs no key.

        Raises:
            WireError: 403 for a foreign Host on loopback, 401 without a key that is known.
        """
        if self._hosts is not None:
            host = request.headers.get("Host", "")
            if host not in self._hosts and _without_port(host).lower() not in self._hosts:
                raise refused(403, "this gateway answers to localhost only: use that name", "host_not_allowed")
        if self.keys is not None and not free:
            scheme, _, key = request.headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not self.keys.accepts(key.strip()):
                raise refused(401, "no valid API key: send one of this gateway's as a bearer token", "invalid_api_key")


async def read_body(request: web.BaseRequest, limits: Limits) -> bytes:
    """The JSON body of a request.

    Raises:
        WireError: 415 for another type (which a web page could send unasked), 413 when it is too large, 408 when it
            does not arrive in time.
        ClientGone: the client left meanwhile.
    """
    if request.content_type != "application/json":
        raise refused(415, "send the request as application/json", "unsupported_media_type")
    if (request.content_length or 0) > limits.body_bytes:
        raise _too_large(limits)
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    try:
        if request.content.is_eof():
            return await request.read()  # all of it came with the head
        async with asyncio.timeout(limits.read_s):
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise _too_large(limits) from None
    except TimeoutError:
        raise refused(408, f"the body did not arrive within {limits.read_s:g} s", "request_timeout") from None
    except web.RequestPayloadError:
        raise refused(400, "the body is not encoded as its headers say", "invalid_body") from None
    except ConnectionError:
        raise cut(request) from None


def _too_large(limits: Limits) -> Exception:
    return refused(413, f"the body is larger than {limits.body_bytes} bytes", "request_too_large")


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() else host
