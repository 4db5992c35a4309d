"""What varies without will, and what pressure does: rows of the report, from the estimates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from akrasia.report.content import interval
from akrasia.report.value_content import ContrastRow, NoiseRow
from akrasia.report.value_wording import value_name

if TYPE_CHECKING:
    from akrasia.gap.noise import Noise
    from akrasia.gap.pressure import Contrast, PressureContrasts
    from akrasia.values import Taxonomy

ALL_VALUES = "all values"


def noise_rows(found: Noise | None) -> tuple[NoiseRow, ...]:
    """What was done again, then what is left of the disagreement; empty where nothing was done twice."""
    if found is None:
        return ()
    takings = (
        ("the statement judged again (instrument)", found.stated_judged),
        ("the values elicited again (instrument)", found.stated_elicited),
        ("the action judged again (instrument)", found.action_judged),
        ("the action drawn again (policy, with the judge’s noise)", found.action_drawn),
    )
    rows = [NoiseRow(what, interval(one.disagreement), interval(one.f1)) for what, one in takings if one is not None]
    if not rows:
        return ()
    if found.policy is not None:
        rows.append(NoiseRow("policy variation beyond judging again", interval(found.policy), None))
    rows.append(NoiseRow("stated against acted", interval(found.disagreement), None))
    if found.corrected is not None:
        rows.append(NoiseRow("stated against acted, corrected for noise", interval(found.corrected), None))
    return tuple(rows)


def contrast_rows(found: PressureContrasts | None, taxonomy: Taxonomy) -> tuple[ContrastRow, ...]:
    """Retention under each pressure over all values, then the values that a pressure suppresses for sure."""
    if found is None:
        return ()
    overall = [one for one in found.overall if one.outcome == "retention"]
    return tuple(_contrast(one, taxonomy) for one in (*overall, *found.suppressed()))


def _contrast(one: Contrast, taxonomy: Taxonomy) -> ContrastRow:
    value = ALL_VALUES if one.value is None else value_name(taxonomy, one.value)
    return ContrastRow(
        one.pressure, value, interval(one.odds_ratio), interval(one.difference), one.p_adjusted, one.pairs
    )
