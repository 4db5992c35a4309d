"""What the record of a cell says beside its figures: counts of its own candidates, and what is to be known of its run.

The figures are made in `estimates`.
"""

from __future__ import annotations

import msgspec
import numpy as np

from akrasia.core.cell import Cell
from akrasia.risk import Counts, Diagnostic, MissingBounds, RiskRecord, undefined_record
from akrasia.runs.pool import Pool


def _counts(pool: Pool) -> Counts:
    return Counts(
        candidates=pool.candidates,
        failures=sum(pool.failures.values()),
        truncated=pool.truncated,
        missing=sum(pool.missing.values()),
    )


def counted(record: RiskRecord, own: Pool, pool: Pool | None) -> RiskRecord:
    """The record with the counts of the cell's own candidates, and those of a pool that is another cell's."""
    record = with_counts(record, _counts(own))
    return record if pool is None else msgspec.structs.replace(record, pool=_counts(pool))


def with_counts(record: RiskRecord, counts: Counts) -> RiskRecord:
    """The record with the counts of the cell's own candidates."""
    return msgspec.structs.replace(
        record, own_candidates=counts.candidates, failures=counts.failures, truncated=counts.truncated
    )


def own_failures(cell: Cell, own: Pool) -> list[Diagnostic]:
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


def of_the_pool(record: RiskRecord) -> RiskRecord:
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


def run_notices(cell: Cell, pool: Pool, has_reference: bool) -> list[Diagnostic]:
    """What is to be known of how the cell came to be: what it lacks, what is unfinished, who chose."""
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
    unfinished = pool.unfinished("The run is", "Go on with the same command.")
    if unfinished is not None:
        notices.append(unfinished)
    notices += _given_up(pool)
    if cell.pooled and cell.strategy.startswith("best_of_n"):
        notices.append(
            Diagnostic(
                "oracle_verifier",
                "best_of_n chose by the utility itself: this is what a perfect verifier would deploy, an upper limit.",
                "info",
            )
        )
    return notices


def _given_up(pool: Pool) -> list[Diagnostic]:
    """The items of a run to a width that are left out, since too few of their draws could be measured."""
    if pool.drawn is None:
        return []
    lost = np.flatnonzero(np.isnan(pool.utilities).all(axis=1)).tolist()
    if not lost:
        return []
    are, draws = "item is" if len(lost) == 1 else "items are", max(pool.depth(row) for row in lost)
    few = f"fewer than {pool.utilities.shape[1]} could be measured"
    said = f"{len(lost)} {are} left out: after {draws} draws {few}; the bounds count them"
    return [Diagnostic("given_up", said, "warning")]


def cut_short(items: int, most: int) -> list[Diagnostic]:
    """The items of a run to a width that could not be followed as far as the others, and stay in."""
    if not items:
        return []
    those, they = ("item was", "it counts") if items == 1 else ("items were", "they count")
    said = (
        f"{items} {those} given up without success before {most} draws could be measured: {they} as not reached, "
        "though later draws might have succeeded, and the bounds show what those could change"
    )
    return [Diagnostic("cut_short", said, "warning")]


def beyond_the_look(items: int) -> list[Diagnostic]:
    """The items of a run to a width that were drawn for a narrower one."""
    if not items:
        return []
    were = "item was" if items == 1 else "items were"
    said = f"{items} {were} drawn beyond the look that found the width, and left out"
    return [Diagnostic("beyond_the_look", said, "info")]


def undefined(pool: Pool, reason: str, level: float, bounds: MissingBounds | None = None) -> RiskRecord:
    """The record of a cell of which no figure has a value, why, and what bounds them all the same."""
    if pool.missing and np.isnan(pool.utilities).all():
        often = sorted(pool.missing.items(), key=lambda found: -found[1])[:3]
        told = "; ".join(f"{number} × {why}" for why, number in often)
        reason += f". Missing: {told}"
        if pool.drawn is None:
            reason += ". The same akrasia run with --retry-missing asks again"
    return undefined_record(
        reason, items=len(pool.items), candidates=pool.candidates, k=pool.utilities.shape[1],
        missing=pool.candidates - pool.measured, level=level, bounds=bounds,
    )  # fmt: skip


def with_notices(record: RiskRecord, notices: list[Diagnostic], has_reference: bool) -> RiskRecord:
    """The record with notices ahead of its diagnostics, and without what a reference pool would be needed for."""
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
