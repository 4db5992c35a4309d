"""How far labels move when only the wording of a question changes, or only the order in which values were shown.

A *reading* is one elicitation or judgement of every scenario, made with some wording and some order. Two readings that
differ in one of the two alone show what that one does; two that differ in neither show plain noise, which is then taken
off.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from itertools import combinations

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike

from akrasia.core.errors import InputError
from akrasia.core.judgement import PRESENT
from akrasia.gap.cells import Frame, make_frame, read_grades, within
from akrasia.gap.linear import Linear, figure_of, ratio
from akrasia.stats.diagnostic import Diagnostic, ordered
from akrasia.stats.figure import Figure
from akrasia.stats.grouping import FloatArray
from akrasia.stats.intervals import ROUNDING, check_level

Pair = tuple[int, int]


class LevelMean(Struct, frozen=True):
    """The mean grade under one wording, or one order, over the cells known under all of them."""

    name: str
    mean: Figure


class FacetSpread(Struct, frozen=True):
    """What one facet of a reading (its wording, or its order) does.

    Attributes:
        flips: share of cells (scenario × value) whose 0/1 label is not the same in all readings that differ in this
            facet alone. More levels, more flips.
        disagreement: share of pairs of such readings whose labels differ: does not grow with the number of levels.
        component: half the mean squared difference of grades in such pairs, less that of pairs that differ in nothing
            where there are any: the variance that the facet brings to a single cell.
        noise_removed: whether there were pairs that differ in nothing; else noise is part of `component`.
        means: per level, the mean grade.
        means_variance: variance between the level means of a population of such levels (random-effects analysis of
            variance with families as blocks; its F interval is wide when the levels are few). None below two levels or
            two families.
        cells: cells with at least one such pair.
    """

    flips: Figure
    disagreement: Figure
    component: Figure
    noise_removed: bool
    means: tuple[LevelMean, ...]
    means_variance: Figure | None
    cells: int


class ReadingSpread(Struct, frozen=True):
    """Spread over wordings and over orders; None where no two readings differ in that alone.

    Attributes:
        wording: over wordings (paraphrases).
        order: over orders.
        noise: half the mean squared difference of grades in pairs that differ in neither; None without such pairs.
        diagnostics: worst first.
    """

    wording: FacetSpread | None
    order: FacetSpread | None
    noise: Figure | None
    diagnostics: tuple[Diagnostic, ...]


def reading_spread(
    readings: ArrayLike,
    *,
    wordings: Sequence[Hashable] | None = None,
    orders: Sequence[Hashable] | None = None,
    clusters: ArrayLike | None = None,
    threshold: float = PRESENT,
    level: float = 0.95,
) -> ReadingSpread:
    """The spread of labels over wordings and orders.

    Args:
        readings: (S, R, V) grades in [0, 1], NaN where missing.
        wordings: R labels; None: all readings have the same.
        orders: R labels; None: all readings have the same. Where every scenario was shown orders of its own, the label
            is the number of the shuffle.
        clusters: (S,) families; None: every scenario is its own.
        threshold: a value is present from this grade on.
        level: nominal coverage. Intervals are cluster-robust over families but for `means_variance`.

    Raises:
        InputError: shapes that differ, or a grade outside [0, 1].

    Example:
        The second wording turns one label of four.

        >>> found = reading_spread([[[1.0, 1.0], [1.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]], wordings=["a", "b"])
        >>> found.wording.flips.value, found.wording.component.value
        (0.25, 0.125)
    """
    check_level(level)
    grades = np.asarray(readings, dtype=np.float64)
    if grades.ndim != 3 or not grades.size:
        raise InputError(f"readings must be (scenarios, readings, values): got shape {grades.shape}")
    scenarios, number, values = grades.shape
    read_grades(grades.reshape(-1, values), "readings")
    frame = make_frame((scenarios, values), None, clusters, None, None)
    of = {"wording": _labels(wordings, number, "wordings"), "order": _labels(orders, number, "orders")}
    kinds = _pairs_by_kind(of["wording"], of["order"])
    work = _Work(grades, frame, threshold, level, kinds["neither"])
    noise = work.mean(kinds["neither"], _half_square)
    facets = {name: _facet(work, kinds[name], of[name]) for name in ("wording", "order")}
    return ReadingSpread(facets["wording"], facets["order"], figure_of(noise, level), _diagnostics(of, facets))


def _labels(labels: Sequence[Hashable] | None, number: int, name: str) -> list[str]:
    found = [""] * number if labels is None else [str(label) for label in labels]
    if len(found) != number:
        raise InputError(f"{name} must be {number} labels, one per reading: got {len(found)}")
    return found


def _pairs_by_kind(wordings: list[str], orders: list[str]) -> dict[str, list[Pair]]:
    kinds: dict[str, list[Pair]] = {"neither": [], "wording": [], "order": [], "both": []}
    for one, two in combinations(range(len(wordings)), 2):
        rewritten, shuffled = wordings[one] != wordings[two], orders[one] != orders[two]
        kind = "both" if rewritten and shuffled else "wording" if rewritten else "order" if shuffled else "neither"
        kinds[kind].append((one, two))
    return kinds


Compared = Callable[[FloatArray, FloatArray, float], FloatArray]


def _half_square(one: FloatArray, two: FloatArray, threshold: float) -> FloatArray:  # noqa: ARG001 - one signature
    return np.asarray((one - two) ** 2 / 2, dtype=np.float64)


def _differ(one: FloatArray, two: FloatArray, threshold: float) -> FloatArray:
    return np.asarray((one >= threshold) != (two >= threshold), dtype=np.float64)


class _Work(Struct, frozen=True):
    """What every figure needs: the readings, and the pairs that differ in nothing."""

    grades: FloatArray
    frame: Frame
    threshold: float
    level: float
    alike: list[Pair]

    def cells(self, pairs: list[Pair], compared: Compared, worst: bool = False) -> FloatArray:
        """(S, V) mean (or maximum) over the known pairs of a cell; NaN where there is none."""
        shape = (self.grades.shape[0], self.grades.shape[2])
        total, most, number = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        for one, two in pairs:
            first, second = self.grades[:, one], self.grades[:, two]
            known = ~(np.isnan(first) | np.isnan(second))
            found = np.where(known, compared(np.nan_to_num(first), np.nan_to_num(second), self.threshold), 0.0)
            total, most, number = total + found, np.maximum(most, found), number + known
        return np.where(number > 0, most if worst else total / np.maximum(number, 1), np.nan)

    def over(self, cells: FloatArray) -> Linear | None:
        """Their mean; None without any."""
        known = ~np.isnan(cells)
        return ratio(within(np.where(known, cells, 0.0), self.frame), within(known.astype(np.float64), self.frame))

    def mean(self, pairs: list[Pair], compared: Compared, worst: bool = False) -> Linear | None:
        return self.over(self.cells(pairs, compared, worst))


def _facet(work: _Work, pairs: list[Pair], labels: list[str]) -> FacetSpread | None:
    flips, disagreement = work.mean(pairs, _differ, worst=True), work.mean(pairs, _differ)
    raw = work.cells(pairs, _half_square)
    whole = work.over(raw)
    if flips is None or disagreement is None or whole is None:
        return None
    noise = work.cells(work.alike, _half_square)
    lacking = np.isnan(raw) | np.isnan(noise)
    left, taken = (work.over(np.where(lacking, np.nan, cells)) for cells in (raw, noise))
    component = whole.figure(work.level)
    if left is not None and taken is not None:
        moved = ~lacking & (np.abs(np.nan_to_num(raw) - np.nan_to_num(noise)) > 1e-12)
        component = left.minus(taken, len(np.unique(work.frame.codes[moved.any(axis=1)])), work.level)
    means, variance = _means(work, labels)
    return FacetSpread(
        flips=flips.figure(work.level),
        disagreement=disagreement.figure(work.level),
        component=component,
        noise_removed=left is not None,
        means=means,
        means_variance=variance,
        cells=int((~np.isnan(raw)).sum()),
    )


def _means(work: _Work, labels: list[str]) -> tuple[tuple[LevelMean, ...], Figure | None]:
    names = list(dict.fromkeys(labels))
    tables = [_average(work.grades[:, [label == name for label in labels]]) for name in names]
    known = ~np.any([np.isnan(table) for table in tables], axis=0)
    means = []
    for name, table in zip(names, tables, strict=True):
        found = work.over(np.where(known, table, np.nan))
        if found is None:
            return (), None
        means.append(LevelMean(name, found.figure(work.level)))
    counts = within(known.astype(np.float64), work.frame).sum(axis=1)
    there = counts > 0
    sums = np.stack([within(np.where(known, table, 0.0), work.frame).sum(axis=1) for table in tables], axis=1)
    return tuple(means), _variance_of_means(sums[there] / counts[there, None], work.level)


def _average(grades: FloatArray) -> FloatArray:
    """(S, V) mean over readings; NaN where none is known."""
    known = ~np.isnan(grades)
    number = known.sum(axis=1)
    return np.where(number > 0, np.where(known, grades, 0.0).sum(axis=1) / np.maximum(number, 1), np.nan)


def _variance_of_means(blocks: FloatArray, level: float) -> Figure | None:
    """Between-level variance from (G, L) family means: random effects, balanced (Searle, Casella, McCulloch 1992)."""
    from scipy.special import fdtri

    families, levels = blocks.shape
    if families < 2 or levels < 2:
        return None
    by_level, by_family = blocks.mean(axis=0), blocks.mean(axis=1)
    rest = blocks - by_level[None] - by_family[:, None] + blocks.mean()
    free, free_rest = levels - 1, (families - 1) * (levels - 1)
    between = families * float(by_level.var(ddof=1))
    noise = float((rest**2).sum()) / free_rest
    tail = (1 - level) / 2

    def component(square: float) -> float:
        return float(max(0.0, (square - noise) / families))

    if noise + between <= ROUNDING:
        return Figure(0.0, None, None, level, "all alike", levels)
    low, high = (component(between / float(fdtri(free, free_rest, q))) for q in (1 - tail, tail))
    return Figure(component(between), low, high, level, "random effects, F", levels)


def _diagnostics(of: dict[str, list[str]], facets: dict[str, FacetSpread | None]) -> tuple[Diagnostic, ...]:
    notes = []
    for name, facet in facets.items():
        levels = len(set(of[name]))
        if facet is None and levels > 1:
            other = "order" if name == "wording" else "wording"
            text = f"every reading with another {name} has another {other} too: what the {name} does cannot be told"
            notes.append(Diagnostic("confounded", text, "warning"))
        elif facet is not None and not facet.noise_removed:
            text = f"no reading was repeated with the same {name} and all else: noise is part of its component"
            notes.append(Diagnostic("noise_included", text, "info"))
    return ordered(notes)
