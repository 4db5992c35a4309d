"""What was drawn for one cell, in memory: the arrays that the estimators take, and the draws of a run to a width.

Reading it from the store is `reader`; which draws of a run to a width make up its pool is `width_pool`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import numpy as np

    from akrasia.runs.reader import StoredItem
    from akrasia.stats.diagnostic import Diagnostic


class FirstDraws(msgspec.Struct, frozen=True):
    """What was drawn for the pool of a run to a width, missing ones included; its arrays hold the measured ones alone.

    Attributes:
        utilities: of each item, in the order of sampling, up to the last draw that the pool holds; None where missing.
        answers: (M, K) classes of the first K draws as they came, as in `Pool.answers`.
    """

    utilities: tuple[tuple[float | None, ...], ...]
    answers: np.ndarray


class NotReached(msgspec.Struct, frozen=True):
    """Why a run to a width is unfinished.

    Attributes:
        why: a clause.
        way_on: what to do, as a sentence; "": go on with it.
    """

    why: str
    way_on: str = ""


class Pool(msgspec.Struct, frozen=True):
    """The scores of one cell as arrays over its fully drawn items.

    Attributes:
        items: the items, M of them, in suite order.
        utilities: (M, K) float in [0, 1]; NaN where the measurement is missing.
        answers: (M, K) int classes of the extracted answers, not the answers themselves: the same number for the same
            answer everywhere; -1 where none could be parsed.
        clusters: M family names; an item without one is its own.
        texts: (M, K) int hashes of the candidates' texts, to tell repeated ones.
        truncated: how many candidates were cut off.
        failures, missing: how many candidates, by reason.
        undrawn: planned items that are left out because they are not fully drawn yet; 0 in a run to a width, which does
            not plan how many it takes.
        classes: the answer of each class: `pool.classes[pool.answers[row, column]]`, where that is not -1.
        drawn: in a run to a width what was drawn for the columns; else None: the columns are all that was.
        not_reached: in a run to a width why it is unfinished, if it is.
    """

    items: tuple[StoredItem, ...]
    utilities: np.ndarray
    answers: np.ndarray
    clusters: tuple[str, ...]
    texts: np.ndarray
    truncated: int
    failures: dict[str, int]
    missing: dict[str, int]
    undrawn: int
    classes: tuple[str, ...] = ()
    drawn: FirstDraws | None = None
    not_reached: NotReached | None = None

    @property
    def candidates(self) -> int:
        """How many were drawn for it."""
        return int(self.utilities.size) if self.drawn is None else sum(map(len, self.drawn.utilities))

    @property
    def measured(self) -> int:
        """How many of them have a utility."""
        if self.drawn is None:
            return int((self.utilities == self.utilities).sum())  # NaN is no number, and equals none
        return sum(utility is not None for row in self.drawn.utilities for utility in row)

    @property
    def as_they_came(self) -> tuple[np.ndarray, np.ndarray]:
        """(M, K) utilities and answers of the first K draws, none made up for: what the bounds go by."""
        if self.drawn is None:
            return self.utilities, self.answers
        import numpy as np

        width = self.utilities.shape[1]
        rows = [[np.nan if utility is None else utility for utility in row[:width]] for row in self.drawn.utilities]
        return np.array(rows).reshape(self.utilities.shape), self.drawn.answers

    def depth(self, row: int) -> int:
        """How many draws of an item stand behind its row: its first so many candidates."""
        return int(self.utilities.shape[1]) if self.drawn is None else len(self.drawn.utilities[row])

    def unfinished(self, subject: str, way_on: str) -> Diagnostic | None:
        """That the cell is unfinished, if it is.

        Args:
            subject: what is, with its verb.
            way_on: what to do, as a sentence.
        """
        from akrasia.stats.diagnostic import Diagnostic

        if self.not_reached is not None:
            why, way_on = self.not_reached.why, self.not_reached.way_on or way_on
        elif self.undrawn:
            total = self.undrawn + len(self.items)
            why = f"{self.undrawn} of {total} items are not fully drawn and are left out"
        else:
            return None
        return Diagnostic("incomplete", f"{subject} unfinished: {why}. {way_on}", "warning")


class Draw(msgspec.Struct, frozen=True):
    """One draw of a run to a width: a stored candidate without its words."""

    utility: float | None
    answer: str | None
    failure: str | None
    missing: str | None
    text: int
    truncated: bool


class Stopped(msgspec.Struct):
    """What was drawn of one item in a run to a width.

    Attributes:
        item: which.
        draws: in the order of sampling.
    """

    item: StoredItem
    draws: list[Draw] = msgspec.field(default_factory=list)

    @property
    def utilities(self) -> list[float | None]:
        """In the order of sampling; None where missing."""
        return [draw.utility for draw in self.draws]

    @property
    def known(self) -> list[float]:
        """The utilities without the missing ones: what the plan goes by, and what every figure rests on."""
        return [draw.utility for draw in self.draws if draw.utility is not None]

    @property
    def failures(self) -> int:
        """Candidates that count 0 without a comparison."""
        return sum(draw.failure is not None for draw in self.draws)

    @property
    def truncated(self) -> int:
        """Candidates that were cut off."""
        return sum(draw.truncated for draw in self.draws)
