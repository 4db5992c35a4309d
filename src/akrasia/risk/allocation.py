"""What to buy next: how far more items, more candidates or more gold labels would narrow the interval of the risk.

The squared standard error of risk@k over M items with n candidates each is (B + W(n)) / M: B between items, W within.
Gold on g of the items adds E (1/g − 1/M), E being the variance of what the tuned verifier leaves unexplained. B and W
are `spread_of_risk`'s. Clusters multiply everything by the design effect of the risk. An interval is made of a standard
error as that in hand is: of t, and Wilson's near an end.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike

from akrasia.core.errors import InputError, Undefined
from akrasia.risk.curve import reachable_items
from akrasia.risk.pool import Pool, Utilities, read_pool, thin_items
from akrasia.risk.spread_of_risk import Spreads
from akrasia.stats.diagnostic import FEW_CLUSTERS, Diagnostic, ordered
from akrasia.stats.grouping import FloatArray, Grouping, group
from akrasia.stats.intervals import BOUNDARY, FEW, Spread, away_from_end, bounded_interval, check_level, wilson

MOST_CANDIDATES = 4096
"""Candidates of an item beyond which nothing is planned: working out W(n) takes memory in proportion to n."""

MOST_ITEMS = 10**9
"""Items beyond which nothing is planned."""

MOST_MONEY = 1e15
"""What a budget or price can be, so that no product of them leaves the range of numbers."""

_NO_VARIANCE = 1e-18
"""A variance below this is none but for rounding."""


class Costs(Struct, frozen=True):
    """Prices in one currency; a label None: no gold can be bought.

    Attributes:
        candidate: one more candidate.
        item: one more item, its candidates not included.
        label: one gold label.
    """

    candidate: float
    item: float = 0.0
    label: float | None = None

    def new_item(self, candidates: int) -> float:
        """One more item with so many candidates."""
        return self.item + candidates * self.candidate


class Purchase(Struct, frozen=True):
    """One way to spend the budget.

    Attributes:
        buy: what it goes into; "mix": the best split found.
        items: items afterwards.
        candidates: candidates per item afterwards.
        labels: gold labels afterwards.
        cost: what it costs, at most the budget.
        half_width: expected half-width of the risk's interval afterwards.
    """

    buy: Literal["items", "candidates", "labels", "mix"]
    items: int
    candidates: int
    labels: int
    cost: float
    half_width: float


class PurchasePlan(Struct, frozen=True):
    """What to buy next.

    Attributes:
        k: size of the reachable that the risk speaks of.
        half_width: expected now, from the same model.
        between_items: B, the variance between items.
        within_items: W at the present number of candidates.
        options: ways to spend the budget, the narrowest interval first; empty where it buys nothing.
        diagnostics: what a reader must know before believing it, worst first.
    """

    k: int
    half_width: float
    between_items: float
    within_items: float
    options: tuple[Purchase, ...]
    diagnostics: tuple[Diagnostic, ...] = ()


class GoldState(Struct, frozen=True):
    """Gold bought so far.

    Attributes:
        items: items with gold.
        labels: labels spent on them.
        residual_variance: variance over gold items of truth − λ × measured risk.
    """

    items: int
    labels: int
    residual_variance: float


def plan_purchase(
    utilities: Utilities,
    costs: Costs,
    budget: float,
    *,
    k: int | None = None,
    clusters: ArrayLike | None = None,
    gold: GoldState | None = None,
    most_items: int | None = None,
    level: float = 0.95,
) -> PurchasePlan:
    """Say what to buy next with a budget.

    The spread is that of the items which are not thin (see `thin_items`); what is missing of any is bought first.

    Args:
        utilities: (M, K) as measured so far, NaN where missing.
        costs: prices.
        budget: what may be spent.
        k: size of the risk; None: all candidates that every item has.
        clusters: (M,) labels.
        gold: what gold has been bought, where the figures are corrected by it.
        most_items: how many items there are to be had in all, those in hand included; None: any number.
        level: nominal coverage.

    Raises:
        InputError: a budget or price that is not positive or beyond `MOST_MONEY`, or k out of reach.
        Undefined: fewer than two items with at least two candidates, or all items or clusters lose the same.
    """
    check_level(level)
    _check_money(budget, costs)
    everything = read_pool(utilities)
    keep = (everything.observed > 0) & ~thin_items(everything)
    pool = everything.rows(keep)
    if pool.items < 2 or pool.smallest < 2:
        raise Undefined(_too_shallow(everything))
    size = pool.smallest if k is None else k
    if not 1 < size <= pool.smallest:
        raise InputError(f"k must lie between 2 and {pool.smallest}: got {size}")
    (best,) = reachable_items(pool, [size])
    lost = best - pool.means()
    grouping = group(pool.items, None if clusters is None else np.asarray(clusters)[keep])
    total = float(lost.var(ddof=1))
    variance = total / pool.items if grouping.units < 2 else grouping.variance_of_mean(lost)
    if min(total, variance) <= _NO_VARIANCE:
        alike = "item" if grouping.units == pool.items else "cluster"
        raise Undefined(f"every {alike} loses the same: there is no spread to plan by; measure more items first")
    spread = Spreads(pool, size, total)
    room = None if most_items is None else max(0, most_items - everything.items)
    seen, now = round(float(pool.observed.mean())), round(float(everything.planned.mean()))
    effect = variance * pool.items / (spread.between + spread.within(seen))
    model = _Model(spread, _interval(lost, grouping, level), effect, everything, costs, gold, room)
    # What items lack of their candidates every row buys first: a plan is made for items that are all as deep.
    left = budget - model.cost(0, now, 0)
    ways = [] if left < 0 else [*_single(model, left, now), _mix(model, budget, now)]
    options = [option for option in ways if model.adds(option, now)]
    options.sort(key=lambda option: option.half_width)
    half = model.half_width(pool.items, seen, 0 if gold is None else gold.items)
    notes = [
        _few_units(grouping.units),
        _lacking(model, budget, now),
        _no_room(model, left, now, most_items),
        _beyond(model, left, now),
        _nothing(model, budget, now, options),
    ]
    return PurchasePlan(size, half, spread.between, spread.within(seen), tuple(options), ordered(notes))


def _too_shallow(pool: Pool) -> str:
    if pool.items < 2 or pool.planned.min() < 2:
        return "a purchase can be planned from two items with two candidates each on: sample a little first"
    return (
        f"{int((pool.observed < 2).sum())} of {pool.items} items have fewer than the two measured candidates that a "
        "plan takes, the others being missing: ask for those first (akrasia run --retry-missing)"
    )


def _check_money(budget: float, costs: Costs) -> None:
    paid = (budget, costs.candidate) if costs.label is None else (budget, costs.candidate, costs.label)
    if not all(0 < amount <= MOST_MONEY for amount in paid) or not 0 <= costs.item <= MOST_MONEY:
        raise InputError(f"budget and prices must be positive (an item may be free), and at most {MOST_MONEY:g}")


def _affordable(budget: float, price: float, most: int) -> int:
    """How many a budget buys, but at most so many: it may be any number where the price is small."""
    return int(min(budget / price, most))


def _few_units(units: int) -> Diagnostic | None:
    if units >= FEW_CLUSTERS:
        return None
    return Diagnostic(
        "few_clusters",
        f"planned from {units} independent clusters: below about {FEW_CLUSTERS} the spread that a plan rests on is "
        "hardly known; measure more items before you believe it",
        "warning",
    )


def _lacking(model: _Model, budget: float, now: int) -> Diagnostic | None:
    price = model.cost(0, now, 0)
    if not price:
        return None
    number = model.lacking(now)
    stands = "stands first in every cost" if price <= budget else f"is more than the budget of {budget:g}"
    return Diagnostic(
        "lacking_candidates",
        f"items with fewer than {now} candidates lack {number:,} in all: to draw them costs {price:g}, which {stands}",
        "info",
    )


def _no_room(model: _Model, budget: float, now: int, most_items: int | None) -> Diagnostic | None:
    wanted = _affordable(budget, model.costs.new_item(now), MOST_ITEMS)
    if model.room is None or wanted <= model.room:
        return None
    tail = f", {model.room} of them not sampled yet" if model.room else ", all of them sampled already"
    more = f"{wanted:,} more items" if wanted > 1 else "1 more item"
    return Diagnostic("no_more_items", f"the budget would buy {more}, but there are {most_items} in all{tail}", "info")


def _beyond(model: _Model, budget: float, now: int) -> Diagnostic | None:
    """A budget that could buy more of something than is planned."""
    candidates = budget / (model.costs.candidate * model.pool.items) > max(0, MOST_CANDIDATES - now)
    items = model.room is None and budget / model.costs.new_item(now) > MOST_ITEMS
    if not candidates and not items:
        return None
    limits = [f"{MOST_CANDIDATES:,} candidates of an item"] * candidates + [f"{MOST_ITEMS:,} more items"] * items
    return Diagnostic(
        "beyond_planning", f"the budget would buy more than {' and '.join(limits)}: no plan goes further", "info"
    )


def _nothing(model: _Model, budget: float, now: int, options: list[Purchase]) -> Diagnostic | None:
    if options:
        return None
    item = f"one more item with {now} of them {model.costs.new_item(now):g}"
    item = "there are no more items" if model.room == 0 else item
    return Diagnostic(
        "nothing_to_buy",
        f"a budget of {budget:g} buys nothing: one more candidate for every item costs "
        f"{model.costs.candidate * model.pool.items:g}, and {item}",
        "warning",
    )


class _Interval(Struct, frozen=True):
    """What the interval of the mean loss goes by beside its variance, per item, so that there may be more of them.

    Attributes:
        mean: the loss.
        units: independent ones.
        away: items whose loss lies away from the end that the mean is nearer to.
        level: nominal coverage.
    """

    mean: float
    units: float
    away: float
    level: float

    def half_width(self, variance: float, items: int) -> float:
        """Half the width, at a variance of the mean over so many items."""
        units = self.units * items
        if units < 2:
            low, high = wilson(self.mean, 1.0, level=self.level)
            return (high - low) / 2
        few = self.away * items < FEW
        near = few or min(self.mean, 1 - self.mean) < BOUNDARY
        found = bounded_interval(self.mean, Spread(variance, units - 1, round(units), near, few), self.level)
        return found.half_width or 0.0


def _interval(lost: FloatArray, grouping: Grouping, level: float) -> _Interval:
    mean = min(1.0, max(0.0, grouping.mean(lost)))
    return _Interval(mean, grouping.units / len(lost), float(away_from_end(lost, mean).mean()), level)


class _Model(Struct, frozen=True):
    """Half-width as a function of what is bought, for all the items in hand and more.

    `effect` is how many times larger the variance of the mean in hand is than (B + W) / M: that of clusters, mostly.
    """

    spread: Spreads
    interval: _Interval
    effect: float
    pool: Pool
    costs: Costs
    gold: GoldState | None
    room: int | None

    def more_items(self, budget: float, candidates: int) -> int:
        """Items with so many candidates each that a budget buys, as far as there are any."""
        return _affordable(
            budget, self.costs.new_item(candidates), MOST_ITEMS if self.room is None else min(self.room, MOST_ITEMS)
        )

    def most_candidates(self, budget: float, now: int) -> int:
        """Candidates each that every item has if the whole budget goes into them."""
        return now + _affordable(budget, self.costs.candidate * self.pool.items, max(0, MOST_CANDIDATES - now))

    def half_width(self, items: int, candidates: int, gold_items: int) -> float:
        variance = self.effect * (self.spread.between + self.spread.within(candidates)) / items
        if self.gold is not None:
            drawn = min(max(gold_items, 1), items)
            variance += self.effect * self.gold.residual_variance * (1 / drawn - 1 / items)
        return self.interval.half_width(variance, items)

    def labels_per_item(self) -> float:
        return 0.0 if self.gold is None else self.gold.labels / max(1, self.gold.items)

    def purchase(
        self, buy: Literal["items", "candidates", "labels", "mix"], more_items: int, candidates: int, more_gold: int
    ) -> Purchase:
        items, gold_items = self.pool.items + more_items, 0 if self.gold is None else self.gold.items + more_gold
        labels = round(gold_items * self.labels_per_item())
        cost = self.cost(more_items, candidates, more_gold)
        return Purchase(buy, items, candidates, labels, cost, self.half_width(items, candidates, gold_items))

    def adds(self, option: Purchase, now: int) -> bool:
        """Whether something is bought beside what items lack of their candidates."""
        gold = 0 if self.gold is None else round(self.gold.items * self.labels_per_item())
        return option.items > self.pool.items or option.candidates > now or option.labels > gold

    def lacking(self, candidates: int) -> int:
        """What the items in hand lack until each has so many measured candidates."""
        return int(np.maximum(0, candidates - self.pool.observed).sum())

    def cost(self, more_items: int, candidates: int, more_gold: int) -> float:
        price = self.lacking(candidates) * self.costs.candidate + more_items * self.costs.new_item(candidates)
        return price + more_gold * self.labels_per_item() * (self.costs.label or 0.0)


def _single(model: _Model, budget: float, now: int) -> list[Purchase]:
    """All that a budget leaves beside what items lack of their candidates, into one thing."""
    costs = model.costs
    options = [
        model.purchase("items", model.more_items(budget, now), now, 0),
        model.purchase("candidates", 0, model.most_candidates(budget, now), 0),
    ]
    if model.gold is not None and costs.label is not None:
        room = model.pool.items - model.gold.items
        bought = _affordable(budget, costs.label * model.labels_per_item(), room)
        options.append(model.purchase("labels", 0, now, bought))
    return options


def _mix(model: _Model, budget: float, now: int) -> Purchase:
    """The best split among a grid of candidates per item and shares of the budget for gold."""
    most = model.most_candidates(budget - model.cost(0, now, 0), now)
    sizes = sorted({now, *(round(size) for size in np.geomspace(now, most, 12))})
    golds = [0]
    if model.gold is not None and model.costs.label is not None:
        price = model.costs.label * model.labels_per_item()
        golds = sorted({_affordable(float(share) * budget, price, MOST_ITEMS) for share in np.linspace(0, 1, 21)})
    found: list[Purchase] = []
    for size in sizes:
        for more_gold in golds:
            left = budget - model.cost(0, size, more_gold)
            if left < 0:
                continue
            found.append(model.purchase("mix", model.more_items(left, size), size, more_gold))
    return min(found, key=lambda option: option.half_width)
