"""Strategies that choose among direct draws: computed exactly, over all subsets of the pool."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from akrasia.strategies.base import Pooled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike


class BestOfN(Pooled):
    """The best of n draws by the utility itself: what a perfect verifier would deploy."""

    name = "best_of_n"
    best: ClassVar[bool] = True

    def deployed(self, utilities: np.ndarray, answers: np.ndarray) -> np.ndarray:  # noqa: ARG002 - one signature for all
        """See `akrasia.risk.best_of_n_items`."""
        from akrasia.risk import best_of_n_items

        known = _enough(utilities, self.n)
        values = utilities[known]
        return _spread_out(known, best_of_n_items(values, values, self.n) if known.any() else [])

    def bounds(self, utilities: np.ndarray, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # noqa: ARG002 - as above
        """See `akrasia.risk.best_bounds`."""
        from akrasia.risk import best_bounds

        return best_bounds(utilities, self.n)


class SelfConsistency(Pooled):
    """The majority answer of n draws."""

    name = "self_consistency"
    needs_answers: ClassVar[bool] = True

    def deployed(self, utilities: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """See `akrasia.risk.self_consistency_items`."""
        from akrasia.risk import self_consistency_items

        known = _enough(utilities, self.n)
        if not known.any():
            return _spread_out(known, [])
        return _spread_out(known, self_consistency_items(utilities[known], answers[known], self.n))

    def bounds(self, utilities: np.ndarray, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `akrasia.risk.vote_bounds`."""
        from akrasia.risk import vote_bounds

        return vote_bounds(utilities, answers, self.n)


def _enough(utilities: np.ndarray, n: int) -> np.ndarray:
    """(M,) which items have n measured candidates to choose among."""
    import numpy as np

    return np.asarray((~np.isnan(utilities)).sum(axis=1) >= n)


def _spread_out(known: np.ndarray, values: ArrayLike) -> np.ndarray:
    """The values at the items that have one, NaN at the others."""
    import numpy as np

    deployed = np.full(len(known), np.nan)
    deployed[known] = values
    return deployed
