"""Rational value risk of one cell, from raw utilities to the waterfall: the one door that surfaces call.

Each quantity is computed in its own module; here the input is checked, the figures are collected, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import ArrayLike, NDArray

from akrasia.core.errors import InputError
from akrasia.risk.channel import sensitivity_band
from akrasia.risk.chosen import Chosen, left_out
from akrasia.risk.diagnostics import (
    Notes,
    constant_answer,
    constant_pool,
    figure_diagnostics,
    pool_diagnostics,
)
from akrasia.risk.extrapolation import extrapolate
from akrasia.risk.gold import correct
from akrasia.risk.gold_labels import Gold
from akrasia.risk.missing import enclosing, missing_bounds
from akrasia.risk.pool import Pool, Utilities, draw_variance, read_pool
from akrasia.risk.pooled import aligned_scores
from akrasia.risk.records import (
    Band,
    CurvePoint,
    ErrorBudget,
    ErrorRates,
    Estimate,
    MissingBounds,
    Uncorrected,
    VarianceSplit,
)
from akrasia.risk.recoverable import Recoverable, recoverable
from akrasia.risk.sample import Sample, make_sample, read_deployed
from akrasia.risk.voting import Answers
from akrasia.stats.bootstrap import Resampler
from akrasia.stats.diagnostic import Diagnostic, ordered
from akrasia.stats.figure import Figure
from akrasia.stats.grouping import FloatArray
from akrasia.stats.intervals import check_level, counted_interval
from akrasia.stats.waterfall import waterfall

_ROUNDING = 1e-20
"""A variance no larger is none but for the last bits of sums."""


class Options(Struct, frozen=True):
    """How the intervals are made, and what the caller knows about the candidates.

    Attributes:
        method: "auto": cluster-robust t, Wilson near 0 and 1; "bootstrap": clustered percentile bootstrap in place of
            t (over several seeds the t interval stays: items alone do not carry the variance between seeds).
        resamples: of the bootstrap.
        seed: of the bootstrap.
        extrapolate: whether to look beyond the pool (binary utilities; a fraction of a second).
        notes: facts for the diagnostics.
        errors: ranges of the verifier's error rates for a sensitivity band (binary utilities without gold); None: none.
        cross_fit: take `verifier` for a second judge and cross-fit the two: each values what the other chose.
        chosen: how the deployed candidate was chosen among draws of this very pool, if it was; None: it stands beside
            the pool.
        drawn: all draws of each item in the order of sampling, missing ones included, where `utilities` hold others:
            later draws made up for missing ones (as in sampling to a width), or items are left out (see `thin_items`).
            Counts are of these, bounds of the first K as they came. None: `utilities` are all.
    """

    method: Literal["auto", "bootstrap"] = "auto"
    resamples: int = 2000
    seed: int = 0
    extrapolate: bool = True
    notes: Notes = Notes()
    errors: ErrorRates | None = None
    cross_fit: bool = False
    chosen: Chosen | None = None
    drawn: Utilities | None = None


def estimate(
    utilities: Utilities,
    *,
    clusters: ArrayLike | None = None,
    gold: Gold | Utilities | None = None,
    ks: int | Sequence[int] | None = None,
    deployed: ArrayLike | None = None,
    verifier: Utilities | None = None,
    answers: Answers | None = None,
    weights: ArrayLike | None = None,
    seeds: ArrayLike | None = None,
    level: float = 0.95,
    options: Options | None = None,
) -> Estimate:
    """Estimate deployed, reachable and risk with intervals, curve, error budget, waterfall and diagnostics.

    The estimands are means over the population of items (clusters) of E[max of k draws and the deployed candidate],
    E[deployed], and their difference; the estimators are unbiased U-statistics (see `curve`).

    Args:
        utilities: (M, K) in [0, 1], NaN where missing, of any real type, or one sequence per item.
        clusters: (M,) labels of items that belong together; None: each is its own.
        gold: true utilities of some candidates, (M, K) with NaN where there is no label, or `Gold` with its design.
            They correct what they identify; the raw figures are then under `uncorrected`.
        ks: sizes for the curve; None: every k up to the most that all items have. The largest is the headline.
        deployed: (M,) or (M, S) utilities of what the deployed strategy committed to, NaN where missing; None: a
            random draw of the pool, whose expected utility is the item's mean.
        verifier: (M, K) scores that only select, NaN where missing: the stage "recoverable" rests on the items that
            have k of them, and nothing else on any.
        answers: (M, K) answer classes, for the diagnostics.
        weights: (M,) positive item weights.
        seeds: (K,) which seed each candidate column came from: curves are then within seeds, averaged over them, and
            intervals carry the variance between seeds.
        level: nominal coverage of every interval.
        options: intervals and diagnostics.

    Raises:
        InputError: a utility outside [0, 1], shapes that differ, a k that some item cannot fill.
        Undefined: no items, no candidates, or nothing measured.

    Example:
        >>> result = estimate([[0, 1], [1, 1], [0, 0]])
        >>> round(result.deployed.value, 3), round(result.reachable.value, 3), round(result.risk.value, 3)
        (0.5, 0.667, 0.167)
    """
    check_level(level)
    chosen = options or Options()
    pool = read_pool(utilities)
    scores = None if verifier is None else aligned_scores(pool, verifier)
    given = read_deployed(deployed, pool.items)
    count = gold is None and verifier is None
    among = 0 if chosen.chosen is None else chosen.chosen.n
    sample, keep = make_sample(
        pool, given, clusters=clusters, weights=weights, seeds=seeds, count=count, chosen_from=among
    )
    if chosen.chosen is not None:
        sample = replace(sample, chosen_from=_chosen_from(chosen.chosen, given, sample))
    cell = _Cell(pool, given, sample, keep, _sizes(ks, sample), scores, level, chosen)
    stage = _recoverable(cell)
    result = replace(_raw(cell, weights, stage), band=_band(cell))
    if gold is not None:
        result = _with_gold(cell, result, gold if isinstance(gold, Gold) else Gold(gold))
    drawn = None if chosen.drawn is None else read_pool(chosen.drawn, name="drawn")
    found = pool_diagnostics(pool, answers, chosen.notes, given, drawn)
    found.append(_no_spread(cell))
    found += [] if stage is None else [stage.diagnostic(result)]
    found += [] if chosen.chosen is None else [left_out(chosen.chosen, pool, keep, drawn)]
    found += figure_diagnostics(result, chosen.notes, constant_answer(pool, answers))
    return replace(result, diagnostics=ordered([*result.diagnostics, *found]))


class _Cell(Struct, frozen=True):
    """The checked input of one estimate."""

    pool: Pool
    given: FloatArray | None
    sample: Sample
    keep: NDArray[np.bool_]
    sizes: list[int]
    scores: FloatArray | None
    level: float
    options: Options


def _raw(cell: _Cell, weights: ArrayLike | None, stage: Recoverable | None) -> Estimate:
    """The figures that take the verifier at its word."""
    sample, level, k = cell.sample, cell.level, cell.sizes[-1]
    drawn = cell.pool if cell.options.drawn is None else read_pool(cell.options.drawn)
    interval = _intervals(cell)
    base = sample.deployed_items()
    deployed = interval(base)
    nothing_lost = Figure(0.0, 0.0, 0.0, level, "identity", sample.grouping.units)
    points = tuple(
        CurvePoint(size, interval(best), nothing_lost if _nothing_to_lose(cell, size) else interval(best - base))
        for size, best in zip(cell.sizes, sample.reachable(cell.sizes), strict=True)
    )
    points = _rising(points)
    head = points[-1]
    crossed = None if stage is None else stage.crossed
    beyond = extrapolate(sample, k, head.reachable, level=level) if cell.options.extrapolate else None
    unseen = None if beyond is None else beyond.reachable.value - head.reachable.value
    found = Estimate(
        items=int(cell.keep.sum()),
        candidates=int(drawn.planned.sum()),
        k=k,
        deployed=deployed,
        reachable=head.reachable,
        risk=head.risk,
        curve=points,
        error_budget=ErrorBudget(unseen, head.risk.half_width, None),
        waterfall=waterfall(
            deployed,
            head.reachable,
            recoverable=None if stage is None else stage.figure,
            harms=None if stage is None else stage.harms,
            note="" if stage is None else stage.note,
            cross_fitted=cell.options.notes.cross_fitted or crossed is not None,
            reachable_4k=None if beyond is None else beyond.reachable,
        ),
        diagnostics=(),
        missing=drawn.missing,
        variance=_variance(sample),
        extrapolation=beyond,
        clusters=sample.grouping.units,
        level=level,
        cross_fit=crossed,
    )
    return replace(found, missing_bounds=_bounds(cell, weights, found))


def _nothing_to_lose(cell: _Cell, size: int) -> bool:
    """Whether the risk is 0 by definition, not by estimate: one draw has no alternative, the best of n none among n."""
    chosen = cell.options.chosen
    return (size == 1 and cell.given is None) or (chosen is not None and chosen.best and size <= chosen.n)


def _rising(points: tuple[CurvePoint, ...]) -> tuple[CurvePoint, ...]:
    """The curve with lower ends that never fall in k, as the truth does not: each is lowered to the least that follows.

    Interval methods change along the curve (t, then Wilson near a bound) and would leave a dent.
    """
    rising: list[CurvePoint] = []
    for point in reversed(points):
        ends = (point.reachable, point.risk)
        if rising:
            ends = (_at_most(point.reachable, rising[-1].reachable), _at_most(point.risk, rising[-1].risk))
        rising.append(CurvePoint(point.k, *ends))
    return tuple(reversed(rising))


def _at_most(figure: Figure, later: Figure) -> Figure:
    if figure.low is None or later.low is None or figure.low <= later.low or figure.method == "identity":
        return figure
    return replace(figure, low=later.low)


def _with_gold(cell: _Cell, raw: Estimate, gold: Gold) -> Estimate:
    """The figures corrected as far as the labels identify them; what rests on uncorrected counts is left out."""
    rng = np.random.default_rng(cell.options.seed)
    found = correct(cell.sample, gold, cell.keep, cell.sizes, scores=cell.scores, level=cell.level, rng=rng)
    if found.reachable is None:
        return replace(raw, curve=_marked(raw.curve, None), diagnostics=found.diagnostics, corrected=())
    reachable = found.reachable
    deployed, risk = found.deployed or raw.deployed, found.risk or raw.risk
    split = raw.variance
    given = {"deployed": found.deployed, "reachable": found.reachable, "risk": found.risk}
    # Valued by gold, a choice by a noisy verifier earns what it truly earns: there is nothing to cross-fit.
    stages = waterfall(deployed, reachable, recoverable=found.recoverable, cross_fitted=True)
    return replace(
        raw,
        deployed=deployed,
        reachable=reachable,
        risk=risk,
        curve=_marked(raw.curve, CurvePoint(raw.k, reachable, risk, True, found.risk is not None))
        if found.curve is None
        else tuple(replace(point, corrected=True, risk_corrected=True) for point in _rising(found.curve)),
        error_budget=ErrorBudget(None, risk.half_width, raw.reachable.value - reachable.value),
        # Its steps are differences, which have no meaning between a corrected stage and one that is not.
        waterfall=raw.waterfall if found.deployed is None else stages,
        uncorrected=Uncorrected(raw.deployed, raw.reachable, raw.risk),
        corrected=tuple(name for name, figure in given.items() if figure is not None),
        variance=None if split is None else replace(split, verifier=found.verifier_variance),
        extrapolation=None,
        diagnostics=found.diagnostics,
    )


def _marked(raw: tuple[CurvePoint, ...], head: CurvePoint | None) -> tuple[CurvePoint, ...]:
    """The raw curve marked as such, with the headline that gold corrects, where it does, in the place of its last."""
    points = [replace(point, corrected=False, risk_corrected=False) for point in raw]
    if head is not None:
        points[-1] = head
    return tuple(points)


def _band(cell: _Cell) -> Band | None:
    rates = cell.options.errors
    if rates is None:
        return None
    k = cell.sizes[-1]
    return sensitivity_band(cell.pool.utilities, k, false_accept=rates.accept, false_reject=rates.reject)


def _recoverable(cell: _Cell) -> Recoverable | None:
    """What the verifier at hand recovers; None without one."""
    two_judges = cell.options.cross_fit
    if cell.scores is None:
        if two_judges:
            raise InputError("there is nothing to cross-fit: give the second judge's utilities as `verifier`")
        return None
    return recoverable(
        cell.pool, cell.scores, cell.sample, cell.keep, cell.sizes[-1], two_judges=two_judges, level=cell.level,
        interval=lambda sample, values: _intervals(replace(cell, sample=sample))(values),
    )  # fmt: skip


def _bounds(cell: _Cell, weights: ArrayLike | None, raw: Estimate) -> MissingBounds | None:
    mass = None if weights is None else np.asarray(weights, dtype=np.float64)
    pool, drawn = cell.pool, cell.options.drawn
    if drawn is not None:
        everything, width = read_pool(drawn), pool.utilities.shape[1]
        pool = replace(read_pool(everything.utilities[:, :width]), planned=np.minimum(everything.planned, width))
    found = missing_bounds(pool, raw.k, cell.given, mass, cell.options.chosen)
    return None if found is None else enclosing(found, raw)


def _chosen_from(chosen: Chosen, given: FloatArray | None, sample: Sample) -> int:
    if given is None:
        raise InputError("nothing is deployed that could be chosen: give what the strategy commits to as `deployed`")
    if not 1 <= chosen.n <= sample.smallest:
        raise InputError(f"chosen among {chosen.n}, but some item has only {sample.smallest} known candidates")
    return chosen.n


def _sizes(ks: int | Sequence[int] | None, sample: Sample) -> list[int]:
    if ks is None:
        return list(range(1, sample.smallest + 1))
    asked = [ks] if isinstance(ks, (int, np.integer)) else list(ks)
    if not asked:
        raise InputError("ks is empty: give at least one k, or leave it out for every k")
    for k in asked:
        if int(k) != k or k < 1:
            raise InputError(f"k must be a whole number of at least 1: got {k}")
        if k > sample.smallest:
            raise InputError(
                f"k = {k}, but some item has only {sample.smallest} known candidates: ask for k up to that, "
                "sample more, or leave out items with fewer"
            )
    return sorted({int(k) for k in asked})


def _intervals(cell: _Cell) -> Callable[[FloatArray], Figure]:
    sample, level, options = cell.sample, cell.level, cell.options
    resampler = None
    if options.method == "bootstrap" and sample.grouping.units > 1:
        resampler = Resampler(sample.grouping, np.random.default_rng(options.seed), options.resamples)

    def interval(values: FloatArray) -> Figure:
        values = np.clip(values, 0.0, 1.0)
        if _alike(sample, values):  # their spread is estimated as 0, and would claim certainty
            return counted_interval(sample.grouping.mean(values), sample.grouping.units, level=level)
        if resampler is None or values.ndim == 2:  # items alone do not carry the variance between seeds
            return sample.interval(values, level)
        return resampler.interval(values, level=level)

    return interval


def _alike(sample: Sample, values: FloatArray) -> bool:
    """Whether all of several clusters have one mean."""
    grouping = sample.grouping
    return values.ndim == 1 and grouping.units > 1 and grouping.variance_of_mean(values) <= _ROUNDING


def _no_spread(cell: _Cell) -> Diagnostic | None:
    """Where candidates differ and no cluster does; candidates that are all the same are called degenerate."""
    if not _alike(cell.sample, cell.sample.deployed_items()) or constant_pool(cell.pool, cell.given) is not None:
        return None
    return Diagnostic(
        "no_spread",
        f"{cell.sample.grouping.units} independent clusters all have the same mean though their candidates differ: the "
        "spread between them cannot be estimated, and intervals are as wide as so many yes-or-no answers make them",
        "warning",
    )


def _variance(sample: Sample) -> VarianceSplit | None:
    """The squared standard error of a random draw's mean, by source; None where it is not a random draw of one pool."""
    if sample.deployed is not None or len(sample.pools) > 1 or sample.grouping.units < 2:
        return None
    pool, grouping = sample.pools[0], sample.grouping
    if pool.smallest < 2:
        return None
    total = grouping.variance_of_mean(pool.means())
    within = grouping.mean(draw_variance(pool) / pool.observed) / grouping.items
    return VarianceSplit(max(0.0, total - within), within, None)
