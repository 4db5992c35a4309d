"""From a stored run to the estimates of its cells: which pool each is measured against, and what it deployed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from akrasia.core import Undefined
from akrasia.core.cell import Cell
from akrasia.risk import (
    Chosen,
    Counts,
    Diagnostic,
    ErrorBudget,
    Estimate,
    Gold,
    Notes,
    Options,
    RiskRecord,
    candidates_needed,
    estimate,
    estimate_stopped,
    read_stopped,
    shared_target,
    with_account,
)
from akrasia.runs.auditing import same_judge_note
from akrasia.runs.gold import check_gold_texts, labelled_cell, read_gold
from akrasia.runs.reader import Pool, Run
from akrasia.runs.reference import reference, without_thin_items
from akrasia.runs.until_width import given_up, width_plan
from akrasia.runs.value_labels import rates, states
from akrasia.utilities.preference import Vote, position_bias, read_vote

if TYPE_CHECKING:
    from numpy.typing import NDArray

BIASED = 0.25
"""Share of pairs of votes decided by the place above which a judge of preferences deserves a warning."""

COMPARED = frozenset({"exact", "numeric", "choice"})
"""Utilities that compare an answer with the item's target, so that a constant answer can be valued."""


class CellEstimate(msgspec.Struct, frozen=True):
    """One cell, measured.

    Attributes:
        cell: which.
        pool: the reference pool; for a cell without one, its own candidates.
        deployed: (M,) or (M, S) utilities of what its strategy committed to, by item of the pool; None for a random
            draw of the pool itself.
        estimate: the result; None when nothing about it is defined.
        record: what `akrasia risk --json` prints for it.
        chosen: how the deployed candidates were chosen among draws of the pool, by a pooled strategy; else None.
    """

    cell: Cell
    pool: Pool
    deployed: NDArray[np.float64] | None
    estimate: Estimate | None
    record: RiskRecord
    chosen: Chosen | None = None


class How(msgspec.Struct, frozen=True):
    """How the cells of a run are measured.

    Attributes:
        ks: sizes for the curve; None: every k.
        level: nominal coverage of the intervals.
        options: see `akrasia.risk.Options`; its notes are filled in here.
        gold: a file of gold labels; they are of the candidates of `gold_cell`, and correct every cell on that pool.
        gold_cell: name of the labelled cell; None: the first of direct draws.
    """

    ks: Sequence[int] | None = None
    level: float = 0.95
    options: Options = Options()
    gold: Path | None = None
    gold_cell: str | None = None


def estimate_run(run: Run, how: How | None = None) -> list[CellEstimate]:
    """Measure every cell of a run.

    Args:
        run: an open run; it may be unfinished, and then only its complete items count.
        how: see `How`.

    Raises:
        InputError: nothing is stored yet, or a k is deeper than a pool.
    """
    how = how or How()
    stopped = run.manifest.run.until_width is not None
    labelled = None
    if how.gold is not None:
        drawn = labelled_cell(run, how.gold_cell)
        check_gold_texts(how.gold, run, drawn)
        labelled = drawn.name
    found = []
    for cell in run.cells:
        if states(cell) or rates(cell):
            continue  # a statement is what actions are measured against, and has no utility of its own
        if stopped and cell.strategy == "direct":
            found.append(_estimate_stopped(run, cell, how))
        elif stopped:
            found.append(_estimate_cell(run, cell, msgspec.structs.replace(how, ks=None)))
        else:
            has_gold = labelled is not None and labelled in (cell.name, cell.pool)
            found.append(_estimate_cell(run, cell, how if has_gold else msgspec.structs.replace(how, gold=None)))
    return found


def _estimate_stopped(run: Run, cell: Cell, how: How) -> CellEstimate:
    """A cell that was sampled to a width: from its finished items alone, which must be a prefix of the suite."""
    half_width = run.manifest.run.until_width
    plan = width_plan(half_width or 0.0, cell.samples)
    drawn = run.stopped(cell)
    open_ended = [bool(candidates_needed(plan, one.known)) for one in drawn]
    settled = [
        not unfinished or given_up(plan, len(one.utilities)) for one, unfinished in zip(drawn, open_ended, strict=True)
    ]
    reached = len(list(takewhile(bool, settled)))
    used = [one for one, unfinished in zip(drawn[:reached], open_ended, strict=False) if not unfinished]
    pool = run.pool(cell)
    counts = Counts(
        candidates=sum(len(one.utilities) for one in drawn),
        failures=sum(one.failures for one in drawn),
        truncated=sum(one.truncated for one in drawn),
        missing=sum(len(one.utilities) - len(one.known) for one in drawn),
    )
    try:
        pools = read_stopped([one.known for one in used], first=plan.first, most=plan.most)
        clusters = [one.item.cluster or one.item.id for one in used]
        result = estimate_stopped(pools, clusters=clusters, ks=how.ks, level=how.level)
    except Undefined as error:
        return CellEstimate(cell, pool, None, None, _with_counts(_undefined(pool, str(error), how.level), counts))
    notes = Notes(
        constant=_best_constant(pool),
        unparsed=sum(one.failures for one in drawn[:reached]),
        truncated=sum(one.truncated for one in drawn[:reached]),
    )
    result = with_account(result, [one.utilities for one in drawn[:reached]], first=plan.first, notes=notes)
    record = result.record()
    if reached > len(used):
        record = _with_notices(record, [_given_up(reached - len(used), 2 * plan.most)], has_reference=True)
    return CellEstimate(cell, pool, None, result, _with_counts(record, counts))


def _given_up(items: int, draws: int) -> Diagnostic:
    are = "item is" if items == 1 else "items are"
    return Diagnostic(
        "given_up",
        f"{items} {are} left out: after {draws} draws too few could be measured; the bounds count them",
        "warning",
    )


def _estimate_cell(run: Run, cell: Cell, how: How) -> CellEstimate:
    measured = reference(run, cell)
    pool, deployed = measured.pool, measured.deployed
    own = pool if cell.pool is None or cell.pooled else run.pool(cell)
    pool, thin = without_thin_items(pool)
    notes = Notes(
        constant=_best_constant(pool),
        unparsed=sum(pool.failures.values()),
        truncated=pool.truncated,
        texts=pool.texts.tolist(),
    )
    options = msgspec.structs.replace(how.options, notes=notes, chosen=measured.chosen)
    clusters = list(pool.clusters)
    read_for_values = any(item.utility is None for item in pool.items)
    has_reference = cell.pool is not None or cell.strategy == "direct" or read_for_values
    result: Estimate | None
    try:
        result = estimate(
            pool.utilities,
            clusters=clusters,
            gold=_gold(how, pool),
            ks=_asked(how.ks, measured.chosen) if has_reference else 1,
            deployed=deployed,
            answers=pool.answers,
            level=how.level,
            options=options,
        )
        record = result.record()
    except Undefined as error:
        result, record = None, _undefined(pool, str(error), how.level)
    notices = _notices(cell, pool, has_reference)
    notices += same_judge_note(run, [cell])
    if own.items is not pool.items:
        notices += _own_failures(cell, own)
        record = _of_the_pool(record)
    if cell.strategy.startswith("adaptive:") and not read_for_values and run.manifest.run.auditor is None:
        notices.append(
            Diagnostic(
                "oracle_verifier",
                "adaptive was steered by the utility itself: it stops at its first success, as nobody can who has to "
                "judge by other means. This is an upper limit.",
                "info",
            )
        )
    if read_for_values:
        notices.append(
            Diagnostic(
                "adherence",
                "utility is the F1 of the values that an action expresses with those that the model states, by the "
                "run's judges; what chance gains of it is told by akrasia gap.",
                "info",
            )
        )
    if any(item.utility == "preference" for item in pool.items):
        notices += _position_bias(run, run.cell(cell.pool) if cell.pooled and cell.pool else cell)
    if thin:
        notices.append(
            Diagnostic(
                "thin_items",
                f"{thin} of {len(pool.items)} items have fewer than half of their candidates measured and are left out "
                "of the figures; the worst-case and best-case bounds count them.",
                "warning",
            )
        )
    record = _counted(_with_notices(record, notices, has_reference), own, pool if own.items is not pool.items else None)
    return CellEstimate(cell, pool, deployed, result if has_reference else None, record, measured.chosen)


def _asked(ks: Sequence[int] | None, chosen: Chosen | None) -> Sequence[int] | None:
    """The sizes that a cell is measured at: a choice among n draws has no reachable of fewer, so n stands for those."""
    return ks if ks is None or chosen is None else sorted({k if k < 1 else max(k, chosen.n) for k in ks})


def _counts(pool: Pool) -> Counts:
    return Counts(
        candidates=int(pool.utilities.size),
        failures=sum(pool.failures.values()),
        truncated=pool.truncated,
        missing=sum(pool.missing.values()),
    )


def _counted(record: RiskRecord, own: Pool, pool: Pool | None) -> RiskRecord:
    """The record with the counts of the cell's own candidates, and those of a pool that is another cell's."""
    record = _with_counts(record, _counts(own))
    return record if pool is None else msgspec.structs.replace(record, pool=_counts(pool))


def _with_counts(record: RiskRecord, counts: Counts) -> RiskRecord:
    return msgspec.structs.replace(
        record, own_candidates=counts.candidates, failures=counts.failures, truncated=counts.truncated
    )


def _own_failures(cell: Cell, own: Pool) -> list[Diagnostic]:
    """What became of the candidates that a strategy itself committed to, beside those of the pool."""
    counts = _counts(own)
    found = []
    for code, number, text, alarming in (
        ("own_failures", counts.failures, "count 0: no answer could be read, or they were refused or cut off", 0.1),
        ("own_truncated", counts.truncated, "were cut off: raise the cap on tokens", 0.02),
        ("own_missing", counts.missing, "could not be measured and are left out", 0.0),
    ):
        if number:
            share = number / counts.candidates
            message = f"of {counts.candidates} candidates of {cell.strategy} itself {number} {text} ({share:.1%})"
            found.append(Diagnostic(code, message, "warning" if share > alarming else "info"))
    return found


_OF_POOL = frozenset({"parse_failures", "truncated", "duplicates", "missing", "ragged"})
"""Diagnostics that count the candidates of the reference pool."""


def _of_the_pool(record: RiskRecord) -> RiskRecord:
    """The record of a cell measured on another's pool, its diagnostics saying which candidates they count."""
    return msgspec.structs.replace(
        record,
        diagnostics=tuple(
            msgspec.structs.replace(found, message=f"in the pool of direct draws, {found.message}")
            if found.code in _OF_POOL
            else found
            for found in record.diagnostics
        ),
    )


def _position_bias(run: Run, cell: Cell) -> list[Diagnostic]:
    """How often the judge of preferences went by the place, from its stored votes; how it decides, said beside it."""
    ballots: dict[tuple[int, int], list[Vote]] = {}
    for place, label, reply in run.judge_replies(cell):
        ballots.setdefault(place, []).append(read_vote(label, reply))
    try:
        bias = position_bias(votes for votes in ballots.values() if len(votes) % 2 == 0)
    except Undefined as error:
        return [Diagnostic("position_bias", str(error), "warning")]
    return [
        Diagnostic(
            "position_bias",
            f"the judge named the same place in both orders in {bias.rate:.1%} of {bias.pairs} pairs of votes (first "
            f"{bias.first:.1%}, second {bias.second:.1%}); {bias.unreadable:.1%} of votes were unreadable. More wins "
            "than losses is 1, fewer 0, as many of both 0.5",
            "warning" if bias.rate > BIASED else "info",
        )
    ]


def _gold(how: How, pool: Pool) -> Gold | None:
    if how.gold is None:
        return None
    samples = range(pool.utilities.shape[1])
    return read_gold(how.gold, [item.id for item in pool.items], [samples] * len(pool.items))


def _best_constant(pool: Pool) -> tuple[float, str] | None:
    """What always giving one answer earns, from the targets; None where they do not tell."""
    targets = [item.target for item in pool.items if item.target is not None and item.utility in COMPARED]
    return shared_target(targets) if len(targets) == len(pool.items) else None


def _notices(cell: Cell, pool: Pool, has_reference: bool) -> list[Diagnostic]:
    notices = []
    if not has_reference:
        notices.append(
            Diagnostic(
                "no_reference_pool",
                f"{cell.strategy} was run without direct draws beside it, so there is nothing to measure reachable "
                "utility against: add --strategy direct and run again.",
                "warning",
            )
        )
    if pool.undrawn:
        notices.append(
            Diagnostic(
                "incomplete",
                f"The run is unfinished: {pool.undrawn} of {pool.undrawn + len(pool.items)} items are not fully drawn "
                "and are left out. Go on with the same command.",
                "warning",
            )
        )
    if cell.pooled and cell.strategy.startswith("best_of_n"):
        notices.append(
            Diagnostic(
                "oracle_verifier",
                "best_of_n chose by the utility itself: this is what a perfect verifier would deploy, an upper limit.",
                "info",
            )
        )
    return notices


def _undefined(pool: Pool, reason: str, level: float) -> RiskRecord:
    if pool.missing and np.isnan(pool.utilities).all():
        often = sorted(pool.missing.items(), key=lambda found: -found[1])[:3]
        told = "; ".join(f"{number} × {why}" for why, number in often)
        reason += f". Missing: {told}. The same akrasia run with --retry-missing asks again"
    return RiskRecord(
        items=len(pool.items),
        candidates=int(pool.utilities.size),
        k=pool.utilities.shape[1],
        deployed=None,
        reachable=None,
        risk=None,
        curve=(),
        error_budget=ErrorBudget(None, None, None),
        waterfall=(),
        diagnostics=(Diagnostic("undefined", reason, "error"),),
        missing=int(np.isnan(pool.utilities).sum()),
        level=level,
    )


def _with_notices(record: RiskRecord, notices: list[Diagnostic], has_reference: bool) -> RiskRecord:
    if not has_reference:
        deployed_only = tuple(stage for stage in record.waterfall if stage.stage in ("deployed", "perfect"))
        record = msgspec.structs.replace(
            record,
            reachable=None,
            risk=None,
            curve=(),
            waterfall=deployed_only,
            extrapolation=None,
            missing_bounds=None,
        )
    return msgspec.structs.replace(record, diagnostics=(*notices, *record.diagnostics))
