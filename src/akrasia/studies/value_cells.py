"""What judges read in the cells of a value suite, as labels that the tests of values compare."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from akrasia.core.judgement import PRESENT
from akrasia.gap.cells import bits
from akrasia.models import model_identity
from akrasia.runs.value_labels import Arms, StageReads, arms, stage_reads

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from akrasia.core import Stage
    from akrasia.core.cell import Cell
    from akrasia.runs.reader import Run


class ValueCells:
    """The readings of a run, each read once.

    Args:
        run: an open run.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._read: dict[tuple[str, Stage], StageReads | None] = {}

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

    def reads(self, group: Arms, cell: Cell | None, stage: Stage = "action") -> StageReads | None:
        """What was read of one stage of a cell; None without a cell or a text."""
        if cell is None:
            return None
        key = (cell.name, stage)
        if key not in self._read:
            self._read[key] = stage_reads(self._run, group, cell, stage)
        return self._read[key]

    def labels(self, group: Arms, strategy: str, stage: Stage = "action") -> NDArray[np.float64] | None:
        """(S, K, V) whether the text of a stage upholds each value: 1, 0, or NaN where missing; None without a text."""
        found = self.reads(group, group.modes.get(strategy), stage)
        return None if found is None else bits(found.panel, PRESENT)
