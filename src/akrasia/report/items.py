"""Which items a report shows, and which of their candidates: few enough for a page, and chosen by a stated rule.

Half of the room goes to the items with the largest loss, half to a seeded sample of the others; candidates that say the
same are one row, and long texts are cut with a note of how much was left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import TYPE_CHECKING

import msgspec

from akrasia.report.content import CandidateRow, ItemChoice, ItemRow

if TYPE_CHECKING:
    import numpy as np

    from akrasia.runs.estimates import CellEstimate
    from akrasia.runs.reader import Run, StoredCandidate, StoredItem

MOST_ROWS = 200
"""Items of one cell that are shown at most."""

MOST_CANDIDATES = 12
"""Different candidates of one item that are shown at most."""

MOST_CHARACTERS = 1_600
"""Of one text; the rest stays in the run's store."""

SEED = 0
"""Of the draw of items."""

_ROW_BYTES, _CANDIDATE_BYTES = 900, 330
"""Markup around an item and a candidate, from above."""


def choose_items(run: Run, measured: CellEstimate, room: int) -> ItemChoice:
    """The items of a cell that fit.

    Args:
        run: the open run.
        measured: the cell.
        room: bytes that its items may take on the page.
    """
    values = _Values.of(measured)
    total = len(measured.pool.items)
    by_loss = sorted(range(total), key=lambda row: -values.losses[row])
    chosen: dict[int, ItemRow] = {}

    def take(rows: Iterable[int], most: int, room: int, *, drawn: bool) -> int:
        taken = 0
        for row in rows:
            item = _item_row(run, measured, values, row, drawn=drawn)
            room -= _size(item)
            if taken == most or (room < 0 and chosen):
                break
            chosen[row] = item
            taken += 1
        return taken

    largest = take(by_loss, min(total, MOST_ROWS) - min(total, MOST_ROWS) // 2, room // 2, drawn=False)
    others = [row for row in by_loss if row not in chosen]
    Random(SEED).shuffle(others)  # noqa: S311 - a draw for readers
    left = room - sum(_size(item) for item in chosen.values())
    take(others, min(total, MOST_ROWS) - largest, left, drawn=True)
    rows = tuple(chosen[row] for row in by_loss if row in chosen)
    return ItemChoice(rows, total, SEED)


class _Values(msgspec.Struct, frozen=True):
    """Utilities by item of the pool; NaN where nothing is known."""

    deployed: list[float]
    best: list[float]
    mean: list[float]
    losses: list[float]

    @classmethod
    def of(cls, measured: CellEstimate) -> _Values:
        import numpy as np

        pool = measured.pool.utilities
        mean = row_means(pool)
        given = measured.deployed
        if given is None:
            deployed, best = mean, _row_maxima(pool)
        else:
            given = given.reshape(len(pool), -1)
            deployed, best = row_means(given), _row_maxima(np.hstack([pool, given]))
        losses = np.nan_to_num(best - deployed)
        return cls(deployed.tolist(), best.tolist(), mean.tolist(), losses.tolist())


def row_means(utilities: np.ndarray) -> np.ndarray:
    """(M,) mean of what is known of each row of (M, K); NaN where nothing is."""
    import numpy as np

    known = ~np.isnan(utilities)
    counts = known.sum(axis=1)
    sums = np.where(known, utilities, 0.0).sum(axis=1)
    return np.asarray(np.divide(sums, counts, out=np.full(len(utilities), np.nan), where=counts > 0))


def _row_maxima(utilities: np.ndarray) -> np.ndarray:
    import numpy as np

    largest = np.where(np.isnan(utilities), -1.0, utilities).max(axis=1)
    return np.where(largest < 0, np.nan, largest)


def _number(value: float) -> float | None:
    return None if value != value else value


def _item_row(run: Run, measured: CellEstimate, values: _Values, row: int, *, drawn: bool) -> ItemRow:
    item: StoredItem = measured.pool.items[row]
    cell = measured.cell
    best = _number(values.best[row])
    depth = measured.pool.depth(row)
    pool_cell = cell if cell.pool is None else run.cell(cell.pool)
    candidates = _merge(run.candidates(pool_cell, item.position)[:depth], best, deployed=False)
    if cell.pool is not None and not cell.pooled:
        candidates = _merge(run.candidates(cell, item.position), best, deployed=True) + candidates
    shown = candidates[:MOST_CANDIDATES]
    return ItemRow(
        id=item.id,
        prompt=item.input[-1].content if item.input else "",
        earlier=max(0, len(item.input) - 1),
        target=item.target,
        deployed=_number(values.deployed[row]),
        best=best,
        mean=_number(values.mean[row]),
        candidates=tuple(shown),
        drawn=drawn,
        hidden=sum(len(candidate.samples) for candidate in candidates[MOST_CANDIDATES:]),
    )


def _merge(stored: Sequence[StoredCandidate], best: float | None, *, deployed: bool) -> list[CandidateRow]:
    """Candidates that say the same and score the same as one row; higher utility first, then the more frequent."""
    same: dict[tuple[object, ...], list[StoredCandidate]] = {}
    for candidate in stored:
        key = (candidate.text, candidate.utility, candidate.failure, candidate.missing, candidate.finish)
        same.setdefault(key, []).append(candidate)
    rows = [
        CandidateRow(
            samples=tuple(candidate.sample for candidate in group),
            text=group[0].text,
            reasoning=group[0].reasoning,
            utility=group[0].utility,
            answer=group[0].answer,
            failure=group[0].failure,
            missing=group[0].missing,
            truncated=group[0].finish == "length",
            deployed=deployed,
            best=group[0].utility is not None and group[0].utility == best and best > 0,
        )
        for group in same.values()
    ]
    return sorted(rows, key=lambda row: (-(-1.0 if row.utility is None else row.utility), -len(row.samples)))


def _size(item: ItemRow) -> int:
    """Bytes of an item on the page, from above for ordinary text (the page checks the whole)."""
    texts = [item.id, item.id, item.prompt, item.prompt[:200], item.target or ""]
    for candidate in item.candidates:
        texts += [candidate.text or "", candidate.reasoning or "", candidate.answer or ""]
        texts += [candidate.failure or "", candidate.missing or ""]
    size = sum(len(text[:MOST_CHARACTERS].encode("utf-8", "replace")) for text in texts)
    return size + _ROW_BYTES + _CANDIDATE_BYTES * len(item.candidates)
