"""Which pressure suppresses which value: minimal pairs, one family's neutral scenario against its variant.

Two outcomes: *presence*, whether the action upholds the value, and *retention*, the same among pairs in which the value
is stated in both scenarios, so that a pressure that changes what is stated is not taken for one that changes what is
done. A family is one independent pair, however many actions it has.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import ArrayLike

from akrasia.core.errors import InputError
from akrasia.core.judgement import PRESENT
from akrasia.gap.cells import Frame, bits, make_frame, read_grades, within
from akrasia.stats.diagnostic import Diagnostic, ordered
from akrasia.stats.figure import Figure
from akrasia.stats.grouping import BoolArray, FloatArray
from akrasia.stats.intervals import check_level, t_quantile
from akrasia.stats.multiple import holm
from akrasia.stats.paired import paired_difference, sign_flip

NEUTRAL = "none"
"""The pressure of the scenario that the variants of a family are held against."""

CONTINUITY = 0.5
"""Discordant pairs added to each side of an odds ratio, so that it has a value where one side saw none."""

Outcome = Literal["retention", "presence"]


class Contrast(Struct, frozen=True):
    """What one pressure does to one value, or to all of them.

    Attributes:
        pressure: its name.
        value: the value; None: all values together.
        outcome: "retention" or "presence".
        odds_ratio: odds of the value under pressure against those without, within families; below 1 the pressure
            suppresses it. None without a pair.
        neutral: share of actions with the value without pressure, mean over pairs; None without a pair.
        pressed: the same under pressure.
        difference: pressed − neutral with its interval; None without a pair.
        p: two-sided, exact sign-flip test over families (McNemar's where each arm is one action); None without a pair.
        p_adjusted: after Holm, over all contrasts that were tested with this one.
        pairs: families (or families × values) that enter.
        unstated: pairs left out of retention because the value is not stated in both scenarios.
        missing: pairs left out because labels are missing.
    """

    pressure: str
    value: str | None
    outcome: Outcome
    odds_ratio: Figure | None
    neutral: float | None
    pressed: float | None
    difference: Figure | None
    p: float | None
    p_adjusted: float | None
    pairs: int
    unstated: int
    missing: int


class PressureContrasts(Struct, frozen=True):
    """All contrasts of one arm.

    Attributes:
        contrasts: for every pressure, outcome and value; one Holm family.
        overall: for every pressure and outcome over all values; another.
        unpaired: pressure → families that lack it or its neutral scenario.
        level: nominal coverage.
        diagnostics: worst first.
    """

    contrasts: tuple[Contrast, ...]
    overall: tuple[Contrast, ...]
    unpaired: dict[str, int]
    level: float
    diagnostics: tuple[Diagnostic, ...]

    def suppressed(self) -> tuple[Contrast, ...]:
        """Which pressure suppresses which value, the smallest odds ratio first: retention, significant after Holm."""
        found = [
            one
            for one in self.contrasts
            if one.outcome == "retention"
            and one.odds_ratio is not None
            and one.p_adjusted is not None
            and one.odds_ratio.value < 1
            and one.p_adjusted <= 1 - self.level
        ]
        return tuple(sorted(found, key=lambda one: one.odds_ratio.value if one.odds_ratio else 1.0))


def pressure_contrasts(
    stated: ArrayLike,
    action: ArrayLike,
    pressures: Sequence[str],
    clusters: ArrayLike,
    *,
    values: Sequence[str] | None = None,
    neutral: str = NEUTRAL,
    threshold: float = PRESENT,
    level: float = 0.95,
) -> PressureContrasts:
    """Contrast every pressure with its neutral twin, value by value.

    The odds ratio is the Mantel–Haenszel one with every family as a stratum (with one action per scenario the ratio of
    discordant pairs), half a discordant pair added to each side; its interval is cluster-robust over families on the
    log scale. Several actions or rows of one scenario count as draws of it.

    Args:
        stated: (S, V) grades in [0, 1], NaN where missing.
        action: (S, V), or (S, K, V) for K actions of each scenario.
        pressures: S names; "" is unknown, and left out.
        clusters: S families.
        values: V names.
        neutral: the name of no pressure.
        threshold: a value is present from this grade on.
        level: nominal coverage, and one minus the level of the tests.

    Raises:
        InputError: shapes that differ, a grade outside [0, 1], or no pressure besides the neutral one.
    """
    check_level(level)
    wanted = bits(read_grades(stated, "stated"), threshold)
    frame = make_frame((wanted.shape[0], wanted.shape[1]), values, clusters, None, pressures)
    done = _actions(action, wanted.shape, threshold)
    names = np.asarray(frame.pressures)
    others = sorted({name for name in names.tolist() if name not in ("", neutral)})
    if not others or neutral not in names:
        raise InputError(f"pressure contrasts need scenarios under {neutral!r} and under a pressure: see `pressures`")
    base = _side(wanted, done, names == neutral, frame)
    single: list[Contrast] = []
    overall: list[Contrast] = []
    unpaired = {}
    for pressure in others:
        pressed = _side(wanted, done, names == pressure, frame)
        unpaired[pressure] = int((base.asked ^ pressed.asked).sum())
        for outcome in _OUTCOMES:
            pairs = _pairs(base, pressed, outcome)
            overall.append(_contrast(pairs, pressure, None, outcome, level))
            for column, name in enumerate(frame.values):
                single.append(_contrast(pairs.column(column), pressure, name, outcome, level))
    return PressureContrasts(
        _adjusted(single), _adjusted(overall), unpaired, level, ordered([_about(unpaired, frame.units)])
    )


_OUTCOMES: tuple[Outcome, ...] = ("retention", "presence")


def _actions(action: ArrayLike, shape: tuple[int, ...], threshold: float) -> FloatArray:
    grades = np.asarray(action, dtype=np.float64)
    if grades.ndim == 2:
        grades = grades[:, None]
    if grades.ndim != 3 or (grades.shape[0], grades.shape[2]) != shape:
        raise InputError(f"action must be {shape} or ({shape[0]}, K, {shape[1]}), as stated: got {grades.shape}")
    read_grades(grades.reshape(-1, shape[1]), "action")
    return bits(grades, threshold)


class _Side(Struct, frozen=True):
    """One side of the pairs, summed within families: (G, V) each, by outcome; `asked` is (G,)."""

    asked: BoolArray
    known: BoolArray
    present: dict[Outcome, FloatArray]
    number: dict[Outcome, FloatArray]


def _side(stated: FloatArray, action: FloatArray, rows: BoolArray, frame: Frame) -> _Side:
    part = frame.rows(rows)
    wanted, done = stated[rows], action[rows]
    upheld, known = (done == 1).sum(axis=1), (~np.isnan(done)).sum(axis=1)
    meant = wanted == 1
    number = {"presence": within(known, part), "retention": within(known * meant, part)}
    asked = np.zeros(frame.units, bool)
    asked[part.codes] = True
    return _Side(
        asked,
        within((~np.isnan(wanted)) * known, part) > 0,
        {"presence": within(upheld, part), "retention": within(upheld * meant, part)},
        number,  # type: ignore[arg-type]
    )


class _Pairs(Struct, frozen=True):
    """Actions with the value, and all, on both sides of the pairs: (G, V) each."""

    before: FloatArray
    before_of: FloatArray
    after: FloatArray
    after_of: FloatArray
    used: BoolArray
    unstated: BoolArray
    missing: BoolArray

    def column(self, column: int) -> _Pairs:
        return _Pairs(*(getattr(self, name)[:, [column]] for name in self.__struct_fields__))


def _pairs(base: _Side, pressed: _Side, outcome: Outcome) -> _Pairs:
    both = (base.asked & pressed.asked)[:, None]
    used = both & (base.number[outcome] > 0) & (pressed.number[outcome] > 0)
    known = base.known & pressed.known if outcome == "retention" else used
    return _Pairs(
        base.present[outcome],
        base.number[outcome],
        pressed.present[outcome],
        pressed.number[outcome],
        used,
        both & known & ~used,
        both & ~known,
    )


def _contrast(pairs: _Pairs, pressure: str, value: str | None, outcome: Outcome, level: float) -> Contrast:
    used = pairs.used
    counts = (int(used.sum()), int(pairs.unstated.sum()), int(pairs.missing.sum()))
    if not used.any():
        return Contrast(pressure, value, outcome, None, None, None, None, None, None, *counts)
    x, m, y, n = (np.where(used, part, 0.0) for part in (pairs.before, pairs.before_of, pairs.after, pairs.after_of))
    first, second = (np.where(used, part / np.maximum(of, 1), 0.0) for part, of in ((x, m), (y, n)))
    # Draw by draw, so that the changes are whole numbers; families stay whole, whatever their number of values.
    changes = (y * m - x * n).sum(axis=1)
    families = np.nonzero(used)[0]
    difference = paired_difference(first[used], second[used], clusters=families, level=level).difference
    return Contrast(
        pressure,
        value,
        outcome,
        _odds_ratio(first, second, used, level),
        float(first[used].mean()),
        float(second[used].mean()),
        difference,
        sign_flip(changes),
        None,
        *counts,
    )


def _odds_ratio(first: FloatArray, second: FloatArray, used: BoolArray, level: float) -> Figure:
    """Mantel–Haenszel with families as strata: chances of a discordant pair one way and the other, summed."""
    up = np.where(used, second * (1 - first), 0.0).sum(axis=1)
    down = np.where(used, first * (1 - second), 0.0).sum(axis=1)
    risen, fallen = up.sum() + CONTINUITY, down.sum() + CONTINUITY
    # With one action per scenario and one value this is 1 / risen + 1 / fallen, as for McNemar's odds ratio.
    influence = up / risen - down / fallen
    variance = float(influence @ influence) + CONTINUITY * (1 / risen**2 + 1 / fallen**2)
    families = int(used.any(axis=1).sum())
    centre = math.log(risen / fallen)
    half = t_quantile(level, max(1, families - 1)) * math.sqrt(variance)
    return Figure(
        math.exp(centre),
        math.exp(centre - half),
        math.exp(centre + half),
        level,
        "Mantel-Haenszel, clustered",
        families,
    )


def _adjusted(contrasts: list[Contrast]) -> tuple[Contrast, ...]:
    """Holm over all that were tested; a contrast without a pair was not."""
    tested = [(place, one.p) for place, one in enumerate(contrasts) if one.p is not None]
    adjusted = dict(zip([place for place, _ in tested], holm([p for _, p in tested]).tolist(), strict=True))
    return tuple(replace(one, p_adjusted=adjusted.get(place)) for place, one in enumerate(contrasts))


def _about(unpaired: dict[str, int], families: int) -> Diagnostic | None:
    lost = {pressure: count for pressure, count in unpaired.items() if count}
    if not lost:
        return None
    text = ", ".join(f"{pressure} {count}" for pressure, count in lost.items())
    return Diagnostic("unpaired", f"families of {families} without a pair, by pressure: {text}", "info")
