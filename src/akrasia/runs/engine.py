"""The local engine: carries a plan out on one event loop, each worker taking its unit to the end.

Memory does not grow with the number of samples: units are generated one by one, and what is done is asked of the store.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from akrasia.core import AkrasiaError, CallRefused, Candidate, InputError, Item, JudgedUtility, Model, Score, Utility
from akrasia.runs.ask import DurableAsk, Purchases, Stopped
from akrasia.runs.config import AUDIT_ROLES, FIRST_CANDIDATES
from akrasia.runs.item_checks import check_scored, told_at
from akrasia.runs.meter import Meter
from akrasia.runs.outage import NothingAnswered, Turns
from akrasia.runs.plan import Plan, Unit, is_judged
from akrasia.runs.store import Store
from akrasia.strategies import Live, Pooled, all_ended
from akrasia.suites.jsonl import place_of
from akrasia.utilities import ADHERENCE, UtilityOptions, build_utility

if TYPE_CHECKING:
    from akrasia.utilities.adherence import Adherence

UNIT_SAMPLES = 64
"""The most samples of one unit; more travel in several, so that a worker's memory is bounded."""


def build_utilities(plan: Plan, adherence: Adherence | None) -> dict[str, Utility]:
    """Every utility that the items of a plan name, each item checked against its own.

    Args:
        plan: what is to be done.
        adherence: who reads value suites; None where the user named no judge.

    Raises:
        InputError: an item names no utility or an unknown one, or lacks what its utility needs.
    """
    utilities: dict[str, Utility] = {}
    options = UtilityOptions(allow_unsandboxed=plan.config.allow_unsandboxed, votes=plan.config.votes)
    judged = {name for name, suite in plan.suites.items() if is_judged(suite)}
    for suite, position, item in plan.items():
        where = place_of(suite, position)
        with told_at(where):
            check_scored(item, judged=suite in judged)
        name = utility_of(item)
        if name not in utilities:
            if item.utility is None and adherence is None:
                raise InputError(
                    f"suite {suite} is read by judges: name one with --judge encoder, or --judge llm:MODEL"
                )
            with told_at(where):
                utilities[name] = adherence if adherence and not item.utility else build_utility(name, options)
            _check_judges(plan, suite, item, utilities[name])
            _check_width(plan, suite, item, utilities[name])
        with told_at(where):
            utilities[name].check(item)
    _check_enough(plan)
    return utilities


def utility_of(item: Item) -> str:
    """Name of the utility that scores an item; that of the judges where it names none."""
    return item.utility or ADHERENCE


def _check_judges(plan: Plan, suite: str, item: Item, utility: Utility) -> None:
    """What a utility that asks judges cannot be combined with."""
    if not isinstance(utility, JudgedUtility):
        return
    where = f"suite {suite}: the utility {utility.name!r} of item {item.id!r}"
    if utility.name != ADHERENCE:
        if not plan.config.judge:
            raise InputError(f"{where} asks a judge: name one with --judge llm:MODEL")
        if len(plan.config.judge) > 1 or not plan.config.judge[0].startswith("llm:"):
            raise InputError(f"{where} asks one model: name one judge, --judge llm:MODEL")
    for planned in plan.cells:
        strategy = planned.strategy
        if planned.cell.suite != suite or not isinstance(strategy, Pooled):
            continue
        if strategy.needs_answers or utility.name == ADHERENCE:
            raise InputError(f"{where} gives nothing that {planned.cell.strategy} could choose by: leave that out")


GRADED = frozenset({ADHERENCE, "preference"})
"""Utilities that may lie between 0 and 1 whatever the item; others are found out by their first such value."""


def _check_width(plan: Plan, suite: str, item: Item, utility: Utility) -> None:
    if plan.config.until_width is not None and utility.name in GRADED:
        raise InputError(
            f"suite {suite}: the utility {utility.name!r} of item {item.id!r} is graded, and until_width needs "
            "utilities of 0 or 1: leave until_width out, and give samples and limit"
        )


def _check_enough(plan: Plan) -> None:
    """Refuse a suite that has too few items for any interval to be looked at."""
    if plan.config.until_width is None:
        return
    from akrasia.runs.until_width import width_plan

    least = width_plan(plan.config.until_width, plan.config.samples).min_items
    for planned in plan.cells:
        if len(planned.items) < least:
            raise InputError(
                f"suite {planned.cell.suite}: {len(planned.items)} items are to be used, and until_width looks at the "
                f"interval from {least} on: take more items, or give samples in place of until_width"
            )


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
        roles: open models of the other roles ("judge", "auditor") by role.
        on_notice: called with one line that the user should see.
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
        on_notice: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._plan = plan
        self._store = store
        self._models = models
        self._utilities = utilities
        self._meter = meter
        self._cell_ids = [cell_ids[planned.cell.name] for planned in plan.cells]
        self._roles = dict(roles or {})
        self._turns: dict[int, Turns] = {}
        answered = self._answered_before()
        self._purchases = Purchases(
            store, meter, on_notice, share_all=plan.auditing is not None, answered=answered, on_silence=self._on_silence
        )

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
                units = self._turns[id(model)] = Turns(self._plan.units(name, most))
                crew = _Crew(group, model, units, most)
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
                scores = await self._carry(model, Unit(cell, position, start, stop))
                return [_binary(score, self._plan.cells[cell].items[position]) for score in scores]

            try:
                await search.run(
                    draw,
                    stored=partial(self._store.utilities, self._cell_ids[number]),
                    at_once=lambda: max(2, math.ceil(1.5 * model.concurrency / FIRST_CANDIDATES)),
                    stopping=lambda: self._meter.stopping,
                )
            except Stopped:
                return
            except AkrasiaError as error:
                self._meter.stop(error)
                return

    def _on_silence(self, model: Model, cell_id: int, why: NothingAnswered) -> None:
        turns = self._turns.get(id(model))
        if turns is None or not turns.put_off(self._cell_ids.index(cell_id)):
            self._meter.stop(why)

    def _answering(self, model: Model) -> dict[str, Model]:
        """Who answers in each role. Who mends an audited text is the model that wrote it, unless the user names one."""
        return {**dict.fromkeys(("model", *AUDIT_ROLES), model), **self._roles}

    def _answered_before(self) -> list[Model]:
        found = []
        for planned, cell in zip(self._plan.cells, self._cell_ids, strict=True):
            answering = self._answering(self._models[planned.cell.model])
            found += [model for role, model in answering.items() if (cell, role) in self._meter.answered_before]
        return found

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
        ask = DurableAsk(self._purchases, self._answering(model), (cell_id, planned.cell), unit.position)
        strategy = planned.strategy
        if not isinstance(strategy, Live):
            raise TypeError(f"{planned.cell.name} is pooled and has no units")
        candidates = await strategy(item, samples, ask)
        scores = await self._score_all(item, samples, candidates, ask)
        name = utility_of(item)
        for sample, candidate, score in zip(samples, candidates, scores, strict=True):
            self._store.put_candidate((cell_id, unit.position, sample), candidate, name, score)
            self._meter.made(cell_id, score)
        return scores

    async def _score_all(
        self, item: Item, samples: Sequence[int], candidates: Sequence[Candidate], ask: DurableAsk
    ) -> list[Score]:
        judge = getattr(self._utilities[utility_of(item)], "judge", None)
        if judge is None:
            return [await self._score(item, candidate) for candidate in candidates]
        again = self._store.samples_missing(*ask.place, samples)
        judged = (
            _judged(judge, item, candidate, ask.again_at(sample) if sample in again else ask.at(sample))
            for sample, candidate in zip(samples, candidates, strict=True)
        )
        return await all_ended(judged)

    async def _score(self, item: Item, candidate: Candidate) -> Score:
        if candidate.text is None:
            return Score(None, missing=candidate.missing)
        utility = self._utilities[utility_of(item)]
        if utility.cpu_bound:
            return await asyncio.to_thread(utility.score, item, candidate)
        return utility.score(item, candidate)


def _binary(score: Score, item: Item) -> float | None:
    if score.utility not in (None, 0.0, 1.0):
        raise InputError(
            f"item {item.id!r} has a utility of {score.utility:g}, and until_width needs utilities of 0 or 1: leave "
            "until_width out, and give samples and limit"
        )
    return score.utility


async def _judged(
    judge: Callable[[Item, Candidate, DurableAsk], Awaitable[Score]], item: Item, candidate: Candidate, ask: DurableAsk
) -> Score:
    if candidate.text is None:
        return Score(None, missing=candidate.missing)
    try:
        return await judge(item, candidate, ask)
    except CallRefused as error:
        return Score(None, missing=f"judge: {error}")
