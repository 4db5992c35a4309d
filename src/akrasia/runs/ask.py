"""One durable call: what a strategy asks is found in the store, or bought and committed before it returns.

Questions of one item that differ only in their seed, asked in the same turn of the event loop, travel as one call with
several choices where the backend has that; else each goes alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

from akrasia.core import AkrasiaError, CallRefused, Message, Model, Reply, Request, RunIncomplete, Sampling
from akrasia.core.cell import Cell, candidate_seed
from akrasia.runs.allowance import Allowance, Window
from akrasia.runs.meter import Meter
from akrasia.runs.outage import NothingAnswered, Silence
from akrasia.runs.store import CallPlace, Store
from akrasia.strategies.tasks import REASON, STATE

_encode = msgspec.json.Encoder().encode

JUDGES = ("judge", "auditor")
"""Roles of judges, who evaluate or audit, and how the roles of several begin. Their answers do not depend on which
sample asked: the same text gets one verdict."""

SHARED_LABELS = frozenset({REASON, STATE})
"""Calls of the model that several strategies make alike: whoever comes first buys the answer for all."""


class Stopped(RunIncomplete):
    """The run is stopping: nothing new is bought. Carries no message of its own; the reason is the run's."""


class Counter(Protocol):
    """Where calls are had: `Purchases`, or what only counts them."""

    async def buy(self, model: Model, place: CallPlace, request: Request) -> Reply:
        """The answer to one request at one place."""
        ...


class Purchases:
    """Buys answers for one run: from the store, from a call that is under way, or from the model.

    Args:
        store: where answers are found and kept.
        meter: counts what is bought, and says when to stop.
        on_notice: called with one line that the user should see.
        share_all: whether cells may make the very same calls, as an audited strategy makes those of its inner one:
            whoever comes first then buys for all.
        answered: models that answered in earlier sittings.
        on_silence: called with a model, and the id of a cell, that gives no answer (see `akrasia.runs.outage`).
    """

    def __init__(
        self,
        store: Store,
        meter: Meter,
        on_notice: Callable[[str], None] = lambda _: None,
        *,
        share_all: bool = False,
        answered: Iterable[Model] = (),
        on_silence: Callable[[Model, int, NothingAnswered], None] = lambda *_: None,
    ) -> None:
        self._share_all = share_all
        self._store = store
        self._meter = meter
        self._allowance = Allowance(meter) if meter.limited else None
        self._on_notice = on_notice
        self._without_logprobs: set[int] = set()
        # Key → where the others who ask the same wait; None while there are none, which is nearly always.
        self._under_way: dict[str, asyncio.Future[Reply] | None] = {}
        self._waiting: dict[tuple[int, bytes], list[tuple[Request, asyncio.Future[Reply]]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        # The samples of an item share their request's body, so its hash is taken once.
        self._digests: dict[bytes, str] = {}
        self._sources: dict[int, str] = {}
        self._windows: dict[int, Window] = {}
        self._answered = {id(model) for model in answered}
        self._silences: dict[tuple[int, int], Silence] = {}
        self._on_silence = on_silence

    async def buy(self, model: Model, place: CallPlace, request: Request) -> Reply:
        """The answer to one request at one place.

        Raises:
            CallRefused: refused now, or when the run asked before.
            Stopped: the run is stopping and the answer is not in the store.
        """
        body = _encode(replace(request, seed=None))
        digest = self._digests.get(body) or self._digest(body)
        shared = place.role.startswith(JUDGES)
        sample = -1 if shared else place.sample
        source = self._sources.get(id(model)) or self._source(model)
        identity = f"{source}{digest}{request.seed}|{sample}|{place.role}|{place.label}"
        key = blake2b(identity.encode(), digest_size=16).hexdigest()
        if key in self._under_way:
            return await self._join(key)
        # What is shared may have been bought in this very run.
        if self._store.has_history or self._share_all or shared or place.label in SHARED_LABELS:
            found = self._store.find_call(key, again=place.again and shared)
            if found is not None:
                return found
            refused = self._store.find_refusal(key)
            if refused is not None:
                raise CallRefused(refused)
        if self._meter.stopping or (self._allowance is not None and not self._meter.may_buy()):
            raise Stopped
        self._under_way[key] = None
        try:
            if self._allowance is None:
                reply = await self._bought(model, place, request, (key, digest, body))
            elif not await self._allowance.enter(place.role):
                raise Stopped
            else:
                try:
                    reply = await self._bought(model, place, request, (key, digest, body))
                finally:
                    self._allowance.leave(place.role)
        except BaseException as error:
            if isinstance(error, CallRefused):
                self._store.put_refusal(place, key, str(error))
                self._note_refusal(model, place, str(error))
            joined = self._under_way.pop(key)
            if joined is not None and not joined.done():
                joined.set_exception(error) if isinstance(error, AkrasiaError) else joined.cancel()
            raise
        joined = self._under_way.pop(key)
        if joined is not None and not joined.done():
            joined.set_result(reply)
        return reply

    async def _bought(self, model: Model, place: CallPlace, request: Request, names: tuple[str, str, bytes]) -> Reply:
        """The answer from the model, committed and counted."""
        key, digest, body = names
        window = self._windows.get(id(model)) or self._window(model)
        if not window.enter():
            await window.wait()
        try:
            if self._meter.stopping:
                raise Stopped
            reply = await self._complete(model, request, body)
            self._answered.add(id(model))
            self._store.put_call(place, key, (digest, body), reply)
            await self._store.committed()
        finally:
            window.leave()
        self._meter.bought(place, reply)
        if request.logprobs is not None and reply.logprobs is None and id(model) not in self._without_logprobs:
            self._without_logprobs.add(id(model))
            self._on_notice(f"{model.name.partition('@')[0]} gives no log-probabilities: --logprobs keeps none of it")
        return reply

    def _note_refusal(self, model: Model, place: CallPlace, reason: str) -> None:
        if id(model) in self._answered:
            return
        why = self._silences.setdefault((id(model), place.cell), Silence()).refused(place.item, reason)
        if why is not None:
            self._on_silence(model, place.cell, why)

    def _window(self, model: Model) -> Window:
        window = self._windows[id(model)] = Window(model)
        return window

    def _digest(self, body: bytes) -> str:
        if len(self._digests) >= 1024:
            self._digests.clear()
        digest = self._digests[body] = blake2b(body, digest_size=16).hexdigest()
        return digest

    def _source(self, model: Model) -> str:
        source = self._sources[id(model)] = blake2b(_encode(model.fingerprint), digest_size=16).hexdigest()
        return source

    async def _join(self, key: str) -> Reply:
        joined = self._under_way[key]
        if joined is None:
            joined = self._under_way[key] = asyncio.get_running_loop().create_future()
        return await asyncio.shield(joined)

    async def _complete(self, model: Model, request: Request, body: bytes) -> Reply:
        if model.choices <= 1 or request.seed is None:
            return (await model.complete(request))[0]
        group = (id(model), body)
        waiting = self._waiting.get(group)
        mine: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        if waiting is None:
            self._waiting[group] = [(request, mine)]
            asyncio.get_running_loop().call_soon(self._send, model, group)
        else:
            waiting.append((request, mine))
        return await mine

    def _send(self, model: Model, group: tuple[int, bytes]) -> None:
        waiting = sorted(self._waiting.pop(group), key=lambda pair: pair[0].seed or 0)
        most = max(model.choices, 1)
        start = 0
        for end in range(1, len(waiting) + 1):
            last = end == len(waiting)
            if last or end - start == most or waiting[end][0].seed != (waiting[start][0].seed or 0) + end - start:
                task = asyncio.create_task(self._complete_together(model, waiting[start:end]))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                start = end

    async def _complete_together(self, model: Model, asked: Sequence[tuple[Request, asyncio.Future[Reply]]]) -> None:
        """Ask for consecutive seeds in one call; what the backend leaves out is asked for again."""
        try:
            replies = await model.complete(asked[0][0], len(asked))
        except (AkrasiaError, asyncio.CancelledError) as error:
            if isinstance(error, CallRefused) and len(asked) > 1:
                # Perhaps one choice was refused, perhaps only their number: each must be asked to know its own fate.
                await self._complete_alone(model, asked)
                return
            for _, future in asked:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), reply in zip(asked, replies, strict=False):
            if not future.done():
                future.set_result(reply)
        rest = asked[len(replies) :]
        if rest and model.choices > 1:
            await self._complete_together(model, rest)
        elif rest:
            await self._complete_alone(model, rest)

    async def _complete_alone(self, model: Model, asked: Sequence[tuple[Request, asyncio.Future[Reply]]]) -> None:
        await asyncio.gather(*(self._complete_together(model, [one]) for one in asked))


class DurableAsk:
    """The `akrasia.core.Ask` of one item in one cell."""

    __slots__ = ("_again", "_cell", "_cell_id", "_counter", "_models", "_position", "_sample", "sampling")

    def __init__(
        self,
        counter: Counter,
        models: Mapping[str, Model],
        cell: tuple[int, Cell],
        position: int,
        sample: int = 0,
        *,
        again: bool = False,
    ) -> None:
        self._counter = counter
        self._models = models
        self._again = again
        self._cell_id, self._cell = cell
        self._position = position
        self._sample = sample
        self.sampling: Sampling = self._cell.sampling

    def at(self, sample: int) -> DurableAsk:
        """The same door, bound to one sample of the item."""
        return DurableAsk(self._counter, self._models, (self._cell_id, self._cell), self._position, sample)

    @property
    def place(self) -> tuple[int, int]:
        """The id of the cell, and the position of the item."""
        return self._cell_id, self._position

    def again_at(self, sample: int) -> DurableAsk:
        """The same door for a sample that is measured again: judges' answers of earlier sittings do not count."""
        cell = (self._cell_id, self._cell)
        return DurableAsk(self._counter, self._models, cell, self._position, sample, again=True)

    def request(self, messages: Sequence[Message], **changes: Any) -> Request:
        """A request with the cell's sampling settings and this sample's seed; no seed for a greedy draw."""
        sampling = self.sampling
        base = Request(
            tuple(messages),
            sampling.temperature,
            sampling.max_tokens,
            sampling.top_p,
            sampling.stop,
            None,
            logprobs=sampling.logprobs,
        )
        request = replace(base, **changes) if changes else base
        if request.temperature > 0 and "seed" not in changes:
            request = replace(request, seed=candidate_seed(self._cell.seed, self._position, self._sample))
        return request

    async def __call__(self, role: str, request: Request, label: str) -> Reply:
        """See `akrasia.core.Ask`."""
        place = CallPlace(self._cell_id, self._position, self._sample, role, label, request.seed, self._again)
        return await self._counter.buy(self._models[role], place, request)
