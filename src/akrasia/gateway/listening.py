"""Connections: the HTTP server around a `Gateway`, without the layers of a web framework.

Errors that HTTP itself brings (a broken head, too many headers) leave as error objects like all others.
"""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING, Any

from aiohttp import web

from akrasia.core import InputError
from akrasia.gateway.broken_head import LINE_BYTES, broken_head
from akrasia.gateway.policy import Limits
from akrasia.gateway.sending import error_response

if TYPE_CHECKING:
    from akrasia.gateway.server import Gateway

_LINGER_S = 2.0
_LAST_WORDS_S = 5.0
"""Seconds that requests which are cut off have for their error and their line in the log."""
_HURRIED_S = 0.7
"""Seconds that clients have to take their error when the operator waits for nothing more; then connections are cut."""

_BACKLOG = 1024


class _Connection(web.RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,  # noqa: ARG002 - the library's signature
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """An error of HTTP itself, before there was a request to hand over; the connection ends with it."""
        if request.writer.output_size:
            raise ConnectionResetError("an answer had begun")
        server = self._manager
        limits = server.limits if isinstance(server, _Server) else Limits()
        response = error_response(broken_head(exc, message, limits))
        response.force_close()
        return response

    def log_exception(self, *args: Any, **how: Any) -> None:
        """A body that is not what its headers say is its sender's fault, and anybody can send one: it is no notice."""
        if not isinstance(how.get("exc_info"), web.RequestPayloadError):
            super().log_exception(*args, **how)


class _Server(web.Server):
    def __init__(self, gateway: Gateway, **settings: Any) -> None:
        super().__init__(gateway.handle, request_factory=self._request, handler_cancellation=True, **settings)
        self._gateway = gateway
        self._settings = settings
        self.limits = gateway.limits

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, **self._settings)

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self._gateway.metrics.connections.add()
        if len(self.connections) > self._gateway.limits.connections:
            self._gateway.metrics.failures.add("too_many_connections")
            transport.abort()

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        self._gateway.metrics.connections.add(by=-1)
        super().connection_lost(handler, exc)

    def _request(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        most = self._gateway.limits.body_bytes
        return web.BaseRequest(message, payload, protocol, writer, task, self._loop, client_max_size=most)


class Listening:
    """A gateway on an address.

    Args:
        gateway: opened and closed here.
        host: the address.
        port: 0 takes a free one.

    Attributes:
        port: the one that it listens on.
    """

    def __init__(self, gateway: Gateway, host: str = "127.0.0.1", port: int = 0) -> None:
        self._gateway = gateway
        self._host = host
        self.port = port
        self._drain_s = 0.0
        self._runner: web.ServerRunner | None = None

    @property
    def url(self) -> str:
        """Where clients find the API, with /v1."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}/v1"

    async def __aenter__(self) -> Listening:
        limits = self._gateway.limits
        self._drain_s = limits.drain_s
        await self._gateway.open()
        try:
            server = _Server(
                self._gateway,
                keepalive_timeout=limits.idle_s,
                lingering_time=_LINGER_S,
                max_headers=limits.header_count,
                max_field_size=limits.header_bytes,
                max_line_size=LINE_BYTES,
                access_log=None,
                logger=_told_by(self._gateway),
            )
            self._runner = web.ServerRunner(server, shutdown_timeout=limits.drain_s + _LAST_WORDS_S)
            await self._runner.setup()
            await web.TCPSite(self._runner, self._host, self.port, backlog=_BACKLOG).start()
        except OSError as error:
            await self._gateway.close()
            said = os.strerror(error.errno).lower() if error.errno else str(error)
            raise InputError(
                f"cannot listen on {self._host} port {self.port} ({said}): choose another with --host or --port"
            ) from None
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Accept nothing more, let what is under way end for as long as `drain_s`, cut off the rest, and close.

        Whoever is cancelled in here hurries: clients and log are told all the same.
        """
        closing = asyncio.create_task(self._close())
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError:
            self._gateway.hurry()
            await closing
            raise

    async def _close(self) -> None:
        self._gateway.stopping = True
        end = asyncio.get_running_loop().call_later(self._drain_s, self._gateway.cut_short)
        hurrying = asyncio.create_task(self._cut_connections())
        try:
            if self._runner is not None:
                await self._runner.cleanup()
            await self._gateway.close()
        finally:
            end.cancel()
            hurrying.cancel()

    async def _cut_connections(self) -> None:
        """When nobody waits any more, cut the clients that do not take their last words."""
        await self._gateway.hurried.wait()
        await asyncio.sleep(_HURRIED_S)
        server = None if self._runner is None else self._runner.server
        for connection in [] if server is None else server.connections:
            if connection.transport is not None:
                connection.transport.abort()


def _told_by(gateway: Gateway) -> logging.Logger:
    """A logger for the HTTP library: a line for the operator, never a trace that may quote a request."""

    class Told(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else "no exception"
            gateway.notice(f"the HTTP server: {record.msg} ({kind})")

    logger = logging.Logger("akrasia.gateway", level=logging.ERROR)
    logger.addHandler(Told())
    return logger
