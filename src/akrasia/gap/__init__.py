"""The value–action gap on plain arrays: what is lost between the values stated, reasoned with, and acted on."""

from akrasia.gap.figures import MIN_SUPPORT
from akrasia.gap.labels import measure_table
from akrasia.gap.measure import measure, measure_modes
from akrasia.gap.records import LabelTable, Stages
from akrasia.gap.results import (
    Baseline,
    Gap,
    GroupGap,
    Missing,
    Modes,
    StagePair,
    StagePairs,
    ThresholdRow,
    UncorrectedGap,
    ValueGap,
)

__all__ = [
    "MIN_SUPPORT",
    "Baseline",
    "Gap",
    "GroupGap",
    "LabelTable",
    "Missing",
    "Modes",
    "StagePair",
    "StagePairs",
    "Stages",
    "ThresholdRow",
    "UncorrectedGap",
    "ValueGap",
    "measure",
    "measure_modes",
    "measure_table",
]
