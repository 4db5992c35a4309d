"""What the difference of each metric of a comparison is made of, so that no quantity is tested twice.

A metric's difference B − A is a sum of quantities with signs: the risk of B, say, is its reachable less its deployed.
One draw of a pool is that pool's best of one, and the best of n its reachable@n, so one quantity may go by two names,
and others cancel. What such a sum comes to by definition is told here; measuring and testing are `risk.compare`'s part.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from akrasia.core.cell import Cell
    from akrasia.runs.reader import Run
    from akrasia.runs.reference import Reference

METRICS = ("deployed", "reachable", "risk")

Terms = Mapping[Hashable, int]
"""Quantities with their coefficients, none of them 0."""


def side_terms(run: Run, cell: Cell, side: Reference, k: int) -> dict[str, Terms]:
    """What each metric of one cell is made of, by its name in `METRICS`.

    Args:
        run: the cell's.
        cell: the cell.
        side: what it is measured against, and what it deploys.
        k: the size that reachable is over; no less than the draws that it chooses among.
    """
    folder = str(run.folder.resolve())
    pool, own = (folder, cell.pool or cell.name), (folder, cell.name)
    chosen = side.chosen
    if chosen is not None:
        deployed: Hashable = ("best of the pool", pool, chosen.n) if chosen.best else ("deployed", own)
        reachable: Hashable = ("best of the pool", pool, k)
    elif side.deployed is None:
        deployed, reachable = ("best of the pool", pool, 1), ("best of the pool", pool, k)
    else:
        deployed, reachable = ("deployed", own), ("best of the pool and what is deployed", own, k)
    return {"deployed": {deployed: 1}, "reachable": {reachable: 1}, "risk": less({reachable: 1}, {deployed: 1})}


def less(terms: Terms, others: Terms) -> Terms:
    """The first less the second, without what cancels."""
    sums = {one: terms.get(one, 0) - others.get(one, 0) for one in (*terms, *others)}
    return {one: sign for one, sign in sums.items() if sign}


def known_by_definition(differences: Mapping[str, tuple[Terms, Iterable[Hashable]]]) -> dict[str, str | None]:
    """Which metrics say nothing of their own: name → the earlier metric that it equals but for its sign; None: it is 0.

    Args:
        differences: name → what B − A is made of, and the items that it is measured on. On other items the same
            quantity is another test.
    """
    known: dict[str, str | None] = {}
    earlier: dict[Hashable, str] = {}
    for name, (terms, items) in differences.items():
        if not terms:
            known[name] = None
            continue
        either = frozenset((frozenset(terms.items()), frozenset((one, -sign) for one, sign in terms.items())))
        same = earlier.setdefault((either, frozenset(items)), name)
        if same != name:
            known[name] = same
    return known
