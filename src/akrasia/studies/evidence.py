"""From claims and measured cells to the rows that verdicts are passed on: one function per test of a claim.

Tests of claims about values stand in `deliberation` and `pressure`; `claims` names them all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from akrasia.core import Undefined
from akrasia.risk import per_item
from akrasia.risk.lengths import length_sweep
from akrasia.stats import Figure, PairedDifference, paired_difference
from akrasia.studies.audit_arms import unaudited_note
from akrasia.studies.cells import Cells, Paired, Place, column, depth, label, short_model
from akrasia.studies.definition import Claim
from akrasia.studies.findings import Unit
from akrasia.studies.verdict import Direction, Evidence

if TYPE_CHECKING:
    from akrasia.risk.lengths import LengthSweep
    from akrasia.runs.estimates import CellEstimate

SEED = 0
"""Of the bootstrap behind the curve over lengths."""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A row before its verdict; see `akrasia.studies.findings.Row`."""

    claim: str
    where: str
    metric: str
    evidence: Evidence
    test: str
    items: int
    k: int | None
    notes: tuple[str, ...] = ()
    unit: Unit = "utility"
    detectable: float | None = None


def above(claim: Claim, cells: Cells, place: Place) -> Iterator[Draft]:
    """Each cell's metric against 0: the interval of `akrasia risk`, and the paired test of its per-item values."""
    for strategy, temperature in _choices(claim, cells):
        found = cells.find(place, strategy, temperature)
        if found is None:
            continue
        where = f"{label(place, cells.config)} · {strategy}{_at(temperature, cells)}"
        figure = getattr(found.record, claim.metric)
        draft = Draft(
            claim=claim.text, where=where, metric=claim.metric, evidence=Evidence(), test="cluster-t",
            items=found.record.items, k=_k(claim, found.record.k), notes=_alarms(found),
        )  # fmt: skip
        if any(alarm.code == "degenerate" for alarm in found.record.diagnostics):
            yield msgspec.structs.replace(draft, evidence=Evidence(degenerate=True))
        elif figure is None:
            yield draft
        else:
            values = column(found, claim.metric, found.record.k)
            nothing = np.zeros_like(values)
            tested = paired_difference(nothing, values, clusters=np.array(found.pool.clusters), level=cells.level)
            yield msgspec.structs.replace(
                draft,
                evidence=evidence_of(figure, tested.p, margin=claim.margin),
                test=tested.test,
                detectable=detectable(tested),
            )


def change(claim: Claim, cells: Cells, place: Place) -> Iterator[Draft]:
    """Second cell minus first, paired by item."""
    for first, second, where in _comparisons(claim, cells, place):
        try:
            paired = cells.pair(first, second, claim.metric)
            found = paired_difference(
                paired.first, paired.second, clusters=np.array(paired.clusters), level=cells.level
            )
        except Undefined as error:
            yield Draft(
                claim=claim.text, where=where, metric=claim.metric, evidence=Evidence(direction=claim.direction),
                test="", items=0, k=None, notes=(str(error),),
            )  # fmt: skip
            continue
        notes = (*_still(paired), *_nothing_right(first), *_nothing_right(second))
        notes += (*unaudited_note(cells, first.cell), *unaudited_note(cells, second.cell))
        yield Draft(
            claim=claim.text, where=where, metric=claim.metric, evidence=_paired_evidence(claim, paired, found),
            test=found.test, items=found.items, k=_k(claim, paired.k), notes=notes,
            detectable=detectable(found),
        )  # fmt: skip


def detectable(found: PairedDifference) -> float | None:
    """The difference that its items detect, 1 where they are too few for any; None where that is unknown."""
    return 1.0 if found.minimum_detectable is None and found.p is not None else found.minimum_detectable


def returns(claim: Claim, cells: Cells, place: Place) -> Iterator[Draft]:
    """What the longest reasoning removes of the shortest one's risk, tested; then what the curve through all says.

    The curve's fall and its knee are estimates: no test is of them, and where no effect is shown, or the curve does not
    describe it, they have no value.
    """
    for name in dict.fromkeys(text.partition(":")[0] for text in cells.config.strategy if claim.speaks_of(text)):
        common = Draft(
            claim=claim.text, where=f"{label(place, cells.config)} · {name}", metric="pool_risk", evidence=Evidence(),
            test="", items=0, k=None,
        )  # fmt: skip
        try:
            sweep = _sweep(cells, place, name)
            measured = _measured_fall(common, claim, cells, place, name)
        except Undefined as error:
            yield msgspec.structs.replace(common, notes=(str(error),))
        else:
            yield measured
            yield from _estimates(common, sweep)


def _measured_fall(common: Draft, claim: Claim, cells: Cells, place: Place, name: str) -> Draft:
    """The risk at the shortest length − that at the longest, paired by item."""
    swept = list(cells.swept(place, name))
    (shortest, first), (longest, last) = swept[0], swept[-1]
    paired = cells.pair(first, last, "pool_risk")
    found = paired_difference(paired.second, paired.first, clusters=np.array(paired.clusters), level=cells.level)
    return msgspec.structs.replace(
        common,
        claim=f"{claim.text}: the risk falls",
        where=f"{common.where} · from {shortest} to {longest} tokens, measured",
        evidence=evidence_of(found.difference, found.p, margin=claim.margin, degenerate=_all_alike(paired)),
        test=found.test,
        items=found.items,
        k=paired.k,
        notes=_still(paired),
        detectable=detectable(found),
    )


def _estimates(common: Draft, sweep: LengthSweep) -> Iterator[Draft]:
    """The fall and the knee of the curve over lengths."""
    still = {point.deployed.value for point in sweep.points} in ({0.0}, {1.0})
    describes = sweep.shape in ("falling", "rising")
    fall = sweep.fit.fall if describes and sweep.fit is not None else None
    yield msgspec.structs.replace(
        common,
        claim=f"{common.claim}: the fall of the curve, an estimate",
        where=f"{common.where} · from 0 tokens to unlimited length, extrapolated",
        metric="curve fall",
        evidence=evidence_of(fall, None, tested=False, degenerate=still),
        items=sweep.items,
        notes=(f"shape: {sweep.shape}" + ("" if describes else ", so there is nothing to extrapolate"),),
    )
    yield msgspec.structs.replace(
        common,
        claim=f"{common.claim}: the knee, an estimate",
        where=f"{common.where} · knee",
        metric="knee",
        unit="tokens",
        evidence=evidence_of(sweep.knee, None, tested=False, degenerate=still),
        items=sweep.items,
        notes=tuple(found.message for found in sweep.diagnostics),
    )


def evidence_of(
    figure: Figure | None,
    p: float | None,
    *,
    direction: Direction = "up",
    threshold: float = 0.0,
    margin: float = 0.0,
    degenerate: bool = False,
    tested: bool = True,
) -> Evidence:
    """A figure as evidence; an undefined one has no ends."""
    known = Figure(float("nan"), None, None) if figure is None else figure
    return Evidence(
        value=None if figure is None else known.value, low=known.low, high=known.high, p=p, direction=direction,
        threshold=threshold, margin=margin, degenerate=degenerate, tested=tested,
    )  # fmt: skip


def sweep_of(cells: Cells, place: Place, name: str) -> LengthSweep | None:
    """Risk by length against the direct pool alone; None where fewer than two lengths, or no item, can be compared."""
    try:
        return _sweep(cells, place, name)
    except Undefined:
        return None


def _sweep(cells: Cells, place: Place, name: str) -> LengthSweep:
    found = cells.lengths(place, name)
    if found is None:
        raise Undefined("fewer than two lengths are measured: nothing to compare")
    lengths, deployed, pool = found
    reachable = per_item(pool.utilities, depth(pool.utilities)).reachable
    rng, clusters = np.random.default_rng(SEED), np.array(pool.clusters)
    return length_sweep(lengths, deployed, reachable, rng, clusters=clusters, level=cells.level)


def _choices(claim: Claim, cells: Cells) -> list[tuple[str, float]]:
    """Strategy and temperature of every cell that a claim speaks of; a greedy decode once."""
    return [
        (strategy, temperature)
        for temperature in cells.config.temperature
        for strategy in cells.config.strategy
        if claim.speaks_of(strategy) and (strategy != "greedy" or temperature == cells.config.temperature[0])
    ]


def _comparisons(claim: Claim, cells: Cells, place: Place) -> Iterator[tuple[CellEstimate, CellEstimate, str]]:
    config, here = cells.config, label(place, cells.config)
    spoken = [text for text in config.strategy if claim.speaks_of(text)]
    sides: list[tuple[CellEstimate | None, CellEstimate | None, str]] = []
    if claim.vary == "strategy" and claim.against is not None:
        base = cells.find(place, claim.against)
        sides = [
            (base, cells.find(place, text), f"{here} · {text} − {claim.against}")
            for text in spoken
            if text != claim.against
        ]
    elif claim.vary == "temperature":
        start = config.temperature[0]
        sides = [
            (
                cells.find(place, text),
                cells.find(place, text, other),
                f"{here} · {text} at T = {other:g} − T = {start:g}",
            )
            for text in spoken
            for other in config.temperature[1:]
        ]
    elif claim.vary == "model" and place.model != config.model[0]:
        before = config.model[config.model.index(place.model) - 1]
        stage = msgspec.structs.replace(place, model=before)
        step = f"{place.suite} · {short_model(place.model)} − {short_model(before)}"
        several = len(spoken) > 1
        sides = [
            (cells.find(stage, text), cells.find(place, text), f"{step} · {text}" if several else step)
            for text in spoken
        ]
    for first, second, where in sides:
        if first is not None and second is not None:
            yield first, second, where


def _paired_evidence(claim: Claim, paired: Paired, found: PairedDifference) -> Evidence:
    return evidence_of(
        found.difference,
        found.p,
        direction=claim.direction,
        margin=claim.margin,
        degenerate=_all_alike(paired),
    )


def _all_alike(paired: Paired) -> bool:
    both = np.concatenate([paired.first, paired.second])
    return bool(np.ptp(both[np.isfinite(both)]) < 1e-12)


def _still(paired: Paired) -> tuple[str, ...]:
    change = paired.second - paired.first
    same = np.abs(change[np.isfinite(change)]) < 1e-12
    return ("no effect: no item differs",) if same.all() else ()


def _nothing_right(found: CellEstimate) -> tuple[str, ...]:
    deployed = found.record.deployed
    if deployed is None or deployed.value > 0:
        return ()
    return (f"every candidate of {found.cell.strategy} has utility 0: look at its answers",)


def _alarms(found: CellEstimate) -> tuple[str, ...]:
    return tuple(alarm.message for alarm in found.record.diagnostics if alarm.severity != "info")


def _k(claim: Claim, k: int) -> int | None:
    return None if claim.metric == "deployed" else k


def _at(temperature: float, cells: Cells) -> str:
    return f" at T = {temperature:g}" if len(cells.config.temperature) > 1 else ""
