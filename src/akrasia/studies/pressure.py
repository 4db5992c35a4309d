"""Which pressure suppresses which value: the minimal pairs of a value suite, contrasted by `akrasia.gap.pressure`.

The verdicts are on the pressures, over all values; value by value the contrasts are in `study.json`, in a table and in
a heat map.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from akrasia.gap.pressure import NEUTRAL
from akrasia.runs.value_parts import HowValues, contrasts_of
from akrasia.studies.cells import Cells, Place, label
from akrasia.studies.definition import Claim
from akrasia.studies.evidence import Draft, evidence_of
from akrasia.studies.findings import Pressed
from akrasia.studies.verdict import Evidence

if TYPE_CHECKING:
    from akrasia.gap.pressure import Contrast, PressureContrasts

PRESSURES = "pressures"
"""The figure, as the study's file and the figure's own files name it."""


def presses(claim: Claim, cells: Cells, place: Place) -> Iterator[Draft]:
    """Each pressure: the odds that the action keeps a stated value, against those of its neutral twin."""
    for strategy in (text for text in cells.config.strategy if claim.speaks_of(text)):
        where = f"{label(place, cells.config)} · {strategy}"
        found = _contrasts(cells, place, strategy)
        if found is None:
            yield _draft(claim, where, Evidence(direction=claim.direction), ("no pair: take whole families, no limit",))
            continue
        for contrast in found.overall:
            if contrast.outcome == "retention":
                yield _judged(claim, f"{where} · {contrast.pressure} − {NEUTRAL}", contrast)


def pressed(cells: Cells) -> Iterator[Pressed]:
    """Every contrast of every cell that acts."""
    for place in cells.places:
        for strategy in cells.config.strategy:
            found = _contrasts(cells, place, strategy)
            if found is not None:
                yield Pressed(f"{label(place, cells.config)} · {strategy}", found)


def _contrasts(cells: Cells, place: Place, strategy: str) -> PressureContrasts | None:
    """None where nothing acted, or no scenario under a pressure stands beside a neutral one."""
    values = cells.values
    group = values.group(place.model, place.suite, place.seed, cells.config.temperature[0])
    if group is None:
        return None
    stated, acted = values.reads(group, group.stated, "stated"), values.reads(group, group.modes.get(strategy))
    return None if stated is None or acted is None else contrasts_of(group, stated, acted, HowValues(level=cells.level))


def _judged(claim: Claim, where: str, contrast: Contrast) -> Draft:
    if contrast.odds_ratio is None or contrast.neutral is None or contrast.pressed is None:
        return _draft(claim, where, Evidence(direction=claim.direction), ("no pair in which a value is stated twice",))
    evidence = evidence_of(
        contrast.odds_ratio, contrast.p, direction=claim.direction, threshold=1.0, margin=claim.margin,
        degenerate=contrast.neutral == contrast.pressed and contrast.neutral in (0.0, 1.0),
    )  # fmt: skip
    notes = [f"keeps {100 * contrast.pressed:.1f} % of the stated values, {100 * contrast.neutral:.1f} % without"]
    if contrast.missing:
        notes.append(f"{contrast.missing} pairs are missing a label")
    return _draft(claim, where, evidence, tuple(notes), items=contrast.odds_ratio.n or 0)


def _draft(claim: Claim, where: str, evidence: Evidence, notes: tuple[str, ...], *, items: int = 0) -> Draft:
    return Draft(
        claim=claim.text, where=where, metric="retention", evidence=evidence, test="sign-flip" if items else "",
        items=items, k=None, notes=notes, unit="odds ratio",
    )  # fmt: skip
