"""The interval that goes with McNemar's exact test: its agreement, its coverage, and where it ends."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.special import gammaln

from akrasia.stats import mcnemar, melded_interval
from akrasia.stats.matched_pairs import TAILS, _product


@pytest.mark.parametrize(
    ("gained", "lost", "p"),
    [
        (0, 0, 1.0),
        (6, 0, 2 / 64),  # 2 · (1/2)^6
        (1, 5, 2 * 7 / 64),  # 2 · (1 + 6) / 2^6
        (3, 3, 1.0),
    ],
)
def test_mcnemar_by_hand(gained: int, lost: int, p: float) -> None:
    assert mcnemar(gained, lost) == pytest.approx(p)


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_it_leaves_0_out_exactly_when_the_test_rejects(level: float) -> None:
    for pairs in (1, 2, 3, 5, 8, 13, 18):
        for gained in range(pairs + 1):
            for lost in range(pairs + 1 - gained):
                low, high = melded_interval(gained, lost, pairs, level=level)
                assert -1 <= low <= (gained - lost) / pairs <= high <= 1
                assert (low > 0 or high < 0) == (mcnemar(gained, lost) < 1 - level), (gained, lost, pairs)


def test_where_one_share_is_certain_the_limits_are_those_of_the_other() -> None:
    # No pair differs: the discordant share has the upper limit 1 − .025^(1/20), and they may all have gained, or lost.
    assert melded_interval(0, 0, 20) == pytest.approx((0.025 ** (1 / 20) - 1, 1 - 0.025 ** (1 / 20)))
    # Every pair differs and gains: the share of gains has the lower limit .025^(1/3), so 2B − 1 has this one; that the
    # share of discordant pairs is 1 for certain holds for its upper limit, the one that counts where 2B < 1.
    assert melded_interval(3, 0, 3) == pytest.approx((2 * 0.025 ** (1 / 3) - 1, 1))
    # A single pair says next to nothing.
    assert melded_interval(1, 0, 1) == pytest.approx((-0.95, 1))


@pytest.mark.parametrize(
    ("gained", "lost", "pairs"), [(9, 0, 24), (3, 1, 30), (12, 5, 200), (60, 40, 100), (2, 1000, 5000), (40, 11, 60)]
)
def test_the_limits_are_quantiles_of_the_melded_draws(gained: int, lost: int, pairs: int) -> None:
    """The definition itself, drawn 400,000 times: a share of .025 lies below, to 4 standard errors of 0.00025."""
    rng = np.random.default_rng(7)
    draws = 400_000
    for sign, one, other in ((1, gained, lost), (-1, lost, gained)):
        discordant = one + other
        gains = rng.beta(one, other + 1, draws) if one else np.zeros(draws)
        low = rng.beta(discordant, pairs - discordant + 1, draws)
        high = rng.beta(discordant + 1, pairs - discordant, draws) if pairs > discordant else np.ones(draws)
        melded = np.where(gains > 0.5, low, high) * (2 * gains - 1)
        limit = sign * melded_interval(gained, lost, pairs)[0 if sign > 0 else 1]
        assert np.mean(melded <= limit) == pytest.approx(0.025, abs=0.001)


def test_the_integral_is_that_of_ten_times_finer_pieces() -> None:
    """The pieces are chosen so that few nodes do, however narrow one share is beside the other."""
    finer = np.unique(np.concatenate([TAILS, np.geomspace(1e-14, 0.5, 80)]))
    for gained, lost, pairs in ((9, 3, 40), (2, 1000, 5000), (5200, 4800, 100_000), (3, 2, 1_000_000)):
        product = _product((gained + lost + 1, pairs - gained - lost), (gained, lost + 1))
        size = -melded_interval(gained, lost, pairs)[0]
        if size <= 0:
            continue
        marks = np.interp(finer, TAILS, product.share_marks[: len(TAILS)])
        fine = np.unique(np.concatenate([product.share_marks, marks]))
        exact = type(product)(product.share, product.gains, fine, product.gains_marks)
        assert product.loss_above(size) == pytest.approx(0.025, rel=1e-8)
        assert exact.loss_above(size) == pytest.approx(0.025, rel=1e-7)


def test_a_million_pairs_take_no_time_and_are_normal() -> None:
    before = time.perf_counter()
    low, high = melded_interval(520_000, 480_000, 1_000_000)
    assert time.perf_counter() - before < 1
    half = 1.96 * np.sqrt((1 - 0.04**2) / 1e6)  # of a mean of ±1, and half a step of 2e-6 for being exact
    assert (low, high) == pytest.approx((0.04 - half, 0.04 + half), abs=3e-6)
    assert melded_interval(3, 2, 1_000_000)[1] < 1e-5


def _least_coverage(pairs: int, level: float, grid: list[float]) -> float:
    gained, lost = (part.ravel() for part in np.meshgrid(np.arange(pairs + 1), np.arange(pairs + 1)))
    possible = gained + lost <= pairs
    gained, lost = gained[possible], lost[possible]
    alike = pairs - gained - lost
    ends = np.array(
        [melded_interval(int(one), int(other), pairs, level=level) for one, other in zip(gained, lost, strict=True)]
    )
    ways = np.exp(gammaln(pairs + 1) - gammaln(gained + 1) - gammaln(lost + 1) - gammaln(alike + 1))
    least = 1.0
    for up in grid:
        for down in grid:
            if up + down > 1 + 1e-9:
                continue
            chances = ways * up**gained * down**lost * max(0.0, 1 - up - down) ** alike
            assert chances.sum() == pytest.approx(1)
            inside = (ends[:, 0] <= up - down + 1e-12) & (ends[:, 1] >= up - down - 1e-12)
            least = min(least, float(chances[inside].sum()))
    return least


@pytest.mark.parametrize("pairs", [5, 10, 20])
def test_it_covers_what_it_says_in_every_world(pairs: int) -> None:
    assert _least_coverage(pairs, 0.95, [0, 0.01, 0.1, 0.25, 0.4, 0.5, 0.7, 0.9, 0.99, 1]) >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("pairs", [1, 2, 5, 10, 20, 40])
def test_it_covers_what_it_says_in_every_world_of_a_finer_grid(pairs: int, level: float) -> None:
    grid = [0, 0.002, 0.01, *(np.arange(1, 40) / 40).tolist(), 0.99, 0.998, 1]
    assert _least_coverage(pairs, level, grid) >= level
