"""One chat request under way, and what a mode is: the seam between the server and what is done with replies.

A mode plugs in as a class named in `akrasia.gateway.MODES`. The server builds it once with the `Gateway`, opens it
before the first request that needs it, and then hands it each `Exchange` whose policy names it. The mode answers with
a response that is prepared or not, or raises `WireError`, which becomes the client's error object. It finds in the
exchange the request (`body`, `head`, `parsed()`), the policy that applies, the strategy wanted (one that the policy
allows), the time that is left (`within`), and through `gateway` the upstream, the metrics and the audit log.

A client that goes away cancels the mode's task, and so does a gateway that stops, when the time to drain is over
(`ended` says which). What must outlive the client runs in a task of the mode's own, which its `close` waits for. The
server tells `close` after the last answer, before the upstream is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from secrets import token_hex
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from aiohttp import web
from multidict import CIMultiDict

from akrasia.gateway.policy import NO_DEADLINES
from akrasia.gateway.query import NOTHING
from akrasia.gateway.wire import Body, ChatHead, ErrorObject, WireError, read_request

if TYPE_CHECKING:
    from akrasia.gateway.policy import Policies, Policy
    from akrasia.gateway.server import Gateway

CUT_BY_OPERATOR = "cut by the operator"
"""What log and client are told of what a second signal ends."""

_RETRY_AFTER_S = 5
"""After which a request that a stopping gateway cut off may be sent again: to the next one, that is."""


class Exchange:
    """A chat request that passed the door.

    Attributes:
        gateway: the server's state: `upstream`, `metrics`, `log`, `limits`.
        request: the HTTP request; its body has been read.
        head: what routing read of the body.
        body: the body for the upstream: as it came, with the strategy taken off the model's name.
        model: the model's name without a strategy.
        strategy: the strategy wanted, as text: one of the policy's.
        policy: what applies. A reload changes nothing for a request under way.
        usage: prompt and completion tokens of the deployed call, for metrics and spans; None where unknown.
        query: parameters of its address that the upstream gets.
        carried: headers of ours for the upstream: the trace that this request belongs to.
        drawn: whether the calls for its reply are counted where they are made.
        out: the streamed answer, once it has begun.
        failure: a word for what broke after the answer had begun; None: nothing.
        named: whether the client is told the audit's id, since a line of the log will have it.
        kept: whether the log has the request, or was handed it: what is handed to it is written, whoever is cancelled.
        began: `perf_counter()` when the request's head had arrived.
    """

    __slots__ = (
        "_id", "_parsed", "began", "body", "carried", "drawn", "failure", "gateway", "head", "kept", "model", "named",
        "out", "policy", "query", "request", "strategy", "usage",
    )  # fmt: skip

    def __init__(
        self, gateway: Gateway, request: web.BaseRequest, body: bytes, head: ChatHead, policy: Policy, began: float
    ) -> None:
        self.gateway = gateway
        self.request = request
        self.body = body
        self.head = head
        self.policy = policy
        self.began = began
        self.model = head.model
        self.strategy = policy.default_strategy
        self.usage: tuple[int | None, int | None] = (None, None)
        self.query: Mapping[str, str] = NOTHING
        self.carried: dict[str, str] = {}
        self.out: web.StreamResponse | None = None
        self.failure: str | None = None
        self.drawn = False
        self.named = False
        self.kept = False
        self._id: str | None = None
        self._parsed: Body | None = None

    @property
    def id(self) -> str:
        """The audit id: what headers, records and `GET /akrasia/audits/ID` call this request."""
        if self._id is None:
            self._id = f"audit-{token_hex(12)}"
        return self._id

    def parsed(self) -> Body:
        """The whole request.

        Raises:
            WireError: 400, when it cannot be read.
        """
        if self._parsed is None:
            self._parsed = read_request(self.body)
        return self._parsed

    def headers(self) -> CIMultiDict[str]:
        """Those of the client's headers that the upstream gets."""
        headers = self.gateway.upstream.forwarded(self.request, own_key=self.gateway.door.keys is not None)
        headers.update(self.carried)
        return headers

    def left_s(self, stage: str | None = None) -> float | None:
        """Seconds that a stage of `Deadlines` may take now, or else the whole request; None: no limit."""
        deadlines = self.policy.deadline_s
        if deadlines is NO_DEADLINES:
            return None
        limits = [] if stage is None else [getattr(deadlines, stage)]
        if deadlines.total is not None:
            limits.append(max(0.0, self.began + deadlines.total - perf_counter()))
        return min((limit for limit in limits if limit is not None), default=None)

    def within(self, stage: str | None = None) -> asyncio.Timeout:
        """A context in which a stage has the time that is left; it raises TimeoutError when that is over."""
        return asyncio.timeout(self.left_s(stage))


class Mode(Protocol):
    """What is done with replies. Built with the `Gateway`."""

    async def open(self, policies: Policies) -> None:
        """Get ready: load what the policies that name this mode need.

        It is called at the start, and again before reloaded policies apply.

        Raises:
            InputError: it can never work as configured. After a reload the old policies then go on to apply.
        """
        ...

    async def answer(self, exchange: Exchange) -> web.StreamResponse:
        """Answer one request.

        Raises:
            WireError: nothing was sent yet, and the client gets this error.
        """
        ...

    async def close(self) -> None:
        """Finish what goes on after answers have left."""
        ...


class Clock:
    """The deadlines of a request whose answer is passed on: the upstream's stage, then the whole request's.

    Raises:
        WireError: 504, on leaving, when a deadline passed inside.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        left = exchange.left_s("upstream")
        self._timeout = None if left is None else asyncio.timeout(left)  # which is not free, and most need none

    async def __aenter__(self) -> Clock:
        if self._timeout is not None:
            await self._timeout.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._timeout is not None:
                await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError:
            raise too_late(self._exchange) from None

    @property
    def over(self) -> bool:
        """Whether a deadline passed: the task is then being cancelled."""
        return self._timeout is not None and self._timeout.expired()

    def upstream_began(self) -> None:
        """The upstream's stage is over."""
        if self._timeout is not None and not self.over:
            left = self._exchange.left_s()
            self._timeout.reschedule(None if left is None else asyncio.get_running_loop().time() + left)


def ended(gateway: Gateway) -> WireError:
    """Why a request under way was cancelled: the gateway stops and its time is over, or the client left."""
    if gateway.cut:
        said = "the gateway is stopping, and the time that requests under way had to end is over: send it again"
        if gateway.hurried.is_set():
            said = f"{CUT_BY_OPERATOR}: the gateway is stopping, and waits for nothing more: send it again"
        error = ErrorObject(said, "server_error", None, "stopping")
        return WireError(503, error, retry_after=str(_RETRY_AFTER_S), reason="cut_off")
    return WireError(499, ErrorObject("the client left", "client_gone", None, "client_gone"))


def defect() -> WireError:
    """The error for what an unexpected exception of ours ends: 500. The exception's text may quote a conversation."""
    return WireError(500, ErrorObject("the gateway failed", "server_error", None, "defect"))


def too_late(exchange: Exchange) -> WireError:
    """The error for a request whose deadline passed: 504."""
    said = f"the time that policy {exchange.policy.name!r} gives a request is over"
    return WireError(504, ErrorObject(said, "timeout_error", None, "deadline_exceeded"))
