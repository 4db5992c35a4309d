"""The transition picture: how stated values run through the reasoning into the action, as an alluvial diagram.

A ribbon is a path of cells (a scenario, a draw and a value), as wide as it has cells. Cells in which no stage shows the
value are left out: they are most, and say nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from msgspec import Struct

from akrasia.report.canvas import Drawing
from akrasia.report.palette import LIGHT
from akrasia.report.value_content import ArmContent
from akrasia.report.value_figures import stamp

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Band = tuple[float, float]
"""Lower and upper edge of something in one column."""

_LOOKS: dict[str, tuple[str, float]] = {
    "111": ("reachable", 0.75),
    "101": ("reachable", 0.4),
    "110": ("deployed", 0.75),
    "100": ("deployed", 0.4),
    "011": ("beyond", 0.6),
    "001": ("beyond", 0.35),
    "010": ("beyond", 0.2),
}
"""Path → colour and opacity: what is kept, what is lost, and what was never stated; fainter where the reasoning does
not carry it."""

_ORDER: tuple[tuple[str, ...], ...] = (
    ("111", "101", "110", "100", "011", "001", "010"),
    ("111", "110", "011", "010", "101", "100", "001"),
    ("111", "101", "011", "001", "110", "100", "010"),
)
"""From top to bottom in each column, chosen so that few ribbons cross."""

_STAGES = ("stated", "in the reasoning", "acted on")

_GAP = 0.1
"""Between what is in a stage and what is not, as a share of all."""

_NODE = 0.045
_LEFT, _RIGHT = 0.5, 0.98
"""Inches of the labels at both sides."""

_LEAST = 0.17
"""Labels at the right stand at least so far apart, as a share of the panel."""


class Flow(Struct, frozen=True):
    """Paths of an arm, and through which columns.

    Attributes:
        counts: path as "ard" bits, in an arm without reasoning as "1-1" → cells.
        columns: which of the three stages there are.
    """

    counts: dict[str, int]
    columns: tuple[int, ...]

    def sum(self, **bits: str) -> int:
        """Cells whose `stated`, `reasoning` and `action` are as given."""
        places = {"stated": 0, "reasoning": 1, "action": 2}
        return sum(
            number
            for path, number in self.counts.items()
            if all(path[places[stage]] == bit for stage, bit in bits.items())
        )


def flow_of(arm: ArmContent) -> Flow:
    """The paths that are drawn: all but those in which no stage shows the value."""
    counts = {path: number for path, number in arm.transitions.items() if "1" in path and number}
    return Flow(counts, (0, 1, 2) if arm.reasons else (0, 2))


def bands(flow: Flow, column: int) -> dict[str, Band]:
    """Where each path stands in a column, from 1 downwards: first those in the stage, then a gap, then the others."""
    found: dict[str, Band] = {}
    share = (1.0 - _GAP) / max(1, sum(flow.counts.values()))
    top = 1.0
    for bit in "10":
        for full in _ORDER[column]:
            path = full if full in flow.counts else f"{full[0]}-{full[2]}"
            if path[column] != bit or path not in flow.counts or path in found:
                continue
            found[path] = (top - share * flow.counts[path], top)
            top = found[path][0]
        top -= _GAP
    return found


def _draw(axes: Axes, arm: ArmContent) -> None:
    axes.set_axis_off()
    stamp(axes, arm.uncalibrated)
    flow = flow_of(arm)
    scale = axes.get_window_extent().width / axes.figure.dpi - _LEFT - _RIGHT
    axes.set_xlim(-_LEFT / scale, 1 + _RIGHT / scale)
    axes.set_ylim(-0.02, 1.2)
    if not flow.counts:
        axes.text(0.5, 0.5, "no value is stated, reasoned with or acted on", ha="center", color=LIGHT["muted"])
        return
    columns = [bands(flow, column) for column in flow.columns]
    xs = [number / (len(columns) - 1) for number in range(len(columns))]
    for (x0, left), (x1, right) in pairwise(zip(xs, columns, strict=True)):
        for path in left:
            _ribbon(axes, (x0 + _NODE / 2, left[path]), (x1 - _NODE / 2, right[path]), path)
    for x, column, found in zip(xs, flow.columns, columns, strict=True):
        _node(axes, flow, x, column, found)
    _starts(axes, columns[0])
    _ends(axes, flow, columns[-1])


def _ribbon(axes: Axes, left: tuple[float, Band], right: tuple[float, Band], path: str) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    (x0, (low0, high0)), (x1, (low1, high1)) = left, right
    middle = (x0 + x1) / 2
    corners = [
        (x0, high0), (middle, high0), (middle, high1), (x1, high1),
        (x1, low1), (middle, low1), (middle, low0), (x0, low0), (x0, high0),
    ]  # fmt: skip
    codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
    colour, opacity = _LOOKS[path.replace("-", "1")]
    # An edge of the same colour keeps a path of few cells visible.
    axes.add_patch(
        PathPatch(Path(corners, codes), facecolor=LIGHT[colour], edgecolor=LIGHT[colour], linewidth=0.3, alpha=opacity)
    )


def _node(axes: Axes, flow: Flow, x: float, column: int, found: dict[str, Band]) -> None:
    """The bar of a stage: full where the value is in it, hollow where it is not; its name and share above."""
    for bit, face in (("1", LIGHT["ink"]), ("0", "none")):
        edges = [edge for path, band in found.items() if path[column] == bit for edge in band]
        if edges:
            axes.bar(
                x, max(edges) - min(edges), _NODE, bottom=min(edges), facecolor=face, edgecolor=LIGHT["ink"],
                linewidth=0.7, zorder=3,
            )  # fmt: skip
    stated = flow.sum(stated="1")
    share = f"{stated:,} cells"
    if column:
        in_it = flow.sum(stated="1", reasoning="1") if column == 1 else flow.sum(stated="1", action="1")
        share = f"{100 * in_it / stated:.0f} % of stated" if stated else "none was stated"
    axes.text(x, 1.115, _STAGES[column], ha="center", va="bottom", fontweight="bold", fontsize=7.5)
    axes.text(x, 1.105, share, ha="center", va="top", fontsize=6.8, color=LIGHT["muted"])


def _middle(found: Sequence[Band]) -> float:
    return (min(low for low, _ in found) + max(high for _, high in found)) / 2


def _starts(axes: Axes, first: dict[str, Band]) -> None:
    """At the left: what was stated and what not."""
    for bit, name in (("1", "stated"), ("0", "not\nstated")):
        there = [band for path, band in first.items() if path[0] == bit]
        if there:
            axes.text(
                -0.5 * _NODE - 0.02, _middle(there), name, ha="right", va="center", fontsize=7.5, color=LIGHT["muted"]
            )


def _ends(axes: Axes, flow: Flow, last: dict[str, Band]) -> None:
    """At the right: what became of it, in words and numbers."""
    stated = flow.sum(stated="1")
    labels = []
    for begin, end, name, colour in (
        ("1", "1", "kept", "reachable"),
        ("1", "0", "lost", "deployed"),
        ("0", "1", "added", "muted"),
        ("0", "0", "only reasoned", "muted"),
    ):
        there = [band for path, band in last.items() if (path[0], path[2]) == (begin, end)]
        if there:
            number = flow.sum(stated=begin, action=end)
            share = f" {100 * number / stated:.1f} %" if begin == "1" else ""
            labels.append((_middle(there), f"{name}{share}", f"{number:,} cells", LIGHT[colour]))
    for place, (_, name, number_of, colour) in zip(apart([at for at, *_ in labels]), labels, strict=True):
        x = 1 + 0.5 * _NODE + 0.02
        axes.text(x, place + 0.004, name, va="bottom", fontsize=7.5, fontweight="bold", color=colour)
        axes.text(x, place - 0.004, number_of, va="top", fontsize=6.8, color=LIGHT["muted"])


def apart(places: Sequence[float], least: float = _LEAST) -> list[float]:
    """Places moved as little upwards as keeps them so far from one another; in the order given."""
    found = list(places)
    floor = float("-inf")
    for place in sorted(range(len(found)), key=found.__getitem__):
        found[place] = max(found[place], floor)
        floor = found[place] + least
    return found


FLOW = Drawing(
    "value-transitions",
    "How stated values run through the reasoning into the action: kept, lost, and added",
    _draw,
    lambda _, width: min(2.9, max(2.1, 0.5 * width)),
    left=False,
    foot=0.1,
    shows=lambda arm: any(arm.transitions.values()),
)
