"""A cell: model × suite × strategy × sampling settings × seed, the unit that is measured and compared."""

from __future__ import annotations

from msgspec import Struct

from akrasia.core.records import SAMPLE_STRIDE, Sampling

_SLOTS = 2**31 // SAMPLE_STRIDE
"""How many items have seed ranges of their own below 2**31, the range that every backend accepts."""

_SEED_STEP = 100_003
"""Odd, so that seeds below `_SLOTS` start at different slots: one item never draws the same under two seeds."""


class Cell(Struct, frozen=True, kw_only=True):
    """What one row of results stands for.

    Attributes:
        name: unique in its run, short enough to read.
        model, suite, strategy: as the user named them.
        sampling: resolved settings (the user's, else the suite's).
        seed: the run seed of this cell.
        samples: planned candidates per item; 0 for a pooled strategy, which draws none.
        pool: name of the cell whose candidates are this one's reference pool; None when there is none.
        pooled: True when the strategy is computed from the pool.
    """

    name: str
    model: str
    suite: str
    strategy: str
    sampling: Sampling
    seed: int
    samples: int
    pool: str | None = None
    pooled: bool = False


def candidate_seed(seed: int, position: int, sample: int) -> int:
    """The seed of one candidate: the item's base plus the sample's number.

    The stride between items does not depend on how many candidates are drawn, so a pool can grow without moving.

    Args:
        seed: the cell's run seed, >= 0.
        position: the item's place in its suite, from 0.
        sample: the candidate's number, 0 <= sample < `SAMPLE_STRIDE`.

    Returns:
        A seed in [0, 2**31).
    """
    slot = (seed * _SEED_STEP + position) % _SLOTS
    return slot * SAMPLE_STRIDE + sample


def seed_elsewhere(seed: int, moved: int) -> int:
    """The seed of the same sample of another item: of the one so many places further in the suite.

    Args:
        seed: a candidate's, of `candidate_seed`.
        moved: the other item's position less this one's.
    """
    slot, sample = divmod(seed, SAMPLE_STRIDE)
    return (slot + moved) % _SLOTS * SAMPLE_STRIDE + sample
