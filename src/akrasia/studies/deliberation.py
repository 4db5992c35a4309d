"""The causal part of "did it act on what it thought": how far the action moves when the reasoning is edited.

A label of the edited action may differ from the slow action's by chance alone, as two draws of one action do. So every
share is held against another: labels that differ against those that differ between two draws of slow, or between slow
and its `kept` control; values that the edited action takes up against those that the unedited one has anyway.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from akrasia.core import Undefined
from akrasia.runs.value_parts import families
from akrasia.stats import mean_interval, paired_difference
from akrasia.studies.cells import Cells, Place, label
from akrasia.studies.definition import Claim
from akrasia.studies.evidence import Draft, detectable, evidence_of
from akrasia.studies.findings import Line, Panel, Point, Series
from akrasia.studies.verdict import Evidence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from akrasia.runs.value_labels import Arms
    from akrasia.stats import Figure

    Floats = NDArray[np.float64]

SLOW = "slow"


def changed(first: Floats, second: Floats) -> Floats:
    """How far two cells differ, sample by sample.

    Args:
        first: (S, K, V) labels 0, 1 or NaN.
        second: (S, K, V) labels of the same samples; where K differs, those that both have.

    Returns:
        (S,) share of the labels known in both that differ; NaN where none is.
    """
    both = min(first.shape[1], second.shape[1])
    return _share(np.abs(first[:, :both] - second[:, :both]))


def redrawn(labels: Floats) -> Floats:
    """How far two draws of one cell differ: P(d ≠ d′) over all pairs of its samples, a U-statistic.

    Args:
        labels: (S, K, V) labels 0, 1 or NaN.

    Returns:
        (S,) share of the pairs of labels that differ; NaN where no value is known in two samples.

    Example:
        >>> redrawn(np.array([[[1.0], [1.0], [0.0]]])).round(3).tolist()  # pairs (1, 1), (1, 0), (1, 0)
        [0.667]
    """
    known = (~np.isnan(labels)).sum(axis=1)
    ones = np.nansum(labels, axis=1)
    pairs = (known * (known - 1) / 2).sum(axis=1)
    differ = (ones * (known - ones)).sum(axis=1)
    return np.where(pairs > 0, differ / np.maximum(pairs, 1), np.nan)


def taken_up(before: Floats, after: Floats, edited: Floats, own: Floats) -> tuple[Floats, Floats]:
    """How many of the values that only the edited reasoning has are in two actions.

    Args:
        before: (S, K, V) labels 0, 1 or NaN, as of the others, of the action that the edit is held against.
        after: of the edited action.
        edited: of the edited reasoning.
        own: of the model's own reasoning of the same sample.

    Returns:
        (S,) share in `before` and in `after`, over the labels known in both; NaN where the edited reasoning of a
        scenario has no value that the model's own lacks.
    """
    both = min(labels.shape[1] for labels in (before, after, edited, own))
    before, after, edited, own = (labels[:, :both] for labels in (before, after, edited, own))
    new = (edited == 1) & (own == 0) & ~np.isnan(before) & ~np.isnan(after)
    return _share(np.where(new, before, np.nan)), _share(np.where(new, after, np.nan))


def _share(cells: Floats) -> Floats:
    known = (~np.isnan(cells)).sum(axis=(1, 2))
    return np.where(known > 0, np.nansum(cells, axis=(1, 2)) / np.maximum(known, 1), np.nan)


def moves(claim: Claim, cells: Cells, place: Place) -> Iterator[Draft]:
    """Each edit: labels of the action that differ from slow's, more than those of the reference differ."""
    group, slow = _group(cells, place)
    for strategy in _spoken(claim, cells):
        edited = cells.values.labels(group, strategy) if group else None
        before = None if slow is None or group is None else _reference(cells, group, slow, str(claim.against))
        draft = _draft(claim, cells, place, strategy, "labels moved")
        if group is None or slow is None or edited is None or before is None:
            yield _without(draft, claim, "nothing to compare: a text of the action is missing everywhere")
            continue
        after = changed(slow, edited)
        silent = not (np.nan_to_num(slow).any() or np.nan_to_num(edited).any())
        again = "between two draws" if claim.against == SLOW else f"from {SLOW} to {claim.against}"
        words = ("{:.1f} % of the labels differ", "{:.1f} % " + again)
        yield _compared(draft, claim, (before, after), families(group), words, level=cells.level, degenerate=silent)


def follows(claim: Claim, cells: Cells, place: Place) -> Iterator[Draft]:
    """Each edit: values that only the edited reasoning has, in the edited action more than in the reference's."""
    group, _ = _group(cells, place)
    for strategy in _spoken(claim, cells):
        draft = _draft(claim, cells, place, strategy, "values taken up")
        if group is None:
            yield _without(draft, claim, "nothing to compare: nothing was run there")
            continue
        asked = [(str(claim.against), "action"), (strategy, "action"), (strategy, "reasoning"), (SLOW, "reasoning")]
        found = [cells.values.labels(group, name, stage) for name, stage in asked]  # type: ignore[arg-type]
        known = [labels for labels in found if labels is not None]
        if len(known) < len(asked):
            yield _without(
                draft, claim, "nothing to compare: a text of the action or the reasoning is missing everywhere"
            )
            continue
        before, after, edited, own = known
        pair = taken_up(before, after, edited, own)
        words = ("{:.1f} % of the values that only the edited reasoning has are taken up", "{:.1f} % without the edit")
        yield _compared(draft, claim, pair, families(group), words, level=cells.level)


def _group(cells: Cells, place: Place) -> tuple[Arms | None, Floats | None]:
    group = cells.values.group(place.model, place.suite, place.seed, cells.config.temperature[0])
    return group, None if group is None else cells.values.labels(group, SLOW)


def _spoken(claim: Claim, cells: Cells) -> list[str]:
    return [text for text in cells.config.strategy if claim.speaks_of(text) and text != claim.against]


def _reference(cells: Cells, group: Arms, slow: Floats, against: str) -> Floats | None:
    """(S,) the share of labels that differ anyway."""
    if against == SLOW:
        return redrawn(slow)
    other = cells.values.labels(group, against)
    return None if other is None else changed(slow, other)


def _draft(claim: Claim, cells: Cells, place: Place, strategy: str, metric: str) -> Draft:
    where = f"{label(place, cells.config)} · {strategy} − {claim.against}"
    return Draft(
        claim=claim.text, where=where, metric=metric, evidence=Evidence(), test="", items=0, k=cells.config.samples,
        unit="share",
    )  # fmt: skip


def _without(draft: Draft, claim: Claim, why: str) -> Draft:
    return replace(draft, evidence=Evidence(direction=claim.direction), notes=(why,))


def _compared(
    draft: Draft,
    claim: Claim,
    pair: tuple[Floats, Floats],
    clusters: list[str],
    words: tuple[str, str],
    *,
    level: float,
    degenerate: bool = False,
) -> Draft:
    before, after = pair
    try:
        found = paired_difference(before, after, clusters=np.array(clusters), level=level)
    except Undefined:
        lacking = "draw at least 2 samples" if np.isnan(before).all() else "no scenario has a label that could differ"
        return _without(draft, claim, f"nothing to compare: {lacking}")
    known = ~(np.isnan(before) | np.isnan(after))
    shares = [words[0].format(100 * after[known].mean()), words[1].format(100 * before[known].mean())]
    evidence = evidence_of(
        found.difference, found.p, direction=claim.direction, margin=claim.margin, degenerate=degenerate
    )
    return replace(
        draft, evidence=evidence, test=found.test, items=found.items, notes=(", ".join(shares),),
        detectable=detectable(found),
    )  # fmt: skip


def moved(cells: Cells) -> Series:
    """The figure of the labels that each edit moves, beside those that differ between two draws."""
    panels = []
    edits = _edits(cells)
    for place in cells.places:
        group, slow = _group(cells, place)
        if group is None or slow is None:
            continue
        points = []
        for x, strategy in enumerate(edits):
            edited = cells.values.labels(group, strategy)
            if edited is not None:
                points += _mean(x, changed(slow, edited), group, cells.level)
        again = Line("two draws", "deployed", tuple(_mean(0, redrawn(slow), group, cells.level)), flat=True)
        panels.append(_panel(cells, place, Line("edited", "reachable", tuple(points), joined=False), again))
    return _series(
        "moved", "Labels of the action that differ from the unedited one's, by edit of the reasoning, with intervals",
        "labels that differ (%)", edits, panels,
    )  # fmt: skip


def edited_f1(cells: Cells) -> Series:
    """The figure of the actions' F1 with the stated values, by edit, beside slow's."""
    panels = []
    edits = _edits(cells)
    for place in cells.places:
        points: list[Point] = []
        level: list[Point] = []
        for x, strategy in enumerate([SLOW, *edits], start=-1):
            found = cells.find(place, strategy)
            if found is not None and found.record.deployed is not None:
                (level if x < 0 else points).append(_point(x, found.record.deployed))
        lines = (
            Line("edited", "reachable", tuple(points), joined=False),
            Line(SLOW, "deployed", tuple(level), flat=True),
        )
        panels.append(_panel(cells, place, *lines))
    return _series(
        "edited-f1", "F1 of the action with the stated values, by edit of the reasoning, with intervals",
        "F1 with the stated values (points)", edits, panels,
    )  # fmt: skip


def _edits(cells: Cells) -> list[str]:
    return [text for text in cells.config.strategy if text.startswith("edited:")]


def _mean(x: int, shares: Floats, group: Arms, level: float) -> list[Point]:
    known = ~np.isnan(shares)
    if not known.any():
        return []
    return [_point(x, mean_interval(shares[known], clusters=np.array(families(group))[known], level=level))]


def _point(x: int, figure: Figure) -> Point:
    return Point(float(x), figure.value, figure.low, figure.high)


def _panel(cells: Cells, place: Place, *lines: Line) -> Panel:
    return Panel(label(place, cells.config), tuple(line for line in lines if line.points))


def _series(name: str, title: str, y_label: str, edits: list[str], panels: list[Panel]) -> Series:
    ticks = tuple((float(x), _tick(text.partition(":")[2])) for x, text in enumerate(edits))
    shown = tuple(panel for panel in panels if any(not line.flat for line in panel.lines))
    return Series(name, title, "edit of the reasoning, or how much of it is left", y_label, "category", ticks, shown)


def _tick(edit: str) -> str:
    """An edit in few letters: ``truncated-25`` → ``25 %``."""
    name, _, share = edit.partition("-")
    return f"{share} %" if share else name
