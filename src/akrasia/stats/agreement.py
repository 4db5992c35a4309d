"""How well two sources of labels agree: per-class F1, their plain mean (macro-F1), and Krippendorff's α.

Labels are matrices over the same rows, NaN where a source gives none; a cell that either source leaves out is left out
of its class. What the labels mean is left to the callers.

F1 of a class is a function of a mean: with J = tp / (tp + fp + fn), the share of hits among the rows that either
source marks, F1 = 2 J / (1 + J). So its interval is that of J, carried over. Means over classes are bootstrapped.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike

from akrasia.core.errors import InputError, Undefined
from akrasia.stats.bootstrap import Resampler
from akrasia.stats.diagnostic import Diagnostic
from akrasia.stats.figure import Figure
from akrasia.stats.grouping import FloatArray, group
from akrasia.stats.intervals import FEW, check_level, interval_of_mean, wilson

ALPHA_UNITS = 10
"""With fewer independent units (texts, or clusters of them) α has no interval: resampling two texts that agree alike
finds no spread at all, and Wilson's interval holds the chance agreement fixed, which so few do not settle."""

ALPHA_LEAST = -1.0
"""No α is lower: ratings of two raters who always contradict each other, half of them of either kind, have nearly this.

The categories' correlations within a unit of m ratings, of which α is a weighted mean, are at least −1 / (m − 1).
"""

_Draw = Callable[[FloatArray], FloatArray]
"""(R,) values → the (resamples,) means of them."""


class ClassAgreement(Struct, frozen=True):
    """One class (one value): labels against truth.

    Attributes:
        f1, precision, recall: in [0, 1]; None where no row enters them.
        alpha: Krippendorff's α, in [−1, 1]; None where it is undefined.
        support: rows that are truly 1 and were read.
        rows: rows with both labels.
    """

    f1: Figure | None
    precision: Figure | None
    recall: Figure | None
    alpha: Figure | None
    support: int
    rows: int


class Agreement(Struct, frozen=True):
    """Labels against truth over several classes.

    Attributes:
        macro_f1: the plain mean of the F1 that are defined; None where none is.
        alpha: the plain mean of the α that are defined; None where none is.
        classes: in the order of the columns.
    """

    macro_f1: Figure | None
    alpha: Figure | None
    classes: tuple[ClassAgreement, ...]


def class_agreement(
    labels: ArrayLike,
    truth: ArrayLike,
    rng: np.random.Generator,
    *,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
    resamples: int = 2000,
) -> Agreement:
    """Compare labels with the truth, class by class.

    A class that neither source ever marks has no F1 and does not enter macro-F1. Resampling rows without errors shows
    no errors: with fewer than 10 rows that are wrong, or 10 that are hits, the interval of a mean over classes is the
    mean of theirs, which is too wide rather than too short.

    Args:
        labels: (R, V) in {0, 1}, NaN where there is none.
        truth: (R, V) likewise.
        rng: source of the resamples.
        clusters: (R,) labels; rows with one label belong together.
        level: nominal coverage.
        resamples: how many, at least 100.

    Raises:
        InputError: shapes that differ, or an entry that is neither 0, 1 nor NaN.
        Undefined: no rows.
    """
    check_level(level)
    given, true = _binary(labels, "labels"), _binary(truth, "truth")
    if given.shape != true.shape or given.ndim != 2:
        raise InputError(f"labels and truth must be two (rows, classes) matrices of one shape: got {given.shape} and "
                         f"{true.shape}")  # fmt: skip
    rows, classes = given.shape
    if not rows:
        raise Undefined("agreement over no rows has no value: give at least one")
    grouping = group(rows, clusters)
    resampler = Resampler(grouping, rng, resamples) if grouping.units > 1 else None
    both = ~(np.isnan(given) | np.isnan(true))
    hits = np.where(both, (given == 1) & (true == 1), 0.0)
    wrong = np.where(both, given != true, 0.0)
    by_class = tuple(_class(given[:, v], true[:, v], clusters, resampler, level) for v in range(classes))
    alphas = [(_alpha_sums(np.stack([given[:, v], true[:, v]])), found) for v, found in enumerate(by_class)]
    defined = [sums for sums, found in alphas if found.alpha is not None]
    errors, correct = int((wrong.sum(axis=1) > 0).sum()), int((hits.sum(axis=1) > 0).sum())
    return Agreement(
        _mean_figure(
            [found.f1 for found in by_class],
            lambda draw: np.stack([_f1(draw(hits[:, v]), draw(wrong[:, v])) for v in range(classes)]),
            resampler,
            few=min(errors, correct) < FEW,
        ),
        _mean_figure(
            [found.alpha for found in by_class],
            lambda draw: np.stack([_alpha_of(np.stack([draw(row) for row in sums]), rows) for sums in defined]),
            resampler,
            few=errors < FEW,
        ),
        by_class,
    )


def krippendorff(ratings: ArrayLike) -> float:
    """Krippendorff's α for nominal ratings: 1 is full agreement, 0 what chance gives.

    α = 1 − (n − 1) Σ_u (m_u² − Σ_c n_uc²)/(m_u − 1) / (n² − Σ_c n_c²), over units u with m_u ≥ 2 ratings, n of them in
    all (K. Krippendorff, *Content Analysis*, 2004, chapter 11).

    Args:
        ratings: (raters, units), any finite numbers as categories, NaN where a rater gives none.

    Raises:
        InputError: not a matrix.
        Undefined: no unit has two ratings, or all ratings are equal, so that chance itself would agree.

    Example:
        >>> round(krippendorff([[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]]), 3)
        0.095
    """
    found = np.asarray(ratings, dtype=np.float64)
    if found.ndim != 2:
        raise InputError(f"ratings must be a (raters, units) matrix: got shape {found.shape}")
    sums = _alpha_sums(found)
    value = _alpha_of(sums.sum(axis=1) / max(1, found.shape[1]), found.shape[1])
    if np.isnan(value):
        raise Undefined("α has no value: it needs units with two ratings, and ratings that differ somewhere")
    return float(value)


def krippendorff_figure(
    ratings: ArrayLike,
    rng: np.random.Generator,
    *,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
    resamples: int = 2000,
) -> Figure:
    """`krippendorff` with its interval over units.

    Args:
        ratings: (raters, units), NaN where a rater gives none.
        rng: source of the resamples.
        clusters: (units,) labels; units with one label belong together.
        level: nominal coverage.
        resamples: how many, at least 100.

    Raises:
        InputError, Undefined: as `krippendorff`.
    """
    check_level(level)
    value = krippendorff(ratings)
    found = np.asarray(ratings, dtype=np.float64)
    grouping = group(found.shape[1], clusters)
    resampler = Resampler(grouping, rng, resamples) if grouping.units > 1 else None
    return _alpha_figure(value, _alpha_sums(found), resampler, level)


def without_interval(alpha: Figure | None, whose: str) -> Diagnostic | None:
    """Why an α has no interval; None where it has one, or no value.

    Args:
        alpha: the figure.
        whose: what it is of, for the message.
    """
    if alpha is None or alpha.low is not None:
        return None
    return Diagnostic(
        "few_for_alpha",
        f"{whose}: α is of {alpha.n} independent texts or families and has no interval; it takes {ALPHA_UNITS}",
        "warning",
    )


def _binary(matrix: ArrayLike, name: str) -> FloatArray:
    found = np.asarray(matrix, dtype=np.float64)
    if not np.all(np.isnan(found) | (found == 0) | (found == 1)):
        raise InputError(f"{name} must be 0 or 1, or NaN where there is none")
    return found


def _class(
    given: FloatArray, true: FloatArray, clusters: ArrayLike | None, resampler: Resampler | None, level: float
) -> ClassAgreement:
    both = ~(np.isnan(given) | np.isnan(true))
    hit = (given == 1) & (true == 1)
    labels = None if clusters is None else np.asarray(clusters)

    def share(rows: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Figure | None:
        if not rows.any():
            return None
        grouping = group(int(rows.sum()), None if labels is None else labels[rows])
        return interval_of_mean(hit[rows].astype(np.float64), grouping, level=level)

    union = share(both & ((given == 1) | (true == 1)))
    sums = _alpha_sums(np.stack([given, true]))
    alpha = float(_alpha_of(sums.sum(axis=1) / len(given), len(given)))
    return ClassAgreement(
        None if union is None else _f1_of_overlap(union),
        share(both & (given == 1)),
        share(both & (true == 1)),
        None if np.isnan(alpha) else _alpha_figure(alpha, sums, resampler, level),
        int((both & (true == 1)).sum()),
        int(both.sum()),
    )


def _f1_of_overlap(overlap: Figure) -> Figure:
    low, high = (None if end is None else 2 * end / (1 + end) for end in (overlap.low, overlap.high))
    return Figure(2 * overlap.value / (1 + overlap.value), low, high, overlap.level, overlap.method, overlap.n)


def _f1(hits: FloatArray, wrong: FloatArray) -> FloatArray:
    """From sums (or means) of hits and of wrong rows; NaN where there are neither."""
    whole = 2 * hits + wrong
    return np.divide(2 * hits, whole, out=np.full_like(whole, np.nan), where=whole > 1e-12)


def _mean_figure(
    figures: list[Figure | None],
    statistics: Callable[[_Draw], FloatArray],
    resampler: Resampler | None,
    *,
    few: bool,
) -> Figure | None:
    """The plain mean of the figures that are defined; `few`: from the ends of their own intervals."""
    there = [figure for figure in figures if figure is not None]
    if not there:
        return None
    value, level = float(np.mean([figure.value for figure in there])), there[0].level
    if resampler is None:
        return Figure(value, None, None, level, "one cluster", 1)
    units = resampler.grouping.units
    if few or units < FEW:
        ends = [(figure.low, figure.high) for figure in there if figure.low is not None and figure.high is not None]
        if len(ends) < len(there):
            return Figure(value, None, None, level, "too few units", units)
        low, high = (float(np.mean(side)) for side in zip(*ends, strict=True))
        return Figure(value, low, high, level, "mean of the classes' intervals", units)
    return _percentiles(value, _mean_of_defined(statistics(resampler.means)), level, units)


def _mean_of_defined(drawn: FloatArray) -> FloatArray:
    there = ~np.isnan(drawn)
    count = there.sum(axis=0)
    total = np.where(there, drawn, 0.0).sum(axis=0)
    return np.asarray(np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0))


def _percentiles(value: float, drawn: FloatArray, level: float, units: int) -> Figure:
    tail = (1 - level) / 2
    low, high = np.nanquantile(drawn, [tail, 1 - tail])
    return Figure(value, min(float(low), value), max(float(high), value), level, "bootstrap", units)


def _alpha_sums(ratings: FloatArray) -> FloatArray:
    """(1 + C, units): each unit's disagreement, then its ratings of each of the C categories that occur."""
    there = ~np.isnan(ratings)
    counted = there.sum(axis=0)
    pairable = counted >= 2
    categories = np.unique(ratings[there])
    counts = np.stack(
        [np.where(pairable, (ratings == c).sum(axis=0), 0) for c in categories] or [np.zeros(len(counted))]
    )
    squares = (counts.astype(np.float64) ** 2).sum(axis=0)
    apart = np.where(pairable, (counted.astype(np.float64) ** 2 - squares) / np.maximum(counted - 1, 1), 0.0)
    return np.concatenate([apart[None], counts.astype(np.float64)])


def _alpha_of(means: FloatArray, units: int) -> FloatArray:
    """From the means over units of `_alpha_sums`, (1 + C,) or (1 + C, resamples); NaN where α is undefined."""
    apart, counts = means[0] * units, means[1:] * units
    total = counts.sum(axis=0)
    chance = total**2 - (counts**2).sum(axis=0)
    whole = np.where(chance > 1e-6, chance, np.nan)
    return np.asarray(1 - (total - 1) * apart / whole)


def _alpha_figure(value: float, sums: FloatArray, resampler: Resampler | None, level: float) -> Figure:
    """The interval: none below `ALPHA_UNITS`, a bootstrap where 10 units disagree or more.

    Between them it is Wilson's interval of the disagreement, with the disagreement of chance held fixed, which can
    leave more disagreement than two raters with these shares could have: no end lies below the least α.
    """
    if resampler is None:
        return Figure(value, None, None, level, "one cluster", 1)
    units = resampler.grouping.units
    if units < ALPHA_UNITS:
        return Figure(value, None, None, level, "too few units", units)
    apart = sums[0] > 0
    if int(apart.sum()) >= FEW:
        drawn = _alpha_of(np.stack([resampler.means(row) for row in sums]), sums.shape[1])
        return _percentiles(value, drawn, level, units)
    rated = sums[1:].sum(axis=0)
    share = float(sums[0].sum() / rated.sum())
    chance = _chance(sums)
    low, high = wilson(share, min(float(units), float((rated > 0).sum())), level=level)
    least, most = max(ALPHA_LEAST, 1 - high / chance), min(1.0, 1 - low / chance)
    return Figure(value, min(value, least), max(value, most), level, "wilson", units)


def _chance(sums: FloatArray) -> float:
    """The disagreement that chance gives: (n² − Σ n_c²) / (n (n − 1))."""
    totals = sums[1:].sum(axis=1)
    whole = totals.sum()
    return float((whole**2 - (totals**2).sum()) / (whole * (whole - 1)))
