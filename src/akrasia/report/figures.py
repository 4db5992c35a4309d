"""The three figures of the report: the waterfall, the saturation curves, and the distribution of per-item success.

Each draws one cell on one set of axes; `canvas` makes the panels and the files. All axes of utility run from 0 to 100.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from akrasia.report.canvas import Drawing
from akrasia.report.content import CellContent, CurvePoint, Interval
from akrasia.report.palette import LIGHT
from akrasia.report.waterfall import ROW, Rung, draw_rungs, percent_axis
from akrasia.report.wording import points, stage_name, stage_note
from akrasia.stats.waterfall import HARMS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BAND = 0.18
"""Opacity of a band: two that overlap can still be told apart."""

_CROWDED = 0.9
"""Above this, a label no longer fits between a band and the top of the scale."""

_GAP = 0.14
"""The least gap that an arrow with the risk fits into."""

_PLACES = (0.5, 0.35, 0.65, 0.25, 0.75)
"""Where in its gap the risk may stand, the best place first."""

_BINS = 20
"""Bars of the distribution where utilities are graded, or candidates too many for a bar per count."""


def _waterfall(axes: Axes, cell: CellContent) -> None:
    rungs = []
    for stage in cell.waterfall:
        note = stage.note or stage_note(cell, stage.stage)
        rungs.append(Rung(stage.stage, stage.at, stage_name(cell, stage.stage), note, HARMS in stage.note))
    draw_rungs(axes, rungs)


def _curve(axes: Axes, cell: CellContent) -> None:
    curve = cell.curve
    ks = [point.k for point in curve]
    last = max(ks, default=1)
    beyond = next((stage.at for stage in cell.waterfall if stage.stage == "reachable_4k"), None)
    end = 4 * last if beyond is not None else last
    axes.set_xscale("log", base=2)
    axes.set_xlim(0.94, end * (1.06 if end > 1 else 2.2))
    ticks = [2**power for power in range(end.bit_length()) if 2**power <= end]
    if last not in ticks and (not ticks or all(abs(last - tick) / last > 0.2 for tick in ticks)):
        ticks.append(last)
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("candidates per item, k")
    # A line of text fits above the scale, so that a curve that ends at its top is named above it, too.
    axes.set_ylim(0, 1 / (1 - _line_share(axes)))
    axes.spines["left"].set_bounds(0, 1)
    percent_axis(axes, "y", "")
    if not curve:
        return
    reachable = [point.reachable for point in curve]
    if any(point.uncorrected for point in curve):
        _uncorrected(axes, curve)
    else:
        _band(axes, ks, reachable, LIGHT["reachable"])
        axes.plot(ks, [at.value for at in reachable], color=LIGHT["reachable"], linewidth=1.6)
    if beyond is not None:
        axes.plot(
            [last, end], [reachable[-1].value, beyond.value], color=LIGHT["reachable"], linewidth=1.2, dashes=(3, 2)
        )
        _band(axes, [last, end], [reachable[-1], beyond], LIGHT["reachable"], opacity=_BAND / 2)
    if cell.deployed is not None:
        _band(axes, [0.94, end], [cell.deployed] * 2, LIGHT["deployed"])
        axes.plot([0.94, end], [cell.deployed.value] * 2, color=LIGHT["deployed"], linewidth=1.6)
    _curve_labels(axes, cell, last, reachable[-1])


def _uncorrected(axes: Axes, curve: Sequence[CurvePoint]) -> None:
    """A curve of which gold corrects the last point alone: the others as dots that do not lead up to it."""
    raw = [point for point in curve if point.uncorrected]
    ks = [point.k for point in raw]
    values = [point.reachable.value for point in raw]
    axes.plot(ks, values, color=LIGHT["reachable"], linewidth=1.2, dashes=(1, 2))
    if len(raw) > 1:
        axes.annotate(
            "uncorrected", (ks[-1], values[-1]), xytext=(-6, 4), textcoords="offset points", color=LIGHT["muted"],
            fontsize=7.5, ha="right", va="bottom",
        )  # fmt: skip
    last = curve[-1]
    at = last.reachable
    axes.plot([last.k], [at.value], color=LIGHT["reachable"], marker="o", markersize=4, linestyle="none")
    if at.low is not None and at.high is not None:
        axes.plot([last.k] * 2, [at.low, at.high], color=LIGHT["reachable"], linewidth=1.2)


def _curve_labels(axes: Axes, cell: CellContent, last: int, top: Interval) -> None:
    """The names stand at the lines, and the risk at the gap between them."""
    height = _line_share(axes) * axes.get_ylim()[1]
    line = None if cell.deployed is None else cell.deployed.value
    # Under its line the name of what is deployed leaves the gap free, unless the scale ends there.
    under = cell.deployed is not None and (
        _lower(cell.deployed) > 1 - _CROWDED or height < cell.deployed.value > top.value - height
    )
    named = None if line is None else (line - height, line) if under else (line, line + height)
    name = _name_of_curve(cell.curve, named, height)
    axes.annotate(
        "reachable@k", (name.k, name.at), xytext=(-2, 3), textcoords="offset points", ha="right", va="bottom",
        color=LIGHT["reachable"], fontweight="bold",
    )  # fmt: skip
    if line is None or named is None:
        return
    axes.annotate(
        "deployed", (last, line), xytext=(-2, -3 if under else 3),
        textcoords="offset points", ha="right", va="top" if under else "bottom", color=LIGHT["deployed"],
        fontweight="bold",
    )  # fmt: skip
    taken = (name.at, name.at + height)
    place = _free(line, top.value, [taken, named], height)
    # Between a line and a point of two kinds, of which gold corrects one, the gap is no risk.
    mixed = cell.curve[-1].risk_uncorrected
    if cell.risk is None or last == 1 or mixed or top.value - line < _GAP or place is None:
        return
    axes.annotate(
        "", (last, top.value), xytext=(last, line),
        arrowprops={"arrowstyle": "<->", "color": LIGHT["ink"], "linewidth": 0.8, "shrinkA": 1, "shrinkB": 1},
    )  # fmt: skip
    axes.annotate(
        f"risk {points(cell.risk.value)}", (last, place), xytext=(-5, 0), textcoords="offset points", ha="right",
        va="center", color=LIGHT["ink"], fontweight="bold",
    )  # fmt: skip


class _Name(Struct, frozen=True):
    """Above which point the name of the curve stands, and from which utility on."""

    k: int
    at: float


def _name_of_curve(curve: Sequence[CurvePoint], taken: tuple[float, float] | None, height: float) -> _Name:
    """The place nearest to the line that is free.

    Args:
        curve: its points.
        taken: where the name of what is deployed stands; None: nowhere.
        height: of a line of text.
    """
    last, top = curve[-1].k, curve[-1].reachable
    # The curve rises, so above a narrow band there is room to the left of a point, unless the scale ends there.
    roomy = [
        point
        for point in curve
        if _upper(point.reachable) < min(_CROWDED, point.reachable.value + 2 * height) and point.k**2 >= last
    ]
    found = _Name(roomy[-1].k, _upper(roomy[-1].reachable)) if roomy else _Name(last, top.value)
    if taken is None or found.at >= taken[1] or found.at + height <= taken[0]:
        return found
    return replace(found, at=taken[1])


def _line_share(axes: Axes) -> float:
    """What a line of text and the space beside it take of the height of the axes."""
    inches = float(axes.get_window_extent().height) / float(axes.figure.dpi)
    return 14.0 / (72.0 * inches)


def _free(low: float, high: float, taken: Sequence[tuple[float, float]], height: float) -> float | None:
    """A place for a line of text between two utilities, clear of spans that are taken; None where there is none."""
    for share in _PLACES:
        at = low + share * (high - low)
        bottom, top = at - height / 2, at + height / 2
        if low < bottom and top < high and all(top <= start or end <= bottom for start, end in taken):
            return at
    return None


def _lower(at: Interval) -> float:
    return at.value if at.low is None else at.low


def _upper(at: Interval) -> float:
    return at.value if at.high is None else at.high


def _band(axes: Axes, ks: list[int] | list[float], ats: list[Interval], colour: str, opacity: float = _BAND) -> None:
    known = [(k, at.low, at.high) for k, at in zip(ks, ats, strict=True) if at.low is not None and at.high is not None]
    if known:
        x, low, high = zip(*known, strict=True)
        axes.fill_between(x, low, high, color=colour, alpha=opacity, linewidth=0)


def _success(axes: Axes, cell: CellContent) -> None:
    known = [share for share in cell.success if share is not None]
    bars = cell.k if cell.binary and cell.k <= _BINS * 2 else _BINS
    counts = Counter(round(share * bars) for share in known)
    largest = max(counts.values(), default=1)
    for place in range(bars + 1):
        number = counts.get(place, 0)
        if number:
            colour = LIGHT["beyond"] if place == 0 else LIGHT["deployed"] if place == bars else LIGHT["reachable"]
            axes.bar(place / bars, number, width=0.8 / bars, color=colour, linewidth=0)
    axes.set_xlim(-0.6 / bars - 0.01, 1 + 0.6 / bars + 0.01)
    axes.set_ylim(0, largest * 1.2)
    percent_axis(axes, "x", "candidates that succeed (%)" if cell.binary else "mean utility of the candidates (points)")
    from matplotlib.ticker import MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, steps=[1, 2, 5, 10]))
    _ends(axes, counts, bars, len(known))


def _ends(axes: Axes, counts: Counter[int], bars: int, known: int) -> None:
    """Name the two ends, which mean something else than the middle: above all bars, so that nothing collides."""
    for place, word, side in ((0, "never", "left"), (bars, "always", "right")):
        if known and counts.get(place, 0):
            share = f"{word} {100 * counts[place] / known:.0f} %"
            colour = LIGHT["muted"] if side == "left" else LIGHT["deployed"]
            edge = axes.get_xlim()[0 if side == "left" else 1]
            pad = 4 if side == "left" else -2
            axes.annotate(
                share, (edge, 1), xycoords=axes.get_xaxis_transform(), xytext=(pad, -1), textcoords="offset points",
                ha=side, va="top", color=colour, fontweight="bold",
            )  # fmt: skip


WATERFALL = Drawing(
    "waterfall",
    "Waterfall from deployed utility to perfect utility, each step with its interval",
    _waterfall,
    lambda cell, _: ROW * max(1, len(cell.waterfall)),
    left=False,
    shows=lambda cell: bool(cell.waterfall),
)
CURVES = Drawing(
    "curves",
    "Reachable utility against the number of candidates, and the deployed utility, with interval bands",
    _curve,
    lambda _, width: min(3.1, max(2.1, 0.52 * width)),
    y_label="points of utility",
    shows=lambda cell: bool(cell.curve),
)
SUCCESS = Drawing(
    "success",
    "How many items have which share of successful candidates",
    _success,
    lambda _, width: min(2.3, max(1.7, 0.42 * width)),
    pools=True,
    y_label="items",
    shows=lambda cell: any(share is not None for share in cell.success),
)

FIGURES: tuple[Drawing[CellContent], ...] = (WATERFALL, CURVES, SUCCESS)
