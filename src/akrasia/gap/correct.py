"""The gap corrected by gold of this run: prediction-powered means per value first, then ratios, then the mean.

A judge's labels are known for every scenario, human labels for a random sample of them. The mean of each product that
a figure is made of (stated; stated and acted on; …) is rectified per value, with one λ for all values; so the figures
are right on average whatever the judge's errors are, as long as both stages that a product joins have gold in the same
scenarios. Error rates known from other data correct nothing: see `sensitivity`. Nor does gold correct what the judge
could not read: see `unlabelled`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from msgspec import Struct, structs
from numpy.typing import ArrayLike

from akrasia.core.errors import InputError, Undefined
from akrasia.core.judgement import PRESENT
from akrasia.gap.cells import bits, read_stages
from akrasia.gap.figures import MIN_SUPPORT
from akrasia.gap.records import Stages
from akrasia.gap.rectified import Means, rectified_means
from akrasia.gap.unlabelled import STAGES, Labels, why_refused
from akrasia.stats.bootstrap import Resampler
from akrasia.stats.diagnostic import Diagnostic, ordered
from akrasia.stats.figure import Figure
from akrasia.stats.grouping import BoolArray, FloatArray, Grouping, IntArray, group
from akrasia.stats.intervals import BOUNDARY, FEW, ROUNDING, Spread, bounded_interval, check_level, t_quantile

ENOUGH = 150
"""Scenarios with gold of two texts each: the 300 labels that a correction should rest on."""

METHOD = "difference estimator"


class Corrected(Struct, frozen=True):
    """What gold identifies; None: it does not, and a diagnostic says why.

    Attributes:
        macro_f1: per value from rectified counts, mean over the supported values.
        retention: P(action | stated).
        survival: P(reasoning and action | stated); equals retention in an arm without reasoning.
        suppression: P(no action | stated and reasoned with); 1 − retention in an arm without reasoning.
        emergence: P(not stated | action).
        scenarios: scenarios whose stated values and action both have gold.
        diagnostics: worst first.
    """

    macro_f1: Figure | None
    retention: Figure | None
    survival: Figure | None
    suppression: Figure | None
    emergence: Figure | None
    scenarios: int
    diagnostics: tuple[Diagnostic, ...]


def correct(
    judged: Stages,
    gold: Stages,
    *,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
    seed: int = 0,
    threshold: float = PRESENT,
    supported: Sequence[int] | None = None,
    resamples: int = 2000,
) -> Corrected:
    """Correct one arm by human labels of some of its scenarios.

    Intervals come from a bootstrap of families that carries the gold along; where the gold shows the judge wrong in
    fewer than 10 scenarios, they widen as if it had been wrong in two more. Near 0 and 1 the Wilson interval is joined
    to them. Figures are refused where more than 10 % of the cells of a stage are unlabelled, or are unlabelled because
    of what their labels would be.

    Args:
        judged: the arm as judged.
        gold: human labels at the same rows and columns, NaN where there are none; `inclusion` undoes unequal chances of
            being drawn.
        clusters: (S,) families; None: every scenario is its own.
        level: nominal coverage.
        seed: of the bootstrap.
        threshold: a value is present from this grade on.
        supported: the columns in macro-F1; None: those with support in what was judged of this arm.
        resamples: of the bootstrap.

    Raises:
        InputError: shapes that differ, a grade outside [0, 1], an inclusion probability outside (0, 1].
    """
    check_level(level)
    said, truth = read_stages(judged), _read_gold(gold, judged)
    arm = _Arm(_bits(said, threshold), _bits(truth, threshold), truth.inclusion, _asked(said))
    try:
        resampler = Resampler(group(len(said.stated), clusters), np.random.default_rng(seed), resamples)
    except Undefined as error:
        return Corrected(None, None, None, None, None, 0, (_uncorrected("every figure", str(error)),))
    columns = _supported(arm.said[0], arm.said[-1]) if supported is None else list(supported)
    notes: list[Diagnostic] = []
    pair = arm.means({"a": (0,), "d": (2,), "ad": (0, 2)}, resampler, notes)
    retention = _figure(pair, _ratio("ad", "a"), "ad", level)
    survival, suppression = retention, _figure(pair, _complement("ad", "a"), "ad", level)
    if said.reasoning is not None:
        path = arm.means({"a": (0,), "ar": (0, 1), "ard": (0, 1, 2)}, resampler, notes)
        survival = _figure(path, _ratio("ard", "a"), "ard", level)
        suppression = _figure(path, _complement("ard", "ar"), "ard", level)
    return Corrected(
        macro_f1=_figure(pair, _macro_f1(columns), "ad", level) if columns else None,
        retention=retention,
        survival=survival,
        suppression=suppression,
        emergence=_figure(pair, _complement("ad", "d"), "ad", level),
        scenarios=0 if pair is None else pair.scenarios,
        diagnostics=ordered([*notes, _rests_on(pair)]),
    )


class _Arm(Struct, frozen=True):
    """Stated, reasoning and action as judged and by people; a stage that is not there is all NaN."""

    said: tuple[FloatArray, ...]
    truth: tuple[FloatArray, ...]
    inclusion: FloatArray | None
    asked: BoolArray

    def means(
        self, products: Mapping[str, tuple[int, ...]], resampler: Resampler, notes: list[Diagnostic]
    ) -> Means | None:
        stages = sorted({stage for product in products.values() for stage in product})
        places = {name: tuple(stages.index(stage) for stage in product) for name, product in products.items()}
        said, truth = ([side[stage] for stage in stages] for side in (self.said, self.truth))
        try:
            means = rectified_means(said, truth, places, resampler, inclusion=self.inclusion)
        except Undefined as error:
            notes.append(_uncorrected(_MADE_OF[len(stages)], str(error)))
            return None
        names = tuple(STAGES[stage] for stage in stages)
        refused = why_refused(Labels(names, said, truth, self.asked, _codes(resampler.grouping)))
        if refused is None:
            return means
        notes.append(Diagnostic("gold_refused", f"gold cannot correct {_MADE_OF[len(stages)]}: {refused}", "warning"))
        return None


_MADE_OF = {2: "macro-F1, retention and emergence", 3: "survival and suppression"}


def _read_gold(gold: Stages, judged: Stages) -> Stages:
    read = read_stages(gold)
    if read.stated.shape != np.shape(judged.stated):
        raise InputError(f"gold must have the shape {np.shape(judged.stated)} of what was judged: {read.stated.shape}")
    if read.inclusion is not None and np.shape(read.inclusion) != (len(read.stated),):
        raise InputError(f"inclusion must be {len(read.stated)} probabilities, one per scenario")
    return read


def _bits(stages: Stages, threshold: float) -> tuple[FloatArray, ...]:
    reasoning = np.full(stages.stated.shape, np.nan) if stages.reasoning is None else stages.reasoning
    return tuple(bits(stage, threshold) for stage in (stages.stated, reasoning, stages.action))


def _asked(stages: Stages) -> BoolArray:
    return np.ones(len(stages.stated), dtype=np.bool_) if stages.asked is None else stages.asked


def _codes(grouping: Grouping) -> IntArray:
    return np.arange(grouping.rows) if grouping.codes is None else grouping.codes


def _supported(stated: FloatArray, action: FloatArray) -> list[int]:
    return np.flatnonzero(((stated == 1) | (action == 1)).sum(axis=0) >= MIN_SUPPORT).tolist()


Made = Callable[[Means], FloatArray]
"""(1 + B,) a figure from rectified means: the estimate and its copies."""


LOOSE = (-1.0, 2.0)
"""How far a copy of a figure, or the F1 of one value, may leave [0, 1]: as far to either side of each end.

Cut off at the end itself, half of all estimates of a true 1 would fall short of it and none exceed it: macro-F1 came
out at 0.94, and the spread of the copies too small.
"""


def _ratio(part: str, whole: str) -> Made:
    def made(means: Means) -> FloatArray:
        with np.errstate(divide="ignore", invalid="ignore"):
            below = means.pooled(whole)
            return np.where(below > 0, np.clip(means.pooled(part) / below, *LOOSE), np.nan)

    return made


def _complement(part: str, whole: str) -> Made:
    return lambda means: 1 - _ratio(part, whole)(means)


def _macro_f1(columns: list[int]) -> Made:
    def made(means: Means) -> FloatArray:
        # A rectified count may leave the range that a count can have: of a rare value, below 0.
        marked = np.sum([np.clip(means.of[name][:, columns], 0.0, 1.0) for name in "ad"], axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            each = np.where(marked > 0, np.clip(2 * means.of["ad"][:, columns] / marked, *LOOSE), np.nan)
        defined = ~np.isnan(each)
        number = defined.sum(axis=1)
        return np.where(number > 0, np.where(defined, each, 0.0).sum(axis=1) / np.maximum(number, 1), np.nan)

    return made


def _figure(means: Means | None, made: Made, joint: str, level: float) -> Figure | None:
    """The figure with its interval: t with the spread of the copies; near an end or without spread, Wilson's joins it.

    Wilson's alone would never hold a true 0 or 1 that the estimate misses by a little, as it does half of the time,
    because the errors of the judge need not cancel; t alone is too short where the copies hardly differ.
    """
    if means is None:
        return None
    values = made(means)
    free, copies = float(values[0]), values[1:][np.isfinite(values[1:])]
    if not np.isfinite(free) or len(copies) < 100:
        return None
    variance = float(copies.var(ddof=1))
    alike = variance <= ROUNDING
    if means.wrong < FEW:
        variance += _jolt(means, made, joint) ** 2
    degrees = max(1, means.units - 2)
    half = t_quantile(level, degrees) * float(np.sqrt(variance))
    value, low, high = (min(1.0, max(0.0, x)) for x in (free, free - half, free + half))
    if alike or min(value, 1 - value) < BOUNDARY or free - half < 0 or free + half > 1:
        bounded = bounded_interval(value, Spread(variance, degrees, means.units, True, alike), level)
        ends = [end for end in (low, high, bounded.low, bounded.high) if end is not None]
        low, high = min(ends), max(ends)
    return Figure(value, low, high, level, METHOD, means.scenarios)


def _jolt(means: Means, made: Made, joint: str) -> float:
    """How far the figure moves if the judge was wrong about one stated value in two more scenarios.

    No error among n labels is not proof that there are none (the rule of three), and the copies cannot show it.
    """
    wrong = np.sqrt(2) / (means.units + 2)
    point = {name: value[:1] for name, value in means.of.items()}
    share = np.clip(point["a"], 0.0, None)
    weight = means.weight[:1]
    total = float((share * weight).sum())
    if total <= 0:
        return 0.0
    at = float(made(means)[0])
    moved = [at]
    for sign in (-1, 1):
        other = {**point, joint: point[joint] + sign * wrong * share / total}
        there = float(made(structs.replace(means, weight=weight, of=other))[0])
        moved.append(there if np.isfinite(there) else at)
    return max(abs(there - at) for there in moved)


def _uncorrected(figures: str, why: str) -> Diagnostic:
    return Diagnostic("gold_uncorrected", f"gold leaves {figures} uncorrected: {why}", "warning")


def _rests_on(pair: Means | None) -> Diagnostic | None:
    if pair is None:
        return None
    few = pair.scenarios < ENOUGH
    text = f"corrected by {pair.scenarios} actions with gold (difference estimator, λ = {pair.tuning['ad']:.2f})"
    more = f": few; label at least {ENOUGH}, which is {2 * ENOUGH} texts" if few else ""
    return Diagnostic("gold_few" if few else "gold", text + more, "warning" if few else "info")
