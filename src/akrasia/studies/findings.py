"""What a study found, as the plain records of `study.json`: no run and no array in them.

How they are computed is `conclude`; how they are drawn and tabulated is the report's part.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from akrasia.gap.pressure import PressureContrasts
from akrasia.stats import Figure
from akrasia.studies.verdict import Verdict

VERSION = 1

Unit = Literal["utility", "share", "odds ratio", "tokens"]
"""Of an estimate: utilities and shares lie within 1 of 0, an odds ratio of 1 is no effect, a knee lies at tokens."""


class Row(Struct, frozen=True, kw_only=True):
    """One row of the verdict table.

    Attributes:
        claim: the claim, in words.
        where: the cell, or the comparison, that this row is about.
        metric: what was measured. unit: see `Unit`.
        estimate, low, high: with the unadjusted interval; None where undefined.
        p_adjusted: by Holm over all rows of the table. p: before that. test: which test it is.
        verdict: see `akrasia.studies.verdict`.
        note: what a reader must know about this row.
        items: that entered. k: candidates per item that reachable is over; None where it plays no part.
    """

    claim: str
    where: str
    metric: str
    unit: Unit
    estimate: float | None
    low: float | None
    high: float | None
    p_adjusted: float | None
    verdict: Verdict
    note: str
    p: float | None
    test: str
    items: int
    k: int | None


class CellFound(Struct, frozen=True):
    """One cell's figures, as `akrasia risk` gives them; None where undefined."""

    cell: str
    model: str
    suite: str
    strategy: str
    temperature: float
    seed: int
    items: int
    k: int
    deployed: Figure | None
    reachable: Figure | None
    risk: Figure | None
    diagnostics: tuple[str, ...]


class Point(Struct, frozen=True):
    """A point of a line, with its interval where it has one."""

    x: float
    value: float
    low: float | None = None
    high: float | None = None


class Line(Struct, frozen=True):
    """A line of a figure: `role` says which colour it has; a flat line is a level to compare with.

    Points that are no steps of one thing are not `joined`.
    """

    label: str
    role: Literal["deployed", "reachable", "beyond"]
    points: tuple[Point, ...]
    flat: bool = False
    joined: bool = True


class Panel(Struct, frozen=True):
    """The lines of one model, suite and seed."""

    label: str
    lines: tuple[Line, ...]


class Series(Struct, frozen=True):
    """The data of one figure.

    Attributes:
        name: of its files. title: what it shows, for those who cannot see it.
        x_label, y_label: of the axes; values are utilities.
        scale: "category" spaces the x values evenly and names them by `ticks`.
        ticks: x → label, as pairs; empty: numbers.
        panels: one set of axes each.
    """

    name: str
    title: str
    x_label: str
    y_label: str
    scale: Literal["linear", "category"]
    ticks: tuple[tuple[float, str], ...]
    panels: tuple[Panel, ...]


class Pressed(Struct, frozen=True):
    """The pressure contrasts of one cell, which `where` names."""

    where: str
    found: PressureContrasts


class Findings(Struct, frozen=True, kw_only=True):
    """What `akrasia study --json` prints, and DIR/study.json holds.

    Attributes:
        study, question: which, and what it asks.
        out: the study's folder; the run is in `run` there.
        verdicts: the verdict table.
        cells: every cell that was measured.
        series: the data of the figures.
        figures: names of all figures, those drawn from the run itself included.
        pressures: every contrast of a pressure with its neutral twin, value by value.
        definition: the study's file, with the user's flags applied.
        level: nominal coverage of the intervals.
        version: of this record.
    """

    study: str
    question: str
    out: str
    verdicts: tuple[Row, ...]
    cells: tuple[CellFound, ...]
    series: tuple[Series, ...]
    figures: tuple[str, ...]
    definition: dict[str, Any]
    level: float = 0.95
    pressures: tuple[Pressed, ...] = ()
    version: int = VERSION
