"""When to stop drawing candidates: Weitzman's rule, with an item's quality learnt from the candidates seen so far.

Candidates of an item are drawn one after another at a cost each, any earlier one may still be committed to, and what
is to be made as large as possible is the expected worth of the best one less the cost of all. Which rule does that:

- **A known distribution F.** Draw while the best at hand is below the reservation value z with E[(V − z)⁺] = c
  (`reservation_value`; Weitzman, 1979, with identical boxes). The one-step rule, E[(V − best)⁺] > c, is the same rule.
- **Values of 0 and 1, whatever the mixture.** After a success nothing can be gained. After n failures the chance of a
  success is E[p (1 − p)ⁿ] / E[(1 − p)ⁿ], which never rises with n: once one more is not worth its cost, it never will
  be, so the one-step rule is optimal here too (the monotone case of Chow and Robbins). It amounts to one number: draw
  until the first success, and give up after n* failures.
- **Graded values of a mixture.** A draw also tells of which type the item is, and that may be worth a draw that is not
  worth its cost in itself: the one-step rule stops too early. The finite-horizon dynamic programme over the counts of
  levels seen is exact (for the mixture on its levels); it is used as long as it has at most `MOST_STATES` states.
  Beyond that a look-ahead of two draws decides, which is no optimum.

All three are one piece of code here: the counts of levels are the state, and a success is the highest level.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike

from akrasia.core.errors import InputError
from akrasia.risk.prior import Prior, check_prior
from akrasia.stats.grouping import BoolArray, FloatArray, IntArray

MOST_STATES = 260_000
"""Counts of levels that the exact programme goes through: 8 levels and 16 candidates just fit."""

_EVEN = 1e-12
"""An advantage of no more than this is rounding."""

Why = Literal["first", "worth_it", "not_worth_it", "best_possible", "most"]


class NextDraws(Struct, frozen=True):
    """Whether to go on.

    Attributes:
        draws: how many candidates to draw now; 0: stop.
        why: "first": nothing is measured yet; "worth_it" or "not_worth_it"; "best_possible": nothing better can come;
            "most": the horizon is reached.
        gain: expected gain in worth of one more candidate over the best at hand.
        advantage: expected worth, less cost, of going on and then stopping as the rule says, over stopping now.
    """

    draws: int
    why: Why
    gain: float
    advantage: float


class Outlook(Struct, frozen=True):
    """What a rule is expected to do on items of its prior.

    Attributes:
        worth: expected worth of what it commits to.
        draws: expected number of candidates.
        exact: computed; else simulated.
    """

    worth: float
    draws: float
    exact: bool


def reservation_value(levels: ArrayLike, chances: ArrayLike, cost: float) -> float:
    """The z at which one more draw of a known distribution is worth just its cost: E[(V − z)⁺] = cost.

    Args:
        levels: (L,) values, increasing.
        chances: (L,) their probabilities.
        cost: of one draw, above 0.

    Returns:
        z; negative where the cost is above the mean: then no draw is worth it, not even the first.

    Raises:
        InputError: a cost of 0 or less: then every draw is worth it.

    Example:
        A coin with p = 0.5: (1 − z) / 2 = 0.1.

        >>> round(reservation_value([0, 1], [0.5, 0.5], 0.1), 6)
        0.8
    """
    if not cost > 0:
        raise InputError(f"cost is {cost:g}: a reservation value needs a cost above 0")
    values, mass = np.asarray(levels, dtype=np.float64), np.asarray(chances, dtype=np.float64)
    if not values.size:
        raise InputError("levels are empty: give at least one")
    # Of the levels above z, E[(V − z)⁺] is the mass times (their mean − z), and z lies above the level below them.
    above, total = (np.cumsum(part[::-1])[::-1] for part in (mass, mass * values))
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(above > 0, (total - cost) / above, -np.inf)
    fits = np.append(True, z[1:] >= values[:-1])
    return float(z[np.flatnonzero(fits)[-1]])


class StoppingRule:
    """Says after every candidate whether to draw another one. Built cheaply; it is solved on first use.

    Args:
        prior: what is known of items.
        cost: of one candidate, in units of utility; at least 0.
        most: candidates at which it stops in any case; at least 1.
        exact: whether to solve exactly; None: wherever `MOST_STATES` allow it.

    Raises:
        InputError: a prior that is none, a negative cost, no candidate allowed, or an exact solution that is too large.
    """

    def __init__(self, prior: Prior, cost: float, most: int, *, exact: bool | None = None) -> None:
        check_prior(prior)
        if not (math.isfinite(cost) and cost >= 0):
            raise InputError(f"cost is {cost:g}: it is the utility that one candidate must bring, 0 or more")
        if most < 1 or most != int(most):
            raise InputError(f"most is {most}: it must be a whole number of at least 1")
        self.prior = prior
        self.cost = float(cost)
        self.most = int(most)
        states = math.comb(self.most + len(prior.levels) - 1, len(prior.levels) - 1)
        self.exact = states <= MOST_STATES if exact is None else exact
        if self.exact and states > MOST_STATES:
            raise InputError(f"{states} states are more than {MOST_STATES}: allow fewer candidates, or exact=None")
        self._solver: _Lattice | _LookAhead | None = None

    def at_cost(self, cost: float) -> StoppingRule:
        """The same rule at another cost; what does not depend on the cost is not computed again."""
        other = StoppingRule(self.prior, cost, self.most, exact=self.exact)
        if isinstance(self._solver, _Lattice):
            other._solver = _Lattice(self._solver.layers, other.cost)
        return other

    @property
    def _solved(self) -> _Lattice | _LookAhead:
        if self._solver is None:
            if self.exact:
                self._solver = _Lattice(_Layers(self._types, self.most), self.cost)
            else:
                self._solver = _LookAhead(self._types, self.cost, self.most)
        return self._solver

    def next_draws(self, values: Sequence[float | None], *, at_once: int = 1) -> NextDraws:
        """Whether to go on after these candidates.

        Of several at once, every one must be worth its cost whatever the others turn out to be; that takes more
        candidates than one by one, and less time.

        Args:
            values: what the verifier said, in the order of drawing; None where a candidate has no value. Such a one
                counts towards `most`, and tells nothing: it is no 0.
            at_once: how many may be drawn at a time.

        Raises:
            InputError: a value that the prior knows nothing of.
        """
        known = [value for value in values if value is not None]
        level = self.prior.level_of(known)
        counts = np.bincount(level, minlength=len(self.prior.levels))[None].astype(np.intp)
        gain = float(self._types.marginal_gains(counts, 1)[0, 0])
        left = self.most - len(values)
        if known and counts[0, self._types.top :].any():
            return NextDraws(0, "best_possible", 0.0, 0.0)
        advantage = float(self.advantage(counts)[0]) if len(known) < self.most else 0.0
        if left <= 0:
            return NextDraws(0, "most", gain, advantage)
        if known and advantage <= _EVEN:
            return NextDraws(0, "not_worth_it", gain, advantage)
        draws = 1
        if at_once > 1:
            gains = self._types.marginal_gains(counts, min(at_once, left))[0]
            draws = max(1, int(np.argmin(np.append(gains > self.cost, False))))
        return NextDraws(draws, "worth_it" if known else "first", gain, advantage)

    def advantage(self, counts: ArrayLike) -> FloatArray:
        """(M,) expected worth, less cost, of going on over stopping now, from (M, L) candidates seen on each level.

        Where nothing is seen yet, it is over having nothing, which is worth 0.
        """
        return self._solved.advantage(np.asarray(counts, dtype=np.intp))

    def wants(self, counts: ArrayLike) -> BoolArray:
        """(M,) whether it goes on, from (M, L) candidates seen on each level: always while nothing is seen."""
        seen = np.asarray(counts, dtype=np.intp)
        drawn = seen.sum(axis=1)
        done = seen[:, self._types.top :].any(axis=1) | (drawn >= self.most)
        found: BoolArray = np.asarray(drawn == 0)
        ask = ~done & ~found
        if ask.any():
            found[ask] = self._solved.wants(seen[ask])
        return found

    def outlook(self, rng: np.random.Generator | None = None, *, items: int = 4000) -> Outlook:
        """What to expect of items of the prior.

        Args:
            rng: for a rule that is not solved exactly, which is simulated; None: a fixed seed.
            items: to simulate.
        """
        solved = self._solved
        if isinstance(solved, _Lattice):
            return Outlook(*solved.outlook, exact=True)
        return self.carried_out(self.prior.draw_levels(rng or np.random.default_rng(0), items, self.most))

    def carried_out(self, level: IntArray) -> Outlook:
        """What it reaches on (M, N ≥ most) levels of candidates, drawn one by one from the left."""
        drawn = self.draws_taken(level)
        seen = np.where(np.arange(level.shape[1]) < drawn[:, None], level, 0)
        return Outlook(float(self.prior.worth[seen.max(axis=1)].mean()), float(drawn.mean()), exact=False)

    def draws_taken(self, level: IntArray) -> IntArray:
        """(M,) how many candidates it draws of each row of (M, N ≥ most) levels, one by one from the left."""
        counts = np.zeros((len(level), len(self.prior.levels)), dtype=np.intp)
        drawn = np.zeros(len(level), dtype=np.intp)
        going = np.arange(len(level))
        while going.size:
            going = going[self.wants(counts[going])]
            counts[going, level[going, drawn[going]]] += 1
            drawn[going] += 1
        return drawn

    @cached_property
    def _types(self) -> _Types:
        return _Types(self.prior)


class _Types:
    """The mixture as arrays, and what follows from counts of levels seen."""

    def __init__(self, prior: Prior) -> None:
        self.weights = np.asarray(prior.weights)
        self.chances = np.asarray(prior.chances)
        self.worth = prior.worth
        self.top = int(np.argmax(self.worth >= self.worth[-1]))
        """The first level that nothing is better than."""

    def posterior(self, counts: IntArray) -> FloatArray:
        """(M, J) probability of each type; the prior's where it holds what was seen to be impossible."""
        from scipy.special import xlogy

        logs = np.broadcast_to(np.log(self.weights), (len(counts), len(self.weights))).copy()
        for level in range(self.chances.shape[1]):
            logs += xlogy(counts[:, level, None], self.chances[:, level])
        highest = logs.max(axis=1, keepdims=True)
        logs = np.where(np.isfinite(highest), logs - np.where(np.isfinite(highest), highest, 0), np.log(self.weights))
        likelihood = np.exp(logs)
        return np.asarray(likelihood / likelihood.sum(axis=1, keepdims=True))

    def at_hand(self, counts: IntArray) -> FloatArray:
        """(M,) worth of the best candidate seen; 0 where there is none."""
        levels = counts.shape[1]
        best = levels - 1 - np.argmax(counts[:, ::-1] > 0, axis=1)
        return np.where(counts.any(axis=1), self.worth[best], 0.0)

    def marginal_gains(self, counts: IntArray, draws: int) -> FloatArray:
        """(M, draws) expected gain of the first further candidate, of the second after it unseen, and so on."""
        best = self.at_hand(counts)[:, None]
        steps = np.diff(np.maximum(self.worth, best), axis=1, prepend=best)
        lower = np.concatenate([np.zeros((len(self.weights), 1)), np.cumsum(self.chances, axis=1)[:, :-1]], axis=1)
        number = np.arange(draws + 1)[:, None, None]
        missed = np.einsum("mj,njl->mnl", self.posterior(counts), np.clip(lower, 0, 1) ** number)
        return np.asarray(-np.diff((missed * steps[:, None]).sum(axis=2), axis=1))


class _Layers:
    """Every possible count of the levels below the top one, layer by layer of candidates drawn.

    Attributes:
        keys: per layer, (S,) counts as one number, increasing.
        best: per layer, (S,) worth of the best candidate.
        chances: per layer but the last, (S, top + 1) probability of each level of the next candidate.
        children: per layer but the last, (S, top) where in the next layer each lower level leads.
    """

    def __init__(self, types: _Types, most: int) -> None:
        self.types, self.most = types, most
        self.bases = (most + 1) ** np.arange(types.top, dtype=np.int64)
        self.keys: list[IntArray] = [np.zeros(1, dtype=np.int64)]
        self.best: list[FloatArray] = []
        self.chances: list[FloatArray] = []
        self.children: list[IntArray] = []
        for drawn in range(most + 1):
            keys = self.keys[drawn]
            counts = np.zeros((len(keys), types.chances.shape[1]), dtype=np.intp)
            counts[:, : types.top] = keys[:, None] // self.bases % (most + 1)
            self.best.append(types.at_hand(counts))
            if drawn == most:
                break
            chances = types.posterior(counts) @ types.chances
            top = chances[:, types.top :].sum(axis=1, keepdims=True)
            self.chances.append(np.concatenate([chances[:, : types.top], top], axis=1))
            onward = keys[:, None] + self.bases
            self.keys.append(np.unique(onward))
            self.children.append(np.searchsorted(self.keys[-1], onward))


class _Lattice:
    """The exact programme at one cost, from the last layer back to the first."""

    def __init__(self, layers: _Layers, cost: float) -> None:
        self.layers = layers
        self._solve(cost)

    def _solve(self, cost: float) -> None:
        layers = self.layers
        best = float(layers.types.worth[-1])
        value = layers.best[-1]
        worth, draws = value, np.zeros(len(value))
        self._advantage: list[FloatArray] = []
        for drawn in range(layers.most - 1, -1, -1):
            chances, children = layers.chances[drawn], layers.children[drawn]
            lower, top = chances[:, :-1], chances[:, -1]
            onward = top * best + (lower * value[children]).sum(axis=1) - cost
            now = layers.best[drawn]
            self._advantage.append(onward - now)
            go = (onward - now > _EVEN) | (drawn == 0)
            value = np.where(go, onward, now)
            worth = np.where(go, top * best + (lower * worth[children]).sum(axis=1), now)
            draws = np.where(go, 1 + (lower * draws[children]).sum(axis=1), 0.0)
        self._advantage.reverse()
        self.outlook = (float(worth[0]), float(draws[0]))

    def advantage(self, counts: IntArray) -> FloatArray:
        layers = self.layers
        found = np.zeros(len(counts))
        drawn = counts.sum(axis=1)
        keys = counts[:, : layers.types.top] @ layers.bases
        open_still = (drawn < layers.most) & ~counts[:, layers.types.top :].any(axis=1)
        for number in np.unique(drawn[open_still]):
            rows = open_still & (drawn == number)
            found[rows] = self._advantage[number][np.searchsorted(layers.keys[number], keys[rows])]
        return found

    def wants(self, counts: IntArray) -> BoolArray:
        return np.asarray(self.advantage(counts) > _EVEN)


class _LookAhead:
    """One draw, or two with a stop between them: what is worth it by either is drawn."""

    def __init__(self, types: _Types, cost: float, most: int) -> None:
        self._types, self._cost, self._most = types, cost, most

    def advantage(self, counts: IntArray) -> FloatArray:
        posterior, gain = self._one(counts)
        return gain + self._two(counts, posterior)

    def wants(self, counts: IntArray) -> BoolArray:
        posterior, gain = self._one(counts)
        found = np.asarray(gain > _EVEN)
        unsure = ~found
        found[unsure] = gain[unsure] + self._two(counts[unsure], posterior[unsure]) > _EVEN
        return found

    def _one(self, counts: IntArray) -> tuple[FloatArray, FloatArray]:
        """The posterior of the types, and what one more brings less its cost."""
        types = self._types
        posterior, now = types.posterior(counts), types.at_hand(counts)
        then = np.maximum(types.worth, now[:, None])
        return posterior, (posterior @ types.chances * (then - now[:, None])).sum(axis=1) - self._cost

    def _two(self, counts: IntArray, posterior: FloatArray) -> FloatArray:
        """What a second one adds, drawn where the first shows it to be worth its cost."""
        types = self._types
        then = np.maximum(types.worth, types.at_hand(counts)[:, None])
        joint = posterior[:, None, :] * types.chances.T  # (M, L, J): the level comes, and the type is this one
        further = np.maximum(types.worth - then[:, :, None], 0.0)
        second = (joint @ types.chances * further).sum(axis=2) - self._cost * joint.sum(axis=2)
        return np.where(counts.sum(axis=1) < self._most - 1, np.maximum(second, 0.0).sum(axis=1), 0.0)
