"""The value–action gap on plain arrays: what is lost between the values stated, reasoned with, and acted on."""

from akrasia.gap.correct import Corrected, correct
from akrasia.gap.drawn import Drawn
from akrasia.gap.figures import MIN_SUPPORT
from akrasia.gap.labels import measure_table
from akrasia.gap.measure import measure, measure_modes
from akrasia.gap.noise import Noise, Retest, noise
from akrasia.gap.overlap import scenario_f1
from akrasia.gap.pressure import Contrast, PressureContrasts, pressure_contrasts
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
from akrasia.gap.sensitivity import SensitivityBand, sensitivity_band
from akrasia.gap.split import Split, split
from akrasia.gap.spread import FacetSpread, ReadingSpread, reading_spread

__all__ = [
    "MIN_SUPPORT",
    "Baseline",
    "Contrast",
    "Corrected",
    "Drawn",
    "FacetSpread",
    "Gap",
    "GroupGap",
    "LabelTable",
    "Missing",
    "Modes",
    "Noise",
    "PressureContrasts",
    "ReadingSpread",
    "Retest",
    "SensitivityBand",
    "Split",
    "StagePair",
    "StagePairs",
    "Stages",
    "ThresholdRow",
    "UncorrectedGap",
    "ValueGap",
    "correct",
    "measure",
    "measure_modes",
    "measure_table",
    "noise",
    "pressure_contrasts",
    "reading_spread",
    "scenario_f1",
    "sensitivity_band",
    "split",
]
