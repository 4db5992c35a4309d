"""Kept connections to one endpoint, without the layers of a general HTTP client, which cost more than all the rest.

The bytes are parsed by aiohttp's own parser, in aiohttp's own connection class, over sockets that its own dependency
connects; what is done without is cookies, redirects, proxies, request hooks, and URLs that change from call to call.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Protocol

import aiohttp
from aiohappyeyeballs import AddrInfoType, start_connection
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDictProxy
from yarl import URL

KEPT_S = {"http": 4.0, "https": 30.0}
"""How long an unused connection is kept: less than the five seconds after which the usual local servers close theirs,
and the minute after which the usual entrances of providers do."""

_RESOLVED_S = 300.0
_NEXT_ADDRESS_S = 0.25  # RFC 8305: how long one of a host's addresses is tried before the next joins in
_ONE_WRITE = 2**16
_UNSENDABLE = ("\r", "\n", "\0")


class Unreachable(aiohttp.ClientConnectionError):
    """No connection came about; its cause says why."""


class NotHttp(aiohttp.ClientPayloadError):
    """What came back is not HTTP."""


class Answer(Protocol):
    """An upstream's answer whose head has come; `aiohttp.ClientResponse` is one, too."""

    @property
    def status(self) -> int:
        """Of the response."""
        ...

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """Of the response."""
        ...

    @property
    def content(self) -> aiohttp.StreamReader:
        """The body as it comes."""
        ...

    async def read(self) -> bytes:
        """The rest of the body."""
        ...

    def release(self) -> object:
        """Done with it: the connection is kept where the body came whole, else closed."""
        ...


class _Received:
    """See `Answer`."""

    __slots__ = ("_handler", "_keep", "content", "headers", "status")

    def __init__(
        self,
        keep: Connections,
        handler: ResponseHandler,
        status: int,
        headers: CIMultiDictProxy[str],
        content: aiohttp.StreamReader,
    ) -> None:
        self._keep = keep
        self._handler: ResponseHandler | None = handler
        self.status = status
        self.headers = headers
        self.content = content

    async def read(self) -> bytes:
        return await self.content.read()

    def release(self) -> None:
        handler, self._handler = self._handler, None
        if handler is not None:
            self._keep.put_back(handler)


class Connections:
    """Connections to one address, which POST to one resource.

    Args:
        url: the resource.
        headers: sent with every request.
        connect_s: how long connecting may take.
        stall_s: how long the other side may stay silent; None: as long as the caller waits.

    Attributes:
        connect_s: as given; may be changed for what is yet to be connected.
    """

    def __init__(self, url: URL, headers: Mapping[str, str], connect_s: float, stall_s: float | None = None) -> None:
        self._host, self._port = url.raw_host or "", url.port or 80
        self.connect_s = connect_s
        self._stall_s = stall_s
        fields = {"Host": url.host_port_subcomponent or "", **headers}
        self._head = f"POST {url.raw_path_qs} HTTP/1.1\r\n{_fields(fields)}"
        self._kept_s = KEPT_S[url.scheme]
        self._tls = _verifying() if url.scheme == "https" else None
        self._addresses: asyncio.Task[Sequence[AddrInfoType]] | None = None
        self._looked_up = 0.0
        self._unused: list[tuple[float, ResponseHandler]] = []
        self._sweeping: asyncio.TimerHandle | None = None

    async def post(self, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a request; the answer's body is still to be read.

        Raises:
            Unreachable, NotHttp, aiohttp.ClientError, TimeoutError, OSError: no head of an answer came.
        """
        handler = self._take()
        if handler is None:
            handler = await self._connected()
        try:
            head = f"{self._head}{_fields(headers) if headers else ''}Content-Length: {len(body)}\r\n\r\n"
            handler.set_response_params(read_until_eof=True, read_timeout=self._stall_s)
            handler.start_timeout()
            self._write(handler, head.encode("utf-8", "surrogateescape"), body)
            while True:
                message, content = await handler.read()
                if message.code >= 200:  # the others only announce one
                    break
        except HttpProcessingError as error:
            handler.close()
            raise NotHttp(error.message) from None
        except BaseException:
            handler.close()
            raise
        return _Received(self, handler, message.code, message.headers, content)

    def put_back(self, handler: ResponseHandler) -> None:
        """Keep a connection for the next request where nothing is left in it, else close it."""
        if handler.should_close or not handler.is_connected():
            handler.close()
            return
        self._unused.append((monotonic(), handler))
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(self._kept_s, self._sweep)

    async def close(self) -> None:
        """Close what is unused."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        for _, handler in self._unused:
            handler.close()
        self._unused.clear()
        await asyncio.sleep(0)  # the transports' own end

    def _take(self) -> ResponseHandler | None:
        oldest = monotonic() - self._kept_s
        while self._unused:
            since, handler = self._unused.pop()
            if since > oldest and handler.is_connected() and not handler.should_close:
                return handler
            handler.close()
        return None

    def _sweep(self) -> None:
        oldest = monotonic() - self._kept_s
        for since, handler in self._unused:
            if since <= oldest:
                handler.close()
        self._unused = [(since, handler) for since, handler in self._unused if since > oldest]
        later = asyncio.get_running_loop().call_later
        self._sweeping = later(self._kept_s, self._sweep) if self._unused else None

    async def _connected(self) -> ResponseHandler:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.connect_s):
                addresses = await self._resolved()
                one = await start_connection(addresses, happy_eyeballs_delay=_NEXT_ADDRESS_S, interleave=1)
                _, handler = await loop.create_connection(
                    lambda: ResponseHandler(loop),
                    sock=one,
                    ssl=self._tls,
                    server_hostname=self._host if self._tls else None,
                )
        except TimeoutError as error:
            raise Unreachable(f"no connection within {self.connect_s:g} s") from error
        except OSError as error:
            raise Unreachable(str(error)) from error
        return handler

    async def _resolved(self) -> Sequence[AddrInfoType]:
        """The host's addresses, looked up once for all who connect at the same time."""
        looking = self._addresses
        if looking is None or monotonic() - self._looked_up > _RESOLVED_S or _failed(looking):
            looking = self._addresses = asyncio.create_task(self._look_up())
            self._looked_up = monotonic()
        return await asyncio.shield(looking)

    async def _look_up(self) -> Sequence[AddrInfoType]:
        loop = asyncio.get_running_loop()
        return await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)

    @staticmethod
    def _write(handler: ResponseHandler, head: bytes, body: bytes) -> None:
        transport = handler.transport
        if transport is None:
            raise aiohttp.ServerDisconnectedError
        if len(body) < _ONE_WRITE:
            transport.write(head + body)
        else:
            transport.write(head)
            transport.write(body)


def _fields(headers: Mapping[str, str]) -> str:
    """Header lines. A value that would end its line early is left out: it could begin another request."""
    lines = [f"{name}: {value}\r\n" for name, value in headers.items() if not any(c in value for c in _UNSENDABLE)]
    return "".join(lines)


def _verifying() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _failed(looking: asyncio.Task[Sequence[AddrInfoType]]) -> bool:
    return looking.done() and (looking.cancelled() or looking.exception() is not None)
