"""Rational value risk on plain arrays: what is lost between the best candidate in reach and the one deployed."""

from akrasia.risk.allocation import Costs, GoldState, Purchase, PurchasePlan, plan_purchase
from akrasia.risk.channel import sensitivity_band
from akrasia.risk.chosen import Chosen, best_bounds, vote_bounds
from akrasia.risk.compare import Comparison, MetricComparison, PerItem, compare, per_item
from akrasia.risk.crossfit import cross_fit
from akrasia.risk.diagnostics import Notes, best_constant, shared_target
from akrasia.risk.estimate import Options, estimate
from akrasia.risk.extrapolation import extrapolate_curve
from akrasia.risk.gold_labels import Gold
from akrasia.risk.gold_sample import GoldRequest, draw_gold_sample, expected_labels
from akrasia.risk.lengths import LengthFit, LengthPoint, LengthStep, LengthSweep, length_sweep
from akrasia.risk.matching import Match, Replay, match_best_of, replay
from akrasia.risk.pool import thin_items
from akrasia.risk.pooled import (
    best_of_n,
    best_of_n_items,
    risk_within,
    self_consistency,
    self_consistency_items,
    worst_of_n,
)
from akrasia.risk.prior import Prior, check_prior, fit_prior
from akrasia.risk.records import (
    Band,
    Counts,
    CrossFit,
    CurvePoint,
    CurveRow,
    ErrorBudget,
    ErrorRates,
    Estimate,
    Extrapolation,
    MissingBounds,
    RiskRecord,
    Uncorrected,
    VarianceSplit,
    undefined_record,
)
from akrasia.risk.stopped import StoppedPools, estimate_stopped, read_stopped
from akrasia.risk.stopped_account import with_account
from akrasia.risk.stopping import NextDraws, Outlook, StoppingRule, reservation_value
from akrasia.risk.width import Decision, UntilWidth, candidates_needed, decide
from akrasia.stats.diagnostic import Bounds, Diagnostic
from akrasia.stats.waterfall import Stage

__all__ = [
    "Band",
    "Bounds",
    "Chosen",
    "Comparison",
    "Costs",
    "Counts",
    "CrossFit",
    "CurvePoint",
    "CurveRow",
    "Decision",
    "Diagnostic",
    "ErrorBudget",
    "ErrorRates",
    "Estimate",
    "Extrapolation",
    "Gold",
    "GoldRequest",
    "GoldState",
    "LengthFit",
    "LengthPoint",
    "LengthStep",
    "LengthSweep",
    "Match",
    "MetricComparison",
    "MissingBounds",
    "NextDraws",
    "Notes",
    "Options",
    "Outlook",
    "PerItem",
    "Prior",
    "Purchase",
    "PurchasePlan",
    "Replay",
    "RiskRecord",
    "Stage",
    "StoppedPools",
    "StoppingRule",
    "Uncorrected",
    "UntilWidth",
    "VarianceSplit",
    "best_bounds",
    "best_constant",
    "best_of_n",
    "best_of_n_items",
    "candidates_needed",
    "check_prior",
    "compare",
    "cross_fit",
    "decide",
    "draw_gold_sample",
    "estimate",
    "estimate_stopped",
    "expected_labels",
    "extrapolate_curve",
    "fit_prior",
    "length_sweep",
    "match_best_of",
    "per_item",
    "plan_purchase",
    "read_stopped",
    "replay",
    "reservation_value",
    "risk_within",
    "self_consistency",
    "self_consistency_items",
    "sensitivity_band",
    "shared_target",
    "thin_items",
    "undefined_record",
    "vote_bounds",
    "with_account",
    "worst_of_n",
]
