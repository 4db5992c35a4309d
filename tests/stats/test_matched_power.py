"""The smallest difference that McNemar's exact test finds with a given power."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

from akrasia.stats import detectable_difference, matched_power, mcnemar


def _power(pairs: int, share: float, difference: float, size: float) -> float:
    """By plain enumeration of discordant pairs and gains."""
    gains = (1 + difference / share) / 2
    total = 0.0
    for discordant in range(pairs + 1):
        seen = comb(pairs, discordant) * share**discordant * (1 - share) ** (pairs - discordant)
        for gained in range(discordant + 1):
            if mcnemar(gained, discordant - gained) < size:
                total += seen * comb(discordant, gained) * gains**gained * (1 - gains) ** (discordant - gained)
    return total


@pytest.mark.parametrize(("level", "power"), [(0.95, 0.8), (0.99, 0.8), (0.9, 0.5)])
@pytest.mark.parametrize(("discordant", "pairs"), [(0, 12), (3, 30), (20, 30), (30, 30), (20, 50)])
def test_the_power_at_it_is_the_one_asked_for(discordant: int, pairs: int, level: float, power: float) -> None:
    found = detectable_difference(discordant, pairs, level=level, power=power)
    assert found is not None
    share = max(discordant / pairs, found)
    assert _power(pairs, share, found, 1 - level) == pytest.approx(power, abs=1e-6)
    smaller = 0.97 * found
    assert _power(pairs, max(discordant / pairs, smaller), smaller, 1 - level) < power


def test_too_few_pairs_detect_nothing() -> None:
    # 2 / 2^5 is above .05, 2 / 2^6 is not; 8 pairs are needed at .01.
    assert detectable_difference(5, 5) is None
    assert detectable_difference(6, 6) is not None
    assert detectable_difference(0, 7, level=0.99) is None
    assert detectable_difference(0, 8, level=0.99) is not None


def test_where_no_pair_differed_six_must_gain() -> None:
    """All six of six: d^6 = .8."""
    assert detectable_difference(0, 6) == pytest.approx(0.8 ** (1 / 6))


@pytest.mark.parametrize(("discordant", "pairs"), [(6, 30), (12, 60), (10, 200), (40, 200)])
def test_eighty_of_a_hundred_repetitions_find_it(discordant: int, pairs: int) -> None:
    found = detectable_difference(discordant, pairs)
    assert found is not None
    rng = np.random.default_rng(3)
    share, worlds = max(discordant / pairs, found), 4000
    differ = rng.binomial(pairs, share, worlds)
    gained = rng.binomial(differ, min(1.0, (1 + found / share) / 2))
    seen = np.mean([mcnemar(int(up), int(of - up)) < 0.05 for up, of in zip(gained, differ, strict=True)])
    assert seen == pytest.approx(0.8, abs=3.5 * np.sqrt(0.16 / worlds))


def test_the_normal_limit_meets_the_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    for discordant, pairs in ((12_000, 100_000), (11_000, 40_000)):
        with monkeypatch.context() as patch:
            patch.setattr(matched_power, "MOST_COUNTS", 10**9)
            exact = detectable_difference(discordant, pairs)
            test = matched_power._test(pairs, discordant / pairs, 0.05)
        limit = detectable_difference(discordant, pairs)
        assert limit == pytest.approx(exact, rel=1e-3)
        assert limit is not None
        assert test.power(limit) == pytest.approx(0.8, abs=2e-4)
    assert detectable_difference(500_000, 1_000_000) == pytest.approx((1.96 + 0.8416) * np.sqrt(0.5 / 1e6), rel=2e-3)
