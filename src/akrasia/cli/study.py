"""`akrasia study`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from msgspec.structs import replace

from akrasia.cli.output import notice, print_json, table


def study(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="widespread, strategies, length, alignment, deliberation, pressure or audit."
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="The study's folder; an unfinished study is gone on with.")] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="As in `akrasia run`; for alignment the stages in order. Repeatable.")
    ] = None,
    suite: Annotated[list[str] | None, typer.Option(help="As in `akrasia run`. Repeatable.")] = None,
    judge: Annotated[
        list[str] | None,
        typer.Option(help="Who reads value suites: encoder or llm:MODEL. Repeatable. [default: the study's]"),
    ] = None,
    auditor: Annotated[
        str | None, typer.Option(help="Of audit: who steers, another one than --judge: encoder or llm:MODEL.")
    ] = None,
    planner: Annotated[str | None, typer.Option(help="As in `akrasia run`.")] = None,
    rewriter: Annotated[str | None, typer.Option(help="As in `akrasia run`.")] = None,
    guard: Annotated[str | None, typer.Option(help="As in `akrasia run`.")] = None,
    pairwise: Annotated[
        str | None,
        typer.Option(help="Of audit: llm:MODEL that compares rewrites with drafts. [default: the first llm: judge]"),
    ] = None,
    allow_same_judge: Annotated[bool, typer.Option("--allow-same-judge", help="As in `akrasia run`.")] = False,
    values: Annotated[str | None, typer.Option(help="As in `akrasia run`. [default: the study's]")] = None,
    samples: Annotated[int | None, typer.Option(help="Candidates per item (K). [default: the study's]")] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first N items of each suite.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="As in `akrasia run`. [default: the study's]")] = None,
    concurrency: Annotated[int | None, typer.Option(help="Calls in flight per endpoint.")] = None,
    max_cost: Annotated[float | None, typer.Option(help="Stop when so much is spent; needs --prices.")] = None,
    max_tokens_total: Annotated[int | None, typer.Option(help="Stop when so many tokens are bought.")] = None,
    prices: Annotated[Path | None, typer.Option(help="As in `akrasia run`.")] = None,
    retry_missing: Annotated[bool, typer.Option("--retry-missing", help="As in `akrasia run`.")] = False,
    config: Annotated[Path | None, typer.Option(help="An edited copy of the study's file.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count and price its run, about; ask nothing.")] = False,
    print_config: Annotated[bool, typer.Option("--print-config", help="Print the shipped file and exit.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Carry out a study: an ordinary run, then a table of verdicts with intervals, and figures.

    The run is in OUT/run: killed at any moment, the same command goes on where it stopped.
    """
    from akrasia.core import InputError
    from akrasia.studies.definition import configure, left_out, load_study, study_text

    if print_config:
        sys.stdout.write(study_text(name))
        return
    asked = load_study(name, config)
    if pairwise is not None:
        asked = replace(asked, pairwise=pairwise)
    flags: dict[str, Any] = {
        "model": model, "suite": suite, "judge": judge, "auditor": auditor, "planner": planner, "rewriter": rewriter,
        "guard": guard, "allow_same_judge": allow_same_judge or None, "values": values, "samples": samples,
        "limit": limit, "max_tokens": max_tokens, "concurrency": concurrency, "max_cost": max_cost,
        "max_tokens_total": max_tokens_total, "prices": str(prices) if prices else None,
        "retry_missing": retry_missing or None,
    }  # fmt: skip
    run = configure(asked, {key: value for key, value in flags.items() if value is not None})
    if out is None:
        raise InputError("no --out: name the folder that the study is kept in")
    for silent in left_out(asked, run):
        notice(f"not tested, since the run has no suite {' or '.join(silent.suite)}: {silent.text}")
    if judge is None and run.judge:
        notice(f"read by {', '.join(run.judge)}, the judge of the study's file; --judge names another")

    from akrasia.cli.progress import Progress
    from akrasia.report.study import estimate_text, read_study, write_study
    from akrasia.report.study_audit import arm_lines
    from akrasia.report.study_wording import small
    from akrasia.runs import wait_for
    from akrasia.runs.execute import Options, plan_run
    from akrasia.studies.carry_out import RUN, carry_out, check_place

    options = Options(
        command=shlex.join(["akrasia", *sys.argv[1:]]),
        on_start=lambda meter, planned, done: Progress(meter, planned, done, sys.stderr).show,
        on_notice=notice,
    )
    if dry_run:
        from akrasia.cli.run import show_plan

        check_place(out)
        planned = plan_run(run, out / RUN, options)
        print_json(planned) if json else show_plan(planned)
        return
    findings = wait_for(carry_out(asked, run, out, options))
    write_study(out)
    if json:
        print_json(findings)
        return
    print(findings.question + "\n")
    content = read_study(out)
    shown = content.verdicts
    for claim in dict.fromkeys(row.claim for row in shown):
        rows = [
            [row.where, estimate_text(row), small(row.p_adjusted), row.verdict] for row in shown if row.claim == claim
        ]
        print(claim)
        print(table(["", "estimate", "p (Holm)", "verdict"], rows))
        print("".join(f"  {row.where}: {row.note}\n" for row in shown if row.claim == claim and row.note))
    if content.arms:
        print(arm_lines(content.arms))
    if findings.same_judge:
        notice(f"{findings.same_judge} steered and evaluates: what looks like a gain may be its own liking")
    print(f"Written: {out}/verdict.md, .csv, .tex; {out}/figures; {out}/study.json; the run is {out}/run.")
