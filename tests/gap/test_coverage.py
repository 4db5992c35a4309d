"""Whether the intervals cover: worlds of scenario families whose figures are known from a very large sample."""

from __future__ import annotations

import math

import numpy as np
import pytest

from akrasia.gap import Modes, Stages, measure_modes

TWINS, VALUES, DOMAINS = 3, 6, 3
FIGURES = (
    "macro_f1",
    "retention",
    "survival",
    "suppression",
    "emergence",
    "manhattan",
    "kappa",
    "macro_f1_gain",
    "retention_gain",
    "deliberation_effect",
)
KEEPS = {"usual": 0.55, "faithful": 0.985}
"""World → how often what is stated and reasoned with is acted on."""


def draw(families: int, world: str, rng: np.random.Generator) -> Modes:
    """Both arms of one model; families differ in what they call for and in how well the model acts on it."""
    family = np.repeat(np.arange(families), TWINS)
    domain = family % DOMAINS
    shape = (families * TWINS, VALUES)
    call = rng.random((families, VALUES)) < 0.25 + 0.1 * ((np.arange(VALUES) + domain[::TWINS, None]) % 3)
    stated = call[family] ^ (rng.random(shape) < 0.05)
    lapse = rng.beta(2, 2 * KEEPS[world] / (1 - KEEPS[world]), families)[family][:, None]
    habit = rng.random(shape) < (0.15 if world == "usual" else 0.01)
    reasoning = (stated & (rng.random(shape) > lapse / 2)) | habit
    fast = (stated & (rng.random(shape) > lapse)) | habit
    slow = (reasoning & stated & (rng.random(shape) > 0.8 * lapse)) | (rng.random(shape) < 0.02)
    return measure_modes(
        {
            "fast": Stages(stated.astype(float), None, fast.astype(float)),
            "slow": Stages(stated.astype(float), reasoning.astype(float), slow.astype(float)),
        },
        clusters=family,
        domains=[str(label) for label in domain],
    )


def figure(found: Modes, name: str):
    slow = found.modes["slow"]
    if name == "deliberation_effect":
        return found.deliberation_effect
    return getattr(slow.baseline, name) if name.endswith("_gain") else getattr(slow, name)


def coverage(families: int, world: str, worlds: int) -> dict[str, float]:
    """Figure → share of worlds whose interval holds the truth."""
    large = draw(60_000, world, np.random.default_rng(99))
    truth = {name: figure(large, name).value for name in FIGURES}
    hits = dict.fromkeys(FIGURES, 0)
    for world_seed in range(worlds):
        found = draw(families, world, np.random.default_rng(world_seed))
        for name in FIGURES:
            one = figure(found, name)
            hits[name] += one.low <= truth[name] <= one.high
    return {name: count / worlds for name, count in hits.items()}


def test_intervals_cover_in_a_few_worlds():
    found = coverage(40, "usual", 60)
    # 60 worlds: three Monte Carlo standard errors below 90 % are 78 %.
    assert min(found.values()) >= 0.78, found


@pytest.mark.slow
@pytest.mark.parametrize("world", KEEPS)
@pytest.mark.parametrize(("families", "least"), [(50, 0.90), (200, 0.93)])
def test_intervals_cover_as_promised(families, least, world):
    worlds = 2000
    found = coverage(families, world, worlds)
    error = math.sqrt(least * (1 - least) / worlds)
    print({name: f"{share:.3f} ± {error:.3f}" for name, share in found.items()})
    assert min(found.values()) >= least - 2 * error, found
