"""The one form of every estimate: a number with its interval, and how the interval was made.

How a figure is computed is left to the estimators; how it is printed, to the surfaces.
"""

from __future__ import annotations

from msgspec import Struct


class Figure(Struct, frozen=True):
    """An estimate with its interval.

    Attributes:
        value: the point estimate.
        low: lower end of the interval; None where the data give no interval (one cluster, unbounded quantity).
        high: upper end; None as `low`.
        level: nominal coverage of the interval, in (0, 1).
        method: how the interval was made ("cluster-t", "wilson", "mcnemar-melded", "bootstrap", "profile likelihood",
            …).
        n: independent units behind it (clusters, or items where every item is its own); None where that has no meaning.
    """

    value: float
    low: float | None
    high: float | None
    level: float = 0.95
    method: str = ""
    n: int | None = None

    def __float__(self) -> float:
        return self.value

    @property
    def half_width(self) -> float | None:
        """Half the length of the interval; None where there is none."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2
