"""What the page shows of value suites: its figures with their captions, its tables, and the order of its sections.

A new section is a template in `SECTIONS`; a new figure is an entry in `value_figures`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from markupsafe import Markup
from msgspec import Struct
from msgspec.structs import replace

from akrasia.report.canvas import INCHES, MOST_PANELS, Drawing, Format, Width, draw
from akrasia.report.study_figures import Series, draw_series
from akrasia.report.svg import inline
from akrasia.report.tables import Table
from akrasia.report.value_content import ArmContent, ValueContent
from akrasia.report.value_figures import BARS, WATERFALL
from akrasia.report.value_flow import FLOW
from akrasia.report.value_lines import COMPARISON, MOST_SLOPES, compared, slopes, thresholds
from akrasia.report.value_maps import BY_DOMAIN, BY_PRESSURE
from akrasia.report.value_tables import (
    GROUP_METRICS,
    VALUE_METRICS,
    contrasts_table,
    judged_table,
    metrics_table,
    noise_table,
    parts_table,
    split_table,
    turned,
)
from akrasia.report.value_wording import deliberation_note

SECTIONS = (
    "value_finding.html.j2",
    "value_judged.html.j2",
    "value_figures.html.j2",
    "value_cards.html.j2",
    "value_variation.html.j2",
    "value_reliability.html.j2",
    "value_tables.html.j2",
)
"""Templates of the value part, from top to bottom."""

MOST_MAPS = 4
"""Arms whose heat maps are drawn; the tables have all."""

FIGURE_BYTES = 1_000_000
"""Of the page, what its figures may take; of more, fewer arms are drawn."""

MOST_BESIDE = 3
"""Up to so many arms, each waterfall has the whole width, with its names and figures beside the bars."""

LATE = frozenset({"value-thresholds"})
"""Figures that stand with what the figures depend on, below the cards."""


class ValueFigure(Struct, frozen=True):
    """A figure.

    Attributes:
        name: of its files and its element; title: its heading; alt: what it shows, for those who cannot see it.
        caption: how to read it.
        draw: makes its file.
    """

    name: str
    title: str
    alt: str
    caption: str
    draw: Callable[[Width, Format], bytes]


def value_figures(groups: Sequence[ValueContent], most: int = MOST_PANELS) -> list[ValueFigure]:
    """The figures that apply, in the order of the page.

    Args:
        groups: at least one, or there are no figures.
        most: arms that are drawn.
    """
    arms = [arm for group in groups for arm in group.arms]
    maps = min(MOST_MAPS, most)
    beside = replace(WATERFALL, columns=1) if len(arms) <= MOST_BESIDE else WATERFALL
    found: list[ValueFigure | None] = [
        _panels(
            beside, "Where adherence to the stated values is lost", _WATERFALL, [arm for arm in arms if arm.split], most
        ),
        _panels(
            COMPARISON, "Models and modes side by side", _COMPARISON, compared(arms) if len(groups) > 1 else [], most
        ),
        _panels(FLOW, "From what is stated to what is done", _FLOW, arms, most),
        _panels(BARS, "Which values survive into the action", _BARS, arms, most),
        _lines(slopes(groups), "What deliberation changes", _slope_caption(groups)),
        _panels(
            BY_DOMAIN, "Retention by domain", _MAPS, [arm for arm in arms if arm.by_domain and arm.by_domain.rows], maps
        ),
        _panels(
            BY_PRESSURE,
            "Retention under pressure",
            _MAPS,
            [arm for arm in arms if arm.by_pressure and arm.by_pressure.rows],
            maps,
        ),
        _lines(thresholds(arms[:most]), "How the figures move with the threshold", _THRESHOLDS),
    ]
    return [figure for figure in found if figure is not None]


def _panels(drawing: Drawing[Any], title: str, caption: str, panels: Sequence[Any], most: int) -> ValueFigure | None:
    panels = drawing.of(panels)
    if not panels:
        return None
    if drawing is COMPARISON:
        most = len(panels)  # its panels are metrics
    left = f" The first {most} of {len(panels)} are drawn; the tables have them all." if len(panels) > most else ""
    return ValueFigure(drawing.name, title, drawing.title, caption + left, partial(draw, drawing, panels[:most]))


def _lines(series: Series | None, title: str, caption: str) -> ValueFigure | None:
    if series is None:
        return None
    return ValueFigure(series.name, title, series.title, caption, partial(draw_series, series))


_WATERFALL = (
    "Adherence is the F1, scenario by scenario, of the values in an action with the values stated; from the mean of "
    "one action, in signed steps, to 100. Hatched is what as many actions of other scenarios’ families would gain on "
    "these stated values: chance. What lies above Reachable no action that was drawn attains. Utility is graded, so "
    "nothing is extrapolated. “Not cross-fitted”: the judge that chose the best action also valued it."
)
_COMPARISON = (
    "Each metric with its interval, one row per arm. “Beyond chance” is what is reachable and not taken, less what "
    "chance gives; it may be negative, and is never clipped. The scenarios of different runs are not paired here: "
    "akrasia compare does that."
)
_FLOW = (
    "Each ribbon is a path of cells (scenario, draw, value) and as wide as it has cells: blue is kept, orange lost, "
    "grey never stated; fainter ribbons are those whose value the reasoning does not carry. Full bars are cells in "
    "the stage, hollow ones those that are not. Cells in which no stage shows the value are left out."
)
_BARS = (
    "Of the cells (scenario and draw) that state a value, the share in which it survives into the action: by way of "
    "the reasoning where there is one (survival), else directly (retention). n is the number of stated cells. Fainter: "
    "stated or acted on too seldom to enter macro-F1."
)
_MAPS = (
    "Of the cells that state a value, the share that act on it, in percent (in brackets: how many state it); deeper is "
    "more. "
    "Hatched: never stated there, so there is no retention; it is not 0. Small type: fewer than 10 cells."
)
_THRESHOLDS = (
    "A value counts as present from one grade on. If the figures move much along the axis, they stand on that choice. "
    "Judges that say only yes or no give flat lines."
)


def _slope_caption(groups: Sequence[ValueContent]) -> str:
    alone = len(groups) == 1
    notes = [note for group in groups[:MOST_SLOPES] if (note := deliberation_note(group, alone=alone))]
    basis = (
        "The deliberation effect is macro-F1 of slow less that of fast, paired by scenario, with its interval. "
        "Whiskers are the intervals of each end by itself."
    )
    return " ".join([*notes, basis])


def value_context(groups: Sequence[ValueContent]) -> dict[str, Any]:
    """What the templates of the value part need besides the content."""
    arms = [arm for group in groups for arm in group.arms]
    most = min(MOST_PANELS, len(arms))
    figures, drawn = _drawn(groups, most)
    while most > 1 and (size := sum(len(svg) for widths in drawn.values() for svg in widths.values())) > FIGURE_BYTES:
        most = max(1, min(most - 1, most * FIGURE_BYTES // size))
        figures, drawn = _drawn(groups, most)
    return {
        "value_sections": SECTIONS,
        "value_figures": figures,
        "value_drawn": drawn,
        "late": LATE,
        "value_metrics": _across(arms, metrics_table),
        "value_split": _across([arm for arm in arms if arm.split], split_table),
        "value_judged": judged_table(arms),
        "value_noise": noise_table(arms),
        "value_contrasts": contrasts_table(arms),
        "value_parts": [(arm, _parts(arm)) for arm in arms[:most]],
        "value_parts_left": len(arms[most:]),
    }


def _drawn(groups: Sequence[ValueContent], most: int) -> tuple[list[ValueFigure], dict[str, dict[Width, Markup]]]:
    """Every figure at both widths; the page shows the one that fits."""
    figures = value_figures(groups, most)
    drawn: dict[str, dict[Width, Markup]] = {}
    for figure in figures:
        label = f"{figure.alt}. The numbers are in the tables below."
        drawn[figure.name] = {
            width: Markup(inline(figure.draw(width, "svg"), prefix=f"{figure.name}-{width}", label=label))  # noqa: S704 - drawn here; names in it were escaped as XML
            for width in INCHES
        }
    return figures, drawn


_ACROSS = 3
"""So many arms stand as columns beside one another; more of them get further tables below."""


def _across(arms: Sequence[ArmContent], table_of: Callable[[Sequence[ArmContent]], Table]) -> list[Table]:
    """A table of arms for the page: a metric a row, an arm a column, so that nobody must scroll sideways."""
    found = []
    for start in range(0, len(arms), _ACROSS):
        table = table_of(arms[start : start + _ACROSS])
        columns, rows = turned(table)
        found.append(Table(table.name, table.caption, columns, rows, (), ()))
    return found


def _parts(arm: ArmContent) -> list[tuple[str, Table]]:
    """The tables of one arm by value, domain and pressure, without the column that names the arm."""
    found = [
        ("value", parts_table("value-by-value", "value", [arm], lambda one: one.values, VALUE_METRICS)),
        ("domain", parts_table("value-by-domain", "domain", [arm], lambda one: one.domains, GROUP_METRICS)),
        ("pressure", parts_table("value-by-pressure", "pressure", [arm], lambda one: one.pressures, GROUP_METRICS)),
    ]
    return [
        (part, Table(table.name, table.caption, table.columns[1:], tuple(row[1:] for row in table.rows), (), ()))
        for part, table in found
        if table.rows
    ]
