"""Pairs of right and wrong answers: McNemar's exact test and the interval that agrees with it.

With pairs that gained, lost or stayed, all that speaks about the difference is how many pairs are discordant (gained or
lost) and how many of those gained. The test looks at the second alone; the interval needs both. What the test could
have shown is left to `matched_power`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from msgspec import Struct

from akrasia.stats.crossing import crossing
from akrasia.stats.grouping import FloatArray

MELDED = "mcnemar-melded"
"""The method of `melded_interval`, as figures name it."""

TAILS = (1e-14, 1e-9, 1e-6, 1e-4, 1e-2, 0.15, 0.5)
"""Quantiles between which a density is smooth enough for a few nodes; mirrored above the median."""

NODES = 12
"""Of the Gauss–Legendre rule between two of them."""


def mcnemar(gained: int, lost: int) -> float:
    """The exact two-sided McNemar p-value from the discordant pairs.

    Args:
        gained: pairs where only the second is right.
        lost: pairs where only the first is right.

    Example:
        >>> mcnemar(6, 0)
        0.03125
    """
    from scipy.special import bdtr

    discordant = gained + lost
    return 1.0 if discordant == 0 else min(1.0, 2 * float(bdtr(min(gained, lost), discordant, 0.5)))


def melded_interval(gained: int, lost: int, pairs: int, *, level: float = 0.95) -> tuple[float, float]:
    """The interval of (gained − lost) / pairs in the population that agrees with McNemar's exact test.

    It leaves 0 out exactly when `mcnemar` is below 1 − level. The share T of discordant pairs and the share B of gains
    among these each have an exact (Clopper–Pearson) confidence distribution for their lower and one for their upper
    limit, all of them Beta. The difference is T (2B − 1); its lower limit is the (1 − level)/2 quantile of that product
    with the lower B and, since it must be low, the lower T where 2B > 1 and the upper T where 2B < 1 (Fay and Lumbard,
    2021). The upper limit is that of the mirrored counts.

    Args:
        gained: pairs where only the second is right.
        lost: pairs where only the first is right.
        pairs: all pairs, at least 1, with those that are alike.
        level: nominal coverage, in (0, 1).

    Example:
        >>> low, high = melded_interval(9, 0, 24)
        >>> round(low, 3), round(high, 3)
        (0.098, 0.594)
    """
    value, tail = (gained - lost) / pairs, (1 - level) / 2
    low, high = _lower(gained, lost, pairs, tail), -_lower(lost, gained, pairs, tail)
    # At levels that nobody quotes a limit may pass the value itself.
    return min(low, value), max(high, value)


def _lower(gained: int, lost: int, pairs: int, tail: float) -> float:
    """The lower limit: the point below which the melded difference lies with probability `tail`."""
    from scipy.special import bdtr, betainccinv, betaincinv

    discordant = gained + lost
    alike = pairs - discordant
    significant = gained > 0 and float(bdtr(lost, discordant, 0.5)) < tail
    if significant:
        product = _product((discordant, alike + 1), (gained, lost + 1))
        return crossing(product.below, float(betaincinv(discordant, alike + 1, tail)), tail)
    # With no pair alike the upper limit of the discordant share is 1 for certain, and with no gain the lower limit of
    # the gains is 0: the Beta distributions end there.
    if alike == 0:
        return 2 * float(betaincinv(gained, lost + 1, tail)) - 1 if gained else -1.0
    most = float(betainccinv(discordant + 1, alike, tail))
    if gained == 0:
        return -most
    product = _product((discordant + 1, alike), (gained, lost + 1))
    return -crossing(product.loss_above, most, tail)


class _Product(Struct, frozen=True):
    """T (2B − 1) of two independent Beta variables.

    Attributes:
        share: the parameters of T.
        gains: those of B.
        share_marks: quantiles of T, between which its density is smooth.
        gains_marks: the same of B.
    """

    share: tuple[int, int]
    gains: tuple[int, int]
    share_marks: FloatArray
    gains_marks: FloatArray

    def below(self, size: float) -> float:
        """P(T (2B − 1) ≤ size) for size ≥ 0."""
        from scipy.special import betainc

        if size <= 0:
            return float(betainc(*self.gains, 0.5))
        alone = float(betainc(*self.share, size))  # where T itself is no larger, B may be anything
        edges = 2 * self.gains_marks[self.gains_marks > 0.5] - 1
        return alone + self._expected(lambda t: betainc(*self.gains, (1 + size / t) / 2), size, edges)

    def loss_above(self, size: float) -> float:
        """P(T (1 − 2B) ≥ size) for size ≥ 0."""
        from scipy.special import betainc

        if size <= 0:
            return float(betainc(*self.gains, 0.5))
        edges = 1 - 2 * self.gains_marks[self.gains_marks < 0.5]
        return self._expected(lambda t: betainc(*self.gains, (1 - size / t) / 2), size, edges)

    def _expected(self, chance: Callable[[FloatArray], FloatArray], size: float, edges: FloatArray) -> float:
        """The integral of chance(t) over the density of T from `size` to 1, piece by piece.

        The pieces end at quantiles of T, and at the t for which the condition on B is a quantile of B: whichever of the
        two is the narrower, there are nodes across it.
        """
        from scipy.special import betaln, xlog1py, xlogy

        low, high = max(size, float(self.share_marks[0])), float(self.share_marks[-1])
        if low >= high:
            return 0.0
        inner = np.concatenate([self.share_marks, size / edges])
        marks = np.concatenate([[low], np.unique(inner[(inner > low) & (inner < high)]), [high]])
        nodes, weights = _rule()
        half = np.diff(marks)[:, None] / 2
        t = (marks[:-1, None] + half * (1 + nodes)).ravel()
        a, b = self.share
        density = np.exp(xlogy(a - 1, t) + xlog1py(b - 1, -t) - betaln(a, b))
        return float((half * weights).ravel() @ (density * chance(t)))


def _product(share: tuple[int, int], gains: tuple[int, int]) -> _Product:
    return _Product(share, gains, _quantiles(*share), _quantiles(*gains))


@cache
def _rule() -> tuple[FloatArray, FloatArray]:
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    return np.asarray(nodes, dtype=np.float64), np.asarray(weights, dtype=np.float64)


def _quantiles(a: float, b: float) -> FloatArray:
    from scipy.special import betainccinv, betaincinv

    tails = np.array(TAILS)
    return np.concatenate([betaincinv(a, b, tails), betainccinv(a, b, tails[-2::-1])])
