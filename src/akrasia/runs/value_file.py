"""Value labels that were made elsewhere: JSONL rows, one for each scenario and mode, checked at the door.

A row is ``{"scenario", "domain"?, "cluster"?, "pressure"?, "mode", "stated": {value: 0..1}, "reasoning": {…}|null,
"action": {…}, "betrayed"?: {…}, "inclusion"?, "texts"?}``. A value that is absent or null is missing, not 0. What a row
leaves out of domain, cluster and pressure is read off scenario ids of the form ``DOMAIN-NNN-PRESSURE``. `inclusion` and
`texts` are for gold: the probability with which the row was drawn, and what people were given to read, by stage.
Blank lines and a byte order mark are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta, structs
from numpy.typing import NDArray

from akrasia.core import InputError
from akrasia.core.decoding import Undecodable, decode_json
from akrasia.core.fields import repeated_key
from akrasia.core.judgement import PRESENT
from akrasia.gap.records import LabelTable, Stages
from akrasia.suites.valdi_families import NEUTRAL, PRESSURES
from akrasia.values import OBJECTIVITY, TAXONOMIES, taxonomy, valueeval_value

Labels = dict[str, float | bool | None]

KEYS = (
    "scenario",
    "domain",
    "cluster",
    "pressure",
    "mode",
    "stated",
    "reasoning",
    "action",
    "betrayed",
    "inclusion",
    "texts",
)
STAGES = ("stated", "reasoning", "action", "betrayed")
_SCENARIO_ID = re.compile(rf"(?P<family>(?P<domain>[a-z]+)-\d{{3}})-(?P<pressure>{'|'.join((NEUTRAL, *PRESSURES))})")
_KEBAB = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")

NEAR = 0.85
"""A name this like a known one is taken for a slip of the pen (1 is the same name)."""

OFTEN = 3
"""A name of the file's own on so many lines is meant."""


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    scenario: Annotated[str, Meta(min_length=1)] | int
    mode: Annotated[str, Meta(pattern=r"^[a-z0-9]+([-_:.][a-z0-9]+)*$")]
    domain: str | None = None
    cluster: str | int | None = None
    pressure: str | None = None
    stated: Labels | None = None
    reasoning: Labels | None = None
    action: Labels | None = None
    betrayed: Labels | None = None
    inclusion: Annotated[float, Meta(gt=0, le=1)] | None = None
    texts: msgspec.Raw = msgspec.Raw()


_Numbered = tuple[int, _Row]
"""A row and its line, from 1."""


def holds_value_labels(path: Path) -> bool:
    """Whether a file is one of value labels, by its first object; one of other labels, or no file, is not."""
    try:
        with path.open("rb") as file:
            first = next((line for line in file if line.strip(_BLANK)), b"")
        return "scenario" in decode_json(first, dict[str, msgspec.Raw])
    except (OSError, Undecodable):
        return False


def read_gold_labels(path: Path, *, of_run: bool) -> LabelTable:
    """Read human labels of values: 1 where the text upholds the value, 0 where it does not.

    Args:
        path: the file.
        of_run: whether it labels a run, whose modes and draws of one scenario share what is stated.

    Raises:
        InputError: as `read_labels`, a label that is neither 0 nor 1, lines of a run that contradict each other
            about what is stated in one scenario (both lines are named), or `texts` of a run that are none.
    """
    rows = _read_rows(path)
    _refuse_grades(path, rows)
    table = _table(path, rows)
    if not of_run:
        return table
    _refuse_contradictions(path, rows)
    return structs.replace(table, texts=_texts(path, rows))


def read_labels(path: Path) -> LabelTable:
    """Read a file of value labels.

    Names of values are ids of the shipped taxonomies, or ValueEval's column names, which are turned into ids. Any other
    kebab-case name is a value of the file's own, unless it looks like a slip: it resembles an id of the refined 19,
    or stands on a single line and resembles another name of the file.

    Returns:
        The table, with a mode's rows at the places of its scenarios: where a mode has no row for a scenario, it was not
        asked. Values without a label in the whole file are no columns of it.

    Raises:
        InputError: the file cannot be read, is empty, or a line is no such row, names an unknown key, a key or a value
            twice, a value wrongly, holds a grade outside [0, 1], says of a value that the action upholds and betrays
            it, repeats a scenario and mode (both lines are named), or disagrees with an earlier line about a
            scenario's domain, cluster or pressure.
    """
    return _table(path, _read_rows(path))


def _table(path: Path, rows: Sequence[_Numbered]) -> LabelTable:
    names = _Names(path)
    order: dict[str, int] = {}
    lines: dict[tuple[str, str], int] = {}
    about: dict[str, tuple[str, str, str]] = {}
    for number, row in rows:
        scenario = str(row.scenario)
        order.setdefault(scenario, len(order))
        before = lines.setdefault((scenario, row.mode), number)
        if before != number:
            raise InputError(
                f"{path}, line {number}: scenario {scenario!r} in mode {row.mode!r} stands already at line {before}"
            )
        placed = _place(row, scenario)
        if about.setdefault(scenario, placed) != placed:
            raise InputError(
                f"{path}, line {number}: scenario {scenario!r} has another domain, cluster or pressure than on an "
                "earlier line; a scenario has one of each"
            )
        for stage in STAGES:
            names.note(getattr(row, stage), number, stage)
        _refuse_both(path, number, row)
    names.refuse_slips()
    values = names.ids()
    if not values:
        raise InputError(f'{path} holds no label: write them as "stated": {{"achievement": 1}}')
    modes = {mode: _stages(rows, mode, order, names) for mode in dict.fromkeys(row.mode for _, row in rows)}
    domains, clusters, pressures = zip(*(about[scenario] for scenario in order), strict=True)
    places = {key: f"{path}, line {number}" for key, number in lines.items()}
    known_pressures = pressures if any(pressures) else None
    return LabelTable(tuple(order), values, modes, clusters, domains, known_pressures, places=places)


_MARK = b"\xef\xbb\xbf"
_BLANK = b" \t\r\n" + _MARK


def _read_rows(path: Path) -> list[_Numbered]:
    decoder = msgspec.json.Decoder(_Row)
    if not path.is_file():
        raise InputError(f"{path} does not exist: name a run folder, or a .jsonl file of value labels")
    rows: list[_Numbered] = []
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    for number, line in enumerate(content.removeprefix(_MARK).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            rows.append((number, decode_json(line, decoder)))
        except Undecodable as error:
            raise error.at(f"{path}, line {number}", f"expected an object with {', '.join(KEYS)}") from None
        twice = repeated_key(line)
        if twice is not None:
            raise InputError(f"{path}, line {number}: the key {twice!r} stands twice in one object: keep one of them")
    if not rows:
        raise InputError(f"{path} is empty; expected one JSON object a line with {', '.join(KEYS)}")
    return rows


def _refuse_both(path: Path, line: int, row: _Row) -> None:
    """A value cannot be upheld and betrayed: an action that does both is for whoever labels it to settle."""
    for value, grade in (row.betrayed or {}).items():
        acted = (row.action or {}).get(value)
        if grade is not None and acted is not None and min(grade, acted) > PRESENT:
            raise InputError(
                f"{path}, line {line}: {value} is {acted:g} in action and {grade:g} in betrayed; action means present "
                "and upheld, so one of them must be 0"
            )


def _refuse_grades(path: Path, rows: Sequence[_Numbered]) -> None:
    for line, row in rows:
        for stage in STAGES:
            for value, grade in (getattr(row, stage) or {}).items():
                if grade not in (None, 0, 1):
                    raise InputError(
                        f"{path}, line {line}, {stage}: {value} is {grade:.15g}; gold is 1 where the text upholds "
                        "the value and 0 where it does not: decide, or leave it null"
                    )


def _refuse_contradictions(path: Path, rows: Sequence[_Numbered]) -> None:
    """One scenario's statements are the same in all modes and draws, so their labels are, too."""
    said: dict[tuple[str, str], tuple[float, int]] = {}
    for line, row in rows:
        scenario = str(row.scenario).rpartition("#")[0] or str(row.scenario)
        for value, grade in (row.stated or {}).items():
            if grade is None:
                continue
            before, at = said.setdefault((scenario, value), (grade, line))
            if before != grade:
                raise InputError(
                    f"{path}, line {line}: {value} is {grade:g} in stated, and {before:g} on line {at}; all modes and "
                    f"draws of {scenario} share these statements: label them alike, or once"
                )


def _texts(path: Path, rows: Sequence[_Numbered]) -> dict[tuple[str, str, str], tuple[str, ...]]:
    """What was read, of the stages in which a row labels something; rows need not say it."""
    read = msgspec.json.Decoder(dict[str, list[str] | str] | None).decode
    found: dict[tuple[str, str, str], tuple[str, ...]] = {}
    for line, row in rows:
        try:
            texts = (read(row.texts) if row.texts else None) or {}
        except msgspec.DecodeError as error:
            raise InputError(
                f'{path}, line {line}, texts: {error}; expected {{"action": ["what was read"]}}, or no texts at all'
            ) from None
        for stage, text in texts.items():
            labels = getattr(row, stage, None) if stage in STAGES else None
            if labels and any(grade is not None for grade in labels.values()):
                found[str(row.scenario), row.mode, stage] = (text,) if isinstance(text, str) else tuple(text)
    return found


def _place(row: _Row, scenario: str) -> tuple[str, str, str]:
    """Domain, cluster and pressure of a row's scenario."""
    found = _SCENARIO_ID.fullmatch(scenario)
    told: Mapping[str, str] = found.groupdict() if found else {}
    domain = row.domain if row.domain is not None else told.get("domain", "")
    pressure = row.pressure if row.pressure is not None else told.get("pressure", "")
    cluster = str(row.cluster) if row.cluster is not None else told.get("family", scenario)
    return domain, cluster, pressure


@cache
def _known() -> tuple[str, ...]:
    """Ids of all shipped taxonomies, those of the refined 19 first, and ValueEval's twentieth category."""
    found = dict.fromkeys(value for name in TAXONOMIES for value in taxonomy(name).ids)
    return (*found, OBJECTIVITY.id)


class _Names:
    """The names of values in a file: what each stands for, and on which lines it has labels."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.id_of: dict[str, str] = {}
        self.lines: dict[str, set[int]] = {}

    def note(self, labels: Labels | None, line: int, stage: str) -> None:
        """Check the labels of one stage of one line."""
        seen: dict[str, str] = {}
        for name, grade in (labels or {}).items():
            if name not in self.id_of:
                self.id_of[name] = self._resolve(name, line)
            value = self.id_of[name]
            if value in seen:
                raise InputError(f"{self.path}, line {line}, {stage}: {seen[value]!r} and {name!r} are the same value")
            seen[value] = name
            if grade is not None and not 0 <= grade <= 1:
                raise InputError(f"{self.path}, line {line}, {stage}: {name} is {grade:.15g}; it must lie in [0, 1]")
            if grade is not None:
                self.lines.setdefault(value, set()).add(line)

    def _resolve(self, name: str, line: int) -> str:
        if name in _known():
            return name
        try:
            return valueeval_value(name).id
        except InputError:  # neither an id nor a column: a value of the file's own
            pass
        if not _KEBAB.fullmatch(name):
            raise InputError(
                f"{self.path}, line {line}: {name!r} is no known value; write a name of your own in kebab-case, as "
                "in 'professional-secrecy'"
            )
        near = get_close_matches(name, (*taxonomy().ids, OBJECTIVITY.id), n=1, cutoff=NEAR)
        if near:
            raise InputError(f"{self.path}, line {line}: unknown value {name!r}; did you mean {near[0]!r}?")
        return name

    def refuse_slips(self) -> None:
        """Refuse a name of the file's own that stands on one line and resembles another that stands on several."""
        often = [value for value, lines in self.lines.items() if len(lines) >= OFTEN]
        for value, lines in self.lines.items():
            if len(lines) > 1 or value in _known():
                continue
            near = get_close_matches(value, often, n=1, cutoff=NEAR)
            if near:
                raise InputError(
                    f"{self.path}, line {min(lines)}: value {value!r} stands on no other line and looks like "
                    f"{near[0]!r}; use one name throughout"
                )

    def ids(self) -> tuple[str, ...]:
        """The values with a label: known ones in the order of their taxonomy, then the file's own as they appear."""
        known = [value for value in _known() if value in self.lines]
        return (*known, *(value for value in self.lines if value not in known))


def _stages(rows: Sequence[_Numbered], mode: str, order: Mapping[str, int], names: _Names) -> Stages:
    """The labels of one mode, at the places of their scenarios."""
    columns = {value: column for column, value in enumerate(names.ids())}
    arrays = {stage: np.full((len(order), len(columns)), np.nan) for stage in STAGES}
    asked = np.zeros(len(order), dtype=np.bool_)
    inclusion = np.full(len(order), np.nan)
    for _, row in rows:
        if row.mode != mode:
            continue
        place = order[str(row.scenario)]
        asked[place] = True
        if row.inclusion is not None:
            inclusion[place] = row.inclusion
        for stage, array in arrays.items():
            for name, grade in (getattr(row, stage) or {}).items():
                if grade is not None:
                    array[place, columns[names.id_of[name]]] = float(grade)
    return Stages(
        stated=arrays["stated"],
        reasoning=_where_any(arrays["reasoning"]),
        action=arrays["action"],
        inclusion=None if np.isnan(inclusion).all() else inclusion,
        betrayed=_where_any(arrays["betrayed"]),
        asked=asked,
    )


def _where_any(labels: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """A stage in which not one label is known does not exist."""
    return None if np.isnan(labels).all() else labels
