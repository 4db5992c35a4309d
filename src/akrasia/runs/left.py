"""What of a plan no stored run holds yet: what is left to buy, from the tables of the run itself and of others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import count as numbers
from itertools import takewhile
from pathlib import Path

import msgspec
from msgspec.structs import replace

from akrasia.core import Sampling
from akrasia.risk import UntilWidth
from akrasia.runs.manifest import read
from akrasia.runs.plan import CellCount, Left, Plan, PlannedCell
from akrasia.runs.store import read_only
from akrasia.runs.until_width import Looks, known_of, most_draws, settled, width_plan

Stored = dict[tuple[int, int], float | None]
"""Item and sample of each candidate that is there, and its utility; None where missing."""


def with_left(counts: Sequence[CellCount], plan: Plan, own: Path | None, reuse: Sequence[Path]) -> list[CellCount]:
    """The planned counts with what no stored run holds yet.

    Args:
        counts: of `akrasia.runs.forecast.forecast`.
        plan: what is to be done.
        own: the run's own folder, where there is one already.
        reuse: folders of other runs whose matching calls may be taken; not of what they could not measure.
    """
    found = []
    for count, planned in zip(counts, plan.cells, strict=True):
        there: Stored = {}
        for folder in reuse:
            there.update(_stored(folder, planned, plan, measured=True))
        if own is not None:
            there.update(_stored(own, planned, plan, measured=plan.config.retry_missing))
        left = count.candidates - len(there)
        if plan.config.until_width is not None and not planned.cell.pooled:
            left = _left_to_a_width(width_plan(plan.config.until_width, planned.cell.samples), planned, there)
        share = left / count.candidates if count.candidates else 0.0
        money = None if count.cost is None else count.cost * share
        found.append(replace(count, left=Left(left, _part(count.calls, share), _part(count.tokens, share), money)))
    return found


def _part(number: int | None, share: float) -> int | None:
    return None if number is None else round(number * share)


def _left_to_a_width(plan: UntilWidth, planned: PlannedCell, there: Mapping[tuple[int, int], float | None]) -> int:
    """The most draws that a run to a width still takes: none once a look at what is there finds the width."""
    looks, left = Looks(plan), 0
    for position, item in enumerate(planned.items):
        drawn = takewhile(lambda place: place in there, ((position, sample) for sample in numbers()))
        utilities = [there[place] for place in drawn]
        if not settled(plan, utilities):
            left += most_draws(plan) - len(utilities)
        elif not left:
            looks.add(known_of(utilities), item.cluster or item.id)
            if looks.reached:
                return 0
    return left


def _stored(
    folder: Path, planned: PlannedCell, plan: Plan, *, measured: bool
) -> Iterator[tuple[tuple[int, int], float | None]]:
    """The candidates of a planned cell that a run holds, and their utilities.

    Args:
        folder: of the run.
        planned: the cell.
        plan: of which it is a part.
        measured: only those whose measurement is there.
    """
    suite = plan.suites[planned.cell.suite]
    manifest = read(folder)
    if manifest is None or manifest.suites.get(suite.name) != suite.fingerprint:
        return
    samples = planned.cell.samples
    if plan.config.until_width is not None:
        samples = most_draws(width_plan(plan.config.until_width, samples))
    with closing(read_only(folder / "run.sqlite")) as connection:
        cell = connection.execute("SELECT id, sampling FROM cells WHERE name = ?", (planned.cell.name,)).fetchone()
        if cell is None or msgspec.json.decode(cell[1], type=Sampling) != planned.cell.sampling:
            return
        rows = connection.execute(
            "SELECT item, sample, utility FROM scores WHERE cell = ? AND item < ? AND sample < ? "
            "AND (missing IS NULL OR ?)",
            (cell[0], len(planned.items), samples, not measured),
        )
        for item, sample, utility in rows:
            yield (item, sample), utility
