"""`akrasia run` as a library call: check everything, open, carry out, close, count."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from akrasia.core import InputError, Model, RunIncomplete
from akrasia.models import build_model
from akrasia.runs import manifest
from akrasia.runs.bench import Bench, model_settings
from akrasia.runs.config import RunConfig
from akrasia.runs.engine import Engine, build_utilities
from akrasia.runs.lock import RunLock
from akrasia.runs.meter import Meter
from akrasia.runs.plan import CellCount, Plan, is_judged, load_suites
from akrasia.runs.prices import Price, Prices, cost
from akrasia.runs.store import CellTotals, Store


class RunSummary(Struct, frozen=True):
    """What `akrasia run --json` prints.

    Attributes:
        out: the run's folder.
        cells: counts per cell.
    """

    out: str
    cells: list[CellCount]


class Options(Struct, frozen=True):
    """What surrounds a run without being part of it.

    Attributes:
        reuse: folders of runs whose matching calls may be taken.
        command: the command line, for the record.
        on_start: called once with the meter, the number of planned candidates and those already stored; what it
            returns is called about four times a second and once at the end.
        on_notice: called with one line that the user should see.
    """

    reuse: tuple[Path, ...] = ()
    command: str = ""
    on_start: Callable[[Meter, int, int], Callable[[], None]] | None = None
    on_notice: Callable[[str], None] = lambda _: None


def plan_run(config: RunConfig, out: Path) -> RunSummary:
    """What a run would do, with nothing opened, asked or written (`--dry-run`).

    Raises:
        InputError: anything about the configuration or the folder that `execute` would refuse beforehand.
    """
    plan = Plan(config, load_suites(config))
    bench = Bench(config, lambda _: None)
    build_utilities(plan, bench.adherence)
    _models(config, lambda _: None)
    _previous(out, config)
    return RunSummary(str(out), plan.counts(_prices(config)))


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
    plan = Plan(config, load_suites(config))
    bench = Bench(config, options.on_notice)
    utilities = build_utilities(plan, bench.adherence)
    prices = _prices(config)
    models, roles = _models(config, options.on_notice), bench.roles
    previous = _previous(out, config)
    reuse = [_store_of(folder) for folder in options.reuse]
    with _folder(out), RunLock(out):
        try:
            await _open({**models, **roles})
            now = manifest.describe(plan, models, bench, utilities.values(), options.command)
            _record(out, now, previous)
            store = Store(out, reuse=reuse)
            try:
                cell_ids = await store.add_plan([planned.cell for planned in plan.cells], plan.items())
                priced = {cell_ids[planned.cell.name]: prices.of(planned.cell.model) for planned in plan.cells}
                meter = Meter(priced, max_cost=config.max_cost, max_tokens=config.max_tokens_total)
                done = _carry_over(store, meter, priced)
                engine = Engine(
                    plan,
                    store=store,
                    models=models,
                    utilities=utilities,
                    meter=meter,
                    cell_ids=cell_ids,
                    roles=roles,
                )
                meter.on_stop += [model.interrupt for model in (*models.values(), *roles.values())]
                with _interruptible(meter, options.on_notice):
                    try:
                        await _with_progress(engine, plan, meter, done, options)
                    except asyncio.CancelledError:
                        task = asyncio.current_task()
                        if not meter.stopping or task is None:
                            raise  # somebody else's doing, not the user's second Ctrl-C
                        task.uncancel()
                summary = RunSummary(str(out), _counts(plan, store.totals(), cell_ids, priced))
            finally:
                await store.close()
        finally:
            for model in (*models.values(), *roles.values()):
                await model.close()
            for utility in utilities.values():
                utility.close()
        _end(out, meter, fresh=previous is None)
    return summary


def _prices(config: RunConfig) -> Prices:
    return Prices.read(Path(config.prices)) if config.prices else Prices()


def _models(config: RunConfig, on_notice: Callable[[str], None]) -> dict[str, Model]:
    settings = model_settings(config, on_notice)
    return {name: build_model(name, settings=settings) for name in config.model}


def _previous(out: Path, config: RunConfig) -> manifest.Manifest | None:
    previous = manifest.read(out)
    if previous is not None:
        manifest.check_resume(out, previous, config)
    elif out.is_file():
        raise InputError(f"--out {out} is a file: name a folder")
    elif out.is_dir() and any(entry.name != "run.lock" for entry in out.iterdir()):
        raise InputError(
            f"--out {out} is not empty and holds no run: name a new folder, or that of a run to go on with"
        )
    return previous


def _store_of(folder: Path) -> Path:
    path = folder / "run.sqlite"
    if not path.is_file():
        raise InputError(f"--reuse {folder} holds no run: name the folder that `akrasia run --out` wrote")
    return path


@contextlib.contextmanager
def _folder(out: Path) -> Iterator[None]:
    """The run's folder; one that was made for a run that could not begin goes again."""
    made = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "run.lock").touch()
    except OSError as error:
        raise InputError(
            f"cannot write to --out {out}: {error.strerror}; name a folder that you may write to"
        ) from None
    try:
        yield
    except InputError:
        if made and [entry.name for entry in out.iterdir()] == ["run.lock"]:
            (out / "run.lock").unlink()
            out.rmdir()
        raise


async def _open(models: Mapping[str, Model]) -> None:
    for model in models.values():
        await model.open()


def _record(out: Path, now: manifest.Manifest, previous: manifest.Manifest | None) -> None:
    if previous is not None:
        manifest.check_same(out, previous, now)
    try:
        manifest.write(out, now)
    except OSError as error:
        raise InputError(f"cannot write {out / 'run.toml'}: {error.strerror}") from None


def _carry_over(store: Store, meter: Meter, priced: Mapping[int, Price | None]) -> int:
    """Count what earlier sittings bought; returns how many candidates are there."""
    done = 0
    for number, totals in store.totals().items():
        done += totals.candidates
        tokens = (totals.prompt_tokens or 0) + (totals.completion_tokens or 0)
        meter.carry(tokens, _cost(priced.get(number), totals))
    return done


def _cost(price: Price | None, totals: CellTotals) -> float | None:
    if totals.unreported:
        return None
    return cost(price, totals.prompt_tokens or 0, totals.completion_tokens or 0, totals.cached_tokens)


def _counts(
    plan: Plan, totals: Mapping[int, CellTotals], cell_ids: Mapping[str, int], priced: Mapping[int, Price | None]
) -> list[CellCount]:
    counts = []
    for planned in plan.cells:
        number = cell_ids[planned.cell.name]
        found = totals[number]
        reported = found.prompt_tokens is not None or found.completion_tokens is not None
        tokens = (found.prompt_tokens or 0) + (found.completion_tokens or 0)
        counts.append(
            CellCount(
                cell=planned.cell.name,
                items=len(planned.items),
                candidates=found.candidates,
                failures=found.failures,
                missing=found.missing,
                tokens=tokens if reported or found.calls == 0 else None,
                cost=_cost(priced.get(number), found),
                calls=found.calls,
                prompt_tokens=found.prompt_tokens,
                completion_tokens=found.completion_tokens,
                judged=is_judged(plan.suites[planned.cell.suite]),
            )
        )
    return counts


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


def _end(out: Path, meter: Meter, *, fresh: bool) -> None:
    """Raise why the run stopped early, if it did; a run that could not buy anything leaves no records behind."""
    reason = meter.stop_reason
    if reason is None:
        return
    if fresh and meter.calls == 0 and isinstance(reason, InputError):
        for name in ("run.toml", "run.sqlite", "run.sqlite-wal", "run.sqlite-shm"):
            (out / name).unlink(missing_ok=True)
    raise reason
