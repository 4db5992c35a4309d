"""From a stored run to the estimates of its cells: which pool each is measured against, and what it deployed."""

from __future__ import annotations

from collections.abc import Sequence
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
    Estimate,
    Gold,
    MissingBounds,
    Notes,
    Options,
    RiskRecord,
    estimate,
    estimate_stopped,
    read_stopped,
    with_account,
)
from akrasia.risk.missing import missing_bounds
from akrasia.risk.pool import read_pool
from akrasia.runs.auditing import same_judge_note
from akrasia.runs.cell_record import (
    beyond_the_look,
    counted,
    cut_short,
    of_the_pool,
    own_failures,
    run_notices,
    undefined,
    with_counts,
    with_notices,
)
from akrasia.runs.constant import constant_of
from akrasia.runs.gold import check_gold_texts, labelled_cell, read_gold
from akrasia.runs.origin import origin_note
from akrasia.runs.pool import Pool
from akrasia.runs.reader import Run
from akrasia.runs.reference import Reference, reference, without_thin_items
from akrasia.runs.value_labels import rates, states
from akrasia.runs.width_pool import finished
from akrasia.utilities.preference import Vote, position_bias, read_vote

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from akrasia.risk.pool import Utilities

BIASED = 0.25
"""Share of pairs of votes decided by the place above which a judge of preferences deserves a warning."""


class CellEstimate(msgspec.Struct, frozen=True):
    """One cell, measured.

    Attributes:
        cell: which.
        pool: the reference pool, thin items left out as missing; for a cell without one, its own candidates.
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
    found = finished(run, cell)
    plan, used = found.plan, found.used
    pool = run.pool(cell)
    counts = Counts(
        candidates=sum(len(one.draws) for one in found.drawn),
        failures=sum(one.failures for one in found.drawn),
        truncated=sum(one.truncated for one in found.drawn),
        missing=sum(len(one.draws) - len(one.known) for one in found.drawn),
    )
    told = run_notices(cell, pool, has_reference=True)
    if found.not_reached is None:
        told += beyond_the_look(len(found.drawn) - len(found.items))
    result: Estimate | None
    try:
        pools = read_stopped([one.known for one in used], first=plan.first, most=plan.most, cut_short=True)
        clusters = [one.item.cluster or one.item.id for one in used]
        result = estimate_stopped(pools, clusters=clusters, ks=how.ks, level=how.level)
        notes = Notes(
            constant=constant_of(pool),
            unparsed=sum(one.failures for one in found.items),
            truncated=sum(one.truncated for one in found.items),
        )
        result = with_account(result, [one.utilities for one in found.items], first=plan.first, notes=notes)
        record = result.record()
        told += cut_short(pools.cut_short, plan.most)
    except Undefined as error:
        result, record = None, undefined(pool, str(error), how.level)
    return CellEstimate(cell, pool, None, result, with_counts(with_notices(record, told, has_reference=True), counts))


def _estimate_cell(run: Run, cell: Cell, how: How) -> CellEstimate:
    measured = reference(run, cell)
    everything, deployed = measured.pool, measured.deployed
    own = everything if cell.pool is None or cell.pooled else run.pool(cell)
    pool, thin = without_thin_items(everything)
    notes = Notes(
        constant=constant_of(pool),
        unparsed=sum(pool.failures.values()),
        truncated=pool.truncated,
        texts=pool.texts.tolist(),
    )
    drawn: Utilities | None = None if pool.drawn is None else pool.drawn.utilities
    if thin is not None:
        drawn = everything.utilities
    options = msgspec.structs.replace(how.options, notes=notes, chosen=measured.chosen, drawn=drawn)
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
        result, record = None, undefined(everything, str(error), how.level, _bounds(measured))
    notices = run_notices(cell, pool, has_reference)
    notices += [*same_judge_note(run, [cell]), *origin_note(run)]
    if own.items is not pool.items:
        notices += own_failures(cell, own)
        record = of_the_pool(record)
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
    if thin is not None:
        notices.append(thin)
    record = counted(with_notices(record, notices, has_reference), own, pool if own.items is not pool.items else None)
    return CellEstimate(cell, pool, deployed, result if has_reference else None, record, measured.chosen)


def _bounds(measured: Reference) -> MissingBounds | None:
    """What the missing utilities leave open where no figure has a value; None where nothing at all is known."""
    came, _ = measured.pool.as_they_came
    if np.isnan(came).all() and (measured.deployed is None or np.isnan(measured.deployed).all()):
        return None
    return missing_bounds(read_pool(came), came.shape[1], measured.deployed, chosen=measured.chosen)


def _asked(ks: Sequence[int] | None, chosen: Chosen | None) -> Sequence[int] | None:
    """The sizes that a cell is measured at: a choice among n draws has no reachable of fewer, so n stands for those."""
    return ks if ks is None or chosen is None else sorted({k if k < 1 else max(k, chosen.n) for k in ks})


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
