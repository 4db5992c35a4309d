"""The local engine: carries a plan out on one event loop, each worker taking its unit to the end.

Memory does not grow with the number of samples: units are generated one by one, and what is done is asked of the store.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from functools import partial

from akrasia.core import AkrasiaError, CallRefused, Candidate, InputError, Item, Model, Score, Utility
from akrasia.runs.ask import DurableAsk, Purchases, Stopped
from akrasia.runs.meter import Meter
from akrasia.runs.plan import Plan, Unit
from akrasia.runs.store import Store
from akrasia.strategies import Live, Pooled, all_ended
from akrasia.utilities import UtilityOptions, build_utility

UNIT_SAMPLES = 64
"""The most samples of one unit; more travel in several, so that a worker's memory is bounded."""


def build_utilities(plan: Plan) -> dict[str, Utility]:
    """Every utility that the items of a plan name, each item checked against its own.

    Raises:
        InputError: an item names no utility or an unknown one, or lacks what its utility needs.
    """
    utilities: dict[str, Utility] = {}
    options = UtilityOptions(allow_unsandboxed=plan.config.allow_unsandboxed, votes=plan.config.votes)
    pooled = [cell.strategy for cell in plan.cells if isinstance(cell.strategy, Pooled)]
    voting = next((strategy for strategy in pooled if strategy.needs_answers), None)
    for suite, _, item in plan.items():
        if item.utility is None:
            raise InputError(
                f'suite {suite}: item {item.id!r} names no utility, so nothing could score it: give it "utility" '
                '("exact", "numeric" or "choice") and a "target"'
            )
        if item.utility not in utilities:
            utilities[item.utility] = build_utility(item.utility, options)
        utilities[item.utility].check(item)
        if hasattr(utilities[item.utility], "judge") and not plan.config.judge:
            raise InputError(
                f"suite {suite}: the utility {item.utility!r} of item {item.id!r} asks a judge: name one with --judge "
                "llm:MODEL"
            )
        if voting is not None and hasattr(utilities[item.utility], "judge"):
            raise InputError(
                f"suite {suite}: the utility {item.utility!r} of item {item.id!r} reads no answers that could be put "
                f"to the vote: leave out strategy {voting.name}:{voting.n}"
            )
    return utilities


class _Crew:
    """The workers of one model: as many as keep its endpoint busy, now.

    More samples than the endpoint takes at once, so that commits and scores never leave it idle; yet more would
    only queue at its limiter, which costs more than it brings.
    """

    def __init__(self, group: asyncio.TaskGroup, model: Model, units: Iterator[Unit], most: int) -> None:
        self.model = model
        self.units = units
        self.at_work = 0
        self._group = group
        self._most = most

    @property
    def wanted(self) -> int:
        return max(2, math.ceil(2.5 * self.model.concurrency / self._most))

    def fill(self, work: Callable[[_Crew], Coroutine[None, None, None]]) -> None:
        while self.at_work < self.wanted:
            self.at_work += 1
            self._group.create_task(work(self))


class Engine:
    """Carries out one plan.

    Args:
        plan: what is to be done.
        store: where it is kept, opened for writing.
        models: open models by the name in the configuration.
        utilities: see `build_utilities`.
        meter: counts, and stops.
        cell_ids: id of each cell in the store, by cell name.
        roles: open models of the other roles ("judge") by role.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        store: Store,
        models: Mapping[str, Model],
        utilities: Mapping[str, Utility],
        meter: Meter,
        cell_ids: Mapping[str, int],
        roles: Mapping[str, Model] | None = None,
    ) -> None:
        self._plan = plan
        self._store = store
        self._models = models
        self._utilities = utilities
        self._meter = meter
        self._cell_ids = [cell_ids[planned.cell.name] for planned in plan.cells]
        self._purchases = Purchases(store, meter)
        self._roles = dict(roles or {})

    async def carry_out(self) -> None:
        """Work until nothing is left or the meter says stop; calls under way are always waited for and kept."""
        if self._plan.config.until_width is not None:
            await self._until_width(self._plan.config.until_width)
            await self._store.flush()
            return
        async with asyncio.TaskGroup() as group:
            for name, model in self._models.items():
                most = min(UNIT_SAMPLES, self._plan.config.samples)
                if model.choices > 1:
                    most = min(most, model.choices)
                crew = _Crew(group, model, self._plan.units(name, most), most)
                crew.fill(self._work)
        await self._store.flush()

    async def _until_width(self, half_width: float) -> None:
        """Item after item, each only as far as the plan of `akrasia.risk.width` needs, until the interval is narrow."""
        from akrasia.runs.until_width import WidthSearch, width_plan

        (model,) = self._models.values()
        for number, planned in enumerate(self._plan.cells):
            if planned.cell.pooled:
                continue
            clusters = [item.cluster or item.id for item in planned.items]
            search = WidthSearch(width_plan(half_width, planned.cell.samples), clusters)

            async def draw(position: int, start: int, stop: int, cell: int = number) -> list[float | None]:
                return [score.utility for score in await self._carry(model, Unit(cell, position, start, stop))]

            try:
                await search.run(
                    draw,
                    stored=partial(self._store.utilities, self._cell_ids[number]),
                    at_once=max(2, math.ceil(1.5 * model.concurrency / search.plan.first)),
                    stopping=lambda: self._meter.stopping,
                )
            except Stopped:
                return
            except AkrasiaError as error:
                self._meter.stop(error)
                return

    async def _work(self, crew: _Crew) -> None:
        for unit in crew.units:
            if self._meter.stopping:
                break
            try:
                await self._carry(crew.model, unit)
            except Stopped:
                break
            except AkrasiaError as error:
                self._meter.stop(error)
                break
            if crew.at_work > crew.wanted:
                break
            crew.fill(self._work)
        crew.at_work -= 1

    async def _carry(self, model: Model, unit: Unit) -> list[Score]:
        """Make what is not there yet of a unit; the scores of what was made, by sample."""
        planned = self._plan.cells[unit.cell]
        cell_id = self._cell_ids[unit.cell]
        samples: Sequence[int] = range(unit.start, unit.stop)
        done = self._store.samples_done(cell_id, unit.position, samples)
        if done:
            samples = [sample for sample in samples if sample not in done]
        if not samples:
            return []
        item = planned.items[unit.position]
        ask = DurableAsk(self._purchases, {"model": model, **self._roles}, (cell_id, planned.cell), unit.position)
        strategy = planned.strategy
        if not isinstance(strategy, Live):
            raise TypeError(f"{planned.cell.name} is pooled and has no units")
        candidates = await strategy(item, samples, ask)
        scores = await self._score_all(item, samples, candidates, ask)
        for sample, candidate, score in zip(samples, candidates, scores, strict=True):
            self._store.put_candidate((cell_id, unit.position, sample), candidate, item.utility or "", score)
            self._meter.made(score)
        return scores

    async def _score_all(
        self, item: Item, samples: Sequence[int], candidates: Sequence[Candidate], ask: DurableAsk
    ) -> list[Score]:
        judge = getattr(self._utilities[item.utility or ""], "judge", None) if "judge" in self._roles else None
        if judge is None:
            return [await self._score(item, candidate) for candidate in candidates]
        judged = (
            _judged(judge, item, candidate, ask.at(sample))
            for sample, candidate in zip(samples, candidates, strict=True)
        )
        return await all_ended(judged)

    async def _score(self, item: Item, candidate: Candidate) -> Score:
        if candidate.text is None:
            return Score(None, missing=candidate.missing)
        utility = self._utilities[item.utility or ""]
        if utility.cpu_bound:
            return await asyncio.to_thread(utility.score, item, candidate)
        return utility.score(item, candidate)


async def _judged(
    judge: Callable[[Item, Candidate, DurableAsk], Awaitable[Score]], item: Item, candidate: Candidate, ask: DurableAsk
) -> Score:
    if candidate.text is None:
        return Score(None, missing=candidate.missing)
    try:
        return await judge(item, candidate, ask)
    except CallRefused as error:
        return Score(None, missing=f"judge: {error}")
