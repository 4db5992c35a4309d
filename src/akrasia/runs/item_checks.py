"""What is refused of a suite's items before anything is bought, each with the place where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from akrasia.core import InputError, Item, Suite, Utility, UtilityUnavailable
from akrasia.runs.plan import is_judged
from akrasia.suites.jsonl import place_of
from akrasia.utilities import build_utility


@contextmanager
def told_at(where: str) -> Iterator[None]:
    """Names the place in what is refused within."""
    try:
        yield
    except InputError as error:
        raise type(error)(f"{where}: {error}") from None


def check_scored(item: Item, *, judged: bool) -> None:
    """Nothing when an item names a utility, or its suite is read by judges.

    Args:
        item: of a suite.
        judged: whether that is one for judges (`is_judged`).

    Raises:
        InputError: nothing could score it.
    """
    if item.utility is None and not judged:
        raise InputError(
            f'item {item.id!r} names no utility, so nothing could score it: give it "utility" '
            '("exact", "numeric" or "choice") and a "target"; for judges to read it, "addressee" in its "metadata"'
        )


def check_suite(suite: Suite) -> None:
    """Refuse what a run would refuse of the items themselves, whatever this machine lacks.

    Raises:
        InputError: an item names no utility or an unknown one, or lacks what its utility needs.
    """
    utilities: dict[str, Utility] = {}
    judged = is_judged(suite)
    try:
        for position, item in enumerate(suite.items):
            with told_at(place_of(suite.name, position)):
                check_scored(item, judged=judged)
                if item.utility is None:
                    continue
                if item.utility not in utilities:
                    utilities[item.utility] = build_utility(item.utility)
                try:
                    utilities[item.utility].check(item)
                except UtilityUnavailable:
                    continue  # no fault of the item
    finally:
        for utility in utilities.values():
            utility.close()
