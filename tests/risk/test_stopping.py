"""The stopping rule against brute force, closed forms and simulation; the prior against worlds of known types."""

from __future__ import annotations

import math
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akrasia.core import InputError, Undefined
from akrasia.risk import (
    Prior,
    StoppingRule,
    check_prior,
    fit_prior,
    match_best_of,
    replay,
    reservation_value,
)


def successes(*types: tuple[float, float]) -> Prior:
    """A prior of (weight, success probability)."""
    return Prior((0.0, 1.0), (0.5,), tuple(w for w, _ in types), tuple((1 - p, p) for _, p in types))


def graded(levels: tuple[float, ...], *types: tuple[float, tuple[float, ...]]) -> Prior:
    edges = tuple((a + b) / 2 for a, b in pairwise(levels))
    return Prior(levels, edges, tuple(w for w, _ in types), tuple(row for _, row in types))


@st.composite
def priors(draw: st.DrawFn, levels: int | None = None) -> Prior:
    number = draw(st.integers(2, 4)) if levels is None else levels
    values = (0.0, 1.0) if number == 2 else tuple(np.linspace(0.1, 0.9, number).tolist())
    share = st.floats(0.05, 1)
    raw = draw(st.lists(st.lists(share, min_size=number + 1, max_size=number + 1), min_size=1, max_size=3))
    rows = np.array(raw)
    weights = rows[:, 0] / rows[:, 0].sum()
    chances = rows[:, 1:] / rows[:, 1:].sum(axis=1, keepdims=True)
    types = [(float(w), tuple(row.tolist())) for w, row in zip(weights, chances, strict=True)]
    return graded(values, *types)


def brute_force(prior: Prior, cost: float, most: int) -> tuple[float, float]:
    """Expected worth less cost of the best rule, and of what it draws, over every sequence of levels."""
    weights, chances = np.array(prior.weights), np.array(prior.chances)

    @cache
    def best(seen: tuple[int, ...]) -> tuple[float, float]:
        stop = prior.levels[max(seen)] if seen else -math.inf
        if len(seen) == most:
            return stop, 0.0
        likelihood = weights * np.prod([chances[:, level] for level in seen], axis=0)
        likelihood = likelihood / likelihood.sum()
        go, draws = -cost, 1.0
        for level in range(len(prior.levels)):
            probability = float(likelihood @ chances[:, level])
            value, further = best((*seen, level))
            go, draws = go + probability * value, draws + probability * further
        return (go, draws) if go > stop + 1e-12 else (stop, 0.0)

    return best(())


class TestExactly:
    @given(priors(), st.floats(0.005, 0.3), st.integers(1, 5))
    def test_as_brute_force(self, prior: Prior, cost: float, most: int) -> None:
        net, draws = brute_force(prior, cost, most)
        found = StoppingRule(prior, cost, most).outlook()
        assert found.exact
        assert found.worth - cost * found.draws == pytest.approx(net, abs=1e-9)
        assert found.draws == pytest.approx(draws, abs=1e-6)

    @given(priors(levels=2), st.floats(0.01, 0.5), st.integers(1, 30))
    def test_of_successes_the_one_step_rule_is_the_programme(self, prior: Prior, cost: float, most: int) -> None:
        # E[p | n failures] > cost is all that has to be asked: a threshold on the failures.
        weights, p = np.array(prior.weights), np.array(prior.chances)[:, 1]
        rule = StoppingRule(prior, cost, most)
        for failures in range(1, most):
            chance = float(weights * (1 - p) ** failures @ p / (weights @ (1 - p) ** failures))
            if abs(chance - cost) > 1e-9:
                found = rule.next_draws([0.0] * failures)
                assert (found.draws > 0) == (chance > cost)
                assert found.gain == pytest.approx(chance)

    def test_by_hand(self) -> None:
        # Half of the items succeed with 0.8, half never. After one failure P(able) = 0.2 / 1.2 = 1/6, and one more is
        # worth 0.8 / 6 = 0.1333; after two it is worth 0.8 × 0.02 / 0.52 = 0.0308 (0.5 × 0.2² = 0.02 against 0.5).
        prior = successes((0.5, 0.8), (0.5, 0.0))
        rule = StoppingRule(prior, 0.1, 8)
        assert rule.next_draws([]).why == "first"
        assert rule.next_draws([0.0]).gain == pytest.approx(0.8 / 6)
        assert rule.next_draws([0.0]).why == "worth_it"
        assert rule.next_draws([0.0, 0.0]).gain == pytest.approx(0.8 * 0.02 / 0.52)
        assert rule.next_draws([0.0, 0.0]).why == "not_worth_it"
        assert rule.next_draws([0.0, 1.0]).why == "best_possible"
        # So it draws once, and a second time unless the first succeeded (0.4): worth 0.5 × (1 − 0.2²).
        assert rule.outlook().draws == pytest.approx(1.6)
        assert rule.outlook().worth == pytest.approx(0.48)

    def test_one_step_is_not_enough_where_a_draw_tells_the_type(self) -> None:
        # After a 0 the item is of the second kind with probability 0.16. One more gains 0.16 (0.4 × 0.2 + 0.1), which
        # is 0.0288 and less than its cost of 0.03. But a 0.2 would show the second kind, whose draws gain 0.08 each.
        w = 0.16 / 0.58
        prior = graded((0.0, 0.2, 1.0), (1 - w, (1.0, 0.0, 0.0)), (w, (0.5, 0.4, 0.1)))
        rule = StoppingRule(prior, 0.03, 10)
        found = rule.next_draws([0.0])
        assert found.gain == pytest.approx(0.0288)
        assert found.gain < rule.cost
        assert found.advantage > 0
        assert found.draws == 1
        two = StoppingRule(prior, 0.03, 10, exact=False).next_draws([0.0])
        # 0.0288 − 0.03 + 0.16 × 0.4 × (0.08 − 0.03)
        assert two.advantage == pytest.approx(0.002)
        assert two.draws == 1

    @given(priors(levels=3), st.integers(3, 6), st.integers(0, 1000))
    def test_the_look_ahead_is_exact_where_two_are_left(self, prior: Prior, most: int, seed: int) -> None:
        exact, near = (StoppingRule(prior, 0.03, most, exact=exact) for exact in (True, False))
        level = prior.draw_levels(np.random.default_rng(seed), 20, most - 2)
        seen = np.stack([(level == one).sum(axis=1) for one in range(3)], axis=1)
        going = seen[:, 2] == 0
        assert near.advantage(seen[going]) == pytest.approx(exact.advantage(seen[going]), abs=1e-9)

    @settings(max_examples=10)
    @given(priors(levels=3))
    def test_the_look_ahead_is_never_better(self, prior: Prior) -> None:
        exact, near = (StoppingRule(prior, 0.03, 6, exact=exact) for exact in (True, False))
        level = prior.draw_levels(np.random.default_rng(5), 4000, 6)
        best, found = (rule.carried_out(level) for rule in (exact, near))
        # What one item brings lies within 1.2 and rarely differs: the same items leave a noise far below 0.01.
        assert found.worth - 0.03 * found.draws <= best.worth - 0.03 * best.draws + 0.01

    def test_simulated_as_computed(self) -> None:
        prior = successes((0.3, 0.05), (0.4, 0.4), (0.3, 0.9))
        rule = StoppingRule(prior, 0.05, 12)
        computed = rule.outlook()
        seen = rule.carried_out(prior.draw_levels(np.random.default_rng(3), 40_000, 12))
        # Standard errors: of a share at most 0.5 / 200 = 0.0025; of the draws, which lie in 1 … 12, at most 0.0275.
        assert seen.worth == pytest.approx(computed.worth, abs=4 * 0.0025)
        assert seen.draws == pytest.approx(computed.draws, abs=4 * 0.0275)


class TestRule:
    @given(priors(), st.floats(0, 0.3), st.integers(1, 6), st.integers(1, 4), st.integers(0, 10_000))
    def test_never_beyond_most(self, prior: Prior, cost: float, most: int, at_once: int, seed: int) -> None:
        rule = StoppingRule(prior, cost, most)
        level = prior.draw_levels(np.random.default_rng(seed), 1, most)[0]
        values: list[float | None] = []
        while True:
            found = rule.next_draws(values, at_once=at_once)
            if not found.draws:
                break
            assert found.draws <= at_once
            values += [prior.levels[one] for one in level[len(values) : len(values) + found.draws]]
        assert 1 <= len(values) <= most
        assert rule.draws_taken(level[None])[0] == len(values) or at_once > 1

    @given(priors(), st.integers(1, 6))
    def test_dearer_draws_fewer(self, prior: Prior, most: int) -> None:
        looks = [StoppingRule(prior, cost, most).outlook() for cost in (0.0, 0.01, 0.03, 0.1, 0.3)]
        for cheap, dear in pairwise(looks):
            assert dear.draws <= cheap.draws + 1e-9
            assert dear.worth <= cheap.worth + 1e-9

    def test_missing_values_count_towards_most_and_tell_nothing(self) -> None:
        rule = StoppingRule(successes((1.0, 0.5)), 0.01, 3)
        assert rule.next_draws([None]).why == "first"
        assert rule.next_draws([0.0, None]).gain == rule.next_draws([0.0]).gain
        assert rule.next_draws([None, None, None]).why == "most"
        assert rule.next_draws([None, 1.0]).why == "best_possible"

    def test_several_at_once_are_each_worth_it_unseen(self) -> None:
        # p = 0.5: the second candidate gains 0.25, the third 0.125, the fourth 0.0625.
        rule = StoppingRule(successes((1.0, 0.5)), 0.1, 8)
        assert rule.next_draws([], at_once=8).draws == 3
        assert rule.next_draws([0.0], at_once=2).draws == 2
        assert rule.next_draws([0.0] * 7, at_once=4).draws == 1

    def test_free_draws_without_gain_are_not_drawn(self) -> None:
        rule = StoppingRule(successes((1.0, 0.0)), 0.0, 8)
        assert rule.next_draws([0.0]).why == "not_worth_it"

    def test_what_the_prior_holds_to_be_impossible(self) -> None:
        found = StoppingRule(successes((1.0, 1.0)), 0.1, 4).next_draws([0.0])
        assert found.gain == pytest.approx(1.0)

    def test_a_constant_verifier(self) -> None:
        rule = StoppingRule(Prior((0.4,), (), (1.0,), ((1.0,),)), 0.0, 8)
        assert rule.next_draws([0.4]).why == "best_possible"
        assert rule.outlook().draws == pytest.approx(1)

    def test_known_utilities_take_the_place_of_values(self) -> None:
        # A verifier whose 0.9 is worth no more than its 0.5: nothing is gained by drawing on from 0.5.
        prior = Prior((0.1, 0.5, 0.9), (0.3, 0.7), (1.0,), ((0.4, 0.3, 0.3),), (0.1, 0.6, 0.6))
        assert StoppingRule(prior, 0.0, 8).next_draws([0.5]).why == "best_possible"
        # E[U] of the best of 2: 0.16 × 0.1 + 0.84 × 0.6.
        assert prior.best_of(2) == pytest.approx(0.52)

    @pytest.mark.parametrize(
        ("cost", "most", "part"), [(-0.1, 4, "cost is -0.1"), (math.nan, 4, "cost is nan"), (0.1, 0, "most is 0")]
    )
    def test_refused(self, cost: float, most: int, part: str) -> None:
        with pytest.raises(InputError, match=part):
            StoppingRule(successes((1.0, 0.5)), cost, most)

    def test_values_that_the_prior_does_not_know(self) -> None:
        rule = StoppingRule(successes((1.0, 0.5)), 0.1, 4)
        with pytest.raises(InputError, match="learnt from values of 0 and 1"):
            rule.next_draws([0.3])
        with pytest.raises(InputError, match="lies in"):
            rule.next_draws([7.0])


class TestReservation:
    def test_a_coin(self) -> None:
        # p (1 − z) = c
        assert reservation_value([0, 1], [0.7, 0.3], 0.06) == pytest.approx(0.8)

    def test_uniform(self) -> None:
        # (1 − z)² / 2 = c, so c = 0.02 gives z = 0.8; on 2,000 midpoints the sum is off by less than 1e-6.
        middles = (np.arange(2000) + 0.5) / 2000
        assert reservation_value(middles, np.full(2000, 1 / 2000), 0.02) == pytest.approx(0.8, abs=1e-4)

    def test_exponential(self) -> None:
        # exp(−z) = c whatever is at hand: rate 10 on [0, 1], so z = −ln(10 c) / 10, nothing lies beyond 1.
        middles = (np.arange(20_000) + 0.5) / 10_000
        mass = np.exp(-10 * middles)
        assert reservation_value(middles, mass / mass.sum(), 0.01) == pytest.approx(math.log(10) / 10, abs=1e-4)

    def test_dearer_than_the_mean(self) -> None:
        assert reservation_value([0.2, 0.4], [0.5, 0.5], 0.5) == pytest.approx(-0.2)

    @given(priors(), st.floats(0.001, 0.5))
    def test_gains_just_its_cost(self, prior: Prior, cost: float) -> None:
        levels, chances = np.array(prior.levels), np.array(prior.chances[0])
        z = reservation_value(levels, chances, cost)
        assert chances @ np.maximum(levels - z, 0) == pytest.approx(cost)

    @given(st.floats(0.005, 0.2), st.integers(2, 8))
    def test_of_a_known_distribution_the_rule_is_the_reservation_rule(self, cost: float, most: int) -> None:
        prior = graded((0.1, 0.4, 0.7, 1.0), (1.0, (0.4, 0.3, 0.2, 0.1)))
        rule = StoppingRule(prior, cost, most)
        z = reservation_value(prior.levels, prior.chances[0], cost)
        for level in prior.levels[:-1]:
            if abs(level - z) > 1e-9:
                assert (rule.next_draws([level]).draws > 0) == (level < z)

    def test_refused(self) -> None:
        with pytest.raises(InputError, match="cost above 0"):
            reservation_value([0, 1], [0.5, 0.5], 0)


class TestPrior:
    def test_two_kinds_of_items_are_found(self) -> None:
        rng = np.random.default_rng(0)
        p = np.where(rng.random(600) < 0.3, 0.05, 0.8)
        prior = fit_prior((rng.random((600, 24)) < p[:, None]).astype(float))
        assert prior.binary
        chance, weight = np.array(prior.chances)[:, 1], np.array(prior.weights)
        # Of 600 items about 180 are hard: ± 4 √(600 × 0.21) = ± 45, 0.075 in share.
        assert weight[chance < 0.4].sum() == pytest.approx(0.3, abs=0.075)
        assert weight @ chance == pytest.approx(0.3 * 0.05 + 0.7 * 0.8, abs=0.06)

    def test_graded_types_are_found(self) -> None:
        rng = np.random.default_rng(0)
        low = rng.random(400) < 0.5
        values = np.where(low[:, None], rng.beta(2, 8, (400, 12)), rng.beta(8, 2, (400, 12)))
        prior = fit_prior(values)
        means = np.array(prior.chances) @ np.array(prior.levels)
        weight = np.array(prior.weights)
        assert len(weight) >= 2
        assert weight[means < 0.5].sum() == pytest.approx(0.5, abs=0.1)
        assert prior.best_of(4) == pytest.approx(np.sort(values[:, :4], axis=1)[:, -1].mean(), abs=0.03)

    def test_alike_items_are_one_type(self) -> None:
        values = np.random.default_rng(2).random((200, 12))
        assert len(fit_prior(values).weights) == 1

    def test_few_values_are_levels_themselves(self) -> None:
        values = np.random.default_rng(0).choice([0.0, 0.5, 1.0], (40, 6))
        prior = fit_prior(values)
        assert prior.levels == (0.0, 0.5, 1.0)
        assert prior.edges == (0.25, 0.75)
        assert prior.level_of([0.0, 0.2, 0.3, 1.0]).tolist() == [0, 0, 1, 2]

    def test_missing_values_are_left_out(self) -> None:
        full = np.random.default_rng(4).integers(0, 2, (50, 8)).astype(float)
        wide = np.concatenate([full, np.full((50, 3), np.nan)], axis=1)
        empty = np.concatenate([wide, np.full((5, 11), np.nan)])
        assert fit_prior(wide) == fit_prior(full)
        assert fit_prior(empty) == fit_prior(full)

    def test_utilities_of_levels_never_fall(self) -> None:
        # Means of the levels 0, 1/2, 1: 0.2, 0.8, 0.6 with 10 candidates each: the last two are pooled to 0.7.
        values = np.tile([0.0, 0.5, 1.0], (10, 1))
        utilities = np.tile([0.2, 0.8, 0.6], (10, 1))
        prior = fit_prior(values, utilities=utilities)
        assert prior.utilities == pytest.approx((0.2, 0.7, 0.7))

    @given(priors(), st.integers(1, 4))
    def test_best_of_is_the_rule_that_never_stops(self, prior: Prior, n: int) -> None:
        assert prior.best_of(n) == pytest.approx(StoppingRule(prior, 0.0, n).outlook().worth)

    def test_refused(self) -> None:
        with pytest.raises(InputError, match="no item has two candidates"):
            fit_prior([[0.0], [1.0]])
        with pytest.raises(InputError, match="utility"):
            fit_prior([[0.0, 3.0]])
        with pytest.raises(InputError, match="both a value and a utility"):
            fit_prior([[0.0, 1.0]], utilities=[[None, None]])

    @pytest.mark.parametrize(
        ("broken", "part"),
        [
            (Prior((0.5, 0.2), (0.3,), (1.0,), ((0.5, 0.5),)), "levels"),
            (Prior((0.0, 1.0), (), (1.0,), ((0.5, 0.5),)), "edges"),
            (Prior((0.0, 1.0), (0.5,), (0.7,), ((0.5, 0.5),)), "weights"),
            (Prior((0.0, 1.0), (0.5,), (1.0,), ((0.5, 0.4, 0.1),)), "chances"),
            (Prior((0.0, 1.0), (0.5,), (1.0,), ((0.5, 0.4),)), "probabilities"),
            (Prior((0.0, 1.0), (0.5,), (1.0,), ((0.5, 0.5),), (0.9, 0.1)), "utilities"),
        ],
    )
    def test_no_prior(self, broken: Prior, part: str) -> None:
        with pytest.raises(InputError, match=part):
            check_prior(broken)


class TestMatch:
    def test_of_successes_it_is_until_the_first_and_at_most_n(self) -> None:
        prior = successes((0.5, 0.2), (0.5, 0.6))
        found = match_best_of(prior, 8)
        assert found.most == 8
        assert found.worth == pytest.approx(prior.best_of(8))
        # Σ_{n<8} E[(1 − p)ⁿ] = (1 − 0.8⁸) / 0.4 + (1 − 0.4⁸) / 1.2
        assert found.draws == pytest.approx((1 - 0.8**8) / 0.4 + (1 - 0.4**8) / 1.2)

    @given(priors(), st.integers(1, 5))
    def test_reaches_the_target_with_no_more_candidates(self, prior: Prior, n: int) -> None:
        found = match_best_of(prior, n)
        assert found.worth >= found.target - 1e-9
        assert found.draws <= n + 1e-9

    def test_refused(self) -> None:
        with pytest.raises(InputError, match="most is 4"):
            match_best_of(successes((1.0, 0.5)), 8, most=4)


class TestReplay:
    def test_of_successes_it_is_best_of_n(self) -> None:
        rng = np.random.default_rng(0)
        p = rng.random(300)
        pool = (rng.random((300, 8)) < p[:, None]).astype(float)
        rule = StoppingRule(successes((0.5, 0.3), (0.5, 0.7)), 1e-4, 8)
        found = replay(rule, pool, 8)
        # Until the first success of all eight is the best of all eight, in every order.
        assert found.difference.value == pytest.approx(0.0, abs=1e-12)
        # c successes in 8: the first comes at (8 + 1) / (c + 1) on average, at 8 where there is none.
        c = pool.sum(axis=1)
        expected = np.where(c > 0, 9 / (c + 1), 8).mean()
        assert found.draws.value == pytest.approx(expected, rel=0.05)
        assert found.share == pytest.approx(found.draws.value / 8)

    def test_valued_by_another(self) -> None:
        values = np.tile([0.0, 1.0], (20, 4))
        found = replay(StoppingRule(successes((1.0, 0.5)), 0.01, 8), values, 4, utilities=1 - values)
        # The verifier prefers what is worth nothing: the rule always reaches it, best of 4 misses in 1 of 70 subsets.
        assert found.adaptive.value == 0
        assert found.best_of_n.value == pytest.approx(1 / 70)

    def test_too_few_candidates(self) -> None:
        with pytest.raises(Undefined, match="8 measured candidates"):
            replay(StoppingRule(successes((1.0, 0.5)), 0.01, 8), np.ones((20, 4)), 4)
