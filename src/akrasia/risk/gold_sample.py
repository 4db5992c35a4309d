"""Which candidates to have labelled: a random sample of items, in the order that settles each with fewest labels."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from akrasia.core.errors import InputError
from akrasia.risk.pool import Utilities, read_pool
from akrasia.stats.grouping import FloatArray


class GoldRequest(Struct, frozen=True):
    """One candidate to label.

    Attributes:
        item: index of the item.
        sample: index of the candidate.
        order: position in which to label within the item. After the first, stop an item as soon as one is right.
        inclusion: probability with which the item was drawn.
    """

    item: int
    sample: int
    order: int
    inclusion: float


FEWEST = 3
"""Items with gold below which nothing is corrected."""


def expected_labels(utilities: Utilities) -> FloatArray:
    """(M,) labels that settle each item if the verifier is mostly right; 0 for an item without a known candidate.

    An item stops at its first right candidate: after one label where the verifier accepts the first candidate, two
    where it accepts another, and all of them where it accepts none.
    """
    pool = read_pool(utilities)
    values = np.asarray(pool.utilities, dtype=np.float64)
    first = np.argmax(~np.isnan(values), axis=1)
    best = np.max(np.where(np.isnan(values), -1.0, values), axis=1)
    at_once = values[np.arange(pool.items), first] >= 0.5
    return np.asarray(np.where(best < 0.5, pool.observed, np.where(at_once, 1, 2)), dtype=np.float64)


def draw_gold_sample(utilities: Utilities, labels: int, rng: np.random.Generator) -> tuple[GoldRequest, ...]:
    """Draw items for gold, as many as `labels` labels are expected to settle, and say in which order to label.

    Every item has the same probability to be drawn. Its first known candidate comes first, whatever the verifier said:
    it is the random draw that corrects `deployed`. Then come the accepted candidates, then the rest; labelling an item
    may stop once one candidate is right.

    Args:
        utilities: (M, K) as the verifier gave them.
        labels: how many labels can be paid for, in expectation, if the verifier is mostly right.
        rng: source of the draw.

    Raises:
        InputError: no candidate has a known utility, or fewer labels than 3 items need.
    """
    pool = read_pool(utilities)
    values = np.asarray(pool.utilities, dtype=np.float64)
    has = np.flatnonzero(pool.observed > 0)
    if not has.size:
        raise InputError(
            "no candidate has a known utility, so there is no verifier to correct: score the candidates first"
        )
    cost = expected_labels(pool)[has]
    number = min(len(has), int(labels / cost.mean()))
    if number < FEWEST:
        raise InputError(
            f"{labels} labels settle about {labels / cost.mean():.1f} items, and at least {FEWEST} are needed: ask for "
            f"{int(np.ceil(FEWEST * cost.mean()))} labels or more"
        )
    requests = []
    for item in np.sort(rng.choice(has, number, replace=False)):
        known = np.flatnonzero(~np.isnan(values[item]))
        rest = known[1:][np.argsort(-values[item, known[1:]], kind="stable")]
        for order, one in enumerate([known[0], *rest]):
            requests.append(GoldRequest(int(item), int(one), order, number / len(has)))
    return tuple(requests)
