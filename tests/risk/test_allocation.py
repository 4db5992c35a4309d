from __future__ import annotations

import numpy as np
import pytest

from akrasia.core.errors import InputError, Undefined
from akrasia.risk import Costs, GoldState, estimate, plan_purchase


def pools(rng, p, candidates):
    return (rng.random((len(p), candidates)) < p[:, None]).astype(float)


def test_the_model_gives_back_the_present_interval():
    rng = np.random.default_rng(0)
    utilities = pools(rng, rng.beta(0.5, 1, 400), 16)
    plan = plan_purchase(utilities, Costs(1.0), 1000)
    assert plan.half_width == pytest.approx(estimate(utilities).risk.half_width, rel=0.02)


def test_items_that_differ_call_for_items():
    rng = np.random.default_rng(1)
    utilities = pools(rng, rng.beta(0.2, 0.2, 200), 32)
    plan = plan_purchase(utilities, Costs(1.0), 6400, k=8)
    by_name = {option.buy: option for option in plan.options}
    assert by_name["items"].half_width < by_name["candidates"].half_width < plan.half_width
    # Twice the items: the half-width falls by the square root of two.
    assert by_name["items"].items == 400
    assert by_name["items"].half_width == pytest.approx(plan.half_width / np.sqrt(2), rel=0.02)
    assert plan.options[0].half_width == min(option.half_width for option in plan.options)
    assert all(option.cost <= 6400 for option in plan.options)


def test_dear_items_call_for_candidates():
    rng = np.random.default_rng(2)
    utilities = pools(rng, np.full(100, 0.4), 4)
    plan = plan_purchase(utilities, Costs(candidate=1.0, item=1000.0), 2000, k=2)
    by_name = {option.buy: option for option in plan.options}
    assert by_name["candidates"].half_width < by_name["items"].half_width
    assert by_name["mix"].half_width <= by_name["candidates"].half_width + 1e-9


def test_within_variance_matches_simulation():
    rng = np.random.default_rng(3)
    p = rng.beta(2, 2, 3000)
    plan = plan_purchase(pools(rng, p, 12), Costs(1.0), 10, k=4)
    again = []
    for _ in range(2):
        wins = pools(rng, p, 12)
        from akrasia.risk import per_item

        again.append(per_item(wins, 4).risk)
    assert plan.within_items == pytest.approx(((again[0] - again[1]) ** 2).mean() / 2, rel=0.1)


def test_graded_utilities_from_halves():
    rng = np.random.default_rng(4)
    utilities = np.clip(rng.random((500, 1)) * 0.5 + rng.random((500, 16)) * 0.5, 0, 1)
    plan = plan_purchase(utilities, Costs(1.0), 10, k=4)
    from akrasia.risk import per_item

    halves = [
        per_item(np.clip(rng.random((500, 1)) * 0 + utilities[:, order], 0, 1), 4).risk
        for order in (slice(0, 8), slice(8, 16))
    ]
    assert plan.within_items == pytest.approx(((halves[0] - halves[1]) ** 2).mean() / 4)


def test_labels_when_the_verifier_is_the_problem():
    rng = np.random.default_rng(5)
    utilities = pools(rng, rng.beta(1, 1, 2000), 8)
    gold = GoldState(items=50, labels=150, residual_variance=0.2)
    plan = plan_purchase(utilities, Costs(1.0, 0.0, 5.0), 3000, gold=gold)
    assert plan.options[0].buy in ("labels", "mix")
    labels = next(option for option in plan.options if option.buy == "labels")
    assert labels.labels == 750  # 3000 / 5 = 600 more
    assert labels.half_width < plan.half_width / 1.5


def codes(plan):
    return {diagnostic.code: diagnostic for diagnostic in plan.diagnostics}


def test_no_more_items_than_there_are():
    utilities = pools(np.random.default_rng(6), np.full(40, 0.4), 4)
    plan = plan_purchase(utilities, Costs(1.0), 1000, most_items=60)
    assert max(option.items for option in plan.options) == 60
    # 1000 / 4 candidates each = 250
    assert "250 more items" in codes(plan)["no_more_items"].message
    assert "60 in all, 20 of them" in codes(plan)["no_more_items"].message
    none_left = plan_purchase(utilities, Costs(1.0), 1000, most_items=40)
    assert {option.items for option in none_left.options} == {40}
    assert "items" not in {option.buy for option in none_left.options}
    assert "no_more_items" not in codes(plan_purchase(utilities, Costs(1.0), 80, most_items=60))


def test_a_budget_that_buys_nothing_says_so():
    utilities = pools(np.random.default_rng(7), np.full(40, 0.4), 4)
    plan = plan_purchase(utilities, Costs(1.0), 3)
    assert plan.options == ()
    message = codes(plan)["nothing_to_buy"].message
    assert "one more candidate for every item costs 40" in message
    assert "one more item with 4 of them 4" in message


def test_few_clusters_are_no_ground_for_a_plan():
    plan = plan_purchase([[0, 1], [1, 1], [0, 0]], Costs(1.0), 100, clusters=["a", "a", "b"])
    assert "2 independent clusters" in codes(plan)["few_clusters"].message
    enough = plan_purchase(pools(np.random.default_rng(8), np.full(40, 0.4), 4), Costs(1.0), 100)
    assert enough.diagnostics == ()


@pytest.mark.parametrize(("price", "budget"), [(1.0, 1e9), (5e-324, 1e15), (1e15, 1e-300)])
@pytest.mark.parametrize("graded", [False, True])
def test_a_budget_out_of_all_proportion_is_planned_in_bounds(price, budget, graded):
    draws = np.random.default_rng(9).random((40, 8))
    plan = plan_purchase(draws if graded else draws < 0.4, Costs(price), budget)
    assert all(option.candidates <= 4096 and option.items <= 10**9 + 40 for option in plan.options)
    assert all(0 < option.half_width < plan.half_width for option in plan.options)
    # 1e9 buys 25,000,000 candidates for each of 40 items, or 125,000,000 items of 8.
    assert set(codes(plan)) == {"nothing_to_buy" if price > budget else "beyond_planning"}


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e300, -1.0])
def test_money_that_is_none(wrong):
    utilities = np.random.default_rng(9).random((40, 8)) < 0.4
    for budget, costs in ((wrong, Costs(1.0)), (1.0, Costs(wrong)), (1.0, Costs(1.0, wrong))):
        with pytest.raises(InputError, match=r"must be positive .* and at most 1e"):
            plan_purchase(utilities, costs, budget)
    with pytest.raises(InputError, match="must be positive"):
        plan_purchase(utilities, Costs(1.0, label=wrong), 1.0)


def test_refusals():
    with pytest.raises(InputError):
        plan_purchase([[0, 1]] * 3, Costs(0.0), 10)
    with pytest.raises(InputError):
        plan_purchase([[0, 1]] * 3, Costs(1.0), 10, k=3)
    with pytest.raises(Undefined):
        plan_purchase([[0], [1]], Costs(1.0), 10)


def test_what_items_lack_is_paid_first_and_is_no_purchase_of_its_own():
    rng = np.random.default_rng(8)
    utilities = pools(rng, np.linspace(0.2, 0.8, 24), 6)
    utilities[:11, 5] = np.nan  # eleven items have five
    plan = plan_purchase(utilities, Costs(0.01), 1.0, most_items=24)
    assert {option.buy for option in plan.options} == {"candidates", "mix"}  # there is no item to buy
    # Of the budget 0.11 fills up; the rest, 0.89, is three more for each of 24 items (0.72).
    assert [(option.candidates, round(option.cost, 2)) for option in plan.options] == [(9, 0.83)] * 2
    (note,) = [note.message for note in plan.diagnostics if note.code == "lacking_candidates"]
    assert "lack 11 in all: to draw them costs 0.11, which stands first in every cost" in note
    poor = plan_purchase(utilities, Costs(0.01), 0.05, most_items=24)
    assert poor.options == ()
    assert any("more than the budget of 0.05" in note.message for note in poor.diagnostics)


@pytest.mark.parametrize(("planned", "k"), [(4, None), (4, 2), (2, None)])
def test_an_item_that_lost_most_draws_blocks_no_plan(planned, k):
    rng = np.random.default_rng(10)
    whole = pools(rng, np.linspace(0.2, 0.8, 20), planned)
    utilities = np.vstack([whole, whole[:2]])
    utilities[20, 1:] = utilities[21] = np.nan  # one draw left of one item, none of another
    plan = plan_purchase(utilities, Costs(0.01), 5, k=k, most_items=22)
    assert plan.k == (k or planned)
    assert plan.half_width == plan_purchase(whole, Costs(0.01), 5, k=k).half_width
    lost = 2 * planned - 1
    assert f"fewer than {planned} candidates lack {lost} in all" in codes(plan)["lacking_candidates"].message
    assert {option.items for option in plan.options} == {22}  # they are bought, and there are no others
    by_name = {option.buy: option for option in plan.options}
    more = by_name["candidates"].candidates - planned
    assert by_name["candidates"].cost == pytest.approx(0.01 * (lost + 22 * more))
    assert 5 - 0.22 < by_name["candidates"].cost <= 5


def test_one_item_is_one_item():
    utilities = pools(np.random.default_rng(6), np.full(40, 0.4), 4)
    plan = plan_purchase(utilities, Costs(1.0), 7, most_items=40)
    assert "would buy 1 more item, but" in codes(plan)["no_more_items"].message


def test_no_plan_where_all_lose_the_same():
    # Each item, or each cluster, loses 1/2: the draws within differ, but nothing tells how far apart items lie.
    with pytest.raises(Undefined, match="every item loses the same: there is no spread"):
        plan_purchase([[1, 0]] * 12, Costs(1.0), 100)
    with pytest.raises(Undefined, match="every item loses the same"):
        plan_purchase([[0.9, 0.6, 0.3]] * 7, Costs(1.0), 100)
    whole = [[1, 0, 0, 0], [1, 1, 1, 1]] * 10
    assert plan_purchase(whole, Costs(1.0), 100).half_width > 0
    with pytest.raises(Undefined, match="every cluster loses the same"):
        plan_purchase(whole, Costs(1.0), 100, clusters=np.repeat(np.arange(10), 2))


def test_items_that_lost_their_draws_are_told_from_a_shallow_run():
    lost = np.array([[1, 0, 1], [0, np.nan, np.nan]] * 4)  # the median item has 2: the one draw left is half of it
    lost[0::2, 2] = np.nan
    lost[0, 1] = np.nan  # now most items have one, and nobody is thin
    with pytest.raises(Undefined, match=r"5 of 8 items have fewer than the two .* --retry-missing"):
        plan_purchase(lost, Costs(1.0), 100)
    with pytest.raises(Undefined, match="sample a little first"):
        plan_purchase([[0], [1]], Costs(1.0), 10)


@pytest.mark.parametrize(
    "utilities",
    [
        [[1.0, 1, 1, 1]] * 18 + [[0.0, 1, 1, 1]] * 2,  # near an end, and too few items away from it: Wilson's by count
        [[0.0, 1, 0, 1], [0.0, 0, 1, 0], [1.0, 1, 1, 1]] * 2,  # t of 5 degrees of freedom
        [[0.0, 1, 0, 1], [1.0, 1, 1, 1], [0.0, 0, 0, 1]],
    ],
)
def test_what_is_promised_of_more_items_is_what_risk_gives_of_as_many_like_them(utilities: list[list[float]]):
    """Twenty times the items, each twenty times: their loss has the same mean and all but the same spread."""
    more = 19 * len(utilities)
    plan = plan_purchase(utilities, Costs(1.0), 4.0 * more)
    (bought,) = [option for option in plan.options if option.buy == "items"]
    assert bought.items == 20 * len(utilities)
    assert plan.half_width == pytest.approx(estimate(utilities).risk.half_width)
    units = len(utilities)  # the sample variance of few items over that of all: (20 G − 1) / (20 (G − 1))
    wider = np.sqrt((20 * units - 1) / (20 * (units - 1)))
    assert bought.half_width == pytest.approx(wider * estimate(utilities * 20).risk.half_width, rel=0.03)
