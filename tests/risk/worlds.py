"""Worlds whose truth is known, for simulations of bias and coverage."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np

NODES = (np.arange(200_000) + 0.5) / 200_000
"""Midpoints: the truth is a mean over the quantiles of the distribution of p."""


def _beta_quantiles(a: float, b: float) -> np.ndarray:
    from scipy.special import betaincinv

    return betaincinv(a, b, NODES)


class World:
    """p is 0 with probability `never`, else drawn from parts of Beta(a, b), given as (share, a, b)."""

    def __init__(self, name: str, never: float, *parts: tuple[float, float, float]) -> None:
        self.name = name
        self.never = never
        self.parts = parts

    def draw(self, rng: np.random.Generator, items: int) -> np.ndarray:
        shares = np.array([share for share, _, _ in self.parts])
        part = rng.choice(len(self.parts), items, p=shares / shares.sum())
        a = np.array([a for _, a, _ in self.parts])[part]
        b = np.array([b for _, _, b in self.parts])[part]
        return np.where(rng.random(items) < self.never, 0.0, rng.beta(a, b))

    def mean(self, function: Callable[[np.ndarray], np.ndarray]) -> float:
        total = sum(share for share, _, _ in self.parts)
        value = sum(share / total * function(_beta_quantiles(a, b)).mean() for share, a, b in self.parts)
        return float((1 - self.never) * value + self.never * function(np.zeros(1))[0])

    def reachable(self, k: int) -> float:
        return self.mean(lambda p: 1 - (1 - p) ** k)

    def deployed(self) -> float:
        return self.mean(lambda p: p)


EASY = World("easy", 0.0, (1, 8, 2))
SPREAD = World("spread", 0.0, (1, 1, 1))
GSM8K = World("GSM8K-like", 0.03, (1, 2, 0.7))
HARD = World("hard", 0.2, (1, 0.4, 1.6))
TWO_KINDS = World("two kinds", 0.1, (0.6, 20, 5), (0.4, 1, 30))
CEILING = World("near the ceiling", 0.01, (1, 5, 1))
CEILING_RARE = World("near the ceiling, some rare", 0.0, (0.97, 6, 1), (0.03, 1, 60))
RARE = World("rare successes", 0.0, (0.7, 4, 2), (0.3, 1, 120))
UNSOLVABLE_15 = World("15 % unsolvable", 0.15, (1, 1, 1))
UNSOLVABLE_30 = World("30 % unsolvable", 0.30, (1, 1, 1))
UNSOLVABLE_50 = World("50 % unsolvable", 0.50, (1, 1, 1))


def binary(rng: np.random.Generator, p: np.ndarray, candidates: int) -> np.ndarray:
    return (rng.random((len(p), candidates)) < p[:, None]).astype(np.int8)


def report(name: str, hits: Iterable[bool]) -> tuple[float, float]:
    """Print and return a coverage with its Monte Carlo standard error."""
    covered = np.asarray(list(hits), dtype=float)
    share = covered.mean()
    error = math.sqrt(max(share * (1 - share), 0.25 / len(covered)) / len(covered))
    print(f"coverage | {name} | {share:.3f} ± {error:.3f} | {len(covered)} worlds")
    return float(share), error


def inside(figure: object, truth: float) -> bool:
    return figure.low <= truth <= figure.high
