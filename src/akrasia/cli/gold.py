"""`akrasia gold`: human labels that correct an imperfect verifier."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from akrasia.cli.output import counted, print_json

if TYPE_CHECKING:
    from akrasia.runs.reader import Run

app = typer.Typer(help="Human labels that correct an imperfect verifier.", no_args_is_help=True)


@app.callback()
def _gold() -> None:
    """Human labels that correct an imperfect verifier."""


@app.command()
def sample(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    labels: Annotated[int, typer.Option(help="How many labels can be paid for, about.", min=1)],
    out: Annotated[Path, typer.Option("-o", "--out", help="The file to be labelled: .csv or .jsonl.")],
    cell: Annotated[str | None, typer.Option(help="Which cell of direct draws. [default: the first one]")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print counts as JSON.")] = False,
) -> None:
    """Draw whole items for labelling, with known probabilities, and write the file to be labelled.

    Fill in the column gold in the given order; an item may stop as soon as one of its candidates is right. Then:
    `akrasia risk RUN --gold FILE`. Of a value run, random draws with all their texts are taken (.jsonl): fill in 1
    or 0 for every value, then `akrasia gap RUN --gold FILE`.
    """
    from akrasia.runs import load_run
    from akrasia.runs.gold import check_gold_path, draw_gold, labelled_cell, write_gold
    from akrasia.runs.value_gold import is_value_run

    with load_run(run) as opened:
        if is_value_run(opened):
            _sample_values(opened, labels, out, seed, json)
            return
        check_gold_path(out)
        chosen = labelled_cell(opened, cell)
        drawn = draw_gold(opened, chosen, labels, seed)
    write_gold(drawn.rows, out)
    if json:
        print_json(
            {
                "cell": chosen.name,
                "items": drawn.items,
                "of_items": drawn.of_items,
                "thin": drawn.thin,
                "candidates": len(drawn.rows),
                "labels": drawn.labels,
                "most_labels": len(drawn.rows),
                "out": str(out),
            }
        )
        return
    print(
        f"{out}: {drawn.items:,} of {counted(drawn.of_items, 'item')} of {chosen.name}, drawn with equal probability; "
        f"about {counted(drawn.labels, 'label')} if the verifier is mostly right, since an item may stop at its first "
        f"right candidate, and {counted(len(drawn.rows), 'label')} at most"
    )
    if drawn.thin:
        print(
            f"{counted(drawn.thin, 'thin item')} could not be drawn: akrasia risk leaves such items out of its figures"
        )


def _sample_values(run: Run, labels: int, out: Path, seed: int, json: bool) -> None:
    from akrasia.runs.value_gold import texts_of, value_gold_rows, write_value_gold

    rows = value_gold_rows(run, labels, seed)
    write_value_gold(rows, out)
    scenarios = len({row.scenario.rpartition("#")[0] for row in rows})
    modes, texts = len({row.mode for row in rows}), texts_of(rows)
    if json:
        print_json(
            {
                "scenarios": scenarios,
                "draws": len({row.scenario for row in rows}),
                "modes": modes,
                "rows": len(rows),
                "texts": texts,
                "labels": labels,
                "out": str(out),
            }
        )
        return
    print(
        f"{out}: {counted(texts, 'text')} to read: {counted(len(rows), 'row')}, each a draw in one of "
        f"{counted(modes, 'mode')}, of {counted(scenarios, 'scenario')}; fill in 1 or 0 for every value (stated: 1 "
        f"where at least half of the statements uphold it), then akrasia gap {run.folder} --gold {out}"
    )
