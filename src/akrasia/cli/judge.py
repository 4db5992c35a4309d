"""`akrasia judge evaluate | calibrate | label | train`: how good a judge of values is, and putting it to use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from akrasia.cli.output import count, counted, interval, interval_of, notice, print_json, table
from akrasia.cli.progress import Readings
from akrasia.core import InputError

if TYPE_CHECKING:
    from akrasia.judges.calibration import Calibration, Flips
    from akrasia.judges.evaluate import Evaluation
    from akrasia.judges.injections import InjectionRecord
    from akrasia.judges.on_files import Bench
    from akrasia.judges.reading import ReadingOptions
    from akrasia.stats import Diagnostic
    from akrasia.values import Taxonomy

app = typer.Typer(help="Judges of values: how good they are, and putting them to use.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
Judges = Annotated[
    list[str],
    typer.Option("--judge", help="encoder or llm:MODEL, MODEL as for `akrasia run`. Repeatable: they read as a panel."),
]
Weights = Annotated[
    list[float] | None,
    typer.Option("--weight", help="Weight of each judge of a panel, in order. Repeatable. [default: all equal]"),
]
Gold = Annotated[
    Path, typer.Option("--gold", help='Human labels: JSONL rows {"id", "text", "values": {name: 0 or 1}}.')
]
Values = Annotated[
    str | None,
    typer.Option("--values", help="A taxonomy's name or a constitution's file. [default: the refined 19]"),
]
Replies = Annotated[
    Path | None,
    typer.Option("--replies", help="File that keeps the models' replies: a command that was stopped goes on from it."),
]
Level = Annotated[float, typer.Option(help="Coverage of the intervals.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the resampling.")]


@app.command()
def evaluate(
    judge: Judges,
    gold: Annotated[
        Path | None, typer.Option("--gold", help='Human labels: JSONL rows {"id", "text", "values": {name: 0 or 1}}.')
    ] = None,
    injections: Annotated[
        bool, typer.Option("--injections", help="Try the shipped attacks: texts that tell their judge what to say.")
    ] = False,
    limit: Annotated[int | None, typer.Option(help="With --injections: only so many attacks.")] = None,
    weight: Weights = None,
    values: Values = None,
    calibration: Annotated[
        Path | None, typer.Option(help="What `akrasia judge calibrate` wrote for this judge.")
    ] = None,
    replies: Replies = None,
    level: Level = 0.95,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Compare a judge with human labels: macro-F1, precision and recall per value, Krippendorff's alpha.

    With several judges also how far they agree. With --injections: how often a text that asks for a verdict gets it.
    """
    from akrasia.judges.on_files import evaluate_file, try_injections
    from akrasia.runs import wait_for

    if gold is None and not injections:
        raise InputError("nothing to compare with: give --gold FILE, --injections, or both")
    bench, reading, asked = _opened(judge, weight, replies, values)
    record = None
    if gold is not None:
        record = wait_for(
            evaluate_file(bench, gold, values=asked, calibration=calibration, reading=reading, level=level, seed=seed)
        )
    tried = wait_for(try_injections(bench, limit=limit, reading=reading)) if injections else None
    if json:
        print_json(_evaluated(record, tried))
        return
    if record is not None:
        _show_evaluation(record)
    for one in tried or []:
        print("\n" * (record is not None), end="")
        _show_injections(one)


@app.command()
def calibrate(
    judge: Judges,
    gold: Gold,
    out: Annotated[Path, typer.Option("-o", "--out", help="The calibration to write (.json).")],
    weight: Weights = None,
    values: Values = None,
    replies: Replies = None,
    level: Level = 0.95,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Measure a judge's errors on human labels and write them where other commands read them.

    Every text is read twice, the values in another order. Rows may say "paraphrase_of" (an id) and "author" (a model).
    """
    from akrasia.judges.on_files import calibrate_file
    from akrasia.runs import wait_for

    bench, reading, asked = _opened(judge, weight, replies, values)
    made = wait_for(calibrate_file(bench, gold, out, values=asked, reading=reading, level=level, seed=seed))
    if json:
        print_json(made)
    else:
        _show_calibration(made)
        print(f"\n{out}: the calibration")


@app.command()
def label(
    file: Annotated[Path, typer.Argument(metavar="FILE", help='Texts: JSONL rows {"id", "text"}.')],
    judge: Judges,
    out: Annotated[Path, typer.Option("-o", "--out", help="The file to write (.jsonl).")],
    weight: Weights = None,
    values: Values = None,
    replies: Replies = None,
    json: Json = False,
) -> None:
    """Read values in texts: per value whether it is upheld, the score, and the words that show it."""
    from akrasia.judges.on_files import label_file
    from akrasia.runs import wait_for

    bench, reading, asked = _opened(judge, weight, replies, values)
    made = wait_for(label_file(bench, file, out, values=asked, reading=reading))
    if json:
        print_json(made)
        return
    lacking = f", {count(made.missing)} could not be read" if made.missing else ""
    unread = f", {counted(made.unread, 'value')} unread in the others" if made.unread else ""
    print(f"{out}: {counted(made.texts, 'text')} read by {made.judge}{lacking}{unread}")


@app.command()
def train(
    valueeval: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the ValueEval files (arguments-*.tsv, labels-*.tsv).")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for what is trained.")],
    sentences: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Labelled sentences. [default: the shipped ones]")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the training.")] = 0,
    json: Json = False,
) -> None:
    """Train the head of the embedded judge, as the shipped one was trained."""
    from akrasia.judges.training import train as train_head

    report = train_head(valueeval, sentences, out, seed=seed)
    if json:
        print_json(report)
        return
    import msgspec

    for name, held in msgspec.to_builtins(report).items():
        print(f"{name}: {held}")


def _opened(
    names: list[str], weights: list[float] | None, replies: Path | None, values: str | None
) -> tuple[Bench, ReadingOptions, Taxonomy | None]:
    from akrasia.judges.on_files import build_bench
    from akrasia.judges.reading import ReadingOptions
    from akrasia.values import find_values

    reading = ReadingOptions(replies=replies, on_progress=Readings("readings"), on_notice=notice)
    return build_bench(names, weights), reading, None if values is None else find_values(values)


def _evaluated(record: Evaluation | None, tried: list[InjectionRecord] | None) -> dict[str, Any]:
    import msgspec

    found: dict[str, Any] = {} if record is None else msgspec.structs.asdict(record)
    if tried is not None:
        found.setdefault("judge", tried[-1].judge)
        found["injections"] = tried
    return found


def _show_notes(diagnostics: list[Diagnostic]) -> None:
    for diagnostic in diagnostics:
        print(f"  {diagnostic.severity}: {diagnostic.message}")


def _show_evaluation(record: Evaluation) -> None:
    print(f"{record.judge} on {record.taxonomy}: {counted(record.texts, 'text')}, {count(record.missing)} missing"
          + ("" if record.calibrated else ", uncalibrated"))  # fmt: skip
    _show_notes(record.diagnostics)
    rows = [["macro-F1", interval(record.macro_f1)], ["alpha with gold (mean)", interval(record.alpha)]]
    rows += [[f"macro-F1 of {name}", interval(alone)] for name, alone in (record.members or {}).items()]
    if record.members is not None:
        rows.append(["alpha between the judges", interval(record.agreement)])
    print()
    print(table(["", interval_of(record.level)], rows))
    if record.missing_bounds is not None:
        bounds = record.missing_bounds
        print(
            f"\nWhatever the {counted(record.unread, 'unread label')} would be: macro-F1 {bounds.worst:.3f} to "
            f"{bounds.best:.3f}"
        )
    print()
    lines = [
        [
            value,
            interval(one.f1),
            interval(one.precision),
            interval(one.recall),
            interval(one.alpha),
            count(one.support),
        ]
        for value, one in record.categories.items()
    ]
    print(table(["value", "F1", "precision", "recall", "alpha", "support"], lines))


def _show_injections(record: InjectionRecord) -> None:
    missing = f", {count(record.missing)} could not be compared" if record.missing else ""
    print(f"{record.judge} under {counted(record.attacks, 'attack')}{missing}\n")
    rows = [
        ["some verdict moved as asked", interval(record.success)],
        ["the same on harmless twins", interval(record.control)],
        ["all verdicts as asked", interval(record.obeyed)],
    ]
    rows += [[f"moved: {kind} ({one.attacks})", interval(one.success)] for kind, one in record.by_kind.items()]
    print(table(["", "95% interval"], rows))


def _show_calibration(made: Calibration) -> None:
    print(f"{made.judge} on {made.gold}: {counted(made.texts, 'text')}, {count(made.missing)} missing")
    _show_notes(made.diagnostics)
    rows = [
        ["macro-F1", interval(made.macro_f1)],
        ["alpha with gold (mean)", interval(made.overall.alpha)],
        ["false present", interval(made.overall.false_present)],
        ["false absent", interval(made.overall.false_absent)],
    ]
    rows += _flip_rows("values in another order", made.order_flip)
    rows += _flip_rows("text in other words", made.paraphrase_flip)
    if made.self_preference is not None:
        rows.append(["false present, own texts − others", interval(made.self_preference.difference)])
    print()
    print(table(["", interval_of(made.level)], rows))
    print()
    lines = [
        [value, interval(one.false_present), interval(one.false_absent), interval(one.alpha), count(one.positives)]
        for value, one in made.values.items()
    ]
    print(table(["value", "false present", "false absent", "alpha", "support"], lines))


def _flip_rows(name: str, flips: Flips | None) -> list[list[str]]:
    if flips is None:
        return []
    return [[f"flips, {name}", interval(flips.rate)], ["  of those ever present", interval(flips.present_rate)]]
