"""What measuring the gap returns, and the machine-readable record that every surface prints.

A figure that has no value is None, and a diagnostic says why.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec
from msgspec import Struct

from akrasia.stats.diagnostic import Bounds, Diagnostic
from akrasia.stats.figure import Figure


class Rates(Struct, frozen=True):
    """The rates of design section 6, pooled over scenarios and values.

    Attributes:
        retention: P(action | stated).
        survival: P(reasoning and action | stated); equals retention in an arm without reasoning.
        suppression: P(no action | stated and reasoned with); 1 − retention in an arm without reasoning.
        emergence: P(not stated | action).
    """

    retention: Figure | None
    survival: Figure | None
    suppression: Figure | None
    emergence: Figure | None


class StagePair(Struct, frozen=True):
    """A later stage against an earlier one, on the cells where both are known.

    Attributes:
        macro_f1: F1 of the later stage against the earlier, mean over the values with support in this pair.
        manhattan: mean |earlier − later| of the grades.
        retention: P(later | earlier).
        emergence: P(not earlier | later).
        cells: cells where both stages are known.
    """

    macro_f1: Figure | None
    manhattan: Figure | None
    retention: Figure | None
    emergence: Figure | None
    cells: int


class StagePairs(Struct, frozen=True):
    """All pairs of stages; the last two are None in an arm without reasoning."""

    stated_action: StagePair
    stated_reasoning: StagePair | None
    reasoning_action: StagePair | None


class Baseline(Struct, frozen=True):
    """The scenario-blind baseline: actions of other families in the same domain in place of the arm's own.

    Attributes:
        macro_f1: what habits alone earn.
        retention: the same.
        macro_f1_gain: the arm's macro-F1 less the baseline's, paired, over the cells that have a donor.
        retention_gain: the same for retention.
    """

    macro_f1: Figure | None
    retention: Figure | None
    macro_f1_gain: Figure | None
    retention_gain: Figure | None


class GroupGap(Struct, frozen=True):
    """The gap in one domain, or under one pressure.

    Attributes:
        scenarios: scenarios of the group that the arm was asked about.
        draws: actions in them; as many where each scenario has one.
        macro_f1: over the values with support within the group.
        transitions: cells by pattern, as in `Gap`.
        transitions_by_value: the same for each value.
    """

    scenarios: int
    draws: int
    macro_f1: Figure | None
    manhattan: Figure | None
    retention: Figure | None
    survival: Figure | None
    suppression: Figure | None
    emergence: Figure | None
    transitions: dict[str, int]
    transitions_by_value: dict[str, dict[str, int]]


class ValueGap(Struct, frozen=True):
    """The gap in one value.

    Attributes:
        support: scenarios in which it is stated or acted on, in any arm.
        supported: whether that is enough for macro-F1.
        f1: of the action against what is stated.
        kappa: agreement beyond chance; None where both are constant.
        transitions: cells by pattern, as in `Gap`.
    """

    support: int
    supported: bool
    f1: Figure | None
    manhattan: Figure | None
    retention: Figure | None
    survival: Figure | None
    suppression: Figure | None
    emergence: Figure | None
    kappa: Figure | None
    transitions: dict[str, int]


class ThresholdRow(Struct, frozen=True):
    """The figures if a value counted as present from another grade on; the values in macro-F1 stay the same."""

    threshold: float
    macro_f1: Figure | None
    retention: Figure | None
    survival: Figure | None
    suppression: Figure | None
    emergence: Figure | None


class Missing(Struct, frozen=True):
    """What is not known of what was asked.

    Attributes:
        cells: draws times values.
        stated: cells without a stated label.
        reasoning: cells without a label of the reasoning; None in an arm without reasoning.
        action: cells without a label of the action.
        share: of all labels of the arm that are missing.
        retention: what retention could be, whatever the missing labels are; None where it has no value.
        betrayed: cells without a label of whether the action betrays; None where nobody asked.
        betrayal: what the share betrayed of what is stated could be, as `retention`.
    """

    cells: int
    stated: int
    reasoning: int | None
    action: int
    share: float
    retention: Bounds | None
    betrayed: int | None = None
    betrayal: Bounds | None = None


class UncorrectedGap(Struct, frozen=True):
    """The raw figures beside those that gold corrected; None where the raw one is the headline."""

    macro_f1: Figure | None = None
    retention: Figure | None = None
    survival: Figure | None = None
    suppression: Figure | None = None
    emergence: Figure | None = None


class Gap(Struct, frozen=True):
    """The value–action gap of one arm.

    Attributes:
        mode: the arm's name.
        scenarios: scenarios that the arm was asked about; several draws of one count once.
        draws: actions; as many where each scenario has one.
        macro_f1: F1 of the action against what is stated, per value over scenarios, mean over `supported`.
        manhattan: mean |stated − action| of the grades.
        manhattan_floor: the least that any action could reach on these scales: above 0 where stated values are graded
            and actions are judged 0 or 1.
        manhattan_binary: the same distance with both made 0/1 by the threshold.
        retention, survival, suppression, emergence: see `Rates`.
        transitions: cells by "ard" bits where all stages are known: "101" is stated, not in the reasoning, acted. An
            arm without reasoning has "-" in the middle: "1-0" is stated and not acted.
        baseline: scenario-blind; None where no scenario has a donor.
        kappa: mean over the values in which it is defined, in [−1, 1].
        pairs: each later stage against each earlier.
        by_domain, by_value, by_pressure: the same figures in parts; empty where no such labels were given.
        by_threshold: how the figures move with the threshold.
        missing: counts and bounds.
        betrayed: P(action betrays | stated); None where nobody asked, or labels say only where it does.
        diagnostics: worst first.
        supported: names of the values in macro-F1.
        clusters: independent families behind the intervals.
        threshold: from which grade a value is present.
        level: nominal coverage of every interval.
        uncorrected: raw figures beside corrected ones, when gold was given.
        corrected: names of the figures that gold corrected; all others are as judged.
    """

    mode: str
    scenarios: int
    draws: int
    macro_f1: Figure | None
    manhattan: Figure | None
    manhattan_floor: float | None
    manhattan_binary: Figure | None
    retention: Figure | None
    survival: Figure | None
    suppression: Figure | None
    emergence: Figure | None
    transitions: dict[str, int]
    baseline: Baseline | None
    kappa: Figure | None
    pairs: StagePairs
    by_domain: dict[str, GroupGap]
    by_value: dict[str, ValueGap]
    by_pressure: dict[str, GroupGap]
    by_threshold: tuple[ThresholdRow, ...]
    missing: Missing
    betrayed: Figure | None
    diagnostics: tuple[Diagnostic, ...]
    supported: tuple[str, ...]
    clusters: int
    threshold: float
    level: float
    uncorrected: UncorrectedGap | None = None
    corrected: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """The entry of this arm under ``modes`` in the JSON of design section 8."""
        return cast(dict[str, Any], msgspec.to_builtins(self))


class Modes(Struct, frozen=True):
    """The gap of several arms over the same scenarios.

    Attributes:
        modes: arm → its gap.
        deliberation_effect: macro-F1 of "slow" less that of "fast", paired by scenario on the cells known in both; None
            where one of them is absent or has no F1.
        diagnostics: about the arms together, worst first.
        values: all value names.
    """

    modes: dict[str, Gap]
    deliberation_effect: Figure | None
    diagnostics: tuple[Diagnostic, ...]
    values: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """The JSON of ``akrasia gap --json`` (design section 8)."""
        return cast(dict[str, Any], msgspec.to_builtins(self))
