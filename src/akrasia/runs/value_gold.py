"""Gold for a value run: drawing the scenarios whose texts people are to read, and the file that they fill in.

A person reads all texts of a drawn scenario, since a correction needs what was stated and what was done of the same
one. The file has the form of `akrasia.interop.read_labels`, with the texts beside, and goes to ``akrasia gap RUN
--gold FILE`` as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from akrasia.core import InputError
from akrasia.runs.excerpts import excerpt, plain
from akrasia.runs.value_labels import Arms, arms
from akrasia.stats.diagnostic import Diagnostic

if TYPE_CHECKING:
    from akrasia.core.cell import Cell
    from akrasia.gap.records import LabelTable
    from akrasia.runs.reader import Run

Labels = dict[str, None]


class ValueGoldRow(msgspec.Struct, frozen=True):
    """One mode of one drawn scenario, to be labelled.

    Attributes:
        scenario: the item's id and the number of the draw.
        mode: the strategy that acted.
        domain, cluster, pressure: of the scenario.
        inclusion: probability with which it was drawn.
        stated: to fill in with 1 where at least half of the statements uphold the value, 0 where not. The same for all
            modes of a scenario: once is enough.
        reasoning, action: to fill in with 1 where that text upholds the value, 0 where not; None: there is no text.
        texts: what there is to read.
    """

    scenario: str
    mode: str
    domain: str
    cluster: str
    pressure: str
    inclusion: float
    stated: Labels
    reasoning: Labels | None
    action: Labels
    texts: dict[str, list[str]]


def is_value_run(run: Run) -> bool:
    """Whether a run states values."""
    try:
        arms(run)
    except InputError:
        return False
    return True


def value_gold_rows(run: Run, labels: int, seed: int) -> list[ValueGoldRow]:
    """Draw actions at random, each with all texts of its scenario's draw, until about so many texts are to be read.

    Args:
        run: a value run of one group of cells.
        labels: texts that can be read, about.
        seed: of the draw.

    Raises:
        InputError: nothing acted yet, several groups (whose texts one file could not tell apart), or too few labels
            for one draw.
    """
    groups = [group for group in arms(run) if group.modes]
    if len(groups) != 1:
        named = ", ".join(group.name for group in groups) or "none"
        raise InputError(f"gold is drawn for one model and sampling at a time, and {run.folder} has: {named}")
    (group,) = groups
    drawn = sorted({place for cell in group.modes.values() for place in run.drawn(cell)})
    each = len(list(_texts(run, group, *drawn[0]))) if drawn else 0
    if not each:
        raise InputError(f"{run.folder} holds no actions yet: go on with its `akrasia run`")
    number = min(labels // each, len(drawn))
    if number < 1:
        raise InputError(f"one draw of this run has {each} texts: ask for at least that many labels")
    rng = np.random.default_rng(seed)
    chosen = sorted(rng.choice(len(drawn), number, replace=False))
    share = number / len(drawn)
    return [row for index in chosen for row in _rows(run, group, drawn[index], share)]


def check_gold_texts(run: Run, group: Arms, gold: LabelTable) -> Diagnostic | None:
    """Whether what people read is what the run holds. Labels that do not say what was read are taken as they are.

    Returns:
        What to know where statements were added after the labels; None where all is as it was.

    Raises:
        InputError: a labelled text is not the run's own at that scenario, draw, mode and stage.
    """
    place_of = {item.id: item.position for item in group.items}
    outgrown: tuple[int, int] | None = None
    for (scenario, mode, stage), texts in (gold.texts or {}).items():
        item, _, draw = scenario.rpartition("#")
        if item not in place_of or mode not in group.modes or not draw.isdecimal():
            continue  # no row of this run: refused where gold and labels are aligned
        mine = [
            text for of, at, text in _texts(run, group, place_of[item], int(draw)) if at == stage and of in ("", mode)
        ]
        foreign = _foreign(texts, mine)
        if foreign is not None:
            own = f"{run.folder} {excerpt(mine[0], foreign) if mine else 'there is none'}"
            shown = excerpt(foreign, mine[0] if mine else None)
            raise InputError(
                f"{gold.place(scenario, mode)}gold of {scenario} in mode {mode!r} was given to another text than this "
                f"run's: its {stage} text reads {shown}, and in {own}; draw gold of this run with "
                f"akrasia gold sample {run.folder}, or give the run that it was drawn from"
            )
        if len(texts) < len(mine):
            outgrown = len(texts), len(mine)
    if outgrown is None:
        return None
    return Diagnostic(
        "gold_outgrown",
        f"what is stated was labelled when a scenario had {outgrown[0]} statement{'s' * (outgrown[0] > 1)}, and this "
        f"run has {outgrown[1]}: gold speaks of the first of them, and the figures of all; draw and label them anew",
        "warning",
    )


def _foreign(read: Sequence[str], mine: Sequence[str]) -> str | None:
    """A text that was read and is none of the run's. How words are spaced and broken is no difference."""
    left = Counter(map(plain, mine))
    for text in read:
        if not left[plain(text)]:
            return text
        left[plain(text)] -= 1
    return None


def texts_of(rows: list[ValueGoldRow]) -> int:
    """How many texts a person reads in these rows; statements, which all rows of a scenario share, count once."""
    stated = {row.scenario.rpartition("#")[0]: len(row.texts.get("stated", ())) for row in rows}
    own = sum(len(found) for row in rows for stage, found in row.texts.items() if stage != "stated")
    return own + sum(stated.values())


def write_value_gold(rows: list[ValueGoldRow], path: Path) -> None:
    """Write the file that is to be labelled.

    Raises:
        InputError: it exists already (it may hold labels), is not .jsonl, or cannot be written.
    """
    if path.suffix.lower() not in (".jsonl", ".ndjson"):
        raise InputError(f"{path}: gold of a value run holds whole texts: name a .jsonl file")
    if path.exists():
        raise InputError(f"{path} exists and may hold labels: name another file, or move it away")
    try:
        with path.open("xb") as file:
            file.writelines(msgspec.json.encode(row) + b"\n" for row in rows)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from None


def _texts(run: Run, group: Arms, position: int, draw: int) -> Iterator[tuple[str, str, str]]:
    """Mode ("" for all), stage and text of everything that belongs to one draw of one scenario."""
    for candidate in run.candidates(group.stated, position):
        if candidate.text:
            yield "", "stated", candidate.text
    for mode, cell in group.modes.items():
        for candidate in run.candidates(cell, position):
            if candidate.sample == draw and candidate.text:
                if candidate.reasoning and _reasons(cell):
                    yield mode, "reasoning", candidate.reasoning
                yield mode, "action", candidate.text


def _reasons(cell: Cell) -> bool:
    return cell.strategy.partition(":")[0] != "fast"


def _rows(run: Run, group: Arms, place: tuple[int, int], share: float) -> Iterator[ValueGoldRow]:
    position, draw = place
    item = next(item for item in group.items if item.position == position)
    found = list(_texts(run, group, position, draw))
    blank: Labels = dict.fromkeys(group.values)
    for mode in group.modes:
        texts: dict[str, list[str]] = {}
        for of, stage, text in found:
            if of in ("", mode):
                texts.setdefault(stage, []).append(text)
        if "action" not in texts:
            continue
        yield ValueGoldRow(
            scenario=f"{item.id}#{draw}",
            mode=mode,
            domain=str(item.metadata.get("domain", "")),
            cluster=item.cluster or item.id,
            pressure=str(item.metadata.get("pressure", "")),
            inclusion=share,
            stated=blank,
            reasoning=blank if "reasoning" in texts else None,
            action=blank,
            texts=texts,
        )
