"""Gold against an imperfect verifier: which figures the labels identify, and their corrected values.

Gold by items, the default: a random sample of items, each labelled until its best utility is known (accepted candidates
until one is right, then the rest). The difference estimator then needs no model of the verifier's errors. Gold
scattered over candidates needs one: see `channel`. Labels of the deployed candidates, or of every candidate, are needed
to correct `deployed` and with it `risk`; what is not identified stays uncorrected, and a diagnostic says so. `deployed`
is never corrected beside a `reachable` that is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from akrasia.core.errors import InputError, Undefined
from akrasia.risk.channel import BADGE, channel_figure, count_patterns, same_errors_everywhere
from akrasia.risk.curve import reachable_items
from akrasia.risk.gold_labels import Gold, Labelled, read_labels
from akrasia.risk.gold_sample import FEWEST
from akrasia.risk.pool import read_pool
from akrasia.risk.pooled import best_of_n_items
from akrasia.risk.records import CurvePoint
from akrasia.risk.sample import Sample
from akrasia.stats.diagnostic import Diagnostic
from akrasia.stats.figure import Figure
from akrasia.stats.grouping import FloatArray
from akrasia.stats.mixing import probability_grid
from akrasia.stats.rectify import Rectified, rectify

_NOT_OF_DEPLOYED = "the labels are of the pool's candidates and say nothing of what this strategy itself committed to"
_NOT_OF_CHOICE = "what this strategy chooses is computed from the utilities as the verifier had them"


class Corrected(Struct, frozen=True):
    """What gold identifies; None: it does not.

    Attributes:
        deployed: corrected deployed; only beside a corrected `reachable`.
        reachable: corrected reachable@k.
        risk: corrected risk.
        curve: the whole corrected curve, when every candidate of the drawn items is labelled.
        verifier_variance: squared standard error that the correction adds to `deployed`.
        diagnostics: how it was corrected, and what was not.
        recoverable: best-of-k by the verifier at hand in true utility, when every candidate of the drawn items is
            labelled.
    """

    deployed: Figure | None
    reachable: Figure | None
    risk: Figure | None
    curve: tuple[CurvePoint, ...] | None
    verifier_variance: float | None
    diagnostics: tuple[Diagnostic, ...]
    recoverable: Figure | None = None


def correct(
    sample: Sample,
    gold: Gold,
    keep: NDArray[np.bool_],
    ks: Sequence[int],
    *,
    level: float,
    rng: np.random.Generator,
    scores: FloatArray | None = None,
) -> Corrected:
    """Correct the figures of a sample as far as the labels identify them.

    Args:
        sample: the cell, one row per item and one pool.
        gold: the labels, over all items.
        keep: (M,) which of them the sample holds.
        ks: sizes of the curve, increasing; the last is the headline.
        level: nominal coverage.
        rng: source of the permutation test for scattered gold.
        scores: (M, K) what selects for "recoverable"; None: the utilities themselves, which are then the verifier at
            hand.

    Raises:
        InputError: labels outside [0, 1] or in another shape; several seeds.
    """
    if len(sample.pools) > 1:
        raise InputError("gold over several seeds is not supported: give the labels of one seed at a time")
    pool = sample.pools[0]
    found = read_labels(pool, gold, keep)
    if not found.touched.any():
        raise InputError("gold holds no label of a candidate with a known utility: check that item and sample match")
    resolved = bool(np.all(found.full[found.touched] | found.solved[found.touched]))
    if gold.design == "items" and not resolved:
        raise InputError("gold by items must settle every item it touches: go on until one is right or all are wrong")
    if (gold.design or ("items" if resolved else "scattered")) == "scattered":
        result = _by_channel(sample, found, ks[-1], level, rng)
        return replace(result, diagnostics=(*result.diagnostics, *_half_way(sample, found, gold, keep)))
    result = _by_items(sample, found, gold, keep, ks, level)
    if result.reachable is None or not found.all_full:
        return result
    said = np.asarray(pool.utilities, dtype=np.float64)
    return replace(
        result,
        recoverable=_recoverable(sample, found, said if scores is None else scores[keep], ks[-1], level),
    )


def _recoverable(sample: Sample, found: Labelled, scores: FloatArray, k: int, level: float) -> Figure | None:
    """Best-of-k by the verifier at hand, in true utility: needs the labels of every candidate of the drawn items."""
    rows = found.touched
    unscored = np.isnan(scores) & ~np.isnan(np.asarray(sample.pools[0].utilities, dtype=np.float64))
    if rows.sum() < FEWEST or k > found.smallest or unscored.any():
        return None
    truth = np.full(len(rows), np.nan)
    truth[rows] = best_of_n_items(found.labels[rows, : found.width], scores[rows, : found.width], k)
    naive = best_of_n_items(sample.pools[0], scores, k)
    return rectify(naive, truth, sample.grouping).figure(sample.grouping, level=level)


def _by_items(
    sample: Sample, found: Labelled, gold: Gold, keep: NDArray[np.bool_], ks: Sequence[int], level: float
) -> Corrected:
    inclusion = None if gold.inclusion is None else np.asarray(gold.inclusion, dtype=np.float64)[keep]
    asked = None if gold.deployed is None else np.asarray(gold.deployed, dtype=np.float64)[keep]
    cheap = sample.deployed_items()

    def rectified(naive: FloatArray, truth: FloatArray | None) -> Rectified | None:
        if truth is None:
            return None
        try:
            return rectify(naive, truth, sample.grouping, inclusion=inclusion)
        except Undefined:
            return None

    base = rectified(cheap, _true_deployed(sample, found, asked))
    points: list[CurvePoint] = []
    best: Rectified | None = None
    for k, naive in zip(ks, sample.reachable(ks), strict=True):
        if not found.all_full and k != ks[-1]:
            continue
        one_draw = k == 1 and sample.deployed is None  # and so the same quantity as deployed
        best = base if one_draw and base else rectified(naive, _true_reachable(sample, found, asked, k))
        if best is not None and base is not None:
            lost = best.minus(base).figure(sample.grouping, level=level)
            if one_draw:
                lost = Figure(0.0, 0.0, 0.0, level, "identity", lost.n)
            points.append(CurvePoint(k, best.figure(sample.grouping, level=level), lost))
    notes = tuple(_item_diagnostics(sample, found, asked, ks[-1], (best, base), level))
    if best is None:  # deployed alone would stand beside a reachable of another kind, and risk be the gap of neither
        return Corrected(None, None, None, None, None, notes)
    return Corrected(
        None if base is None else base.figure(sample.grouping, level=level),
        best.figure(sample.grouping, level=level),
        points[-1].risk if points else None,
        tuple(points) if len(points) == len(ks) else None,
        None if base is None else _added_variance(sample, base, cheap),
        notes,
    )


def _true_reachable(sample: Sample, found: Labelled, deployed: FloatArray | None, k: int) -> FloatArray | None:
    """(R,) true reachable@k of the labelled items, NaN for the others; None where some labelled item leaves it open."""
    pool = sample.pools[0]
    truth = np.full(pool.items, np.nan)
    rows = found.touched
    known = np.full(pool.items, 0.0) if sample.deployed is None else deployed
    if known is None:
        known = np.full(pool.items, np.nan)
    size = max(k, sample.chosen_from)
    whole = rows & found.full & (found.drawn >= size) & ~np.isnan(known)
    if whole.any():
        beside = None if sample.beside is None else known[whole]
        (truth[whole],) = reachable_items(read_pool(found.labels[whole]), [size], beside)
    # One right candidate settles an item only when all of its candidates are drawn from; or a right deployed one. In a
    # pool that has grown it would settle more, but only where it was found: figures would be given for lucky draws.
    truth[rows & found.solved & (found.drawn == size)] = 1.0
    if sample.deployed is not None:
        truth[rows & (known == 1)] = 1.0
    return None if np.isnan(truth[rows]).any() else truth


def _true_deployed(sample: Sample, found: Labelled, deployed: FloatArray | None) -> FloatArray | None:
    if sample.deployed is not None:
        return deployed
    pool = sample.pools[0]
    utilities = np.asarray(pool.utilities, dtype=np.float64)
    error = np.full(pool.items, np.nan)
    if found.all_full:
        # Of a pool that has grown since, the drawn candidates are a random part: their errors stand for all.
        error[found.touched] = np.nanmean((found.labels - utilities)[found.touched], axis=1)
    else:
        # The first candidate of every drawn item is a random draw: its error is unbiased for that of the item's mean.
        rows, first = np.arange(pool.items), np.argmax(~np.isnan(utilities), axis=1)
        error = found.labels[rows, first] - utilities[rows, first]
    return None if np.isnan(error[found.touched]).any() else np.where(found.touched, pool.means() + error, np.nan)


def _added_variance(sample: Sample, base: Rectified, cheap: FloatArray) -> float:
    alone = sample.grouping.variance_of_mean(cheap) if sample.grouping.units > 1 else 0.0
    return max(0.0, base.variance(sample.grouping) - alone)


def _item_diagnostics(
    sample: Sample,
    found: Labelled,
    asked: FloatArray | None,
    k: int,
    corrected: tuple[Rectified | None, Rectified | None],
    level: float,
) -> list[Diagnostic]:
    """How reachable and deployed (in this order under `corrected`) were corrected, or why they were not."""
    best, base = corrected
    notes = []
    if best is not None:
        grown = f"; the labels are of the first {found.width} candidates of an item" if found.grown else ""
        how = f"by {found.items} items with gold (difference estimator, λ = {best.tuning:.2f}{grown})"
        notes.append(Diagnostic("gold", f"reachable is corrected {how}", "info"))
        notes += _first_labels_alone(sample, found) if base is not None else []
    else:
        why = _why_not_reachable(sample, found, asked, k)
        notes.append(
            Diagnostic("gold_uncorrected_reachable", f"reachable@{k} stays uncorrected: {why}", "warning"),
        )
    if base is None:
        why = _why_not_deployed(sample, found)
        raw = "" if best is None else ", and the waterfall is as the verifier had it"
        notes.append(
            Diagnostic("gold_uncorrected_deployed", f"deployed and risk stay uncorrected{raw}: {why}", "warning")
        )
    elif best is None:
        alone = base.figure(sample.grouping, level=level)
        message = (
            f"gold alone would put deployed at {alone.value:.3f} [{alone.low:.3f}, {alone.high:.3f}]; it stays "
            "uncorrected beside a reachable that is, so that risk is the difference of the two"
        )
        notes.append(Diagnostic("gold_uncorrected_deployed", message, "warning"))
    return notes


def _first_labels_alone(sample: Sample, found: Labelled) -> list[Diagnostic]:
    """Told where somebody labelled whole items, as several right candidates of one show, and left gaps in some."""
    went_on = ((found.labels == 1).sum(axis=1) > 1).any()
    if sample.deployed is not None or found.all_full or not went_on:
        return []
    return [
        Diagnostic(
            "gold_first_alone",
            f"{_lacking(found, found.full)}, so the first label of each item alone corrects deployed, and the curve "
            "only at its last k: fill them in, and every label counts",
            "warning",
        )
    ]


def _half_way(sample: Sample, found: Labelled, gold: Gold, keep: NDArray[np.bool_]) -> list[Diagnostic]:
    """Told where whole items were drawn and labels of some stop before they settle it: all then count as scattered."""
    settled = found.full | found.solved
    if gold.listed is None or settled[found.touched].all():
        return []
    known = ~np.isnan(np.asarray(sample.pools[0].utilities, dtype=np.float64))[:, : found.width]
    listed = np.asarray(gold.listed, dtype=np.bool_)[keep][:, : found.width]
    if (known & ~listed)[found.touched].any():
        return []
    return [
        Diagnostic(
            "gold_half_way",
            f"{_lacking(found, settled)} and none of them is right, so all labels count as scattered ones: go on there "
            "until one is right or all are wrong, and no such assumption is needed",
            "warning",
        )
    ]


def _lacking(found: Labelled, done: NDArray[np.bool_]) -> str:
    number = int((found.touched & ~done).sum())
    return f"{number} of {found.items} items with labels {'lacks' if number == 1 else 'lack'} those of some candidates"


def _why_not_deployed(sample: Sample, found: Labelled) -> str:
    if sample.deployed is not None:
        return _NOT_OF_CHOICE if sample.chosen_from else _NOT_OF_DEPLOYED
    if found.items < FEWEST:
        return f"gold of at least {FEWEST} items is needed, and there are labels of {found.items}"
    return "the gold holds no random sample of deployed candidates: label the first one of every drawn item"


def _why_not_reachable(sample: Sample, found: Labelled, asked: FloatArray | None, k: int) -> str:
    if sample.chosen_from and asked is None:
        return f"deployed does, and risk is the difference of two figures of one kind; {_NOT_OF_CHOICE}"
    if sample.deployed is not None and asked is None:
        return f"it counts the deployed candidate as well, and {_NOT_OF_DEPLOYED}"
    if found.items < FEWEST:
        return f"gold of at least {FEWEST} items is needed, and there are labels of {found.items}"
    if sample.deployed is not None:
        return "an item with labels lacks that of its deployed candidate: label it"
    size = _settled_size(sample, found)
    ask = "" if size is None else f"ask for k = {size} (akrasia risk --k {size}), or "
    if found.grown:
        later = f"those from number {found.width} on"
        return (
            f"the gold was drawn when an item had {found.width} candidates, and some item with labels has more now: "
            f"{ask}label the later candidates of the drawn items as well ({later})"
        )
    left = int((found.touched & ~found.full).sum())
    return (
        "labels that stop at the first right candidate settle it only where k is an item's whole pool, and some item "
        f"with labels has more than {k} candidates: {ask}label every candidate of the {left} "
        f"item{'s' * (left != 1)} whose labels stop before the last"
    )


def _settled_size(sample: Sample, found: Labelled) -> int | None:
    """A k that the labels settle on every item with one and that every item has; None where there is none."""
    if found.all_full:
        return min(found.smallest, sample.smallest)
    stopped = np.unique(found.drawn[found.touched & ~found.full])
    fits = len(stopped) == 1 and int(stopped[0]) == found.smallest and int(stopped[0]) <= sample.smallest
    return int(stopped[0]) if fits else None


def _by_channel(sample: Sample, found: Labelled, k: int, level: float, rng: np.random.Generator) -> Corrected:
    pool = sample.pools[0]
    if sample.deployed is not None:
        note = "scattered gold beside a given deployed candidate corrects nothing: label whole items instead"
        return Corrected(None, None, None, None, None, (Diagnostic("gold_uncorrected_reachable", note, "warning"),))
    counts = count_patterns(pool, found.labels)
    grid = probability_grid(int(pool.observed.max()), k)
    (best,) = sample.reachable([k])
    effect = sample.grouping.design_effect(best)
    reach = 1 - (1 - grid) ** k
    deployed, reachable, risk = (
        channel_figure(counts, grid, function, level=level, design_effect=effect)
        for function in (grid, reach, reach - grid)
    )
    p = same_errors_everywhere(pool, found.labels, rng)
    tested = "no item has two labels of one kind to test that by" if p is None else f"test of that: p = {p:.3f}"
    severity: Literal["error", "warning"] = "error" if p is not None and p < 0.05 else "warning"
    message = f"corrected by {reachable.n} scattered labels: {BADGE}; {tested}"
    return Corrected(deployed, reachable, risk, None, None, (Diagnostic("gold_scattered", message, severity),))
