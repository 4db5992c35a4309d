"""From runs of value suites to what the report shows of them. The figures come from `akrasia.runs.value_estimates`.

A figure that estimates gain later is one more field of the content here, and one more section of `value_page`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from akrasia.report.content import Diagnostic, Interval, Stage, interval
from akrasia.report.labels import bare_names, public, told_apart
from akrasia.report.value_cards import choose_cards
from akrasia.report.value_content import (
    ArmContent,
    HeatMap,
    JudgeAgreement,
    JudgedRow,
    MissingContent,
    PartRow,
    SplitContent,
    ThresholdPoint,
    ValueContent,
)
from akrasia.report.value_variation import contrast_rows, noise_rows
from akrasia.report.value_wording import mode_order, value_name
from akrasia.report.wording import model_name, suite_name

if TYPE_CHECKING:
    from akrasia.core.cell import Cell
    from akrasia.gap import Gap, GroupGap, ValueGap
    from akrasia.gap.split import Split
    from akrasia.runs.reader import Run
    from akrasia.runs.value_estimates import Evidence, ValueEstimate
    from akrasia.values import Taxonomy

UNCALIBRATED = "uncalibrated"
"""Code of the diagnostic that says so."""

CORRECTABLE = ("macro_f1", "retention", "survival", "suppression", "emergence")
"""The metrics that gold corrects and a calibration has bands for."""

NEUTRAL = "none"
"""The pressure of a scenario without any; it stands first."""


def value_cells(run: Run) -> frozenset[str]:
    """The names of the cells of a run that state values, or act and are held against them."""
    from akrasia.runs.value_labels import arms, states

    if not any(states(cell) for cell in run.cells):
        return frozenset()
    cells = [cell for group in arms(run) for cell in (group.stated, group.rated, *group.modes.values())]
    return frozenset(cell.name for cell in cells if cell is not None)


def gather_values(
    runs: Sequence[tuple[Run, str]], *, level: float, evidence: Evidence | None = None
) -> tuple[ValueContent, ...]:
    """Measure the value suites of runs.

    Args:
        runs: open runs with cells that state values, each with its folder's name.
        level: nominal coverage of the intervals.
        evidence: what is known of the judge's errors; gold is of a single run.

    Raises:
        InputError: a run states values and does nothing else, or the evidence does not fit.
    """
    from akrasia.runs.value_estimates import estimate_values
    from akrasia.runs.value_labels import arms
    from akrasia.runs.value_parts import HowValues

    found = []
    for run, name in runs:
        only_values = value_cells(run) == {cell.name for cell in run.cells}
        if only_values or any(group.modes for group in arms(run)):
            found += [_group(run, name, one) for one in estimate_values(run, HowValues(level=level), evidence)]
    return tuple(_labelled(found))


def _group(run: Run, name: str, found: ValueEstimate) -> ValueContent:
    from akrasia.values import find_values

    group, config = found.group, run.manifest.run
    taxonomy = find_values(config.values)
    threshold = next(iter(found.gap.modes.values())).threshold
    cards, families = choose_cards(run, found, taxonomy, threshold)
    return ValueContent(
        run=name,
        label=group.name,
        model=public(group.stated.model).partition("@http")[0],
        suite=suite_name(group.stated.suite),
        temperature=group.stated.sampling.temperature,
        seed=group.stated.seed,
        scenarios=len(group.items),
        statements=max(1, group.stated.samples),
        judges=tuple(public(judge).partition("@http")[0] for judge in config.judge),
        taxonomy=taxonomy.title or taxonomy.name,
        threshold=threshold,
        arms=tuple(_arm(name, found, mode, taxonomy) for mode in sorted(found.gap.modes, key=mode_order)),
        deliberation=interval(found.gap.deliberation_effect),
        unread_statements=found.unread.get("state", {}),
        agreement=_agreement(found),
        cards=cards,
        families=families,
        declared=found.declared,
    )


def _arm(run: str, found: ValueEstimate, mode: str, taxonomy: Taxonomy) -> ArmContent:
    gap, cell = found.gap.modes[mode], found.group.modes[mode]
    split = found.splits.get(mode)
    pressures = dict(sorted(gap.by_pressure.items(), key=lambda entry: (entry[0] != NEUTRAL, entry[0])))
    shared = [one for one in found.diagnostics if not one.message.startswith(tuple(f"{m}: " for m in found.gap.modes))]
    own = [one for one in found.diagnostics if one.message.startswith(f"{mode}: ")]
    about = [*shared, *own, *found.gap.diagnostics, *gap.diagnostics, *(split.diagnostics if split else ())]
    return ArmContent(
        cell=cell.name,
        run=run,
        label=mode,
        model=public(cell.model).partition("@http")[0],
        mode=mode,
        declared=found.declared,
        digest=_digest(found, mode),
        uncalibrated=any(one.code == UNCALIBRATED for one in about),
        level=gap.level,
        draws=gap.draws,
        scenarios=gap.scenarios,
        clusters=gap.clusters,
        reasons=gap.pairs.reasoning_action is not None,
        metrics=_metrics(gap) | _rated(found, mode),
        floor=gap.manhattan_floor,
        split=None if split is None else _split(split, cell),
        transitions=gap.transitions,
        values=tuple(_value_row(value, part, taxonomy) for value, part in gap.by_value.items()),
        domains=tuple(_group_row(label, part) for label, part in gap.by_domain.items()),
        pressures=tuple(_group_row(label, part) for label, part in pressures.items()),
        by_domain=_heat_map(gap.by_domain, gap.by_value, taxonomy),
        by_pressure=_heat_map(pressures, gap.by_value, taxonomy),
        thresholds=tuple(
            ThresholdPoint(row.threshold, interval(row.macro_f1), interval(row.retention), interval(row.emergence))
            for row in gap.by_threshold
        ),
        missing=_missing(gap, found.unread.get(mode, {})),
        noise=noise_rows(found.noise.get(mode)),
        contrasts=contrast_rows(found.contrasts.get(mode), taxonomy),
        judged=_judged(found, mode),
        diagnostics=tuple(dict.fromkeys(Diagnostic(one.code, one.message, one.severity) for one in about)),
    )


def _metrics(gap: Gap) -> dict[str, Interval | None]:
    blind = gap.baseline
    return {
        "macro_f1": interval(gap.macro_f1),
        "baseline_macro_f1": interval(blind.macro_f1 if blind else None),
        "macro_f1_gain": interval(blind.macro_f1_gain if blind else None),
        "retention": interval(gap.retention),
        "baseline_retention": interval(blind.retention if blind else None),
        "retention_gain": interval(blind.retention_gain if blind else None),
        "survival": interval(gap.survival),
        "suppression": interval(gap.suppression),
        "emergence": interval(gap.emergence),
        "betrayed": interval(gap.betrayed),
        "kappa": interval(gap.kappa),
        "manhattan": interval(gap.manhattan),
        **{
            f"judged_{name}": interval(raw)
            for name in CORRECTABLE
            if gap.uncorrected is not None and (raw := getattr(gap.uncorrected, name)) is not None
        },
    }


def _judged(found: ValueEstimate, mode: str) -> tuple[JudgedRow, ...]:
    """What gold or a calibration can speak of, as judged and beside it what they say; nothing without either."""
    gap, band = found.gap.modes[mode], found.bands.get(mode)
    if gap.uncorrected is None and band is None:
        return ()
    rows = []
    for name in CORRECTABLE:
        raw = None if gap.uncorrected is None else getattr(gap.uncorrected, name)
        shown = getattr(gap, name)
        ends = None if band is None else getattr(band, name)
        rows.append(
            JudgedRow(
                name,
                interval(shown if raw is None else raw),
                None if raw is None else interval(shown),
                None if ends is None else (ends.low, ends.high),
            )
        )
    return tuple(rows)


def _rated(found: ValueEstimate, mode: str) -> dict[str, Interval | None]:
    """The action held against the model's own ratings; nothing where it was asked for none."""
    if found.rated is None or mode not in found.rated.gap.modes:
        return {}
    gap = found.rated.gap.modes[mode]
    return {"rated_macro_f1": interval(gap.macro_f1), "rated_retention": interval(gap.retention)}


def _split(found: Split, cell: Cell) -> SplitContent:
    return SplitContent(
        sentence=found.headline(model_name(public(cell.model))),
        deployed=Interval(found.deployed.value, found.deployed.low, found.deployed.high),
        reachable=Interval(found.reachable.value, found.reachable.low, found.reachable.high),
        loss=Interval(found.loss.value, found.loss.low, found.loss.high),
        not_taken=Interval(found.not_taken.value, found.not_taken.low, found.not_taken.high),
        by_chance=interval(found.by_chance),
        corrected=interval(found.corrected),
        unreachable=Interval(found.unreachable.value, found.unreachable.low, found.unreachable.high),
        waterfall=tuple(
            Stage(stage.stage, Interval(stage.value, stage.low, stage.high), stage.note) for stage in found.waterfall
        ),
        k=found.k,
        scenarios=found.scenarios,
        cross_fitted=found.cross_fitted,
    )


def _figures(part: ValueGap | GroupGap) -> dict[str, Interval | None]:
    names = ("manhattan", "retention", "survival", "suppression", "emergence")
    return {name: interval(getattr(part, name)) for name in names}


def _value_row(value: str, part: ValueGap, taxonomy: Taxonomy) -> PartRow:
    return PartRow(
        name=value_name(taxonomy, value),
        scenarios=part.support,
        stated=_stated(part.transitions)[1],
        supported=part.supported,
        figures={"f1": interval(part.f1), "kappa": interval(part.kappa), **_figures(part)},
    )


def _group_row(label: str, part: GroupGap) -> PartRow:
    return PartRow(
        name=label or "unnamed",
        scenarios=part.scenarios,
        stated=_stated(part.transitions)[1],
        figures={"macro_f1": interval(part.macro_f1), **_figures(part)},
    )


def _stated(transitions: Mapping[str, int]) -> tuple[int, int]:
    """Cells that are stated and acted on, and cells that are stated."""
    stated = {bits: number for bits, number in transitions.items() if bits[0] == "1"}
    return sum(number for bits, number in stated.items() if bits[2] == "1"), sum(stated.values())


def _heat_map(groups: Mapping[str, GroupGap], values: Mapping[str, ValueGap], taxonomy: Taxonomy) -> HeatMap | None:
    """Values that are stated anywhere, by group; None where there is nothing to compare."""
    if len(groups) < 2:
        return None
    shown = [value for value in values if _stated(values[value].transitions)[1]]
    counts = [[_stated(part.transitions_by_value.get(value, {})) for part in groups.values()] for value in shown]
    return HeatMap(
        tuple(value_name(taxonomy, value) for value in shown),
        tuple(label or "unnamed" for label in groups),
        tuple(tuple(kept for kept, _ in row) for row in counts),
        tuple(tuple(stated for _, stated in row) for row in counts),
    )


def _missing(gap: Gap, reasons: Mapping[str, int]) -> MissingContent:
    found = gap.missing
    bounds = None if found.retention is None else (found.retention.worst, found.retention.best)
    return MissingContent(
        found.cells, found.stated, found.reasoning, found.action, found.share, bounds, dict(reasons)
    )  # fmt: skip


def _digest(found: ValueEstimate, mode: str) -> str:
    """SHA-256 of an arm's labels as little-endian float64: stated, reasoning, action, row by row."""
    stages = found.table.modes[mode]
    digest = hashlib.sha256()
    for labels in (stages.stated, stages.reasoning, stages.action):
        if labels is not None:
            digest.update(labels.astype("<f8").tobytes())
    return digest.hexdigest()


def _agreement(found: ValueEstimate) -> tuple[JudgeAgreement, ...]:
    """Krippendorff's α between the judges on whether a value is present."""
    return tuple(
        JudgeAgreement("stated" if name == "state" else f"action, {name}", interval(alpha))
        for name, alpha in found.agreement.items()
    )


def _labelled(groups: Sequence[ValueContent]) -> list[ValueContent]:
    """Short labels of groups, and of arms over all groups."""
    columns = [
        bare_names([group.model for group in groups]),
        [group.suite for group in groups],
        [f"T = {group.temperature:g}" if group.temperature > 0 else "" for group in groups],
        [f"seed {group.seed}" for group in groups],
        [group.run for group in groups],
    ]
    labels = told_apart(columns, [f"{group.run} {group.label}" for group in groups], usual=1, spare=1)
    alone = len(groups) == 1
    return [
        msgspec.structs.replace(
            group,
            label=label,
            arms=tuple(
                msgspec.structs.replace(arm, label=arm.mode if alone else f"{label} · {arm.mode}") for arm in group.arms
            ),
        )
        for group, label in zip(groups, labels, strict=True)
    ]
