"""`akrasia compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from akrasia.cli.output import notice, print_json, table


def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="A run folder.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another, or the same with --cell-a and --cell-b.")],
    cell_a: Annotated[str | None, typer.Option(help="A cell of A. [default: match cells]")] = None,
    cell_b: Annotated[str | None, typer.Option(help="A cell of B.")] = None,
    level: Annotated[float, typer.Option(help="Coverage of the intervals.")] = 0.95,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare two runs on the same items: paired differences B − A, tests adjusted by Holm, detectable effects."""
    from akrasia.runs import load_run
    from akrasia.runs.comparison import compare_runs

    with load_run(a) as one, load_run(b) as other:
        found = compare_runs(one, other, cells=(cell_a, cell_b), level=level)
    for diagnostic in found.diagnostics:
        notice(f"{diagnostic.severity}: {diagnostic.message}")
    if json:
        print_json(found)
        return
    rows = []
    for metric in found.metrics:
        difference = metric.difference
        interval = "" if difference.low is None else f" [{difference.low:+.3f}, {difference.high:+.3f}]"
        rows.append(
            [
                metric.name,
                f"{metric.a:.3f}",
                f"{metric.b:.3f}",
                f"{difference.value:+.3f}{interval}",
                _small(metric.p),
                _small(metric.p_adjusted),
                _detectable(metric.mde, metric.p),
                str(metric.items),
            ]
        )
    print(f"A: {a}{f' ({cell_a})' if cell_a else ''}\nB: {b}{f' ({cell_b})' if cell_b else ''}\n")
    print(table(["metric", "A", "B", "B − A", "p", "p (Holm)", "detectable", "items"], rows))


def _small(p: float | None) -> str:
    return "undefined" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def _detectable(difference: float | None, p: float | None) -> str:
    """What can be tested and yet has no detectable difference has too few items for any."""
    return f"{difference:.3f}" if difference is not None else "undefined" if p is None else "none"
