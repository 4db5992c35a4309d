"""The value–action gap of a run: its stored judgements, measured by `akrasia.gap`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from akrasia.core import InputError, Undefined
from akrasia.core.cell import Cell
from akrasia.gap import LabelTable, Modes, measure_modes
from akrasia.gap.drawn import Drawn
from akrasia.gap.split import Split, split
from akrasia.runs.value_labels import Arms, StageReads, arms, label_table, stage_reads
from akrasia.stats.diagnostic import Diagnostic, ordered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from akrasia.runs.reader import Run


class HowValues(msgspec.Struct, frozen=True):
    """How the gap of a run is measured.

    Attributes:
        threshold: from which grade a value is present.
        level: nominal coverage of the intervals.
        seed: of the donor sample.
    """

    threshold: float = 0.5
    level: float = 0.95
    seed: int = 0


class ValueEstimate(msgspec.Struct, frozen=True):
    """The gap of one group of cells.

    Attributes:
        group: which cells.
        table: the labels, one row a draw.
        gap: every mode, and what deliberation changes.
        splits: mode → where its loss comes from; only modes with several draws have one.
        unread: mode or "state" → how many texts no judge could read, by reason.
        diagnostics: about the group as a whole, worst first.
    """

    group: Arms
    table: LabelTable
    gap: Modes
    splits: dict[str, Split]
    unread: dict[str, dict[str, int]]
    diagnostics: tuple[Diagnostic, ...]

    def record(self) -> dict[str, Any]:
        """What `akrasia gap RUN --json` prints for this group."""
        found = self.gap.record()
        found["split"] = msgspec.to_builtins(self.splits)
        found["headline"] = {mode: one.headline(self.group.stated.model) for mode, one in self.splits.items()}
        found["unread"] = self.unread
        found["diagnostics"] = msgspec.to_builtins(ordered([*self.diagnostics, *self.gap.diagnostics]))
        return found


def estimate_values(run: Run, how: HowValues | None = None) -> list[ValueEstimate]:
    """Measure every group of a run's cells that state and act.

    Raises:
        InputError: the run is of no value suite, or nothing acted yet.
    """
    how = how or HowValues()
    groups = [group for group in arms(run) if group.modes]
    if not groups:
        raise InputError(f"{run.folder} states values and never acts: add --strategy fast or slow and run again")
    return [_estimate(run, group, how) for group in groups]


def _estimate(run: Run, group: Arms, how: HowValues) -> ValueEstimate:
    table = label_table(run, group)
    gap = measure_modes(
        table.modes,
        values=table.values,
        clusters=table.clusters,
        domains=table.domains,
        pressures=table.pressures,
        threshold=how.threshold,
        level=how.level,
    )
    stated = stage_reads(run, group, group.stated, "stated")
    acted = {mode: stage_reads(run, group, cell, "action") for mode, cell in group.modes.items()}
    unread = {"state": stated.missing if stated else {}}
    unread.update({mode: reads.missing if reads else {} for mode, reads in acted.items()})
    notes: list[Diagnostic] = []
    splits = {}
    for mode, reads in acted.items():
        if stated is None or reads is None or reads.scores.shape[3] < 2:
            continue
        try:
            splits[mode] = _split(group, stated, reads, how)
        except Undefined as error:
            notes.append(Diagnostic("no_split", f"{mode}: no split of the loss: {error}", "warning"))
    notes += _about(run, group)
    return ValueEstimate(group, table, gap, splits, unread, tuple(ordered(notes)))


def _split(group: Arms, stated: StageReads, acted: StageReads, how: HowValues) -> Split:
    """By the judges one by one where two tell different things; by their panel where there are more, or one."""
    clusters = [item.cluster or item.id for item in group.items]
    domains = [str(item.metadata.get("domain", "")) for item in group.items]
    common: dict[str, Any] = {
        "clusters": clusters, "domains": domains, "threshold": how.threshold, "level": how.level, "seed": how.seed,
    }  # fmt: skip
    if len(acted.judges) == 2 and acted.judges == stated.judges:
        one, two = (Drawn(_over_draws(stated.scores[judge, 0]), acted.scores[judge, 0]) for judge in (0, 1))
        if not np.array_equal(np.nan_to_num(one.actions, nan=-1), np.nan_to_num(two.actions, nan=-1)):
            return split(one, second=two, **common)
    return split(Drawn(_over_draws(stated.panel), acted.panel), **common)


def _over_draws(grades: NDArray[np.float64]) -> NDArray[np.float64]:
    """(S, K, V) → (S, V): the mean over the statements of a scenario."""
    known = ~np.isnan(grades)
    number = known.sum(axis=1)
    total = np.where(known, grades, 0.0).sum(axis=1)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def _about(run: Run, group: Arms) -> list[Diagnostic]:
    found = []
    judges = run.manifest.run.judge
    if len(judges) == 1:
        found.append(
            Diagnostic(
                "uncalibrated",
                f"uncalibrated: how often {judges[0]} errs on texts of this run is not known; draw gold labels with "
                f"akrasia gold sample {run.folder} --labels 300 -o gold.jsonl",
                "warning",
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


def _undrawn(run: Run, group: Arms) -> int:
    cells: Mapping[str, Cell] = {"state": group.stated, **group.modes}
    planned = sum(cell.samples * len(group.items) for cell in cells.values())
    return planned - sum(sum(1 for _ in run.drawn(cell)) for cell in cells.values())
