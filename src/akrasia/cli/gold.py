"""`akrasia gold`: human labels that correct an imperfect verifier."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from akrasia.cli.output import count, counted, print_json

app = typer.Typer(help="Human labels that correct an imperfect verifier.", no_args_is_help=True)


@app.callback()
def _gold() -> None:
    """Human labels that correct an imperfect verifier."""


@app.command()
def sample(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    labels: Annotated[int, typer.Option(help="How many labels can be paid for, about.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The file to be labelled: .csv or .jsonl.")],
    cell: Annotated[str | None, typer.Option(help="Which cell. [default: the first direct one]")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print counts as JSON.")] = False,
) -> None:
    """Draw whole items for labelling, with known probabilities, and write the file to be labelled.

    Fill in the column gold in the given order; an item may stop as soon as one of its candidates is right. Then:
    `akrasia risk RUN --gold FILE`.
    """
    from akrasia.runs import load_run
    from akrasia.runs.gold import direct_cell, gold_rows, write_gold

    with load_run(run) as opened:
        chosen = direct_cell(opened, cell)
        rows = gold_rows(opened, chosen, labels, seed)
    write_gold(rows, out)
    items = len({row.item for row in rows})
    if json:
        print_json({"cell": chosen.name, "items": items, "candidates": len(rows), "labels": labels, "out": str(out)})
        return
    print(
        f"{out}: {counted(items, 'item')} with {counted(len(rows), 'candidate')} of {chosen.name}; about "
        f"{count(labels)} labels settle them, since an item may stop at its first right candidate"
    )
