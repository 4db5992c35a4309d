"""One cell, ready to be averaged: its pool, its deployed candidates, and which items belong together.

Binary pools without clusters, weights or seeds are first counted into kinds of items (so many candidates, so many
successes): a million items then cost as much as a hundred.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike

from akrasia.core.errors import InputError, Undefined
from akrasia.risk.curve import reachable_items
from akrasia.risk.pool import Pool, read_pool
from akrasia.stats.figure import Figure
from akrasia.stats.grouping import FloatArray, Grouping, group
from akrasia.stats.intervals import interval_of_mean
from akrasia.stats.seeds import interval_over_seeds

MANY = 4096
"""From this many items on, alike ones are counted instead of kept."""


class Sample(Struct, frozen=True):
    """The items of one cell that enter the figures.

    Attributes:
        pools: one pool, or one per seed, over the same R rows.
        deployed: (R,) or (R, S) utilities of the deployed candidates; None: a random draw of the pool.
        grouping: clusters, weights and repeats of the rows.
        chosen_from: among how many draws of the pool itself the deployed candidate is chosen; 0: it is no such choice.
    """

    pools: tuple[Pool, ...]
    deployed: FloatArray | None
    grouping: Grouping
    chosen_from: int = 0

    @property
    def beside(self) -> FloatArray | None:
        """The deployed candidates that stand beside the pool: given ones, unless they are chosen out of it."""
        return None if self.chosen_from else self.deployed

    @property
    def smallest(self) -> int:
        """The fewest known candidates of any item, under any seed."""
        return min(pool.smallest for pool in self.pools)

    def deployed_items(self) -> FloatArray:
        """(R,) utilities of what is deployed, or (R, seeds) with several seeds."""
        if self.deployed is None:
            return _over_seeds([pool.means() for pool in self.pools])
        return self.deployed if self.deployed.ndim == 1 else np.nanmean(self.deployed, axis=1)

    def reachable(self, ks: Sequence[int]) -> Iterator[FloatArray]:
        """Reachable@k per row for each k in turn: (R,), or (R, seeds)."""
        sizes = [max(k, self.chosen_from) for k in ks]
        for values in zip(*(reachable_items(pool, sizes, self.beside) for pool in self.pools), strict=True):
            yield _over_seeds(list(values))

    def interval(self, values: FloatArray, level: float) -> Figure:
        """The mean of per-row values in [0, 1] with its interval over items, and over seeds where there are several."""
        values = np.clip(values, 0.0, 1.0)
        if values.ndim == 2:
            return interval_over_seeds(values, self.grouping, level=level)
        return interval_of_mean(values, self.grouping, level=level)


def _over_seeds(values: list[FloatArray]) -> FloatArray:
    return values[0] if len(values) == 1 else np.stack(values, axis=1)


def read_deployed(deployed: ArrayLike | None, items: int) -> FloatArray | None:
    """Check the utilities of the deployed candidates: (M,) or (M, S) in [0, 1], NaN where missing.

    Raises:
        InputError: another shape, or a utility outside [0, 1].
    """
    if deployed is None:
        return None
    array = np.asarray(deployed, dtype=np.float64)
    if array.ndim not in (1, 2) or len(array) != items:
        raise InputError(f"deployed must be ({items},) or ({items}, samples): got shape {array.shape}")
    known = array[~np.isnan(array)]
    if known.size and (known.min() < 0 or known.max() > 1):
        raise InputError("deployed: a utility lies in [0, 1]: rescale it first")
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def make_sample(
    pool: Pool,
    deployed: FloatArray | None,
    *,
    clusters: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    seeds: ArrayLike | None = None,
    count: bool = True,
    chosen_from: int = 0,
) -> tuple[Sample, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Keep the items that every figure can use, and count alike ones where that changes nothing.

    Args:
        pool: all items.
        deployed: as `read_deployed` returns it.
        clusters: (M,) labels.
        weights: (M,) positive weights.
        seeds: (K,) which seed each candidate column came from.
        count: whether alike items may be counted into one row.
        chosen_from: among how many draws of the pool the deployed candidates are chosen; 0: they are no such choice.

    Returns:
        The sample, and (M,) which items it holds.

    Raises:
        InputError: shapes that differ.
        Undefined: no item has a known candidate (and a known deployed one).
    """
    everything = group(pool.items, clusters, weights)
    pools = (pool,) if seeds is None else _by_seed(pool, seeds)
    keep = np.all([one.observed > 0 for one in pools], axis=0)
    if deployed is not None:
        keep &= ~np.isnan(deployed).all(axis=1) if deployed.ndim == 2 else ~np.isnan(deployed)
    if not keep.any():
        raise Undefined(f"{lacking(pools, deployed, chosen_from)}, so no figure has a value")
    given = None if deployed is None else deployed[keep]
    plain = everything.codes is None and everything.weights is None and len(pools) == 1
    if count and plain and keep.sum() >= MANY:
        counted = _count(pools[0], keep, given)
        if counted is not None:
            return counted, keep
    labels = None if everything.codes is None else everything.codes[keep]
    mass = None if everything.weights is None else everything.weights[keep]
    return Sample(tuple(one.rows(keep) for one in pools), given, group(int(keep.sum()), labels, mass)), keep


def lacking(pools: Sequence[Pool], deployed: FloatArray | None, chosen_from: int = 0) -> str:
    """Why no item can be used; as `make_sample` takes them, one pool for each seed."""
    if not any(one.observed.any() for one in pools):
        if deployed is not None and not np.isnan(deployed).all():
            return "no candidate of the pool is measured, which the measured deployed ones would be held against"
        return "every utility is missing: nothing was measured"
    if chosen_from:
        return f"no item has the {chosen_from} measured draws that it chooses among"
    if len(pools) > 1:
        return "no item has all that is compared: under each seed a measured candidate, and a measured deployed one"
    return "no item has both a measured candidate and a measured deployed one"


def _by_seed(pool: Pool, seeds: ArrayLike) -> tuple[Pool, ...]:
    labels = np.asarray(seeds)
    if labels.shape != (pool.utilities.shape[1],):
        raise InputError(
            f"seeds must name one seed for each of the {pool.utilities.shape[1]} candidate columns: got {labels.shape}"
        )
    return tuple(read_pool(pool.utilities[:, labels == seed]) for seed in np.unique(labels))


def _count(pool: Pool, keep: np.ndarray[tuple[int], np.dtype[np.bool_]], deployed: FloatArray | None) -> Sample | None:
    if pool.successes is None or (deployed is not None and (deployed.ndim == 2 or np.any(deployed % 1))):
        return None
    width = int(pool.observed.max()) + 1
    observed, successes = pool.observed, pool.successes
    if not keep.all():
        observed, successes = observed[keep], successes[keep]
    code = observed.astype(np.intp)
    code *= width
    code += successes
    if deployed is not None:
        code = 2 * code + deployed.astype(np.intp)
    repeats = np.bincount(code)
    kinds = np.flatnonzero(repeats)
    given = None if deployed is None else (kinds % 2).astype(np.float64)
    counts = kinds if deployed is None else kinds // 2
    sizes, wins = counts // width, counts % width
    shape = np.empty((len(kinds), 0))
    counted = Pool(shape, sizes, sizes, wins, wins)
    return Sample((counted,), given, group(len(kinds), repeats=repeats[kinds]))
