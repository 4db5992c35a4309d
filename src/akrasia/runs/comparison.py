"""Two runs on the same items, paired: what `akrasia compare` computes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from akrasia.core import InputError, Undefined
from akrasia.core.cell import Cell
from akrasia.risk import Diagnostic, PerItem, compare, per_item
from akrasia.risk.compare import MetricComparison
from akrasia.runs.differences import METRICS, Terms, known_by_definition, less, side_terms
from akrasia.runs.reference import Reference, reference, without_thin_items
from akrasia.runs.value_labels import rates, states
from akrasia.runs.yardstick import differing, prompts_note, settings, settings_note, yardstick
from akrasia.stats.diagnostic import few_clusters, ordered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from akrasia.runs.pool import Pool
    from akrasia.runs.reader import Run

Place = tuple[str, str]
"""Suite and id of an item."""

MOST_CUT_OFF = 0.02
"""Share of candidates up to which nothing is said of those that were cut off."""

MOST_NAMED = 5
"""So many cells without a partner are named, the others counted."""


class RunComparison(Struct, frozen=True):
    """What `akrasia compare --json` prints.

    Attributes:
        metrics: the paired differences.
        diagnostics: what a reader must know before believing them, worst first.
    """

    metrics: tuple[MetricComparison, ...]
    diagnostics: tuple[Diagnostic, ...]


def compare_runs(
    a: Run, b: Run, *, cells: tuple[str | None, str | None] = (None, None), level: float = 0.95
) -> RunComparison:
    """Compare two runs, items matched by suite and id.

    Cells are matched by suite, strategy, temperature and seed (a greedy decode, which has none, without it), so that
    two models (or two dates) can be compared; with two cells named, those are compared, which may be of one run.

    Args:
        a: an open run.
        b: another, or the same.
        cells: names of one cell of each; None: match.
        level: nominal coverage of the intervals.

    Returns:
        deployed, reachable@k and risk@k of every matched cell, with b − a; k is the largest that both pools have, and
        no less than the draws that a cell on either side chooses among. And what of the runs is unfinished, missing or
        made otherwise.

    Raises:
        InputError: no cell matches; a suite, or the judges and values by which it is measured, differ; no item is in
            both; or one side chooses among more draws than the other has.
    """
    pairs = _pairs(a, b, cells)
    for first, second in pairs:
        _check_same(a, b, first, second)
    drawn = [
        (first.name, [(str(a.folder), settings(a, first)), (str(b.folder), settings(b, second))])
        for first, second in pairs
    ]
    notes = [*_same_cells(a, b, pairs), *settings_note(drawn), *prompts_note(a.manifest.prompts, b.manifest.prompts)]
    if cells[0] is None:
        notes += _alone(a, b, [first for first, _ in pairs]) + _alone(b, a, [second for _, second in pairs])
    columns: dict[str, tuple[dict[Place, float], dict[Place, float]]] = {}
    clusters: dict[Place, str] = {}
    made: dict[str, Terms] = {}
    used: tuple[set[Place], set[Place]] = set(), set()
    for first, second in pairs:
        one, other = reference(a, first), reference(b, second)
        k, (pool_a, pool_b), told = _at_one_k((a, first, one), (b, second, other))
        notes += told
        sides = [
            per_item(pool.utilities, k, deployed=side.deployed, chosen=side.chosen)
            for pool, side in ((pool_a, one), (pool_b, other))
        ]
        places = [_places(first, pool_a), _places(first, pool_b)]
        for mine, those in zip(used, places, strict=True):
            mine.update(those)
        shared = set(places[0]) & set(places[1])
        if not shared:
            raise InputError(
                f"{a.folder} and {b.folder} share no item of {first.suite}: compare runs on the same items"
            )
        notes += _entering(
            first, second, shared, [_by_place(*side, "risk") for side in zip(places, sides, strict=True)]
        )
        clusters.update(zip(places[0], pool_a.clusters, strict=True))
        terms = side_terms(a, first, one, k), side_terms(b, second, other, k)
        for metric in METRICS:
            name = f"{_prefix(first, pairs)}{metric}" + (f"@{k}" if metric != "deployed" else "")
            columns[name] = (_by_place(places[0], sides[0], metric), _by_place(places[1], sides[1], metric))
            made[name] = less(terms[1][metric], terms[0][metric])
    notes += _unmatched(a, b, *used)
    order = list(clusters)
    metrics = {name: (_column(order, mine), _column(order, theirs)) for name, (mine, theirs) in columns.items()}
    defined = known_by_definition({name: (made[name], _measured(*both)) for name, both in metrics.items()})
    found = compare(metrics, clusters=[clusters[place] for place in order], level=level, defined=defined)
    # However few the items, an exact interval covers what it says.
    counts = [row.difference.n for row in found.metrics if row.test == "cluster-t" and row.difference.n is not None]
    few = few_clusters(min(counts)) if counts else None
    return RunComparison(found.metrics, ordered(dict.fromkeys([*notes, few])))


def _prefix(cell: Cell, pairs: Sequence[tuple[Cell, Cell]]) -> str:
    """What tells a pair's rows from those of the others: suite and strategy, and what else differs between them."""
    if len(pairs) == 1:
        return ""
    cells = [first for first, _ in pairs]
    told = [cell.suite, cell.strategy]
    if len({one.sampling.temperature for one in cells}) > 1:
        told.append(f"T={cell.sampling.temperature:g}")
    if len({one.seed for one in cells}) > 1 and _seed(cell) is not None:
        told.append(f"seed={cell.seed}")
    return " ".join(told) + " "


def _check_same(a: Run, b: Run, first: Cell, second: Cell) -> None:
    """Refuse cells that were asked different questions, or measured by different yardsticks."""
    prints = [run.manifest.suites.get(cell.suite) for run, cell in ((a, first), (b, second))]
    if prints[0] != prints[1]:
        which = first.suite if first.suite == second.suite else f"{first.suite} and {second.suite}"
        raise InputError(
            f"{a.folder} and {b.folder} asked different things: the suite {which} differs between them (fingerprints "
            f"{prints[0]} and {prints[1]}); run both on the same one"
        )
    sides = [(str(run.folder), yardstick(run, cell.suite)) for run, cell in ((a, first), (b, second))]
    parts = differing(sides, lacking=True)
    if parts:
        raise InputError(
            f"{first.suite} is measured with two yardsticks: {'; '.join(parts.values())}; measure both alike"
        )


def _same_cells(a: Run, b: Run, pairs: Sequence[tuple[Cell, Cell]]) -> list[Diagnostic]:
    if a.folder.resolve() != b.folder.resolve():
        return []
    twice = [first.name for first, second in pairs if first.name == second.name]
    if not twice:
        return []
    said = f"{', '.join(twice)}: both sides are the same cell of the same run, so nothing can differ."
    return [Diagnostic("same_cell", said, "warning")]


def _unmatched(a: Run, b: Run, of_a: set[Place], of_b: set[Place]) -> list[Diagnostic]:
    """Items that only one of the runs used: by what their cells drew, which may be less than the stored suite."""
    notes = []
    for suite in sorted({suite for suite, _ in of_a ^ of_b}):
        lone, other, both = (
            sum(name == suite for name, _ in places) for places in (of_a - of_b, of_b - of_a, of_a & of_b)
        )
        said = f"{suite}: {lone} items are in {a.folder} alone and {other} in {b.folder} alone; {both} are in both."
        notes.append(Diagnostic("unmatched_items", said, "info"))
    return notes


def _alone(run: Run, other: Run, used: Sequence[Cell]) -> list[Diagnostic]:
    """The cells of a run that the other has no partner for."""
    taken = {cell.name for cell in used}
    measured = [cell.name for cell in run.cells if _has_utility(cell)]
    alone = [name for name in measured if name not in taken]
    if not alone:
        return []
    said = (
        f"{run.folder}: {len(alone)} of {len(measured)} cells have no partner in {other.folder} and are left out: "
        f"{', '.join(alone[:MOST_NAMED])}{', …' if len(alone) > MOST_NAMED else ''}. --cell-a and --cell-b compare any "
        "two."
    )
    return [Diagnostic("unmatched_cells", said, "warning")]


def _entering(first: Cell, second: Cell, shared: set[Place], sides: Sequence[dict[Place, float]]) -> list[Diagnostic]:
    """How many of the items that both runs have do enter, where not all do."""
    entering = sum(all(np.isfinite(side[place]) for side in sides) for place in shared)
    if entering == len(shared):
        return []
    names = first.name if first.name == second.name else f"{first.name} and {second.name}"
    said = (
        f"{names}: {entering} of the {len(shared)} items in both enter; the others lack the measured candidates on one "
        "side or both."
    )
    return [Diagnostic("items_left_out", said, "warning")]


def _told_of(run: Run, cell: Cell, thin: Diagnostic | None) -> list[Diagnostic]:
    return [] if thin is None else [replace(thin, message=f"{run.folder}, {cell.name}: {thin.message}")]


def _incomplete(run: Run, cell: Cell, pool: Pool) -> list[Diagnostic]:
    """What a cell's figures lack: items that are not drawn yet, utilities that are missing, ends of candidates."""
    where = f"{run.folder}, {cell.name}"
    pools = [pool] if cell.pool is None or cell.pooled else [pool, run.pool(cell)]
    worst = max(pools, key=lambda one: one.undrawn)
    unfinished = worst.unfinished(f"{where} is", "Go on with its akrasia run.")
    notes = [] if unfinished is None else [unfinished]
    total = sum(one.candidates for one in pools)
    missing = total - sum(one.measured for one in pools)
    if missing:
        of = "utilities" if pool.drawn is None else "utilities of the draws that are compared"
        notes.append(
            Diagnostic(
                "missing",
                f"{where}: {missing} of {total} {of} are missing: akrasia risk shows what they could change.",
                "warning",
            )
        )
    cut_off = sum(one.truncated for one in pools)
    if cut_off > MOST_CUT_OFF * total:
        said = (
            f"{where}: {cut_off} of {total} candidates were cut off ({cut_off / total:.1%}): raise the cap on tokens."
        )
        notes.append(Diagnostic("truncated", said, "warning"))
    return notes


def _to_a_width(run: Run, cell: Cell, pool: Pool, k: int) -> list[Diagnostic]:
    """On which draws a cell of a run to a width is compared, whose own figures go further."""
    if pool.drawn is None:
        return []
    said = (
        f"{run.folder}, {cell.name}: sampled to a width, so it is compared on the first {pool.utilities.shape[1]} "
        f"measured draws of each item, at k = {k}; akrasia risk follows an item further"
    )
    return [Diagnostic("until_width", said, "info")]


def _depth(run: Run, cell: Cell, pool: Pool) -> int:
    """The most candidates that every measured item has."""
    measured = (~np.isnan(pool.utilities)).sum(axis=1)
    if not measured.any():
        raise Undefined(
            f"{run.folder}, {cell.name}: every utility of its pool is missing, so there is nothing to compare: run it "
            "again with --retry-missing, or name other cells with --cell-a and --cell-b"
        )
    return int(measured[measured > 0].min())


def _at_one_k(*sides: tuple[Run, Cell, Reference]) -> tuple[int, list[Pool], list[Diagnostic]]:
    """The one k of both sides, their pools without the items that cannot enter at it, and what is to be said."""
    notes = [note for run, cell, side in sides for note in _incomplete(run, cell, side.pool)]
    kept = [without_thin_items(side.pool) for _, _, side in sides]
    k = _size(*((*side, pool) for side, (pool, _) in zip(sides, kept, strict=True)))
    pools = []
    for (run, cell, side), (pool, thin) in zip(sides, kept, strict=True):
        deep, short = _deep_enough(run, cell, pool, k, side.pool)
        pools.append(deep)
        notes += [*_to_a_width(run, cell, pool, k), *_told_of(run, cell, thin), *short]
    return k, pools, notes


def _size(*sides: tuple[Run, Cell, Reference, Pool]) -> int:
    """The one k of both sides: what all their items have, and no less than the draws that either chooses among.

    A choice among n draws is held against no fewer than these (see `Chosen`), so the other side must be as deep.
    """
    k = min(_depth(run, cell, pool) for run, cell, _, pool in sides)
    for _, cell, side, _ in sides:
        if side.chosen is None or side.chosen.n <= k:
            continue
        k = side.chosen.n
        for run, other, against, pool in sides:
            most = int((~np.isnan(pool.utilities)).sum(axis=1).max())
            if most < k:
                raise InputError(
                    f"{cell.strategy} chooses among {k} draws, and no item of {run.folder}, {other.name} has more than "
                    f"{most} measured ones, so the two are not reachable at one k: {_deeper(run, other, against, k)}, "
                    f"or compare a strategy that chooses among {most} at most"
                )
    return k


def _deeper(run: Run, cell: Cell, side: Reference, k: int) -> str:
    """What to do for k measured draws of the items of a cell's reference pool."""
    drawn = side.pool.utilities.shape[1]
    if side.pool.drawn is not None:
        return f"a run to a width is compared on {drawn} draws of each item; make another with --samples {k} alone"
    if drawn >= k:
        return f"of the {drawn} drawn the others are missing; run it again with --retry-missing"
    if (planned := (cell if cell.pool is None else run.cell(cell.pool)).samples) >= k:
        return f"it is unfinished, with {drawn} of {planned} drawn; go on with its akrasia run"
    return f"draw {k} there with --samples {k}"


def _deep_enough(run: Run, cell: Cell, pool: Pool, k: int, came: Pool) -> tuple[Pool, list[Diagnostic]]:
    """The pool without the items that have fewer than k measured draws, and how many those were as it came."""
    measured = (~np.isnan(pool.utilities)).sum(axis=1)
    short = (measured > 0) & (measured < k)
    if not short.any():
        return pool, []
    fewer = int(((~np.isnan(came.utilities)).sum(axis=1) < k).sum())
    said = (
        f"{run.folder}, {cell.name}: {fewer} of {len(pool.items)} items have fewer than {k} measured draws, "
        "among which one side chooses, and are left out."
    )
    kept = replace(pool, utilities=np.where(short[:, None], np.nan, pool.utilities))
    return kept, [Diagnostic("left_out", said, "warning")]


def _pairs(a: Run, b: Run, cells: tuple[str | None, str | None]) -> list[tuple[Cell, Cell]]:
    named = [None if name is None else run.cell(name) for run, name in ((a, cells[0]), (b, cells[1]))]
    if named[0] is not None and named[1] is not None:
        return [(named[0], named[1])]
    for lacking, other, option in ((named[0], named[1], "--cell-a"), (named[1], named[0], "--cell-b")):
        if lacking is None and other is not None:
            raise InputError(
                f"{other.name} is named and nothing to hold it against: add {option}, or name neither cell"
            )

    def suite_of(run: Run, cell: Cell) -> str:
        # One suite may go by two names (a file at two paths); one name with two contents is for `_check_same` to tell.
        return names.get(run.manifest.suites.get(cell.suite, ""), cell.suite)

    def key(run: Run, cell: Cell) -> tuple[object, ...]:
        return suite_of(run, cell), cell.strategy, cell.sampling.temperature, _seed(cell)

    names: dict[str, str] = {}
    for run in (a, b):
        for suite, print_ in run.manifest.suites.items():
            names.setdefault(print_, suite)
    found: dict[tuple[object, ...], list[list[Cell]]] = {}
    for side, run in enumerate((a, b)):
        for cell in run.cells:
            if _has_utility(cell):
                found.setdefault(key(run, cell), [[], []])[side].append(cell)
    for ones, others in found.values():
        if len(ones) > 1 or len(others) > 1:
            raise InputError(
                "a run holds several models for one suite and strategy: name two cells with --cell-a and --cell-b"
            )
    pairs = [(ones[0], others[0]) for ones, others in found.values() if ones and others]
    if not pairs:
        if not {suite_of(a, cell) for cell in a.cells} & {suite_of(b, cell) for cell in b.cells}:
            asked = [", ".join(dict.fromkeys(cell.suite for cell in run.cells)) for run in (a, b)]
            raise InputError(
                f"{a.folder} and {b.folder} asked different things: {asked[0]} and {asked[1]} are different suites; "
                "run both on the same one"
            )
        raise InputError(
            f"{a.folder} and {b.folder} have no cell with the same suite, strategy, temperature and seed; "
            "name two with --cell-a and --cell-b"
        )
    return pairs


def _has_utility(cell: Cell) -> bool:
    """Whether a cell is measured itself, and is not what others are measured against."""
    return not (states(cell) or rates(cell))


def _seed(cell: Cell) -> int | None:
    """The seed by which a cell is matched; None where it makes no difference, so that the name does not tell it."""
    return cell.seed if cell.name.endswith(f"seed{cell.seed}") else None


def _places(cell: Cell, pool: Pool) -> list[Place]:
    """Where the items of a pool stand, under the first run's name of the suite."""
    return [(cell.suite, item.id) for item in pool.items]


def _by_place(places: list[Place], side: PerItem, metric: str) -> dict[Place, float]:
    values: NDArray[np.float64] = {"deployed": side.deployed, "reachable": side.reachable, "risk": side.risk}[metric]
    return dict(zip(places, values.tolist(), strict=True))


def _column(order: list[Place], values: dict[Place, float]) -> NDArray[np.float64]:
    return np.array([values.get(place, np.nan) for place in order])


def _measured(first: NDArray[np.float64], second: NDArray[np.float64]) -> list[int]:
    """The rows of the items that both sides measured."""
    return np.flatnonzero(np.isfinite(first) & np.isfinite(second)).tolist()
