"""Utilities that were measured elsewhere: CSV, Parquet or JSONL rows, or a NumPy array, checked at the door.

Rows are ``item, sample, utility[, verifier][, gold][, cluster][, answer]``; an empty field, NaN or NA is missing, and
true and false are 1 and 0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from akrasia.core import InputError
from akrasia.core.decoding import Undecodable, decode_json
from akrasia.core.fields import MISSING, MOST_SAMPLE, check_quotes, check_utf8, read_number, read_sample, repeated_key
from akrasia.core.registry import near_names

if TYPE_CHECKING:
    import pyarrow as pa

Floats = NDArray[np.float64]
COLUMNS = ("item", "sample", "utility", "verifier", "gold", "cluster", "answer")
NUMBERS = ("utility", "verifier", "gold")


class UtilityTable(msgspec.Struct, frozen=True):
    """Utilities as the estimators take them.

    Attributes:
        items: M item ids in order of appearance; None for a bare array.
        samples: M sequences of sample ids, sorted; None for a bare array.
        utilities: (M, K) array, or M sequences where items have different numbers of candidates.
        verifier, gold, answers: of the same shape, or None where the file has no such column.
        clusters: M labels, or None.
    """

    items: list[str] | None
    samples: list[list[int]] | None
    utilities: NDArray[Any] | list[Floats]
    verifier: NDArray[Any] | list[Floats] | None = None
    gold: NDArray[Any] | list[Floats] | None = None
    answers: list[list[str]] | None = None
    clusters: list[str] | None = None


def read_utilities(path: Path, *, second_judge: bool = False) -> UtilityTable:
    """Read a file of utilities; its kind is told by its ending.

    Args:
        path: the file.
        second_judge: the column verifier is a utility too, and so in [0, 1]; else it may be any score.

    Raises:
        InputError: it cannot be read, lacks a column, has an unknown one, holds a utility outside [0, 1], or a
            repeated item and sample: named by line.
    """
    readers = {".csv": _read_csv, ".parquet": _read_parquet, ".jsonl": _read_jsonl, ".ndjson": _read_jsonl}
    kind = path.suffix.lower()
    if not path.is_file():
        raise InputError(f"{path} does not exist: name a run folder, or a .csv, .parquet, .jsonl or .npy file")
    if kind == ".npy":
        return UtilityTable(None, None, _read_array(path))
    if kind not in readers:
        raise InputError(f"{path}: cannot tell what kind of file this is: expected .csv, .parquet, .jsonl or .npy")
    try:
        columns, first = readers[kind](path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    table = _table(path, columns, first)
    if second_judge and "verifier" in columns:
        where = _Lines(path, first)
        _check_unit(where, "verifier", _numbers(where, "verifier", columns["verifier"]))
    return table


def _read_array(path: Path) -> NDArray[Any]:
    as_saved = "save one (items, candidates) array of numbers with numpy.save"
    try:
        with path.open("rb") as file:
            start = file.read(6)
        if start != b"\x93NUMPY":
            kind = "an archive of arrays" if start.startswith(b"PK") else "not a NumPy array file"
            raise InputError(f"{path} is {kind}: {as_saved}")
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, EOFError) as error:
        if "Python objects" in str(error):
            raise InputError(f"{path} holds Python objects, not numbers: save float64, NaN where missing") from None
        raise InputError(f"{path} is damaged or was not written to its end: save it anew") from None
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind not in "biuf":
        raise InputError(
            f"{path}: expected an (items, candidates) array of numbers, got shape {array.shape} of {array.dtype}"
        )
    return array


Columns = dict[str, list[Any]]


_HEAD = 4096
"""Bytes by which a text in UTF-16 is told: of plain text there every second one is 0."""


def _read_csv(path: Path) -> tuple[Columns, int]:
    import pyarrow as pa
    import pyarrow.csv as pc

    with path.open("rb") as file:
        start = file.read(_HEAD)
    if not start:
        raise InputError(f"{path} is empty; expected a line of column names ({', '.join(COLUMNS[:3])}, …) and rows")
    if b"\0" in start:
        check_utf8(str(path), start)
    names = start.splitlines()[0].decode(errors="replace")
    for other in (";", "\t", "|"):
        if "," not in names and other in names:
            raise InputError(f"{path}: its columns are separated by {other!r}: separate them by commas")
    content = path.read_bytes()
    is_quoted = b'"' in content
    if is_quoted:
        check_quotes(str(path), content)
    parse_options = pc.ParseOptions(newlines_in_values=is_quoted)  # where none can be, blocks are cut quicker
    try:
        head = pc.open_csv(path, parse_options=parse_options).schema.names
        table = pc.read_csv(
            path,
            parse_options=parse_options,
            convert_options=pc.ConvertOptions(
                column_types={name: pa.string() for name in head},
                strings_can_be_null=True,
                null_values=list(MISSING),
            ),
        )
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        check_utf8(str(path), content)
        raise InputError(f"{path}: {str(error).splitlines()[0]}") from None
    return _columns(path, table), 2


def _read_parquet(path: Path) -> tuple[Columns, int]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path).read()
    except pa.ArrowInvalid as error:
        raise InputError(f"{path} is not a Parquet file: {str(error).splitlines()[0]}") from None
    return _columns(path, table), 1


def _columns(path: Path, table: pa.Table) -> Columns:
    twice = next((name for name in table.column_names if table.column_names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{path}: the column {twice!r} stands twice: keep one of them")
    return {name: table.column(name).to_pylist() for name in table.column_names}


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    item: str | int
    sample: int
    utility: float | bool | None = None
    verifier: float | bool | None = None
    gold: float | bool | None = None
    cluster: str | int | None = None
    answer: str | int | float | None = None


_KEYS = tuple(f'"{name}"'.encode() for name in COLUMNS)


def _read_jsonl(path: Path) -> tuple[Columns, int]:
    decoder = msgspec.json.Decoder(_Row)
    rows: list[_Row] = []
    present: set[str] = set()
    content = path.read_bytes()
    for number, line in enumerate(content.splitlines(), start=1):
        # A blank line keeps its number, and the numbers in messages stay right, by refusing it.
        try:
            rows.append(decode_json(line, decoder))
        except Undecodable as error:
            expected = f"expected an object with {', '.join(COLUMNS)}, null where missing"
            raise error.at(f"{path}, line {number}", expected) from None
        # Few lines can have a key twice, and to look takes ten times as long as to read one.
        twice = repeated_key(line) if any(line.count(key) > 1 for key in _KEYS) else None
        if twice is not None:
            raise InputError(f"{path}, line {number}: the key {twice!r} stands twice in one object: keep one of them")
        present.update(name for name in COLUMNS if getattr(rows[-1], name) is not None)
    present.add("utility")
    return {name: [getattr(row, name) for row in rows] for name in COLUMNS if name in present}, 1


_PANDAS_INDEX = re.compile(r"|Unnamed: 0|__index_level_\d+__")
"""What pandas calls an index without a name in CSV, in CSV that was read and written again, and in Parquet."""


def _table(path: Path, columns: Mapping[str, list[Any]], first: int) -> UtilityTable:
    for name in columns:
        if _PANDAS_INDEX.fullmatch(name):
            raise InputError(
                f"{path}: the column {name!r} is the index of a pandas table: write the file with index=False"
            )
        if name not in COLUMNS:
            raise InputError(f"{path}: unknown column {name!r}{near_names(name, list(COLUMNS))}")
    for name in COLUMNS[:3]:
        if name not in columns:
            raise InputError(f"{path}: there is no column {name!r}; expected item, sample, utility")
    if not columns["item"]:
        raise InputError(f"{path} holds no rows")
    where = _Lines(path, first)
    numbers = {name: _numbers(where, name, columns[name]) for name in NUMBERS if name in columns}
    for name in ("utility", "gold"):
        if name in numbers:
            _check_unit(where, name, numbers[name])
    order = _order(where, columns["item"], columns["sample"])
    return UtilityTable(
        items=list(order.items),
        samples=[[sample for sample, _ in rows] for rows in order.items.values()],
        utilities=_shaped(order, numbers["utility"]),
        verifier=_shaped(order, numbers["verifier"]) if "verifier" in numbers else None,
        gold=_shaped(order, numbers["gold"]) if "gold" in numbers else None,
        answers=_answers(order, columns.get("answer")),
        clusters=_clusters(where, order, columns.get("cluster")),
    )


class _Lines(msgspec.Struct, frozen=True):
    """Says where a row stands."""

    path: Path
    first: int

    def at(self, row: int) -> str:
        return f"{self.path}, {'row' if self.path.suffix == '.parquet' else 'line'} {row + self.first}"


class _Order(msgspec.Struct, frozen=True):
    """Row numbers of each item's samples, sorted by sample; items in order of appearance."""

    items: dict[str, list[tuple[int, int]]]


def _numbers(where: _Lines, name: str, column: Sequence[Any]) -> Floats:
    values = np.full(len(column), np.nan)
    for row, value in enumerate(column):
        try:
            values[row] = read_number(value)
        except ValueError:
            raise InputError(
                f"{where.at(row)}: {name} is {value!r}, not a number (leave it empty if missing)"
            ) from None
    return values


def _check_unit(where: _Lines, name: str, values: Floats) -> None:
    wrong = np.flatnonzero((values < 0) | (values > 1))
    if wrong.size:
        row = int(wrong[0])
        raise InputError(f"{where.at(row)}: {name} is {values[row]:.15g}; it must lie in [0, 1]")


def _order(where: _Lines, items: Sequence[Any], samples: Sequence[Any]) -> _Order:
    order: dict[str, list[tuple[int, int]]] = {}
    seen: dict[tuple[str, int], int] = {}
    for row, (item, sample) in enumerate(zip(items, samples, strict=True)):
        if item is None or sample is None:
            raise InputError(f"{where.at(row)}: item and sample must not be empty (or NA or NaN)")
        try:
            key = (str(item), read_sample(sample))
        except ValueError:
            raise InputError(
                f"{where.at(row)}: sample is {sample!r}, not a whole number from 0 to {MOST_SAMPLE}"
            ) from None
        if key in seen:
            before = where.at(seen[key]).rpartition(", ")[2]
            raise InputError(f"{where.at(row)}: item {key[0]!r} sample {key[1]} stands already at {before}")
        seen[key] = row
        order.setdefault(key[0], []).append((key[1], row))
    for rows in order.values():
        rows.sort()
    return _Order(order)


def _shaped(order: _Order, values: Floats) -> NDArray[Any] | list[Floats]:
    rows = [values[[row for _, row in pairs]] for pairs in order.items.values()]
    return np.stack(rows) if len({len(row) for row in rows}) == 1 else rows


def _answers(order: _Order, column: Sequence[Any] | None) -> list[list[str]] | None:
    if column is None:
        return None
    return [["" if column[row] is None else str(column[row]) for _, row in pairs] for pairs in order.items.values()]


def _clusters(where: _Lines, order: _Order, column: Sequence[Any] | None) -> list[str] | None:
    if column is None:
        return None
    clusters = []
    for item, pairs in order.items.items():
        labels = {column[row] for _, row in pairs}
        if len(labels) > 1:
            named = ", ".join(sorted(map(str, labels)))
            raise InputError(f"{where.path}: item {item!r} has candidates in different clusters: {named}")
        (label,) = labels
        clusters.append(item if label is None else str(label))
    return clusters
