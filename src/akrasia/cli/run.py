"""`akrasia run`."""

from __future__ import annotations

import gc
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from akrasia.cli.output import count, counted, notice, print_json, table

if TYPE_CHECKING:
    from akrasia.runs.plan import CellCount, Taken
    from akrasia.runs.summary import RunSummary


def run(
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="local:smollm2, local:FILE.gguf, openai:NAME@BASE_URL, replay:FILE, scripted:MODULE:FUNCTION, "
            "inspect:PROVIDER/NAME. Repeatable."
        ),
    ] = None,
    suite: Annotated[
        list[str] | None, typer.Option(help="A registered suite (`akrasia suite list`) or a JSONL file. Repeatable.")
    ] = None,
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            help="direct, greedy, fast, slow, stated_first, state, rate, budget_forced:L, few_shot:N, best_of_n:N, "
            "self_consistency:N, 'audited:slow?stage=both&budget=2'. Repeatable. [default: direct; "
            "of scenarios fast and slow]"
        ),
    ] = None,
    judge: Annotated[
        list[str] | None,
        typer.Option(
            help="Who judges: encoder or llm:MODEL. Value suites (valdi) need one, and so does preference. Repeatable: "
            "several read every text."
        ),
    ] = None,
    judge_repeats: Annotated[
        int | None, typer.Option(help="How often a judge reads each text of a value suite. [default: 1]")
    ] = None,
    auditor: Annotated[
        str | None,
        typer.Option(help="Who audits in the strategy audited: encoder or llm:MODEL, another one than --judge."),
    ] = None,
    planner: Annotated[
        str | None, typer.Option(help="Model that plans how to mend. [default: the one that wrote the text]")
    ] = None,
    rewriter: Annotated[
        str | None, typer.Option(help="Model that mends. [default: the one that wrote the text]")
    ] = None,
    guard: Annotated[
        str | None,
        typer.Option(
            help="Model that says whether a mended text loses content. [default: the one that wrote the text]"
        ),
    ] = None,
    allow_same_judge: Annotated[
        bool, typer.Option("--allow-same-judge", help="Let one judge audit and evaluate; every report says so.")
    ] = False,
    values: Annotated[
        str | None,
        typer.Option(help="Which values judges look for: a taxonomy, or a constitution file. [default: schwartz-19]"),
    ] = None,
    votes: Annotated[
        int | None, typer.Option(help="Votes of a judge of preferences on one candidate, even. [default: 4]")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder; an unfinished run in it is gone on with.")] = None,
    samples: Annotated[int | None, typer.Option(help="Candidates per item (K). [default: 8]")] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first N items of each suite.")] = None,
    until_width: Annotated[
        float | None,
        typer.Option(help="Sample until the interval of the risk has this half-width (utilities of 0 or 1)."),
    ] = None,
    seed: Annotated[list[int] | None, typer.Option(help="Repeatable: a cell for each. [default: 0]")] = None,
    temperature: Annotated[list[float] | None, typer.Option(help="Repeatable: a cell for each. [default: 1.0]")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Cap on generated tokens per call.")] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file with the same keys; flags win over it.")] = None,
    concurrency: Annotated[
        int | None, typer.Option(help="Calls in flight per endpoint. [default: found while running]")
    ] = None,
    timeout_s: Annotated[float | None, typer.Option(help="Seconds that one call may take. [default: 600]")] = None,
    max_cost: Annotated[
        float | None, typer.Option(help="Stop when so much is spent; needs --prices for every model.")
    ] = None,
    max_tokens_total: Annotated[int | None, typer.Option(help="Stop when so many tokens are bought.")] = None,
    prices: Annotated[
        Path | None, typer.Option(help="TOML with [[price]]: model, input, output per million tokens.")
    ] = None,
    reuse: Annotated[list[Path] | None, typer.Option(help="Take matching calls from other runs. Repeatable.")] = None,
    logprobs: Annotated[int | None, typer.Option(help="Keep log-probabilities and so many alternatives.")] = None,
    keep_raw: Annotated[bool, typer.Option("--keep-raw", help="Keep whole response bodies.")] = False,
    retry_missing: Annotated[
        bool, typer.Option("--retry-missing", help="Ask again for what earlier sittings left missing.")
    ] = False,
    allow_unsandboxed: Annotated[
        bool, typer.Option("--allow-unsandboxed", help="Run model-written code without a sandbox where there is none.")
    ] = False,
    engine: Annotated[str | None, typer.Option(help="Who carries it out. [default: local]")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count and price the plan, about; ask nothing.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print counts per cell as JSON.")] = False,
) -> None:
    """Sample candidates, score them, and store everything in a folder.

    Killed at any moment, the same command goes on where it stopped. Then: `akrasia risk DIR`, `akrasia report DIR -o
    FILE.html`.
    """
    from akrasia.core import InputError
    from akrasia.runs.config import build_config, read_config

    keys: dict[str, Any] = read_config(config) if config else {}
    flags = {
        "model": model, "suite": suite, "strategy": strategy, "judge": judge, "judge_repeats": judge_repeats,
        "auditor": auditor, "planner": planner, "rewriter": rewriter, "guard": guard,
        "allow_same_judge": allow_same_judge or None,
        "values": values, "votes": votes, "samples": samples,
        "limit": limit, "seed": seed, "until_width": until_width,
        "temperature": temperature, "max_tokens": max_tokens, "concurrency": concurrency, "timeout_s": timeout_s,
        "max_cost": max_cost, "max_tokens_total": max_tokens_total, "prices": str(prices) if prices else None,
        "logprobs": logprobs, "keep_raw": keep_raw or None, "allow_unsandboxed": allow_unsandboxed or None,
        "retry_missing": retry_missing or None,
        "engine": engine,
    }  # fmt: skip
    keys.update({key: value for key, value in flags.items() if value is not None})
    plan = build_config(keys, f"configuration {config}" if config else "")
    if out is None:
        raise InputError("no --out: name the folder that the run is kept in")

    from akrasia.cli.progress import Progress
    from akrasia.runs import wait_for
    from akrasia.runs.execute import Options, execute, plan_run

    # A run keeps no cycles, and makes millions of short-lived records: looking for cycles as often as Python does by
    # default costs a tenth of the throughput.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    options = Options(
        reuse=tuple(reuse or ()),
        command=shlex.join(["akrasia", *sys.argv[1:]]),
        on_start=lambda meter, planned, done: Progress(meter, planned, done, sys.stderr).show,
        on_notice=notice,
    )
    if dry_run:
        planned = plan_run(plan, out, options)
        print_json(planned) if json else show_plan(planned, at_most=plan.until_width is not None)
        return
    summary = wait_for(execute(plan, out, options))
    print_json(summary) if json else _show(summary)
    _say_missing(summary, retried=plan.until_width is None)
    if plan.until_width is not None:
        _say_width(out, plan.until_width)


def _say_width(out: Path, wanted: float) -> None:
    """What the run stopped for, on standard error, since the counts alone do not tell."""
    from akrasia.runs import load_run
    from akrasia.runs.estimates import estimate_run
    from akrasia.runs.width_pool import finished

    with load_run(out) as run:
        drawn = next(cell for cell in run.cells if not cell.pooled)
        found = finished(run, drawn)
        record = next(one.record for one in estimate_run(run) if one.cell.name == drawn.name)
    notice(
        f"the half-width of risk@{found.plan.most} is {found.half_width:.4f} ({wanted:g} was wanted) with "
        f"{counted(len(found.used), 'item')}"
    )
    if record.risk is None:
        for one in record.diagnostics:
            if one.code == "degenerate":
                notice(one.message)


def _show(summary: RunSummary) -> None:
    rows = [
        [
            cell.cell,
            count(cell.items),
            count(cell.candidates),
            count(cell.failures),
            count(cell.missing),
            _at_least(cell),
            _money(cell.cost),
        ]
        for cell in summary.cells
    ]
    print(table(["cell", "items", "candidates", "failures", "missing", "tokens", "cost"], rows))
    print(f"\nStored in {summary.out}. {_next_step(summary)}")


def _next_step(summary: RunSummary) -> str:
    if not any(cell.acts for cell in summary.cells):
        return (
            "It holds what actions are measured against, and no action. Next: the same command with --strategy fast "
            "--strategy slow added, which keeps what is stored"
        )
    if 0 < sum(cell.candidates for cell in summary.cells) == sum(cell.missing for cell in summary.cells):
        return (
            "Nothing could be measured: no candidate has a utility, for the reasons below. Next: mend what they name, "
            "and run the same command with --retry-missing, or with another --out where that changes the model itself, "
            "as a script"
        )
    look = "gap" if any(cell.judged for cell in summary.cells) else "risk"
    return f"Next: akrasia {look} {summary.out}; akrasia report {summary.out} -o FILE.html"


def show_plan(summary: RunSummary, *, at_most: bool = False) -> None:
    """A plan as a table: what it holds, about what it takes, and what of it is still to be bought.

    Args:
        summary: of `akrasia.runs.execute.plan_run`.
        at_most: whether the run may stop before all of it is drawn.
    """
    stored = any(cell.left is not None for cell in summary.cells)
    rows = []
    for cell in summary.cells:
        row = [cell.cell, count(cell.items), count(cell.candidates)]
        few = cell.fewest
        if few is None:
            row += [_known(cell.calls), _known(cell.tokens), _money(cell.cost)]
        else:
            row += [_range(few.calls, cell.calls), _known(cell.tokens), _money(cell.cost)]
        if stored and cell.left is not None:
            left = cell.left
            row += [count(left.candidates), _known(left.calls), _known(left.tokens), _money(left.cost)]
        rows.append(row)
    head = ["cell", "items", "candidates", "calls", "tokens", "cost"]
    print(table(head + ["left", "calls", "tokens", "cost"] * stored, rows))
    print(
        "\nPlanned only: nothing was asked or written. Tokens are about: prompts by their characters, replies as long "
        "as their cap" + (", and what is left in proportion to the calls." if stored else ".")
    )
    for cell in summary.cells:
        if cell.fewest is not None:
            print(_say_range(cell, cell.fewest))
    if at_most:
        print(
            "All of it is at most: --until-width stops as soon as the interval is narrow enough, and an item takes "
            "twice --samples only where half of its draws are missing."
        )
    if any(cell.tokens is None for cell in summary.cells):
        print("Tokens are unknown where replies have no cap: give --max-tokens.")


def _say_range(cell: CellCount, fewest: Taken) -> str:
    """A line about a cell of which the replies decide how many calls it makes."""
    said = [
        f"{cell.cell}: between {_known(fewest.calls)} and {_known(cell.calls)} calls, as the replies turn out",
        "tokens and cost are the most",
    ]
    if cell.expected is not None:
        said.append(f"by its prior about {_known(cell.expected.calls)}")
    if cell.left is not None:
        said.append("what is left is at most")
    return f"{'; '.join(said)}."


def _range(low: int | None, high: int | None) -> str:
    """10 and 40 → 10–40; what is alike stands once."""
    return "–".join(dict.fromkeys((_known(low), _known(high))))


def _known(number: int | None) -> str:
    return "unknown" if number is None else count(number)


def _at_least(cell: CellCount) -> str:
    """The tokens of a cell, or what is known of them."""
    return _known(cell.tokens) if cell.tokens_at_least is None else f"at least {count(cell.tokens_at_least)}"


def _money(cost: float | None) -> str:
    return "unknown" if cost is None else f"{cost:.4g}"


def _say_missing(summary: RunSummary, *, retried: bool) -> None:
    """Why candidates are missing, on standard error, since the counts alone do not tell.

    Args:
        summary: of the run.
        retried: whether they can be asked for again; a run to a width drew others in their place.
    """
    told = summary.told_missing()
    if told:
        way_on = (
            "To ask again: the same command with --retry-missing" if retried else "Others were drawn in their place"
        )
        notice(f"{told}. Which: column missing of table scores in {summary.out}/run.sqlite. {way_on}")
