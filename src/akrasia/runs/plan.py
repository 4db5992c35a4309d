"""The plan of a run as data: its cells, counted and priced before anything is spent, and its units, made lazily."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from akrasia.core import InputError, Item, Sampling, Suite
from akrasia.core.cell import Cell
from akrasia.models import model_identity
from akrasia.runs.auditing import auditing_of
from akrasia.runs.config import FIRST_CANDIDATES, RunConfig
from akrasia.runs.totals import AuditCount
from akrasia.strategies import Live, Pooled, build_strategy
from akrasia.suites import load_suite

if TYPE_CHECKING:
    from akrasia.strategies.audited import Auditing


class Unit(Struct, frozen=True):
    """What one worker carries to its end: a range of samples of one item in one cell."""

    cell: int
    position: int
    start: int
    stop: int


class PlannedCell(Struct, frozen=True):
    """A cell with the parts that carry it out."""

    cell: Cell
    strategy: Live | Pooled
    items: tuple[Item, ...]


class Left(Struct, frozen=True):
    """What of a planned cell is still to be bought; its tokens and cost are in proportion to the calls.

    Calls that are bought are not left, though the candidates that they are for may be.
    """

    candidates: int
    calls: int | None
    tokens: int | None
    cost: float | None


class Taken(Struct, frozen=True):
    """What a planned cell takes; None: it cannot be told beforehand."""

    calls: int | None
    tokens: int | None
    cost: float | None


class CellCount(Struct, frozen=True):
    """What a cell holds, or is planned to hold: the `cells` of `akrasia run --json`.

    Attributes:
        cell: its name.
        items: how many items.
        candidates: how many candidates; 0 for a pooled strategy, which draws none of its own.
        failures: candidates that count 0 because they could not be parsed, were cut off or refused.
        missing: candidates without a utility, and so left out and bounded, not counted 0.
        tokens: prompt plus generated tokens bought; None: the endpoint did not report those of every call, or they
            cannot be told beforehand. So are `prompt_tokens` and `completion_tokens`, each for itself.
        cost: money by the user's price file; None: unknown.
        calls: model calls.
        judged: whether judges read its candidates for values.
        acts: whether they are deployed; False of statements and ratings, which actions are measured against.
        audit: what the audits of its candidates came to; None for a cell that audits nothing.
        left: of a plan, what no stored run holds yet; None where nothing is stored.
        fewest: of a plan, how many calls it makes at least, where replies decide how many; its `calls`, `tokens` and
            `cost` are the most, and nothing bounds the last two from below. None elsewhere.
        tokens_at_least: those that calls reported, where `tokens` is not known for others; None where none did.
        expected: what such a cell takes by its strategy's prior, replies as long as their cap; None where the prior
            does not tell, as of several drawn at once.
    """

    cell: str
    items: int
    candidates: int
    failures: int
    missing: int
    tokens: int | None
    cost: float | None
    calls: int | None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    judged: bool = False
    acts: bool = True
    audit: AuditCount | None = None
    left: Left | None = None
    fewest: Taken | None = None
    expected: Taken | None = None
    tokens_at_least: int | None = None


class Plan:
    """All cells of a run.

    Args:
        config: checked configuration.
        suites: the suites by name, whole; the limit is applied here.

    Attributes:
        config: the same with its strategies named.
        auditing: who audits; None where no strategy does.
    """

    def __init__(self, config: RunConfig, suites: dict[str, Suite]) -> None:
        self.config = config = with_strategies(config, suites)
        self.suites = suites
        self.auditing = auditing_of(config)
        self.cells = tuple(_cells(config, suites, self.auditing))

    @property
    def candidates(self) -> int:
        """How many candidates are planned in all."""
        return sum(len(planned.items) * planned.cell.samples for planned in self.cells)

    def items(self) -> Iterator[tuple[str, int, Item]]:
        """Suite, position and item of every item that is used."""
        for name, suite in self.suites.items():
            for position, item in enumerate(suite.items[: self.config.limit]):
                yield name, position, item

    def units(self, model: str, most: int) -> Iterator[tuple[int, Iterator[Unit]]]:
        """The number of each live cell of a model, and its units, each of at most so many samples."""
        for number, planned in enumerate(self.cells):
            if planned.cell.model == model and not planned.cell.pooled:
                yield number, self._units(number, most)

    def _units(self, number: int, most: int) -> Iterator[Unit]:
        planned = self.cells[number]
        samples = planned.cell.samples
        for position in range(len(planned.items)):
            for start in range(0, samples, most):
                yield Unit(number, position, start, min(start + most, samples))


def load_suites(config: RunConfig) -> dict[str, Suite]:
    """Every suite of a configuration, by the name that the user gave."""
    return {name: load_suite(name) for name in config.suite}


ON_PROBLEMS, ON_SCENARIOS = ("direct",), ("fast", "slow")
"""What is deployed where no strategy is named."""

NOT_DEPLOYED = frozenset({"state", "rate"})
"""Strategies whose candidates actions are measured against, and are none themselves."""

TO_THE_WRITER = frozenset({"direct", "greedy", "budget_forced", "few_shot"})
"""Strategies that put the item as it stands: of a scenario they answer who wrote it, not the person in it."""


def with_strategies(config: RunConfig, suites: Mapping[str, Suite]) -> RunConfig:
    """The configuration with the strategies that its suites ask for, where it names none.

    Raises:
        InputError: none is named, and there are problems as well as scenarios.
    """
    if config.strategy:
        return config
    judged = {is_judged(suite) for suite in suites.values()}
    if len(judged) > 1:
        raise InputError(
            "there are scenarios as well as problems, which want other strategies: name them with --strategy, or run "
            "the suites apart"
        )
    return replace(config, strategy=list(ON_SCENARIOS if True in judged else ON_PROBLEMS))


def to_the_writer(plan: Plan) -> list[str]:
    """The strategies of a plan that answer the writer of a scenario, in the plan's order."""
    judged = {name for name, suite in plan.suites.items() if is_judged(suite)}
    cells = [one.cell for one in plan.cells if one.cell.suite in judged]
    return list(dict.fromkeys(cell.strategy for cell in cells if cell.strategy.partition(":")[0] in TO_THE_WRITER))


def _cells(config: RunConfig, suites: dict[str, Suite], auditing: Auditing | None) -> Iterator[PlannedCell]:
    _check_models(config.model)
    strategies = {text: build_strategy(text) for text in config.strategy}
    if "direct" not in strategies and any(isinstance(strategy, Pooled) for strategy in strategies.values()):
        strategies = {"direct": build_strategy("direct"), **strategies}
    seen: set[str] = set()
    for model, suite in product(config.model, suites.values()):
        items = suite.items[: config.limit]
        judged = is_judged(suite)
        used = _with_state(strategies) if judged else strategies
        for temperature, seed in product(config.temperature, config.seed):
            for text, strategy in used.items():
                sampling = _sampling(config, suite, temperature)
                pool = _pool_of(strategy, strategies, judged=judged)
                cell = _cell(config, (model, suite.name, text), strategy, sampling, seed, pool)
                if cell.name not in seen:  # a greedy decode is the same at every temperature and seed
                    seen.add(cell.name)
                    yield PlannedCell(cell, _bound(strategy, config, suite, auditing), items)


def _pool_of(strategy: Live | Pooled, strategies: Mapping[str, Live | Pooled], *, judged: bool) -> str | None:
    """The strategy whose candidates are the reference pool; None: a cell is measured on its own draws.

    What an audited strategy reaches is what its inner one draws, and what it made of that.
    """
    if not judged:
        return "direct" if "direct" in strategies else None
    if isinstance(strategy, Live) and strategy.needs_auditor:
        inner = strategy.pool_on_scenarios
        return inner if inner in strategies else None
    return None


def _bound(strategy: Live | Pooled, config: RunConfig, suite: Suite, auditing: Auditing | None) -> Live | Pooled:
    """The strategy as it is used on one suite, and with the values of this run."""
    if isinstance(strategy, Pooled):
        return strategy
    if config.judge:
        from akrasia.values import find_values

        strategy = strategy.for_values(find_values(config.values))
    if auditing is not None:
        strategy = strategy.audited_by(auditing)
    return strategy.for_items(suite.items)


def is_judged(suite: Suite) -> bool:
    """Whether it is a value suite: scenarios that no utility scores, but judges read."""
    return all(item.utility is None and "addressee" in item.metadata for item in suite.items)


def _with_state(strategies: dict[str, Live | Pooled]) -> dict[str, Live | Pooled]:
    """The strategies with the statement of values before them, which every action is measured against."""
    if any(text.partition(":")[0] == "state" for text in strategies):
        return strategies
    return {"state": build_strategy("state"), **strategies}


def _check_models(models: Iterable[str]) -> None:
    seen: dict[str, str] = {}
    for model in models:
        identity = model_identity(model)
        if identity in seen:
            raise InputError(
                f"{seen[identity]} and {model} bear one name at two addresses, and their answers could not be told "
                "apart: measure them in two runs and compare those"
            )
        seen[identity] = model


def _sampling(config: RunConfig, suite: Suite, temperature: float) -> Sampling:
    needs = suite.sampling
    return Sampling(
        temperature=temperature,
        max_tokens=needs.max_tokens if config.max_tokens is None else config.max_tokens,
        top_p=needs.top_p if config.top_p is None else config.top_p,
        stop=needs.stop if config.stop is None else tuple(config.stop),
        logprobs=config.logprobs,
    )


def _cell(
    config: RunConfig,
    names: tuple[str, str, str],
    strategy: Live | Pooled,
    sampling: Sampling,
    seed: int,
    beside: str | None,
) -> Cell:
    model, suite, text = names

    def name(of: str | None) -> str:
        return f"{model_identity(model)} {suite} {of} T{sampling.temperature:g} seed{seed}"

    pool = name(beside) if beside not in (None, text) else None
    if isinstance(strategy, Pooled):
        depth = config.samples if config.until_width is None else FIRST_CANDIDATES
        if strategy.n > depth:
            why = "samples is" if config.until_width is None else "sampling to a width gives every item only"
            raise InputError(f"{text} chooses among {strategy.n} candidates, but {why} {depth}")
        return Cell(
            name=name(text), model=model, suite=suite, strategy=text, sampling=sampling, seed=seed, samples=0,
            pool=pool, pooled=True,
        )  # fmt: skip
    samples = config.samples if strategy.samples is None else min(config.samples, strategy.samples)
    if strategy.samples == 1:
        return Cell(
            name=f"{model_identity(model)} {suite} {text}", model=model, suite=suite, strategy=text,
            sampling=replace(sampling, temperature=0.0), seed=seed, samples=1, pool=pool,
        )  # fmt: skip
    if sampling.temperature == 0 and samples > 1:
        raise InputError(
            f"strategy {text!r} would draw {samples} candidates at temperature 0, which are all the same: use "
            "--samples 1, --strategy greedy, or a temperature above 0"
        )
    return Cell(
        name=name(text),
        model=model,
        suite=suite,
        strategy=text,
        sampling=sampling,
        seed=seed,
        samples=samples,
        pool=pool,
    )
