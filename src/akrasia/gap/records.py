"""What the gap is measured on: the labels of one arm's three stages, and a table of several arms.

Reading them from a file is left to `akrasia.interop`, from a run to `akrasia.runs`.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from akrasia.stats.grouping import BoolArray, FloatArray


class Stages(Struct, frozen=True):
    """Labels of one arm (mode): S scenarios by V values, grades in [0, 1], NaN where missing.

    Gold has the same form and the same rows and columns as what was judged; cells without a human label are NaN.

    Attributes:
        stated: (S, V) what the model says should guide it.
        reasoning: (S, V) what its reasoning expresses; None for an arm that has none.
        action: (S, V) what its action expresses and upholds.
        inclusion: (S,) for gold, the probability with which each scenario was drawn for labelling, in (0, 1]; None: all
            equal.
        betrayed: (S, V) how far the action betrays each value; None where nobody asked.
        asked: (S,) whether the arm was asked about the scenario at all; None: about every one. What was asked and is
            NaN is missing; what was not asked is no part of the arm.
    """

    stated: FloatArray
    reasoning: FloatArray | None
    action: FloatArray
    inclusion: FloatArray | None = None
    betrayed: FloatArray | None = None
    asked: BoolArray | None = None


class LabelTable(Struct, frozen=True):
    """The labels of several arms over the same scenarios and values.

    Attributes:
        scenarios: S ids, in order of appearance.
        values: V value ids, in order.
        modes: arm ("fast", "slow", "stated_first" …) → its labels, rows and columns as above.
        clusters: S labels of scenario families.
        domains: S labels.
        pressures: S labels ("none" for the neutral twin), "" where it is not known; None where none is.
        items: S labels: which rows are draws of one scenario; None: every row is a scenario of its own.
        texts: for gold, what people read: (scenario, mode, stage) → texts. It is for whoever holds the texts to check.
        places: for labels of a file, where they stand: (scenario, mode) → file and line.
    """

    scenarios: tuple[str, ...]
    values: tuple[str, ...]
    modes: Mapping[str, Stages]
    clusters: tuple[str, ...]
    domains: tuple[str, ...]
    pressures: tuple[str, ...] | None = None
    items: tuple[str, ...] | None = None
    texts: Mapping[tuple[str, str, str], tuple[str, ...]] | None = None
    places: Mapping[tuple[str, str], str] | None = None

    def place(self, scenario: str | None = None, mode: str | None = None) -> str:
        """How a message about labels begins: "FILE, line N: " of the first that fit, "" where they are of no file."""
        places = (self.places or {}).items()
        fitting = (at for (of, by), at in places if scenario in (None, of) and mode in (None, by))
        found = next(fitting, None)
        return "" if found is None else f"{found}: "
