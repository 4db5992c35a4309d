"""The value–action gap of a run: its stored judgements, measured by `akrasia.gap`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from akrasia.core import InputError, Undefined
from akrasia.core.cell import Cell
from akrasia.gap import LabelTable, Modes, measure_table
from akrasia.gap.noise import Noise
from akrasia.gap.pressure import PressureContrasts
from akrasia.gap.sensitivity import SensitivityBand, sensitivity_band
from akrasia.gap.split import Split
from akrasia.judges.calibration import Calibration
from akrasia.runs.auditing import same_judge_note
from akrasia.runs.manifest import DECLARED
from akrasia.runs.origin import origin_note
from akrasia.runs.value_gold import check_gold_texts
from akrasia.runs.value_labels import Arms, StageReads, arms, label_table, stage_reads
from akrasia.runs.value_parts import HowValues, Rated, agreement_of, contrasts_of, noise_of, rated_of, split_of
from akrasia.stats import Figure
from akrasia.stats.agreement import without_interval
from akrasia.stats.diagnostic import Diagnostic, ordered

if TYPE_CHECKING:
    from akrasia.runs.reader import Run


class Evidence(msgspec.Struct, frozen=True):
    """What is known of the judge's errors; without any, every figure is uncalibrated.

    Attributes:
        gold: human labels of random texts of this run; they correct the figures.
        calibration: errors on other texts; they give sensitivity bands.
    """

    gold: LabelTable | None = None
    calibration: Calibration | None = None


class ValueEstimate(msgspec.Struct, frozen=True):
    """The gap of one group of cells.

    Attributes:
        group: which cells.
        table: the labels, one row a draw.
        gap: every mode, and what deliberation changes.
        splits: mode → where its loss comes from; only modes with several draws have one.
        noise: mode → what varies when the same is read, stated or done again.
        contrasts: mode → every pressure against its neutral twin; only where the run holds such pairs.
        rated: the same held against the model's ratings; None where it was not asked for any.
        agreement: mode or "state" → Krippendorff's α between the judges; empty with one judge.
        bands: mode → the figures over the error rates of a calibration on other texts; empty without one.
        unread: mode or "state" → how many texts no judge could read, by reason.
        diagnostics: about the group as a whole, worst first.
        declared: what is called stated is what a constitution declares.
    """

    group: Arms
    table: LabelTable
    gap: Modes
    splits: dict[str, Split]
    noise: dict[str, Noise]
    contrasts: dict[str, PressureContrasts]
    rated: Rated | None
    agreement: dict[str, Figure | None]
    bands: dict[str, SensitivityBand]
    unread: dict[str, dict[str, int]]
    diagnostics: tuple[Diagnostic, ...]
    declared: bool = False

    def record(self) -> dict[str, Any]:
        """What `akrasia gap RUN --json` prints for this group."""
        found = self.gap.record()
        found["split"] = msgspec.to_builtins(self.splits)
        found["headline"] = {mode: one.headline(self.group.stated.model) for mode, one in self.splits.items()}
        for part in ("noise", "contrasts", "rated", "agreement", "bands"):
            found[part] = msgspec.to_builtins(getattr(self, part))
        found["unread"] = self.unread
        found["diagnostics"] = msgspec.to_builtins(ordered([*self.diagnostics, *self.gap.diagnostics]))
        return found


def estimate_values(run: Run, how: HowValues | None = None, evidence: Evidence | None = None) -> list[ValueEstimate]:
    """Measure every group of a run's cells that state and act.

    Args:
        run: an open run; it may be unfinished.
        how: see `HowValues`.
        evidence: what is known of the judge's errors.

    Raises:
        InputError: the run is of no value suite, nothing acted yet, or the evidence does not fit.
    """
    groups = [group for group in arms(run) if group.modes]
    if not groups:
        raise InputError(f"{run.folder} states values and never acts: add --strategy fast or slow and run again")
    if evidence is not None and evidence.gold is not None and len(groups) > 1:
        raise InputError(
            f"gold is of one model's texts, and {run.folder} has {len(groups)} groups of them "
            f"({', '.join(group.name for group in groups)}): run one model and sampling at a time for gold"
        )
    return [_estimate(run, group, how or HowValues(), evidence or Evidence()) for group in groups]


def _estimate(run: Run, group: Arms, how: HowValues, evidence: Evidence) -> ValueEstimate:
    table = label_table(run, group)
    if not table.modes:
        raise InputError(f"{run.folder}: nothing has acted yet in {group.name}: go on with its `akrasia run`")
    notes = _about(run, group, evidence)
    if evidence.gold is not None:
        notes += [note for note in [check_gold_texts(run, group, evidence.gold)] if note is not None]
    gap = measure_table(table, gold=evidence.gold, threshold=how.threshold, level=how.level, seed=how.seed)
    stated = stage_reads(run, group, group.stated, "stated")
    acted = {mode: stage_reads(run, group, cell, "action") for mode, cell in group.modes.items() if mode in table.modes}
    unread = {"state": stated.missing if stated else {}}
    unread.update({mode: reads.missing if reads else {} for mode, reads in acted.items()})
    notes += _not_reached(gap, evidence) + _blind_judges({"state": stated, **acted})
    splits, noises, contrasts = {}, {}, {}
    for mode, reads in acted.items():
        if stated is None or reads is None:
            continue
        noises[mode] = noise_of(group, stated, reads, how)
        paired = contrasts_of(group, stated, reads, how)
        if paired is not None:
            contrasts[mode] = paired
        if reads.scores.shape[3] > 1:
            try:
                splits[mode] = split_of(group, stated, reads, how)
            except Undefined as error:
                notes.append(Diagnostic("no_split", f"{mode}: no split of the loss: {error}", "warning"))
    agreement = agreement_of(group, {"state": stated, **acted}, how)
    notes += [note for name, alpha in agreement.items() if (note := _few_texts(name, alpha)) is not None]
    return ValueEstimate(
        group=group,
        table=table,
        gap=gap,
        splits=splits,
        noise=noises,
        contrasts=contrasts,
        rated=rated_of(run, group, table, how),
        agreement=agreement,
        bands=_bands(table, gap, evidence, how),
        unread=unread,
        diagnostics=tuple(ordered(notes)),
        declared=stated is not None and stated.judges == (DECLARED,),
    )


def _bands(table: LabelTable, gap: Modes, evidence: Evidence, how: HowValues) -> dict[str, SensitivityBand]:
    """The figures over the judge's error rates on other texts: from none to the upper end of what was measured."""
    found = evidence.calibration
    if found is None:
        return {}
    wrong, missed = (figure.high or figure.value for figure in (found.overall.false_present, found.overall.false_absent)
                     if figure is not None)  # fmt: skip
    return {
        mode: sensitivity_band(
            stages,
            false_present=(0.0, min(wrong, 0.45)),
            false_absent=(0.0, min(missed, 0.45)),
            threshold=how.threshold,
            supported=[table.values.index(value) for value in gap.modes[mode].supported],
        )
        for mode, stages in table.modes.items()
    }


def _about(run: Run, group: Arms, evidence: Evidence) -> list[Diagnostic]:
    found = []
    names = [name for name in run.manifest.judges if not name.endswith(" model")]
    judges = f"{' and '.join(names)} {'errs' if len(names) == 1 else 'err'}"
    if evidence.calibration is not None:
        found.append(_calibrated(run, evidence.calibration))
    elif evidence.gold is None:
        found.append(
            Diagnostic(
                "uncalibrated",
                f"uncalibrated: how often {judges} on texts of this run is not known; draw gold labels with "
                f"akrasia gold sample {run.folder} --labels 300 -o gold.jsonl",
                "warning",
            )
        )
    found += [*same_judge_note(run, list(group.modes.values())), *origin_note(run)]
    deep = max(cell.samples for cell in group.modes.values())
    if deep > 1:
        found.append(
            Diagnostic(
                "draws",
                f"rows are draws: {len(group.items)} scenarios with {deep} actions each; intervals are by family",
                "info",
            )
        )
    undrawn = _undrawn(run, group)
    if undrawn:
        found.append(
            Diagnostic(
                "incomplete",
                f"The run is unfinished: {undrawn} planned candidates are not drawn yet. Go on with the same command.",
                "warning",
            )
        )
    return found


def _few_texts(name: str, alpha: Figure | None) -> Diagnostic | None:
    return without_interval(alpha, "what is stated, between the judges" if name == "state" else f"{name}: judges")


def _not_reached(gap: Modes, evidence: Evidence) -> list[Diagnostic]:
    """Modes in which gold corrects nothing are as uncalibrated as without it."""
    if evidence.gold is None or evidence.calibration is not None:
        return []
    return [
        Diagnostic(
            "uncalibrated",
            f"{mode}: uncalibrated: gold corrects nothing here; label texts of this mode as well",
            "warning",
        )
        for mode, one in gap.modes.items()
        if one.uncorrected is None or not any(msgspec.structs.astuple(one.uncorrected))
    ]


def _blind_judges(stages: Mapping[str, StageReads | None]) -> list[Diagnostic]:
    """Which of several judges could not read texts that others read: their panel then speaks for fewer."""
    found = []
    for name, reads in stages.items():
        if reads is None or len(reads.judges) < 2:
            continue
        read = np.asarray(~np.isnan(reads.scores[:, 0]).all(axis=-1), dtype=np.bool_)
        anyone = np.logical_or.reduce(read)
        for place, judge in enumerate(reads.judges):
            texts, number = int((anyone & reads.asked[place]).sum()), int(read[place].sum())
            if number < texts:
                found.append(
                    Diagnostic(
                        "judge_unread",
                        f"{name}: {judge} could not read {texts - number} of {texts} texts that others read: "
                        "there the figures are the others' alone",
                        "warning",
                    )
                )
    return found


def _calibrated(run: Run, calibration: Calibration) -> Diagnostic:
    """What the calibration is worth here.

    Raises:
        InputError: it was made with another judge.
    """
    mine, name = run.manifest.judges, calibration.judge
    if mine.get(name) != calibration.fingerprint:
        raise InputError(
            f"the calibration is of judge {name}, which is not (or no longer) what read this run: {', '.join(mine)}"
        )
    return Diagnostic(
        "calibrated_elsewhere",
        f"{name} was calibrated on {calibration.texts} other texts ({calibration.gold}): its error rates there "
        "give sensitivity bands, no correction; gold of this run would correct",
        "info",
    )


def _undrawn(run: Run, group: Arms) -> int:
    cells: Mapping[str, Cell] = {"state": group.stated, **group.modes}
    planned = sum(cell.samples * len(group.items) for cell in cells.values())
    return planned - sum(sum(1 for _ in run.drawn(cell)) for cell in cells.values())
