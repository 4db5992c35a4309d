"""What is recoverable with the verifier at hand: best-of-k by it, over the items that have enough of its values.

A candidate without a verifier's value has its utility all the same, so what it lacks restricts this one stage alone,
which assumes that whether a candidate has one does not depend on its utility.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from akrasia.risk.crossfit import cross_fit
from akrasia.risk.pool import Pool, read_pool
from akrasia.risk.pooled import best_of_n_items
from akrasia.risk.records import CrossFit, Estimate
from akrasia.risk.sample import Sample
from akrasia.stats.diagnostic import Diagnostic
from akrasia.stats.figure import Figure
from akrasia.stats.grouping import FloatArray, group


class Recoverable(Struct, frozen=True):
    """The stage "recoverable".

    Attributes:
        figure: best-of-k by the verifier; None where no item has enough of its values.
        harms: whether that is less than what is deployed, on the same items.
        crossed: the two judges' cross-fit, where there are two.
        unscored: candidates with a utility and without a verifier's value, among `candidates`.
        candidates: those with a utility.
        items: how many of `total` items it rests on.
        total: items of the other figures.
    """

    figure: Figure | None
    harms: bool
    crossed: CrossFit | None
    unscored: int
    candidates: int
    items: int
    total: int

    @property
    def note(self) -> str:
        """On how many items the stage rests, where not on all; else ""."""
        return "" if self.items == self.total else f"of {self.items} of {self.total} items"

    def diagnostic(self, estimate: Estimate) -> Diagnostic | None:
        """What missing verifier's values took away, if they did.

        Args:
            estimate: what the stage is part of, or was left out of.
        """
        if not self.unscored:
            return None
        rest = "every other figure rests on all utilities"
        said = f"{self.unscored} of {self.candidates} candidates have no verifier value: "
        if not any(stage.stage == "recoverable" for stage in estimate.waterfall):
            said += f"recoverable is left out, for which the best of {estimate.k} by the verifier must be known; {rest}"
        elif self.items < self.total:
            said += (
                f"recoverable rests on the {self.items} of {self.total} items with {estimate.k} that have one (a "
                f"smaller k takes fewer); {rest}"
            )
        else:
            said += f"recoverable chooses among the others; {rest}"
        return Diagnostic("verifier_missing", said, "warning")


def recoverable(
    pool: Pool,
    scores: FloatArray,
    sample: Sample,
    keep: NDArray[np.bool_],
    k: int,
    *,
    interval: Callable[[Sample, FloatArray], Figure],
    two_judges: bool,
    level: float,
) -> Recoverable:
    """Best-of-k by the verifier, or two judges' cross-fit, over the items that have k candidates with both values.

    Args:
        pool: all items.
        scores: (M, K) values of the verifier, NaN where missing.
        sample: the items that the figures hold, uncounted.
        keep: (M,) which these are.
        k: candidates to choose from.
        interval: of a mean over a sample's items.
        two_judges: whether the verifier is a second judge, to be cross-fitted with the first.
        level: nominal coverage.

    Raises:
        InputError: the two judges are one (see `cross_fit`).
    """
    utilities = np.asarray(pool.utilities, dtype=np.float64)
    known = ~np.isnan(utilities)
    both = known & ~np.isnan(scores)
    enough = keep & (both.sum(axis=1) >= k)
    figure, crossed, harms = None, None, False
    if enough.any():
        part = read_pool(np.where(both, utilities, np.nan)[enough])
        among = _part(sample, enough[keep])
        if two_judges:
            crossed = cross_fit(part.utilities, scores[enough], k, clusters=among.grouping.codes, level=level)
            figure = crossed.recoverable
        else:
            figure = interval(among, best_of_n_items(part, scores[enough], k))
        deployed = sample.deployed_items()
        beside = (deployed if deployed.ndim == 1 else deployed.mean(axis=1))[enough[keep]]
        harms = figure.value < among.grouping.mean(beside)
    return Recoverable(
        figure,
        harms,
        crossed,
        unscored=int((known & ~both)[keep].sum()),
        candidates=int(known[keep].sum()),
        items=int(enough.sum()),
        total=int(keep.sum()),
    )


def _part(sample: Sample, rows: NDArray[np.bool_]) -> Sample:
    """Some of the items of a sample."""
    if rows.all():
        return sample
    grouping = sample.grouping
    codes, weights = (None if one is None else one[rows] for one in (grouping.codes, grouping.weights))
    return replace(
        sample,
        pools=tuple(pool.rows(rows) for pool in sample.pools),
        deployed=None if sample.deployed is None else sample.deployed[rows],
        grouping=group(int(rows.sum()), codes, weights),
    )
