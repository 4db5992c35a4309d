"""`akrasia prior`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from akrasia.cli.output import counted, interval, print_json

if TYPE_CHECKING:
    from akrasia.risk import Replay
    from akrasia.strategies.prior_file import PriorFile


FEW_ITEMS = 20
"""Items below which a prior is told to be a guess."""


class Against(StrEnum):
    """What actions of a value run are held against."""

    stated = "stated"
    constitution = "constitution"


def prior(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The file to write (JSON).")],
    cell: Annotated[str | None, typer.Option(help="Which cell. [default: the first direct one]")] = None,
    judge: Annotated[
        str | None, typer.Option(help="Of a value run: the judge whose values steer. [default: the only one]")
    ] = None,
    against: Annotated[
        Against, typer.Option(help="Of a value run: what actions are held against.", show_choices=True)
    ] = Against.stated,
    match: Annotated[
        str | None,
        typer.Option(metavar="best_of_n:N", help="Find the cost at which stopping is as good as the best of N."),
    ] = None,
    most: Annotated[
        int | None, typer.Option(min=1, help="With --match: the most candidates of an item. [default: N or 2 N]")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print what was learnt as JSON.")] = False,
) -> None:
    """Learn from a run how good candidates are and how items differ, for the strategy adaptive.

    Use it as `--strategy 'adaptive:FILE?cost=0.02&most=16'`; after --match, `--strategy adaptive:FILE` alone is enough.
    """
    from akrasia.core import InputError
    from akrasia.runs import load_run
    from akrasia.runs.prior import learn_prior
    from akrasia.strategies.prior_file import check_prior_path, write_prior

    if most is not None and match is None:
        raise InputError("--most is the horizon of a --match: give that too, or set most where adaptive is used")
    n = _matched(match)
    check_prior_path(out)
    with load_run(run) as opened:
        learnt = learn_prior(
            opened, cell, judge=judge, constitution=against is Against.constitution, match=n, most=most
        )
    write_prior(learnt.file, out)
    if json:
        print_json({"out": str(out), **_record(learnt.file), "replay": learnt.replay, "left_out": learnt.left_out})
        return
    _show(learnt.file, out, learnt.left_out)
    if learnt.file.match is not None:
        _show_match(learnt.file, learnt.replay)


def _matched(text: str | None) -> int | None:
    from akrasia.core import InputError

    if text is None:
        return None
    name, _, number = text.partition(":")
    if name != "best_of_n" or not number.isdecimal() or int(number) < 1:
        raise InputError(f"--match is {text!r}: write best_of_n:8")
    return int(number)


def _record(file: PriorFile) -> dict[str, object]:
    import msgspec

    found = msgspec.to_builtins(file)
    return dict(found)


def _show(file: PriorFile, out: Path, left_out: int) -> None:
    came, learnt = file.provenance, file.prior
    print(
        f"{out}: {counted(len(learnt.weights), 'type')} of items, learnt from {came.cell}: "
        f"{counted(came.items, 'item')} with {counted(came.candidates, 'candidate')}, by {file.verifier}"
    )
    if left_out:
        print(f"  left out: {counted(left_out, 'item')} of the run, {_why_left_out(file)}")
    if came.missing:
        print(f"  warning: {counted(came.missing, 'candidate')} had no value and told nothing")
    if came.items < FEW_ITEMS:
        print(
            f"  warning: {counted(came.items, 'item')} cannot show how items differ, so what is expected is a guess: "
            f"learn from at least {FEW_ITEMS}, better from 100"
        )
    if learnt.utilities is not None:
        print("  what a value is worth is what the run's other judges say of candidates with that value")
    elif file.verifier.judge:
        print("  the judge's value is taken for the utility: what is picked by it is worth less than it says")
    else:
        print("  the values are the utility itself: where no such verifier is at hand, this is an upper limit")
    best = ", ".join(f"best of {n} {learnt.best_of(n):.3f}" for n in (4, 16))
    print(f"  expected: one candidate {learnt.best_of(1):.3f}, {best}")


def _why_left_out(file: PriorFile) -> str:
    from akrasia.strategies.scorers import STATED

    if file.verifier.measure == STATED:
        return (
            "where the model states no value, or nothing was read yet; with --against constitution, actions are held "
            "against the values themselves"
        )
    return "of which no candidate has a value: not run or not read yet, or their measurement failed"


def _show_match(file: PriorFile, replay: Replay | None) -> None:
    match = file.match
    if match is None:
        return
    how = "" if match.exact else ", simulated"
    print(
        f"\nAs good as the best of {match.n} ({match.target:.3f}) at cost {match.cost:.4g} with at most {match.most}: "
        f"{match.worth:.3f} with {match.draws:.2f} candidates expected ({match.draws / match.n:.0%}{how})"
    )
    if replay is None:
        print("  the run's items have too few candidates to replay this on them")
        return
    print(
        f"  on the run's own {counted(replay.items, 'item')}: {interval(replay.adaptive)} with "
        f"{interval(replay.draws)} candidates, best of {replay.n} {interval(replay.best_of_n)}; difference "
        f"{interval(replay.difference)}"
    )
