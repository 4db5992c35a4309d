"""Figures that set arms side by side: fast against slow, the threshold's effect, and models against each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from msgspec import Struct
from msgspec.structs import replace

from akrasia.report.canvas import Drawing
from akrasia.report.content import Interval
from akrasia.report.palette import LIGHT
from akrasia.report.study_figures import Line, Panel, Point, Series
from akrasia.report.text import plain
from akrasia.report.value_content import ArmContent, ValueContent
from akrasia.report.value_figures import stamp
from akrasia.report.value_wording import METRICS, UNCALIBRATED
from akrasia.report.waterfall import percent_axis, whisker
from akrasia.report.wording import bounds, points, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Role = Literal["deployed", "reachable", "beyond"]
_ROLES: tuple[Role, ...] = ("reachable", "deployed", "beyond")

_SLOPES = ("macro_f1", "retention")

MOST_SLOPES = 8
"""Groups that are drawn as slopes; the table has all."""

_ROW = 0.34
_NUMBERS = 1.1
"""Inches of the figures beside the points of a comparison."""


def _y_label(uncalibrated: bool) -> str:
    return f"points ({UNCALIBRATED})" if uncalibrated else "points"


def _point(x: float, at: Interval) -> Point:
    return Point(x, at.value, at.low, at.high)


def slopes(groups: Sequence[ValueContent]) -> Series | None:
    """Fast against slow; None where no group has both."""
    both = [(group, fast, slow) for group in groups if (fast := group.arm("fast")) and (slow := group.arm("slow"))]
    panels = []
    for metric in _SLOPES:
        lines = []
        drawn = [arm for _, *arms in both[:MOST_SLOPES] for arm in arms]
        # Gold does not reach the deliberation effect, which stands by macro-F1; ends of one kind alone make a slope.
        gold = metric != "macro_f1" and all(metric in arm.by_gold for arm in drawn)
        for number, (group, fast, slow) in enumerate(both[:MOST_SLOPES]):
            before, after = (arm.metrics[metric] if gold else arm.as_judged(metric) for arm in (fast, slow))
            if before is None or after is None:
                continue
            effect = group.deliberation if metric == "macro_f1" else None
            change = f"{points(after.value - before.value, signed=True)}"
            if effect is not None:
                change = f"{points(effect.value, signed=True)} {bounds(effect)}"
            name = change if len(both) == 1 else f"{short(group.label, 18)} {change.partition(' ')[0]}"
            lines.append(Line(name, _ROLES[number % 3], (_point(0, before), _point(1, after))))
        if lines:
            kind = ", corrected by gold" if gold else ", as judged" if any(arm.corrected for arm in drawn) else ""
            panels.append(Panel(METRICS[metric] + kind, tuple(lines)))
    if not panels:
        return None
    uncalibrated = any(group.uncalibrated for group, *_ in both)
    panels = _equal_room(panels)
    return Series(
        "value-slopes", "Fast against slow: macro-F1 and retention with intervals", "", _y_label(uncalibrated),
        "category", ((0.0, "fast"), (1.0, "slow")), tuple(panels),
    )  # fmt: skip


def _equal_room(panels: Sequence[Panel]) -> list[Panel]:
    """The panels with names of one length (blanks are not drawn), so that a slope means the same in each."""
    longest = max(len(line.label) for panel in panels for line in panel.lines)
    return [
        replace(panel, lines=tuple(replace(line, label=line.label.ljust(longest)) for line in panel.lines))
        for panel in panels
    ]


def thresholds(arms: Sequence[ArmContent]) -> Series | None:
    """How the figures move with the threshold; None where none has a value."""
    panels = []
    shown = (("macro-F1", "macro_f1"), ("retention", "retention"), ("emergence", "emergence"))
    for arm in arms:
        lines = []
        for role, (name, metric) in zip(_ROLES, shown, strict=True):
            rows = [(row.threshold, at) for row in arm.thresholds if (at := getattr(row, metric)) is not None]
            if rows:
                lines.append(Line(name, role, tuple(_point(x, at) for x, at in rows)))
        if lines:
            panels.append(Panel(arm.label, tuple(lines)))
    if not panels:
        return None
    xs = sorted({row.threshold for arm in arms for row in arm.thresholds})
    return Series(
        "value-thresholds", "Macro-F1, retention and emergence if a value counted from another grade on",
        "grade from which a value is present", _y_label(any(arm.uncalibrated for arm in arms)), "linear",
        tuple((x, f"{x:g}") for x in xs), tuple(panels),
    )  # fmt: skip


class Compared(Struct, frozen=True):
    """One metric of several arms."""

    label: str
    rows: tuple[tuple[str, Interval | None], ...]
    uncalibrated: bool

    @property
    def digest(self) -> str:
        """No two panels show the same metric."""
        return self.label


def compared(arms: Sequence[ArmContent]) -> list[Compared]:
    """The panels of a comparison: metrics of the gap, then parts of the split; those that nobody has are left out."""
    columns: list[tuple[str, list[Interval | None]]] = [
        (METRICS[metric], [arm.metrics[metric] for arm in arms])
        for metric in ("macro_f1", "retention", "emergence", "kappa")
    ]
    columns += [
        ("reachable and not taken, beyond chance", [arm.split.corrected if arm.split else None for arm in arms]),
        ("unreachable", [arm.split.unreachable if arm.split else None for arm in arms]),
    ]
    labels = [arm.label for arm in arms]
    marked = any(arm.uncalibrated for arm in arms)
    return [
        Compared(name, tuple(zip(labels, column, strict=True)), marked)
        for name, column in columns
        if any(at is not None for at in column)
    ]


def _comparison(axes: Axes, panel: Compared) -> None:
    width = axes.get_window_extent().width / axes.figure.dpi
    ends = [end for _, at in panel.rows if at is not None for end in (at.value, at.low) if end is not None]
    least = -0.2 * -(-max(0.0, -min(ends, default=0.0)) // 0.2)  # down to the tick below whatever is negative
    axes.set_xlim(least, least + (1 - least) * width / (width - _NUMBERS))
    axes.set_ylim(-len(panel.rows) + 0.5, 0.55)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    percent_axis(axes, "x", "")
    if least < 0:
        ticks = [least + 0.2 * number for number in range(round((1 - least) / 0.2) + 1)]
        axes.set_xticks(ticks, [points(tick).partition(".")[0] for tick in ticks])
    axes.spines["bottom"].set_bounds(least, 1)
    axes.plot([0, 0], [-len(panel.rows) + 0.5, 0.5], color=LIGHT["rule"], linewidth=0.8, zorder=0)
    right = axes.get_xlim()[1]
    for number, (label, at) in enumerate(panel.rows):
        axes.text(least, -number + 0.12, plain(short(label, 44)), va="bottom", fontsize=7)
        axes.plot([least, 1], [-number - 0.12] * 2, color=LIGHT["rule"], linewidth=0.5, zorder=0)
        said = "undefined" if at is None else f"{points(at.value)} {bounds(at)}"
        axes.text(right, -number - 0.12, said, ha="right", va="center", fontsize=7, color=LIGHT["muted"])
        if at is not None:
            whisker(axes, at, -number - 0.12)
            axes.plot([at.value], [-number - 0.12], marker="o", markersize=4, color=LIGHT["reachable"], zorder=6)
    stamp(axes, panel.uncalibrated)


COMPARISON = Drawing(
    "value-comparison",
    "Metrics of the arms side by side, with intervals",
    _comparison,
    lambda panel, _: _ROW * len(panel.rows),
    left=False,
)
