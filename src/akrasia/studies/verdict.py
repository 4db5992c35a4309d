"""From figures to verdicts: pure, and the only place that decides what a study may say.

All p-values of a study are adjusted together by Holm. With level 0.95, a claim is

- *supported* when its interval lies wholly on the claimed side of the threshold and its adjusted p is at most 0.05;
- *not supported* when the interval rules out an effect larger than the margin on the claimed side;
- *degenerate* when the data cannot show any effect (every utility is the same);
- *estimate* when no test belongs to its row: it stands outside the family, and nothing is claimed of it;
- *undecided* else: the interval holds both what the claim says and what it denies, or there is no interval.

Both the interval and the test must agree, so a verdict never says more than the interval does. "Not supported" rests on
its own interval, unadjusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from akrasia.stats import holm

Direction = Literal["up", "down", "either"]
Verdict = Literal["supported", "not supported", "undecided", "degenerate", "estimate"]


class Evidence(Struct, frozen=True, kw_only=True):
    """What one row of a verdict table rests on.

    Attributes:
        value, low, high: the estimate and its interval, in any unit; None where undefined.
        p: two-sided p-value of "the estimate is at the threshold"; None where nothing can be tested.
        direction: the side of the threshold that the claim names.
        threshold: where the claim's side begins.
        margin: the smallest effect that counts, at least 0, in the unit of the value.
        degenerate: the data cannot show an effect.
        tested: whether the row is one of those that are judged; False: it is an estimate, and has no p.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    direction: Direction = "up"
    threshold: float = 0.0
    margin: float = 0.0
    degenerate: bool = False
    tested: bool = True


class Judged(Struct, frozen=True):
    """A verdict, and the adjusted p-value behind it; None where there was nothing to test."""

    verdict: Verdict
    p_adjusted: float | None


def judge(evidence: Sequence[Evidence], *, level: float = 0.95) -> tuple[Judged, ...]:
    """The verdicts on all rows of a study, in order.

    Args:
        evidence: every row; degenerate ones take no part in the adjustment.
        level: nominal coverage of the intervals; 1 − level is what adjusted p-values are held against.
    """
    tested = [place for place, row in enumerate(evidence) if row.p is not None and not row.degenerate]
    p_values = [row.p for row in evidence if row.p is not None and not row.degenerate]
    adjusted = dict(zip(tested, holm(p_values).tolist(), strict=True)) if tested else {}
    return tuple(
        Judged(_verdict(row, adjusted.get(place), 1 - level), adjusted.get(place)) for place, row in enumerate(evidence)
    )


def _verdict(row: Evidence, p_adjusted: float | None, alpha: float) -> Verdict:
    if row.degenerate:
        return "degenerate"
    if not row.tested and row.value is not None:
        return "estimate"
    if row.value is None or row.low is None or row.high is None:
        return "undecided"
    above, below = row.low - row.threshold, row.high - row.threshold
    claimed = {"up": above > 0, "down": below < 0, "either": above > 0 or below < 0}[row.direction]
    # Rounding of 1 - level must not turn p = 0.05 away.
    if claimed and p_adjusted is not None and p_adjusted <= alpha + 1e-12:
        return "supported"
    small_up, small_down = below <= row.margin, above >= -row.margin
    denied = {"up": small_up, "down": small_down, "either": small_up and small_down}[row.direction]
    return "not supported" if denied and not claimed else "undecided"
