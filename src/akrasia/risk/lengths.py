"""What longer reasoning buys: risk by the length at which it is cut, its marginal change per token, and the knee.

One array holds every item at every length, so all comparisons are paired by item. Sampling the lengths is
`akrasia.strategies.budget_forced`'s part.

The fall is described by risk(L) = floor + fall · exp(−L / scale). Of the usual two-parameter shapes of diminishing
returns it is the one that has a value at L = 0, where every sweep begins (a power of L has none, and a shifted power
has a parameter more than seven or eight lengths can tell), and it has one rate, so that the knee has one meaning.
Whether it describes the data is tested, and where it does not, no knee is given. The estimand is the least-squares
curve of the population means at the lengths measured.

The knee is scale · ln(1 / (1 − `KNEE_SHARE`)): 90 % of the fall that unlimited reasoning would bring is made there, and
a further token brings a tenth of what the first one did. It does not depend on how far the sweep goes. It is given only
when the risk falls with p ≤ 1 − level and the knee lies between the shortest reasoning and the longest that were tried.

Points and steps have cluster-robust t intervals (deployed near 0 or 1: Wilson); the curve and the knee have percentile
intervals of a clustered bootstrap that fits each resample anew. The test of no effect takes the largest of the
standardised contrasts over all scales, and compares it with the same largest value in resamples about the mean, so that
having chosen the scale is paid for.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from akrasia.core.errors import InputError, Undefined
from akrasia.stats.bootstrap import Resampler
from akrasia.stats.diagnostic import Diagnostic
from akrasia.stats.figure import Figure
from akrasia.stats.grouping import FloatArray, Grouping, group
from akrasia.stats.intervals import check_level, interval_of_mean

KNEE_SHARE = 0.9
"""Share of the attainable fall that is made at the knee."""

LEAST_LENGTHS = 4
"""Three parameters pass through any three points, so fewer lengths than this show nothing about the shape."""

MATERIAL = 0.1
"""A misfit below this share of the fall does not take the knee away, however sure it is: no curve is exactly true."""

_SCALES = 160
_NO_SPREAD = 1e-6  # resamples are computed in single precision

Shape = Literal["falling", "rising", "flat", "other", "unknown"]


class LengthPoint(Struct, frozen=True):
    """One length of the sweep: mean deployed utility and risk over the items."""

    length: float
    deployed: Figure
    risk: Figure


class LengthStep(Struct, frozen=True):
    """The change of risk per additional token between two neighbouring lengths, by difference; below 0 it falls."""

    start: float
    stop: float
    marginal: Figure


class LengthFit(Struct, frozen=True):
    """risk(L) = floor + fall · exp(−L / scale), by least squares over the lengths.

    Attributes:
        floor: the risk that no length removes.
        fall: what unlimited reasoning removes of the risk at L = 0; below 0 the risk rises.
        scale: tokens in which the remaining fall shrinks to 1/e of itself; its `high` is None where the data set no
            upper end.
        marginal: the curve's slope at each length, in risk per token: −fall / scale · exp(−L / scale).
        misfit: largest distance between a mean and the curve.
    """

    floor: Figure
    fall: Figure
    scale: Figure
    marginal: tuple[Figure, ...]
    misfit: float


class LengthSweep(Struct, frozen=True):
    """What a length sweep shows.

    Attributes:
        points: every length, in ascending order.
        steps: between neighbours; they assume no curve.
        p: of "the risk is the same at every length", against all exponential curves.
        shape: what the risk does: "falling" or "rising" by the curve, "flat" (no effect shown), "other" (an effect that
            the curve does not describe), "unknown" (too few lengths or clusters to tell).
        fit: the curve; None where there is none to fit.
        knee: the length by which `KNEE_SHARE` of the fall is made; None, with a diagnostic, where the data give none.
        items: items that entered, known at every length.
        clusters: independent units.
        diagnostics: what a reader must know.
    """

    points: tuple[LengthPoint, ...]
    steps: tuple[LengthStep, ...]
    p: float | None
    shape: Shape
    fit: LengthFit | None
    knee: Figure | None
    items: int
    clusters: int
    diagnostics: tuple[Diagnostic, ...]


def length_sweep(
    lengths: ArrayLike,
    deployed: ArrayLike,
    reachable: ArrayLike,
    rng: np.random.Generator,
    *,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
    resamples: int = 2000,
) -> LengthSweep:
    """Risk by reasoning length, with its marginal change per token and the knee.

    How the intervals and the test are made, and what the knee is, stands at the top of this module.

    Args:
        lengths: (J,) different caps in tokens, at least 0.
        deployed: (M, J) mean utility of what is deployed at each length, per item, in [0, 1]; NaN where missing.
        reachable: (M,) reachable utility of each item, common to all lengths; NaN where missing. An item that misses
            anything is left out and counted.
        rng: source of the resamples.
        clusters: (M,) labels.
        level: nominal coverage.
        resamples: how many, at least 100.

    Raises:
        InputError: shapes that do not belong together, utilities outside [0, 1], lengths below 0 or given twice.
        Undefined: no item is known at every length.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> true = 0.9 - 0.4 * np.exp(-np.array([0, 64, 128, 256, 512, 1024]) / 100)
        >>> deployed = rng.binomial(8, true, (400, 6)) / 8
        >>> found = length_sweep([0, 64, 128, 256, 512, 1024], deployed, np.ones(400), rng)
        >>> found.shape, found.knee.low < 230 < found.knee.high
        ('falling', True)
    """
    check_level(level)
    grid, utilities, best = _read(lengths, deployed, reachable)
    known = np.isfinite(utilities).all(axis=1) & np.isfinite(best)
    if not known.any():
        raise Undefined("no item is known at every length: measure the same items at each")
    labels = None if clusters is None else _kept(clusters, known)
    risk = best[known, None] - utilities[known]
    grouping = group(len(risk), labels)
    notes = _left_out(int((~known).sum()), len(known))
    points = tuple(
        _point(float(length), utilities[known, j], risk[:, j], grouping, level) for j, length in enumerate(grid)
    )
    steps = tuple(_step(grid, j, risk, grouping, level) for j in range(len(grid) - 1))
    if len(grid) < LEAST_LENGTHS or grouping.units < 2:
        what = f"{len(grid)} lengths" if len(grid) < LEAST_LENGTHS else "one cluster"
        notes.append(Diagnostic("no_curve", f"No curve and no knee: {what} cannot show a shape.", "warning"))
        return LengthSweep(points, steps, None, "unknown", None, None, len(risk), grouping.units, tuple(notes))
    curve = _Curve(grid, risk, Resampler(grouping, rng, resamples), level)
    shape = curve.shape()
    knee, more = _knee(curve, shape)
    return LengthSweep(
        points, steps, curve.p, shape, curve.fit(), knee, len(risk), grouping.units, (*notes, *more)
    )  # fmt: skip


def _read(lengths: ArrayLike, deployed: ArrayLike, reachable: ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The three arrays, checked, with ascending lengths."""
    grid = np.asarray(lengths, dtype=np.float64)
    utilities = np.asarray(deployed, dtype=np.float64)
    best = np.asarray(reachable, dtype=np.float64)
    if grid.ndim != 1 or not len(grid) or utilities.ndim != 2 or utilities.shape[1] != len(grid):
        raise InputError(f"deployed must be (items, lengths): got shape {utilities.shape} for {grid.size} lengths")
    if best.shape != utilities.shape[:1]:
        raise InputError(f"reachable must be one utility per item, {utilities.shape[:1]}: got shape {best.shape}")
    if not np.all(np.isfinite(grid)) or np.any(grid < 0) or len(np.unique(grid)) < len(grid):
        raise InputError("lengths must be different numbers of tokens, 0 or more")
    for what, values in (("deployed", utilities), ("reachable", best)):
        if np.any((values < 0) | (values > 1)) or np.any(np.isinf(values)):
            raise InputError(f"{what} holds a utility outside [0, 1]: use NaN where one is missing")
    order = np.argsort(grid)
    return grid[order], utilities[:, order], best


def _kept(clusters: ArrayLike, known: NDArray[np.bool_]) -> NDArray[Any]:
    labels: NDArray[Any] = np.asarray(clusters)
    if labels.shape != known.shape:
        raise InputError(f"clusters must be {len(known)} labels, one per item: got shape {labels.shape}")
    return labels[known]


def _left_out(count: int, items: int) -> list[Diagnostic]:
    if not count:
        return []
    said = f"{count} of {items} items are not known at every length and were left out."
    return [Diagnostic("incomplete_items", said, "warning")]


def _point(length: float, utilities: FloatArray, risk: FloatArray, grouping: Grouping, level: float) -> LengthPoint:
    return LengthPoint(
        length,
        interval_of_mean(utilities, grouping, level=level),
        interval_of_mean(risk, grouping, level=level, bounded=False),
    )


def _step(grid: FloatArray, j: int, risk: FloatArray, grouping: Grouping, level: float) -> LengthStep:
    per_token = (risk[:, j + 1] - risk[:, j]) / (grid[j + 1] - grid[j])
    figure = interval_of_mean(per_token, grouping, level=level, bounded=False)
    return LengthStep(float(grid[j]), float(grid[j + 1]), figure)


class _Curve:
    """The exponential curve of the means and of every resample of them.

    For a fixed scale the curve is linear in floor and fall, so the fit is a search over a grid of scales, in which each
    scale costs one matrix product for all resamples together.
    """

    def __init__(self, grid: FloatArray, risk: FloatArray, resampler: Resampler, level: float) -> None:
        self.grid, self.level, self.units = grid, level, resampler.grouping.units
        self.means = np.array([resampler.grouping.mean(column) for column in risk.T])
        self.resampled = np.stack([resampler.means(column) for column in risk.T], axis=1)
        self.ends = grid[grid > 0][0], grid[-1]
        # From "all of it lies before the first positive length" to "as good as straight over the whole sweep".
        self.scales = np.geomspace(self.ends[0] / 5, 5 * self.ends[1], _SCALES)
        decay = np.exp(-grid / self.scales[:, None])
        self._basis = decay - decay.mean(axis=1, keepdims=True)
        self._norms = (self._basis**2).sum(axis=1)
        self.p = self._test()
        self.floor, self.fall, self.scale = (float(part[0]) for part in self._solve(self.means[None]))
        self.floors, self.falls, self.own_scales = self._solve(self.resampled)

    def _slopes(self, means: FloatArray) -> FloatArray:
        """(R, scales) least-squares falls."""
        return np.asarray((means - means.mean(axis=1, keepdims=True)) @ self._basis.T / self._norms)

    def _solve(self, means: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Floor, fall and scale of each row: the best scale of the grid, refined by a parabola."""
        explained = self._slopes(means) ** 2 * self._norms
        best = np.argmax(explained, axis=1)
        inner = np.clip(best, 1, _SCALES - 2)
        below, at, above = (np.take_along_axis(explained, inner[:, None] + shift, 1)[:, 0] for shift in (-1, 0, 1))
        bend = below - 2 * at + above
        # At an end of the grid, and where the curve is flat in the scale, there is no peak to refine.
        peaked = (best == inner) & (bend < 0)
        shift = np.where(peaked, (below - above) / np.where(peaked, 2 * bend, 1.0), 0.0)
        scale = self.scales[best] * (self.scales[1] / self.scales[0]) ** shift
        decay = np.exp(-self.grid / scale[:, None])
        basis = decay - decay.mean(axis=1, keepdims=True)
        fall = ((means - means.mean(axis=1, keepdims=True)) * basis).sum(axis=1) / (basis**2).sum(axis=1)
        return means.mean(axis=1) - fall * decay.mean(axis=1), fall, scale

    def _test(self) -> float | None:
        """Of no effect; None where length changes every item alike, so that there is no spread to test by."""
        moved = self._slopes(self.resampled - self.means)
        errors = np.sqrt((moved**2).mean(axis=0))
        if not np.all(errors > _NO_SPREAD):
            return None
        observed = np.max(np.abs(self._slopes(self.means[None])) / errors)
        largest = np.max(np.abs(moved) / errors, axis=1)
        return float((1 + (largest >= observed).sum()) / (1 + len(largest)))

    def _at(self, floor: FloatArray, fall: FloatArray, scale: FloatArray) -> FloatArray:
        return np.asarray(floor[:, None] + fall[:, None] * np.exp(-self.grid / scale[:, None]))

    def shape(self) -> Shape:
        """See `LengthSweep.shape`."""
        if float(np.ptp(self.means)) < _NO_SPREAD or (self.p is not None and self.p > 1 - self.level):
            return "flat"
        if self._misfits():
            return "other"
        return "falling" if self.fall > 0 else "rising"

    def _misfits(self) -> bool:
        """Whether some mean is off the curve, materially, and surely at the level over all lengths together."""
        off = self._residuals()
        moved = self.resampled - self._at(self.floors, self.falls, self.own_scales)
        tail = (1 - self.level) / 2 / len(self.grid)
        low, high = np.quantile(moved, [tail, 1 - tail], axis=0)
        sure = (low > 0) | (high < 0) | (self.p is None)
        spread = float(np.ptp(self.means))
        return bool(np.any(sure & (np.abs(off) > MATERIAL * spread)))

    def _residuals(self) -> FloatArray:
        curve = self._at(np.array([self.floor]), np.array([self.fall]), np.array([self.scale]))
        return np.asarray(self.means - curve[0])

    def fit(self) -> LengthFit:
        """The curve with its intervals."""
        slopes = -self.falls[:, None] / self.own_scales[:, None] * np.exp(-self.grid / self.own_scales[:, None])
        slope = -self.fall / self.scale * np.exp(-self.grid / self.scale)
        return LengthFit(
            self.figure(self.floor, self.floors),
            self.figure(self.fall, self.falls),
            self.figure(self.scale, np.where(self.own_scales >= self.scales[-1], math.inf, self.own_scales)),
            tuple(self.figure(float(value), slopes[:, j]) for j, value in enumerate(slope)),
            float(np.abs(self._residuals()).max()),
        )

    def figure(self, value: float, resampled: FloatArray) -> Figure:
        """A value with its percentile interval; an end that is not finite is None, and both are without any spread."""
        if self.p is None:
            return Figure(value, None, None, self.level, "no spread", self.units)
        tail = (1 - self.level) / 2
        # Order statistics: between a finite and an infinite one there is nothing to interpolate.
        low, high = np.quantile(resampled, [tail, 1 - tail], method="inverted_cdf")
        ends = [float(end) if math.isfinite(end) else None for end in (low, high)]
        return Figure(value, ends[0], ends[1], self.level, "bootstrap", self.units)


def _knee(curve: _Curve, shape: Shape) -> tuple[Figure | None, list[Diagnostic]]:
    """The knee, or why there is none."""
    first, last = curve.ends
    factor = math.log(1 / (1 - KNEE_SHARE))
    knee = factor * curve.scale
    # A resample that does not fall has its knee beyond every length.
    figure = curve.figure(knee, np.where(curve.falls > 0, factor * curve.own_scales, math.inf))
    if shape == "flat":
        said = "No effect of length is shown (the risk may be the same at every length), so there is no knee."
        return None, [Diagnostic("no_effect", said, "info")]
    if shape == "rising":
        said = "The risk rises with longer reasoning, so there is no knee: the shortest length is the best measured."
        return None, [Diagnostic("rising_risk", said, "warning")]
    if shape == "other":
        said = (
            "The risk changes with length, but not as an exponential fall does (it may turn): no knee; read the steps."
        )
        return None, [Diagnostic("poor_fit", said, "warning")]
    if knee > last:
        least = "" if figure.low is None else f", and its interval begins at {figure.low:.0f}"
        said = (
            f"The risk still falls at {last:g} tokens, the longest measured: by the curve the knee lies beyond "
            f"{last:g} tokens{least}. Measure longer ones."
        )
        return None, [Diagnostic("knee_beyond", said, "warning")]
    if knee < first:
        said = (
            f"The fall is as good as made at {first:g} tokens, the shortest reasoning measured: the knee is at most "
            "that. Measure shorter ones."
        )
        return None, [Diagnostic("knee_before", said, "warning")]
    if curve.p is None:
        return figure, [
            Diagnostic("no_spread", "Length changes every item alike, so nothing has an interval.", "warning")
        ]
    if figure.high is None or figure.high > last:
        said = f"The data set no upper end to the knee within the {last:g} tokens measured."
        return figure, [Diagnostic("knee_open", said, "info")]
    return figure, []
