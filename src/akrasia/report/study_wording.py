"""How the numbers of a study that are no utilities are put into words: p-values and odds ratios."""

from __future__ import annotations


def small(p: float | None) -> str:
    """A p-value for people."""
    return "none" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def ratio(value: float) -> str:
    """An odds ratio: 0.4321 → "0.43"; beyond 100 either way only that it is."""
    if value > 100:
        return "> 100"
    return "< 0.01" if value < 0.01 else f"{value:.2f}" if value < 10 else f"{value:.0f}"


def ratio_text(value: float, low: float | None, high: float | None) -> str:
    """An odds ratio with its interval: "0.43 [0.21, 0.88]"."""
    return ratio(value) if low is None or high is None else f"{ratio(value)} [{ratio(low)}, {ratio(high)}]"
