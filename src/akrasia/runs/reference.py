"""Which pool a cell of a run is measured against, and what its strategy deployed beside it or chose out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from akrasia.core import InputError
from akrasia.core.cell import Cell
from akrasia.risk import Chosen, Diagnostic, thin_items
from akrasia.runs.answer_classes import with_classes
from akrasia.runs.pool import Pool
from akrasia.runs.reader import Run
from akrasia.strategies import Pooled, build_strategy

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Reference(Struct, frozen=True):
    """What a cell is measured against.

    Attributes:
        pool: the reference pool; for a cell without one, its own candidates.
        deployed: (M,) or (M, S) utilities of what its strategy committed to, by item of the pool; None for a random
            draw of the pool itself.
        chosen: how that was chosen among draws of this very pool, by a pooled strategy; else None.
    """

    pool: Pool
    deployed: NDArray[np.float64] | None
    chosen: Chosen | None = None


def reference(run: Run, cell: Cell) -> Reference:
    """A cell's reference pool, and what it deployed by item of that pool."""
    if cell.pool is None:
        return Reference(run.pool(cell), None)
    pool = run.pool(run.cell(cell.pool))
    if cell.pooled:
        strategy = build_strategy(cell.strategy)
        if not isinstance(strategy, Pooled):
            raise InputError(
                f"strategy {cell.strategy!r} was pooled when this run was made: use the Akrasia of that time"
            )
        came, came_answers = pool.as_they_came
        answers = pool.answers
        if strategy.needs_answers:
            answers, came_answers = with_classes(run, run.cell(cell.pool), pool)
        deployed = strategy.deployed(pool.utilities, answers)
        bounds = strategy.bounds(came, came_answers) if np.isnan(came).any() else (None, None)
        return Reference(pool, deployed, Chosen(strategy.n, strategy.best, *bounds))
    own = run.pool(cell)
    row_of = {item.position: row for row, item in enumerate(own.items)}
    given = np.full((len(pool.items), own.utilities.shape[1]), np.nan)
    for row, item in enumerate(pool.items):
        if item.position in row_of:
            given[row] = own.utilities[row_of[item.position]]
    return Reference(pool, given)


def without_thin_items(pool: Pool) -> tuple[Pool, Diagnostic | None]:
    """The pool with the thin items' utilities set missing (see `thin_items`), and what is to be said of it.

    Counts and bounds go by the pool as it was measured.
    """
    thin = thin_items(pool.utilities)
    if not thin.any():
        return pool, None
    measured = (~np.isnan(pool.utilities)).sum(axis=1)
    number, median = int(thin.sum()), np.median(measured[measured > 0])
    least, most = measured[thin].min(), measured[thin].max()
    span = f"{least}" if least == most else f"{least} to {most}"
    have, are = ("has", "is") if number == 1 else ("have", "are")
    said = (
        f"{number} of {len(thin)} items {have} {span} measured candidate{'s' if most > 1 else ''}, at most half of the "
        f"median item's {median:g}, and {are} left out of the figures, for k is what all items have; the worst-case "
        "and best-case bounds count them"
    )
    utilities = np.where(thin[:, None], np.nan, pool.utilities)
    return replace(pool, utilities=utilities), Diagnostic("thin_items", said, "warning")
