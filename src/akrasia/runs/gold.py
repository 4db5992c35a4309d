"""Gold for a run: drawing the candidates that people are to label, and reading their labels back."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from akrasia.core import InputError
from akrasia.core.cell import Cell
from akrasia.core.decoding import Undecodable, decode_json
from akrasia.core.fields import check_quotes, check_utf8, read_number, read_sample, repeated_key
from akrasia.risk import Gold, draw_gold_sample, expected_labels
from akrasia.runs.excerpts import SHOWN, excerpt, plain
from akrasia.runs.reference import without_thin_items

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from akrasia.runs.reader import Run


_JSON_LINES = (".jsonl", ".ndjson")


class GoldRow(msgspec.Struct, frozen=True):
    """One candidate to label.

    Attributes:
        item, sample: which candidate.
        gold: its true utility in [0, 1]: for a person to fill in; left empty where labelling an item has stopped.
        order: position in which to label within the item; an item may stop as soon as one is right.
        inclusion: probability with which the item was drawn.
        input, target, text: what there is to judge.
    """

    item: str
    sample: int
    gold: float | None
    order: int
    inclusion: float
    input: str
    target: str | None
    text: str | None


class GoldDraw(msgspec.Struct, frozen=True):
    """A gold sample of a cell.

    Attributes:
        rows: the candidates to label, item by item.
        items: items drawn.
        of_items: items that could have been drawn.
        labels: labels that settle them if the verifier is mostly right; at most all rows need one.
        thin: measured items that could not be drawn, for the figures leave them out (see `akrasia.risk.thin_items`).
    """

    rows: list[GoldRow]
    items: int
    of_items: int
    labels: int
    thin: int = 0


def direct_cell(run: Run, name: str | None) -> Cell:
    """The named cell, else the first of direct draws.

    Raises:
        InputError: there is none, or a pooled one is named.
    """
    if name is not None:
        cell = run.cell(name)
        if cell.pooled:
            raise InputError(
                f"{cell.name} draws nothing: it chooses among the candidates of {cell.pool}; name that cell"
            )
        return cell
    for cell in run.cells:
        if cell.strategy == "direct":
            return cell
    if any(cell.strategy.partition(":")[0] == "state" for cell in run.cells):
        raise InputError(
            f"{run.folder} is a value run: its gold corrects the gap, with akrasia gap {run.folder} --gold FILE"
        )
    raise InputError(f"{run.folder} has no direct draws; name a cell: {', '.join(cell.name for cell in run.cells)}")


def labelled_cell(run: Run, name: str | None) -> Cell:
    """The cell whose candidates gold labels: one that is measured on its own draws.

    Args:
        run: where to look.
        name: of a cell; None: the first of direct draws.

    Raises:
        InputError: as `direct_cell`; its figures stand on another cell's candidates; or the run was sampled to a width.
    """
    if run.manifest.run.until_width is not None:
        raise InputError("gold cannot correct a run that was sampled to a width: its pools stopped at their outcomes")
    cell = direct_cell(run, name)
    if cell.pool is not None:
        raise InputError(
            f"gold of {cell.name} alone corrects nothing: reachable stands on the candidates of {cell.pool}; label "
            "that cell (`akrasia gold sample`, without --cell)"
        )
    return cell


def draw_gold(run: Run, cell: Cell, labels: int, seed: int) -> GoldDraw:
    """Draw a gold sample of about so many labels from a cell's candidates; see `akrasia.risk.draw_gold_sample`.

    It is drawn from the items that the figures hold: a label of one that they leave out would correct nothing.
    """
    everything = run.pool(cell)
    pool, _ = without_thin_items(everything)
    rows = []
    texts: dict[int, dict[int, str | None]] = {}
    requests = draw_gold_sample(pool.utilities, labels, np.random.default_rng(seed))
    for request in requests:
        item = pool.items[request.item]
        if request.item not in texts:
            found = run.candidates(cell, item.position)
            texts[request.item] = {candidate.sample: candidate.text for candidate in found}
        rows.append(
            GoldRow(
                item=item.id,
                sample=request.sample,
                gold=None,
                order=request.order,
                inclusion=request.inclusion,
                input="\n\n".join(message.content for message in item.input),
                target=item.target,
                text=texts[request.item][request.sample],
            )
        )
    expected = expected_labels(pool.utilities)
    drawn = sorted({request.item for request in requests})
    of_items = int((expected > 0).sum())
    thin = int((expected_labels(everything.utilities) > 0).sum()) - of_items
    return GoldDraw(rows, len(drawn), of_items, round(expected[drawn].sum()), thin)


def check_gold_path(path: Path) -> None:
    """Refuse a file that a gold sample cannot be written to, before anything is drawn.

    Raises:
        InputError: its ending is neither CSV nor JSONL, or it exists already (it may hold labels).
    """
    if path.suffix.lower() not in (".csv", *_JSON_LINES):
        raise InputError(f"{path}: a gold sample is CSV or JSONL: name a file that ends in .csv or .jsonl")
    if path.exists():
        raise InputError(f"{path} exists and may hold labels: name another file, or move it away")


def write_gold(rows: list[GoldRow], path: Path) -> None:
    """Write a gold sample as CSV or, by its ending, JSONL.

    Raises:
        InputError: as `check_gold_path`, or it cannot be written.
    """
    check_gold_path(path)
    try:
        with path.open("x", encoding="utf-8", newline="") as file:
            if path.suffix.lower() in _JSON_LINES:
                file.writelines(msgspec.json.encode(row).decode() + "\n" for row in rows)
            else:
                writer = csv.writer(file)
                writer.writerow(GoldRow.__struct_fields__)
                writer.writerows(["" if v is None else v for v in msgspec.structs.astuple(row)] for row in rows)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from None


def read_gold(path: Path, items: Sequence[str], samples: Sequence[Sequence[int]]) -> Gold:
    """Labels of candidates from a file with at least the columns item, sample and gold.

    Args:
        path: CSV, or by its ending JSONL.
        items: M item ids.
        samples: their sample numbers, in the order of the pool's columns.

    Raises:
        InputError: it cannot be read, names a candidate that is not there, a label outside [0, 1], or an inclusion
            outside (0, 1].
    """
    place_of = {(item, number): (row, column)
                for row, item in enumerate(items) for column, number in enumerate(samples[row])}  # fmt: skip
    known = set(items)
    listed: NDArray[np.bool_] = np.zeros((len(items), max(map(len, samples))), dtype=np.bool_)
    labels: NDArray[np.float64] = np.full((len(items), max(map(len, samples))), np.nan)
    inclusion: NDArray[np.float64] = np.full(len(items), np.nan)
    for where, fields in _rows(path):
        item = str(fields.get("item"))
        if item not in known:
            raise InputError(f"{where}: there is no item {item!r} with candidates here")
        try:
            number = read_sample(fields.get("sample"))
        except ValueError:
            raise InputError(f"{where}: sample is {fields.get('sample')!r}, not a whole number") from None
        if (item, number) not in place_of:
            raise InputError(f"{where}: item {item!r} has no sample {number}")
        place = place_of[item, number]
        listed[place] = True
        label = _number(where, "gold", fields.get("gold"))
        if label is not None:
            if not 0 <= label <= 1:
                raise InputError(f"{where}: gold is {label:.15g}; {_EXPECTED['gold']}")
            if not np.isnan(labels[place]):
                raise InputError(f"{where}: item {item!r} sample {number} is labelled twice")
            labels[place] = label
        share = _number(where, "inclusion", fields.get("inclusion"))
        if share is not None:
            if not 0 < share <= 1:
                raise InputError(f"{where}: inclusion is {share:.15g}; {_EXPECTED['inclusion']}")
            inclusion[place[0]] = share
    if np.isnan(labels).all():
        raise InputError(f"{path} holds no label: fill in its column gold")
    if np.isnan(inclusion).all():
        return Gold(labels, listed=listed)
    inclusion = np.where(np.isnan(inclusion), np.nanmean(inclusion), inclusion)
    return Gold(labels, inclusion=inclusion, listed=listed)


def check_gold_texts(path: Path, run: Run, cell: Cell) -> None:
    """Refuse labels that were given to other texts than this run's; a file without texts is taken as it is.

    How words are spaced and broken is no difference.

    Args:
        path: as `read_gold` takes it; what it refuses is left to it.
        run: whose candidates are labelled.
        cell: the cell that drew them.

    Raises:
        InputError: a labelled text is not that of the candidate whose item and sample stand beside it, or no text.
    """
    place_of = {item.id: item.position for item in run.items(cell.suite)}
    texts: dict[str, dict[int, str | None]] = {}
    for where, fields in _rows(path):
        item, text = str(fields.get("item")), fields.get("text")
        if text is not None and not isinstance(text, str):
            raise InputError(
                f"{where}: text is {str(text)[:SHOWN]}, which is no text: write what was labelled in quotes, or leave "
                "the key out"
            )
        if item not in place_of or text is None or not text.strip() or fields.get("gold") in (None, ""):
            continue
        try:
            number = read_sample(fields.get("sample"))
        except ValueError:
            continue
        if item not in texts:
            texts[item] = {found.sample: found.text for found in run.candidates(cell, place_of[item])}
        mine = texts[item].get(number)
        if number in texts[item] and plain(mine or "") != plain(text):
            raise InputError(
                f"{where}: the label of item {item!r} sample {number} was given to another text than this run's: it "
                f"reads {excerpt(text, mine)}, and in {run.folder} "
                f"{'there is none' if mine is None else excerpt(mine, text)}; draw "
                f"gold of this run with akrasia gold sample {run.folder}, or give the run that it was drawn from"
            )


_READ = ("item", "sample", "gold", "inclusion")
_EXPECTED = {
    "gold": "write a number from 0 (wrong) to 1 (right)",
    "inclusion": "write the probability with which the item was drawn, above 0 and at most 1",
}


def _number(where: str, name: str, value: Any) -> float | None:
    try:
        number = read_number(value)
    except ValueError:
        raise InputError(f"{where}: {name} is {value!r}; {_EXPECTED[name]}, or leave it empty") from None
    return None if math.isnan(number) else number


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the gold file {path}: {error.strerror}") from None
    check_utf8(f"the gold file {path}", content)
    text = content.decode("utf-8-sig")
    if path.suffix.lower() in _JSON_LINES:
        return _json_rows(path, text)
    check_quotes(str(path), content)
    return _csv_rows(path, text)


def _json_rows(path: Path, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    # Not splitlines: a text to label may hold a line separator, which JSON leaves as it is.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            fields = decode_json(line, dict[str, Any])
        except Undecodable as error:
            raise error.at(where, "expected an object with item, sample, gold") from None
        twice = repeated_key(line)
        if twice is not None:
            raise InputError(f"{where}: the key {twice!r} stands twice in one object: keep one of them")
        yield where, fields


def _csv_rows(path: Path, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    names = list(reader.fieldnames or [])
    if len(names) == 1 and ";" in names[0]:
        raise InputError(f"{path}: its columns are separated by ';': separate them by commas")
    lacking = [name for name in _READ[:3] if name not in names]
    if lacking:
        raise InputError(f"{path}: there is no column {lacking[0]!r}; expected item, sample, gold")
    twice = [name for name in _READ if names.count(name) > 1]
    if twice:
        raise InputError(f"{path}: the column {twice[0]!r} stands twice: keep one of them")
    try:
        for row in reader:
            yield f"{path}, line {reader.line_num}", row
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}; write the labels as JSONL instead") from None
