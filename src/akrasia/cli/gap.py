"""`akrasia gap`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from akrasia.cli.gap_text import show_gap, show_parts
from akrasia.cli.output import print_json
from akrasia.core import InputError

if TYPE_CHECKING:
    from akrasia.runs.value_estimates import Evidence
    from akrasia.runs.value_parts import HowValues


def gap(
    source: Annotated[Path, typer.Argument(metavar="FILE|RUN", help="A run folder, or value labels as .jsonl.")],
    gold: Annotated[
        Path | None,
        typer.Option(help="Human labels of a random part of the scenarios, in the same form, that correct the judge."),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(help="The judge's errors on other texts (`akrasia judge calibrate`), for sensitivity bands."),
    ] = None,
    threshold: Annotated[float, typer.Option(help="The grade from which a value counts as present.")] = 0.5,
    level: Annotated[float, typer.Option(help="Coverage of the intervals.")] = 0.95,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap that carries the gold.", min=0)] = 0,
    json: Annotated[
        bool, typer.Option("--json", help="Print the whole record as JSON; several cells as {cells: […]}.")
    ] = False,
) -> None:
    """The value-action gap: what is lost between the values stated, reasoned with, and acted on."""
    from akrasia.interop import read_labels
    from akrasia.runs.value_file import read_gold_labels

    labels = None if gold is None else read_gold_labels(gold, of_run=source.is_dir())
    if source.is_dir():
        from akrasia.judges.calibration import read_calibration
        from akrasia.runs.value_estimates import Evidence
        from akrasia.runs.value_parts import HowValues

        errors = None if calibration is None else read_calibration(calibration)
        _of_run(source, Evidence(labels, errors), HowValues(threshold, level, seed), json)
        return
    if calibration is not None:
        raise InputError("--calibration is of a run's judge, and this is a file of labels: give a run folder")
    from akrasia.gap import measure_table

    found = measure_table(read_labels(source), gold=labels, threshold=threshold, level=level, seed=seed)
    print_json(found.record()) if json else show_gap(found, source.name)


def _of_run(folder: Path, evidence: Evidence, how: HowValues, json: bool) -> None:
    from akrasia.runs import load_run
    from akrasia.runs.value_estimates import estimate_values

    with load_run(folder) as run:
        found = estimate_values(run, how, evidence)
    if json:
        records = [{"cell": one.group.name, **one.record()} for one in found]
        print_json(records[0] if len(records) == 1 else {"cells": records})
        return
    for number, one in enumerate(found):
        print("\n" * (number > 0), end="")
        for diagnostic in one.diagnostics:
            print(f"{diagnostic.severity}: {diagnostic.message}")
        show_gap(one.gap, one.group.name)
        show_parts(one)
