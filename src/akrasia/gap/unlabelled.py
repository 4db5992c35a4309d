"""Whether the labels that are missing forbid a correction: too many of them, or missing by what they would have said.

A correction speaks for the cells that could be read. Where many could not, or where those that could not differ
visibly from those that could, its interval would be narrow around the wrong number: then there is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from msgspec import Struct

from akrasia.gap.diagnostics import ALARMING
from akrasia.stats.grouping import BoolArray, FloatArray, IntArray
from akrasia.stats.intervals import t_quantile

LIMIT = ALARMING
"""With a larger share of a stage's cells unlabelled nothing is corrected: leaving them out may move a figure as far."""

SURE = 0.999
"""So sure must it be that missing goes with a label. Several labels are looked at, so the usual 95 % would refuse many
figures whose labels are missing at random."""

MATTERS = 0.02
"""Leaving the cells out must move the number of labels, present or absent, whichever are fewer, by this part of it."""

STAGES = ("what is stated", "the reasoning", "the action")


class Labels(Struct, frozen=True):
    """The stages that some figures are made of, as judged and by people.

    Attributes:
        names: of the stages, for messages.
        said: stages as judged, (S, V) of 0, 1 or NaN.
        truth: the same by people, NaN where there is no gold.
        asked: (S,) the scenarios that the arm was asked about.
        codes: (S,) families.
    """

    names: tuple[str, ...]
    said: Sequence[FloatArray]
    truth: Sequence[FloatArray]
    asked: BoolArray
    codes: IntArray


def why_refused(labels: Labels) -> str | None:
    """Why the figures made of these stages cannot be corrected; None: they can."""
    cells = labels.asked[:, None] & np.ones(labels.said[0].shape, dtype=np.bool_)
    for name, stage in zip(labels.names, labels.said, strict=True):
        share = float(np.isnan(stage[labels.asked]).mean()) if labels.asked.any() else 0.0
        if share > LIMIT:
            return (
                f"the judge could not read {share:.0%} of the cells of {name} (more than {LIMIT:.0%}), and gold says "
                "nothing of those: have them judged again, by another judge if need be"
            )
    for name, stage in zip(labels.names, labels.truth, strict=True):
        texts = ~np.isnan(stage).all(axis=1)
        share = float(np.isnan(stage[texts]).mean()) if texts.any() else 0.0
        if share > LIMIT:
            return (
                f"people left {share:.0%} of the values open in the texts of {name} that they labelled (more than "
                f"{LIMIT:.0%}): label every value of a text, 0 where it is not there"
            )
    for what, missing, known in _suspects(labels, cells):
        if leans(missing, known, labels.codes):
            return f"{what}: what is missing is not missing at random, and a correction would be wrong by that much"
    return None


def _suspects(labels: Labels, cells: BoolArray) -> Iterator[tuple[str, BoolArray, FloatArray]]:
    """What could be missing by its label: which cells are missing, and a label that is known of many of them."""
    drawn = np.any([~np.isnan(stage).all(axis=1) for stage in labels.truth], axis=0)[:, None]
    places = range(len(labels.names))
    for place, name in enumerate(labels.names):
        unread, open_gold = cells & np.isnan(labels.said[place]), drawn & np.isnan(labels.truth[place])
        whole = f"the cells of {name} that the judge could not read differ from the others"
        yield f"{whole} by their gold", unread, np.where(cells, labels.truth[place], np.nan)
        for other in places:
            if other != place:
                yield f"{whole} in {labels.names[other]}", unread, np.where(cells, labels.said[other], np.nan)
            text = f"the cells of {name} that people left open differ from those they labelled in {labels.names[other]}"
            yield text, open_gold, np.where(drawn, labels.said[other], np.nan)


def leans(missing: BoolArray, label: FloatArray, codes: IntArray) -> bool:
    """Whether a label is visibly more, or less, often present where something else is missing, within values.

    Args:
        missing: (S, V) cells that are missing.
        label: (S, V) 0, 1 or NaN: a label that may be known of them all the same.
        codes: (S,) families; the test is robust to what a family has in common.
    """
    known = ~np.isnan(label)
    left, seen = known & missing, known & ~missing
    number, counts = left.sum(axis=0), seen.sum(axis=0)
    left, number = left & (counts > 0), np.where(counts > 0, number, 0)
    if not number.any():
        return False
    bits = np.nan_to_num(label)
    centre = np.where(seen, bits, 0.0).sum(axis=0) / np.maximum(counts, 1)
    part = number / np.maximum(counts, 1)
    apart = np.where(left, bits - centre, 0.0) - np.where(seen, part * (bits - centre), 0.0)
    shift = float(apart.sum())
    present = float(bits[left | seen].sum())
    fewer = min(present, float((left | seen).sum()) - present)
    if abs(shift) <= MATTERS * fewer:
        return False
    families = np.unique(codes[known.any(axis=1)])
    if len(families) < 2:
        return False
    sums = np.bincount(codes, apart.sum(axis=1))[families]
    observed = float(((sums - sums.mean()) ** 2).sum()) * len(families) / (len(families) - 1)
    # Of a rare value the few cells that are missing are all 0 by accident, and then hardly differ among themselves.
    expected = float((number * centre * (1 - centre) * (1 + part)).sum())
    return abs(shift) > t_quantile(SURE, len(families) - 1) * float(np.sqrt(max(observed, expected)))
