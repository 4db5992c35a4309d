"""Estimates from pools whose sampling stopped at the first success (see `width`), without the bias of stopping.

deployed (a random draw) is the mean of the first candidates alone, which every item has. For k up to their number,
reachable@k is their U-statistic; beyond, it is 1{first success ≤ k}: an item that succeeded early is reachable at
every larger k, and one that did not was followed. Pooled strategies may use the first candidates only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from akrasia.core.errors import InputError, Undefined
from akrasia.risk.curve import all_fail
from akrasia.risk.extrapolation import BEYOND, lower_limit, mixture_with_sure
from akrasia.risk.records import CurvePoint, ErrorBudget, Estimate, Extrapolation
from akrasia.stats.betamass import fit_beta_mass
from akrasia.stats.diagnostic import Diagnostic
from akrasia.stats.figure import Figure
from akrasia.stats.grouping import FloatArray, Grouping, IntArray, group
from akrasia.stats.intervals import check_level, interval_of_mean
from akrasia.stats.mixing import probability_grid, profile_figure
from akrasia.stats.waterfall import waterfall


class StoppedPools(Struct, frozen=True):
    """What the plan's items showed.

    Attributes:
        first: candidates that every item has.
        most: candidates at which an item was given up.
        early: (M,) successes among the first candidates.
        success_at: (M,) number of the first success, 1 … most; 0 when there was none.
        followed: (M,) candidates up to the first success, or all that were looked at for one, `most` at the latest.
        generations: candidates drawn in all.
    """

    first: int
    most: int
    early: IntArray
    success_at: IntArray
    followed: IntArray
    generations: int

    @property
    def cut_short(self) -> int:
        """How many items without success were not followed as far as `most`."""
        return int(((self.success_at == 0) & (self.followed < self.most)).sum())


def read_stopped(
    outcomes: Sequence[Sequence[float]], *, first: int, most: int, cut_short: bool = False
) -> StoppedPools:
    """Check pools that a plan has finished.

    Args:
        outcomes: known utilities of each item, 0 or 1, in the order of sampling.
        first: candidates that every item must have.
        most: candidates at which an item without success was given up.
        cut_short: take items without success and with fewer than `most` as not reached, since no more of them could be
            measured: reachable beyond what they have may be too low, by no more than their share.

    Raises:
        InputError: a utility that is not 0 or 1, or an item that the plan has not finished.
        Undefined: no items.
    """
    if not len(outcomes):
        raise Undefined("no item is finished: nothing to estimate")
    early = np.zeros(len(outcomes), dtype=np.intp)
    success_at = np.zeros(len(outcomes), dtype=np.intp)
    followed = np.zeros(len(outcomes), dtype=np.intp)
    for index, row in enumerate(outcomes):
        values = np.asarray(row, dtype=np.float64)
        if not np.all((values == 0) | (values == 1)):
            raise InputError(f"item {index}: sampling to a width needs utilities of 0 or 1, without gaps")
        hits = np.flatnonzero(values[:most])
        if len(values) < first or (not hits.size and len(values) < most and not cut_short):
            raise InputError(f"item {index} is unfinished: {len(values)} candidates and no success; go on sampling")
        early[index] = values[:first].sum()
        success_at[index] = hits[0] + 1 if hits.size else 0
        followed[index] = success_at[index] or min(len(values), most)
    return StoppedPools(first, most, early, success_at, followed, sum(len(row) for row in outcomes))


def estimate_stopped(
    pools: StoppedPools,
    *,
    clusters: Sequence[object] | None = None,
    ks: Sequence[int] | None = None,
    level: float = 0.95,
    extrapolate: bool = True,
) -> Estimate:
    """The figures of `estimate`, from stopped pools; deployed is a random draw.

    Args:
        pools: what the items showed.
        clusters: (M,) labels.
        ks: sizes for the curve, up to `most`; None: powers of 2 and `most`.
        level: nominal coverage.
        extrapolate: whether to look beyond `most`.

    Raises:
        InputError: a k beyond `most`.
    """
    check_level(level)
    items = len(pools.early)
    sizes = _sizes(pools, ks)
    labels: Any = clusters
    grouping = group(items, labels)
    base = pools.early / pools.first
    deployed = interval_of_mean(base, grouping, level=level)
    points = []
    for k in sizes:
        best = reachable_stopped(pools, k)
        lost = interval_of_mean(np.clip(best - base, 0, 1), grouping, level=level) if k > 1 else None
        lost = lost or Figure(0.0, 0.0, 0.0, level, "identity", grouping.units)
        points.append(CurvePoint(k, interval_of_mean(best, grouping, level=level), lost))
    head = points[-1]
    beyond = _beyond(pools, grouping, head.reachable, level) if extrapolate and head.k == pools.most else None
    unseen = None if beyond is None else beyond.reachable.value - head.reachable.value
    note = (
        f"sampled to a width: {pools.generations} measured candidates of {items} items; the mean rests on the first "
        f"{pools.first} of each, reachable beyond them on the first success"
    )
    return Estimate(
        items=items,
        candidates=pools.generations,
        k=head.k,
        deployed=deployed,
        reachable=head.reachable,
        risk=head.risk,
        curve=tuple(points),
        error_budget=ErrorBudget(unseen, head.risk.half_width, None),
        waterfall=waterfall(deployed, head.reachable, reachable_4k=None if beyond is None else beyond.reachable),
        diagnostics=(Diagnostic("until_width", note, "info"),),
        extrapolation=beyond,
        clusters=grouping.units,
        level=level,
    )


def reachable_stopped(pools: StoppedPools, k: int) -> FloatArray:
    """(M,) unbiased reachable@k of every item, k up to `most`."""
    if k <= pools.first:
        return np.asarray(1 - all_fail(pools.first, [k])[pools.early, 0])
    return ((pools.success_at > 0) & (pools.success_at <= k)).astype(np.float64)


def _sizes(pools: StoppedPools, ks: Sequence[int] | None) -> list[int]:
    if ks is None:
        powers = [2**power for power in range(pools.most.bit_length())]
        return sorted({*(k for k in powers if k <= pools.most), pools.most})
    for k in ks:
        if not 1 <= k <= pools.most:
            raise InputError(f"k = {k}, but items were followed up to {pools.most} candidates only")
    if not ks:
        raise InputError("ks is empty: give at least one k, or leave it out")
    return sorted({int(k) for k in ks})


def _beyond(pools: StoppedPools, grouping: Grouping, reachable: Figure, level: float) -> Extrapolation:
    """Stopping is no bias to a likelihood: what was not drawn does not enter it."""
    early = pools.early > 0
    draws = np.where(early, pools.first, pools.followed)
    wins = np.where(early, pools.early, (pools.success_at > 0).astype(np.intp))
    kinds, number = np.unique(np.stack([draws, wins], axis=1), axis=0, return_counts=True)
    counts = number.astype(np.float64)
    target = BEYOND * pools.most
    grid = probability_grid(pools.most, target)
    data = mixture_with_sure(kinds, counts, grid)
    function = np.append(1 - (1 - grid) ** target, 1.0)
    effect = grouping.design_effect((pools.success_at > 0).astype(np.float64))
    found = profile_figure(data, function, level=level, design_effect=effect, n=grouping.units)
    value = max(found.value, reachable.value)
    low = lower_limit(found.low or 0.0, float((pools.success_at == 0).sum()), reachable)
    figure = Figure(value, min(low, value), max(found.high or 1.0, value), level, found.method, found.n)
    beta = fit_beta_mass(counts, kinds[:, 0], kinds[:, 1]).any_success(target)
    return Extrapolation(target, figure, beta, low)
