"""What each pressure does to each value, as a study found it: the heat map of odds ratios, and their table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from akrasia.gap.pressure import Contrast, PressureContrasts
from akrasia.report.canvas import Drawing
from akrasia.report.palette import LIGHT
from akrasia.report.study_wording import ratio, ratio_text, small
from akrasia.report.tables import Column, Table
from akrasia.report.text import plain
from akrasia.report.wording import points, short
from akrasia.stats.intervals import FEW

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ALL = "all values"

SHOWN = 20
"""Contrasts of one cell that the tables for people hold, those with the smallest p; the CSV holds all."""

_ROW = 0.19
_NAMES = 1.5
"""Inches of a row of the heat map, and of a value's name."""

_HEAD = 0.78
"""Inches of the pressures' names, which stand aslant, and …"""
_FOOT = 0.42
"""… of the two lines that say what the colours mean."""

_APART = 0.4
"""Rows between all values together and each of them."""

_STRONGEST = math.log(4)
"""A log odds ratio from which on the colour is deepest."""

_DEEPEST = 0.6
"""Opacity of the deepest colour: text in ink can still be read on it."""

_ROOM = 0.19
"""Narrower fields, in inches, hold no number."""


_CLOSE = 0.3
"""Names of columns closer than this, in inches, stand upright."""

_ASLANT: dict[str, Any] = {"rotation": 38, "ha": "left", "va": "bottom"}
_UPRIGHT: dict[str, Any] = {"rotation": 90, "ha": "left", "va": "center"}


class Pressed(Struct, frozen=True):
    """The pressure contrasts of one cell, as `study.json` has them."""

    where: str
    found: PressureContrasts

    @property
    def label(self) -> str:
        """Stands above the panel."""
        return self.where

    @property
    def digest(self) -> str:
        """No two cells show the same contrasts."""
        return self.where

    @property
    def retention(self) -> list[Contrast]:
        """Those of the odds that a stated value is acted on: over all values, then value by value."""
        return [one for one in (*self.found.overall, *self.found.contrasts) if one.outcome == "retention"]


def _draw(axes: Axes, pressed: Pressed) -> None:
    axes.set_axis_off()
    contrasts = pressed.retention
    pressures = list(dict.fromkeys(one.pressure for one in contrasts))
    values = list(dict.fromkeys(one.value for one in contrasts))
    width = axes.get_window_extent().width / axes.figure.dpi
    field = (width - _NAMES - 0.3) / len(pressures)
    axes.set_xlim(-_NAMES / field, len(pressures) + 0.3 / field)
    axes.set_ylim(-len(values) - _APART - _FOOT / _ROW, _HEAD / _ROW)
    tops = {value: -row - (_APART if value is not None else 0) for row, value in enumerate(values)}
    for column, name in enumerate(pressures):
        axes.text(
            column + 0.5, 0.25, plain(short(name, 15)), rotation_mode="anchor", fontsize=7.2, color=LIGHT["muted"],
            **_ASLANT if field > _CLOSE else _UPRIGHT,
        )  # fmt: skip
    for value, top in tops.items():
        axes.text(
            -0.1 / field, top - 0.5, plain(short(value or ALL, 27)), ha="right", va="center", fontsize=7,
            fontweight="normal" if value else "bold",
        )  # fmt: skip
    for one in contrasts:
        _field(axes, (pressures.index(one.pressure), tops[one.value] - 1), one, field, 1 - pressed.found.level)
    _key(axes, min(tops.values()) - 1, field)


def _field(axes: Axes, corner: tuple[float, float], contrast: Contrast, inches: float, alpha: float) -> None:
    """One field: orange where the pressure suppresses, blue where it brings out, struck out where no pair tells.

    Where few families have both texts the odds ratio says little, so that the colour is paler and the type smaller.
    """
    from matplotlib.patches import Rectangle

    x, y = corner
    frame = Rectangle((x, y), 1, 1, facecolor="none", edgecolor=LIGHT["rule"], linewidth=0.5, zorder=2)
    axes.add_patch(frame)
    found = contrast.odds_ratio
    if found is None:
        axes.plot([x + 0.3, x + 0.7], [y + 0.3, y + 0.7], color=LIGHT["beyond"], linewidth=0.5)
        return
    enough = min(1.0, (found.n or 0) / FEW)
    strength = enough * min(1.0, abs(math.log(found.value)) / _STRONGEST)
    colour = LIGHT["deployed" if found.value < 1 else "reachable"]
    axes.add_patch(Rectangle((x, y), 1, 1, facecolor=colour, alpha=_DEEPEST * strength, linewidth=0, zorder=1))
    shown = contrast.p_adjusted is not None and contrast.p_adjusted <= alpha + 1e-12
    if shown:
        axes.add_patch(
            Rectangle(
                (x + 0.04, y + 0.06), 0.92, 0.88, facecolor="none", edgecolor=LIGHT["ink"], linewidth=0.9, zorder=3
            )
        )
    if inches >= _ROOM:
        axes.text(
            x + 0.5, y + 0.5, ratio(found.value).replace(" ", ""), ha="center", va="center",
            fontsize=min(6.8 if enough == 1 else 5.4, 23 * inches), fontweight="bold" if shown else "normal",
            color=LIGHT["ink" if enough == 1 else "muted"],
        )  # fmt: skip


def _key(axes: Axes, bottom: float, field: float) -> None:
    """What colours and frames mean, in words of those colours."""
    left = -_NAMES / field
    for line, (words, colour) in enumerate(
        (
            ("orange, below 1: acted on less under the pressure; blue: more", "ink"),
            (f"pale: under {FEW} families; struck out: none; framed: shown (Holm)", "muted"),
        )
    ):
        axes.text(left, bottom - 0.5 - 0.85 * line, words, va="top", fontsize=6.6, color=LIGHT[colour])


def _height(pressed: Pressed, _: float) -> float:
    rows = len(dict.fromkeys(one.value for one in pressed.retention))
    return _HEAD + _FOOT + _ROW * (rows + _APART)


HEAT_MAP = Drawing(
    "pressures",
    "Odds ratio of acting on a stated value, under each pressure against without it, for each value",
    _draw,
    _height,
    left=False,
)


def contrast_table(cells: tuple[Pressed, ...]) -> Table:
    """All contrasts for programs, and for people those that tell most."""
    names = ("cell", "pressure", "value", "odds ratio", "kept without", "kept under", "adjusted p", "pairs")
    columns = tuple(Column(name, number=place > 2) for place, name in enumerate(names))
    rows = tuple(
        (
            plain(cell.where),
            one.pressure,
            plain(one.value or ALL),
            ratio_text(one.odds_ratio.value, one.odds_ratio.low, one.odds_ratio.high),
            points(one.neutral),
            points(one.pressed),
            small(one.p_adjusted),
            str(one.pairs),
        )
        for cell in cells
        for one in _telling(cell)
        if one.odds_ratio is not None
    )
    fields = (
        "cell", "outcome", "pressure", "value", "odds_ratio", "odds_ratio_low", "odds_ratio_high", "neutral", "pressed",
        "difference", "difference_low", "difference_high", "p", "p_adjusted", "pairs", "unstated", "missing",
    )  # fmt: skip
    records = tuple(_record(cell, one) for cell in cells for one in (*cell.found.overall, *cell.found.contrasts))
    caption = (
        "Odds of acting on a stated value under each pressure, against those without it in the same family: the "
        f"{SHOWN} contrasts of each cell with the smallest p. Shares kept in points of 100, odds ratios with "
        f"{100 * cells[0].found.level:g} % intervals; p adjusted by Holm over all values and pressures of the cell, "
        "and for all values together over the pressures."
    )
    return Table("pressures", caption, columns, rows, fields, records)


def _telling(cell: Pressed) -> list[Contrast]:
    tested = [one for one in cell.retention if one.p is not None]
    return sorted(tested, key=lambda one: (one.p, one.pressure, one.value or ""))[:SHOWN]


def _record(cell: Pressed, one: Contrast) -> tuple[str | int | float | None, ...]:
    three = [
        end
        for figure in (one.odds_ratio, one.difference)
        for end in ((None, None, None) if figure is None else (figure.value, figure.low, figure.high))
    ]
    return (
        cell.where, one.outcome, one.pressure, one.value, *three[:3], one.neutral, one.pressed, *three[3:], one.p,
        one.p_adjusted, one.pairs, one.unstated, one.missing,
    )  # fmt: skip
