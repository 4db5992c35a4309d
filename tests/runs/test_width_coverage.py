"""Simulations with known truth: what every cell of a run to a width promises, at the number of items it stops at.

Run with `-m slow -s` to see the table that docs/risk.md shows.
"""

from __future__ import annotations

import numpy as np
import pytest
from tests.risk.worlds import EASY, SPREAD, UNSOLVABLE_50, World, inside, report

from akrasia.risk import Chosen, Options, UntilWidth, best_of_n_items, estimate, estimate_stopped, read_stopped
from akrasia.risk.pooled import self_consistency_items
from akrasia.runs.until_width import Looks, known_of, most_draws, next_stop

WORLDS = 1000


def item(rng: np.random.Generator, chance: float, lost: float, plan: UntilWidth) -> list[float]:
    """What is known of one item once it is settled; a draw is lost whatever it is."""
    right, gone = rng.random((2, most_draws(plan)))
    draws: list[float | None] = [
        None if is_gone else float(luck < chance) for luck, is_gone in zip(right, gone < lost, strict=True)
    ]
    made = 0
    while (stop := next_stop(plan, draws[:made])) > made:
        made = stop
    return known_of(draws[:made])


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["none", "10 %", "20 % of the easier half"])
@pytest.mark.parametrize("world", [EASY, SPREAD, UNSOLVABLE_50], ids=lambda world: world.name)
def test_every_cell_covers(world: World, lost: str) -> None:
    rng = np.random.default_rng(21)
    plan = UntilWidth(0.05)
    vote = world.mean(lambda p: 3 * p**2 - 2 * p**3)  # a majority of three, wrong answers being alike
    truth = {
        "risk": world.reachable(plan.most) - world.deployed(),
        "deployed": world.deployed(),
        "reachable": world.reachable(plan.most),
        "best of 2": world.reachable(2),
        "vote of 3": vote,
        "risk of the vote": world.reachable(4) - vote,
    }
    half = float(np.median(world.draw(rng, 10_000)))
    hits: dict[str, list[bool]] = {name: [] for name in truth}
    widths = []
    for _ in range(WORLDS):
        looks, known = Looks(plan), []
        while not looks.reached:
            (chance,) = world.draw(rng, 1)
            share = {"none": 0.0, "10 %": 0.1}.get(lost, 0.2 * (chance > half))
            known.append(item(rng, chance, share, plan))
            looks.add(known[-1], str(len(known)))
        pools = read_stopped(known, first=plan.first, most=plan.most, cut_short=True)
        direct = estimate_stopped(pools, ks=[plan.most], extrapolate=False)
        utilities = np.array([row[: plan.first] for row in known])
        best, voted = best_of_n_items(utilities, utilities, 2), self_consistency_items(utilities, utilities, 3)
        chosen = {
            n: estimate(utilities, deployed=given, ks=[4], options=Options(extrapolate=False, chosen=Chosen(n, n == 2)))
            for n, given in ((2, best), (3, voted))
        }
        found = (direct.risk, direct.deployed, direct.reachable, chosen[2].deployed, chosen[3].deployed, chosen[3].risk)
        for (name, right), figure in zip(truth.items(), found, strict=True):
            hits[name].append(inside(figure, right))
        assert direct.risk.half_width == pytest.approx(looks.half_width)
        widths.append(direct.risk.half_width)
    print(f"half-width | {world.name}, {lost} lost | mean {np.mean(widths):.4f} | most {max(widths):.4f}")
    shares = {name: report(f"{name}, {world.name}, {lost} lost", covered) for name, covered in hits.items()}
    for share, error in shares.values():
        assert share >= 0.93 - 3 * error
