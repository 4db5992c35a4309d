"""Tests of claims about audits: what rewriting harms, where it meddles, and whether a rewrite is preferred.

Whether an audit brings an action closer to what was stated is the test "change", of `evidence`: drafts and audited
actions are paired. The figures of every arm are `audit_arms`' part.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from akrasia.runs.value_parts import families
from akrasia.studies.audit_arms import ArmArrays, arm_arrays, audited_arms, by_draw, harmed, held_against, per_scenario
from akrasia.studies.cells import Cells, Place, label
from akrasia.studies.definition import Claim
from akrasia.studies.evidence import Draft, evidence_of
from akrasia.studies.findings import Line, Panel, Point, Series
from akrasia.studies.verdict import Evidence

if TYPE_CHECKING:
    from numpy.typing import NDArray


def harms(claim: Claim, cells: Cells, place: Place) -> Iterator[Draft]:
    """Each arm: the share of actions that are further from the stated values than their drafts."""
    for strategy, arrays in _spoken(claim, cells, place):
        yield _tested(claim, cells, place, strategy, "harm", arrays, None if arrays is None else harmed(arrays))


def rewrites(claim: Claim, cells: Cells, place: Place) -> Iterator[Draft]:
    """Each arm: the share of actions of which a rewrite stands."""
    for strategy, arrays in _spoken(claim, cells, place):
        yield _tested(claim, cells, place, strategy, "rewritten", arrays, None if arrays is None else arrays.rewritten)


def wins(claim: Claim, cells: Cells, place: Place) -> Iterator[Draft]:
    """Each arm: how often the pairwise judge prefers the rewrite to its draft."""
    for strategy, arrays in _spoken(claim, cells, place):
        if cells.votes is None:
            draft = _draft(claim, cells, place, strategy, "win rate")
            yield replace(draft, notes=("nobody compared them: name a judge with --pairwise llm:MODEL",))
            continue
        votes = cells.votes.of(place, strategy).won
        found = None if arrays is None else by_draw(votes, arrays)
        unread = sum(value is None for value in votes.values())
        notes = (f"{len(votes)} rewrites compared" + (f", {unread} without a verdict" if unread else ""),)
        yield _tested(claim, cells, place, strategy, "win rate", arrays, found, notes)


def _spoken(claim: Claim, cells: Cells, place: Place) -> Iterator[tuple[str, ArmArrays | None]]:
    for text in cells.config.strategy:
        if claim.speaks_of(text):
            yield text, arm_arrays(cells, place, text)


def _draft(claim: Claim, cells: Cells, place: Place, strategy: str, metric: str) -> Draft:
    where = f"{label(place, cells.config)} · {strategy}"
    return Draft(
        claim=claim.text, where=where, metric=metric, evidence=Evidence(direction=claim.direction), test="", items=0,
        k=cells.config.samples, unit="share",
    )  # fmt: skip


def _tested(
    claim: Claim,
    cells: Cells,
    place: Place,
    strategy: str,
    metric: str,
    arrays: ArmArrays | None,
    draws: NDArray[np.float64] | None,
    notes: tuple[str, ...] = (),
) -> Draft:
    """A share against the claim's threshold: its interval, and the test that agrees with it."""
    draft = _draft(claim, cells, place, strategy, metric)
    clusters = [] if arrays is None else families(arrays.group)
    found = None if draws is None else held_against(draws, claim.threshold, clusters, cells.level)
    if draws is None or found is None:
        return replace(draft, notes=(*notes, "nothing to measure: no draw was audited and measured"))
    evidence = evidence_of(
        found.share, found.p, direction=claim.direction, threshold=claim.threshold, margin=claim.margin
    )
    known = int((~np.isnan(per_scenario(draws))).sum())
    counted = (f"{int(np.nansum(draws))} of {int((~np.isnan(draws)).sum())} draws",) if metric != "win rate" else ()
    return replace(draft, evidence=evidence, test=found.test, items=known, notes=(*counted, *notes))


def audited_f1(cells: Cells) -> Series:
    """The figure of the change that every audited strategy makes to the F1 with the stated values."""
    arms = audited_arms(cells)
    names = list(dict.fromkeys(arm.strategy for arm in arms))
    panels = []
    for where in dict.fromkeys(arm.where for arm in arms):
        points = tuple(
            Point(float(names.index(arm.strategy)), arm.f1_gain.value, arm.f1_gain.low, arm.f1_gain.high)
            for arm in arms
            if arm.where == where and arm.f1_gain is not None
        )
        if points:
            zero = Line("the draft", "deployed", (Point(0.0, 0.0),), flat=True)
            panels.append(Panel(where, (Line("audited", "reachable", points, joined=False), zero)))
    ticks = tuple((float(x), short(name)) for x, name in enumerate(names))
    same = "one judge steered and evaluates" if cells.run.manifest.same_judge else ""
    return Series(
        "audited-f1",
        "Change of the F1 with the stated values by an audit, by what is audited and its budget, with intervals"
        + (f"; {same}" if same else ""),
        "what is audited, and the most revisions" + (f"\n({same})" if same else ""),
        "F1 with the stated values (points)",
        "category",
        ticks,
        tuple(panels),
    )


def short(strategy: str) -> str:
    """An audited strategy in few words: ``audited:slow?stage=action&budget=2`` → ``action 2``."""
    from akrasia.core import parse_spec

    settings = parse_spec(strategy).settings
    name = "placebo" if settings.get("placebo") == "1" else settings.get("stage", "action")
    return f"{name} {settings.get('budget', '1')}"
