"""The tests that a claim may name, each with the function that makes its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from akrasia.studies.audit import harms, rewrites, wins
from akrasia.studies.cells import Cells, Place
from akrasia.studies.definition import Claim
from akrasia.studies.deliberation import follows, moves
from akrasia.studies.evidence import Draft, above, change, returns
from akrasia.studies.pressure import presses

TESTS: dict[str, Callable[[Claim, Cells, Place], Iterator[Draft]]] = {
    "above": above,
    "change": change,
    "returns": returns,
    "moves": moves,
    "follows": follows,
    "presses": presses,
    "harms": harms,
    "rewrites": rewrites,
    "wins": wins,
}


def drafts(claim: Claim, cells: Cells) -> Iterator[Draft]:
    """The rows of a claim, one per cell or comparison, in the order of the configuration."""
    for place in cells.places:
        if not claim.speaks_at(place.suite):
            continue
        yield from TESTS[claim.test](claim, cells, place)
