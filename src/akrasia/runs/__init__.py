"""Plan → execute → store → resume: what turns suites, strategies and models into stored candidates and scores."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from akrasia.core import Model

if TYPE_CHECKING:
    from akrasia.runs.reader import Run
    from akrasia.runs.summary import RunSummary

__all__ = ["load_run", "run", "run_async"]

T = TypeVar("T")


async def run_async(out: str | Path, **keys: Any) -> RunSummary:
    """Carry out a run, or go on with it, inside a running event loop.

    Args:
        out: the run's folder.
        keys: as in a configuration file: ``model``, ``suite``, ``strategy``, ``samples`` …
            (see `akrasia.runs.config.RunConfig`). In place of a name ``model`` also takes a model that is built
            already, such as ``Scripted(answer)``; it stands in the records under its own name.

    Returns:
        The counts per cell.

    Raises:
        InputError: something cannot be used as given.
        RunIncomplete: it stopped early; the same call goes on.
    """
    from akrasia.runs.config import build_config
    from akrasia.runs.execute import Options, execute

    given = keys.get("model")
    built = {one.name: one for one in (given if isinstance(given, list) else [given]) if isinstance(one, Model)}
    if built:
        keys["model"] = [getattr(one, "name", one) for one in (given if isinstance(given, list) else [given])]
    return await execute(build_config(keys, "run(...)"), Path(out), Options(models=built))


def run(out: str | Path, **keys: Any) -> RunSummary:
    """`run_async` for code without an event loop; works inside a notebook's running loop, too."""
    return wait_for(run_async(out, **keys))


def load_run(folder: str | Path) -> Run:
    """A stored run, opened for reading only; it may be running still.

    Raises:
        InputError: the folder holds no run.
    """
    from akrasia.runs.reader import Run

    return Run(Path(folder))


def wait_for(work: Coroutine[Any, Any, T]) -> T:
    """The one sync edge over the async core: on the fastest loop there is, beside a running loop if need be."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _on_new_loop(work)
    results: list[T] = []
    errors: list[BaseException] = []

    def beside() -> None:
        try:
            results.append(_on_new_loop(work))
        except BaseException as error:  # noqa: BLE001 - carried over to the thread that waits, and raised there
            errors.append(error)

    thread = threading.Thread(target=beside, name="akrasia-run")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _on_new_loop(work: Coroutine[Any, Any, T]) -> T:
    try:
        from uvloop import new_event_loop
    except ImportError:  # no uvloop on Windows
        new_event_loop = asyncio.new_event_loop
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work)
