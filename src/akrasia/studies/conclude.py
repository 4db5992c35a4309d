"""What a study's run shows: every claim's rows judged together, the cells, and the data of the figures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from akrasia.runs.auditing import audits
from akrasia.runs.config import RunConfig
from akrasia.studies.audit_arms import audited_arms
from akrasia.studies.cells import Cells
from akrasia.studies.claims import drafts
from akrasia.studies.definition import Claim, Study
from akrasia.studies.evidence import Draft
from akrasia.studies.findings import CellFound, Findings, Row
from akrasia.studies.pressure import PRESSURES, pressed
from akrasia.studies.series import series
from akrasia.studies.verdict import Judged, judge

if TYPE_CHECKING:
    from akrasia.runs.estimates import CellEstimate
    from akrasia.runs.reader import Run
    from akrasia.studies.audit_votes import Votes

AUDITED = "audited_f1"
"""The figure of audits, as the study's file names it; the table of the arms comes with it."""

FIGURE_FILES = {"saturation": "curves"}
"""Figures that the report draws from the run itself, by the name that it gives them."""


def conclude(
    study: Study, config: RunConfig, run: Run, out: Path, *, level: float = 0.95, votes: Votes | None = None
) -> Findings:
    """The findings of a study from its stored run.

    Args:
        study: what is claimed and drawn.
        config: what was run.
        run: open for reading; an unfinished one is measured on its complete items.
        out: the study's folder, for the record.
        level: nominal coverage of the intervals.
        votes: what a pairwise judge said of rewrites; None where nobody compared any.

    Raises:
        InputError: nothing is stored in the run yet.
    """
    cells = Cells(run, config, level, votes)
    rows = [draft for claim in study.claim for draft in _drafted(claim, cells)]
    judged = judge([draft.evidence for draft in rows], level=level)
    drawn = [found for name in study.figures if (found := series(name, cells)) is not None]
    names = [FIGURE_FILES[name] for name in study.figures if name in FIGURE_FILES] + [found.name for found in drawn]
    arms = audited_arms(cells) if AUDITED in study.figures else ()
    contrasts = tuple(pressed(cells)) if PRESSURES in study.figures else ()
    names += [PRESSURES] if contrasts else []
    resolved = {key: value for key, value in msgspec.to_builtins(config).items() if value is not None}
    return Findings(
        study=study.name,
        question=study.question,
        out=str(out),
        verdicts=tuple(_row(draft, verdict) for draft, verdict in zip(rows, judged, strict=True)),
        cells=tuple(_cell(found) for found in cells.measured),
        series=tuple(drawn),
        figures=tuple(names),
        definition={**msgspec.to_builtins(study), "run": resolved},
        level=level,
        pressures=contrasts,
        arms=arms,
        same_judge=run.manifest.same_judge,
    )


def _drafted(claim: Claim, cells: Cells) -> Iterator[Draft]:
    """A claim's rows. One about what is audited says so where the judge that steered it evaluates it, too."""
    judge = cells.run.manifest.same_judge
    audited = any(audits([text]) for text in cells.config.strategy if claim.speaks_of(text) or text == claim.against)
    note = (f"same judge: {judge} steered and evaluates",) if judge and audited else ()
    for draft in drafts(claim, cells):
        yield msgspec.structs.replace(draft, notes=(*note, *draft.notes))


def _row(draft: Draft, judged: Judged) -> Row:
    evidence = draft.evidence
    notes = [f"degenerate: {draft.metric} is the same everywhere"] if judged.verdict == "degenerate" else []
    notes += dict.fromkeys(draft.notes)
    if judged.verdict == "undecided" and draft.detectable is not None and evidence.value is not None:
        seen = f"a difference of {draft.detectable:.3f}" if draft.detectable < 1 else "no difference, they are too few"
        notes.append(f"these items detect {seen} (power 0.8)")
    return Row(
        claim=draft.claim,
        where=draft.where,
        metric=draft.metric,
        unit=draft.unit,
        estimate=evidence.value,
        low=evidence.low,
        high=evidence.high,
        p_adjusted=judged.p_adjusted,
        verdict=judged.verdict,
        note="; ".join(note.rstrip(".") for note in notes),
        p=evidence.p,
        test=draft.test,
        items=draft.items,
        k=draft.k,
    )


def _cell(found: CellEstimate) -> CellFound:
    cell, record = found.cell, found.record
    return CellFound(
        cell.name,
        cell.model.partition("@http")[0],
        cell.suite,
        cell.strategy,
        cell.sampling.temperature,
        cell.seed,
        record.items,
        record.k,
        record.deployed,
        record.reachable,
        record.risk,
        tuple(alarm.message for alarm in record.diagnostics),
    )
