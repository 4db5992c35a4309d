"""The figures of a study that compare cells: lines of utility or risk over temperature, votes, lengths or stages.

They are drawn from data that the study computed. Levels to compare with are flat and dashed; every line has its name
beside it, so that no two are told apart by colour alone.
"""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from akrasia.report.canvas import Drawing, Format, Width, draw
from akrasia.report.palette import LIGHT
from akrasia.report.text import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BAND = 0.09

_LETTER = 0.082
"""Inches that a letter of a line's name takes."""

_STEPS = (0.02, 0.05, 0.1, 0.2)
_LEAST_TOP = 0.1
"""A scale of fewer points than this would make noise look like an effect."""

_LINE = 0.075
"""Height of a line of text, as a share of the panel: names stand at least so far apart."""


class Point(Struct, frozen=True):
    """A point of a line, with its interval where it has one."""

    x: float
    value: float
    low: float | None = None
    high: float | None = None


class Line(Struct, frozen=True):
    """A line, or, when `flat`, a level over the whole panel; points that are not `joined` stand alone."""

    label: str
    role: Literal["deployed", "reachable", "beyond"]
    points: tuple[Point, ...]
    flat: bool = False
    joined: bool = True


class Panel(Struct, frozen=True):
    """One set of axes."""

    label: str
    lines: tuple[Line, ...]

    @property
    def digest(self) -> str:
        """No two panels show the same pool in the same way."""
        return self.label


class Series(Struct, frozen=True):
    """The data of one figure, as `study.json` has it."""

    name: str
    title: str
    x_label: str
    y_label: str
    scale: Literal["linear", "category"]
    ticks: tuple[tuple[float, str], ...]
    panels: tuple[Panel, ...]


_FOOT, _FURTHER_LINE = 0.5, 0.17
"""Inches below a panel: with one line of a label, and for each further one."""


def draw_series(series: Series, width: Width, form: Format) -> bytes:
    """One figure, as the bytes of a file; see `akrasia.report.canvas.draw`."""
    scale = _scale(series)
    drawing = Drawing(
        series.name,
        series.title,
        partial(_panel, series, scale),
        height=_height,
        y_label=series.y_label,
        foot=_FOOT + _FURTHER_LINE * series.x_label.count("\n"),
    )
    return draw(drawing, series.panels, width, form)


def _height(_: Panel, width: float) -> float:
    return min(2.1, 0.66 * width)


def _scale(series: Series) -> tuple[float, float, float]:
    """Lowest and highest utility of the axis and the step of its ticks, one scale for all panels."""
    points = [point for panel in series.panels for line in panel.lines for point in line.points]
    # No utility and no difference of two lies beyond 1 and −1, whatever a t interval of few items says.
    top = min(1.0, max([_LEAST_TOP, *(point.value if point.high is None else point.high for point in points)]))
    bottom = max(-1.0, min([0.0, *(point.value if point.low is None else point.low for point in points)]))
    step = next((step for step in _STEPS if (top - bottom) / step <= 6), _STEPS[-1])
    return step * math.floor(bottom / step), step * math.ceil(top / step - 1e-9), step


def _panel(series: Series, scale: tuple[float, float, float], axes: Axes, panel: Panel) -> None:
    bottom, top, step = scale
    xs = [point.x for line in panel.lines if not line.flat for point in line.points] or [0.0]
    left, right = _span(series, xs)
    inches = axes.get_window_extent().width / axes.figure.dpi
    share = min(0.5, _LETTER * max((len(line.label) for line in panel.lines), default=0) / inches)
    end = left + (right - left) / (1 - share)  # the names of the lines stand to the right of them
    axes.set_xlim(left, end)
    axes.set_ylim(bottom, top)
    ticks = [bottom + step * number for number in range(round((top - bottom) / step) + 1)]
    axes.set_yticks(ticks, [f"{100 * tick:.0f}".replace("-", "\N{MINUS SIGN}") for tick in ticks])
    if bottom < 0:
        axes.tick_params(axis="y", pad=1.5, labelsize=6.0)  # a sign and three digits, in the room of three
    places = list(series.ticks) or [(x, f"{x:g}") for x in sorted(set(xs))]
    axes.set_xticks([x for x, _ in places], _apart([plain(name) for _, name in places], inches * (1 - share)))
    axes.set_xlabel(series.x_label, x=(1 - share) / 2)
    axes.spines["bottom"].set_bounds(left, right)
    if bottom < 0:
        axes.plot([left, right], [0, 0], color=LIGHT["rule"], linewidth=0.8, zorder=0)
    ends = []
    for number, line in enumerate(panel.lines):
        # Whiskers at one x would hide one another, so each line stands a little beside the last.
        aside = 0.012 * (right - left) * number
        points = [line.points[0]] * 2 if line.flat else list(line.points)
        _line(axes, [left, right] if line.flat else [point.x + aside for point in points], points, line)
        colour = "muted" if line.role == "beyond" else line.role  # text needs more contrast than a line
        ends.append((points[-1].value, plain(line.label), LIGHT[colour]))
    _names(axes, ends, right + 0.02 * (right - left))


def _apart(names: list[str], inches: float) -> list[str]:
    """The ticks' names; where they would run into one another, every second one a line lower."""
    room = inches / max(1, len(names))
    crowded = any(_LETTER * max(map(len, pair)) > room for pair in pairwise(names))
    return [f"\n{name}" if crowded and number % 2 else name for number, name in enumerate(names)]


def _span(series: Series, xs: list[float]) -> tuple[float, float]:
    low, high = min(xs), max(xs)
    room = 0.06 * (high - low) or 0.5
    if series.scale == "category":
        numbers = [x for x, _ in series.ticks]
        low, high, room = min(numbers), max(numbers), 0.25
    return low - room, high + room


def _line(axes: Axes, xs: list[float], points: list[Point], line: Line) -> None:
    """A line with a whisker at each point, or a dashed level with a band."""
    colour, values = LIGHT[line.role], [point.value for point in points]
    known = [(x, p.low, p.high) for x, p in zip(xs, points, strict=True) if p.low is not None and p.high is not None]
    if line.flat:
        if known:
            x, low, high = zip(*known, strict=True)
            axes.fill_between(x, low, high, color=colour, alpha=_BAND, linewidth=0)
        axes.plot(xs, values, color=colour, linewidth=1.2, dashes=(3, 2))
        return
    for at, bottom, top in known:
        axes.plot([at, at], [bottom, top], color=colour, linewidth=1.0)
    axes.plot(xs, values, color=colour, linewidth=1.4 if line.joined else 0, marker="o", markersize=3)


def _names(axes: Axes, ends: list[tuple[float, str, str]], x: float) -> None:
    """The lines' names at their right ends, moved apart where they would collide."""
    bottom, top = axes.get_ylim()
    least = _LINE * (top - bottom)
    place = bottom - least
    for value, name, colour in sorted(ends):
        place = max(value, place + least)
        axes.text(x, place, name, color=colour, fontsize=7.5, fontweight="bold", va="center", ha="left")
