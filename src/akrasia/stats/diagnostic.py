"""What a reader must know before believing a figure, in one form for every estimate."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

Severity = Literal["info", "warning", "error"]

FEW_CLUSTERS = 20
"""Below so many, cluster-robust intervals are known to cover too little."""

_ORDER: dict[Severity, int] = {"error": 0, "warning": 1, "info": 2}


class Diagnostic(Struct, frozen=True):
    """Something that a reader must know before believing a figure.

    Attributes:
        code: stable name, for programs.
        message: one sentence, for people.
        severity: "error": the figures do not mean what they seem to; "warning": they may not; "info": good to know.
    """

    code: str
    message: str
    severity: Severity


class Bounds(Struct, frozen=True):
    """The figure if everything missing were as bad, and as good, as can be for it."""

    worst: float
    best: float


def ordered(diagnostics: Iterable[Diagnostic | None]) -> tuple[Diagnostic, ...]:
    """Those that apply, worst first."""
    return tuple(sorted((d for d in diagnostics if d is not None), key=lambda d: _ORDER[d.severity]))


def few_clusters(clusters: int) -> Diagnostic | None:
    """Whether there are too few independent clusters for the intervals to be trusted."""
    if clusters >= FEW_CLUSTERS:
        return None
    if clusters == 1:
        return Diagnostic(
            "one_cluster", "all items are one cluster: nothing tells how far they are from others", "error"
        )
    return Diagnostic(
        "few_clusters",
        f"{clusters} independent clusters: intervals may cover less than they say below about {FEW_CLUSTERS}",
        "warning",
    )
