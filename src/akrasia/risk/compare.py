"""Two runs on the same items: paired differences with tests that are adjusted for how many there are.

Matching items by id is left to the caller: the arrays arrive in one order.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike

from akrasia.core.errors import InputError, Undefined
from akrasia.risk.chosen import Chosen
from akrasia.risk.curve import reachable_items
from akrasia.risk.pool import Utilities, check_k, read_pool
from akrasia.risk.sample import lacking, read_deployed
from akrasia.stats.figure import Figure
from akrasia.stats.grouping import FloatArray
from akrasia.stats.multiple import holm
from akrasia.stats.paired import PairedDifference, paired_difference


class MetricComparison(Struct, frozen=True):
    """One metric of two runs.

    Attributes:
        name: of the metric.
        a: mean of the first run over the shared items.
        b: mean of the second.
        difference: b − a, with its interval.
        p: two-sided p-value; exact McNemar for binary, independent items; None where nothing can be tested.
        p_adjusted: by Holm over all metrics compared that are not others by definition.
        mde: the true difference that so many items would detect with 80 % power; None where even a difference of 1 is
            not, or, with p, where unknown.
        items: pairs that entered.
        test: "mcnemar" or "cluster-t"; "identity" where the metric is 0 by definition.
    """

    name: str
    a: float
    b: float
    difference: Figure
    p: float | None
    p_adjusted: float | None
    mde: float | None
    items: int
    test: str


class Comparison(Struct, frozen=True):
    """What `akrasia compare --json` prints."""

    metrics: tuple[MetricComparison, ...]


class PerItem(Struct, frozen=True):
    """(M,) figures of single items, NaN where an item has no known candidate."""

    deployed: FloatArray
    reachable: FloatArray
    risk: FloatArray


def per_item(
    utilities: Utilities, k: int, *, deployed: ArrayLike | None = None, chosen: Chosen | None = None
) -> PerItem:
    """Deployed, reachable@k and risk of every item, for pairing with another run.

    Args:
        utilities: (M, K) in [0, 1], NaN where missing, or ragged.
        k: size; both runs of a comparison must use the same.
        deployed: (M,) or (M, S) utilities of the deployed candidates; None: a random draw.
        chosen: how they were chosen among draws of this very pool, if they were.

    Raises:
        InputError: an item with some but fewer than k known candidates.
    """
    pool = read_pool(utilities)
    given = read_deployed(deployed, pool.items)
    keep = pool.observed > 0
    if given is not None:
        keep &= ~np.isnan(given.reshape(pool.items, -1)).all(axis=1)
    if not keep.any():
        raise Undefined(f"{lacking((pool,), given, 0 if chosen is None else chosen.n)}, so there is nothing to compare")
    mine = pool.rows(keep)
    check_k(k, mine)
    ours = None if given is None else given[keep]
    size = k if chosen is None else check_k(max(k, chosen.n), mine)
    (best,) = reachable_items(mine, [size], ours if chosen is None else None)
    base = mine.means() if ours is None else np.nanmean(ours.reshape(mine.items, -1), axis=1)
    out = np.full((3, pool.items), np.nan)
    out[:, keep] = base, best, best - base
    return PerItem(*out)


def compare(
    metrics: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
    power: float = 0.8,
    defined: Mapping[str, str | None] | None = None,
) -> Comparison:
    """Compare metrics of two runs, paired by item.

    Args:
        metrics: name → (values of A, values of B), (M,) each in the same order of items, NaN where missing.
        clusters: (M,) labels.
        level: nominal coverage of each interval; they are not adjusted for being several, the p-values are.
        power: of the minimum detectable difference.
        defined: metrics that are known without measuring: name → the metric that it equals by definition (but for its
            sign, maybe), or None where it is 0 by definition. They are no further tests, so Holm does not count them.

    Raises:
        InputError: no metric, one that equals a metric that is not there, or shapes that differ.
        Undefined: a metric without any complete pair.
    """
    if not metrics:
        raise InputError("nothing to compare: give at least one metric")
    known = {} if defined is None else dict(defined)
    lost = [other for other in known.values() if other is not None and (other not in metrics or other in known)]
    if lost:
        raise InputError(f"a metric is said to equal {lost[0]!r}, which is not measured: name one that is")
    found = {
        name: paired_difference(a, b, clusters=clusters, level=level, power=power) for name, (a, b) in metrics.items()
    }
    for name in metrics:
        if name in known and known[name] is None:
            found[name] = _nothing(found[name])
    tested = {name: result.p for name, result in found.items() if result.p is not None and name not in known}
    adjusted = dict(zip(tested, holm(list(tested.values())).tolist(), strict=True))
    return Comparison(
        tuple(_row(name, *metrics[name], found[name], adjusted.get(known.get(name) or name)) for name in metrics),
    )


def _nothing(measured: PairedDifference) -> PairedDifference:
    """The difference of a metric that is 0 by definition: it needs no interval, and no test can say more."""
    of = measured.difference
    return PairedDifference(Figure(0.0, 0.0, 0.0, of.level, "identity", of.n), None, "identity", None, measured.items)


def _row(
    name: str, first: ArrayLike, second: ArrayLike, result: PairedDifference, adjusted: float | None
) -> MetricComparison:
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    both = np.isfinite(a) & np.isfinite(b)
    return MetricComparison(
        name,
        float(a[both].mean()),
        float(b[both].mean()),
        result.difference,
        result.p,
        adjusted,
        result.minimum_detectable,
        result.items,
        result.test,
    )
