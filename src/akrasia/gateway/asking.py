"""The auditor's way to models while a client waits: within the request's time and tokens, and through its upstream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from akrasia.core import Ask, CallRefused, EndpointLost, Fingerprint, Reply, Request, Sampling
from akrasia.gateway.credentials import NO_CREDENTIALS, Credentials
from akrasia.gateway.wire import Body, WireError
from akrasia.models.chat_reply import parse_replies
from akrasia.models.chat_request import BodyWriter, Dialect

if TYPE_CHECKING:
    from akrasia.gateway.exchange import Exchange

_LETTERS_PER_TOKEN = 4
_CONCURRENCY = 64
_REFUSED = range(400, 500)


CANDIDATE = "candidate"
"""The role of calls for replies, in counts."""

Count = Callable[[str, int, int], None]


class TokensUsedUp(EndpointLost):
    """A role is not asked, since the request's tokens are used up."""


def _uncounted(role: str, calls: int, tokens: int) -> None:
    pass


class TokenBudget:
    """The tokens of all calls of one request.

    A call is made while what was taken is below the limit, so the last one may go beyond it; a strategy that knows how
    much a call takes asks `leaves` first. Where an endpoint does not say what a call took, four letters count as one.

    Args:
        limit: the most tokens; None: no limit.
        count: is told of each call by its role: (role, 1, 0) when it is made, (role, 0, tokens) when it is answered.

    Attributes:
        taken: by now.
        estimated: whether an endpoint did not say, and letters were counted.
    """

    def __init__(self, limit: int | None, count: Count = _uncounted) -> None:
        self.limit = limit
        self._count = count
        self.taken = 0
        self.estimated = False

    @property
    def used_up(self) -> bool:
        """Whether no further call is allowed."""
        return self.limit is not None and self.taken >= self.limit

    def leaves(self, calls: int, each: float) -> int:
        """How many of so many calls, which take so many tokens each, the limit leaves."""
        if self.limit is None or each <= 0:
            return calls
        return max(0, min(calls, int((self.limit - self.taken) / each)))

    def called(self, role: str = CANDIDATE) -> None:
        """Count a call that is about to be made."""
        self._count(role.partition("-")[0], 1, 0)

    def take(self, tokens: Sequence[int | None], letters: int, role: str = CANDIDATE) -> int:
        """Count what a call took; returns its tokens.

        Args:
            role: whose it was.
            tokens: of prompt and completion, None where the endpoint does not say.
            letters: of both together.
        """
        known = [one for one in tokens if one is not None]
        if len(known) < len(tokens):
            self.estimated = True
            known = [max(sum(known), letters // _LETTERS_PER_TOKEN)]
        self.taken += sum(known)
        self._count(role.partition("-")[0], 0, sum(known))
        return sum(known)


class Stopwatch:
    """How long any of several things at once went on: what they share is counted once.

    Attributes:
        seconds: of what has ended.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._under_way = 0
        self._began = 0.0

    def __enter__(self) -> None:
        if not self._under_way:
            self._began = perf_counter()
        self._under_way += 1

    def __exit__(self, *_: object) -> None:
        self._under_way -= 1
        if not self._under_way:
            self.seconds += perf_counter() - self._began


class TimedAsk:
    """The doors to models by role, within a request's tokens, and for rewriting within the time for that.

    Args:
        doors: by role.
        tokens: of the request.
        left: stage → seconds that it may take now; None: no limit.
        watch: runs while a role is asked.
        keys: that are blotted out of what a role says.

    Attributes:
        calls: that were made, failed ones too.
        left: as given.
    """

    def __init__(
        self,
        doors: Mapping[str, Ask],
        tokens: TokenBudget,
        left: Callable[[str], float | None],
        watch: Stopwatch,
        keys: Credentials = NO_CREDENTIALS,
    ) -> None:
        self._watch = watch
        self._keys = keys
        self._doors = doors
        self._tokens = tokens
        self.calls = 0
        self.left = left
        self._until: float | None = None
        self.sampling = Sampling()

    async def __call__(self, role: str, request: Request, label: str) -> Reply:
        """See `akrasia.core.Ask`.

        Raises:
            EndpointLost: also where time or tokens are used up.
        """
        if self._tokens.used_up:
            raise TokensUsedUp(f"the {self._tokens.limit} tokens of the request are used up")
        self.calls += 1
        self._tokens.called(role)
        try:
            with self._watch:
                async with asyncio.timeout_at(self._end(role)):
                    reply = await self._doors[role](role, request, label)
        except TimeoutError:
            raise EndpointLost("the time for rewriting was over") from None
        letters = len(reply.text) + sum(len(message.content) for message in request.messages)
        self._tokens.take((reply.usage.prompt_tokens, reply.usage.completion_tokens), letters, role)
        return replace(reply, text=self._keys.out_of(reply.text))

    def at(self, sample: int) -> TimedAsk:  # noqa: ARG002 - the protocol's signature
        """The same door: there are no samples here."""
        return self

    def request(self, messages: Sequence[Any], **changes: Any) -> Request:
        """See `akrasia.core.Ask`."""
        return replace(Request(tuple(messages)), **changes)

    def _end(self, role: str) -> float | None:
        """When the stage that a role belongs to is over. A reading's own time is kept by whoever reads."""
        if role.startswith("auditor"):
            return None
        now = asyncio.get_running_loop().time()
        left = self.left("rewrite")
        if left is None:
            return None
        if self._until is None:
            self._until = now + left
        return min(self._until, now + left)


class UpstreamModel:
    """The request's own model, asked by the auditor's roles. See `akrasia.core.Model`.

    Args:
        exchange: the request, whose headers go along.
    """

    def __init__(self, exchange: Exchange) -> None:
        self.name = exchange.model
        self._exchange = exchange
        self._dialect = Dialect(choices=1)

    @property
    def fingerprint(self) -> Fingerprint:
        """The model's name."""
        return Fingerprint(self.name, "", "upstream")

    @property
    def choices(self) -> int:
        """One."""
        return 1

    @property
    def concurrency(self) -> int:
        """As many as one request may need."""
        return _CONCURRENCY

    async def open(self) -> None:
        """The upstream is open."""

    async def complete(self, request: Request, n: int = 1) -> list[Reply]:
        """One reply.

        Raises:
            CallRefused: the upstream refuses, or what it sends is no completion.
            EndpointLost: it fails or cannot be reached.
        """
        exchange = self._exchange
        body = BodyWriter(self.name).write(request, n, self._dialect).body
        try:
            async with exchange.within("upstream"):
                answer = await exchange.gateway.upstream.complete(body, exchange.headers(), exchange.query)
            return parse_replies(answer)
        except TimeoutError:
            raise EndpointLost("the upstream was too slow") from None
        except WireError as error:
            if error.status in _REFUSED:
                raise CallRefused(f"HTTP {error.status}: {error}") from None
            raise EndpointLost(str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise CallRefused(f"the upstream sent no completion: {error}") from None

    def interrupt(self) -> None:
        """Nothing waits here."""

    async def close(self) -> None:
        """The upstream is closed by the gateway."""


def letters_of(request: Body, answer: bytes) -> int:
    """The length of a call's texts, roughly: for where an endpoint does not say its tokens."""
    return len(msgspec.json.encode(request.get("messages") or [])) + len(answer)
