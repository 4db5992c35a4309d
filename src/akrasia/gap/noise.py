"""Instrument noise and policy variation, apart: how much of a disagreement is not will.

*Instrument noise*: the same text judged again, the same values elicited again. *Policy variation*: the action drawn
again; it is what "could and did not" is made of, and is never subtracted. Nothing is subtracted from an F1 either: the
retest F1 stands beside it. What the gap is, is left to `measure`.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike

from akrasia.core.errors import InputError
from akrasia.core.judgement import PRESENT
from akrasia.gap.cells import Frame, bits, make_frame, read_grades, within
from akrasia.gap.figures import MIN_SUPPORT
from akrasia.gap.linear import Linear, f1, figure_of, mean_of, ratio
from akrasia.stats.diagnostic import Diagnostic, ordered
from akrasia.stats.figure import Figure
from akrasia.stats.grouping import BoolArray, FloatArray
from akrasia.stats.intervals import check_level

StatedNoise = Literal["elicited again", "judged again"]


class Retest(Struct, frozen=True):
    """How a label holds when it is taken again.

    Attributes:
        disagreement: P(label ≠ label again), over scenarios and values.
        f1: macro-F1 of one taking against another; None where no value has support. What no F1 of the gap can be
            expected to exceed by much.
        cells: scenarios × values with at least two takings.
    """

    disagreement: Figure
    f1: Figure | None
    cells: int


class Noise(Struct, frozen=True):
    """What varies, by what was done again; None where nothing was.

    Attributes:
        stated_judged: the same statement judged again (instrument noise).
        stated_elicited: the values elicited again, and judged (instrument noise).
        action_judged: the same action judged again (instrument noise).
        action_drawn: the action drawn again, and judged: policy variation with the judge's noise in it.
        policy: how much more often labels differ between two actions than between two readings of one.
        disagreement: P(stated ≠ acted), over scenarios and values.
        corrected: P(a ≠ d) − ½ P(a ≠ a′) − ½ P(d ≠ d′) = E(p_a − p_d)², with a′ elicited again (else judged again) and
            d′ the same action judged again. Unbiased, so it may fall below 0 where the truth is 0.
        stated_noise: what a′ is.
        diagnostics: worst first.
    """

    stated_judged: Retest | None
    stated_elicited: Retest | None
    action_judged: Retest | None
    action_drawn: Retest | None
    policy: Figure | None
    disagreement: Figure | None
    corrected: Figure | None
    stated_noise: StatedNoise | None
    diagnostics: tuple[Diagnostic, ...]


def noise(
    stated: ArrayLike,
    action: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    threshold: float = PRESENT,
    level: float = 0.95,
) -> Noise:
    """Tell noise of the instrument from variation of the policy.

    Everything is a U-statistic over pairs of takings, so no taking is compared with itself.

    Args:
        stated: (S, D, R, V) grades in [0, 1], NaN where missing: D statements of the same values, each read R times.
            (S, D, V) is one reading each, (S, V) one statement.
        action: the same for D actions drawn alike.
        clusters: (S,) families; None: every scenario is its own.
        threshold: a value is present from this grade on.
        level: nominal coverage of the cluster-robust intervals.

    Raises:
        InputError: shapes that differ, or a grade outside [0, 1].

    Example:
        A value is stated for sure, and two readings of every action contradict each other: all of it may be noise.

        >>> found = noise(np.ones((8, 2, 1)), np.tile([[[[1.0], [0.0]]]], (8, 1, 1, 1)))
        >>> found.disagreement.value, found.action_judged.disagreement.value, found.corrected.value
        (0.5, 1.0, 0.0)
    """
    check_level(level)
    before, after = (_Takings.of(labels, name, threshold) for labels, name in ((stated, "stated"), (action, "action")))
    if before.present.shape[::2] != after.present.shape[::2]:
        raise InputError(
            f"stated and action must be of the same scenarios and values: got {before.present.shape[::2]} and "
            f"{after.present.shape[::2]}"
        )
    scenarios, _, values = after.present.shape
    frame = make_frame((scenarios, values), None, clusters, None, None)
    elicited, judged = before.across(), after.within()
    how: StatedNoise | None = None
    again = before.within()
    if again.known.any():
        how = "judged again"
    if elicited.known.any():
        how, again = "elicited again", elicited
    cross = _between(before, after)
    return Noise(
        stated_judged=_retest(before.within(), frame, level),
        stated_elicited=_retest(elicited, frame, level),
        action_judged=_retest(judged, frame, level),
        action_drawn=_retest(after.across(), frame, level),
        policy=_less(after.across().differ, judged.differ, frame, level),
        disagreement=figure_of(_mean(cross, frame), level),
        corrected=_less(cross, (again.differ + judged.differ) / 2, frame, level),
        stated_noise=how,
        diagnostics=_diagnostics(how, judged, again),
    )


class _Again(Struct, frozen=True):
    """Two takings of the same label, per cell: (S, V) each, NaN where there are no two."""

    differ: FloatArray  # P(x ≠ x′)
    both: FloatArray  # P(x = x′ = 1)
    share: FloatArray  # P(x = 1)

    @property
    def known(self) -> BoolArray:
        return ~np.isnan(self.differ)


class _Takings(Struct, frozen=True):
    """Texts read several times, in sufficient statistics: (S, D, V) each."""

    present: FloatArray  # readings that say 1
    readings: FloatArray  # readings at all

    @classmethod
    def of(cls, labels: ArrayLike, name: str, threshold: float) -> _Takings:
        grades = np.asarray(labels, dtype=np.float64)
        if grades.ndim not in (2, 3, 4):
            raise InputError(f"{name} must be (scenarios, texts, readings, values): got shape {grades.shape}")
        if grades.ndim == 2:
            grades = grades[:, None]
        if grades.ndim == 3:
            grades = grades[:, :, None]
        scenarios, values = len(grades), grades.shape[3]
        found = bits(read_grades(grades.reshape(-1, values), name), threshold).reshape(scenarios, *grades.shape[1:])
        return cls((found == 1).sum(axis=2).astype(np.float64), (~np.isnan(found)).sum(axis=2).astype(np.float64))

    @property
    def shares(self) -> FloatArray:
        """(S, D, V) share of readings that say 1; NaN where nothing was read."""
        with np.errstate(invalid="ignore"):
            return self.present / self.readings

    def within(self) -> _Again:
        """The same text judged again: pairs of readings of one text."""
        x, n = self.present, self.readings
        pairs = n * (n - 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            differ, both = 2 * x * (n - x) / pairs, x * (x - 1) / pairs
        twice = pairs > 0
        return _Again(*(_over_texts(part, twice) for part in (differ, both, self.shares)))

    def across(self) -> _Again:
        """Another text of the same kind: readings of two different texts."""
        known = self.readings > 0
        shares = np.where(known, self.shares, 0.0)
        texts, total = known.sum(axis=1), shares.sum(axis=1)
        pairs = (texts * (texts - 1)).astype(np.float64)
        joint = total**2 - (shares**2).sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            both, share = joint / pairs, total / texts
        enough = pairs > 0
        # P(x ≠ x′) = P(x = 1) + P(x′ = 1) − 2 P(both); the last bits of the sums may leave it below 0.
        differ = np.maximum(2 * share - 2 * both, 0.0)
        return _Again(*(np.where(enough, part, np.nan) for part in (differ, both, share)))


def _over_texts(part: FloatArray, known: BoolArray) -> FloatArray:
    number = known.sum(axis=1)
    total = np.where(known, part, 0.0).sum(axis=1)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def _between(before: _Takings, after: _Takings) -> FloatArray:
    """(S, V) P(a ≠ d) over all pairs of a stated and an acted label."""
    one, two = (_over_texts(side.shares, side.readings > 0) for side in (before, after))
    return one * (1 - two) + two * (1 - one)


def _mean(cells: FloatArray, frame: Frame) -> Linear | None:
    known = ~np.isnan(cells)
    return ratio(within(np.where(known, cells, 0.0), frame), within(known.astype(np.float64), frame))


def _less(first: FloatArray, second: FloatArray, frame: Frame, level: float) -> Figure | None:
    """Mean of first − second over the cells where both are known, paired."""
    lacking = np.isnan(first) | np.isnan(second)
    one, two = (_mean(np.where(lacking, np.nan, cells), frame) for cells in (first, second))
    if one is None or two is None:
        return None
    moved = ~lacking & (np.abs(np.where(lacking, 0.0, first - second)) > 1e-12)
    return one.minus(two, len(np.unique(frame.codes[moved.any(axis=1)])), level)


def _retest(again: _Again, frame: Frame, level: float) -> Retest | None:
    differ = _mean(again.differ, frame)
    if differ is None:
        return None
    both, share = (within(np.nan_to_num(part), frame) for part in (again.both, again.share))
    support = (np.nan_to_num(again.share) > 0).sum(axis=0)
    parts = [f1(both[:, v], share[:, v], share[:, v]) for v in np.flatnonzero(support >= MIN_SUPPORT)]
    return Retest(differ.figure(level), figure_of(mean_of(parts), level), int(again.known.sum()))


def _diagnostics(how: StatedNoise | None, judged: _Again, again: _Again) -> tuple[Diagnostic, ...]:
    notes = []
    lacking = []
    if how is None:
        lacking.append("stated values elicited again")
    if not judged.known.any():
        lacking.append("actions judged again")
    if lacking:
        text = f"no {' and no '.join(lacking)}: how much of the disagreement is noise of the instrument is not known"
        notes.append(Diagnostic("no_repeats", text, "warning"))
    elif not (again.known & judged.known).any():
        notes.append(Diagnostic("no_repeats", "no cell has both sides taken again: no correction for noise", "warning"))
    return ordered(notes)
