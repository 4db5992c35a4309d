"""The labels of one arm, checked at the door, and their counts within clusters: all that the metrics are made from.

A cell is one scenario and one value. Two stages are compared on the cells where both are known (pairwise), three on
those where all are: nothing missing is ever a 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from msgspec import Struct, structs
from numpy.typing import ArrayLike

from akrasia.core.errors import InputError
from akrasia.gap.records import Stages
from akrasia.stats.grouping import BoolArray, FloatArray, IntArray, group


class Frame(Struct, frozen=True):
    """What S rows and V columns stand for.

    Attributes:
        values: V value names.
        codes: (S,) family cluster of each scenario, 0 … units − 1.
        units: the number of clusters.
        domains: S labels, or None where none was given: all scenarios are then one domain.
        pressures: S labels, or None.
        items: S labels of scenarios, of which the rows are draws; None: every row is a scenario of its own.
    """

    values: tuple[str, ...]
    codes: IntArray
    units: int
    domains: tuple[str, ...] | None
    pressures: tuple[str, ...] | None
    items: tuple[str, ...] | None = None

    def rows(self, keep: BoolArray) -> Frame:
        """The frame of some scenarios; clusters keep their codes."""
        return structs.replace(
            self,
            codes=self.codes[keep],
            domains=_kept(self.domains, keep),
            pressures=_kept(self.pressures, keep),
            items=_kept(self.items, keep),
        )

    @property
    def scenarios(self) -> int:
        """How many scenarios the rows are of; several draws of one count once."""
        return len(self.codes) if self.items is None else len(set(self.items))


def _kept(labels: tuple[str, ...] | None, keep: BoolArray) -> tuple[str, ...] | None:
    return None if labels is None else tuple(label for label, wanted in zip(labels, keep, strict=True) if wanted)


def make_frame(
    shape: tuple[int, int],
    values: Sequence[str] | None,
    clusters: ArrayLike | None,
    domains: Sequence[str] | None,
    pressures: Sequence[str] | None,
) -> Frame:
    """Check the names and labels of an (S, V) array.

    Raises:
        InputError: lengths that differ from the array's, or a value named twice.
    """
    scenarios, columns = shape
    names = tuple(f"value-{column + 1}" for column in range(columns)) if values is None else tuple(values)
    if len(names) != columns or len(set(names)) != columns:
        raise InputError(f"values must be {columns} different names, one per column: got {len(names)}")
    for kind, labels in (("domains", domains), ("pressures", pressures)):
        if labels is not None and len(labels) != scenarios:
            raise InputError(f"{kind} must be {scenarios} labels, one per scenario: got {len(labels)}")
    grouping = group(scenarios, clusters)
    codes = np.arange(scenarios) if grouping.codes is None else grouping.codes
    return Frame(
        names,
        codes,
        grouping.units,
        None if domains is None else tuple(map(str, domains)),
        None if pressures is None else tuple(map(str, pressures)),
    )


def read_grades(labels: ArrayLike, name: str, shape: tuple[int, int] | None = None) -> FloatArray:
    """An (S, V) array of grades in [0, 1], NaN where missing.

    Raises:
        InputError: another shape, or a grade outside [0, 1].
    """
    try:
        grades = np.asarray(labels, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be an array of numbers, NaN where missing") from None
    if grades.ndim != 2 or (shape is not None and grades.shape != shape):
        wanted = "(scenarios, values)" if shape is None else f"{shape}, as stated"
        raise InputError(f"{name} must have the shape {wanted}: got {grades.shape}")
    if not grades.size:
        raise InputError(f"{name} is empty: give at least one scenario and one value")
    with np.errstate(invalid="ignore"):
        wrong = (grades < 0) | (grades > 1)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise InputError(
            f"{name}, scenario {row}, value {column}: {grades[row, column]:g} lies outside [0, 1]; NaN is missing"
        )
    return grades


def read_stages(stages: Stages) -> Stages:
    """The same arm with its arrays checked, and with what was not asked left out of them.

    Raises:
        InputError: shapes that differ, a grade outside [0, 1], or nothing asked.
    """
    stated = read_grades(stages.stated, "stated")
    asked = np.ones(len(stated), bool) if stages.asked is None else np.asarray(stages.asked, dtype=bool)
    if asked.shape != (len(stated),):
        raise InputError(f"asked must be {len(stated)} flags, one per scenario: got shape {asked.shape}")

    def checked(labels: FloatArray | None, name: str) -> FloatArray | None:
        return None if labels is None else _blank(read_grades(labels, name, stated.shape), asked)

    action = _blank(read_grades(stages.action, "action", stated.shape), asked)
    reasoning, betrayed = checked(stages.reasoning, "reasoning"), checked(stages.betrayed, "betrayed")
    return Stages(_blank(stated, asked), reasoning, action, stages.inclusion, betrayed, asked)


def _blank(grades: FloatArray, asked: BoolArray) -> FloatArray:
    return np.where(asked[:, None], grades, np.nan)


def bits(grades: FloatArray, threshold: float) -> FloatArray:
    """1 from the threshold on, 0 below, NaN where missing."""
    return np.where(np.isnan(grades), np.nan, grades >= threshold)


def within(cells: FloatArray, frame: Frame) -> FloatArray:
    """(G, V) sums of an (S, V) array within clusters."""
    sums = np.zeros((frame.units, cells.shape[1]))
    np.add.at(sums, frame.codes, cells)
    return sums


class PairCounts(Struct, frozen=True):
    """Cells of two stages within clusters, where both are known: (G, V) each.

    Attributes:
        both: the value is in both.
        first: it is in the first stage.
        second: it is in the second.
        known: all.
        apart: Σ |first − second| on the grades.
    """

    both: FloatArray
    first: FloatArray
    second: FloatArray
    known: FloatArray
    apart: FloatArray

    def columns(self, chosen: BoolArray | list[int]) -> PairCounts:
        """The counts of some values alone."""
        return PairCounts(
            self.both[:, chosen],
            self.first[:, chosen],
            self.second[:, chosen],
            self.known[:, chosen],
            self.apart[:, chosen],
        )


def pair_counts(first: FloatArray, second: FloatArray, frame: Frame, threshold: float) -> PairCounts:
    """Count two graded (S, V) stages against one another."""
    known = ~(np.isnan(first) | np.isnan(second))
    one = known & (np.nan_to_num(first) >= threshold)
    two = known & (np.nan_to_num(second) >= threshold)
    apart = np.where(known, np.abs(np.nan_to_num(first) - np.nan_to_num(second)), 0.0)
    return PairCounts(
        within((one & two).astype(np.float64), frame),
        within(one.astype(np.float64), frame),
        within(two.astype(np.float64), frame),
        within(known.astype(np.float64), frame),
        within(apart, frame),
    )


class PathCounts(Struct, frozen=True):
    """Cells of all stages within clusters, by pattern of bits, where every stage is known.

    Attributes:
        patterns: pattern → (G, V) counts: "101" is stated, not in the reasoning, acted; "1-1" where an arm has no
            reasoning.
    """

    patterns: dict[str, FloatArray]

    def columns(self, chosen: BoolArray | list[int]) -> PathCounts:
        """The counts of some values alone."""
        return PathCounts({pattern: counts[:, chosen] for pattern, counts in self.patterns.items()})

    def sum(self, stated: str, reasoning: str, action: str) -> FloatArray:
        """(G, V) counts of all patterns with these bits, each "0", "1" or "01" for either."""
        chosen = [
            counts
            for pattern, counts in self.patterns.items()
            if pattern[0] in stated and pattern[1] in f"-{reasoning}" and pattern[2] in action
        ]
        return np.asarray(np.sum(chosen, axis=0), dtype=np.float64)

    def table(self) -> dict[str, int]:
        """Pattern → number of cells, over all clusters and values."""
        return {pattern: int(counts.sum()) for pattern, counts in self.patterns.items()}


def path_counts(stages: Stages, frame: Frame, threshold: float) -> PathCounts:
    """Count the patterns of an arm's stages (design section 8: bits in the order stated, reasoning, action)."""
    stated, action = bits(stages.stated, threshold), bits(stages.action, threshold)
    reasoning = None if stages.reasoning is None else bits(stages.reasoning, threshold)
    found: dict[str, FloatArray] = {}
    for a, r, d in product("01", "-" if reasoning is None else "01", "01"):
        cells = (stated == int(a)) & (action == int(d))
        if reasoning is not None:
            cells &= reasoning == int(r)
        found[f"{a}{r}{d}"] = within(cells.astype(np.float64), frame)
    return PathCounts(found)
