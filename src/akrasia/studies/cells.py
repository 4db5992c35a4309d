"""The measured cells of a study's run, found by what a claim names, with their per-item figures for pairing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from akrasia.core import parse_spec
from akrasia.models import model_identity
from akrasia.risk import Options, per_item
from akrasia.runs.config import RunConfig
from akrasia.runs.estimates import CellEstimate, How, estimate_run
from akrasia.studies.definition import Metric
from akrasia.studies.value_cells import ValueCells

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from akrasia.runs.pool import Pool
    from akrasia.runs.reader import Run
    from akrasia.studies.audit_votes import Votes


class Place(msgspec.Struct, frozen=True):
    """What all cells of one comparison share: a model, a suite and a seed."""

    model: str
    suite: str
    seed: int


class Paired(msgspec.Struct, frozen=True):
    """Two (M,) columns over the items that both cells have, in one order, with their (M,) families."""

    first: NDArray[np.float64]
    second: NDArray[np.float64]
    clusters: tuple[str, ...]
    k: int


class Cells:
    """All cells of a run, measured once.

    Args:
        run: an open run.
        config: of the run; its first temperature is the reference.
        level: nominal coverage of the intervals.
        votes: what a pairwise judge said of rewrites; None where nobody compared any.
    """

    def __init__(self, run: Run, config: RunConfig, level: float, votes: Votes | None = None) -> None:
        self.run, self.config, self.level, self.votes = run, config, level, votes
        self.temperature = config.temperature[0]
        how = How(level=level, options=Options(extrapolate=False))
        wanted = set(config.suite)
        self.measured = [found for found in estimate_run(run, how) if found.cell.suite in wanted]

    @cached_property
    def values(self) -> ValueCells:
        """What the judges of a value suite read in them."""
        return ValueCells(self.run)

    @cached_property
    def places(self) -> list[Place]:
        """Every model, suite and seed, in the order of the configuration."""
        return [
            Place(model, suite, seed)
            for model in self.config.model
            for suite in self.config.suite
            for seed in self.config.seed
        ]

    def find(self, place: Place, strategy: str, temperature: float | None = None) -> CellEstimate | None:
        """The cell of a strategy at a temperature; None: the reference one. A greedy decode is at every temperature."""
        wanted = self.config.temperature[0] if temperature is None else temperature
        for found in self.measured:
            cell = found.cell
            if (model_identity(cell.model), cell.suite, cell.strategy) != (
                model_identity(place.model),
                place.suite,
                strategy,
            ):
                continue
            # One greedy decode stands for every temperature and seed.
            if cell.sampling.temperature == 0 or (cell.seed == place.seed and cell.sampling.temperature == wanted):
                return found
        return None

    def swept(self, place: Place, name: str) -> Iterator[tuple[int, CellEstimate]]:
        """The cells of a strategy with a number after it, at the reference temperature, by that number."""
        numbers = [(parse_spec(text).parameter, text) for text in self.config.strategy if parse_spec(text).name == name]
        for number, text in sorted((int(number), text) for number, text in numbers if number.isdecimal()):
            found = self.find(place, text)
            if found is not None:
                yield number, found

    def pair(self, first: CellEstimate, second: CellEstimate, metric: Metric) -> Paired:
        """The metric of two cells on the items that both have, at the largest k that both pools have."""
        k = min(depth(first.pool.utilities), depth(second.pool.utilities))
        sides = [column(side, metric, k).tolist() for side in (first, second)]
        other = dict(zip((item.id for item in second.pool.items), sides[1], strict=True))
        rows = [
            (value, other[item.id], family)
            for item, value, family in zip(first.pool.items, sides[0], first.pool.clusters, strict=True)
            if item.id in other
        ]
        return Paired(
            np.array([row[0] for row in rows]), np.array([row[1] for row in rows]), tuple(row[2] for row in rows), k
        )

    def lengths(self, place: Place, name: str) -> tuple[list[int], NDArray[np.float64], Pool] | None:
        """A sweep: its lengths, (M, J) mean deployed utility per item, and the direct pool; None without two."""
        found = list(self.swept(place, name))
        if len(found) < 2:
            return None
        columns = [per_item(side.pool.utilities, 1, deployed=side.deployed).deployed for _, side in found]
        return [number for number, _ in found], np.stack(columns, axis=1), found[0][1].pool


def depth(utilities: NDArray[np.float64]) -> int:
    """The most known candidates that every item with any has; 1 where there is none."""
    known = (~np.isnan(utilities)).sum(axis=1)
    return int(known[known > 0].min()) if (known > 0).any() else 1


def column(found: CellEstimate, metric: Metric, k: int) -> NDArray[np.float64]:
    """(M,) values of a cell's metric, NaN where an item has none."""
    utilities = found.pool.utilities
    mine = per_item(utilities, k, deployed=found.deployed, chosen=found.chosen)
    if metric == "pool_risk":
        return np.asarray(per_item(utilities, k).reachable - mine.deployed)
    return {"deployed": mine.deployed, "reachable": mine.reachable, "risk": mine.risk}[metric]


def short_model(model: str) -> str:
    """A model's own name, without backend and address: ``local:smollm2`` → ``smollm2``."""
    identity = model_identity(model)
    return identity.partition(":")[2] or identity


def label(place: Place, config: RunConfig) -> str:
    """A place in a few words: its suite, and whatever else the run has several of."""
    parts = [short_model(place.model)] if len(config.model) > 1 else []
    parts.append(place.suite)
    if len(config.seed) > 1:
        parts.append(f"seed {place.seed}")
    return " · ".join(parts)
