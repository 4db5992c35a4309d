"""The door: utilities are checked once here, and missing candidates are told apart from those never planned.

What is computed from a pool is left to `curve`, `pooled` and the modules above them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from akrasia.core.errors import InputError, Undefined
from akrasia.stats.grouping import FloatArray, IntArray

BLOCK_CELLS = 1 << 16
"""Cells that are handled at a time, so that memory stays far below the size of a large (also memory-mapped) array."""


class Pool(Struct, frozen=True):
    """The base candidates of M items.

    Attributes:
        utilities: (M, K) in [0, 1]; NaN where the measurement is missing or (ragged pools) no candidate was planned.
        planned: (M,) candidates that were planned for each item.
        observed: (M,) candidates whose utility is known.
        successes: (M,) candidates with utility 1, when every known utility is 0 or 1; else None.
        sums: (M,) sums of the known utilities (the successes themselves, when there are any to count).
    """

    utilities: NDArray[Any]
    planned: IntArray
    observed: IntArray
    successes: IntArray | None
    sums: FloatArray | IntArray

    @property
    def items(self) -> int:
        """M."""
        return len(self.observed)

    @property
    def missing(self) -> int:
        """Candidates that were planned and whose utility is not known."""
        return int(self.planned.sum() - self.observed.sum())

    @property
    def smallest(self) -> int:
        """The fewest known candidates of any item: the last k of the curve."""
        return int(self.observed.min())

    def means(self) -> FloatArray:
        """(M,) mean utility of each item's known candidates; NaN for an item with none."""
        with np.errstate(invalid="ignore"):
            return self.sums / self.observed

    def rows(self, keep: NDArray[np.bool_]) -> Pool:
        """The pool of some of the items."""
        if keep.all():
            return self
        successes = None if self.successes is None else self.successes[keep]
        return Pool(self.utilities[keep], self.planned[keep], self.observed[keep], successes, self.sums[keep])

    def blocks(self) -> Iterator[tuple[slice, FloatArray]]:
        """Consecutive blocks of items as float64, NaN where unknown."""
        return blocks(self.utilities)


Utilities = Pool | ArrayLike | Sequence[Sequence[float | None]] | Sequence[ArrayLike]
"""An (M, K) array with NaN for missing, one sequence per item (ragged; None or NaN for missing), or a pool that was
read before."""


def blocks(array: NDArray[Any]) -> Iterator[tuple[slice, FloatArray]]:
    """Consecutive blocks of rows of an (M, K) array as float64: views of it where they can be, so not to be written."""
    step = max(1, BLOCK_CELLS // max(1, array.shape[1]))
    for start in range(0, len(array), step):
        part = slice(start, start + step)
        yield part, np.asarray(array[part], dtype=np.float64)


def read_pool(utilities: Utilities, *, name: str = "utilities") -> Pool:
    """Check utilities at the door.

    Args:
        utilities: an (M, K) array of any real type (also memory-mapped), NaN where missing, or one sequence per item.
        name: what to call them in messages.

    Raises:
        InputError: not two-dimensional, or a utility outside [0, 1].
        Undefined: no items, or no candidates (K = 0).
    """
    if isinstance(utilities, Pool):
        return utilities
    array, planned = _as_matrix(utilities, name)
    items, width = array.shape
    if items == 0:
        raise Undefined(f"{name} hold no items: risk over nothing has no value; give at least one item")
    if width == 0:
        raise Undefined(f"{name} hold no candidates (K = 0): give at least one candidate per item")
    observed = np.empty(items, dtype=np.int32)
    sums = np.empty(items)
    binary = True
    for part, block in blocks(array):
        known = ~np.isnan(block)
        filled = np.where(known, block, 0.0)
        if filled.min() < 0 or filled.max() > 1:
            row, column = np.argwhere((filled < 0) | (filled > 1))[0]
            raise InputError(
                f"{name}: item {part.start + row}, candidate {column} has utility {filled[row, column]:.15g}; "
                "a utility lies in [0, 1]: rescale it first"
            )
        observed[part] = known.sum(axis=1)
        sums[part] = filled.sum(axis=1)
        binary = binary and bool(np.all((filled == 0) | (filled == 1)))
    if not binary:
        return Pool(array, planned, observed, None, sums)
    successes = sums.astype(np.int32)  # sums of zeros and ones are exact; one array serves as both
    return Pool(array, planned, observed, successes, successes)


def _as_matrix(utilities: Utilities, name: str) -> tuple[NDArray[Any], IntArray]:
    if isinstance(utilities, np.ndarray) and utilities.dtype.kind in "fiub":
        array: NDArray[Any] = utilities
    else:
        rows = [_as_row(row, name, index) for index, row in enumerate(utilities)]  # type: ignore[arg-type]
        lengths = np.array([len(row) for row in rows], dtype=np.intp)
        width = int(lengths.max(initial=0))
        array = np.full((len(rows), width), np.nan)
        for index, row in enumerate(rows):
            array[index, : len(row)] = row
        return array, lengths
    if array.ndim != 2:
        raise InputError(f"{name} must be (items, candidates), two-dimensional: got shape {array.shape}")
    return array, np.broadcast_to(np.intp(array.shape[1]), len(array))


def _as_row(row: object, name: str, index: int) -> FloatArray:
    try:
        values = np.array([np.nan if u is None else u for u in row], dtype=np.float64)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise InputError(
            f"{name}: item {index} is not a sequence of numbers: give one sequence per item, None or NaN where missing"
        ) from None
    if values.ndim != 1:
        raise InputError(f"{name}: item {index} is nested too deep: give one number per candidate")
    return values


def draw_variance(pool: Pool) -> FloatArray:
    """(M,) unbiased variance of one draw, from each item's known candidates (at least 2)."""
    n = pool.observed
    if pool.successes is not None:
        return pool.successes * (n - pool.successes) / (n * (n - 1.0))
    variance = np.empty(pool.items)
    for part, block in pool.blocks():
        variance[part] = np.nanvar(block, axis=1, ddof=1)
    return variance


def thin_items(utilities: Utilities) -> NDArray[np.bool_]:
    """(M,) which items have some measured candidates, but at most half as many as the median of the measured items.

    The curve ends at what all items have, so one item that an endpoint keeps refusing would end it for all of them.
    Whoever leaves thin items out keeps at least half of the measured items, and a k of two or more where the median
    item has two. Which are thin is told by how many candidates were measured, and not by how they turned out.
    """
    observed = read_pool(utilities).observed
    if not (observed > 0).any():
        return np.zeros(len(observed), bool)
    return np.asarray((observed > 0) & (2 * observed <= np.median(observed[observed > 0])))


def check_k(k: int, pool: Pool) -> int:
    """A subset size that every item can fill.

    Raises:
        InputError: k below 1, or above the fewest known candidates of any item.
    """
    if k != int(k) or k < 1:
        raise InputError(f"k must be a whole number of at least 1: got {k}")
    if k > pool.smallest:
        raise InputError(
            f"k = {k}, but item {int(pool.observed.argmin())} has only {pool.smallest} known candidates: ask for k "
            "up to that, sample more, or leave out items with fewer"
        )
    return int(k)
