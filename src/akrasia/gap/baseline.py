"""The scenario-blind baseline: what a model earns by its habits alone, whatever the scenario asks for.

Every action is replaced by that of a scenario of another family in the same domain. The expectation over all such
donors is exact, so nothing is drawn; a twin of the scenario (same family, other pressure) is never its donor. A model
that expresses the same values everywhere earns exactly its baseline.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from akrasia.gap.cells import Frame, PairCounts, pair_counts, within
from akrasia.gap.linear import Linear, f1, mean_of, ratio
from akrasia.gap.records import Stages
from akrasia.gap.results import Baseline
from akrasia.stats.grouping import BoolArray, FloatArray


class Blind(Struct, frozen=True):
    """Counts within clusters, (G, V) each, over the cells that have a donor.

    Attributes:
        real: the true pairs of stated and action.
        both: expected number of cells where the value is stated and the donor acts on it.
        shares: what each cluster adds to Σ both, as receiver and as donor: its derivative by the cluster's weight.
        differs: (G,) whether some cell's action is not what its donors mostly do.
    """

    real: PairCounts
    both: FloatArray
    shares: FloatArray
    differs: BoolArray


def blind_counts(stages: Stages, frame: Frame, threshold: float) -> Blind:
    """Count the stated values against the actions of donors."""
    stated, action = stages.stated, stages.action.copy()
    shape = (frame.units, stated.shape[1])
    both, shares = np.zeros(shape), np.zeros(shape)
    donor_mean = np.full(stated.shape, np.nan)
    domains = np.zeros(len(stated), int) if frame.domains is None else np.unique(frame.domains, return_inverse=True)[1]
    for domain in range(int(domains.max()) + 1):
        rows = domains == domain
        part = frame.rows(rows)
        _, codes = np.unique(part.codes, return_inverse=True)
        families = np.unique(part.codes)
        inner = Frame(part.values, codes, len(families), None, None)
        found = _one_domain(stated[rows], action[rows], inner, threshold)
        both[families] += found[0]
        shares[families] += found[1]
        donor_mean[rows] = found[2][codes]
    action[np.isnan(donor_mean)] = np.nan
    present = np.where(np.isnan(action), np.nan, action >= threshold)
    with np.errstate(invalid="ignore"):
        differs = within((np.abs(present - donor_mean) >= 0.5).astype(np.float64), frame).sum(axis=1) > 0
    return Blind(pair_counts(stated, action, frame, threshold), both, shares, differs)


def _one_domain(
    stated: FloatArray, action: FloatArray, frame: Frame, threshold: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Expected both, its derivative by cluster weight, and the donors' mean action, per family and value."""
    known = ~np.isnan(action)
    acted = within((known & (np.nan_to_num(action) >= threshold)).astype(np.float64), frame)
    donors = within(known.astype(np.float64), frame)
    wanted = pair_counts(stated, action, frame, threshold).first
    other_acted, other_donors = acted.sum(axis=0) - acted, donors.sum(axis=0) - donors
    has_donor = other_donors > 0
    mean = np.divide(other_acted, other_donors, out=np.full(acted.shape, np.nan), where=has_donor)
    both = np.where(has_donor, wanted * np.nan_to_num(mean), 0.0)
    per_donor = np.divide(wanted, other_donors, out=np.zeros(acted.shape), where=has_donor)
    weighted = per_donor * np.nan_to_num(mean)
    as_donor = acted * (per_donor.sum(axis=0) - per_donor) - donors * (weighted.sum(axis=0) - weighted)
    return both, both + as_donor, mean


def _blind_f1(blind: Blind, column: int) -> Linear | None:
    first, second = blind.real.first[:, column], blind.real.second[:, column]
    # A permutation keeps how often each value is acted on, so the denominator is that of the true pairs.
    found = f1(blind.both[:, column], first, second)
    if found is None:
        return None
    marked = first + second
    influence = (2 * blind.shares[:, column] - found.value * marked) / float(marked.sum())
    return Linear(found.value, influence, found.rests, found.low_end, found.high_end)


def baseline(blind: Blind, supported: list[int], level: float) -> Baseline | None:
    """The figures of the scenario-blind baseline and what the arm earns above them; None where no cell has a donor.

    Args:
        blind: counts against donors.
        supported: columns that enter macro-F1.
        level: nominal coverage.
    """
    real = blind.real
    if not real.known.sum():
        return None
    moved = int(blind.differs.sum())
    own_retention = ratio(real.both, real.first)
    blind_retention = ratio(blind.both, real.first)
    if blind_retention is not None:
        total = float(real.first.sum())
        influence = (blind.shares.sum(axis=1) - blind_retention.value * real.first.sum(axis=1)) / total
        rests = blind_retention.rests | (np.abs(influence) > 0)
        blind_retention = Linear(
            blind_retention.value, influence, rests, blind_retention.low_end, blind_retention.high_end
        )
    own_f1 = mean_of([f1(real.both[:, v], real.first[:, v], real.second[:, v]) for v in supported])
    blind_f1 = mean_of([_blind_f1(blind, v) for v in supported])
    return Baseline(
        macro_f1=None if blind_f1 is None else blind_f1.figure(level),
        retention=None if blind_retention is None else blind_retention.figure(level),
        macro_f1_gain=None if own_f1 is None or blind_f1 is None else own_f1.minus(blind_f1, moved, level),
        retention_gain=(
            None
            if own_retention is None or blind_retention is None
            else own_retention.minus(blind_retention, moved, level)
        ),
    )
