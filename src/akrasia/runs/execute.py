"""`akrasia run` as a library call: check everything, open, carry out, close, count."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from akrasia.core import AkrasiaError, BudgetReached, InputError, JudgedUtility, Model, RunIncomplete, Utility
from akrasia.models import build_model
from akrasia.runs import manifest, wait_for
from akrasia.runs.answer_classes import keep_classes
from akrasia.runs.auditing import check_audit_keys
from akrasia.runs.bench import Bench, model_settings
from akrasia.runs.config import RunConfig
from akrasia.runs.engine import Engine, build_utilities
from akrasia.runs.folder import made_folder, previous_run, store_of
from akrasia.runs.lock import RunLock
from akrasia.runs.meter import Meter, WidthNotReached
from akrasia.runs.outage import NothingAnswered
from akrasia.runs.pace import Pace, Workload
from akrasia.runs.plan import Plan, is_judged, load_suites, to_the_writer
from akrasia.runs.prices import Prices, Rates, check_prices
from akrasia.runs.store import Store
from akrasia.runs.summary import RunSummary, counts_of, most_frequent
from akrasia.strategies import Live


class Options(Struct, frozen=True):
    """What surrounds a run without being part of it.

    Attributes:
        models: models that are built already, by the name that stands for them in the configuration.
        reuse: folders of runs whose matching calls may be taken.
        command: the command line, for the record.
        on_start: called once with the meter, the number of planned candidates and those already stored; what it
            returns is called about four times a second and once at the end.
        on_notice: called with one line that the user should see.
    """

    models: dict[str, Model] = {}
    reuse: tuple[Path, ...] = ()
    command: str = ""
    on_start: Callable[[Meter, int, int], Callable[[], None]] | None = None
    on_notice: Callable[[str], None] = lambda _: None


def plan_run(config: RunConfig, out: Path, options: Options = Options()) -> RunSummary:  # noqa: B008 - frozen
    """What a run would do, with nothing opened, asked or written (`--dry-run`).

    Raises:
        InputError: anything about the configuration or the folder that `execute` would refuse beforehand.
    """
    from akrasia.runs.forecast import forecast
    from akrasia.runs.left import with_left

    made = _prepared(config, out, options)
    counts = wait_for(forecast(made.plan, made.bench, made.utilities, made.prices))
    if made.previous is not None or options.reuse:
        counts = with_left(counts, made.plan, None if made.previous is None else out, options.reuse)
    return RunSummary(str(out), counts)


async def execute(config: RunConfig, out: Path, options: Options = Options()) -> RunSummary:  # noqa: B008 - frozen
    """Carry a run out, or go on with it, in a folder.

    Args:
        config: what to run; see `akrasia.runs.config`.
        out: the run's folder, made when it is not there.
        options: see `Options`.

    Returns:
        The counts of every cell, from the store.

    Raises:
        InputError: nothing can be done as configured; nothing was bought.
        RunIncomplete: it stopped and can be resumed; all that was bought is stored.
    """
    made = _prepared(config, out, options)
    config, plan, bench, utilities = made.plan.config, made.plan, made.bench, made.utilities
    models, previous, reuse = made.models, made.previous, made.reuse
    roles = {**bench.roles, **bench.auditors.roles(models)}
    with made_folder(out), RunLock(out):
        try:
            await _open(_each_once(models, roles), out, fresh=previous is None)
            now = manifest.describe(plan, models, bench, utilities.values(), options.command)
            now = msgspec.structs.replace(now, auditors=bench.auditors.fingerprints(roles))
            if previous is not None:
                manifest.check_same(out, previous, now)
            store = Store(out, reuse=reuse, retry_missing=config.retry_missing)
            try:
                # After the store: whoever finds run.toml without run.sqlite knows that answers are lost.
                _record(out, now)
                cell_ids = await store.add_plan([planned.cell for planned in plan.cells], plan.items())
                asked = {cell_ids[planned.cell.name]: planned.cell.model for planned in plan.cells}
                rates = Rates(made.prices, asked, bench.models)
                meter = Meter(rates, max_cost=config.max_cost, max_tokens=config.max_tokens_total)
                done = _carry_over(plan, store, meter, cell_ids)
                engine = Engine(
                    plan,
                    store=store,
                    models=models,
                    utilities=utilities,
                    meter=meter,
                    cell_ids=cell_ids,
                    roles=roles,
                    on_notice=options.on_notice,
                )
                meter.on_stop += [model.interrupt for model in _each_once(models, roles)]
                with _interruptible(meter, options.on_notice):
                    try:
                        await _with_progress(engine, plan, meter, done, options)
                        await keep_classes(plan, store, utilities, cell_ids, meter, options.on_notice)
                    except asyncio.CancelledError:
                        task = asyncio.current_task()
                        if not meter.stopping or task is None:
                            raise  # somebody else's doing, not the user's second Ctrl-C
                        task.uncancel()
                summary = RunSummary(
                    str(out),
                    counts_of(plan, store.totals(), cell_ids, rates, store.audits()),
                    most_frequent(store.missing_reasons()),
                )
            finally:
                await store.close()
            if reuse:
                options.on_notice(_reused(store.reused, meter.calls))
        finally:
            for model in _each_once(models, roles):
                await model.close()
            for utility in utilities.values():
                utility.close()
        _end(out, meter, summary, config, fresh=previous is None)
    return summary


class _Prepared(Struct, frozen=True):
    """What stands before anything is bought. `reuse`: stores of other runs."""

    plan: Plan
    bench: Bench
    utilities: Mapping[str, Utility]
    prices: Prices
    models: dict[str, Model]
    previous: manifest.Manifest | None
    reuse: list[Path]


def _prepared(config: RunConfig, out: Path, options: Options) -> _Prepared:
    """All that is made and checked for a run, and for a plan alike: a plan refuses what its run would refuse."""
    plan = Plan(config, load_suites(config))
    config = plan.config
    bench = Bench(config, options.on_notice, plan.auditing)
    utilities = build_utilities(plan, bench.adherence)
    prices = _prices(config, bench)
    _tell_unused_judges(config, utilities, options.on_notice)
    check_audit_keys(config, options.on_notice)
    _tell_misfits(plan, options.on_notice)
    models = _models(config, options)
    previous = previous_run(out, config)
    return _Prepared(plan, bench, utilities, prices, models, previous, [store_of(folder) for folder in options.reuse])


def _prices(config: RunConfig, bench: Bench) -> Prices:
    if config.prices is None:
        return Prices()
    prices = Prices.read(Path(config.prices))
    if config.max_cost is not None:
        check_prices(prices, (*config.model, *bench.models.values()), config.prices)
    return prices


def _models(config: RunConfig, options: Options) -> dict[str, Model]:
    settings = model_settings(config, options.on_notice)
    return {
        name: options.models[name] if name in options.models else build_model(name, settings=settings)
        for name in config.model
    }


def _tell_unused_judges(config: RunConfig, utilities: Mapping[str, Utility], on_notice: Callable[[str], None]) -> None:
    if config.judge and not any(isinstance(utility, JudgedUtility) for utility in utilities.values()):
        on_notice(f"--judge {', '.join(config.judge)} has nothing to judge: no item of the suites asks a judge")


def _tell_misfits(plan: Plan, on_notice: Callable[[str], None]) -> None:
    """Say what of a configuration does something else than its user may think, or nothing."""
    writers = to_the_writer(plan)
    if writers:
        on_notice(
            f"{', '.join(writers)} on scenarios: the answer goes to the scenario's writer and is measured as a mode of "
            "its own; fast and slow ask for the words to the person in it"
        )
    if plan.config.values != RunConfig().values and not any(is_judged(suite) for suite in plan.suites.values()):
        on_notice(f"--values {plan.config.values} has no effect: no suite here is read for values")


def _each_once(*models: Mapping[str, Model]) -> list[Model]:
    """A model may answer under several names, and is opened and closed once."""
    return list({id(model): model for named in models for model in named.values()}.values())


async def _open(models: Sequence[Model], out: Path, *, fresh: bool) -> None:
    try:
        for model in models:
            await model.open()
    except RunIncomplete as stop:
        raise _with_way_on(stop, out, bought=not fresh) from None


def _reused(taken: int, bought: int) -> str:
    if not taken:
        return f"--reuse: nothing there has the same model, prompt, sampling and seed; {bought} calls were bought"
    return f"--reuse: {taken} calls were answered from there, and {bought} were bought"


def _with_way_on(stop: AkrasiaError, out: Path, *, bought: bool) -> AkrasiaError:
    """Why a run stopped, with what became of it and what to do."""
    if not isinstance(stop, RunIncomplete):
        return stop
    why = str(stop).rstrip(".?! ")
    if not bought:
        return type(stop)(f"{why}. Nothing was bought, and nothing is left in {out}; go on with the same command")
    stored = f"{why}. What was bought is stored in {out}"
    says_it_itself = isinstance(stop, BudgetReached | WidthNotReached | NothingAnswered)
    return type(stop)(stored if says_it_itself else f"{stored}; go on with the same command")


def _record(out: Path, now: manifest.Manifest) -> None:
    try:
        manifest.write(out, now)
    except OSError as error:
        raise InputError(f"cannot write {out / 'run.toml'}: {error.strerror}") from None


def _carry_over(plan: Plan, store: Store, meter: Meter, cell_ids: Mapping[str, int]) -> int:
    """Count what earlier sittings bought, and what is left of every cell; returns how many candidates are there."""
    totals = store.totals()
    meter.carry(totals.items())
    retry = plan.config.retry_missing
    live = [(planned, planned.strategy) for planned in plan.cells if isinstance(planned.strategy, Live)]
    caps = [
        None if planned.cell.sampling.max_tokens is None else strategy.most_tokens(planned.cell.sampling.max_tokens)
        for planned, strategy in live
    ]
    work = []
    for (planned, strategy), cap in zip(live, caps, strict=True):
        number = cell_ids[planned.cell.name]
        there = totals[number].candidates - (totals[number].missing if retry else 0)
        weight = float(strategy.calls or 1) if None in caps else float(cap or 1)
        work.append(Workload(number, planned.cell.model, len(planned.items) * planned.cell.samples - there, weight))
    meter.pace = Pace(work, meter)
    return sum(found.candidates - (found.missing if retry else 0) for found in totals.values())


async def _with_progress(engine: Engine, plan: Plan, meter: Meter, done: int, options: Options) -> None:
    tick = options.on_start(meter, plan.candidates, done) if options.on_start else None
    if tick is None:
        await engine.carry_out()
        return

    async def ticking(show: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(0.25)
            show()

    ticker = asyncio.create_task(ticking(tick))
    try:
        await engine.carry_out()
    finally:
        ticker.cancel()
        tick()


@contextlib.contextmanager
def _interruptible(meter: Meter, on_notice: Callable[[str], None]) -> Iterator[None]:
    """The first Ctrl-C (or TERM) lets calls under way end and keeps them; the second cancels them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()

    def stop() -> None:
        if meter.stopping and task is not None:
            task.cancel()
            return
        meter.stop(RunIncomplete("stopped by a signal (Ctrl-C)"))
        on_notice("stopping: waiting for the calls under way, whose answers are kept (Ctrl-C again drops them)")

    signals: Sequence[signal.Signals] = (signal.SIGINT, signal.SIGTERM)
    previous = {number: signal.getsignal(number) for number in signals}
    for number in signals:
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _end(out: Path, meter: Meter, summary: RunSummary, config: RunConfig, *, fresh: bool) -> None:
    """Raise why the run stopped early, if it did; a run that made nothing leaves no records behind."""
    reason = meter.final_reason()
    if reason is None:
        return
    nothing = fresh and meter.calls == 0 and meter.candidates == 0
    if nothing:
        for name in ("run.toml", "run.sqlite", "run.sqlite-wal", "run.sqlite-shm"):
            (out / name).unlink(missing_ok=True)
    missing = summary.told_missing()
    if isinstance(reason, WidthNotReached) and missing:
        reason = WidthNotReached(f"{reason}. {missing}")
    if isinstance(reason, NothingAnswered) and not nothing:
        # A run to a width draws others in place of what is missing; elsewhere it must be asked for.
        again = "" if config.until_width is not None else " with --retry-missing"
        reason = NothingAnswered(
            f"{reason}. Mend that and run the same command{again}, or one with another --out where that changes the "
            "model itself, as a script"
        )
    raise _with_way_on(reason, out, bought=not nothing)
