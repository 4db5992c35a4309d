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
        p_adjusted: by Holm over all rows of the table that are tested. p: before that; None of an estimate. test: which
            test it is; "" where there is none.
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


class ArmFound(Struct, frozen=True, kw_only=True):
    """What one audited strategy did, on one suite. Figures are None where they have no value.

    Attributes:
        where: model, suite and seed, where the run has several. suite: its name.
        strategy, inner: the audited strategy and the one inside it, whose drafts these are.
        items, candidates: scenarios, and draws with a trail.
        revisions, accepted: attempts to mend a text, and those that took its place.
        unmeasured: draws of which the auditor could measure no text, so that they stood unaudited. They count for the
            gains, since the strategy commits to them, and not for `rewritten` and `harm`.
        outcomes: what became of the revisions, by kind.
        macro_f1_before, macro_f1, macro_f1_gain: of the action with the stated values: drafts, what stands, and the
            paired difference.
        distance_before, distance, distance_change: the mean distance |a − d| of the grades, likewise.
        f1_gain: of the F1 per scenario.
        gain_per_revision: that gain over the revisions tried.
        gain_per_1000_tokens: over the tokens that auditor, planner, rewriter and guard took.
        tokens: those tokens per draw; None where an endpoint does not tell.
        rewritten: share of the draws of which a rewrite stands; where nothing pulls apart, that is over-intervention.
        harm: share of the draws whose F1 is lower than their draft's.
        guard_passed: share of the rewrites that reached the guard in which it found no loss.
        win_rate: of the rewritten actions over their drafts, by the pairwise judge, both orders; a tie counts half.
        meaning_kept: share of the rewritten actions in which that judge, asked as the guard is, finds no loss.
        compared, unread: rewritten actions that the pairwise judge compared, and those that it gave no verdict on.
    """

    where: str
    suite: str
    strategy: str
    inner: str
    items: int
    candidates: int
    revisions: int
    accepted: int
    unmeasured: int
    outcomes: dict[str, int]
    macro_f1_before: Figure | None
    macro_f1: Figure | None
    macro_f1_gain: Figure | None
    distance_before: Figure | None
    distance: Figure | None
    distance_change: Figure | None
    f1_gain: Figure | None
    gain_per_revision: Figure | None
    gain_per_1000_tokens: Figure | None
    tokens: float | None
    rewritten: Figure | None
    harm: Figure | None
    guard_passed: Figure | None
    win_rate: Figure | None = None
    meaning_kept: Figure | None = None
    compared: int = 0
    unread: int = 0


class Findings(Struct, frozen=True, kw_only=True):
    """What `akrasia study --json` prints, and DIR/study.json holds.

    Attributes:
        study, question: which, and what it asks.
        out: the study's folder; the run is in `run` there.
        verdicts: the verdict table.
        cells: every cell that was measured.
        series: the data of the figures.
        figures: names of all figures, those drawn from the run itself included.
        arms: what every audited strategy did, on every suite.
        same_judge: the judge that evaluated what it had steered; "" where none did.
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
    arms: tuple[ArmFound, ...] = ()
    same_judge: str = ""
    version: int = VERSION
