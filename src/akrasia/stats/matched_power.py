"""What McNemar's exact test could have shown: its power, and the smallest difference that it is likely to find."""

from __future__ import annotations

import math

import numpy as np
from msgspec import Struct

from akrasia.stats.crossing import crossing
from akrasia.stats.grouping import FloatArray, IntArray

MOST_COUNTS = 1_500
"""Beyond so many likely numbers of discordant pairs (some 10,000 such pairs) the sum over them is a normal integral."""


def detectable_difference(discordant: int, pairs: int, *, level: float = 0.95, power: float = 0.8) -> float | None:
    """The smallest true difference that McNemar's exact test at 1 − level finds with the asked power.

    The power is the test's own: Binomial(pairs, s) of the pairs are discordant and Binomial(·, (1 + d/s) / 2) of these
    gain, where d is the difference. The share s of discordant pairs is the one that was seen, or d where that is
    larger, since no difference exceeds the share of pairs that differ; so s is never 0. With some 10,000 discordant
    pairs or more the normal limit is used, which differs from the sum by less than 0.0002 in power.

    Args:
        discordant: pairs that gained or lost.
        pairs: all pairs, at least 1.
        level: 1 − the size of the two-sided test.
        power: asked for, in (0, 1).

    Returns:
        d in (0, 1], or None where the pairs are too few: all of them gaining would not be significant.

    Example:
        >>> round(detectable_difference(12, 60), 3)
        0.162
        >>> detectable_difference(5, 5) is None  # 2 / 2^5 is more than 0.05
        True
    """
    from scipy.special import betaincinv

    share = discordant / pairs
    if share > 0:
        test = _test(pairs, share, 1 - level)
        if test.power(share) >= power:
            return crossing(test.power, share, power)
    # Beyond the share that was seen every discordant pair gains, and their number alone decides.
    fewest = _fewest(1 - level)
    return None if pairs < fewest else max(share, float(betaincinv(fewest, pairs - fewest + 1, power)))


class _Test(Struct, frozen=True):
    """McNemar's test of so many pairs, of which a known share is discordant.

    Attributes:
        pairs: all of them.
        share: of discordant pairs.
        size: of the test.
        counts: (C,) numbers of discordant pairs that may well occur; None: too many to sum over.
        chances: (C,) of these counts.
        most: (C,) the largest number of losses (or of gains) at which the test still rejects; below 0 where none is.
    """

    pairs: int
    share: float
    size: float
    counts: IntArray | None
    chances: FloatArray
    most: FloatArray

    def power(self, difference: float) -> float:
        """The chance to reject where this is the true difference, in [0, share]."""
        if self.counts is None:
            return self._normal(difference)
        from scipy.special import bdtr

        some = np.maximum(self.most, 0.0)
        gains = min(1.0, (1 + difference / self.share) / 2)
        rejected = bdtr(some, self.counts, gains) + bdtr(some, self.counts, 1 - gains)
        return float(self.chances @ np.where(self.most >= 0, rejected, 0.0))

    def _normal(self, difference: float) -> float:
        """The normal limit of gains less losses, which takes steps of 2: hence the correction by 1."""
        from scipy.special import ndtr, ndtri

        bound = 1 - float(ndtri(self.size / 2)) * math.sqrt(self.pairs * self.share)
        spread = math.sqrt(self.pairs * max(self.share - difference**2, 1e-300))
        centre = self.pairs * difference
        return float(ndtr((centre - bound) / spread) + ndtr((-centre - bound) / spread))


def _test(pairs: int, share: float, size: float) -> _Test:
    from scipy.special import bdtr, bdtrik, gammaln, xlog1py, xlogy

    centre = pairs * share
    reach = 8 * math.sqrt(centre * (1 - share)) + 20
    low, high = max(0, math.floor(centre - reach)), min(pairs, math.ceil(centre + reach))
    if high - low > MOST_COUNTS:
        nothing = np.empty(0)
        return _Test(pairs, share, size, None, nothing, nothing)
    counts = np.arange(low, high + 1, dtype=np.int64)
    ways = gammaln(pairs + 1) - gammaln(counts + 1) - gammaln(pairs - counts + 1)
    chances = np.exp(ways + xlogy(counts, share) + xlog1py(pairs - counts, -share))
    # The inverse is right to rounding: the neighbours are tried.
    near = np.floor(np.nan_to_num(bdtrik(size / 2, counts, 0.5), nan=-1.0))
    most = np.full(len(counts), -1.0)
    for step in (-1.0, 0.0, 1.0):
        tried = np.clip(near + step, 0, counts)
        most = np.where(2 * bdtr(tried, counts, 0.5) < size, np.maximum(most, tried), most)
    return _Test(pairs, share, size, counts, chances, most)


def _fewest(size: float) -> int:
    """The fewest discordant pairs that are significant when all of them gain: 2 / 2^pairs below the size."""
    fewest = 1
    while 2.0 ** (1 - fewest) >= size:
        fewest += 1
    return fewest
