"""How far the risk of single items spreads: between items, and within one over its own draws.

For binary utilities both come from the estimated distribution of success probabilities; for graded ones the part within
is measured on halves of the pool and taken to fall as 1/n.
"""

from __future__ import annotations

import numpy as np

from akrasia.risk.curve import all_fail, reachable_items
from akrasia.risk.extrapolation import mixture_with_sure
from akrasia.risk.pool import Pool, draw_variance, read_pool
from akrasia.stats.grouping import FloatArray
from akrasia.stats.mixing import fit_mixture, probability_grid


class Spreads:
    """Variance of an item's risk@k between items and, for any number of candidates, within.

    Args:
        pool: items with at least two candidates each.
        k: size.
        total: variance over items of the measured risk.
    """

    def __init__(self, pool: Pool, k: int, total: float) -> None:
        self.k = k
        self._known: dict[int, float] = {}
        self._weights: FloatArray | None = None
        now = round(float(pool.observed.mean()))
        if pool.successes is not None:
            kinds, number = np.unique(np.stack([pool.observed, pool.successes], axis=1), axis=0, return_counts=True)
            self._grid = probability_grid(int(pool.observed.max()), k)
            data = mixture_with_sure(kinds.astype(np.intp), number.astype(np.float64), self._grid)
            self._weights = fit_mixture(data).weights[:-1]
            self._weights = self._weights / self._weights.sum()
        else:
            self._scale = _halves(pool, k) * now
        self.between = max(0.0, total - self.within(now))

    def within(self, candidates: int) -> float:
        """W(n): mean variance of the U-statistic of an item's risk over its own draws."""
        if self._weights is None:
            return self._scale / candidates
        if candidates not in self._known:
            from scipy.special import bdtr

            wins = np.arange(candidates + 1)
            below = bdtr(wins[:, None], candidates, self._grid)
            share = np.diff(below, axis=0, prepend=0.0)
            lost = 1 - all_fail(candidates, [self.k])[:, 0] - wins / candidates
            variance = lost**2 @ share - (lost @ share) ** 2
            self._known[candidates] = max(0.0, float(self._weights @ variance))
        return self._known[candidates]


def _halves(pool: Pool, k: int) -> float:
    """W at the present n, from how two halves of each pool differ; for k beyond half a pool, that of the mean alone."""
    half = pool.smallest // 2
    if k > half:
        return float((draw_variance(pool) / pool.observed).mean())
    values = np.asarray(pool.utilities, dtype=np.float64)
    order = np.argsort(np.isnan(values), axis=1, kind="stable")[:, : 2 * half]
    packed = np.take_along_axis(values, order, axis=1)
    losses = []
    for part in (packed[:, :half], packed[:, half:]):
        one = read_pool(part)
        losses.append(next(reachable_items(one, [k])) - one.means())
    return float(((losses[0] - losses[1]) ** 2).mean()) / 4
