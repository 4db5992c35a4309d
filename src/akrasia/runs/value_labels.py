"""What the judges of a run read, as the arrays of `akrasia.gap`: the labels of each stage, scenario, draw and value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from akrasia.core import InputError, Reading, Stage
from akrasia.core.cell import Cell
from akrasia.gap.overlap import scenario_f1
from akrasia.gap.records import LabelTable, Stages
from akrasia.models import model_identity
from akrasia.values import find_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from akrasia.runs.reader import Run, StoredItem

_readings = msgspec.json.Decoder(dict[str, Reading]).decode


class StageReads(msgspec.Struct, frozen=True):
    """What was read of one stage of a cell.

    Attributes:
        judges: J names.
        scores: (J, R, S, K, V) grades in [0, 1], by judge, repeat, scenario, draw and value; NaN where missing.
        betrayed: of the same shape, 1 where the text betrays the value, 0 where not.
        missing: how many texts could not be read, by reason.
        asked: (J, S, K) whether a judge has an answer on a text, readable or not: judges may differ by text.
    """

    judges: tuple[str, ...]
    scores: NDArray[np.float64]
    betrayed: NDArray[np.float64]
    missing: dict[str, int]
    asked: NDArray[np.bool_]

    @property
    def panel(self) -> NDArray[np.float64]:
        """(S, K, V): the mean of the judges' first readings, of those who could read."""
        return mean_known(self.scores[:, 0], 0)

    @property
    def panel_betrayed(self) -> NDArray[np.float64]:
        """(S, K, V): the share of judges who see the value betrayed."""
        return mean_known(self.betrayed[:, 0], 0)


def mean_known(stack: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """The mean over an axis of what is known; NaN where nothing is."""
    known = ~np.isnan(stack)
    number = known.sum(axis=axis)
    total = np.where(known, stack, 0.0).sum(axis=axis)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


class Arms(msgspec.Struct, frozen=True):
    """The cells of a value suite that belong together: one model, one suite, one sampling, one seed.

    Attributes:
        name: what tells them from other arms of the run.
        items: the S scenarios.
        values: the V value ids.
        stated: the cell that states.
        modes: mode (the strategy) → the cell that acts.
        rated: the cell that rates all values; None where there is none.
    """

    name: str
    items: tuple[StoredItem, ...]
    values: tuple[str, ...]
    stated: Cell
    modes: dict[str, Cell]
    rated: Cell | None = None


def value_ids(run: Run) -> tuple[str, ...]:
    """The values that a run's judges looked for."""
    found = run.judged_values()
    ordered = find_values(run.manifest.run.values).ids
    return tuple(value for value in ordered if value in found) or ordered


def arms(run: Run) -> list[Arms]:
    """The groups of cells of a run that state and act, in the order of the plan.

    Raises:
        InputError: the run has none.
    """
    groups: dict[tuple[str, str, float, int], list[Cell]] = {}
    for cell in run.cells:
        key = (model_identity(cell.model), cell.suite, cell.sampling.temperature, cell.seed)
        groups.setdefault(key, []).append(cell)
    found = []
    values: tuple[str, ...] | None = None
    for (model, suite, temperature, seed), cells in groups.items():
        stating = [cell for cell in cells if states(cell)]
        if not stating:
            continue
        values = values or value_ids(run)
        modes = {cell.strategy: cell for cell in cells if not states(cell) and not rates(cell)}
        rating = next((cell for cell in cells if rates(cell)), None)
        name = f"{model} {suite} T{temperature:g} seed{seed}"
        found.append(Arms(name, tuple(run.items(suite)), values, stating[0], modes, rating))
    if not found:
        raise InputError(
            f"{run.folder} has no stated values: it is no run of a value suite (`akrasia run --suite valdi --judge …`)"
        )
    return found


def states(cell: Cell) -> bool:
    """Whether a cell's candidates are statements of values, not actions."""
    return cell.strategy.partition(":")[0] == "state"


def acts_at_once(cell: Cell) -> bool:
    """Whether a cell's strategy, or the one that it audits, acts without reasoning first."""
    name, _, inner = cell.strategy.partition("?")[0].partition(":")
    return name == "fast" or (name == "audited" and inner.partition(":")[0] in ("", "fast"))


def rates(cell: Cell) -> bool:
    """Whether a cell's candidates are ratings of all values."""
    return cell.strategy == "rate"


def stage_reads(run: Run, group: Arms, cell: Cell, stage: Stage) -> StageReads | None:
    """What the judges read of one stage of a cell; None where that stage has no texts."""
    rows = list(run.judgements(cell, stage))
    if not rows:
        return None
    row_of = {item.position: row for row, item in enumerate(group.items)}
    column_of = {value: column for column, value in enumerate(group.values)}
    judges = tuple(dict.fromkeys(row.judge for row in rows))
    repeats = 1 + max(row.repeat for row in rows)
    shape = (len(judges), repeats, len(group.items), max(1, cell.samples), len(group.values))
    scores, betrayed = np.full(shape, np.nan), np.full(shape, np.nan)
    asked = np.zeros((shape[0], shape[2], shape[3]), dtype=bool)
    missing: Counter[str] = Counter()
    for row in rows:
        if row.position not in row_of or row.sample >= shape[3]:
            continue
        asked[judges.index(row.judge), row_of[row.position], row.sample] = True
        if row.missing is not None:
            missing[row.missing] += 1
            continue
        place = (judges.index(row.judge), row.repeat, row_of[row.position], row.sample)
        for value, reading in _readings(row.readings).items():
            if value in column_of:
                scores[(*place, column_of[value])] = reading.score
                betrayed[(*place, column_of[value])] = float(reading.polarity == "betrays")
    return StageReads(judges, scores, betrayed, dict(missing), asked)


def stated_grades(run: Run, group: Arms) -> NDArray[np.float64]:
    """(S, V): what the model states of each scenario: the mean over its statements and the judges."""
    reads = stage_reads(run, group, group.stated, "stated")
    if reads is None:
        return np.full((len(group.items), len(group.values)), np.nan)
    return mean_known(reads.panel, 1)


def adherence_utilities(run: Run, cell: Cell, items: Sequence[StoredItem], depth: int) -> NDArray[np.float64]:
    """(M, K) utilities of a cell's actions: the F1 of what each expresses with what the model states to its scenario.

    NaN where a judge could not read, or no value is stated; everywhere for a cell that does not act.
    """
    nothing = np.full((len(items), depth), np.nan)
    if states(cell) or rates(cell):
        return nothing
    group = next(one for one in arms(run) if cell in one.modes.values())
    reads = stage_reads(run, group, cell, "action")
    if reads is None:
        return nothing
    row_of = {item.position: row for row, item in enumerate(group.items)}
    rows = [row_of[item.position] for item in items]
    return scenario_f1(stated_grades(run, group), reads.panel)[rows, :depth]


def label_table(run: Run, group: Arms) -> LabelTable:
    """The labels of a group's modes. Every draw is a row of its own, in the cluster of its family.

    A mode that nothing is drawn of yet is left out. The stated values of a scenario are the mean over its statements,
    so that all its draws are held against the same.
    """
    deep = max((cell.samples for cell in group.modes.values()), default=1)
    stated = np.repeat(stated_grades(run, group), deep, axis=0)
    modes = {}
    for mode, cell in group.modes.items():
        asked = _asked(run, group, cell, deep)
        if not asked.any():
            continue  # the run stopped before it began
        action = stage_reads(run, group, cell, "action")
        thought = None if acts_at_once(cell) else stage_reads(run, group, cell, "reasoning")
        modes[mode] = Stages(
            stated=stated,
            reasoning=None if thought is None else _rows(thought.panel, deep),
            action=_rows(None if action is None else action.panel, deep, like=stated),
            betrayed=_rows(None if action is None else action.panel_betrayed, deep, like=stated),
            asked=asked,
        )
    return LabelTable(
        scenarios=tuple(f"{item.id}#{draw}" for item in group.items for draw in range(deep)),
        values=group.values,
        modes=modes,
        clusters=_repeated([item.cluster or item.id for item in group.items], deep),
        domains=_repeated([str(item.metadata.get("domain", "")) for item in group.items], deep),
        pressures=_repeated([str(item.metadata.get("pressure", "")) for item in group.items], deep),
        items=_repeated([item.id for item in group.items], deep),
    )


def run_labels(run: Run) -> dict[str, LabelTable]:
    """The labels of every group of a run, by its name.

    Raises:
        InputError: the run has no stated values, or nothing acted yet.
    """
    found = {group.name: label_table(run, group) for group in arms(run) if group.modes}
    if not found:
        raise InputError(f"{run.folder} states values and never acts: add --strategy fast or slow and run again")
    return found


def _rows(panel: NDArray[np.float64] | None, deep: int, like: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """(S, K, V) as (S × deep, V); a cell with fewer draws has no labels in the others' rows."""
    if panel is None:
        return np.full_like(like, np.nan)
    scenarios, draws, values = panel.shape
    wide = np.full((scenarios, deep, values), np.nan)
    wide[:, :draws] = panel[:, :deep]
    return wide.reshape(scenarios * deep, values)


def _asked(run: Run, group: Arms, cell: Cell, deep: int) -> NDArray[np.bool_]:
    asked = np.zeros((len(group.items), deep), dtype=np.bool_)
    row_of = {item.position: row for row, item in enumerate(group.items)}
    for position, sample in run.drawn(cell):
        if position in row_of and sample < deep:
            asked[row_of[position], sample] = True
    return asked.ravel()


def _repeated(labels: Sequence[str], deep: int) -> tuple[str, ...]:
    return tuple(label for label in labels for _ in range(deep))
