"""What every audited strategy did, as a study found it: the table of the arms."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from akrasia.report.content import Interval
from akrasia.report.tables import Column, Table
from akrasia.report.text import plain
from akrasia.report.wording import count, with_bounds


class Bounds(Struct, frozen=True):
    """A figure of `study.json`; an end that is not known is None."""

    value: float
    low: float | None = None
    high: float | None = None


FIGURES = (
    "macro_f1_before", "macro_f1", "macro_f1_gain", "distance_before", "distance", "distance_change", "f1_gain",
    "gain_per_revision", "gain_per_1000_tokens", "rewritten", "harm", "guard_passed", "win_rate", "meaning_kept",
)  # fmt: skip
"""The figures of an arm, in the order of the columns for programs."""

SHOWN = {
    "macro-F1 before": "macro_f1_before",
    "macro-F1": "macro_f1",
    "F1 gain": "f1_gain",
    "per revision": "gain_per_revision",
    "per 1,000 tokens": "gain_per_1000_tokens",
    "distance change": "distance_change",
    "rewritten": "rewritten",
    "harm": "harm",
    "win rate": "win_rate",
    "meaning kept": "meaning_kept",
}
"""Columns for people, in points."""


class Arm(Struct, frozen=True):
    """One audited strategy on one suite, as `study.json` has it; see `akrasia.studies.findings.ArmFound`."""

    where: str
    strategy: str
    items: int
    candidates: int
    revisions: int
    accepted: int
    unmeasured: int
    outcomes: dict[str, int]
    tokens: float | None = None
    compared: int = 0
    unread: int = 0
    macro_f1_before: Bounds | None = None
    macro_f1: Bounds | None = None
    macro_f1_gain: Bounds | None = None
    distance_before: Bounds | None = None
    distance: Bounds | None = None
    distance_change: Bounds | None = None
    f1_gain: Bounds | None = None
    gain_per_revision: Bounds | None = None
    gain_per_1000_tokens: Bounds | None = None
    rewritten: Bounds | None = None
    harm: Bounds | None = None
    guard_passed: Bounds | None = None
    win_rate: Bounds | None = None
    meaning_kept: Bounds | None = None


def arm_lines(arms: Sequence[Arm]) -> str:
    """What became of the revisions of every arm, a line each: also why there were none."""
    lines = ["What the audits did:"]
    for arm in arms:
        parts = [f"{count(number)} {outcome}" for outcome, number in arm.outcomes.items()] or ["no revision"]
        if arm.unmeasured:
            parts.append(f"{count(arm.unmeasured)} of {count(arm.candidates)} draws not measured, left as they were")
        lines.append(f"  {arm.where} · {arm.strategy}: {', '.join(parts)}")
    return "\n".join(lines) + "\n"


def arm_table(arms: tuple[Arm, ...], level: float, same_judge: str) -> Table:
    """What every audited strategy did, for people in points, and for programs."""
    names = ("where", "strategy", *SHOWN, "draws", "not measured", "revisions")
    columns = tuple(Column(name, number=place > 1) for place, name in enumerate(names))
    rows = tuple(
        (
            plain(arm.where),
            plain(arm.strategy),
            *(_shown(getattr(arm, field)) for field in SHOWN.values()),
            count(arm.candidates),
            count(arm.unmeasured),
            "; ".join(f"{count(number)} {outcome}" for outcome, number in arm.outcomes.items()) or "none",
        )
        for arm in arms
    )
    counts = ("items", "candidates", "unmeasured", "revisions", "accepted", "tokens", "compared", "unread")
    ends = tuple(f"{name}{end}" for name in FIGURES for end in ("", "_low", "_high"))
    records = tuple(
        (arm.where, arm.strategy, *(getattr(arm, name) for name in counts), *_ends(arm), same_judge)
        for arm in arms
    )  # fmt: skip
    evaluator = "the auditor's own judge" if same_judge else "a judge that the auditor never saw"
    caption = (
        f"What audits did, in points of 100 with {100 * level:g} % intervals: gains are F1 of the action with the "
        f"stated values less the draft's, by {evaluator}; per 1,000 tokens of auditor, planner, rewriter and guard; "
        "harm is the share of draws that fell."
    )
    fields = ("where", "strategy", *counts, *ends, "same_judge")
    return Table("arms", caption + steered(same_judge), columns, rows, fields, records)


def steered(same_judge: str) -> str:
    """What every caption and figure of a study says where one judge steered and evaluates; "" where there is none."""
    if not same_judge:
        return ""
    return f" Here {same_judge} steered and evaluates: a gain may be no more than its own liking."


def _shown(bounds: Bounds | None) -> str:
    return "none" if bounds is None else with_bounds(Interval(bounds.value, bounds.low, bounds.high))


def _ends(arm: Arm) -> list[float | None]:
    found: list[float | None] = []
    for name in FIGURES:
        bounds: Bounds | None = getattr(arm, name)
        found += [None, None, None] if bounds is None else [bounds.value, bounds.low, bounds.high]
    return found
