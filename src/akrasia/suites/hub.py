"""Rows of a benchmark: from the Hugging Face hub through `datasets`, or from files of your own with the same columns.

Each benchmark says where its rows are and what one looks like; turning rows into items is its own pure function. The
revision that the hub resolved goes into the suite's description, and with it into the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from akrasia.core import InputError
from akrasia.core.decoding import Undecodable, decode_json

RowT = TypeVar("RowT", bound=Struct)
Kind = TypeVar("Kind")


class HubSettings(Struct, frozen=True):
    """Settings of every benchmark.

    Attributes:
        revision: commit, tag or branch on the hub; None is the default branch as it is now. rows: a file of rows
        (.jsonl, .json, .parquet) instead of the hub; for a benchmark of several parts the folder with
            one file per part, named after it.
    """

    revision: str | None = None
    rows: str | None = None


class HubPart(Struct, frozen=True):
    """One table on the hub.

    Attributes:
        dataset: its id there.
        config: the configuration, where it has several.
        split: the split.
        file: a data file in the repository, for datasets whose own loader is a script, which `datasets` no longer runs.
        name: what its file is called below a folder given as `rows`.
    """

    dataset: str
    config: str | None = None
    split: str = "test"
    file: str | None = None
    name: str = ""


def read_part(part: HubPart, settings: HubSettings, row: type[RowT]) -> tuple[list[RowT], str]:
    """The rows of a part, and where they came from ("openai/gsm8k@COMMIT", or a file with its hash).

    Raises:
        InputError: the extra is missing, the hub or a file cannot be read, or a row lacks a column.
    """
    rows: Iterable[dict[str, Any]]
    if settings.rows is not None:
        path = _local_file(Path(settings.rows), part)
        rows, origin = _file_rows(path), f"{path}#{_file_hash(path)}"
    else:
        rows, origin = _hub_rows(part, settings.revision)
    return list(typed_rows(rows, row, origin)), origin


def typed_rows(rows: Iterable[dict[str, Any]], row: type[RowT], origin: str) -> Iterator[RowT]:
    """Rows as records of the benchmark.

    Raises:
        InputError: a row lacks a column or has another type in it.
    """
    for number, values in enumerate(rows, start=1):
        try:
            yield msgspec.convert(values, type=row)
        except msgspec.ValidationError as error:
            raise InputError(
                f"row {number} of {origin} is not what this suite expects: {error}; "
                "pin a revision that fits by ?revision="
            ) from None


def _local_file(path: Path, part: HubPart) -> Path:
    if not path.is_dir():
        return path
    found = [path / f"{part.name}{ending}" for ending in (".jsonl", ".json", ".parquet")]
    for candidate in found:
        if candidate.is_file():
            return candidate
    raise InputError(f"folder {str(path)!r} has no {part.name}.jsonl, .json or .parquet with the rows of that part")


def _file_hash(path: Path) -> str:
    return blake2b(path.read_bytes(), digest_size=8).hexdigest()


def _file_rows(path: Path) -> list[dict[str, Any]]:
    try:
        if path.suffix == ".parquet":
            import pyarrow.parquet

            table: list[dict[str, Any]] = pyarrow.parquet.read_table(path).to_pylist()
            return table
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"rows file {str(path)!r} does not exist: check the path") from None
    except (OSError, ValueError) as error:
        raise InputError(f"rows file {str(path)!r} cannot be read: {error}") from None
    if path.suffix == ".json":
        return _json(content, list[dict[str, Any]], str(path))
    lines = enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1)
    return [_json(line, dict[str, Any], f"{path}, line {number}") for number, line in lines if line.strip()]


def _json(content: bytes, kind: type[Kind], where: str) -> Kind:
    try:
        return decode_json(content, kind)
    except Undecodable as error:
        raise error.at(where, "expected rows that are JSON objects") from None


def _datasets() -> tuple[ModuleType, ModuleType]:
    try:
        import datasets
        import huggingface_hub
    except ModuleNotFoundError as error:
        raise InputError(
            f"this suite comes from the Hugging Face hub, and {error.name!r} is missing: pip install "
            "'akrasia[datasets]', or give the rows as a file by ?rows=FILE"
        ) from None
    return datasets, huggingface_hub


def _hub_rows(part: HubPart, revision: str | None) -> tuple[Iterable[dict[str, Any]], str]:
    """The rows on the hub and the commit that they were read at."""
    datasets, hub = _datasets()
    try:
        commit = _commit(hub, part.dataset, revision)
        if part.file is not None:
            data_file = f"hf://datasets/{part.dataset}@{commit}/{part.file}"
            rows = datasets.load_dataset("json", data_files=[data_file], split="train")
        else:
            rows = datasets.load_dataset(part.dataset, part.config, split=part.split, revision=commit)
    except Exception as error:  # noqa: BLE001  (their HTTP library, and so its errors, changes; ours says what to do)
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{part.dataset} cannot be read from the Hugging Face hub: {reason}; check the network and ?revision=, or "
            "give the rows as a file by ?rows=FILE"
        ) from None
    return rows, f"{part.dataset}@{commit}"


def _commit(hub: ModuleType, dataset: str, revision: str | None) -> str:
    """The commit that a revision means now. A full commit needs no network, so that a cached copy is enough."""
    if revision is not None and len(revision) == 40 and all(sign in "0123456789abcdef" for sign in revision):
        return revision
    return str(hub.HfApi().dataset_info(dataset, revision=revision).sha)
