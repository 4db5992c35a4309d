"""How a waterfall is drawn, once for rational value risk and for the value–action gap.

What its stages are, and what is said beside them, is the callers'.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from akrasia.report.content import Interval
from akrasia.report.palette import LIGHT
from akrasia.report.wording import bounds, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

ROW = 0.52
"""Inches of one stage: a line of text and a bar."""

_BAR = (-0.36, 0.0)
"""Where a stage's bar lies below its line of text, in rows."""

_BESIDE = 5.5
"""From this width on, in inches, names and figures stand beside the bars."""

_NAMES, _NUMBERS = 2.05, 1.35
"""Inches of those two columns."""

_SPARE = 0.1
"""Share of a text's width that another font than ours may add on either side."""

_LOOKS = {
    "deployed": ("deployed", 1.0),
    "recoverable": ("reachable", 0.65),
    "reachable": ("reachable", 1.0),
    "reachable_4k": ("reachable", 0.35),
    "perfect": ("beyond", 0.35),
}
"""Colour and opacity of each stage's bar: fainter is less certain."""


class Rung(Struct, frozen=True):
    """One stage as it is drawn.

    Attributes:
        stage: `deployed`, `recoverable`, `reachable`, `reachable_4k` or `perfect`.
        at: its utility.
        name: stands in bold.
        note: a line or two about it.
        alarming: the note is a finding that speaks against what stands here.
        mark: the part of the note that must also stand where there is little room.
        chance: (from, to) utilities between which chance alone would climb as well; hatched.
    """

    stage: str
    at: Interval
    name: str
    note: str = ""
    alarming: bool = False
    mark: str = ""
    chance: tuple[float, float] | None = None


def draw_rungs(axes: Axes, rungs: Sequence[Rung]) -> None:
    """Draw the stages from top to bottom, each bar from where the one before ends."""
    width = axes.get_window_extent().width / axes.figure.dpi
    beside = width >= _BESIDE
    rows = max(1, len(rungs))
    tall = any("\n" in rung.note for rung in rungs)  # two lines under the name lift it above its bar
    axes.set_ylim(-rows + 0.42, 0.42 if not beside else 0.28 if tall else 0.08)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    percent_axis(axes, "x", "points of utility")
    if beside:
        # The columns of names and numbers stand outside the scale, which the axis line then shows the length of.
        axes.set_xlim(-_NAMES / (width - _NAMES - _NUMBERS), 1 + _NUMBERS / (width - _NAMES - _NUMBERS))
        axes.spines["bottom"].set_bounds(0, 1)
        axes.xaxis.set_label_coords(0.5, -0.28 / (ROW * rows), transform=axes.get_xaxis_transform())
    else:
        axes.set_xlim(0, 1)
    before: Rung | None = None
    for row, rung in enumerate(rungs):
        _bar(axes, -row, rung, before)
        above_bar = _label(axes, -row, rung, before, beside=beside)
        if before is not None and not any(_crosses(axes, text, before.at.value) for text in above_bar):
            ends = (-row + _BAR[1], -row + 1 + _BAR[0])
            axes.plot([before.at.value] * 2, ends, color=LIGHT["muted"], linewidth=0.7, zorder=1)
        before = rung


def _bar(axes: Axes, y: float, rung: Rung, before: Rung | None) -> None:
    value = rung.at.value
    start = 0.0 if before is None else before.at.value
    colour, opacity = _LOOKS.get(rung.stage, ("beyond", 0.4))
    if value < start:
        colour, opacity = "error", 1.0
    middle = y + sum(_BAR) / 2
    height = _BAR[1] - _BAR[0]
    axes.barh(
        middle, value - start, height=height, left=start, color=LIGHT[colour], alpha=opacity, linewidth=0, zorder=2
    )
    if rung.chance is not None:
        _hatch(axes, rung.chance, (middle - height / 2, middle + height / 2))
    whisker(axes, rung.at, middle)


def _crosses(axes: Axes, text: Text, at: float) -> bool:
    """Whether a line down the figure at a utility would run through a text."""
    extent = text.get_window_extent(axes.figure.canvas.get_renderer())  # type: ignore[attr-defined]  # Agg's has one
    x = float(axes.transData.transform((at, 0.0))[0])
    spare = _SPARE * extent.width
    return float(extent.x0) - spare < x < float(extent.x1) + spare


def _hatch(axes: Axes, span: tuple[float, float], edges: tuple[float, float]) -> None:
    """What chance alone gives: an outline with strokes over whatever is below."""
    (left, right), (bottom, top) = span, edges
    outline = [(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)]
    plot_strokes(axes, [outline, *lean(span, edges, 0.018)], LIGHT["ink"], 0.5, 3)


def lean(span: tuple[float, float], edges: tuple[float, float], step: float) -> list[list[tuple[float, float]]]:
    """Strokes that hatch a rectangle; drawn as lines, since a pattern would not follow the page's theme.

    Args:
        span: from and to, along x.
        edges: lower and upper, along y.
        step: between strokes, along x, and how far each leans.
    """
    (left, right), (bottom, top) = span, edges
    starts = [left + number * step for number in range(max(1, round((right - left) / step)))]
    return [
        [(at, bottom), (min(at + step, right), bottom + (top - bottom) * (min(at + step, right) - at) / step)]
        for at in starts
    ]


def plot_strokes(
    axes: Axes, strokes: Sequence[Sequence[tuple[float, float]]], colour: str, linewidth: float, order: int
) -> None:
    """Several lines as one path, which keeps the page small.

    Args:
        axes: where.
        strokes: the points of each line.
        colour: of all.
        linewidth: in points.
        order: what lies above what.
    """
    gap = (float("nan"), float("nan"))
    corners = [point for stroke in strokes for point in (*stroke, gap)][:-1]
    axes.plot(*zip(*corners, strict=True), color=colour, linewidth=linewidth, zorder=order)


def whisker(axes: Axes, at: Interval, y: float, half: float = 0.06) -> None:
    """An interval along x, in ink on a rim of paper so that it is seen on any bar."""
    if at.low is None or at.high is None or at.low == at.high:
        return
    ends = [[(end, y - half), (end, y + half)] for end in (at.low, at.high)]
    for colour, linewidth, order in ((LIGHT["paper"], 2.2, 4), (LIGHT["ink"], 1.0, 5)):
        plot_strokes(axes, [[(at.low, y), (at.high, y)], *ends], colour, linewidth, order)


def _label(axes: Axes, y: float, rung: Rung, before: Rung | None, *, beside: bool) -> list[Text]:
    """Name and figures of a stage: in columns beside the bar where there is room, else above it; those above it."""
    note_colour = LIGHT["error"] if rung.alarming else LIGHT["muted"]
    ends = "" if rung.stage == "perfect" else f" {bounds(rung.at)}"
    figures = f"{points(rung.at.value)}{ends}"
    step = "" if before is None else points(rung.at.value - before.at.value, signed=True)
    middle = y + sum(_BAR) / 2
    if beside:
        left, right = axes.get_xlim()
        lift = 0.05 if "\n" not in rung.note else 0.2
        axes.text(left, middle + lift, rung.name, fontweight="bold", va="bottom")
        axes.text(left, middle + lift - 0.07, rung.note, va="top", color=note_colour, fontsize=7.5, linespacing=1.25)
        axes.text(right, middle + 0.05, figures, ha="right", va="bottom")
        axes.text(
            right,
            middle - 0.02,
            f"step {step}" if step else "",
            ha="right",
            va="top",
            color=LIGHT["muted"],
            fontsize=7.5,
        )
        return []
    ground = {"facecolor": LIGHT["paper"], "edgecolor": "none", "pad": 1.2}
    name = f"{rung.name}, verifier harms" if rung.alarming and before is not None else rung.name
    written = f"{step}  →  {figures}" if step else figures
    above_bar = [
        axes.text(0, y + 0.09, name, fontweight="bold", va="bottom", bbox=ground),
        axes.text(1, y + 0.09, written, ha="right", va="bottom", bbox=ground),
    ]
    if rung.mark:
        place = (1, y + _BAR[0] - 0.06)
        axes.text(*place, rung.mark, ha="right", va="top", color=LIGHT["muted"], fontsize=6.5, bbox=ground)
    return above_bar


def percent_axis(axes: Axes, which: str, label: str) -> None:
    """Ticks of an axis of utility from 0 to 1, in points; x may have a label."""
    ticks = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    labels = [f"{100 * tick:.0f}" for tick in ticks]
    if which == "x":
        axes.set_xticks(ticks, labels)
        axes.set_xlabel(label)
    else:
        axes.set_yticks(ticks, labels)
