"""What judges read in the cells of a value suite, as labels that the tests of values compare."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from akrasia.core.judgement import PRESENT
from akrasia.models import model_identity
from akrasia.runs.value_labels import Arms, arms, stage_reads, stated_grades

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from akrasia.core import Stage
    from akrasia.runs.reader import Run


class ValueCells:
    """The labels of a run, read once.

    Args:
        run: an open run.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._read: dict[tuple[str, Stage], NDArray[np.float64] | None] = {}

    @cached_property
    def _groups(self) -> list[Arms]:
        return arms(self._run)

    def group(self, model: str, suite: str, seed: int, temperature: float) -> Arms | None:
        """The cells of a model, suite, seed and temperature; None where nothing was run there.

        Raises:
            InputError: the run is of no value suite.
        """
        for found in self._groups:
            cell = found.stated
            names = (model_identity(cell.model), cell.suite, cell.seed, cell.sampling.temperature)
            if names == (model_identity(model), suite, seed, temperature):
                return found
        return None

    def labels(self, group: Arms, strategy: str, stage: Stage = "action") -> NDArray[np.float64] | None:
        """(S, K, V) whether the text of a stage upholds each value: 1, 0, or NaN where missing; None without a text."""
        cell = group.modes.get(strategy)
        if cell is None:
            return None
        key = (cell.name, stage)
        if key not in self._read:
            reads = stage_reads(self._run, group, cell, stage)
            self._read[key] = None if reads is None else _bits(reads.panel)
        return self._read[key]

    def stated(self, group: Arms) -> NDArray[np.float64]:
        """(S, V) grades of what the model states of each scenario, NaN where missing."""
        return stated_grades(self._run, group)


def families(group: Arms) -> NDArray[np.str_]:
    """(S,) the family of every scenario."""
    return np.array([item.cluster or item.id for item in group.items])


def _bits(grades: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isnan(grades), np.nan, grades >= PRESENT)
