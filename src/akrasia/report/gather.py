"""From run folders to what the report shows. The figures come from `akrasia.runs.estimates`.

What a report shows of value suites is gathered in `value_gather`.
"""

from __future__ import annotations

import hashlib
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from akrasia.core import InputError
from akrasia.report.content import (
    CellContent,
    CurvePoint,
    Diagnostic,
    Interval,
    Provenance,
    ReportContent,
    Stage,
    interval,
)
from akrasia.report.items import choose_items, row_means
from akrasia.report.labels import public, told_apart
from akrasia.report.wording import doing, model_name, strategy_name, suite_name
from akrasia.runs.reader import Run

if TYPE_CHECKING:
    from akrasia.runs.estimates import CellEstimate, How
    from akrasia.runs.value_estimates import Evidence


def gather(
    folders: Sequence[Path],
    *,
    item_bytes: int,
    level: float = 0.95,
    gold: Path | None = None,
    gold_cell: str | None = None,
    calibration: Path | None = None,
) -> ReportContent:
    """Read and measure runs.

    Args:
        folders: run folders, at least one, each once.
        item_bytes: room that all item tables together may take.
        level: nominal coverage of the intervals.
        gold: labels that correct the figures; of one run, and of its values or of its problems.
        gold_cell: the cell whose candidates they label; None: the first of direct draws.
        calibration: the errors of the judge of values on other texts; they give sensitivity bands.

    Raises:
        InputError: a folder that holds no run or nothing measured yet, or one that is named twice; gold beside several
            runs, or gold or a calibration that does not fit what was run.
    """
    from akrasia.report.value_gather import gather_values, value_cells
    from akrasia.runs.estimates import How
    from akrasia.runs.yardstick import side_by_side

    if not folders:
        raise InputError("no run to report on: name at least one folder that `akrasia run --out` wrote")
    resolved = [folder.resolve() for folder in folders]
    for folder, times in Counter(resolved).items():
        if times > 1:
            raise InputError(f"{folder} is named {times} times: name each run once")
    if gold is not None and len(folders) > 1:
        raise InputError("gold labels the candidates of one run: report on that run alone")
    runs = [Run(folder) for folder in folders]
    try:
        names = _run_names(resolved)
        of_values = [value_cells(run) for run in runs]
        how = How(level=level, gold=gold, gold_cell=gold_cell)
        evidence, of_problems = _evidence(runs, of_values, how, calibration)
        measured = [
            (run, one) for run, apart in zip(runs, of_values, strict=True) for one in _risk(run, apart, of_problems)
        ]
        room = item_bytes // max(1, len(measured))
        cells = [_cell(run, names[runs.index(run)], estimates, room) for run, estimates in measured]
        values = gather_values(
            [(run, name) for run, name, apart in zip(runs, names, of_values, strict=True) if apart],
            level=level,
            evidence=evidence,
        )
        provenance = tuple(
            _provenance(name, run, how, bool(apart), calibration)
            for name, run, apart in zip(names, runs, of_values, strict=True)
        )
        beside = tuple(
            Diagnostic(note.code, note.message, note.severity)
            for note in side_by_side(list(zip(names, runs, strict=True)))
        )
    finally:
        for run in runs:
            run.close()
    return ReportContent(tuple(_told_apart(_labelled(cells))), provenance, values, beside)


def _risk(run: Run, apart: frozenset[str], how: How) -> list[CellEstimate]:
    """The measured cells of a run, but for those on value suites, whose gap is shown in their place."""
    from akrasia.runs.estimates import estimate_run

    if apart and apart == {cell.name for cell in run.cells}:
        return []
    return [one for one in estimate_run(run, how) if one.cell.name not in apart]


def _evidence(
    runs: Sequence[Run], of_values: Sequence[frozenset[str]], how: How, calibration: Path | None
) -> tuple[Evidence | None, How]:
    """What is known of the judge of values, and how problems are measured: gold is of one or the other.

    Raises:
        InputError: the evidence is about what none of the runs did, or cannot be read.
    """
    from akrasia.judges.calibration import read_calibration
    from akrasia.runs.value_estimates import Evidence
    from akrasia.runs.value_file import holds_value_labels, read_gold_labels

    if calibration is not None and not any(of_values):
        raise InputError(
            f"--calibration {calibration} is of a judge of values, and {runs[0].folder} is no run of a value suite: "
            "leave it out"
        )
    errors = None if calibration is None else read_calibration(calibration)
    if how.gold is None or not of_values[0]:
        return Evidence(None, errors), how
    if not holds_value_labels(how.gold):
        if of_values[0] == {cell.name for cell in runs[0].cells}:
            raise InputError(
                f"{how.gold} holds no labels of values, and {runs[0].folder} is a value run: give the .jsonl file that "
                f"akrasia gold sample {runs[0].folder} writes"
            )
        return Evidence(None, errors), how
    if how.gold_cell is not None:
        raise InputError("--gold-cell is for gold of problems: gold of values is of all modes, leave it out")
    return Evidence(read_gold_labels(how.gold, of_run=True), errors), msgspec.structs.replace(how, gold=None)


def _run_names(folders: Sequence[Path]) -> list[str]:
    """The folders' own names, with their parents' where two are alike."""
    counts = Counter(folder.name for folder in folders)
    return [folder.name if counts[folder.name] == 1 else f"{folder.parent.name}/{folder.name}" for folder in folders]


def _cell(run: Run, name: str, measured: CellEstimate, room: int) -> CellContent:
    """The one place where a measured cell becomes a cell of the report."""
    cell, pool, record = measured.cell, measured.pool, measured.record
    prompt, generated = run.tokens(cell)
    success = [None if share != share else share for share in row_means(pool.utilities).tolist()]
    bounds, raw = record.missing_bounds, record.uncorrected
    return CellContent(
        name=cell.name,
        run=name,
        label=cell.name,
        model=public(cell.model).partition("@http")[0],
        suite=suite_name(cell.suite),
        strategy=cell.strategy,
        temperature=(cell if cell.pool is None or not cell.pooled else run.cell(cell.pool)).sampling.temperature,
        seed=cell.seed,
        utilities=tuple(sorted({item.utility for item in pool.items if item.utility is not None})),
        level=record.level,
        k=record.k,
        own_pool=cell.pool is None,
        items=record.items,
        candidates=record.candidates if record.own_candidates is None else record.own_candidates,
        failures=sum(pool.failures.values()) if record.failures is None else record.failures,
        pool_candidates=None if record.pool is None else record.pool.candidates,
        pool_failures=None if record.pool is None else record.pool.failures,
        missing=record.missing,
        tokens=None if prompt is None or generated is None else prompt + generated,
        deployed=interval(record.deployed),
        reachable=interval(record.reachable),
        risk=interval(record.risk),
        missing_risk=None if bounds is None else (bounds.risk.worst, bounds.risk.best),
        missing_raw=record.uncorrected is not None,
        budget=msgspec.structs.asdict(record.error_budget),
        limit_low=None if record.extrapolation is None else record.extrapolation.limit_low,
        curve=tuple(
            CurvePoint(
                row.k,
                Interval(row.reachable, row.reachable_low, row.reachable_high),
                None if row.risk is None else Interval(row.risk, row.risk_low, row.risk_high),
                # Where gold corrects nothing at all the diagnostics say so, and no point differs from the headline.
                uncorrected=row.corrected is False and record.curve[-1].corrected is True,
                risk_uncorrected=row.risk_corrected is False and record.curve[-1].corrected is True,
            )
            for row in record.curve
        ),
        waterfall=tuple(
            Stage(stage.stage, Interval(stage.value, stage.low, stage.high), stage.note) for stage in record.waterfall
        ),
        corrected=record.corrected,
        raw=None if raw is None else (interval(raw.deployed), interval(raw.reachable), interval(raw.risk)),
        diagnostics=tuple(Diagnostic(found.code, found.message, found.severity) for found in record.diagnostics),
        success=tuple(success),
        binary=all(utility in (0.0, 1.0) for utility in set(pool.utilities.ravel().tolist()) if utility == utility),
        digest=hashlib.sha256(pool.utilities.astype("<f8").tobytes()).hexdigest(),
        shown=choose_items(run, measured, room),
    )


def _labelled(cells: Sequence[CellContent]) -> list[CellContent]:
    """Short labels: what the cells differ in; model and strategy where that is nothing."""
    columns = [
        [model_name(cell.model) for cell in cells],
        [strategy_name(cell) for cell in cells],
        [cell.suite for cell in cells],
        [f"T = {cell.temperature:g}" if cell.temperature > 0 else "" for cell in cells],
        [f"seed {cell.seed}" for cell in cells],
        [cell.run for cell in cells],
    ]
    labels = told_apart(columns, [cell.name for cell in cells], usual=2)
    return [msgspec.structs.replace(cell, label=label) for cell, label in zip(cells, labels, strict=True)]


def _told_apart(cells: Sequence[CellContent]) -> list[CellContent]:
    """The cells, each with what its headline needs to be told from another's that would read alike."""
    alike: dict[tuple[str, str, str], list[CellContent]] = {}
    for cell in cells:
        alike.setdefault(_subject(cell), []).append(cell)
    told = []
    for cell in cells:
        others = alike[_subject(cell)]
        parts = [cell.run] if len({other.run for other in others}) > 1 else []
        if len({other.seed for other in others if other.run == cell.run}) > 1:
            parts.append(f"seed {cell.seed}")
        told.append(msgspec.structs.replace(cell, apart=", ".join(parts)))
    return told


def _subject(cell: CellContent) -> tuple[str, str, str]:
    """What a headline says of a cell beside its figures."""
    return model_name(cell.model), doing(cell), cell.suite


def _provenance(name: str, run: Run, how: How, apart: bool, calibration: Path | None) -> Provenance:
    from akrasia.runs.value_file import holds_value_labels

    manifest = run.manifest
    config = msgspec.to_builtins(manifest.run)
    shaping = ("samples", "limit", "temperature", "seed", "max_tokens", "top_p", "stop", "engine")
    settings = []
    for key in shaping:
        value = config.get(key)
        if value is not None:
            shown = (
                ", ".join(repr(part) if key == "stop" else str(part) for part in value)
                if isinstance(value, list)
                else value
            )
            settings.append((key, str(shown)))
    labels, of_values = "", ""
    if how.gold is not None and apart and holds_value_labels(how.gold):
        settings.append(("gold", _hashed(how.gold)))
        of_values = f" --gold {shlex.quote(str(how.gold))}"
    elif how.gold is not None:
        settings.append(("gold", _hashed(how.gold)))
        of = "" if how.gold_cell is None else f" --gold-cell {shlex.quote(how.gold_cell)}"
        labels = f" --gold {shlex.quote(str(how.gold))}{of}"
    if calibration is not None and apart:
        settings.append(("calibration", _hashed(calibration)))
        of_values += f" --calibration {shlex.quote(str(calibration))}"
    models = tuple(
        (
            public(model),
            " · ".join(part for part in (found.name, found.revision or "revision not pinned", found.backend) if part),
        )
        for model, found in manifest.models.items()
    )
    return Provenance(
        run=name,
        command=public(manifest.command),
        platform=manifest.platform,
        settings=tuple(settings),
        models=models,
        suites=tuple(manifest.suites.items()),
        prompts=tuple(manifest.prompts.items()),
        versions=tuple(manifest.versions.items()),
        folder=str(run.folder),
        gold=labels,
        value_labels=of_values,
    )


def _hashed(file: Path) -> str:
    return f"{file.name} (sha256:{hashlib.sha256(file.read_bytes()).hexdigest()})"
