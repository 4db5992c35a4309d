"""Which rows are independent: clusters, weights and repeats of the rows that an estimate averages.

A row is an item, or, where many items are alike, one kind of item with the number of times that it occurs
(`repeats`). Intervals and resampling both work on the sums within clusters that are formed here.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from akrasia.core.errors import InputError, Undefined

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.signedinteger[Any]]
BoolArray = NDArray[np.bool_]


class Grouping(Struct, frozen=True):
    """How R rows stand to one another.

    Attributes:
        rows: R.
        codes: (R,) cluster of each row, 0 … units − 1; None: every row (or repeat of it) is its own cluster.
        weights: (R,) positive weights (Hájek); None: all equal.
        repeats: (R,) how many identical, independent items a row stands for; None: one each. Never with `codes`.
        units: the number of clusters.
    """

    rows: int
    codes: IntArray | None
    weights: FloatArray | None
    repeats: FloatArray | None
    units: int

    @property
    def items(self) -> int:
        """The number of items, repeats counted."""
        return self.rows if self.repeats is None else int(self.repeats.sum())

    def mean(self, values: FloatArray) -> float:
        """The weighted (Hájek) mean of (R,) values."""
        mass = self._mass()
        return float(values.mean()) if mass is None else float(values @ mass / mass.sum())

    def variance_of_mean(self, values: FloatArray) -> float:
        """Cluster-robust variance of `mean`, linearised, with the factor G/(G − 1).

        Raises:
            Undefined: fewer than two clusters.
        """
        if self.units < 2:
            raise Undefined("one cluster alone says nothing about the spread between clusters: add items or clusters")
        centred = values - self.mean(values)
        factor = self.units / (self.units - 1)
        if self.repeats is not None:
            weights = np.ones(self.rows) if self.weights is None else self.weights
            squares = float((weights * centred) ** 2 @ self.repeats)
            return factor * squares / float(weights @ self.repeats) ** 2
        weighted = centred if self.weights is None else centred * self.weights
        total = float(self.rows) if self.weights is None else float(self.weights.sum())
        sums = weighted if self.codes is None else np.bincount(self.codes, weighted, minlength=self.units)
        return factor * float(sums @ sums) / total**2

    def design_effect(self, values: FloatArray) -> float:
        """How many times larger the clustered variance is than that of as many independent items; at least 1."""
        if self.codes is None or self.units < 2:
            return 1.0
        alone = Grouping(self.rows, None, self.weights, None, self.rows).variance_of_mean(values)
        return max(1.0, self.variance_of_mean(values) / alone) if alone > 0 else 1.0

    def _mass(self) -> FloatArray | None:
        if self.weights is None:
            return self.repeats
        return self.weights if self.repeats is None else self.weights * self.repeats


def _own(label: object, row: int) -> str:
    alone = label is None or label == "" or label != label  # NaN differs from itself
    return f"row {row}" if alone else f"cluster {label}"


def group(
    rows: int,
    clusters: Sequence[Hashable] | ArrayLike | None = None,
    weights: ArrayLike | None = None,
    repeats: ArrayLike | None = None,
) -> Grouping:
    """Check clusters and weights at the door and code them.

    Args:
        rows: how many rows there are.
        clusters: one label per row; None: every row is independent. A row whose label is None, "" or NaN is its own.
        weights: one positive weight per row; None: all equal.
        repeats: how many independent items each row stands for; None: one.

    Raises:
        InputError: a length that differs from `rows`, a weight that is not positive and finite, both repeats and
            clusters.
    """
    mass = None if weights is None else np.asarray(weights, dtype=np.float64)
    if mass is not None and (mass.shape != (rows,) or not np.all(np.isfinite(mass)) or np.any(mass <= 0)):
        raise InputError(f"weights must be {rows} positive numbers, one per item: got shape {mass.shape}")
    times = None if repeats is None else np.asarray(repeats, dtype=np.float64)
    if clusters is None:
        units = rows if times is None else int(times.sum())
        return Grouping(rows, None, mass, times, units)
    if times is not None:
        raise InputError("repeated rows cannot be clustered: give one row per item")
    labels = np.asarray(clusters)
    if labels.shape != (rows,):
        raise InputError(f"clusters must be {rows} labels, one per item: got shape {labels.shape}")
    if labels.dtype.kind in "OUf":
        labels = np.asarray([_own(label, row) for row, label in enumerate(labels.tolist())])
    found, codes = np.unique(labels, return_inverse=True)
    return Grouping(rows, codes.astype(np.intp), mass, None, len(found))
