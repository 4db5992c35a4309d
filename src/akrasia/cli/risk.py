"""`akrasia risk`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from akrasia.cli.output import count, counted, interval, interval_of, print_json, table

if TYPE_CHECKING:
    from akrasia.risk import Bounds, CurveRow, Options, RiskRecord


def risk(
    source: Annotated[
        Path, typer.Argument(metavar="FILE|RUN", help="A run folder, or utilities as .csv, .parquet, .jsonl or .npy.")
    ],
    k: Annotated[
        list[int] | None, typer.Option("--k", help="Sizes for the curve. Repeatable. [default: every k]")
    ] = None,
    gold: Annotated[
        Path | None, typer.Option(help="Human labels (item, sample, gold) that correct the verifier. CSV or JSONL.")
    ] = None,
    gold_cell: Annotated[
        str | None, typer.Option(help="The cell whose candidates were labelled. [default: the first direct one]")
    ] = None,
    false_accept: Annotated[
        str | None,
        typer.Option(
            metavar="RATE|LOW:HIGH",
            help="Show reachable if the verifier passed such a share of wrong candidates (a sensitivity band).",
        ),
    ] = None,
    false_reject: Annotated[
        str | None,
        typer.Option(metavar="RATE|LOW:HIGH", help="The same for the share of right candidates that it fails."),
    ] = None,
    cross_fit: Annotated[
        bool,
        typer.Option("--cross-fit", help="The column verifier is a second judge: each values the other's choice."),
    ] = False,
    level: Annotated[float, typer.Option(help="Coverage of the intervals.")] = 0.95,
    bootstrap: Annotated[
        int | None,
        typer.Option(min=100, max=20_000, metavar="RESAMPLES", help="Clustered bootstrap in place of t intervals."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    json: Annotated[
        bool, typer.Option("--json", help="Print the whole record as JSON; several cells as {cells: […]}.")
    ] = False,
) -> None:
    """Rational value risk: what is lost between the best candidate in reach and the one deployed."""
    import msgspec

    from akrasia.core import InputError
    from akrasia.risk import ErrorRates, Options

    if false_accept is not None or false_reject is not None:
        accept, reject = _range("--false-accept", false_accept), _range("--false-reject", false_reject)
        errors = ErrorRates(accept, reject)
    else:
        errors = None
    options = Options(seed=seed, errors=errors, cross_fit=cross_fit)
    if bootstrap is not None:
        options = msgspec.structs.replace(options, method="bootstrap", resamples=bootstrap)
    if gold_cell is not None and gold is None:
        raise InputError("--gold-cell says whose candidates --gold FILE labels: give --gold as well, or neither")
    if not source.is_dir():
        record = _of_file(source, k, gold, level, options)
        print_json(record) if json else _show(record, source.name, bootstrap)
        return
    if cross_fit:
        raise InputError(f"{source} is a run, and {_CROSS_FIT}")
    from akrasia.runs import load_run
    from akrasia.runs.estimates import How, estimate_run

    with load_run(source) as run:
        found = estimate_run(run, How(k, level, options, gold, gold_cell))
    if json:
        records = [{"cell": one.cell.name, **msgspec.to_builtins(one.record)} for one in found]
        print_json(records[0] if len(records) == 1 else {"cells": records})
        return
    for number, one in enumerate(found):
        print("\n" * (number > 0), end="")
        pool = f"{one.cell.name}, measured on its pool" if one.cell.pool is not None else one.cell.name
        _show(one.record, pool, bootstrap)


_CROSS_FIT = (
    "--cross-fit needs two judges' utilities of the same candidates: give a .csv, .parquet or .jsonl with a column "
    "verifier, the second judge's utility, beside utility"
)


def _range(option: str, text: str | None) -> tuple[float, float]:
    """From "0.01:0.08" to (0.01, 0.08); None: no such error."""
    from akrasia.core import InputError

    if text is None:
        return (0.0, 0.0)
    low, colon, high = text.partition(":")
    try:
        ends = (float(low), float(high) if colon else float(low))
    except ValueError:
        ends = (1.0, 0.0)
    if not 0 <= ends[0] <= ends[1] < 1:
        raise InputError(
            f"{option} is {text!r}: write a share in [0, 1) or LOW:HIGH, low first, for instance 0.08 or 0:0.08"
        )
    return ends


def _of_file(path: Path, ks: list[int] | None, gold: Path | None, level: float, options: Options) -> RiskRecord:
    from akrasia.core import InputError, Undefined
    from akrasia.interop import read_utilities
    from akrasia.risk import estimate, undefined_record
    from akrasia.risk.pool import read_pool
    from akrasia.runs.gold import read_gold

    found = read_utilities(path, second_judge=options.cross_fit)
    if options.cross_fit and found.verifier is None:
        raise InputError(f"{path} has no column verifier, and {_CROSS_FIT}")
    labels: Any = found.gold
    if gold is not None:
        if found.gold is not None:
            raise InputError(f"{path} has a column gold already: give --gold, or the column, not both")
        if found.items is None or found.samples is None:
            rows, columns = found.utilities.shape  # type: ignore[union-attr]  # a bare array has a shape
            labels = read_gold(gold, [str(row) for row in range(rows)], [range(columns)] * rows)
        else:
            labels = read_gold(gold, found.items, found.samples)
    try:
        result = estimate(
            found.utilities,
            clusters=found.clusters,
            gold=labels,
            ks=ks,
            verifier=found.verifier,
            answers=found.answers,
            level=level,
            options=options,
        )
    except Undefined as error:
        pool = read_pool(found.utilities)
        return undefined_record(
            str(error), items=pool.items, candidates=int(pool.planned.sum()), k=pool.utilities.shape[1],
            missing=pool.missing, level=level,
        )  # fmt: skip
    return result.record()


def _show(record: RiskRecord, name: str, resamples: int | None) -> None:
    families = f" in {counted(record.clusters, 'cluster')}" if 0 < record.clusters < record.items else ""
    candidates = counted(record.candidates, "candidate")
    if record.pool is not None and record.own_candidates is not None:
        candidates = f"{counted(record.own_candidates, 'candidate')}, pool of {count(record.candidates)}"
    print(f"{name}: {counted(record.items, 'item')}{families}, {candidates}")
    for diagnostic in record.diagnostics:
        print(f"  {diagnostic.severity}: {diagnostic.message}")
    print()
    rows = [
        ["deployed", interval(record.deployed), _mark(record, "deployed")],
        [f"reachable@{record.k}", interval(record.reachable), _mark(record, "reachable")],
        [f"risk@{record.k}", interval(record.risk), _mark(record, "risk")],
    ]
    print(table(["", interval_of(record.level), ""], rows))
    if resamples is not None:
        _show_methods(record, resamples)
    if record.missing_bounds is not None:
        bounds = record.missing_bounds
        of = "Uncorrected, whatever" if record.uncorrected is not None else "Whatever"
        missing = record.missing if bounds.missing is None else bounds.missing
        safe = " (on the safe side)" if bounds.conservative else ""
        print(
            f"\n{of} the {count(missing)} missing utilities are{safe}: deployed {_span(bounds.deployed)}, "
            f"reachable {_span(bounds.reachable)}, risk {_span(bounds.risk)}"
        )
    if record.uncorrected is not None:
        raw = record.uncorrected
        print(
            f"\nUncorrected: deployed {interval(raw.deployed)}, reachable {interval(raw.reachable)}, "
            f"risk {interval(raw.risk)}"
        )
    if record.band is not None:
        band = record.band
        print(
            f"\nIf {_percent(band.false_accept)} of wrong candidates passed and {_percent(band.false_reject)} of right "
            f"ones failed: reachable@{record.k} {band.low:.3f} to {band.high:.3f} (a sensitivity band, no interval)"
        )
    if record.cross_fit is not None:
        crossed = record.cross_fit
        print(
            f"\nBest of {record.k} by two judges who value each other's choice: recoverable "
            f"{interval(crossed.recoverable)}; valued by the judge that chose: {interval(crossed.naive)}; "
            f"winner's curse {interval(crossed.curse)}"
        )
    powers = {2**power for power in range(20)}
    points = [row for row in record.curve if row.k in powers or row.k == record.k or len(record.curve) <= 8]
    if len(points) > 1:
        print()
        lines = [
            [str(row.k), _interval(row.reachable, row.reachable_low, row.reachable_high),
             _interval(row.risk, row.risk_low, row.risk_high), _mark_of_point(row)]
            for row in points
        ]  # fmt: skip
        print(table(["k", "reachable@k", "risk@k", ""], lines))
    if record.waterfall:
        print()
        mark = _mark(record, "deployed")  # all stages are of the kind of the first
        stages = [
            [s.stage, _interval(s.value, s.low, s.high), "" if s.stage == "perfect" else mark] for s in record.waterfall
        ]
        print(table(["waterfall", "utility", ""], stages))


def _mark(record: RiskRecord, figure: str) -> str:
    """Beside a figure where labels were given: whether they correct it."""
    if record.corrected is None:
        return ""
    return "corrected" if figure in record.corrected else "uncorrected"


def _mark_of_point(row: CurveRow) -> str:
    """Beside a point of the curve where labels were given: which of its figures they leave as the verifier had them."""
    if row.corrected is False:
        return "uncorrected"
    return "risk uncorrected" if row.risk_corrected is False else ""


def _show_methods(record: RiskRecord, resamples: int) -> None:
    """How each interval was made, since not all are what was asked for."""
    figures = {"deployed": record.deployed, f"reachable@{record.k}": record.reachable, f"risk@{record.k}": record.risk}
    methods: dict[str, list[str]] = {}
    for name, figure in figures.items():
        if figure is not None:
            methods.setdefault(figure.method, []).append(name)
    reasons = {"bootstrap": f" ({count(resamples)} resamples)", "wilson": " (resampling covers too little there)"}
    parts = [f"{', '.join(names)} by {method}{reasons.get(method, '')}" for method, names in methods.items()]
    print(f"\nIntervals: {'; '.join(parts)}")


def _percent(ends: tuple[float, float]) -> str:
    low, high = ends
    return f"{low:.0%}" if low == high else f"{low:.0%} to {high:.0%}"


def _span(bounds: Bounds) -> str:
    low, high = sorted((bounds.worst, bounds.best))
    return f"{low:.3f} to {high:.3f}"


def _interval(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return "undefined"
    return f"{value:.3f}" if low is None or high is None else f"{value:.3f} [{low:.3f}, {high:.3f}]"
