"""Labels of a cell as they enter the correction: whose they are, and what they settle.

A pool may have grown since its gold was drawn. The labels then speak of the candidates that there were: whole items of
the first so many draws, which are a random part of the pool as any other. Correcting by them is in `gold`.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from akrasia.core.errors import InputError
from akrasia.risk.pool import Pool, Utilities, read_pool
from akrasia.stats.grouping import FloatArray


class Gold(Struct, frozen=True):
    """Human labels of a cell.

    Attributes:
        labels: (M, K) true utilities, NaN where a candidate has no label, or one sequence per item.
        deployed: (M,) true utilities of a random sample of given deployed candidates, NaN elsewhere.
        inclusion: (M,) probability with which each item was drawn for labelling; None: all equal.
        design: "items": whole items were drawn; "scattered": single candidates; None: "items" if every item with a
            label is labelled far enough to know its best utility.
        listed: (M, K) which candidates were drawn, labelled or not. Where these are the first so many of every drawn
            item, the pool has grown since, and the labels settle those; None: the whole pool of an item was drawn.
    """

    labels: Utilities
    deployed: ArrayLike | None = None
    inclusion: ArrayLike | None = None
    design: Literal["items", "scattered"] | None = None
    listed: ArrayLike | None = None


class Labelled(Struct, frozen=True):
    """Labels of the items that enter the figures, with what they settle.

    Attributes:
        labels: (R, K), NaN where there is none or the utility is not known.
        touched: (R,) items with a label.
        drawn: (R,) known candidates of the pool as it was when the gold was drawn.
        full: (R,) every one of those is labelled.
        solved: (R,) some label is 1.
        width: columns of the pool when the gold was drawn.
        grown: candidates have been added since.
    """

    labels: FloatArray
    touched: NDArray[np.bool_]
    drawn: NDArray[np.intp]
    full: NDArray[np.bool_]
    solved: NDArray[np.bool_]
    width: int
    grown: bool

    @property
    def items(self) -> int:
        """How many items have a label."""
        return int(self.touched.sum())

    @property
    def all_full(self) -> bool:
        """Whether every drawn candidate of every item with a label is labelled."""
        return bool(self.full[self.touched].all())

    @property
    def smallest(self) -> int:
        """The fewest drawn candidates of an item with a label."""
        return int(self.drawn[self.touched].min())

    @property
    def largest(self) -> int:
        """The most drawn candidates of an item with a label."""
        return int(self.drawn[self.touched].max())


def read_labels(pool: Pool, gold: Gold, keep: NDArray[np.bool_]) -> Labelled:
    """Align labels with the pool of the items that enter the figures.

    Args:
        pool: R items.
        gold: the labels, over all M items.
        keep: (M,) which of them the pool holds.

    Raises:
        InputError: labels outside [0, 1] or in another shape.
    """
    given = gold.labels.utilities if isinstance(gold.labels, Pool) else gold.labels
    everything = read_pool(given, name="gold")
    if everything.items != len(keep):
        raise InputError(f"gold has {everything.items} items, utilities have {len(keep)}: give one row per item")
    labels = np.asarray(everything.utilities, dtype=np.float64)[keep]
    columns = pool.utilities.shape[1]
    if labels.shape[1] > columns and not np.isnan(labels[:, columns:]).all():
        raise InputError(f"gold has labels beyond the {columns} candidates of an item")
    known = ~np.isnan(np.asarray(pool.utilities, dtype=np.float64))
    aligned = np.full(pool.utilities.shape, np.nan)
    aligned[:, : labels.shape[1]] = labels[:, :columns]
    aligned[~known] = np.nan
    has_label = ~np.isnan(aligned)
    width = columns
    if gold.listed is not None:
        width = _width(np.asarray(gold.listed, dtype=np.bool_)[keep] | has_label, known)
    drawn = known[:, :width].sum(axis=1)
    number = has_label.sum(axis=1)
    touched = number > 0
    return Labelled(
        aligned,
        touched,
        drawn,
        number == drawn,
        (aligned == 1).any(axis=1),
        width,
        bool(known[touched, width:].any()),
    )


def _width(listed: NDArray[np.bool_], known: NDArray[np.bool_]) -> int:
    """Columns of the pool when the gold was drawn: all, unless whole items of the first so many candidates are listed.

    One candidate of each item is no whole item: those are labels scattered over a pool.
    """
    columns = int(known.shape[1])
    seen = listed & known
    rows = seen.any(axis=1)
    if not rows.any():
        return columns
    width = int(np.flatnonzero(seen.any(axis=0))[-1]) + 1
    whole = bool((seen[rows, :width] == known[rows, :width]).all())
    return width if whole and width > 1 else columns
