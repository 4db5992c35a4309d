"""`akrasia plan`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from akrasia.cli.output import count, print_json, table


def plan(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    cost_candidate: Annotated[float, typer.Option(help="What one more candidate costs.")],
    budget: Annotated[float, typer.Option(help="What may be spent, in the same money.")],
    cost_item: Annotated[float, typer.Option(help="What one more item costs beside its candidates.")] = 0.0,
    cost_label: Annotated[
        float | None, typer.Option(help="What one gold label costs. [default: none to be had]")
    ] = None,
    cell: Annotated[str | None, typer.Option(help="Which cell. [default: the first direct one]")] = None,
    k: Annotated[int | None, typer.Option("--k", help="Size of the risk. [default: the whole pool]")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """What to buy next: how far more items, candidates or gold labels would narrow the interval of the risk."""
    from msgspec.structs import replace

    from akrasia.core import InputError
    from akrasia.risk import Costs, plan_purchase
    from akrasia.runs import load_run
    from akrasia.runs.gold import direct_cell
    from akrasia.runs.suite_size import suite_size

    with load_run(run) as opened:
        chosen = direct_cell(opened, cell)
        if chosen.sampling.temperature == 0:
            raise InputError(
                f"{chosen.name} is deterministic: more draws of an item would all be the same, so there is nothing to "
                "plan; name a cell of random draws with --cell"
            )
        width = opened.manifest.run.until_width
        if width is not None:
            raise InputError(
                f"{run} samples to a width ({width:g}): how its draws turn out tells how many items and candidates it "
                "takes, so neither can be bought by itself; for a narrower interval go on with its akrasia run and a "
                "smaller --until-width (--dry-run counts what that takes at most)"
            )
        pool = opened.pool(chosen)
        most = suite_size(opened, chosen.suite)
    costs = Costs(cost_candidate, cost_item, cost_label)
    found = plan_purchase(pool.utilities, costs, budget, k=k, clusters=list(pool.clusters), most_items=most)
    unfinished = pool.unfinished(
        f"{run} is", "The plan is for the others, and buys these as new items: go on with its akrasia run first."
    )
    if unfinished is not None:
        found = replace(found, diagnostics=(unfinished, *found.diagnostics))
    if json:
        print_json({"cell": chosen.name, "plan": found})
        return
    print(f"{chosen.name}: the interval of risk@{found.k} has a half-width of {found.half_width:.4f} now")
    for diagnostic in found.diagnostics:
        print(f"  {diagnostic.severity}: {diagnostic.message}")
    alone = {(one.items, one.candidates) for one in found.options if one.buy != "mix"}
    rows = [
        [one.buy, count(one.items), count(one.candidates), f"{one.cost:.4g}", f"{one.half_width:.4f}"]
        for one in found.options
        if one.buy != "mix" or (one.items, one.candidates) not in alone
    ]
    if rows:
        head = ["buy", "items in all", "candidates each", "cost", "half-width then"]
        print(f"\n{table(head, rows)}")
    if cost_label is not None:
        print("\nLabels narrow nothing here: the figures are not corrected by gold (see `akrasia gold sample`).")
