"""What of a plan no stored run holds yet: what is left to buy, from the tables of the run itself and of others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import count as numbers
from itertools import takewhile
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import msgspec
from msgspec.structs import replace

from akrasia.core import Sampling
from akrasia.risk import UntilWidth
from akrasia.runs.ask import JUDGES
from akrasia.runs.manifest import read
from akrasia.runs.plan import CellCount, Left, Plan, PlannedCell
from akrasia.runs.prices import SUPERSEDED
from akrasia.runs.store import read_only
from akrasia.runs.until_width import Looks, known_of, most_draws, settled, width_plan

_SCORES = """
SELECT item, sample, utility FROM scores WHERE cell = ? AND item < ? AND sample < ? AND (missing IS NULL OR ?)
"""

_UNSCORED = """
SELECT key, item, sample, role,
    EXISTS (SELECT 1 FROM scores s WHERE s.cell = c.cell AND s.item = c.item AND s.sample = c.sample)
FROM calls c WHERE cell = ? AND item < ? AND sample < ? AND NOT EXISTS (
    SELECT 1 FROM scores s
    WHERE s.cell = c.cell AND s.item = c.item AND s.sample = c.sample AND (s.missing IS NULL OR ?)
)
"""

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
        bought: dict[str, tuple[int, int]] = {}
        for folder in (*reuse, *([] if own is None else [own])):
            measured = plan.config.retry_missing if folder == own else True
            with _stored(folder, planned, plan) as stored:
                there.update(stored.scores(measured=measured))
                bought.update(stored.unscored(measured=measured))
        left = count.candidates - len(there)
        if plan.config.until_width is not None and not planned.cell.pooled:
            left = _left_to_a_width(width_plan(plan.config.until_width, planned.cell.samples), planned, there)
        found.append(replace(count, left=_left(count, left, sum(place not in there for place in bought.values()))))
    return found


def _left(count: CellCount, candidates: int, bought: int) -> Left:
    """What so many candidates take, less the calls that are bought for them already."""
    share = candidates / count.candidates if count.candidates else 0.0
    calls = None
    if count.calls is not None:
        most = round(count.calls * share)
        calls = max(0, most - bought)
        share *= calls / most if most else 0.0
    money = None if count.cost is None else count.cost * share
    return Left(candidates, calls, None if count.tokens is None else round(count.tokens * share), money)


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


class _Cell:
    """What a stored run holds of a planned cell: nothing where it has no such cell.

    Args:
        connection: to the store; None where nothing can match.
        cell: its id there.
        room: how many items, and how many samples of each, are planned.
    """

    def __init__(self, connection: Connection | None, cell: int, room: tuple[int, int]) -> None:
        self._connection, self._of = connection, (cell, *room)

    def scores(self, *, measured: bool) -> Stored:
        """The candidates and their utilities; with `measured` only those whose measurement is there."""
        rows = self._rows(_SCORES, measured)
        return {(item, sample): utility for item, sample, utility in rows}

    def unscored(self, *, measured: bool) -> dict[str, tuple[int, int]]:
        """The calls that were bought for other candidates: their keys, and which candidate it was.

        Answers that others took the place of are none, and neither are a judge's of what it is to measure again.
        """
        rows = self._rows(_UNSCORED, measured)
        return {
            key: (item, sample)
            for key, item, sample, role, scored in rows
            if not role.startswith(SUPERSEDED) and not (scored and role.startswith(JUDGES))
        }

    def _rows(self, query: str, measured: bool) -> Iterable[Any]:
        return () if self._connection is None else self._connection.execute(query, (*self._of, not measured))


@contextmanager
def _stored(folder: Path, planned: PlannedCell, plan: Plan) -> Iterator[_Cell]:
    """What a run holds of a planned cell.

    Args:
        folder: of the run.
        planned: the cell.
        plan: of which it is a part.
    """
    suite = plan.suites[planned.cell.suite]
    samples = planned.cell.samples
    if plan.config.until_width is not None:
        samples = most_draws(width_plan(plan.config.until_width, samples))
    room = (len(planned.items), samples)
    manifest = read(folder)
    if manifest is None or manifest.suites.get(suite.name) != suite.fingerprint:
        yield _Cell(None, 0, room)
        return
    with closing(read_only(folder / "run.sqlite")) as connection:
        cell = connection.execute("SELECT id, sampling FROM cells WHERE name = ?", (planned.cell.name,)).fetchone()
        same = cell is not None and msgspec.json.decode(cell[1], type=Sampling) == planned.cell.sampling
        yield _Cell(connection, cell[0], room) if same else _Cell(None, 0, room)
