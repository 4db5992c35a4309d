"""Heat maps of retention: values against domains, and against pressures. What was never stated is hatched, not 0."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

from akrasia.report.canvas import Drawing
from akrasia.report.palette import LIGHT
from akrasia.report.text import plain
from akrasia.report.value_content import ArmContent, HeatMap
from akrasia.report.value_figures import stamp
from akrasia.report.waterfall import lean, plot_strokes
from akrasia.report.wording import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Which = Literal["by_domain", "by_pressure"]

_DEEPEST = 0.5
"""Opacity of a retention of 1: text in ink can still be read on it in both themes."""

_ROW = 0.21
_NAMES = 1.4
"""Inches of a value's name."""

_HEAD, _SLANTED_HEAD = 0.2, 0.62
"""Inches of the names of the columns, upright and aslant."""

_UPRIGHT = 0.8
"""From this width of a field on, in inches, the name of its column stands upright."""

_SMALL = 10
"""Fewer stated cells than this are shown in small type: the share says little."""

_WITH_COUNTS = 0.46
"""From this width of a field on, in inches, it holds its count too."""

_ROOM = 0.17
"""Narrower fields hold no number."""


def _field_width(found: HeatMap, panel: float) -> float:
    """Inches of a field; the last name of slanted columns needs room beyond the last field."""
    plainly = (panel - _NAMES) / len(found.columns)
    return plainly if plainly >= _UPRIGHT else (panel - _NAMES - 0.35) / len(found.columns)


def _draw(which: Which, axes: Axes, arm: ArmContent) -> None:
    axes.set_axis_off()
    stamp(axes, arm.uncalibrated)
    found: HeatMap | None = getattr(arm, which)
    panel = axes.get_window_extent().width / axes.figure.dpi
    if found is None or not found.rows:
        axes.text(0, 0.5, "no stated value to show", color=LIGHT["muted"], transform=axes.transAxes)
        return
    width = _field_width(found, panel)
    upright = width >= _UPRIGHT
    axes.set_xlim(-_NAMES / width, (panel - _NAMES) / width)
    axes.set_ylim(-len(found.rows), (_HEAD if upright else _SLANTED_HEAD) / _ROW)
    for column, name in enumerate(found.columns):
        axes.text(
            column + 0.5, 0.25, plain(short(name, 15)), rotation=0 if upright else 38, rotation_mode="anchor",
            ha="center" if upright else "left", va="bottom", fontsize=7.2, color=LIGHT["muted"],
        )  # fmt: skip
    for row, name in enumerate(found.rows):
        axes.text(-0.08 / width, -row - 0.5, plain(short(name, 27)), ha="right", va="center", fontsize=7)
    _fields(axes, found, width)


def _fields(axes: Axes, found: HeatMap, inches: float) -> None:
    """The fields and the grid between them: deeper is more; hatched where nothing was stated."""
    from matplotlib.patches import Rectangle

    rows, columns = len(found.rows), len(found.columns)
    strokes = []
    for row in range(rows):
        for column in range(columns):
            kept, stated = found.kept[row][column], found.stated[row][column]
            if not stated:
                strokes += lean((column, column + 1), (-row - 1, -row), 0.1 / inches)
                continue
            shade = _DEEPEST * kept / stated
            field = Rectangle((column, -row - 1), 1, 1, facecolor=LIGHT["reachable"], alpha=shade, linewidth=0)
            axes.add_patch(field).set_clip_on(False)
            _say(axes, (column + 0.5, -row - 0.5), kept, stated, inches)
    strokes += [[(0, -row), (columns, -row)] for row in range(rows + 1)]
    strokes += [[(column, 0), (column, -rows)] for column in range(columns + 1)]
    plot_strokes(axes, strokes, LIGHT["rule"], 0.5, 3)


def _say(axes: Axes, middle: tuple[float, float], kept: int, stated: int, inches: float) -> None:
    if inches < _ROOM:
        return
    count = f" ({stated:,})" if inches >= _WITH_COUNTS else ""
    size = 7.0 if stated >= _SMALL else 5.8
    said = f"{100 * kept / stated:.0f}{count}"
    axes.text(*middle, said, ha="center", va="center", fontsize=min(size, 25 * inches), zorder=4)


def _height(which: Which, arm: ArmContent, panel: float) -> float:
    found: HeatMap | None = getattr(arm, which)
    if found is None or not found.rows:
        return 2 * _ROW
    return (_HEAD if _field_width(found, panel) >= _UPRIGHT else _SLANTED_HEAD) + _ROW * len(found.rows)


BY_DOMAIN = Drawing(
    "value-domains",
    "Retention of each value in each domain; fields without a stated value are hatched",
    partial(_draw, "by_domain"),
    partial(_height, "by_domain"),
    left=False,
    columns=1,
    foot=0.1,
)
BY_PRESSURE = Drawing(
    "value-pressures",
    "Retention of each value under each pressure; fields without a stated value are hatched",
    partial(_draw, "by_pressure"),
    partial(_height, "by_pressure"),
    left=False,
    columns=1,
    foot=0.1,
)
