"""Candidates for one request: whole completions from the upstream, counted, as many as time and tokens leave."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from akrasia.gateway.asking import letters_of
from akrasia.gateway.exchange import too_late
from akrasia.gateway.joined import without_keys
from akrasia.gateway.wire import Body, WireError, indexes_of, read_completion, read_tail, upstream_failed

if TYPE_CHECKING:
    from akrasia.gateway.audits import ExchangeAudit
    from akrasia.gateway.exchange import Exchange

_BAD_REQUEST = (400, 422)
_MOST_NAMES = 1000
_OURS = ("stream", "stream_options")

_one_choice: set[tuple[str, str]] = set()
"""Upstreams and models that turned out not to give several choices at once."""


class Drawn(Struct, frozen=True):
    """One candidate.

    Attributes:
        choice: as the upstream sent it.
        completion: the whole of the call that it came with.
    """

    choice: Body
    completion: Body


class Drawing:
    """The upstream calls of one request.

    Args:
        exchange: the request.
        audit: of its replies, which counts tokens.

    Attributes:
        calls: made by now.
        candidates: that came.
    """

    def __init__(self, exchange: Exchange, audit: ExchangeAudit) -> None:
        self.calls = 0
        self.candidates = 0
        self._exchange = exchange
        self._audit = audit
        self._tokens = audit.tokens
        self._began = perf_counter()
        request = exchange.parsed()
        self._request: Body = {
            name: field for name, field in request.items() if name not in ("stream", "stream_options")
        }
        seed = request.get("seed")
        self._seed: int | None = seed if isinstance(seed, int) else None

    async def whole(self) -> Body:
        """The answer to the request as the client wrote it, with as many choices as it asks for.

        Raises:
            WireError: the upstream failed, or time was over.
        """
        completion = await self._call(self._request)
        self.candidates += len(completion["choices"])
        return completion

    async def one(self, number: int) -> Drawn:
        """One candidate by a call of its own.

        Args:
            number: from 0; a seed of the client's grows with it.

        Raises:
            WireError: the upstream failed, sent no choice, or time was over.
        """
        own = {name: field for name, field in self._request.items() if name != "n"}
        if self._seed is not None:
            own["seed"] = self._seed + number
        found = _choices(await self._call(own))
        self.candidates += 1
        return found[0]

    async def several(self, number: int) -> list[Drawn]:
        """So many candidates, fewer where calls fail or tokens run out, at least one.

        They come with one call where the upstream gives several choices, else with calls at once.

        Raises:
            WireError: none came.
        """
        if self._tokens.limit is not None:
            first = await self.one(0)
            more = self.affordable(number - 1)
            return [first, *(await self._fan_out(range(1, 1 + more)))]
        found = await self._at_once(number)
        missing = range(len(found), number)
        if not found:
            return await self._fan_out(missing, needed=True)
        return [*found, *(await self._fan_out(missing))]

    def affordable(self, calls: int) -> int:
        """How many of so many further candidates time and tokens leave, if they take what those so far took."""
        each = self._tokens.taken / max(1, self.candidates)
        left = self._exchange.left_s()
        if left is not None and self.candidates:
            took = (perf_counter() - self._began) / self.candidates
            if left < took:
                return 0
        return self._tokens.leaves(calls, each)

    async def _at_once(self, number: int) -> list[Drawn]:
        name = (self._exchange.gateway.upstream.address, self._exchange.model)
        if number == 1 or name in _one_choice:
            return []
        try:
            found = _choices(await self._call({**self._request, "n": number}))[:number]
        except WireError as error:
            if error.status not in _BAD_REQUEST:
                raise
            found = []
        if len(found) < number:
            if len(_one_choice) >= _MOST_NAMES:
                _one_choice.clear()
            _one_choice.add(name)
        self.candidates += len(found)
        return found

    async def _fan_out(self, numbers: Sequence[int], *, needed: bool = False) -> list[Drawn]:
        async def attempt(number: int) -> Drawn | WireError:
            try:
                return await self.one(number)
            except WireError as error:
                return error

        found = await asyncio.gather(*(attempt(number) for number in numbers))
        drawn = [one for one in found if isinstance(one, Drawn)]
        if needed and not drawn:
            raise next(one for one in found if isinstance(one, WireError))
        return drawn

    async def _call(self, request: Body) -> Body:
        exchange = self._exchange
        body = msgspec.json.encode(request)
        self.calls += 1
        self._audit.reply_asked()
        try:
            async with exchange.within("upstream"):
                answer = await exchange.gateway.upstream.complete(body, exchange.headers(), exchange.query)
        except TimeoutError:
            raise too_late(exchange) from None
        completion = read_completion(answer)
        if completion is None or not all(isinstance(choice, dict) for choice in completion["choices"]):
            raise upstream_failed(502, "the upstream answered with no completion", "upstream_invalid")
        tail = read_tail(answer)
        usage = None if tail is None else tail.usage
        tokens = (None, None) if usage is None else (usage.prompt_tokens, usage.completion_tokens)
        self._tokens.take(tokens, letters_of(request, answer))
        choices = completion["choices"]
        keys = exchange.gateway.upstream.credentials
        # A client puts choices of the same index together, and an audit reads each by itself.
        made = [
            {**without_keys(one, keys), "index": index} for index, one in zip(indexes_of(choices), choices, strict=True)
        ]
        return {**completion, "choices": made}


def _choices(completion: Body) -> list[Drawn]:
    if not completion["choices"]:
        raise upstream_failed(502, "the upstream answered without a choice", "upstream_invalid")
    return [Drawn(choice, completion) for choice in completion["choices"]]
