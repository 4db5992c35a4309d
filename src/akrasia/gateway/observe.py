"""Mode `observe`: the client gets what it would get in mode `pass`; replies are audited afterwards, into the log.

Nobody waits for an audit. Replies wait in a queue that is bounded; what does not fit is logged as unaudited.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web
from msgspec import Struct

from akrasia.audit import Trail
from akrasia.core import StoreFailed
from akrasia.gateway.audits import ExchangeAudit, audits_of, gathered
from akrasia.gateway.credentials import NO_CREDENTIALS, Credentials
from akrasia.gateway.deliberate import Deployed, deliberated, total_headers
from akrasia.gateway.exchange import CUT_BY_OPERATOR, Clock, Exchange, ended
from akrasia.gateway.giving import give
from akrasia.gateway.keeping import Kept, defect_line, error_line, keep, since
from akrasia.gateway.log import Decision, LoggedChoice
from akrasia.gateway.passing import Relay
from akrasia.gateway.records import NOT_WHOLE, ChoiceAudit, logged_choice, told_choice, told_of
from akrasia.gateway.reply import Reply, read_reply, unread_reply
from akrasia.gateway.sending import ClientGone, send_whole
from akrasia.gateway.unread import place_of, stops_of, unread_fields
from akrasia.gateway.wire import Body, WireError, indexes_of, streams

if TYPE_CHECKING:
    from akrasia.gateway.desk import Desk
    from akrasia.gateway.policy import Policies
    from akrasia.gateway.server import Gateway
    from akrasia.models.connections import Answer

MOST_WAITING = 1024
"""Replies that may wait for their audit."""

MOST_WAITING_BYTES = 64 * 2**20
"""Bytes of them together, with their requests."""

_LARGE = 2**15

QUEUE_FULL = "the queue of audits was full"
TOO_LONG = "the reply was too long: it had more than reply_bytes"
STOPPED = "the gateway was stopped"


class Seen(Struct):
    """What passed of one answer.

    Attributes:
        most: bytes that are kept; a longer answer passes, and is not audited.
        keys: that nobody may read in it.
        pieces: the events, or the one body.
        size: bytes of them.
        too_long: more passed than is kept.
        streamed: whether the pieces are events.
        status: that the client got.
        error: one line, where it got an error; None: none.
        latency_s: until the answer began.
        trails: what a strategy mended, by the index of the choice.
        audit: what a strategy read, which need not be read again; None: nothing.
        originals: the choices as the upstream sent them, where a strategy changed them.
        stops: of the request.
    """

    most: int
    keys: Credentials = NO_CREDENTIALS
    pieces: list[bytes] = []
    size: int = 0
    too_long: bool = False
    streamed: bool = False
    status: int = 200
    error: str | None = None
    latency_s: float | None = None
    trails: dict[int, Trail] = {}
    audit: ExchangeAudit | None = None
    originals: dict[int, Body] = {}
    stops: frozenset[str] = frozenset()

    def add(self, piece: bytes) -> None:
        """Keep what passes."""
        self.size += len(piece)
        if self.size > self.most:
            self.too_long = True
            self.pieces.clear()
        else:
            self.pieces.append(piece)

    def ended(self, exchange: Exchange) -> None:
        """The client left, or the request was cancelled. What had begun to leave keeps the status it began with."""
        why = ended(exchange.gateway)
        self._broken(exchange, why.status, str(why))

    def failed(self, exchange: Exchange, error: Exception) -> None:
        """A defect of ours broke the answer off."""
        self._broken(exchange, 500, defect_line(error))

    def _broken(self, exchange: Exchange, status: int, why: str) -> None:
        self.error = why
        if not exchange.request.writer.output_size:
            self.status = status

    def reply(self) -> Reply:
        """What passed, as far as it can be read."""
        if self.too_long:
            return Reply()
        return read_reply(b"".join(self.pieces), streamed=self.streamed, keys=self.keys, stops=self.stops)

    def as_it_came(self) -> Reply:
        """What passed, not looked into."""
        return unread_reply(b"".join(self.pieces), self.keys)


class Tapped(Relay):
    """Relays a stream, and keeps what passes."""

    def __init__(self, exchange: Exchange, response: Answer, clock: Clock, seen: Seen) -> None:
        super().__init__(exchange, response, clock)
        self.seen = seen
        seen.streamed = True

    def _check(self, events: bytes) -> None:
        super()._check(events)
        if self.seen.latency_s is None:
            self.seen.latency_s = since(self._exchange)
        self.seen.add(events)


async def audited(audit: ExchangeAudit, seen: Seen, reply: Reply) -> list[ChoiceAudit]:
    """The audit of each choice, at once; with the trail of a strategy that mended it."""
    choices = reply.choices
    found: list[ChoiceAudit] = await gathered([audit.choice(choice) for choice in choices]) if choices else []
    made = []
    for index, choice, one in zip(indexes_of(choices), choices, found, strict=True):
        places = (place_of(name, index) for name in unread_fields(choice, seen.stops))
        fields = ", ".join([*places, *(place_of(name, None) for name in reply.beside)])
        reasons = (one.unknown, reply.unread, f"text that no audit reads in {fields}" if fields else None)
        unknown = "; ".join(reason for reason in reasons if reason) or None
        made.append(msgspec.structs.replace(one, unknown=unknown, trail=seen.trails.get(index)))
    return made


def _with_beside(logged: list[LoggedChoice], reply: Reply) -> list[LoggedChoice]:
    """Choices for the log, the first with what the reply said beside them all."""
    if not reply.beside:
        return logged
    first, *others = logged
    return [msgspec.structs.replace(first, beside={**reply.beside, **first.beside}), *others]


async def passed(exchange: Exchange, audit: ExchangeAudit, seen: Seen, *, waited: bool) -> tuple[Kept, Body]:
    """Audit a reply that the client has anyway: what the log keeps of it, and what the client may be told.

    Args:
        exchange: the request.
        audit: of its replies.
        seen: what passed.
        waited: whether the client waits for it.
    """
    desk, audits = audit.desk, audits_of(exchange.gateway)
    seen.stops = stops_of(exchange.parsed())
    # What is large is read off the loop: others' replies must not wait for it.
    reply = await asyncio.to_thread(seen.reply) if seen.size > _LARGE else seen.reply()
    found = await audited(audit, seen, reply)
    logged, told = [], []
    for index, choice, one in zip(indexes_of(reply.choices), reply.choices, found, strict=True):
        decision: Decision = "released" if one.missing is not None else "passed"
        delivered = None
        if one.trail is not None and one.trail.accepted is not None:
            decision, delivered = "rewritten", one.trail.text
        original = seen.originals.get(index, choice)
        logged.append(logged_choice(index, original, one, decision, one.failure, delivered))
        told.append(told_choice(logged[-1], one, desk.values, evidence=True))
        audits.count(exchange.policy.mode, decision, failed=one.failure is not None)
    if seen.too_long:
        audits.dropped.add("too_long")
    error = seen.error or (TOO_LONG if seen.too_long else None)
    kept = Kept(
        _with_beside(logged, reply),
        seen.status,
        error,
        audit.spent(),
        seen.latency_s,
        round(audit.watch.seconds, 6) if waited else None,
    )
    missing = NOT_WHOLE if seen.too_long else None
    return kept, told_of(told, id=exchange.id, mode=exchange.policy.mode, policy=exchange.policy.name, missing=missing)


def unaudited(seen: Seen, reason: str) -> Kept:
    """What the log keeps of a reply that passed without an audit."""
    reply = seen.reply()
    found = zip(indexes_of(reply.choices), reply.choices, strict=True)
    logged = [logged_choice(index, choice, None, "unaudited", reason) for index, choice in found]
    return Kept(_with_beside(logged, reply), seen.status, seen.error or reason, latency_s=seen.latency_s, audited=False)


def unread(seen: Seen, reason: str) -> Kept:
    """The same without looking into the reply: the log has it as it came."""
    choice = LoggedChoice(0, None, "unaudited", None, missing=reason, reason=reason, beside=seen.as_it_came().beside)
    return Kept([choice], seen.status, seen.error or reason, latency_s=seen.latency_s, audited=False)


class Observer:
    """Audits replies that have passed, a few at a time, and never lets anybody wait.

    Args:
        gateway: the server's state.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._audits = audits_of(gateway)
        self._queue: asyncio.Queue[tuple[Exchange, Seen]] = asyncio.Queue(MOST_WAITING)
        self._bytes = 0
        self._workers: list[asyncio.Task[None]] = []
        self._aside: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to work, once."""
        if not self._workers:
            self._workers = [asyncio.create_task(self._work()) for _ in range(self._gateway.limits.audits)]

    def submit(self, exchange: Exchange, seen: Seen) -> None:
        """Have a reply audited, or logged as unaudited where too many wait."""
        if self._queue.full() or self._bytes + _weight(exchange, seen) > MOST_WAITING_BYTES:
            self._drop(exchange, seen, QUEUE_FULL, "queue_full")
            return
        self._bytes += _weight(exchange, seen)
        self._audits.tell(exchange.id, {"id": exchange.id, "pending": True})
        self._queue.put_nowait((exchange, seen))

    async def close(self) -> None:
        """Audit what waits for as long as draining may take, and nobody hurries; log the rest as unaudited."""
        waited = [asyncio.create_task(one) for one in (self._queue.join(), _set(self._gateway.hurried))]
        await asyncio.wait(waited, timeout=self._gateway.limits.drain_s, return_when=asyncio.FIRST_COMPLETED)
        for worker in self._workers:
            worker.cancel()
        for task in waited:
            task.cancel()
        await asyncio.gather(*self._workers, *waited, return_exceptions=True)
        left = [self._queue.get_nowait() for _ in range(self._queue.qsize())]
        self._gateway.unaudited += sum(seen.size > 0 for _, seen in left)
        await asyncio.gather(*(self._keep_unaudited(*one, self._stopped) for one in left), *self._aside)

    @property
    def _stopped(self) -> str:
        return CUT_BY_OPERATOR if self._gateway.hurried.is_set() else STOPPED

    def _drop(self, exchange: Exchange, seen: Seen, reason: str, word: str) -> None:
        self._audits.dropped.add(word)
        if len(self._aside) >= MOST_WAITING:
            self._audits.dropped.add("not_logged")  # the disk is behind, too: memory must not grow with it
            return
        task = asyncio.create_task(self._keep_unaudited(exchange, seen, reason))
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)

    async def _work(self) -> None:
        while True:
            exchange, seen = await self._queue.get()
            try:
                await self._one(exchange, seen)
            except asyncio.CancelledError:
                if not exchange.kept:
                    self._gateway.unaudited += seen.size > 0
                    await self._keep_unaudited(exchange, seen, self._stopped)
                raise
            finally:
                self._bytes -= _weight(exchange, seen)
                self._queue.task_done()

    async def _one(self, exchange: Exchange, seen: Seen) -> None:
        try:
            desk = self._audits.desk(exchange.policy)
            deadlines = exchange.policy.deadline_s
            audit = seen.audit or ExchangeAudit(self._audits, desk, exchange)
            audit.go_on(lambda stage: getattr(deadlines, stage))
            kept, told = await passed(exchange, audit, seen, waited=False)
            self._audits.tell(exchange.id, told)
            await keep(exchange, desk, kept)
        except StoreFailed:
            self._audits.dropped.add("not_logged")
        except WireError as error:  # a request that cannot be read, which the upstream answered all the same
            await self._keep_unaudited(exchange, seen, error_line(error))
        except Exception as error:  # noqa: BLE001 - the boundary: one reply must not end the audit of all others
            self._gateway.notice(f"an audit failed by a defect of the gateway: {type(error).__name__}")
            await self._keep_unaudited(exchange, seen, f"the audit failed: {type(error).__name__}")

    async def _keep_unaudited(self, exchange: Exchange, seen: Seen, reason: str) -> None:
        desk: Desk = self._audits.desk(exchange.policy)
        self._audits.tell(exchange.id, {"id": exchange.id, "missing": reason})
        try:
            kept = self._kept(seen, reason)
            for _ in kept.choices:
                self._audits.choices.add(exchange.policy.mode, "unaudited")
            await keep(exchange, desk, kept)
        except StoreFailed:
            self._audits.dropped.add("not_logged")
        except Exception as error:  # noqa: BLE001 - the boundary: whoever audits goes on with the next reply
            self._gateway.notice(f"a reply is not in the log by a defect of the gateway: {type(error).__name__}")
            self._audits.dropped.add("not_logged")

    def _kept(self, seen: Seen, reason: str) -> Kept:
        try:
            return unaudited(seen, reason)
        except Exception as error:  # noqa: BLE001 - the boundary: with the reading of a reply its line must not be lost
            self._gateway.notice(f"a reply is in the log as it came by a defect of the gateway: {type(error).__name__}")
            return unread(seen, reason)


class Observe:
    """See `akrasia.gateway.exchange.Mode`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._audits = audits_of(gateway)
        self._observer = Observer(gateway)

    async def open(self, policies: Policies) -> None:
        """Open judges.

        Raises:
            InputError: a judge cannot work.
        """
        await self._audits.open(policies)
        self._audits.note_missing_log()
        self._observer.start()

    async def close(self) -> None:
        """Audit what waits, or what clients did not wait for."""
        await self._observer.close()

    async def answer(self, exchange: Exchange) -> web.StreamResponse:
        """Pass the request on, and the answer back; have it audited afterwards."""
        seen = Seen(self._gateway.limits.reply_bytes, self._gateway.upstream.credentials)
        try:
            return await self._through(exchange, seen)
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
            if exchange.failure is not None:
                seen.error = exchange.failure
            self._observer.submit(exchange, seen)

    async def _through(self, exchange: Exchange, seen: Seen) -> web.StreamResponse:
        if exchange.strategy != "direct":
            deployed, audit = await seen_deliberating(exchange, seen)
            return await give(exchange, deployed.completion, total_headers(deployed.totals(exchange, audit)))
        upstream = self._gateway.upstream
        async with Clock(exchange) as clock:
            response = await upstream.post(exchange.body, exchange.headers(), exchange.query)
            try:
                if streams(response.headers.get("Content-Type", "")):
                    return await Tapped(exchange, response, clock, seen).run()
                body = await upstream.whole(response)
            finally:
                response.release()
        exchange.usage = upstream.check(response, body)
        seen.latency_s = since(exchange)
        seen.add(body)
        return await send_whole(exchange.request, body, upstream.returned(response), self._gateway.limits.write_s)


async def seen_deliberating(exchange: Exchange, seen: Seen) -> tuple[Deployed, ExchangeAudit]:
    """The answer by a strategy that is not `direct`, as far as it is seen, and what was read and spent for it.

    Raises:
        WireError: there is none.
    """
    deployed, seen.audit = await deliberated(exchange)
    seen.trails, seen.originals = deployed.trails, deployed.originals
    seen.latency_s = since(exchange)
    seen.add(msgspec.json.encode(deployed.completion))
    return deployed, seen.audit


async def _set(event: asyncio.Event) -> None:
    await event.wait()


def _weight(exchange: Exchange, seen: Seen) -> int:
    """Bytes that a reply holds while it waits."""
    return seen.size + len(exchange.body)
