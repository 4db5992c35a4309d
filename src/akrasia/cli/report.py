"""`akrasia report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from akrasia.cli.output import count, notice, print_json


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders that `akrasia run` wrote.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The HTML file to write, in place of an earlier report.")],
    figures: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also write every figure as files into this folder.")
    ] = None,
    formats: Annotated[str, typer.Option(help="Formats of these files, with commas between.")] = "svg,png,pdf",
    tables: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Also write the tables as CSV, LaTeX and Markdown into this folder."),
    ] = None,
    gold: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Human labels of one run, as for `akrasia risk` and `akrasia gap`."),
    ] = None,
    gold_cell: Annotated[
        str | None, typer.Option(help="The cell whose candidates were labelled. [default: the first direct one]")
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The errors of a judge of values on other texts, for sensitivity bands."),
    ] = None,
    level: Annotated[float, typer.Option(help="Nominal coverage of the intervals.")] = 0.95,
    json: Annotated[bool, typer.Option("--json", help="Print what was found and written as JSON.")] = False,
) -> None:
    """Write one self-contained HTML page about one or more runs: findings, figures, items, method.

    It opens offline, loads nothing from anywhere, and has at most 2 MB.
    """
    from akrasia.core import InputError
    from akrasia.report import write

    if gold_cell is not None and gold is None:
        raise InputError("--gold-cell says whose candidates --gold FILE labels: give --gold as well, or neither")
    wanted = [form for form in formats.replace(" ", "").lower().split(",") if form]
    written = write(
        runs, out, figures=figures, formats=wanted, tables=tables, level=level, gold=gold, gold_cell=gold_cell,
        calibration=calibration,
    )  # fmt: skip
    for diagnostic in written.diagnostics:
        notice(f"{diagnostic.severity}: {diagnostic.message}")
    if json:
        print_json(written)
        return
    several = len({cell.run for cell in written.cells}) > 1
    for cell in written.cells:
        name = f"{cell.run}, {cell.cell}" if several else cell.cell
        print(cell.headline if len(written.cells) == 1 else f"{name}: {cell.headline}")
    print(f"\n{written.out} ({count(written.bytes)} bytes)")
    for path in (*written.figures, *written.tables):
        print(path)
