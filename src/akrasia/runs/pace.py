"""How long what is left of a run will take: cells differ in what a candidate takes, so candidates are weighed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from msgspec import Struct

from akrasia.runs.meter import Meter

TELLING = 5
"""Candidates of a cell from which on what they took stands for those to come."""


class Workload(Struct, frozen=True):
    """What one cell has left when a sitting begins.

    Attributes:
        cell: its id.
        model: who answers; models work side by side, the cells of one after another.
        left: candidates.
        weight: what one takes, as planned: tokens generated at the most, else calls.
    """

    cell: int
    model: str
    left: int
    weight: float


class Pace:
    """Tells the time that is left.

    Args:
        workloads: every live cell.
        meter: what this sitting made so far.
    """

    def __init__(self, workloads: Sequence[Workload], meter: Meter) -> None:
        self._workloads = tuple(workloads)
        self._meter = meter

    def seconds_left(self, elapsed_s: float) -> float | None:
        """Of the slowest model, at the rate so far; None before anything was made.

        Args:
            elapsed_s: seconds since the sitting began.
        """
        weights = self._weights()
        done: dict[str, float] = defaultdict(float)
        left: dict[str, float] = defaultdict(float)
        for work in self._workloads:
            made = min(self._meter.made_by_cell[work.cell], work.left)
            ready = made * weights[work.cell]
            # Of candidates that take several calls, some are half made.
            begun = max(ready, float(self._meter.generated_by_cell[work.cell]))
            done[work.model] += begun
            left[work.model] += max(0.0, work.left * weights[work.cell] - begun)
        known = [elapsed_s * left[model] / done[model] for model in left if done[model] > 0]
        return max(known) if known else None

    def _weights(self) -> dict[int, float]:
        """What a candidate of each cell takes: as seen where enough are made.

        Else it is as planned, times what candidates of the cells seen took of what was planned for them.
        """
        made, generated = self._meter.made_by_cell, self._meter.generated_by_cell
        seen = {
            work.cell: generated[work.cell] / made[work.cell]
            for work in self._workloads
            if made[work.cell] >= TELLING and generated[work.cell] > 0
        }
        planned = sum(made[work.cell] * work.weight for work in self._workloads if work.cell in seen)
        ratio = sum(made[cell] * weight for cell, weight in seen.items()) / planned if planned else 1.0
        return {work.cell: seen.get(work.cell, work.weight * ratio) for work in self._workloads}
