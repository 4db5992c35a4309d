"""The utilities that can be chosen by name, and what the user may allow them."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from akrasia.core import Registry, Utility

ADHERENCE = "adherence"
"""What scores an item that names no utility: judges, who read it for values (`akrasia.utilities.adherence`)."""


class UtilityOptions(Struct, frozen=True):
    """What the user decided about utilities for a run.

    Attributes:
        allow_unsandboxed: model-written code may run without a sandbox where none can be had.
        votes: how often a judge is asked about one candidate; even, so that both orders are shown equally often.
    """

    allow_unsandboxed: bool = False
    votes: int = 4


UTILITIES: Registry[Callable[[UtilityOptions], Utility]] = Registry(
    "utility",
    "akrasia.utilities",
    {
        "choice": "akrasia.utilities.comparison:choice",
        "code": "akrasia.utilities.code:Code",
        "exact": "akrasia.utilities.comparison:exact",
        "label": "akrasia.utilities.label:Label",
        "math": "akrasia.utilities.math:Math",
        "numeric": "akrasia.utilities.comparison:numeric",
        "preference": "akrasia.utilities.preference:Preference",
        "reasoning": "akrasia.utilities.reasoning:Reasoning",
    },
)


def build_utility(name: str, options: UtilityOptions | None = None) -> Utility:
    """The utility of a name.

    Raises:
        InputError: no such name; the message lists near names.
    """
    return UTILITIES.get(name)(options or UtilityOptions())
