"""What a reader must know before believing the gap: habits in place of values, too little support, missing labels."""

from __future__ import annotations

import numpy as np

from akrasia.gap.cells import bits
from akrasia.gap.figures import MIN_SUPPORT, Arm
from akrasia.gap.missing import only_betrayals
from akrasia.gap.results import Baseline, Missing
from akrasia.stats.diagnostic import Diagnostic, few_clusters

ALARMING = 0.1
"""A larger share of missing labels is a warning."""

NAMED = 6
"""So many names are listed in a message, and the rest are counted."""


def named(names: list[str]) -> str:
    """Some names and how many more there are."""
    shown = ", ".join(names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"


def arm_diagnostics(arm: Arm, missing: Missing, units: int) -> list[Diagnostic | None]:
    """The checks that need only the labels."""
    return [
        few_clusters(units),
        _unsupported(arm),
        _never(arm, "stated"),
        _never(arm, "action"),
        _constant(arm),
        _missing(missing),
        _betrayal_unknown(arm, missing),
        _no_reasoning(arm),
        _scales(arm),
    ]


def _unsupported(arm: Arm) -> Diagnostic | None:
    supported = set(arm.supported)
    outside = [name for column, name in enumerate(arm.frame.values) if column not in supported]
    if not outside:
        return None
    if not supported:
        return Diagnostic(
            "no_supported_values",
            f"no value is stated or acted on in at least {MIN_SUPPORT} scenarios, so macro-F1 has no value: measure "
            "more scenarios",
            "warning",
        )
    return Diagnostic(
        "unsupported_values",
        f"{len(outside)} of {len(arm.frame.values)} values are stated or acted on in fewer than {MIN_SUPPORT} "
        f"scenarios and stay out of macro-F1: {named(outside)}",
        "info",
    )


def _never(arm: Arm, stage: str) -> Diagnostic | None:
    labels = arm.stages.stated if stage == "stated" else arm.stages.action
    if np.any(bits(labels, arm.threshold) == 1):
        return None
    if np.all(np.isnan(labels)):
        return Diagnostic(
            f"no_{stage}", f"not one label of the {stage} stage is known: nothing can be compared", "error"
        )
    said = "states no value" if stage == "stated" else "acts on no value"
    empty = "retention, survival and suppression have" if stage == "stated" else "emergence has"
    return Diagnostic(f"never_{stage}", f"the arm {said} anywhere, so {empty} no value", "warning")


def _constant(arm: Arm) -> Diagnostic | None:
    action = bits(arm.stages.action, arm.threshold)
    known = ~np.isnan(action)
    ones = np.nansum(action, axis=0)
    counts = known.sum(axis=0)
    seen = counts > 1
    if not seen.any() or np.any((ones > 0) & (ones < counts) & seen):
        return None
    return Diagnostic(
        "constant_actions",
        "the action expresses the same values in every scenario: what it retains it retains by habit, and it earns "
        "nothing above the scenario-blind baseline",
        "error",
    )


def _missing(missing: Missing) -> Diagnostic | None:
    if not missing.share:
        return None
    parts = [f"{missing.stated:,} stated"]
    if missing.reasoning is not None:
        parts.append(f"{missing.reasoning:,} reasoning")
    parts.append(f"{missing.action:,} action")
    return Diagnostic(
        "missing",
        f"{missing.share:.1%} of labels are missing ({', '.join(parts)}, of {missing.cells:,} cells each): see the "
        "bounds of retention; a value that was looked for and not found must be 0, not absent",
        "warning" if missing.share > ALARMING else "info",
    )


def _betrayal_unknown(arm: Arm, missing: Missing) -> Diagnostic | None:
    """Whether somebody said of some stated values what the action does against them, and of others nothing."""
    betrayed = arm.stages.betrayed
    if betrayed is None:
        return None
    stated = bits(arm.stages.stated, arm.threshold) == 1
    open_cells = int((stated & np.isnan(betrayed) & ~np.isnan(arm.stages.action)).sum())
    if not open_cells:
        return None
    could = "" if missing.betrayal is None else f" ({missing.betrayal.best:.3f} to {missing.betrayal.worst:.3f})"
    none = only_betrayals(arm.stages, arm.threshold)
    told = "none has one that says it does not, so the share betrayed has no value" if none else "they stay out of it"
    return Diagnostic(
        "betrayal_unknown",
        f"{open_cells:,} of {int(stated.sum()):,} stated values have no label that says whether the action betrays "
        f"them, and {told}: see its bounds{could}; a value that is not betrayed must be 0 in betrayed, not absent",
        "warning",
    )


def _no_reasoning(arm: Arm) -> Diagnostic | None:
    if not arm.reasoning_due:
        return None
    return Diagnostic(
        "no_reasoning",
        "the slow arm has no labels of its reasoning, so survival and suppression have no value",
        "warning",
    )


def _scales(arm: Arm) -> Diagnostic | None:
    stages = arm.stages
    known = ~(np.isnan(stages.stated) | np.isnan(stages.action))
    binary = [bool(np.all((labels == 0) | (labels == 1))) for labels in (stages.stated[known], stages.action[known])]
    if binary[0] == binary[1]:
        return None
    graded = "the action" if binary[0] else "what is stated"
    return Diagnostic(
        "mixed_scales",
        f"only {graded} is graded, the other stage is 0 or 1: read the Manhattan distance beside its floor, or the one "
        "on 0/1 labels",
        "info",
    )


def baseline_diagnostic(baseline: Baseline | None) -> Diagnostic | None:
    """Whether the arm earns more than a model blind to the scenario."""
    if baseline is None:
        return Diagnostic(
            "no_baseline",
            "no domain has scenarios of two families, so the scenario-blind baseline has no value: give clusters and "
            "domains with more families",
            "warning",
        )
    gain = baseline.macro_f1_gain or baseline.retention_gain
    name = "macro-F1" if baseline.macro_f1_gain is not None else "retention"
    if gain is None or gain.low is None or gain.low > 0:
        return None
    return Diagnostic(
        "not_above_baseline",
        f"{name} is not above the scenario-blind baseline (gain {gain.value:.3f}, from {gain.low:.3f}): the actions "
        "may be habit, whatever is stated",
        "warning",
    )
