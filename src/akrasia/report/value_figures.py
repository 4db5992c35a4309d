"""The figures of the value–action gap that have a panel per arm, and their list.

The transition picture is drawn in `value_flow`, the heat maps in `value_maps`, lines and comparisons in `value_lines`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from akrasia.report.canvas import Drawing
from akrasia.report.content import Interval
from akrasia.report.palette import LIGHT
from akrasia.report.text import plain
from akrasia.report.value_content import ArmContent, PartRow
from akrasia.report.value_wording import UNCALIBRATED, waterfall_mark, waterfall_note
from akrasia.report.waterfall import ROW, Rung, draw_rungs, whisker
from akrasia.report.wording import points, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LINE = 0.19
"""Inches of one value's row."""

_NAMES, _NUMBERS = 1.42, 0.74
"""Inches of the columns with the names and with the figures beside the bars."""

_FAINT = 0.4


def stamp(axes: Axes, uncalibrated: bool) -> None:
    """The word that every number of the panel stands under, at its upper right corner."""
    if uncalibrated:
        axes.annotate(
            UNCALIBRATED, (1, 1), xycoords="axes fraction", xytext=(0, 4), textcoords="offset points", ha="right",
            va="bottom", fontsize=6.5, fontweight="bold", color=LIGHT["warning"],
        )  # fmt: skip


def stage_title(arm: ArmContent, stage: str) -> str:
    """Name of a stage of the waterfall: "Reachable@4"."""
    return f"Reachable@{arm.split.k}" if stage == "reachable" and arm.split else stage.capitalize()


def _waterfall(axes: Axes, arm: ArmContent) -> None:
    split = arm.split
    rungs = []
    before = 0.0
    for stage in split.waterfall if split else ():
        harms = stage.at.value < before
        chance = None
        if stage.stage == "reachable" and split is not None and split.by_chance is not None:
            start = split.deployed.value
            chance = (start, min(1.0, max(start, start + split.by_chance.value)))
        note = "the judges’ choice harms" if harms else waterfall_note(arm, stage.stage)
        mark = waterfall_mark(arm, stage.stage)
        rungs.append(Rung(stage.stage, stage.at, stage_title(arm, stage.stage), note, harms, mark, chance))
        before = stage.at.value
    draw_rungs(axes, rungs)
    stamp(axes, arm.uncalibrated)


def bar_metric(arm: ArmContent) -> str:
    """What the bars of an arm show: survival where there is reasoning, else retention, which it then equals."""
    return "survival" if arm.reasons else "retention"


def _shown(arm: ArmContent) -> list[PartRow]:
    """The values that are stated at all, by falling figure; those out of macro-F1 last."""

    def rank(row: PartRow) -> tuple[bool, float]:
        at = row.figures[bar_metric(arm)]
        return (not row.supported, 0.0 if at is None else -at.value)

    return sorted((row for row in arm.values if row.stated), key=rank)


def _bars(axes: Axes, arm: ArmContent) -> None:
    metric, rows = bar_metric(arm), _shown(arm)
    width = axes.get_window_extent().width / axes.figure.dpi
    scale = width - _NAMES - _NUMBERS
    axes.set_xlim(-_NAMES / scale, 1 + _NUMBERS / scale)
    axes.set_ylim(-max(1, len(rows)) + 0.4, 0.6)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_bounds(0, 1)
    ticks = [0.0, 0.5, 1.0]
    axes.set_xticks(ticks, [f"{100 * tick:.0f}" for tick in ticks])
    # The label stands under the scale, which is not the middle of the panel.
    axes.set_xlabel(f"{metric} (%)", x=(_NAMES + scale / 2) / width)
    for tick in ticks:
        axes.plot([tick, tick], [-len(rows) + 0.4, 0.6], color=LIGHT["rule"], linewidth=0.6, zorder=0)
    for number, row in enumerate(rows):
        _bar(axes, -number, row, row.figures[metric])
    stamp(axes, arm.uncalibrated)


def _bar(axes: Axes, y: float, row: PartRow, at: Interval | None) -> None:
    left, right = axes.get_xlim()
    name = plain(short(row.name, 27))
    axes.text(left, y, name, va="center", fontsize=7.5, color=LIGHT["ink" if row.supported else "muted"])
    said = "undefined" if at is None else points(at.value)
    axes.text(right, y, f"{said}  n {row.stated:,}", va="center", ha="right", fontsize=7, color=LIGHT["muted"])
    if at is None:
        return
    opacity = 1.0 if row.supported else _FAINT
    axes.barh(y, at.value, height=0.56, color=LIGHT["reachable"], alpha=opacity, linewidth=0, zorder=2)
    whisker(axes, at, y, half=0.16)


WATERFALL = Drawing(
    "value-waterfall",
    "Waterfall from the mean adherence of an action to its stated values up to full adherence, with intervals",
    _waterfall,
    lambda arm, _: ROW * max(1, len(arm.split.waterfall) if arm.split else 1),
    left=False,
)
BARS = Drawing(
    "value-bars",
    "Share of each stated value that survives into the action, with intervals",
    _bars,
    lambda arm, _: _LINE * max(3, len(_shown(arm))),
    left=False,
    shows=lambda arm: bool(_shown(arm)),
)
