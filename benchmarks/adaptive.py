"""Stopping against fixed best-of-8: how many candidates the same utility takes, in worlds that help and that do not.

Run `python benchmarks/adaptive.py [RUN]`; it prints a table (Markdown) and, last, JSON. In every world a prior is
learnt from 300 items with 16 candidates, the cost is matched to best-of-8 on that prior, and both rules are carried out
on the same pools of 2,000 other items. RUN is a stored run with at least 16 candidates of each item: its items are
halved ten times at random; a prior is learnt on one half and tried on the other, each way. The table shows the first.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from msgspec import Struct

from akrasia.risk import Prior, Replay, StoppingRule, fit_prior, match_best_of, replay
from akrasia.stats import best_of

N, LEARNT, TRIED, DEPTH = 8, 300, 2000, 16
FAST = 4
"""Candidates at once, for the columns about latency."""

Draw = Callable[[np.random.Generator, int], np.ndarray]


def bernoulli(p: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return (rng.random((len(p), DEPTH)) < p[:, None]).astype(float)


def mixed(never: float, *parts: tuple[float, float, float]) -> Draw:
    """Success probabilities: 0 with `never`, else from parts (share, a, b) of Beta(a, b)."""

    def draw(rng: np.random.Generator, items: int) -> np.ndarray:
        part = rng.choice(len(parts), items, p=[share for share, _, _ in parts])
        a, b = np.array([(a, b) for _, a, b in parts])[part].T
        return bernoulli(np.where(rng.random(items) < never, 0.0, rng.beta(a, b)), rng)

    return draw


def uniform(rng: np.random.Generator, items: int) -> np.ndarray:
    return rng.random((items, DEPTH))


def shifted(rng: np.random.Generator, items: int) -> np.ndarray:
    """Items differ in level alone; every one's candidates spread alike."""
    return np.clip(rng.uniform(0.1, 0.7, (items, 1)) + rng.normal(0, 0.12, (items, DEPTH)), 0, 1)


def spread(rng: np.random.Generator, items: int) -> np.ndarray:
    """Items differ in level and in spread: much to gain on some, nothing on others."""
    level = rng.uniform(0.1, 0.9, (items, 1))
    tight = rng.choice([3.0, 15.0, 200.0], (items, 1))
    return rng.beta(level * tight, (1 - level) * tight, (items, DEPTH))


def rating(rng: np.random.Generator, items: int) -> np.ndarray:
    """A judge's five grades, one of them the best there is."""
    level = rng.normal(0.55, 0.3, (items, 1))
    return np.round(np.clip(level + rng.normal(0, 0.22, (items, DEPTH)), 0, 1) * 4) / 4


def overlap(rng: np.random.Generator, items: int) -> np.ndarray:
    """F1 of three stated values of ten, each expressed with the item's own probability, and others now and then."""
    care = rng.beta(1.5, 1.5, (items, 1))
    kept, others = rng.binomial(3, care, (items, DEPTH)), rng.binomial(7, 0.1, (items, DEPTH))
    return 2 * kept / (3 + kept + others)


BINARY: dict[str, Draw] = {
    "p uniform": mixed(0.0, (1.0, 1, 1)),
    "easy, Beta(8, 2)": mixed(0.0, (1.0, 8, 2)),
    "GSM8K-like, 3 % unsolvable": mixed(0.03, (1.0, 2, 0.7)),
    "two kinds, 10 % unsolvable": mixed(0.1, (0.6, 20, 5), (0.4, 1, 30)),
    "p uniform, 15 % unsolvable": mixed(0.15, (1.0, 1, 1)),
    "p uniform, 30 % unsolvable": mixed(0.30, (1.0, 1, 1)),
    "hard, Beta(0.4, 1.6), 20 % unsolvable": mixed(0.20, (1.0, 0.4, 1.6)),
}
GRADED: dict[str, Draw] = {
    "items alike, uniform": uniform,
    "items differ in level": shifted,
    "items differ in level and spread": spread,
    "a judge's five grades": rating,
    "F1 with stated values": overlap,
}


class Row(Struct):
    """One world; what is not said otherwise is utility, with its interval where there are three numbers."""

    world: str
    fixed: float
    difference: tuple[float, float, float]
    draws: tuple[float, float, float]
    share: float
    half: bool
    as_dear: float
    """Utility of a fixed best-of-m with as many candidates (m between two whole numbers: in between)."""
    at_once_share: float
    rounds: float
    most: int
    types: int


def row(world: str, found: Replay, rule: StoppingRule, values: np.ndarray, utilities: np.ndarray) -> Row:
    m = found.draws.value
    low = int(m)
    worths = [float(best_of(utilities, values, k).mean()) for k in (low, low + 1)]
    drawn, rounds = at_once(rule, values[:300])
    return Row(
        world=world,
        fixed=found.best_of_n.value,
        difference=(found.difference.value, found.difference.low or 0.0, found.difference.high or 0.0),
        draws=(m, found.draws.low or 0.0, found.draws.high or 0.0),
        share=found.share,
        half=found.share <= 0.5,
        as_dear=worths[0] + (m - low) * (worths[1] - worths[0]),
        at_once_share=drawn / N,
        rounds=rounds,
        most=rule.most,
        types=len(rule.prior.weights),
    )


def at_once(rule: StoppingRule, values: np.ndarray) -> tuple[float, float]:
    """Mean candidates and mean rounds with up to FAST at a time."""
    drawn = rounds = 0
    for line in values.tolist():
        seen = 0
        while more := rule.next_draws(line[:seen], at_once=FAST).draws:
            seen, rounds = seen + more, rounds + 1
        drawn += seen
    return drawn / len(values), rounds / len(values)


def one_world(name: str, draw: Draw, rng: np.random.Generator) -> Row:
    prior = fit_prior(draw(rng, LEARNT))
    rule = matched(prior)
    values = draw(rng, TRIED)
    return row(name, replay(rule, values, N, rng=rng, orders=8), rule, values, values)


def matched(prior: Prior) -> StoppingRule:
    found = match_best_of(prior, N)
    return StoppingRule(prior, found.cost, found.most)


def noisy(sd: float, rng: np.random.Generator) -> tuple[Row, Row]:
    """A verifier that errs: the rule by its values, and by what those are worth; both valued by the utility."""

    def draw(items: int) -> tuple[np.ndarray, np.ndarray]:
        utilities = shifted(rng, items)
        return utilities, np.clip(utilities + rng.normal(0, sd, utilities.shape), 0, 1)

    (known, seen), (utilities, values) = draw(LEARNT), draw(TRIED)
    rows = []
    for name, prior in (("taken for the utility", fit_prior(seen)), ("shrunken", fit_prior(seen, utilities=known))):
        rule = matched(prior)
        found = replay(rule, values, N, utilities=utilities, rng=rng, orders=8)
        rows.append(row(f"level, verifier ± {sd}, {name}", found, rule, values, utilities))
    return rows[0], rows[1]


def of_run(folder: Path, rng: np.random.Generator, halvings: int = 10) -> list[Row]:
    """Priors learnt on half of a run's items and tried on the other half."""
    from akrasia.runs import load_run

    with load_run(folder) as run:
        cell = next(cell for cell in run.cells if cell.strategy in ("direct", "fast"))
        values = run.pool(cell).utilities
    values = values[(~np.isnan(values)).sum(axis=1) >= DEPTH]
    found = []
    for _ in range(halvings):
        order = rng.permutation(len(values))
        for learn, tried in ((order[::2], order[1::2]), (order[1::2], order[::2])):
            rule = matched(fit_prior(values[learn]))
            shown = replay(rule, values[tried], N, rng=rng, orders=8)
            found.append(row(f"{cell.model} {cell.suite}", shown, rule, values[tried], values[tried]))
    return found


def regret(rng: np.random.Generator) -> dict[str, float]:
    """What one and two steps of looking ahead lose against the exact programme, in utility less cost."""
    prior = fit_prior(rating(rng, LEARNT))
    worst = {"one_step": 0.0, "two_steps": 0.0}
    level = prior.draw_levels(rng, 4000, DEPTH)
    for cost in (0.002, 0.005, 0.01, 0.02, 0.05):
        exact, two = (StoppingRule(prior, cost, DEPTH, exact=exact) for exact in (True, False))
        best, near = exact.carried_out(level), two.carried_out(level)
        net = best.worth - cost * best.draws
        worst["two_steps"] = max(worst["two_steps"], net - (near.worth - cost * near.draws))
        reached = spent = 0.0
        for line in level[:1000].tolist():
            seen = 1
            while seen < DEPTH and exact.next_draws([prior.levels[one] for one in line[:seen]]).gain > cost:
                seen += 1
            reached, spent = reached + prior.levels[max(line[:seen])] / 1000, spent + seen / 1000
        first = exact.carried_out(level[:1000])
        worst["one_step"] = max(worst["one_step"], first.worth - cost * first.draws - (reached - cost * spent))
    return {name: round(value, 5) for name, value in worst.items()}


def show(rows: list[Row]) -> None:
    for one in rows:
        value, low, high = one.difference
        m, m_low, m_high = one.draws
        print(
            f"| {one.world} | {one.fixed:.3f} | {value:+.4f} [{low:+.4f}, {high:+.4f}] | {m:.2f} [{m_low:.2f}, "
            f"{m_high:.2f}] | {one.share:.2f} | {'yes' if one.half else 'no'} | {one.as_dear - one.fixed:+.3f} | "
            f"{one.at_once_share:.2f} in {one.rounds:.1f} |"
        )


def main() -> None:
    rng = np.random.default_rng(2026)
    began = time.perf_counter()
    print(
        "| world | best of 8 | stopping less best of 8 | candidates | of 8 | half | fixed, as many | 4 at once: of 8 |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    groups: dict[str, list[Row]] = {}
    for kind, worlds in (("binary", BINARY), ("graded", GRADED)):
        groups[kind] = [one_world(name, draw, rng) for name, draw in worlds.items()]
        show(groups[kind])
    groups["noisy"] = [one for sd in (0.1, 0.3) for one in noisy(sd, rng)]
    show(groups["noisy"])
    report: dict[str, object] = {kind: [_plain(one) for one in rows] for kind, rows in groups.items()}
    if len(sys.argv) > 1:
        halves = of_run(Path(sys.argv[1]), rng)
        summary = {name: _mean([getattr(one, name) for one in halves]) for name in ("fixed", "share", "rounds")}
        summary["difference"] = _mean([one.difference[0] for one in halves])
        summary["draws"] = _mean([one.draws[0] for one in halves])
        report["run"] = {"world": halves[0].world, "halves": len(halves), **summary}
        show(halves[:1])
    report["worst_regret"] = regret(rng)
    report["seconds"] = round(time.perf_counter() - began, 1)
    print(json.dumps(report, indent=2))


def _mean(values: list[float]) -> float:
    return round(float(np.mean(values)), 4)


def _plain(one: Row) -> dict[str, object]:
    return {name: getattr(one, name) for name in one.__struct_fields__}


if __name__ == "__main__":
    main()
