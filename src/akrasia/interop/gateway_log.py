"""The gateway's audit log as a run: what was asked and sent, held against the values that it was audited by.

An item is one choice of a request: the first one bears the audit's id, another ``ID#INDEX``. Its cluster is the
conversation that the client named, else the first thing that a user said in it. A group of requests by model and
strategy is a suite of its own, and has up to three cells: ``…|delivered``, what the client got; ``…|original``, what
the upstream said, where that differs anywhere; and ``… state``, the values that the choices were held against.

Whether a log is whole is asked before, by the caller (`akrasia.gateway.verify`).
"""

from __future__ import annotations

import platform
import shutil
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

import msgspec
from msgspec import Struct

from akrasia import __version__
from akrasia.core import Fingerprint, InputError, Item, Reply, Request, Sampling, Usage
from akrasia.core.cell import Cell
from akrasia.interop.gateway_record import (
    Choice,
    LoggedRequest,
    Source,
    candidates_of,
    item_of,
    messages_of,
    requests_of,
    said_in,
)
from akrasia.runs import wait_for
from akrasia.runs.config import RunConfig
from akrasia.runs.manifest import Manifest
from akrasia.runs.manifest import write as write_manifest
from akrasia.runs.store import CallPlace, Store
from akrasia.strategies import build_strategy
from akrasia.utilities.registry import ADHERENCE
from akrasia.values import TAXONOMIES, find_values, taxonomy

TOGETHER = 500
"""Requests that are written before it is waited for them: memory does not grow with the log."""


class ImportedCell(Struct, frozen=True):
    """What was imported into a cell; `missing` is how many candidates were read by nobody."""

    cell: str
    items: int
    candidates: int
    missing: int


class Imported(Struct, frozen=True):
    """What was imported."""

    out: str
    cells: tuple[ImportedCell, ...]
    source: Source


class _Group(Struct):
    """The requests of one model and strategy."""

    suite: str
    model: str
    strategy: str
    differs: bool = False
    temperatures: set[float] = msgspec.field(default_factory=set)
    cells: dict[str, Cell] = msgspec.field(default_factory=dict)
    position: int = 0
    missing: dict[str, int] = msgspec.field(default_factory=dict)


class _Survey(Struct):
    """What has to be known of a log before its first request is written."""

    groups: dict[tuple[str, str], _Group] = msgspec.field(default_factory=dict)
    values: dict[str, None] = msgspec.field(default_factory=dict)
    constitutions: dict[str, None] = msgspec.field(default_factory=dict)
    judges: dict[tuple[str, Fingerprint], None] = msgspec.field(default_factory=dict)
    steered: str = ""


def import_log(source: Source, out: Path, *, values: str | None = None, command: str = "") -> Imported:
    """Turn a log into a run folder.

    Args:
        source: which files, and what is known of them; its counts are filled in here.
        out: the folder to make; it must not be there, or be empty.
        values: a taxonomy's name or a constitution's file, for names and order of the values; None: a shipped
            taxonomy that has them all, else a list of the bare ids, which is put beside the run.
        command: the command line, for the manifest.

    Raises:
        InputError: no request of the log was audited, the folder is taken, a line cannot be read, or `values` lacks
            a value of the log.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is there already: name a new folder with -o")
    survey = _Survey()
    counts = {"requests": 0, "unaudited": 0, "unanswered": 0, "unreadable": 0}
    for record in requests_of(source, counts):
        _note(survey, record, source)
        counts["requests"] += 1
        counts["unanswered"] += not record.choices
        counts["unaudited"] += bool(record.choices) and not record.audited
    source = msgspec.structs.replace(source, **counts)
    if not survey.groups:
        raise InputError(
            f"{source.log} holds no audited request ({counts['requests']} in all): let the policy's mode be observe, "
            "annotate or enforce"
        )
    making = out.with_name(f"{out.name}.importing")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    try:
        known = _values(survey, values, making, out)
        for group in survey.groups.values():
            _plan_cells(group)
        wait_for(_store(survey, source, making))
        write_manifest(making, _manifest(survey, source, known, command))
        if out.exists():
            out.rmdir()
        making.rename(out)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    cells = [
        ImportedCell(cell.name, group.position, group.position, group.missing.get(part, 0))
        for group in survey.groups.values()
        for part, cell in group.cells.items()
    ]
    return Imported(str(out), tuple(cells), source)


# --- reading -------------------------------------------------------------------------------------------------------


def _note(survey: _Survey, record: LoggedRequest, source: Source) -> None:
    """Take notice of one request."""
    if not record.audited or record.target is None:
        return
    key = (record.model, record.strategy)
    if key not in survey.groups:
        survey.groups[key] = _Group("", *key)
        stem = f"gateway:{Path(source.log).stem}"
        several = len(survey.groups) > 1
        for group in survey.groups.values():
            group.suite = f"{stem}/{group.model}@{group.strategy}" if several else stem
    group = survey.groups[key]
    temperature = record.settings.get("temperature", 1.0)
    group.temperatures.add(float(temperature) if isinstance(temperature, int | float) else 1.0)
    survey.values.update(dict.fromkeys(record.target.weights))
    if record.constitution is not None:
        survey.constitutions[record.constitution] = None
    if record.judge is not None:
        survey.judges[record.judge, record.judge_fingerprint or Fingerprint(record.judge, "", "")] = None
    for choice in record.audited:
        group.differs = group.differs or choice.decision in ("rewritten", "stopped", "withheld")
        if choice.decision == "rewritten":
            survey.steered = record.judge or ""
        for verdict in (choice.verdict, choice.delivered_verdict):
            if verdict is not None:
                survey.values.update(dict.fromkeys((*verdict.judgement.readings, *verdict.judgement.unread)))


def _judge(survey: _Survey, record: LoggedRequest) -> str:
    """A judge's name; with its version, where the log has several of one name."""
    name = record.judge or "judge"
    versions = [fingerprint for judge, fingerprint in survey.judges if judge == name]
    if len(versions) < 2 or record.judge_fingerprint is None:
        return name
    return f"{name} {record.judge_fingerprint.revision[:12]}".rstrip()


# --- what a run is made of -----------------------------------------------------------------------------------------


def _plan_cells(group: _Group) -> None:
    """The cells of a group; their names tell what their strategies cannot.

    What the gateway changed is delivered by strategy ``audited``: its gain over the original is read as any strategy's,
    with the note that the judge which values it here has steered it.
    """
    temperature = group.temperatures.pop() if len(group.temperatures) == 1 else 1.0
    live = _buildable(group.strategy)
    strategies = {"state": "state", "delivered": "audited" if group.differs else live}
    if group.differs:
        strategies["original"] = "direct" if live.startswith("audited") else live
    for part in ("state", "original", "delivered"):
        if part in strategies:
            told = part if part == "state" else f"{group.strategy}|{part}"
            group.cells[part] = Cell(
                name=f"{group.model} {group.suite} {told}", model=group.model, suite=group.suite,
                strategy=strategies[part], sampling=Sampling(temperature=temperature), seed=0, samples=1,
            )  # fmt: skip


def _buildable(strategy: str) -> str:
    """The strategy, where a run can have it; else plain draws, as for one whose files are on another machine."""
    try:
        build_strategy(strategy)
    except InputError:
        return "direct"
    return strategy


def _values(survey: _Survey, given: str | None, making: Path, out: Path) -> str:
    """What the manifest names as the run's values.

    Raises:
        InputError: the given ones lack a value of the log.
    """
    ids = set(survey.values)
    if given is not None:
        lacking = sorted(ids - set(find_values(given).ids))
        if lacking:
            raise InputError(
                f"{given} has no value {', '.join(lacking[:5])}, which the log was audited for: name another"
            )
        return given if given in TAXONOMIES else str(Path(given).resolve())
    for name in TAXONOMIES:
        if ids <= set(taxonomy(name).ids):
            return name
    import tomli_w

    declared = ", ".join(survey.constitutions) or "the gateway's policy"
    rows = [{"id": value, "definition": f"As declared in {declared}."} for value in survey.values]
    (making / "values.toml").write_text(tomli_w.dumps({"name": "declared", "value": rows}), encoding="utf-8")
    return str(out.resolve() / "values.toml")


def _manifest(survey: _Survey, source: Source, values: str, command: str) -> Manifest:
    groups = survey.groups.values()
    cells = [cell for group in groups for cell in group.cells.values()]
    several = {name for name, _ in survey.judges if sum(name == other for other, _ in survey.judges) > 1}
    judges = {f"{name} {one.revision[:12]}".rstrip() if name in several else name: one for name, one in survey.judges}
    models = list(dict.fromkeys(group.model for group in groups))
    return Manifest(
        run=RunConfig(
            model=models,
            suite=[group.suite for group in groups],
            strategy=list(dict.fromkeys(cell.strategy for cell in cells)),
            temperature=list(dict.fromkeys(cell.sampling.temperature for cell in cells)),
            judge=list(judges),
            values=values,
            samples=1,
        ),
        suites={group.suite: source.head[:16] for group in groups},
        models={model: Fingerprint(model, "", "through the gateway") for model in models},
        prompts={},
        versions={"akrasia": __version__, "python": platform.python_version()},
        platform=f"{platform.system()} {platform.machine()}",
        command=command,
        judges=judges,
        same_judge=survey.steered,
        values=blake2b(msgspec.json.encode(list(survey.values)), digest_size=8).hexdigest(),
        source=source,
    )


async def _store(survey: _Survey, source: Source, folder: Path) -> None:
    """Write every audited request."""
    store = Store(folder)
    try:
        cells = [cell for group in survey.groups.values() for cell in group.cells.values()]
        numbers = await store.add_plan(cells, [])
        waiting: list[LoggedRequest] = []
        for record in requests_of(source):
            if record.audited:
                waiting.append(record)
            if len(waiting) == TOGETHER:
                await _put(store, survey, waiting, numbers)
                waiting.clear()
        await _put(store, survey, waiting, numbers)
    finally:
        await store.close()


async def _put(store: Store, survey: _Survey, records: Sequence[LoggedRequest], numbers: Mapping[str, int]) -> None:
    items: list[tuple[str, int, Item]] = []
    for record in records:
        group = survey.groups[record.model, record.strategy]
        for choice in record.audited:
            items.append((group.suite, group.position, item_of(record, choice)))
            for part, (candidate, score) in candidates_of(record, choice, _judge(survey, record)).items():
                if part not in group.cells:
                    continue
                place = (numbers[group.cells[part].name], group.position, 0)
                store.put_candidate(place, candidate, ADHERENCE, score)
                group.missing[part] = group.missing.get(part, 0) + (score.missing is not None)
            if choice is record.audited[0]:
                _put_call(store, record, choice, (numbers[group.cells["delivered"].name], group.position))
            group.position += 1
    await store.add_plan([], items)


def _put_call(store: Store, record: LoggedRequest, choice: Choice, at: tuple[int, int]) -> None:
    """The deployed call, for its tokens: one for all choices of a request."""
    body = msgspec.json.encode(Request(messages_of(record)))
    digest = blake2b(body, digest_size=16).hexdigest()
    reply = Reply(said_in(choice) or "", usage=record.usage or Usage(), model=record.model)
    store.put_call(CallPlace(*at, 0, "model", "answer", None), f"gateway {record.id} {at[1]}", (digest, body), reply)
