"""Paired differences: interval, exact McNemar and sign-flip tests, and what difference could have been detected."""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike

from akrasia.core.errors import InputError, Undefined
from akrasia.stats.change_power import detectable_change
from akrasia.stats.figure import Figure
from akrasia.stats.grouping import FloatArray, IntArray, group
from akrasia.stats.intervals import check_level
from akrasia.stats.matched_pairs import MELDED, mcnemar, melded_interval
from akrasia.stats.matched_power import detectable_difference
from akrasia.stats.mean_change import mean_change

MOST_STEPS = 100_000_000
"""Beyond so many additions (thousands of changes) a sum of random signs is normal, and its convolution slow."""


class PairedDifference(Struct, frozen=True):
    """Second minus first, on the same items.

    Attributes:
        difference: mean of second − first with its interval.
        p: two-sided p-value of "no difference"; None where there is but one cluster.
        test: "mcnemar" (exact) or "cluster-t".
        minimum_detectable: the true difference that this many items would detect (two-sided test at 1 − level) with
            the asked power; None where none that can be is detected so, or, with p, where the spread is unknown.
        items: pairs that entered.
    """

    difference: Figure
    p: float | None
    test: str
    minimum_detectable: float | None
    items: int


def sign_flip(changes: ArrayLike) -> float:
    """The exact two-sided p-value of "as likely up as down": every change could as well have had the other sign.

    The sum of the changes is held against its distribution over all sign patterns, by convolution. With changes of ±1
    this is McNemar's exact test; larger ones come from several draws per arm (Fisher's randomisation test). Of a great
    many changes the normal limit is used.

    Args:
        changes: (N,) whole numbers, one per independent pair.

    Raises:
        InputError: a change that is not a whole number.

    Example:
        >>> sign_flip([1, 1, 1, 1, 1, 1, 0])
        0.03125
    """
    from scipy.special import ndtr

    raw = np.asarray(changes, dtype=np.float64)
    if raw.ndim != 1 or not np.all(np.isfinite(raw) & (raw == np.round(raw))):
        raise InputError("changes must be whole numbers, one per pair: give counts, not shares")
    sizes = np.abs(raw[raw != 0]).astype(np.int64)
    if not len(sizes):
        return 1.0
    unit = int(np.gcd.reduce(sizes))
    steps, reach = sizes // unit, int(sizes.sum()) // unit
    seen = abs(int(raw.sum())) // unit
    if len(steps) * reach > MOST_STEPS:
        return 2 * float(ndtr(-seen / np.sqrt(np.sum(steps.astype(np.float64) ** 2))))
    # chance[reach + t] is P(sum = t) over the patterns so far.
    chance = np.zeros(2 * reach + 1)
    chance[reach] = 1.0
    for step in steps:
        chance = (np.roll(chance, step) + np.roll(chance, -step)) / 2
    return 1.0 if seen == 0 else min(1.0, 2 * float(chance[reach + seen :].sum()))


def paired_difference(
    first: ArrayLike,
    second: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
    power: float = 0.8,
    bounded: bool = True,
) -> PairedDifference:
    """Compare two measurements of the same items.

    Binary, independent pairs (no clusters, or each of one pair) get McNemar's exact test, the interval that agrees with
    it (`melded_interval`) and its own power (`detectable_difference`). All others get the cluster-robust t interval of
    the mean difference, its test and its power (`detectable_change`); where few clusters (or pairs) tell how far
    changes go, one more above their mean and one below enter these (see `mean_change`), so that "no pair differed" does
    not become "the difference is exactly 0". Either way the interval leaves 0 out exactly
    when p is below 1 − level.

    Args:
        first: (M,) values, NaN where missing.
        second: (M,) values of the same items, NaN where missing; incomplete pairs are left out.
        clusters: (M,) labels.
        level: nominal coverage.
        power: power for the minimum detectable difference.
        bounded: whether the values lie in a range of length 1, as utilities and shares do; no interval then leaves
            [−1, 1], however few the items are.

    Raises:
        InputError: shapes differ, or bounded values that lie further apart than 1.
        Undefined: no complete pair.
    """
    check_level(level)
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise InputError(f"paired values must be two vectors over the same items: got {a.shape} and {b.shape}")
    complete = np.isfinite(a) & np.isfinite(b)
    if not complete.any():
        raise Undefined("no item was measured in both: nothing to compare")
    labels = None if clusters is None else np.asarray(clusters)[complete]
    a, b = a[complete], b[complete]
    change = b - a
    if bounded and np.abs(change).max() > 1 + 1e-12:
        raise InputError("paired values lie further apart than 1: give utilities or shares, or say bounded=False")
    grouping = group(len(change), labels)
    value = float(change.mean())
    independent = grouping.units == len(change)
    if independent and bool(np.all((a == 0) | (a == 1)) and np.all((b == 0) | (b == 1))):
        return _matched(change, level, power)
    if grouping.units < 2:
        nothing = Figure(value, None, None, level, "one cluster", 1)
        return PairedDifference(nothing, None, "cluster-t", None, len(change))
    means = change if grouping.codes is None else _means(change, grouping.codes)
    found = mean_change(value, means, grouping.variance_of_mean(change))
    low, high = found.interval(level)
    if bounded:
        low, high = max(-1.0, low), min(1.0, high)
    figure = Figure(value, low, high, level, "cluster-t", grouping.units)
    detectable = detectable_change(means, grouping.variance_of_mean(change), level=level, power=power, bounded=bounded)
    return PairedDifference(figure, found.p, "cluster-t", detectable, len(change))


def _matched(change: FloatArray, level: float, power: float) -> PairedDifference:
    """Independent pairs of right and wrong answers: test, interval and power are McNemar's exact ones."""
    gained, lost, pairs = int((change > 0).sum()), int((change < 0).sum()), len(change)
    low, high = melded_interval(gained, lost, pairs, level=level)
    figure = Figure((gained - lost) / pairs, low, high, level, MELDED, pairs)
    detectable = detectable_difference(gained + lost, pairs, level=level, power=power)
    return PairedDifference(figure, mcnemar(gained, lost), "mcnemar", detectable, pairs)


def _means(change: FloatArray, codes: IntArray) -> FloatArray:
    """(G,) mean change of every cluster."""
    sums, sizes = np.bincount(codes, change), np.bincount(codes)
    return np.asarray(sums / sizes, dtype=np.float64)
