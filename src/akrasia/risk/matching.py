"""A stopping rule beside best-of-n: the cost at which it is as good on its prior, and both replayed on one pool."""

from __future__ import annotations

import math

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike

from akrasia.core.errors import InputError, Undefined
from akrasia.risk.pool import Utilities, read_pool
from akrasia.risk.pooled import aligned_scores
from akrasia.risk.prior import Prior
from akrasia.risk.stopping import Outlook, StoppingRule
from akrasia.stats.figure import Figure
from akrasia.stats.grouping import FloatArray, group
from akrasia.stats.intervals import check_level, interval_of_mean
from akrasia.stats.order import best_of

_COSTS = (1e-6, 1.0)
_HALVINGS = 16
"""Of the ratio between them, so that the cost is found to a thousandth of itself."""

_ITEMS = 2000


class Match(Struct, frozen=True, forbid_unknown_fields=True):
    """The rule that is as good as best-of-n on its prior with the fewest candidates.

    Attributes:
        n: of best-of-n.
        target: expected worth of best-of-n.
        cost, most: the rule's.
        worth: its expected worth; at least the target, up to rounding or, simulated, chance.
        draws: its expected number of candidates.
        exact: computed; else simulated.
    """

    n: int
    target: float
    cost: float
    most: int
    worth: float
    draws: float
    exact: bool


def match_best_of(prior: Prior, n: int, *, most: int | None = None) -> Match:
    """The cost (and horizon) at which stopping is as good as best-of-n, with the fewest expected candidates.

    Among all rules with one horizon, the optimal one at a cost needs the fewest candidates for what it reaches, since
    the cost is the multiplier of that constraint. With values of 0 and 1 the rule is "until the first success, at most
    n": every rule gives up after some number of failures, and fewer than n reach less.

    Args:
        prior: what is known of items.
        n: of best-of-n.
        most: the horizon; None: n where values are 0 and 1, else n or twice n, whichever takes fewer candidates.

    Raises:
        InputError: n below 1, or a horizon below n: it cannot reach as much.
    """
    if n < 1:
        raise InputError(f"n is {n}: best-of-n needs at least one candidate")
    if most is not None and most < n:
        raise InputError(f"most is {most}: with fewer than {n} candidates nothing is as good as the best of {n}")
    target = prior.best_of(n)
    horizons = [most] if most is not None else [n] if prior.binary else [n, 2 * n]
    found = [_match(prior, n, target, horizon) for horizon in horizons]
    return min(found, key=lambda one: one.draws)


def _match(prior: Prior, n: int, target: float, most: int) -> Match:
    """The largest cost at which the target is reached; where it is simulated, on the very items that the rule meets."""
    rule = StoppingRule(prior, 0.0, most)
    level = None if rule.exact else prior.draw_levels(np.random.default_rng(0), _ITEMS, most)
    if level is not None:
        target = float(prior.worth[level[:, :n].max(axis=1)].mean())

    def look(cost: float) -> Outlook:
        at_cost = rule.at_cost(cost)
        return at_cost.outlook() if level is None else at_cost.carried_out(level)

    cost, best = 0.0, look(0.0)
    low, high = _COSTS
    for _ in range(_HALVINGS):
        middle = math.sqrt(low * high)
        tried = look(middle)
        if tried.worth >= target - 1e-9:
            low, cost, best = middle, middle, tried
        else:
            high = middle
    return Match(n, target, cost, most, best.worth, best.draws, best.exact)


class Replay(Struct, frozen=True):
    """A rule and best-of-n on the same pool, in the same random orders of every item's candidates.

    Attributes:
        n: of best-of-n.
        adaptive: mean utility of what the rule commits to.
        best_of_n: mean utility of the best of n by the verifier.
        difference: the first less the second, paired by item.
        draws: mean number of candidates that the rule draws.
        share: those as a share of n.
        items: items with enough measured candidates for both.
    """

    n: int
    adaptive: Figure
    best_of_n: Figure
    difference: Figure
    draws: Figure
    share: float
    items: int


def replay(
    rule: StoppingRule,
    values: Utilities,
    n: int,
    *,
    utilities: Utilities | None = None,
    clusters: ArrayLike | None = None,
    rng: np.random.Generator | None = None,
    orders: int = 32,
    level: float = 0.95,
) -> Replay:
    """Carry a rule out on a stored pool beside best-of-n.

    Candidates of an item are exchangeable, so their order is drawn `orders` times and averaged over; best-of-n is
    exact over all subsets. Both choose by the verifier's value, ties shared evenly, and both are valued by `utilities`.
    Replayed on the pool that its prior was learnt from, a rule looks a little better than it is.

    Args:
        rule: see `StoppingRule`.
        values: (M, K) what the verifier said, NaN where missing; missing ones are left out beforehand.
        n: of best-of-n.
        utilities: (M, K) what the candidates are worth; None: the values.
        clusters: (M,) labels.
        rng: of the orders; None: a fixed seed.
        orders: how many.
        level: nominal coverage.

    Raises:
        InputError: arrays that do not fit, or values that the prior does not know.
        Undefined: fewer than two clusters have items with enough measured candidates for both.
    """
    check_level(level)
    pool = read_pool(values, name="values")
    table = np.asarray(pool.utilities, dtype=np.float64).copy()
    worth = table if utilities is None else aligned_scores(pool, utilities)
    table[np.isnan(worth)] = np.nan
    needed = max(n, rule.most)
    kept = (~np.isnan(table)).sum(axis=1) >= needed
    labels = np.arange(len(table)) if clusters is None else np.asarray(clusters)
    if len(np.unique(labels[kept])) < 2:
        raise Undefined(
            f"too few items have the {needed} measured candidates that a replay needs: sample more, or allow fewer"
        )
    table, worth = table[kept], worth[kept]
    rng = rng or np.random.default_rng(0)
    reached, drawn = np.zeros(len(table)), np.zeros(len(table))
    for _ in range(orders):
        one_worth, one_drawn = _once(rule, table, worth, rng)
        reached += one_worth / orders
        drawn += one_drawn / orders
    fixed = best_of(worth, table, n)
    grouping = group(len(table), labels[kept])

    def mean(rows: FloatArray, bounded: bool) -> Figure:
        return interval_of_mean(np.clip(rows, 0.0, 1.0) if bounded else rows, grouping, level=level, bounded=bounded)

    draws = mean(drawn, False)
    return Replay(
        n=n,
        adaptive=mean(reached, True),
        best_of_n=mean(fixed, True),
        difference=mean(reached - fixed, False),
        draws=draws,
        share=draws.value / n,
        items=int(kept.sum()),
    )


def _once(
    rule: StoppingRule, table: FloatArray, worth: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """(M,) utility and candidates of one random order, missing candidates last."""
    order = np.argsort(np.where(np.isnan(table), np.inf, rng.random(table.shape)), axis=1)[:, : rule.most]
    seen = np.take_along_axis(table, order, axis=1)
    level = rule.prior.level_of(seen)
    drawn = rule.draws_taken(level)
    offered = np.where(np.arange(rule.most) < drawn[:, None], seen, -1.0)
    # The first of equal values is a random one of them, since the order is.
    chosen = np.take_along_axis(order, offered.argmax(axis=1)[:, None], axis=1)
    return np.take_along_axis(worth, chosen, axis=1)[:, 0], drawn.astype(np.float64)
