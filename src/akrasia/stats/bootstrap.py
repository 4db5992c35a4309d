"""The clustered bootstrap, vectorised: clusters are resampled through multinomial weights on their sums.

A resample of clusters is a vector of counts, so a resampled mean is one matrix product of counts and within-cluster
sums; no row is ever copied.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from akrasia.core.errors import InputError, Undefined
from akrasia.stats.figure import Figure
from akrasia.stats.grouping import FloatArray, Grouping, IntArray, group
from akrasia.stats.intervals import check_level, interval_of_mean, near_boundary

MOST_BLOCKS = 2000
"""Beyond this many clusters they are first joined at random into this many equal blocks: sums of independent clusters
are again independent, so the bootstrap of blocks is valid, and its cost no longer grows with the data."""


class Resampler:
    """Draws the resamples once and applies them to any number of means over the same rows.

    Args:
        grouping: clusters, weights and repeats of the rows.
        rng: source of the resamples.
        resamples: how many.

    Raises:
        Undefined: fewer than two clusters.
        InputError: fewer than 100 resamples, whose percentiles mean nothing.
    """

    def __init__(self, grouping: Grouping, rng: np.random.Generator, resamples: int = 2000) -> None:
        if grouping.units < 2:
            raise Undefined("one cluster cannot be resampled: add items or clusters")
        if resamples < 100:
            raise InputError(f"{resamples} resamples are too few for percentiles: use at least 100, better 2000")
        self.grouping = grouping
        self.resamples = resamples
        self._codes: IntArray | None = None
        draws: FloatArray | IntArray
        if grouping.repeats is not None:
            self._blocks = grouping.rows
            shares = grouping.repeats / grouping.repeats.sum()
            draws = rng.multinomial(grouping.items, shares, size=resamples) / grouping.repeats
        else:
            self._codes = self._join(rng)
            self._blocks = min(grouping.units, MOST_BLOCKS)
            draws = rng.multinomial(self._blocks, np.full(self._blocks, 1 / self._blocks), size=resamples)
        self._counts = draws.astype(np.float32)
        self._mass = self._sums(np.ones(grouping.rows))

    def _join(self, rng: np.random.Generator) -> IntArray | None:
        units, codes = self.grouping.units, self.grouping.codes
        if units <= MOST_BLOCKS:
            return codes
        block = (rng.permutation(units) % MOST_BLOCKS).astype(np.intp)
        return block if codes is None else block[codes]

    def _sums(self, values: FloatArray) -> FloatArray:
        grouping = self.grouping
        weighted = values if grouping.weights is None else values * grouping.weights
        if grouping.repeats is not None:
            weighted = weighted * grouping.repeats
        if self._codes is None:
            return weighted
        return np.asarray(np.bincount(self._codes, weighted, minlength=self._blocks), dtype=np.float64)

    def means(self, values: FloatArray) -> FloatArray:
        """The (resamples,) Hájek means of (R,) values, or the (resamples, C) means of (R, C) of them, far faster."""
        columns = values.reshape(len(values), -1).T
        # Centring keeps single precision exact enough: what is resampled is then the deviation only.
        centres = np.array([self.grouping.mean(column) for column in columns])
        parts = [self._sums(column - centre) for column, centre in zip(columns, centres, strict=True)]
        sums = np.stack(parts, axis=1).astype(np.float32)
        mass = self._counts @ self._mass.astype(np.float32)
        found = centres + (self._counts @ sums).astype(np.float64) / mass[:, None]
        return np.asarray(found.reshape(self.resamples, *values.shape[1:]), dtype=np.float64)

    def interval(self, values: FloatArray, *, level: float = 0.95, bounded: bool = True) -> Figure:
        """The mean with its percentile interval; near an end of [0, 1] the Wilson interval takes its place."""
        value = self.grouping.mean(values)
        if bounded and near_boundary(values, self.grouping, value)[0]:
            return interval_of_mean(values, self.grouping, level=level)
        tail = (1 - level) / 2
        low, high = np.quantile(self.means(values), [tail, 1 - tail])
        return Figure(value, float(low), float(high), level, "bootstrap", self.grouping.units)


def bootstrap_interval(
    values: ArrayLike,
    rng: np.random.Generator,
    *,
    clusters: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    level: float = 0.95,
    resamples: int = 2000,
    bounded: bool = True,
) -> Figure:
    """The mean of (R,) values with a clustered percentile-bootstrap interval.

    Args:
        values: (R,) finite values, in [0, 1] when `bounded`.
        rng: source of the resamples.
        clusters: (R,) labels.
        weights: (R,) positive weights.
        level: nominal coverage.
        resamples: how many, at least 100.
        bounded: whether the values lie in [0, 1]; near an end the Wilson interval is then used.

    Raises:
        InputError, Undefined: as `mean_interval` and `Resampler`.
    """
    check_level(level)
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not np.all(np.isfinite(array)):
        raise InputError("values must be one finite number per row: leave missing ones out and count them")
    grouping = group(len(array), clusters, weights)
    return Resampler(grouping, rng, resamples).interval(array, level=level, bounded=bounded)
