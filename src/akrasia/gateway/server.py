"""The gateway's state, and the way of a request through it: door, route, policy, mode.

How connections are served is `listening`'s business, what is done with replies the modes'.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib import import_module
from time import perf_counter
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web
from multidict import CIMultiDict

from akrasia.core import InputError
from akrasia.gateway import MODES
from akrasia.gateway.door import Door, read_body
from akrasia.gateway.exchange import Exchange, Mode, defect, ended
from akrasia.gateway.metrics import Metrics
from akrasia.gateway.policy import NO_ROUTE, UNROUTED, Limits, Policies, split_strategy
from akrasia.gateway.query import CHAT, forwarded_query
from akrasia.gateway.routes import find_route
from akrasia.gateway.sending import ClientGone, break_off, cut, error_response
from akrasia.gateway.upstream import Upstream
from akrasia.gateway.wire import WireError, names_model_once, overloaded, read_head, refused, with_model

if TYPE_CHECKING:
    from akrasia.gateway.audits import Audits
    from akrasia.gateway.log import AuditLog
    from akrasia.gateway.spans import Spans

RETRY_AFTER_S = 1
_GONE = 499
"""What metrics say of a request whose client left before its answer's end."""


class Gateway:
    """Everything that requests share.

    Args:
        upstream: where requests go; not open yet.
        policies: what applies.
        door: who may come in.
        log: the audit log; None: none is kept.
        spans: traces; None: none are made.
        on_notice: called with one line that the operator should see.

    Attributes:
        under_way: chat requests now.
        stopping: no more is accepted, and what is under way may end.
        cut: whether the time to drain is over: what was under way is being ended.
        hurried: set by a second signal: the operator waits neither for requests nor for audits.
        cut_off: requests that were under way when the time to drain was over.
        unaudited: replies that passed and were not read, since the gateway stopped.
        unlogged: records in a row that the log could not take.
        metrics: what is counted.
        audits: what the audits of all requests share; None while no mode audits.
    """

    def __init__(
        self,
        upstream: Upstream,
        policies: Policies,
        door: Door,
        *,
        log: AuditLog | None = None,
        spans: Spans | None = None,
        on_notice: Callable[[str], None] | None = None,
    ) -> None:
        self.upstream = upstream
        self.policies = policies
        self.door = door
        self.log = log
        self.spans = spans
        self.notice = on_notice or (lambda _: None)
        self.metrics = Metrics()
        self.audits: Audits | None = None
        self.under_way = 0
        self.stopping = False
        self.cut = False
        self.hurried = asyncio.Event()
        self.cut_off = 0
        self.unaudited = 0
        self.unlogged = 0
        self._ends: set[asyncio.Timeout] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._modes: dict[str, Mode] = {}

    @property
    def limits(self) -> Limits:
        """Those of the policies that apply now."""
        return self.policies.limits

    async def open(self) -> None:
        """Get ready to answer.

        Raises:
            InputError: a mode can never work as configured.
        """
        await self.upstream.open()
        try:
            if self.log is not None:
                await self.log.open()
            await self.use(self.policies)
        except BaseException:
            await self.close()
            raise

    async def use(self, policies: Policies) -> None:
        """Let policies apply from now on; requests under way keep theirs.

        Raises:
            InputError: a mode cannot work with them. The old ones go on to apply.
        """
        names = {policy.mode for policy in policies.all}
        for name in sorted(names):
            if name not in self._modes:
                self._modes[name] = _load_mode(name)(self)
            await self._modes[name].open(policies)
        self.policies = policies
        for line in policies.notices:
            self.notice(line)
        self.metrics.policy.clear()
        for policy in policies.all:
            labels = (policy.name, policy.route or NO_ROUTE, policy.mode, policy.fingerprint)
            self.metrics.policy.set(*labels, to=1)

    async def close(self) -> None:
        """Let the last requests and the modes finish, so that the log has their lines, and close the connections."""
        await self._idle.wait()
        for mode in self._modes.values():
            await mode.close()
        if self.log is not None:
            await self.log.close()  # a model that is slow to end keeps no line off the disk
        if self.audits is not None:
            await self.audits.close()
        if self.spans is not None:
            await asyncio.to_thread(self.spans.close)
        await self.upstream.close()

    def hurry(self) -> None:
        """Wait for nothing more: what is under way ends now, and what waits for its audit is logged without one."""
        self.hurried.set()
        self.cut_short()

    def cut_short(self) -> None:
        """End every request under way: its client and the log are told that the gateway stops."""
        self.cut = True
        for end in self._ends:
            end.reschedule(asyncio.get_running_loop().time())

    def forwarded(self, request: web.BaseRequest) -> CIMultiDict[str]:
        """The client's headers that the upstream gets."""
        return self.upstream.forwarded(request, own_key=self.door.keys is not None)

    async def chat(self, request: web.BaseRequest) -> web.StreamResponse:
        """``POST /v1/chat/completions``.

        Raises:
            WireError: what the client gets in place of an answer.
        """
        if self.under_way >= self.limits.concurrency:
            self.metrics.failures.add("overloaded")
            raise overloaded(f"{self.limits.concurrency} requests are under way: come again", RETRY_AFTER_S)
        if self.cut:
            raise ended(self)
        began = perf_counter()
        exchange: Exchange | None = None
        status = 500
        self.under_way += 1
        self._idle.clear()
        end = asyncio.timeout(None)
        try:
            async with end:
                self._ends.add(end)
                exchange = self._admitted(request, await read_body(request, self.limits), began)
                response = await self._answered(exchange)
            status = response.status
            if exchange.failure is not None:
                self._failed(exchange.failure)
            return response
        except WireError as error:
            status = error.status
            self._failed(error.reason)
            raise _named(error, exchange) from None
        except TimeoutError:
            if not end.expired():
                raise
            stopped = ended(self)
            status = stopped.status
            self._failed(stopped.reason)
            if request.writer.output_size:  # half of an answer is out: no other can follow it
                raise cut(request) from None
            raise _named(stopped, exchange) from None
        except (ClientGone, asyncio.CancelledError):
            status = _GONE
            self._failed("client_gone")
            raise
        finally:
            self._ends.discard(end)
            self.under_way -= 1
            if not self.under_way:
                self._idle.set()
            self._count(exchange, status, perf_counter() - began)

    async def _answered(self, exchange: Exchange) -> web.StreamResponse:
        """The mode's answer; one that a defect ends after it has begun says so, and nothing of what was withheld."""
        answering = self._modes[exchange.policy.mode].answer(exchange)
        try:
            return await (answering if self.spans is None else self.spans.around(exchange, answering))
        except (WireError, ClientGone):
            raise
        except Exception as error:
            if exchange.out is None and exchange.request.writer.output_size:
                raise  # half of an answer is out that no event can follow
            self._tell_defect(error)
            if exchange.out is None:
                raise defect() from None
            return await break_off(exchange, exchange.out, defect())

    def _tell_defect(self, error: Exception) -> None:
        self.notice(f"a request failed by a defect of the gateway: {_where(error)}")

    def _failed(self, reason: str) -> None:
        self.metrics.failures.add(reason)
        self.cut_off += reason == "cut_off"

    def _admitted(self, request: web.BaseRequest, body: bytes, began: float) -> Exchange:
        head = read_head(body)
        model, named = split_strategy(head.model) if "@" in head.model else (head.model, None)
        policy = self.policies.policy_for(model, request.headers) if self.policies.routes else self.policies.default
        if named is not None and named not in policy.strategies:
            allowed = ", ".join(policy.strategies)
            said = f"strategy {named!r} is not allowed here; allowed: {allowed}"
            raise refused(400, said, "strategy_not_allowed", param="model")
        if named is not None or not names_model_once(body):
            body = with_model(body, model)
            head = msgspec.structs.replace(head, model=model)
        exchange = Exchange(self, request, body, head, policy, began)
        exchange.query = forwarded_query(request.raw_path, CHAT)
        if named is not None:
            exchange.strategy = named
        return exchange

    def _count(self, exchange: Exchange | None, status: int, took_s: float) -> None:
        metrics = self.metrics
        if exchange is None:
            metrics.requests.add(UNROUTED, UNROUTED, str(status))
            return
        route, mode = exchange.policy.route or NO_ROUTE, exchange.policy.mode
        metrics.requests.add(route, mode, str(status))
        metrics.seconds.observe(took_s, route, mode)
        for kind, tokens in zip(("prompt", "completion"), exchange.usage, strict=True):
            if tokens is not None:
                metrics.tokens.add(route, kind, by=tokens)
        if not exchange.drawn and status == 200:  # a reply that was passed on
            metrics.count_call(route, "candidate", 1, sum(tokens or 0 for tokens in exchange.usage))

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer any request; every error leaves as an error object."""
        try:
            route = find_route(request)
            self.door.check(request, free=route.free)
            return await route.answer(self, request)
        except WireError as error:
            return error_response(error)
        except ClientGone:
            cut(request)
            return web.Response(status=_GONE)
        except Exception as error:  # noqa: BLE001 - the boundary: a defect of ours is told, and is no client's business
            self._tell_defect(error)
            self.metrics.failures.add("defect")
            if request.writer.output_size:
                cut(request)
            return error_response(defect())


def _named(error: WireError, exchange: Exchange | None) -> WireError:
    """An error with the name of the line that says why, where there will be one and clients are told."""
    if exchange is not None and exchange.named:
        error.headers["x-akrasia-audit-id"] = exchange.id
    return error


def _load_mode(name: str) -> Callable[[Gateway], Mode]:
    if name not in MODES:
        raise InputError(f"mode {name!r} is not available here; available: {', '.join(MODES)}")
    module, _, attribute = MODES[name].partition(":")
    made: Callable[[Gateway], Mode] = getattr(import_module(module), attribute)
    return made


def _where(error: Exception) -> str:
    """An exception's type and place. Its text may quote a conversation, so it is not told."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""
    return f"{type(error).__name__}{place}"
