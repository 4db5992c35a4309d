"""Mode `annotate`: the reply passes as in mode `pass`, and the verdict on it comes with it.

The client gets the audit's id as a header, and the verdict as a comment of the stream before ``[DONE]`` or as the field
`akrasia` of the body. Its end waits for the audit; nothing is withheld for good. A client that leaves before gets no
verdict, and what it had is audited all the same.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web
from msgspec import Raw

from akrasia.core import StoreFailed
from akrasia.gateway.audits import ExchangeAudit, audits_of
from akrasia.gateway.deliberate import total_headers
from akrasia.gateway.exchange import Clock, Exchange
from akrasia.gateway.giving import give
from akrasia.gateway.keeping import audit_headers, comment, error_line, keep, since
from akrasia.gateway.observe import Observe, Seen, Tapped, passed, seen_deliberating
from akrasia.gateway.sending import ClientGone, begin, send_whole
from akrasia.gateway.stream import DONE_DATA, payloads, whole_events
from akrasia.gateway.wire import Body, WireError, streams

if TYPE_CHECKING:
    from akrasia.models.connections import Answer

_MOMENT_S = 0.05
_FIELDS = msgspec.json.Decoder(dict[str, Raw])


class Annotate(Observe):
    """See `akrasia.gateway.exchange.Mode`."""

    async def answer(self, exchange: Exchange) -> web.StreamResponse:
        """Pass the request on, and the answer back with the verdict."""
        exchange.parsed()  # what cannot be read cannot be audited: the client is told now
        exchange.named = True
        seen = Seen(self._gateway.limits.reply_bytes, self._gateway.upstream.credentials)
        told = Telling(exchange, seen)
        try:
            return await self._told(exchange, seen, told)
        except WireError as error:
            seen.status, seen.error = error.status, error_line(error)
            raise
        except (asyncio.CancelledError, ClientGone):
            seen.ended(exchange)
            raise
        except Exception as error:
            seen.failed(exchange, error)
            raise
        finally:
            if not told.kept:  # the client left, or the upstream failed
                seen.error = seen.error or exchange.failure
                self._observer.submit(exchange, seen)

    async def _told(self, exchange: Exchange, seen: Seen, telling: Telling) -> web.StreamResponse:
        if exchange.strategy != "direct":
            deployed, audit = await seen_deliberating(exchange, seen)
            told = await telling.told()
            totals = deployed.totals(exchange, audit)
            ours = {**audit_headers(exchange), **total_headers(totals)}
            return await give(exchange, deployed.completion, ours, told={**told, **totals})
        upstream = self._gateway.upstream
        async with Clock(exchange) as clock:
            response = await upstream.post(exchange.body, exchange.headers(), exchange.query)
            try:
                if streams(response.headers.get("Content-Type", "")):
                    return await Annotated(exchange, response, clock, telling).run()
                body = await upstream.whole(response)
            finally:
                response.release()
        exchange.usage = upstream.check(response, body)
        seen.latency_s = since(exchange)
        seen.add(body)
        fields = _FIELDS.decode(body)
        fields["akrasia"] = Raw(msgspec.json.encode(await telling.told()))
        headers = upstream.returned(response)
        headers.update(audit_headers(exchange))
        return await send_whole(exchange.request, msgspec.json.encode(fields), headers, self._gateway.limits.write_s)


class Telling:
    """The audit of a reply whose client waits for the verdict.

    Args:
        exchange: the request.
        seen: what passed of the reply.

    Attributes:
        seen: what passed of the reply.
        kept: whether the log has it, or nothing can be done about it any more.
    """

    def __init__(self, exchange: Exchange, seen: Seen) -> None:
        self._exchange = exchange
        self.seen = seen
        self.kept = False

    async def told(self) -> Body:
        """What the client is told; the log has it before."""
        exchange, audits = self._exchange, audits_of(self._exchange.gateway)
        desk = audits.desk(exchange.policy)
        audit = self.seen.audit or ExchangeAudit(audits, desk, exchange)
        audit.go_on(self._left)
        kept, told = await passed(exchange, audit, self.seen, waited=True)
        self.kept = True  # what is handed to the log is written, whoever is cancelled
        try:
            await keep(exchange, desk, kept)
        except StoreFailed:
            told["logged"] = False
            audits.dropped.add("not_logged")
        except Exception:
            self.kept = False
            raise
        audits.tell(exchange.id, told)
        return told

    def _left(self, stage: str) -> float | None:
        """A moment less than there is, so that the client can still be told that time was over."""
        left = self._exchange.left_s(stage)
        return None if left is None else max(0.0, left - _MOMENT_S)


class Annotated(Tapped):
    """Relays a stream, and puts the verdict before its end."""

    def __init__(self, exchange: Exchange, response: Answer, clock: Clock, telling: Telling) -> None:
        super().__init__(exchange, response, clock, telling.seen)
        self._telling = telling
        self._held = b""
        self._numbered = False
        self._told = False

    @property
    def _answered(self) -> bool:
        return self._told

    async def _send(self, events: bytes) -> None:
        self._numbered = self._numbered or _has_id(events)
        if DONE_DATA in events:
            events, self._held = _before_end(events)
        if events:
            await super()._send(events)

    async def _relay(self) -> None:
        await super()._relay()
        said = comment(await self._telling.told())
        if self._numbered:  # clients that keep an event's id take a comment by itself for an event without data
            said = said.removesuffix(b"\n")
        await super()._send(said + self._held)
        self._told = True

    async def _begin(self) -> web.StreamResponse:
        self._clock.upstream_began()
        headers = self._upstream.returned(self._response)
        headers.update(audit_headers(self._exchange))
        self._out = await begin(self._exchange, headers)
        return self._out


def _before_end(events: bytes) -> tuple[bytes, bytes]:
    """Whole events before the one that ends the stream, and the rest with it."""
    start = 0
    for event in whole_events(events):
        if DONE_DATA in payloads(event):
            break
        start += len(event)
    return events[:start], events[start:]


def _has_id(events: bytes) -> bool:
    """Whether an event may have an id; False is certain."""
    return events.startswith((b"id", b"\xef\xbb\xbfid")) or b"\nid" in events or b"\rid" in events
