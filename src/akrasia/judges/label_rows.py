"""Texts and gold labels in JSONL files, one text a line.

A row is ``{"id", "text", "values"?: {name: 0|1}, "cluster"?, "author"?, "paraphrase_of"?}``; what `akrasia judge label`
writes besides is known and passed over, so that one judge's labels can be another's gold.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from akrasia.core import InputError
from akrasia.core.decoding import Undecodable, decode_json
from akrasia.core.registry import near_names
from akrasia.values import OBJECTIVITY, Taxonomy, taxonomy

_WRITTEN = ("judge", "readings", "unread", "order", "missing")
"""Keys of `akrasia judge label` that say nothing about gold."""


class TextRow(Struct, frozen=True):
    """One line.

    Attributes:
        id: unique in its file.
        text: what is judged.
        values: name → 1 (the text upholds it) or 0; an absent or null value is not labelled.
        cluster: texts of one cluster belong together; None: the text is its own.
        author: the model that wrote it, for the self-preference check.
        paraphrase_of: the id of the text that it says in other words.
    """

    id: str | int
    text: Annotated[str, Meta(min_length=1)]
    values: dict[str, float | None] = {}
    cluster: str | int | None = None
    author: str | None = None
    paraphrase_of: str | int | None = None


class GoldTexts(Struct, frozen=True):
    """Texts with human labels.

    Attributes:
        path: where they come from.
        rows: R of them.
        taxonomy: the values that a judge is asked for, V of them.
        truth: (R, V), 1 or 0, NaN where there is no label.
    """

    path: Path
    rows: tuple[TextRow, ...]
    taxonomy: Taxonomy
    truth: NDArray[np.float64]

    @property
    def texts(self) -> list[str]:
        """The texts, in order."""
        return [row.text for row in self.rows]

    @property
    def clusters(self) -> list[str]:
        """A cluster per row: the one that is named, or that of the text that it paraphrases, or its own."""
        by_id = {str(row.id): row for row in self.rows}
        names = []
        for row in self.rows:
            original = row if row.paraphrase_of is None else by_id[str(row.paraphrase_of)]
            cluster = original.cluster if row.cluster is None else row.cluster
            names.append(f"text {original.id}" if cluster is None else f"cluster {cluster}")
        return names

    @property
    def labelled(self) -> list[int]:
        """The columns with any label."""
        return [column for column in range(self.truth.shape[1]) if not np.isnan(self.truth[:, column]).all()]


def read_texts_file(path: Path) -> list[TextRow]:
    """The rows of a file.

    Raises:
        InputError: it cannot be read, is empty, or a line is wrong; the message names file and line.
    """
    try:
        content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    rows: list[TextRow] = []
    first_line: dict[str, int] = {}
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        row = _row(line, f"{path}, line {number}")
        if str(row.id) in first_line:
            raise InputError(
                f"{path}, line {number}: id {str(row.id)!r} is already used in line {first_line[str(row.id)]}: "
                "give every text its own"
            )
        first_line[str(row.id)] = number
        rows.append(row)
    if not rows:
        raise InputError(f'{path} has no rows: write one {{"id", "text"}} a line')
    for row in rows:
        if row.paraphrase_of is not None and str(row.paraphrase_of) not in first_line:
            where = f"{path}, line {first_line[str(row.id)]}"
            raise InputError(f"{where}: it paraphrases {str(row.paraphrase_of)!r}, which is not in the file")
    return rows


def read_gold_texts(path: Path, base: Taxonomy | None = None) -> GoldTexts:
    """Gold labels from a file.

    Args:
        path: JSONL.
        base: the values that names mean; None: the refined 19, and the twentieth category of ValueEval where the file
            labels it. Aliases are known (ValueEval's column names).

    Raises:
        InputError: as `read_texts_file`, an unknown value, one labelled twice in a row, or no label at all.
    """
    rows = read_texts_file(path)
    values = base or _refined(rows)
    truth = np.full((len(rows), len(values.ids)), np.nan)
    for number, row in enumerate(rows):
        for name, label in row.values.items():
            where = f"{path}, text {str(row.id)!r}"
            try:
                column = values.ids.index(values.find(name).id)
            except InputError as error:
                raise InputError(f"{where}: {error}") from None
            if label is None:
                continue
            if label not in (0, 1):
                raise InputError(f"{where}: {name!r} is {label:g}: a label is 0 or 1")
            if not np.isnan(truth[number, column]):
                raise InputError(f"{where}: {values.ids[column]!r} is labelled twice, the second time as {name!r}")
            truth[number, column] = label
    if np.isnan(truth).all():
        raise InputError(f'{path} holds no label: give rows "values": {{name: 0 or 1}}')
    return GoldTexts(path, tuple(rows), values, truth)


def _refined(rows: Sequence[TextRow]) -> Taxonomy:
    refined = taxonomy()
    if any(name in Taxonomy("objectivity", (OBJECTIVITY,)) for row in rows for name in row.values):
        return Taxonomy("valueeval-20", (*refined.values, OBJECTIVITY), "The 20 categories of ValueEval")
    return refined


def _row(line: bytes, where: str) -> TextRow:
    try:
        found: Any = decode_json(line, Any)
    except Undecodable as error:
        raise error.at(where, "write one whole object a line") from None
    known = list(TextRow.__struct_fields__)
    if isinstance(found, dict):
        for key in found:
            if key not in known and key not in _WRITTEN:
                raise InputError(f"{where}: unknown key {key!r}{near_names(str(key), known)}")
        found = {key: held for key, held in found.items() if key in known}
        labels = found.get("values")
        if isinstance(labels, dict):  # true and false are labels too
            found["values"] = {name: int(held) if isinstance(held, bool) else held for name, held in labels.items()}
    try:
        row = msgspec.convert(found, TextRow)
    except msgspec.ValidationError as error:
        raise InputError(f"{where}: {error}") from None
    if not row.text.strip():
        raise InputError(f"{where}: the text is empty: there is nothing to judge")
    return row
