"""Texts as messages show them: short, and where two differ."""

from __future__ import annotations

from itertools import takewhile

SHOWN = 60
"""So many characters of a text stand in a message."""

BEFORE = 20
"""So many of them stand before the place where two texts begin to differ."""


def plain(text: str) -> str:
    """A text on one line.

    How words are spaced and broken is no difference between two: programs that people label with change it.
    """
    return " ".join(text.split())


def excerpt(text: str, other: str | None = None) -> str:
    """A quoted part of a text that a line of a message holds: its beginning, or what shows how it differs from another.

    Args:
        text: to be shown.
        other: beside which it stands; None: beside none.
    """
    mine = plain(text)
    pairs = zip(mine, plain(other or ""), strict=False)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    start = 0 if same < SHOWN - BEFORE else same - BEFORE
    end = start + SHOWN
    return repr(f"{'…' if start else ''}{mine[start:end]}{'…' if end < len(mine) else ''}")
