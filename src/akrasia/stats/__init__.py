"""Intervals, resampling, mixing distributions and tests on plain arrays: no file, no loop, no printing."""

from akrasia.stats.agreement import Agreement, ClassAgreement, class_agreement, krippendorff, krippendorff_figure
from akrasia.stats.betamass import BetaMass, fit_beta_mass
from akrasia.stats.bootstrap import Resampler, bootstrap_interval
from akrasia.stats.diagnostic import Bounds, Diagnostic, Severity
from akrasia.stats.figure import Figure
from akrasia.stats.grouping import Grouping, group
from akrasia.stats.intervals import counted_interval, interval_of_mean, mean_interval, t_quantile, wilson
from akrasia.stats.matched_pairs import mcnemar, melded_interval
from akrasia.stats.matched_power import detectable_difference
from akrasia.stats.mixing import Mixture, MixtureData, fit_mixture, mixture_data, probability_grid, profile_figure
from akrasia.stats.multiple import holm
from akrasia.stats.order import best_of, order_weights
from akrasia.stats.paired import PairedDifference, paired_difference, sign_flip
from akrasia.stats.rectify import Rectified, rectified_mean, rectify
from akrasia.stats.seeds import SeedVariance, interval_over_seeds, seed_variance
from akrasia.stats.waterfall import Stage, waterfall

__all__ = [
    "Agreement",
    "BetaMass",
    "Bounds",
    "ClassAgreement",
    "Diagnostic",
    "Figure",
    "Grouping",
    "Mixture",
    "MixtureData",
    "PairedDifference",
    "Rectified",
    "Resampler",
    "SeedVariance",
    "Severity",
    "Stage",
    "best_of",
    "bootstrap_interval",
    "class_agreement",
    "counted_interval",
    "detectable_difference",
    "fit_beta_mass",
    "fit_mixture",
    "group",
    "holm",
    "interval_of_mean",
    "interval_over_seeds",
    "krippendorff",
    "krippendorff_figure",
    "mcnemar",
    "mean_interval",
    "melded_interval",
    "mixture_data",
    "order_weights",
    "paired_difference",
    "probability_grid",
    "profile_figure",
    "rectified_mean",
    "rectify",
    "seed_variance",
    "sign_flip",
    "t_quantile",
    "waterfall",
    "wilson",
]
