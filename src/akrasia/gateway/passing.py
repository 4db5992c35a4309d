"""Mode `pass`: what the upstream sends is passed on as it comes, and nothing is audited.

Bytes are checked, not changed: a client never gets half a character, half an event or a web page for a completion.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

from akrasia.gateway.exchange import Clock, Exchange, ended, too_late
from akrasia.gateway.finish import cut_short, says_end
from akrasia.gateway.own_names import events_without
from akrasia.gateway.sending import begin, send, send_whole
from akrasia.gateway.stream import DONE_DATA, EventSplitter, error_event, payloads, whole_events
from akrasia.gateway.upstream import transport_error
from akrasia.gateway.wire import WireError, read_tail, streams, upstream_failed
from akrasia.models.connections import Answer

if TYPE_CHECKING:
    from akrasia.gateway.policy import Policies
    from akrasia.gateway.server import Gateway

_LAST_S = 0.2
"""How long an upstream may take from its last event to its response's end, for its connection to be kept."""


NOTHING_LOGGED = (
    "nothing will be logged: the policy has mode pass alone, which audits nothing; write mode observe, annotate "
    "or enforce"
)
NO_MODE = (
    "nothing is audited, and nothing will be logged: the policy gives no mode, so pass applies; write mode observe, "
    "annotate or enforce, or pass if that is meant"
)


class Pass:
    """See `akrasia.gateway.exchange.Mode`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def open(self, policies: Policies) -> None:
        """What strategies need is opened; an operator who waits for a log that stays empty is told.

        Raises:
            InputError: a judge cannot work.
        """
        if any(policy.mode == "pass" and policy.strategies != ("direct",) for policy in policies.all):
            from akrasia.gateway.audits import audits_of  # a gateway that only passes on loads no judges

            await audits_of(self._gateway).open(policies)
        if self._gateway.log is not None and all(policy.mode == "pass" for policy in policies.all):
            self._gateway.notice(NOTHING_LOGGED if policies.mode_given else NO_MODE)

    async def close(self) -> None:
        """Nothing goes on after an answer."""

    async def answer(self, exchange: Exchange) -> web.StreamResponse:
        """Pass the request on, and the answer back."""
        if exchange.strategy != "direct":
            return await self._deliberate(exchange)
        gateway = self._gateway
        upstream = gateway.upstream
        async with Clock(exchange) as clock:
            response = await upstream.post(exchange.body, exchange.headers(), exchange.query)
            try:
                if streams(response.headers.get("Content-Type", "")):
                    return await Relay(exchange, response, clock).run()
                body = await upstream.whole(response)
            finally:
                response.release()
        exchange.usage = upstream.check(response, body)
        return await send_whole(exchange.request, body, upstream.returned(response), gateway.limits.write_s)

    async def _deliberate(self, exchange: Exchange) -> web.StreamResponse:
        from akrasia.gateway.deliberate import deliberated, total_headers
        from akrasia.gateway.giving import give

        deployed, audit = await deliberated(exchange)
        return await give(exchange, deployed.completion, total_headers(deployed.totals(exchange, audit)))


class Relay:
    """Passes a stream of events on, whole event by whole event.

    Nothing is sent before the first event is there, so that an upstream that fails before it gets a status of its own.
    After that an error becomes an event of the stream, which then ends without ``[DONE]``.

    Args:
        exchange: the request.
        response: the upstream's, not read yet.
        clock: runs already; with the first event the upstream's stage is over, and the request's own time counts.
    """

    def __init__(self, exchange: Exchange, response: Answer, clock: Clock) -> None:
        self._exchange = exchange
        self._upstream = exchange.gateway.upstream
        self._seams = self._upstream.seams()
        self._response = response
        self._clock = clock
        self._write_s = exchange.gateway.limits.write_s
        self._done = False
        self._ended = False
        self._out: web.StreamResponse | None = None

    async def run(self) -> web.StreamResponse:
        """Relay to the end.

        Raises:
            WireError: it failed before the first event.
            ClientGone: the client left, or accepts nothing.
        """
        try:
            await self._relay()
        except WireError as error:
            return await self._broken(error)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return await self._broken(transport_error(error))
        except asyncio.CancelledError:
            gateway = self._exchange.gateway
            if self._out is None or not (self._clock.over or gateway.cut):
                raise  # the client left, or nothing was sent yet: then whoever cancelled says what counts
            return await self._broken(too_late(self._exchange) if self._clock.over else ended(gateway))
        out = self._out or await self._begin()
        await send(out, b"", self._write_s, last=True)
        await self._read_out()
        return out

    async def _read_out(self) -> None:
        """Let the upstream end its response, so that its connection can be kept: the client has all of it already."""
        content = self._response.content
        # Cancelled: the client left, or a deadline passed. Its answer is whole all the same.
        with suppress(aiohttp.ClientError, TimeoutError, OSError, asyncio.CancelledError):
            async with asyncio.timeout(_LAST_S):
                while not content.is_eof():
                    await content.readany()

    async def _relay(self) -> None:
        splitter = EventSplitter()
        async for chunk in self._response.content.iter_any():
            try:
                events = splitter.feed(chunk)
            except ValueError as error:
                raise upstream_failed(502, f"the upstream sent {error}", "upstream_invalid") from None
            events = events_without(events)
            if events:
                await self._pass_on(self._seams.feed(events))
            if self._done:
                return  # an upstream that keeps its response open keeps nobody waiting
        last = events_without(splitter.end())
        if last:
            await self._pass_on(self._seams.feed(last))
        await self._flush()
        if not (self._done or self._ended):
            raise cut_short()

    async def _flush(self) -> None:
        """Pass on what still waits for more."""
        rest = self._seams.end()
        if rest:
            await self._pass_on(rest)

    async def _pass_on(self, events: bytes) -> None:
        try:
            self._check(events)
        except WireError:
            for event in whole_events(events):  # what came before the bad one is the client's
                self._check(event)
                await self._send(event)
            raise
        await self._send(events)

    async def _send(self, events: bytes) -> None:
        out = self._out or await self._begin()
        await send(out, events, self._write_s)

    @property
    def _answered(self) -> bool:
        """Whether the client has its answer to the end."""
        return self._done

    async def _begin(self) -> web.StreamResponse:
        self._clock.upstream_began()
        headers = self._upstream.returned(self._response)
        self._out = await begin(self._exchange, headers, together=True)
        return self._out

    def _check(self, events: bytes) -> None:
        self._ended = self._ended or says_end(events)
        for data in payloads(events):
            if data == DONE_DATA:
                self._done = True
                continue
            tail = read_tail(data)
            if tail is None:
                raise upstream_failed(502, "the upstream sent an event that is not JSON", "upstream_invalid")
            if tail.usage is not None:
                self._exchange.usage = (tail.usage.prompt_tokens, tail.usage.completion_tokens)

    async def _broken(self, error: WireError) -> web.StreamResponse:
        if self._out is None:
            raise error
        self._exchange.failure = error.reason
        if not self._answered:  # what breaks after the end is nothing to the client
            await self._flush()
            await send(self._out, error_event(error.error), self._write_s)
        await send(self._out, b"", self._write_s, last=True)
        return self._out
