"""Suites as files for others: JSONL or Parquet with a dataset card, and a private holdout by family."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from akrasia.core import InputError, Item, Suite
from akrasia.suites.valdi_card import CARD, CARD_MARK, card_text


class Part(Struct, frozen=True):
    """One part of a split suite.

    Attributes:
        path: the file.
        items, families: how many it holds.
    """

    path: str
    items: int
    families: int


def export_suite(suite: Suite, path: Path) -> tuple[Path, Path]:
    """Write a suite as JSONL, which `akrasia run --suite FILE` reads back, or as Parquet, and a dataset card beside it.

    Returns:
        The file and the card.

    Raises:
        InputError: another ending than .jsonl or .parquet, a file that is there already, a README.md beside it that no
            export wrote, or a place that cannot be written to.
    """
    if path.suffix not in (".jsonl", ".parquet"):
        raise InputError(f"{path}: cannot tell what to write: end the name in .jsonl or .parquet")
    if path.exists():
        raise InputError(f"{path} is there already: an export replaces no data; remove it, or name another file")
    card = path.parent / CARD
    if card.is_file() and CARD_MARK not in card.read_text(encoding="utf-8", errors="replace"):
        raise InputError(f"{card} is not a card that an export wrote, and would be replaced: choose another folder")
    if path.suffix == ".jsonl":
        data, columns = jsonl(suite.items), list(dict.fromkeys(key for item in suite.items for key in _row(item)))
    else:
        table = _columns(suite.items)
        data, columns = _parquet(suite, table), list(table)
    _write(path, data)
    _write(card, card_text(suite, path.name, columns).encode())
    return path, card


def split_suite(suite: Suite, holdout: float, seed: int) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """The open and the held-out items of a suite, each in the suite's order; a family is never divided.

    The families of every domain are put in an order by the hash of seed and family, and the first `holdout` of them are
    held out: the choice depends on nothing else in the suite, so other variants of a family fall on the same side.

    Raises:
        InputError: a share outside (0, 1), or so few families that a part would be empty.
    """
    if not 0 < holdout < 1:
        raise InputError(f"holdout={holdout} is no share: give one between 0 and 1, such as 0.2")
    domains: dict[str, set[str]] = defaultdict(set)
    for item in suite.items:
        domains[str(item.metadata.get("domain", ""))].add(_family(item))
    held: set[str] = set()
    for families in domains.values():
        order = sorted(families, key=lambda family: blake2b(f"{seed} {family}".encode(), digest_size=16).digest())
        held.update(order[: round(holdout * len(order))])
    kept = tuple(item for item in suite.items if _family(item) not in held)
    out = tuple(item for item in suite.items if _family(item) in held)
    if not kept or not out:
        raise InputError(f"suite {suite.name!r} has too few families to hold out {holdout:g} of each domain")
    return kept, out


def write_split(suite: Suite, holdout: float, seed: int, folder: Path) -> tuple[Part, Part]:
    """Write ``open.jsonl`` and ``holdout.jsonl`` into a folder.

    Raises:
        InputError: as `split_suite`; or the folder already holds one of them, or cannot be written to.
    """
    parts = dict(zip(("open", "holdout"), split_suite(suite, holdout, seed), strict=True))
    paths = {name: folder / f"{name}.jsonl" for name in parts}
    for path in paths.values():
        if path.exists():
            raise InputError(f"{path} is there already: a holdout is drawn once; choose another folder")
    for name, items in parts.items():
        _write(paths[name], jsonl(items))
    first, second = (Part(str(paths[name]), len(items), len(set(map(_family, items)))) for name, items in parts.items())
    return first, second


def jsonl(items: Sequence[Item]) -> bytes:
    """Items as lines that `akrasia.suites.load_suite` reads back to the same items."""
    return b"".join(msgspec.json.encode(_row(item)) + b"\n" for item in items)


def _row(item: Item) -> dict[str, Any]:
    row: dict[str, Any] = {"id": item.id, "input": _input(item)}
    row |= {key: value for key in ("target", "utility", "cluster") if (value := getattr(item, key)) is not None}
    if item.metadata:
        row["metadata"] = item.metadata
    return row


def _input(item: Item) -> str | list[dict[str, str]]:
    if len(item.input) == 1 and item.input[0].role == "user":
        return item.input[0].content
    return [{"role": message.role, "content": message.content} for message in item.input]


def _family(item: Item) -> str:
    return item.cluster or item.id


def _columns(items: Sequence[Item]) -> dict[str, list[Any]]:
    """The table of a suite: the fields of an item that any has, then a column for every key of the metadata."""
    inputs = [_input(item) for item in items]
    if not all(isinstance(text, str) for text in inputs):
        inputs = [[{"role": turn.role, "content": turn.content} for turn in item.input] for item in items]
    table: dict[str, list[Any]] = {"id": [item.id for item in items], "input": list(inputs)}
    for name in ("target", "utility", "cluster"):
        column = [getattr(item, name) for item in items]
        if any(value is not None for value in column):
            table[name] = column
    for key in dict.fromkeys(key for item in items for key in item.metadata):
        column = [item.metadata.get(key) for item in items]
        if key == "family" and column == table.get("cluster"):
            continue
        table[f"metadata_{key}" if key in table else key] = _uniform(column)
    return table


def _uniform(column: list[Any]) -> list[Any]:
    """A column of one plain type, or of lists of text, as it is; any other as JSON text."""
    kinds = {type(value) for value in column if value is not None}
    if len(kinds) <= 1 and kinds <= {str, int, float, bool}:
        return column
    if kinds == {list} and all(isinstance(part, str) for value in column if value is not None for part in value):
        return column
    return [None if value is None else msgspec.json.encode(value).decode() for value in column]


def _parquet(suite: Suite, columns: dict[str, list[Any]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(columns).replace_schema_metadata(
        {"akrasia_suite": suite.name, "akrasia_fingerprint": suite.fingerprint}
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _write(path: Path, data: bytes) -> None:
    """Write a file in one step, so that a reader never sees half of it."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(data)
        fresh.replace(path)
    except OSError as error:
        with suppress(OSError):  # the folder itself may be what is wrong
            fresh.unlink()
        raise InputError(f"{path} cannot be written: {error.strerror}") from None
