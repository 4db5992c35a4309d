"""From a table of labels to the gap of its arms, corrected by gold where there is some."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from akrasia.core.errors import InputError
from akrasia.core.judgement import PRESENT
from akrasia.gap.measure import measure_modes, of_arm
from akrasia.gap.records import LabelTable, Stages
from akrasia.gap.results import Gap, Modes, UncorrectedGap
from akrasia.stats.diagnostic import Diagnostic, ordered
from akrasia.stats.grouping import BoolArray, FloatArray

if TYPE_CHECKING:
    from akrasia.gap.correct import Corrected

CORRECTABLE = UncorrectedGap.__struct_fields__
"""The figures that gold corrects where it identifies them."""


def measure_table(
    table: LabelTable,
    *,
    gold: LabelTable | None = None,
    threshold: float = PRESENT,
    level: float = 0.95,
    seed: int = 0,
) -> Modes:
    """Measure every arm of a table.

    Args:
        table: the labels.
        gold: human labels of a random subset of its scenarios and modes. What they identify becomes the headline, and
            the raw figure stands under `uncorrected`.
        threshold: the grade from which a value is present.
        level: nominal coverage of every interval.
        seed: of the bootstrap that carries the gold.

    Raises:
        InputError: as `measure_modes` and `aligned_gold`.
    """
    found = measure_modes(
        table.modes,
        values=table.values,
        clusters=table.clusters,
        domains=table.domains if any(table.domains) else None,
        pressures=table.pressures,
        items=table.items,
        threshold=threshold,
        level=level,
    )
    if gold is None:
        return found
    from akrasia.gap.correct import correct

    modes = dict(found.modes)
    for name, stages in aligned_gold(gold, table).items():
        corrected = correct(
            of_arm(name, table.modes[name]),
            of_arm(name, stages),
            clusters=table.clusters,
            level=level,
            seed=seed,
            threshold=threshold,
            supported=[table.values.index(value) for value in modes[name].supported],
        )
        modes[name] = with_corrected(modes[name], corrected)
    notes = list(found.diagnostics)
    if found.deliberation_effect is not None:
        notes.append(
            Diagnostic(
                "effect_uncorrected", "gold does not reach the deliberation effect: it rests on raw labels", "info"
            )
        )
    return replace(found, modes=modes, diagnostics=ordered(notes))


def with_corrected(gap: Gap, corrected: Corrected) -> Gap:
    """The gap with corrected headlines, and the raw figures that they replace under `uncorrected`.

    A figure that has no value in this arm gets none from gold either.
    """
    found = {name: getattr(corrected, name) for name in CORRECTABLE if getattr(gap, name) is not None}
    right = {name: figure for name, figure in found.items() if figure is not None}
    raw = UncorrectedGap(**{name: getattr(gap, name) for name in right})
    notes = ordered([*(_as_judged(note) if right else note for note in gap.diagnostics), *corrected.diagnostics])
    return replace(gap, **right, uncorrected=raw, corrected=tuple(right), diagnostics=notes)


def _as_judged(note: Diagnostic) -> Diagnostic:
    """A diagnostic about a figure that gold does not reach, beside others that it corrected."""
    if note.code != "not_above_baseline":
        return note
    return replace(note, message=f"{note.message}; as judged: gold does not reach the baseline")


def aligned_gold(gold: LabelTable, judged: LabelTable) -> dict[str, Stages]:
    """Human labels at the rows and columns of what was judged, by mode; NaN where there are none.

    Where the arms were judged to state the same of a scenario, people need to label what is stated in one of them only.

    Raises:
        InputError: gold about a scenario, a mode or a value that was not judged, or inclusion probabilities for some
            rows of a mode only.
    """
    rows = _places("scenario", gold.scenarios, judged.scenarios, lambda name: gold.place(scenario=name))
    columns = _places("value", gold.values, judged.values, partial(_place_of_value, gold))
    _places("mode", list(gold.modes), list(judged.modes), lambda name: gold.place(mode=name))
    shape = (len(judged.scenarios), len(judged.values))

    def spread(labels: FloatArray) -> FloatArray:
        wide = np.full(shape, np.nan)
        wide[np.ix_(rows, columns)] = labels
        return wide

    found = {}
    for mode, stages in gold.modes.items():
        asked = np.ones(len(rows), dtype=np.bool_) if stages.asked is None else stages.asked
        theirs = judged.modes[mode].asked
        for scenario, row, here in zip(gold.scenarios, rows, asked, strict=True):
            if here and theirs is not None and not theirs[row]:
                raise InputError(
                    f"{gold.place(scenario, mode)}gold about scenario {scenario!r} in mode {mode!r}, which has no "
                    "labels to correct"
                )
        found[mode] = Stages(
            stated=spread(stages.stated),
            reasoning=None if stages.reasoning is None else spread(stages.reasoning),
            action=spread(stages.action),
            inclusion=_inclusion(stages.inclusion, asked, rows, shape[0], mode),
        )
    return {mode: replace(stages, stated=_shared_stated(mode, found, judged)) for mode, stages in found.items()}


def _shared_stated(mode: str, gold: Mapping[str, Stages], judged: LabelTable) -> FloatArray:
    """What people say is stated, taken from other arms of the same statements where this one's rows are not filled."""
    labels = gold[mode].stated.copy()
    mine = judged.modes[mode].stated
    for other, stages in gold.items():
        theirs = judged.modes[other].stated
        same = np.all((mine == theirs) | (np.isnan(mine) & np.isnan(theirs)), axis=1)
        labels = np.where(np.isnan(labels) & same[:, None], stages.stated, labels)
    return labels


def _places(kind: str, wanted: Sequence[str], known: Sequence[str], place: Callable[[str], str]) -> list[int]:
    place_of = {name: place for place, name in enumerate(known)}
    for name in wanted:
        if name not in place_of:
            raise InputError(f"{place(name)}gold about {kind} {name!r}, which is not among the labels to correct")
    return [place_of[name] for name in wanted]


def _place_of_value(gold: LabelTable, value: str) -> str:
    column = gold.values.index(value)
    for mode, stages in gold.modes.items():
        given = [stage for stage in (stages.stated, stages.reasoning, stages.action) if stage is not None]
        for row, scenario in enumerate(gold.scenarios):
            if not all(np.isnan(stage[row, column]) for stage in given):
                return gold.place(scenario, mode)
    return gold.place()


def _inclusion(
    given: FloatArray | None, asked: BoolArray, rows: list[int], scenarios: int, mode: str
) -> FloatArray | None:
    """(S,) probability of being drawn for gold; 1 where nothing was drawn, so that no probability is out of range."""
    if given is None:
        return None
    if np.isnan(given[asked]).any():
        raise InputError(f"gold in mode {mode!r} has inclusion probabilities on some rows only: give all or none")
    wide = np.ones(scenarios)
    wide[np.asarray(rows)[asked]] = given[asked]
    return wide
