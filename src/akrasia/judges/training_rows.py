"""The labelled texts that the encoder's head is trained and tuned on: ValueEval's arguments and our own sentences.

Rows that belong together (the arguments on one conclusion, the sentences of one family) are never split.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from msgspec import Struct

from akrasia.core import InputError
from akrasia.core.decoding import Undecodable, decode_json
from akrasia.core.fields import check_utf8
from akrasia.judges.encoder_head import CATEGORIES, Floats
from akrasia.values import VALUEEVAL_COLUMNS

SENTENCES = Path(__file__).parent / "data" / "sentences.jsonl"
"""The shipped sentences."""

Record = TypeVar("Record")


class Sentence(Struct, frozen=True, forbid_unknown_fields=True):
    """One labelled sentence of our own.

    Attributes:
        id: stable and unique.
        family: the situation that it belongs to.
        domain: health, education, work, money or relationships; "mixed" for families of one.
        kind: said to somebody (dialogue) or of oneself (first-person); "mixed" where that was not noted.
        part: what it may be used for.
        text: one or two sentences.
        upholds, betrays: the value ids that it expresses; both empty: it expresses none.
    """

    id: str
    family: str
    domain: str
    kind: Literal["dialogue", "first-person", "mixed"]
    part: Literal["train", "heldout"]
    text: str
    upholds: tuple[str, ...]
    betrays: tuple[str, ...]


class SentencesHead(Struct, frozen=True, forbid_unknown_fields=True):
    """The first line of a file of sentences."""

    canary: str
    licence: str
    origin: str
    taxonomy: str
    language: str
    version: str


class Rows(Struct, frozen=True):
    """Texts with labels.

    Attributes:
        texts: N of them.
        groups: (N,) which rows belong together.
        upholds: (N, 20) 0/1: the text upholds the value, or, for an argument, appeals to it.
        betrays: (N, 20) 0/1; all 0 for arguments.
    """

    texts: tuple[str, ...]
    groups: tuple[str, ...]
    upholds: Floats
    betrays: Floats

    def __len__(self) -> int:
        return len(self.texts)


def read_sentences(path: Path = SENTENCES) -> list[Sentence]:
    """The labelled sentences in a file whose first line describes it.

    Raises:
        InputError: the file cannot be read, or a line is not a sentence; the message says which.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    _decode(lines[0] if lines else b"", SentencesHead, f"{path}, line 1")
    found = [_decode(line, Sentence, f"{path}, line {number}") for number, line in enumerate(lines[1:], start=2)]
    for number, sentence in enumerate(found, start=2):
        for value in (*sentence.upholds, *sentence.betrays):
            if value not in CATEGORIES:
                raise InputError(f"{path}, line {number}: unknown value {value!r}: use ids of schwartz-19")
    return found


def _decode(line: bytes, form: type[Record], where: str) -> Record:
    try:
        return decode_json(line, form)
    except Undecodable as error:
        raise error.at(where) from None


def sentence_rows(sentences: Sequence[Sentence], part: str) -> Rows:
    """The rows of one part, grouped by family."""
    chosen = [sentence for sentence in sentences if sentence.part == part]
    return Rows(
        tuple(sentence.text for sentence in chosen),
        tuple(sentence.family for sentence in chosen),
        np.array([[float(value in one.upholds) for value in CATEGORIES] for one in chosen]),
        np.array([[float(value in one.betrays) for value in CATEGORIES] for one in chosen]),
    )


def valueeval_rows(folder: Path, split: str) -> Rows:
    """The premises of one split of Touché23-ValueEval with their labels, grouped by conclusion.

    Args:
        folder: holds ``arguments-SPLIT.tsv`` and ``labels-SPLIT.tsv``.
        split: "training" or "validation".

    Raises:
        InputError: a file cannot be read, lacks a column, or the two do not list the same arguments.
    """
    arguments = _table(folder / f"arguments-{split}.tsv", ("Argument ID", "Conclusion", "Premise"))
    labels = _table(folder / f"labels-{split}.tsv", ("Argument ID", *VALUEEVAL_COLUMNS))
    by_id = {row["Argument ID"]: row for row in labels}
    if {row["Argument ID"] for row in arguments} != by_id.keys():
        raise InputError(f"{folder}: arguments-{split}.tsv and labels-{split}.tsv do not list the same arguments")
    held = np.array(
        [[float(by_id[row["Argument ID"]][column] == "1") for column in VALUEEVAL_COLUMNS] for row in arguments]
    )
    texts = tuple(row["Premise"] for row in arguments)
    return Rows(texts, tuple(row["Conclusion"] for row in arguments), held, np.zeros_like(held))


def _table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}: give the folder of the ValueEval files") from None
    check_utf8(str(path), content)
    table = csv.DictReader(io.StringIO(content.decode(), newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)
    absent = [column for column in columns if column not in (table.fieldnames or ())]
    if absent:
        raise InputError(f"{path} has no column {absent[0]!r}: is it a file of Touché23-ValueEval?")
    return list(table)


def unseen(group: str) -> bool:
    """Whether the encoder never saw the rows of a group while it was fine-tuned: about a fifth, by hash.

    What the encoder has seen it reads too well, so thresholds are tuned on these groups alone.
    """
    return blake2b(group.lower().encode(), digest_size=8).digest()[0] % 5 == 0
