"""The largest gaps of a group as cards: which scenarios, which draw of them, and where their evidence stands.

One card per scenario and, as long as there are others, per family: the draw whose action has least of what was stated.
The texts are whole or cut at a stated length; how they look is the templates'.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec

from akrasia.core import Reading, Stage
from akrasia.report.items import MOST_CHARACTERS
from akrasia.report.value_content import Card, Passage, Piece, Tag, ValuePath
from akrasia.report.value_wording import value_name

if TYPE_CHECKING:
    import numpy as np

    from akrasia.core.cell import Cell
    from akrasia.gap import Stages
    from akrasia.runs.reader import Run, StoredCandidate, StoredItem
    from akrasia.runs.value_estimates import ValueEstimate
    from akrasia.values import Taxonomy

MOST_CARDS = 10
"""Of one group."""

_readings = msgspec.json.Decoder(dict[str, Reading]).decode

Span = tuple[int, int, Tag]
"""Where evidence stands in a text: from, to, and for what."""


class _Place(msgspec.Struct, frozen=True):
    """An action: which arm, which row of its labels, which draw."""

    mode: str
    row: int
    sample: int
    adherence: float
    best: float
    betrayed: int
    wanted: int
    reasons: bool

    def rank(self) -> tuple[float, int, int, float, bool, int]:
        """Larger is a larger gap; of equal ones, the one that another draw avoids, then the one that reasons."""
        return (-self.adherence, self.betrayed, self.wanted, self.best, self.reasons, -self.sample)


def choose_cards(run: Run, found: ValueEstimate, taxonomy: Taxonomy, threshold: float) -> tuple[tuple[Card, ...], int]:
    """The cards of a group, worst first, and how many families they were chosen from.

    Only actions that fall short of what was stated are gaps: a group without any has no cards.
    """
    places = _worst(found, threshold)
    items = found.group.items
    order = sorted(places, key=lambda scenario: places[scenario].rank(), reverse=True)
    seen: set[str] = set()
    first: list[int] = []
    second: list[int] = []
    for scenario in order:
        family = items[scenario].cluster or items[scenario].id
        (second if family in seen else first).append(scenario)
        seen.add(family)
    chosen = (first + second)[:MOST_CARDS]
    evidence = _evidence(run, found, {(scenario, places[scenario]) for scenario in chosen})
    cards = []
    for scenario in sorted(chosen, key=order.index):
        cards.append(_card(run, found, taxonomy, threshold, scenario, places[scenario], evidence))
    return tuple(cards), len({item.cluster or item.id for item in items})


def _worst(found: ValueEstimate, threshold: float) -> dict[int, _Place]:
    """Scenario → its worst action over all arms and draws, where that is a gap."""
    import numpy as np

    from akrasia.gap.overlap import scenario_f1

    scenarios = len(found.group.items)
    worst: dict[int, _Place] = {}
    for mode, stages in found.table.modes.items():
        deep = len(stages.stated) // max(1, scenarios)
        stated = stages.stated.reshape(scenarios, deep, -1)[:, 0]
        actions = stages.action.reshape(scenarios, deep, -1)
        utilities = scenario_f1(stated, actions, threshold=threshold)
        wanted = stated >= threshold
        betrays = np.zeros(actions.shape, dtype=bool)
        if stages.betrayed is not None:
            betrays = np.nan_to_num(stages.betrayed).reshape(actions.shape) >= threshold
        against = (betrays & wanted[:, None]).sum(axis=2)
        for scenario in range(scenarios):
            known = [draw for draw in range(deep) if utilities[scenario, draw] < 1]  # a missing one is not below 1
            best = float(np.nanmax(utilities[scenario])) if known else 0.0
            for draw in known:
                place = _Place(
                    mode, scenario * deep + draw, draw, float(utilities[scenario, draw]), best,
                    int(against[scenario, draw]), int(wanted[scenario].sum()), stages.reasoning is not None,
                )  # fmt: skip
                if scenario not in worst or place.rank() > worst[scenario].rank():
                    worst[scenario] = place
    return worst


Evidence = Mapping[tuple[str, Stage, int, int], list[tuple[Tag, str]]]
"""(cell, stage, position, sample) → what the judges quote there."""


def _evidence(run: Run, found: ValueEstimate, chosen: Iterable[tuple[int, _Place]]) -> Evidence:
    """The quotations of all judges in the texts of the chosen actions, and of the statements beside them."""
    group = found.group
    wanted: dict[tuple[str, Stage, int, int], list[tuple[Tag, str]]] = {}
    for scenario, place in chosen:
        position = group.items[scenario].position
        for stage in ("action", "reasoning"):
            wanted[(group.modes[place.mode].name, stage, position, place.sample)] = []
        wanted[(group.stated.name, "stated", position, _statement(group.stated, place))] = []
    cells = {cell.name: cell for cell in (group.stated, *group.modes.values())}
    for name, stage in {key[:2] for key in wanted}:
        for row in run.judgements(cells[name], stage):
            quotations = wanted.get((name, stage, row.position, row.sample))
            if quotations is None or row.repeat != 0:
                continue
            for value, reading in _readings(row.readings).items():
                if reading.evidence and (reading.upheld or reading.polarity == "betrays"):
                    found_here = (Tag(value, str(reading.polarity)), reading.evidence)
                    if found_here not in quotations:
                        quotations.append(found_here)
    return wanted


def _statement(stated: Cell, place: _Place) -> int:
    """Which statement stands beside an action: its own where there is one for every draw."""
    return place.sample if place.sample < max(1, stated.samples) else 0


def _card(
    run: Run,
    found: ValueEstimate,
    taxonomy: Taxonomy,
    threshold: float,
    scenario: int,
    place: _Place,
    evidence: Evidence,
) -> Card:
    group = found.group
    item, cell = group.items[scenario], group.modes[place.mode]
    names = {value: value_name(taxonomy, value) for value in group.values}

    def passage(cell: Cell, stage: Stage, sample: int) -> Passage | None:
        candidate = _candidate(run, cell, item, sample)
        text = None if candidate is None else candidate.reasoning if stage == "reasoning" else candidate.text
        quoted = evidence.get((cell.name, stage, item.position, sample), [])
        named = [(Tag(names.get(tag.value, tag.value), tag.polarity), span) for tag, span in quoted]
        return None if text is None else mark(text, named)

    reasons = found.table.modes[place.mode].reasoning is not None
    return Card(
        id=item.id,
        domain=str(item.metadata.get("domain", "")),
        pressure=str(item.metadata.get("pressure", "")),
        addressee=str(item.metadata.get("addressee", "")),
        mode=place.mode,
        sample=place.sample,
        draws=cell.samples,
        adherence=place.adherence,
        best=place.best,
        scenario=mark(item.input[-1].content if item.input else "", []),
        stated=passage(group.stated, "stated", _statement(group.stated, place)),
        reasoning=passage(cell, "reasoning", place.sample) if reasons else None,
        action=passage(cell, "action", place.sample),
        stated_in=max(1, group.stated.samples),
        paths=_paths(found.table.modes[place.mode], place.row, names, threshold),
    )


def _candidate(run: Run, cell: Cell, item: StoredItem, sample: int) -> StoredCandidate | None:
    return next((one for one in run.candidates(cell, item.position) if one.sample == sample), None)


def mark(text: str, quoted: Sequence[tuple[Tag, str]], most: int = MOST_CHARACTERS) -> Passage:
    """A text with its evidence in place.

    Args:
        text: as the judge read it.
        quoted: what is evidence for what. It has to stand in the text, word for word or as judges' quotations are
            compared (see `akrasia.judges.llm_reply.find_evidence`); the first place counts.
        most: characters that are shown.
    """
    from akrasia.judges.llm_reply import find_evidence

    spans: list[Span] = []
    unplaced, beyond = [], []
    for tag, words in quoted:
        verbatim = words if words in text else find_evidence(words, text)
        if verbatim is None:
            unplaced.append(tag)
            continue
        start = text.find(verbatim)
        if start + len(verbatim) > most:
            beyond.append(tag)
        else:
            spans.append((start, start + len(verbatim), tag))
    edges = sorted({0, min(len(text), most), *(edge for start, end, _ in spans for edge in (start, end))})
    pieces = tuple(
        Piece(
            text[left:right],
            tuple(tag for start, end, tag in spans if start <= left and right <= end),
            tuple(tag for _, end, tag in spans if end == right),
        )
        for left, right in pairwise(edges)
    )
    return Passage(pieces, max(0, len(text) - most), tuple(beyond), tuple(unplaced))


def _paths(stages: Stages, row: int, names: Mapping[str, str], threshold: float) -> tuple[ValuePath, ...]:
    """The values that any stage of an action shows, in the order in which a reader asks for them."""
    paths = []
    for column, name in enumerate(names.values()):
        stated = _state(stages.stated[row, column], 0.0, threshold)
        reasoning = None if stages.reasoning is None else _state(stages.reasoning[row, column], 0.0, threshold)
        against = 0.0 if stages.betrayed is None else stages.betrayed[row, column]
        action = _state(stages.action[row, column], against, threshold)
        outcome = _outcome(stated, action)
        if outcome is not None or reasoning == "upheld":
            paths.append(ValuePath(name, stated, reasoning, action, outcome or "passing"))
    order = ("betrayed", "lost", "unread", "kept", "added", "passing")
    return tuple(sorted(paths, key=lambda path: order.index(path.outcome)))


def _state(grade: np.float64, against: np.float64 | float, threshold: float) -> str:
    if grade != grade:
        return "unread"
    if grade >= threshold:
        return "upheld"
    return "betrayed" if against >= threshold else "absent"


def _outcome(stated: str, action: str) -> str | None:
    if stated == "upheld":
        return {"upheld": "kept", "absent": "lost", "betrayed": "betrayed", "unread": "unread"}[action]
    return {"upheld": "added", "betrayed": "passing"}.get(action)
