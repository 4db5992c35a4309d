"""Intervals, resampling, mixing distributions and tests on plain arrays: no file, no loop, no printing."""

from akrasia.stats.betamass import BetaMass, fit_beta_mass
from akrasia.stats.bootstrap import Resampler, bootstrap_interval
from akrasia.stats.diagnostic import Bounds, Diagnostic, Severity
from akrasia.stats.figure import Figure
from akrasia.stats.grouping import Grouping, group
from akrasia.stats.intervals import interval_of_mean, mean_interval, t_quantile, wilson
from akrasia.stats.mixing import Mixture, MixtureData, fit_mixture, mixture_data, probability_grid, profile_figure
from akrasia.stats.multiple import holm
from akrasia.stats.paired import PairedDifference, mcnemar, paired_difference
from akrasia.stats.rectify import Rectified, rectified_mean, rectify
from akrasia.stats.seeds import SeedVariance, interval_over_seeds, seed_variance

__all__ = [
    "BetaMass",
    "Bounds",
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
    "bootstrap_interval",
    "fit_beta_mass",
    "fit_mixture",
    "group",
    "holm",
    "interval_of_mean",
    "interval_over_seeds",
    "mcnemar",
    "mean_interval",
    "mixture_data",
    "paired_difference",
    "probability_grid",
    "profile_figure",
    "rectified_mean",
    "rectify",
    "seed_variance",
    "t_quantile",
    "wilson",
]
