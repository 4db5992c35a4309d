"""Repeated figures as the benchmarks tell them: the median, and how far it went. Standard library only."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Median and range of repeated figures."""

    median: float
    low: float
    high: float
    runs: int

    @staticmethod
    def of(figures: Sequence[float]) -> Spread:
        """The spread of at least one figure."""
        return Spread(statistics.median(figures), min(figures), max(figures), len(figures))

    def text(self, digits: int = 0) -> str:
        """Median (low to high); the figure alone where there is but one."""
        if self.runs == 1:
            return f"{self.median:,.{digits}f}"
        return f"{self.median:,.{digits}f} ({self.low:,.{digits}f} to {self.high:,.{digits}f})"
