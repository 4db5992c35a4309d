"""What an audit did to the actions of one cell: every arm beside the drafts of the strategy inside it.

All of it is under the judge that evaluates, which the auditor never saw, but for the counts of the trails. A scenario's
figure is the mean over its draws; intervals are by family.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from akrasia.core import Undefined
from akrasia.gap import measure_modes
from akrasia.gap.measure import FAST, SLOW
from akrasia.gap.overlap import scenario_f1
from akrasia.runs.value_labels import label_table, stated_grades
from akrasia.runs.value_parts import families
from akrasia.stats import Figure, mean_interval, paired_difference
from akrasia.stats.held_share import HeldShare, held_share
from akrasia.strategies import build_strategy
from akrasia.strategies.audited import Audited
from akrasia.studies.cells import Cells, Place, label
from akrasia.studies.findings import ArmFound

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from akrasia.audit import Revision
    from akrasia.core.cell import Cell
    from akrasia.runs.reader import StoredTrail
    from akrasia.runs.value_labels import Arms

    Floats = NDArray[np.float64]

_SAME = 1e-9
"""Utilities closer than this are the same: they are ratios of small counts."""


class ArmArrays(Struct, frozen=True):
    """One arm, by scenario and draw.

    Attributes:
        group: the cells that belong together.
        before, after: (S, K) F1 with the stated values, of the draft and of what stands; NaN where missing.
        away_before, away: (S, K) mean distance from the stated grades.
        rewritten: (S, K) whether a rewrite stands; NaN where nothing was audited.
        tried: (S, K) revisions tried. tokens: (S, K) what the audit took; NaN where not known.
        trails: as stored.
    """

    group: Arms
    before: Floats
    after: Floats
    away_before: Floats
    away: Floats
    rewritten: Floats
    tried: Floats
    tokens: Floats
    trails: tuple[StoredTrail, ...]


def inner_of(strategy: str) -> str | None:
    """The strategy inside an audited one, as scenarios have it; None for any other strategy."""
    built = build_strategy(strategy)
    return built.inner_on(scenarios=True) if isinstance(built, Audited) else None


def audited_arms(cells: Cells) -> tuple[ArmFound, ...]:
    """Every audited strategy at every place, in the order of the configuration."""
    found = (arm_found(cells, place, text) for place in cells.places for text in cells.config.strategy)
    return tuple(arm for arm in found if arm is not None)


def arm_arrays(cells: Cells, place: Place, strategy: str) -> ArmArrays | None:
    """One arm beside its drafts; None where the strategy audits nothing, or either has no text yet."""
    inner = inner_of(strategy)
    group = None if inner is None else cells.values.group(place.model, place.suite, place.seed, cells.temperature)
    if group is None or inner is None or strategy not in group.modes:
        return None
    reads = [cells.values.reads(group, group.modes.get(name)) for name in (inner, strategy)]
    if reads[0] is None or reads[1] is None:
        return None
    stated = stated_grades(cells.run, group)
    both = min(one.scores.shape[3] for one in reads if one is not None)
    before, after = reads[0].panel[:, :both], reads[1].panel[:, :both]
    shape = before.shape[:2]
    row_of = {item.position: row for row, item in enumerate(group.items)}
    kept = tuple(
        one
        for one in cells.run.trails(group.modes[strategy])
        if one.position in row_of and one.sample < both
    )  # fmt: skip
    rewritten, tried, tokens = (np.full(shape, np.nan) for _ in range(3))
    for one in kept:
        at = (row_of[one.position], one.sample)
        if not unmeasured(one):
            rewritten[at] = any(trail.accepted is not None for trail in one.trails)
        tried[at] = sum(len(trail.revisions) for trail in one.trails)
        tokens[at] = _tokens(one)
    return ArmArrays(
        group,
        scenario_f1(stated, before),
        scenario_f1(stated, after),
        _away(stated, before),
        _away(stated, after),
        rewritten,
        tried,
        tokens,
        kept,
    )


def _away(stated: Floats, shown: Floats) -> Floats:
    """(S, K) mean |a − d| over the values known in both."""
    apart = np.abs(shown - stated[:, None, :])
    known = (~np.isnan(apart)).sum(axis=2)
    return np.where(known > 0, np.nansum(apart, axis=2) / np.maximum(known, 1), np.nan)


def _tokens(stored: StoredTrail) -> float:
    """What a draw's audits took; NaN where a part is not known, since a part is not the whole."""
    parts = [
        tokens
        for trail in stored.trails
        for spent in trail.spent
        for tokens in (spent.prompt_tokens, spent.completion_tokens)
    ]
    return float("nan") if None in parts else float(sum(part for part in parts if part is not None))


def arm_found(cells: Cells, place: Place, strategy: str) -> ArmFound | None:
    """What one audited strategy did at one place; None as `arm_arrays`."""
    arrays = arm_arrays(cells, place, strategy)
    if arrays is None:
        return None
    clusters, level = families(arrays.group), cells.level
    change = arrays.after - arrays.before
    revisions = [one for stored in arrays.trails for trail in stored.trails for one in trail.revisions]
    guarded, passed = guard_shares(arrays)
    macro = _macro(cells, arrays.group, strategy)
    found = ArmFound(
        where=label(place, cells.config),
        suite=place.suite,
        strategy=strategy,
        inner=inner_of(strategy) or "",
        items=len(arrays.group.items),
        candidates=len(arrays.trails),
        revisions=len(revisions),
        accepted=sum(one.accepted for one in revisions),
        unmeasured=sum(map(unmeasured, arrays.trails)),
        outcomes=dict(Counter(map(outcome_of, revisions)).most_common()),
        macro_f1_before=macro[0],
        macro_f1=macro[1],
        macro_f1_gain=macro[2],
        distance_before=_mean(arrays.away_before, clusters, level),
        distance=_mean(arrays.away, clusters, level),
        distance_change=_mean_change(arrays.away - arrays.away_before, clusters, level),
        f1_gain=_mean_change(change, clusters, level),
        gain_per_revision=_ratio(change, arrays.tried, clusters, level),
        gain_per_1000_tokens=_ratio(change, arrays.tokens / 1000, clusters, level),
        tokens=None if np.isnan(arrays.tokens).all() else float(np.nanmean(arrays.tokens)),
        rewritten=share(arrays.rewritten, clusters, level),
        harm=share(harmed(arrays), clusters, level),
        guard_passed=_weighted(passed, guarded, clusters, level),
    )
    if cells.votes is None:
        return found
    votes = cells.votes.of(place, strategy)
    won = by_draw(votes.won, arrays)
    kept = by_draw(votes.kept, arrays)
    return replace(
        found,
        win_rate=share(won, clusters, level),
        meaning_kept=share(kept, clusters, level),
        compared=len(votes.won),
        unread=sum(value is None for value in votes.won.values()),
    )


def unmeasured(stored: StoredTrail) -> bool:
    """Whether the auditor could measure none of a draw's texts, so that it stood unaudited."""
    return all(trail.missing is not None for trail in stored.trails)


def unaudited_note(cells: Cells, cell: Cell) -> tuple[str, ...]:
    """What a reader must know of a cell that audits: how many of its draws stood unaudited; empty where none did."""
    found = [unmeasured(stored) for stored in cells.run.trails(cell)]
    return (f"{sum(found)} of {len(found)} draws of {cell.strategy} could not be audited",) if any(found) else ()


def outcome_of(revision: Revision) -> str:
    """What became of a revision, in two or three words."""
    if revision.accepted:
        return "accepted"
    if revision.guard is not None:
        return "refused by the guard"
    if revision.text is None:
        role, _, why = revision.reason.partition(": ")
        return f"{role} {why.partition(':')[0]}" if why else revision.reason
    return "not better" if revision.verdict is not None else "nothing new"


def harmed(arrays: ArmArrays) -> Floats:
    """(S, K) whether the action is further from the stated values than its draft.

    NaN where either is missing, and where nothing was audited: that could do no harm.
    """
    known = ~(np.isnan(arrays.before) | np.isnan(arrays.after) | np.isnan(arrays.rewritten))
    return np.where(known, arrays.after < arrays.before - _SAME, np.nan)


def by_draw(values: dict[tuple[int, int], float | None], arrays: ArmArrays) -> Floats:
    """(S, K) values by item and sample, NaN elsewhere."""
    row_of = {item.position: row for row, item in enumerate(arrays.group.items)}
    found = np.full(arrays.before.shape, np.nan)
    for (position, sample), value in values.items():
        if position in row_of and sample < len(found[0]) and value is not None:
            found[row_of[position], sample] = value
    return found


def guard_shares(arrays: ArmArrays) -> tuple[Floats, Floats]:
    """(S,) rewrites that reached the guard, and those in which it found no loss."""
    row_of = {item.position: row for row, item in enumerate(arrays.group.items)}
    guarded, passed = np.zeros(len(row_of)), np.zeros(len(row_of))
    for stored in arrays.trails:
        for trail in stored.trails:
            for revision in trail.revisions:
                if revision.guard is not None:
                    guarded[row_of[stored.position]] += 1
                    passed[row_of[stored.position]] += revision.guard.loses is False
    return guarded, passed


def per_scenario(draws: Floats) -> Floats:
    """(S,) the mean over the draws that are known; NaN where none is."""
    known = (~np.isnan(draws)).sum(axis=1)
    return np.where(known > 0, np.nansum(draws, axis=1) / np.maximum(known, 1), np.nan)


def held_against(draws: Floats, threshold: float, clusters: list[str], level: float) -> HeldShare | None:
    """The share of (S, K) yes-or-no draws, over the scenarios that have one, beside a threshold."""
    mean = per_scenario(draws)
    known = ~np.isnan(mean)
    if not known.any():
        return None
    count = int((~np.isnan(draws)).sum())
    return held_share(mean[known], threshold, clusters=np.array(clusters)[known], draws=count, level=level)


def share(draws: Floats, clusters: list[str], level: float) -> Figure | None:
    """The share alone, with the interval that it has beside any threshold."""
    found = held_against(draws, 0.0, clusters, level)
    return None if found is None else found.share


def _mean(distances: Floats, clusters: list[str], level: float) -> Figure | None:
    """The mean of (S, K) distances in [0, 1] over the scenarios that have one."""
    mean = per_scenario(distances)
    known = ~np.isnan(mean)
    if not known.any():
        return None
    return mean_interval(mean[known], clusters=np.array(clusters)[known], level=level)


def _weighted(hits: Floats, tries: Floats, clusters: list[str], level: float) -> Figure | None:
    """(S,) hits over (S,) tries, as a share."""
    used = tries > 0
    if not used.any():
        return None
    return mean_interval(hits[used] / tries[used], clusters=np.array(clusters)[used], weights=tries[used], level=level)


def _mean_change(change: Floats, clusters: list[str], level: float) -> Figure | None:
    mean = per_scenario(change)
    return _difference(mean, clusters, level)


def _difference(changes: Floats, clusters: list[str], level: float) -> Figure | None:
    try:
        return paired_difference(np.zeros_like(changes), changes, clusters=np.array(clusters), level=level).difference
    except Undefined:
        return None


def _ratio(gain: Floats, cost: Floats, clusters: list[str], level: float) -> Figure | None:
    """Total gain over total cost, (S, K) each, linearised by scenario; None where nothing was spent."""
    known = ~(np.isnan(gain) | np.isnan(cost))
    gains, costs = np.where(known, gain, 0.0).sum(axis=1), np.where(known, cost, 0.0).sum(axis=1)
    used = known.any(axis=1)
    if costs.sum() <= 0:
        return None
    ratio = gains.sum() / costs.sum()
    linear = ratio + (gains[used] - ratio * costs[used]) / costs[used].mean()
    # A difference of utilities ends at 1 and −1; a gain over few tokens need not.
    scale = max(1.0, float(np.abs(linear).max()))
    found = _difference(linear / scale, list(np.array(clusters)[used]), level)
    if found is None:
        return None
    low, high = (None if end is None else scale * end for end in (found.low, found.high))
    return replace(found, value=scale * found.value, low=low, high=high)


def _macro(cells: Cells, group: Arms, strategy: str) -> tuple[Figure | None, Figure | None, Figure | None]:
    """Macro-F1 of the drafts and of what stands, and the paired difference, on the same values."""
    inner = inner_of(strategy)
    table = label_table(cells.run, group)
    if inner is None or inner not in table.modes or strategy not in table.modes:
        return None, None, None
    # What deliberation changes is the paired difference of two arms; here they are the draft and what stands.
    arms = {FAST: replace(table.modes[inner], reasoning=None), SLOW: replace(table.modes[strategy], reasoning=None)}
    found = measure_modes(
        arms, values=table.values, clusters=table.clusters, domains=table.domains, items=table.items,
        level=cells.level,
    )  # fmt: skip
    return found.modes[FAST].macro_f1, found.modes[SLOW].macro_f1, found.deliberation_effect
