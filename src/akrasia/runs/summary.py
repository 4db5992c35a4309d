"""What a run came to, cell by cell, from its store: the summary that `akrasia run` prints."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from akrasia.runs.plan import NOT_DEPLOYED, CellCount, Plan, is_judged
from akrasia.runs.prices import Rates, cost
from akrasia.runs.totals import AuditCount, CellTotals


class RunSummary(Struct, frozen=True):
    """What `akrasia run --json` prints.

    Attributes:
        out: the run's folder.
        cells: counts per cell.
        missing: why candidates are without a measurement, and how many: the most frequent reasons first, `REASONS` at
            most; the others are counted under "other reasons".
    """

    out: str
    cells: list[CellCount]
    missing: dict[str, int] = {}

    def told_missing(self, most: int = 3) -> str:
        """How many candidates have no utility, and the most frequent reasons, as a clause; "": all have one."""
        total = sum(self.missing.values())
        if not total:
            return ""
        told = [f"{number:,} × {reason}" for reason, number in list(self.missing.items())[:most]]
        rest = total - sum(list(self.missing.values())[:most])
        told += [f"{rest:,} × other reasons"] if rest else []
        candidates = sum(cell.candidates for cell in self.cells)
        return (
            f"{total:,} of {candidates:,} candidate{'s' * (candidates != 1)} {'has' if total == 1 else 'have'} no "
            f"utility: {'; '.join(told)}"
        )


REASONS = 20
"""Of missing candidates, told at most."""


def most_frequent(reasons: dict[str, int]) -> dict[str, int]:
    """The reasons that are told, and how many candidates have another."""
    told = dict(list(reasons.items())[:REASONS])
    others = sum(reasons.values()) - sum(told.values())
    return {**told, "other reasons": others} if others else told


def _cost(rates: Rates, cell: int, totals: CellTotals) -> float | None:
    """What a cell cost; nothing where it bought nothing, unknown where any part of it is."""
    spent = 0.0
    for role in totals.roles:
        part = cost(rates.of(cell, role.role), role.prompt_tokens, role.completion_tokens, role.cached_tokens)
        if part is None or role.unknown:
            return None
        spent += part
    return spent


def counts_of(
    plan: Plan,
    totals: Mapping[int, CellTotals],
    cell_ids: Mapping[str, int],
    rates: Rates,
    audits: Mapping[int, AuditCount],
) -> list[CellCount]:
    """What each cell of a plan holds and took, in the plan's order.

    Args:
        plan: what was to be done.
        totals: counts and tokens, by the cell's id in the store.
        cell_ids: those ids, by the cell's name.
        rates: the prices of each cell's calls.
        audits: of the cells that audited, by id.
    """
    counts = []
    for planned in plan.cells:
        number = cell_ids[planned.cell.name]
        found = totals[number]
        items = len(planned.items)
        if plan.config.until_width is not None:  # which asks no more items than it needs
            items = totals[cell_ids[planned.cell.pool or planned.cell.name]].items
        counts.append(
            CellCount(
                cell=planned.cell.name,
                items=items,
                candidates=found.candidates,
                failures=found.failures,
                missing=found.missing,
                tokens=found.tokens,
                cost=_cost(rates, number, found),
                calls=found.calls,
                prompt_tokens=found.prompt_tokens,
                completion_tokens=found.completion_tokens,
                judged=is_judged(plan.suites[planned.cell.suite]),
                acts=planned.cell.strategy.partition(":")[0] not in NOT_DEPLOYED,
                audit=audits.get(number),
                tokens_at_least=(found.tokens_reported or None) if found.tokens is None else None,
            )
        )
    return counts
