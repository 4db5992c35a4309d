"""Short names for what a report shows side by side, and names without what must not be shown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from akrasia.report.wording import model_name

_SECRET = re.compile(r"(?<=://)[^/\s@]+@")
"""User and password inside an address: the one place where a run's own records may carry a secret."""


def public(text: str) -> str:
    """A name or a command without the user and password of an address in it."""
    return _SECRET.sub("", text)


def bare_names(models: Sequence[str]) -> list[str]:
    """Models' own names without backend and address, and without path or module where that still tells them apart."""
    full = [model_name(model) for model in models]
    last = [
        name.rpartition(":")[2] if model.startswith("scripted:") else name.rpartition("/")[2]
        for model, name in zip(models, full, strict=True)
    ]
    return last if all(last) and len(set(last)) == len(set(full)) else full


def told_apart(columns: Sequence[Sequence[str]], names: Sequence[str], *, usual: int, spare: int = 0) -> list[str]:
    """A label for each of several things, made from what they differ in.

    Args:
        columns: one per property, each with a text per thing; "" is left out of a label.
        names: full names, which tell apart what the properties do not.
        usual: so many columns, the first, make the label where the things differ in none.
        spare: so many columns, the last, are used only where the others do not tell all apart.
    """
    if spare:
        labels = told_apart(columns[:-spare], [""] * len(names), usual=usual)
        if len(set(labels)) == len(labels):
            return labels
    differing = [column for column in columns if len({text for text in column if text}) > 1] or columns[:usual]
    labels = [" · ".join(column[place] for column in differing if column[place]) for place in range(len(names))]
    twice = {label for label, times in Counter(labels).items() if times > 1}
    return [f"{label} · {name}" if label in twice else label for label, name in zip(labels, names, strict=True)]
