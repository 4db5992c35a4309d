"""A stored run, read only: its cells, items and candidates, and the arrays that the estimators take."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec

from akrasia.core import InputError, Message, Reply, Sampling
from akrasia.core.cell import Cell
from akrasia.runs.manifest import Manifest
from akrasia.runs.manifest import read as read_manifest
from akrasia.runs.pool import Draw, Pool, Stopped
from akrasia.runs.schema import ANSWER_CLASSES, ANSWERS
from akrasia.runs.store import check_version

if TYPE_CHECKING:
    from akrasia.audit import Trail


GO_ON = "go on with its `akrasia run`, and if that stops as well, do what it asks for"
"""What to do about a run of which nothing can be shown yet: calls without a candidate may be all that it holds."""


class StoredItem(msgspec.Struct, frozen=True):
    """An item as the run used it."""

    position: int
    id: str
    input: tuple[Message, ...]
    target: str | None
    utility: str | None
    cluster: str | None
    metadata: dict[str, Any] = {}


class StoredCandidate(msgspec.Struct, frozen=True):
    """A candidate with its score."""

    sample: int
    text: str | None
    reasoning: str | None
    finish: str
    utility: float | None
    answer: str | None
    failure: str | None
    missing: str | None


class StoredJudgement(msgspec.Struct, frozen=True):
    """One judge's verdict on one text, as it is stored; `readings` is JSON, of `akrasia.core.Reading` by value id."""

    position: int
    sample: int
    judge: str
    repeat: int
    readings: bytes
    missing: str | None


class StoredTrail(msgspec.Struct, frozen=True):
    """What the audits of one candidate's texts did, in the order in which they were made."""

    position: int
    sample: int
    trails: tuple[Trail, ...]


class Run:
    """A run folder, open for reading; close it, or use it in a ``with`` block.

    Raises:
        InputError: the folder holds no run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        manifest = read_manifest(folder)
        path = folder / "run.sqlite"
        if manifest is None and path.is_file():
            raise InputError(
                f"{folder} has a run.sqlite and no run.toml, which says what was asked: put run.toml back, or give its "
                f"answers to a new run with `akrasia run --reuse {folder}`"
            )
        if manifest is not None and not path.is_file():
            raise InputError(f"{folder} has a run.toml and no run.sqlite, so its answers are gone: put run.sqlite back")
        if manifest is None:
            raise InputError(f"{folder} holds no run: name the folder that `akrasia run --out` wrote")
        self.manifest: Manifest = manifest
        self._connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        check_version(self._connection, path)

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the store."""
        self._connection.close()

    @cached_property
    def _cells(self) -> dict[str, tuple[int, Cell]]:
        samples = self.manifest.run.samples
        cells = {}
        for number, name, model, suite, strategy, sampling, seed, pool, pooled in self._connection.execute(
            "SELECT id, name, model, suite, strategy, sampling, seed, pool, pooled FROM cells ORDER BY id"
        ):
            settings = msgspec.json.decode(sampling, type=Sampling)
            planned = 0 if pooled else 1 if settings.temperature == 0 else samples
            cells[name] = (
                number,
                Cell(
                    name=name, model=model, suite=suite, strategy=strategy, sampling=settings, seed=seed,
                    samples=planned, pool=pool, pooled=bool(pooled),
                ),
            )  # fmt: skip
        return cells

    @property
    def cells(self) -> list[Cell]:
        """All cells, in the order of the plan."""
        return [cell for _, cell in self._cells.values()]

    def cell(self, name: str) -> Cell:
        """The cell of a name, or of a part that only its name holds.

        Raises:
            InputError: there is none, or several.
        """
        if name in self._cells:
            return self._cells[name][1]
        holding = [cell for full, (_, cell) in self._cells.items() if name in full]
        if len(holding) != 1:
            many = "several cells hold" if holding else "no cell holds"
            raise InputError(f"{self.folder}: {many} {name!r} in their name; there are: {', '.join(self._cells)}")
        return holding[0]

    def items(self, suite: str) -> list[StoredItem]:
        """The items of a suite, in order."""
        rows = self._connection.execute(
            "SELECT position, id, input, target, utility, cluster, metadata FROM items WHERE suite = ? "
            "ORDER BY position",
            (suite,),
        )
        decode = msgspec.json.Decoder(tuple[Message, ...]).decode
        read = msgspec.json.Decoder(dict[str, Any]).decode
        return [
            StoredItem(position, name, decode(messages), target, utility, cluster, read(metadata))
            for position, name, messages, target, utility, cluster, metadata in rows
        ]

    def candidates(self, cell: Cell, position: int) -> list[StoredCandidate]:
        """The candidates of one item, by sample."""
        rows = self._connection.execute(
            "SELECT c.sample, c.text, c.reasoning, c.finish, s.utility, s.answer, s.failure, s.missing "
            "FROM candidates c JOIN scores s USING (cell, item, sample) "
            "WHERE c.cell = ? AND c.item = ? ORDER BY c.sample",
            (self._cells[cell.name][0], position),
        )
        return [StoredCandidate(*row) for row in rows]

    def judge_replies(self, cell: Cell) -> Iterator[tuple[tuple[int, int], str, Reply]]:
        """What the judge said of a cell's candidates: (item, sample), the call's label and the reply, in order."""
        for item, sample, label, text, reasoning, finish in self._connection.execute(
            "SELECT item, sample, label, text, reasoning, finish FROM calls WHERE cell = ? AND role = 'judge' "
            "ORDER BY item, sample, label",
            (self._cells[cell.name][0],),
        ):
            yield (item, sample), label, Reply(text, reasoning, finish)

    def judgements(self, cell: Cell, stage: str) -> Iterator[StoredJudgement]:
        """What the judges read of one stage of a cell, in the order of items and samples."""
        if not self._has_judgements:
            return
        for row in self._connection.execute(
            "SELECT item, sample, judge, repeat, readings, missing FROM judgements WHERE cell = ? AND stage = ? "
            "ORDER BY item, sample, judge, repeat",
            (self._cells[cell.name][0], stage),
        ):
            yield StoredJudgement(*row)

    def trails(self, cell: Cell) -> Iterator[StoredTrail]:
        """The trails of a cell that audits, in the order of items and samples; nothing of other cells."""
        if not self._has_trails:
            return
        from akrasia.audit import Trail

        decode = msgspec.json.Decoder(tuple[Trail, ...]).decode
        for position, sample, trail in self._connection.execute(
            "SELECT item, sample, trail FROM trails WHERE cell = ? ORDER BY item, sample", (self._cells[cell.name][0],)
        ):
            yield StoredTrail(position, sample, decode(trail))

    def judged_values(self) -> frozenset[str]:
        """The ids of the values that any judge read or could not read."""
        if not self._has_judgements:
            return frozenset()
        rows = self._connection.execute(
            "SELECT DISTINCT key FROM judgements, json_each(readings) "
            "UNION SELECT DISTINCT key FROM judgements, json_each(unread)"
        )
        return frozenset(value for (value,) in rows)

    def drawn(self, cell: Cell) -> Iterator[tuple[int, int]]:
        """Item and sample of every stored candidate of a cell."""
        yield from self._connection.execute(
            "SELECT item, sample FROM candidates WHERE cell = ?", (self._cells[cell.name][0],)
        )

    def answers(self, cell: Cell, position: int) -> dict[str, str]:
        """Every answer to one item, in the order in which they came, with the first candidate's text that gave it."""
        place = (self._cells[cell.name][0], position)
        return {answer: text for answer, text, _ in self._connection.execute(ANSWERS, place)}

    def answer_classes(self, cell: Cell, position: int) -> dict[str, str]:
        """Which class each answer to one item is in, where they had to be compared; {}: not told by the store."""
        if not self._has_answer_classes:
            return {}
        return dict(self._connection.execute(ANSWER_CLASSES, (self._cells[cell.name][0], position)).fetchall())

    @cached_property
    def _has_judgements(self) -> bool:
        """Stores that were written before there were judges have no such table."""
        return self._has("judgements")

    @cached_property
    def _has_trails(self) -> bool:
        """Nor have those that were written before there were audits."""
        return self._has("trails")

    @cached_property
    def _has_answer_classes(self) -> bool:
        """Nor have those from when the text of an answer was its class."""
        return self._has("answer_classes")

    def _has(self, table: str) -> bool:
        found = self._connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        return found is not None

    def tokens(self, cell: Cell) -> tuple[int | None, int | None]:
        """Prompt and generated tokens that a cell bought; None where an endpoint did not report those of every call."""
        row = self._connection.execute(
            "SELECT CASE WHEN count(*) = count(prompt_tokens) THEN total(prompt_tokens) END, "
            "CASE WHEN count(*) = count(completion_tokens) THEN total(completion_tokens) END FROM calls WHERE cell = ?",
            (self._cells[cell.name][0],),
        ).fetchone()
        prompt, completion = (None if total is None else int(total) for total in row)
        return prompt, completion

    def stopped(self, cell: Cell) -> list[Stopped]:
        """Every item of the cell's suite, in order, as far as it was drawn: pools that stop where their plan says."""
        found = {item.position: Stopped(item) for item in self.items(cell.suite)}
        for position, utility, answer, failure, missing, text, finish in self._connection.execute(
            "SELECT s.item, s.utility, s.answer, s.failure, s.missing, c.text, c.finish "
            "FROM scores s JOIN candidates c USING (cell, item, sample) WHERE s.cell = ? ORDER BY s.item, s.sample",
            (self._cells[cell.name][0],),
        ):
            draw = Draw(utility, answer, failure, missing, hash(text), finish == "length")
            found[position].draws.append(draw)
        return list(found.values())

    def pool(self, cell: Cell) -> Pool:
        """The scores of a live cell as arrays; where it was sampled to a width, see `width_pool.width_pool`.

        Items that are not drawn to the planned number of samples yet are left out and counted; when no item is, the
        pool is as deep as the least drawn item that has any.

        Raises:
            InputError: the cell is pooled and draws nothing, or nothing is stored for it.
        """
        import numpy as np

        if cell.pooled:
            raise InputError(
                f"{self.folder}: cell {cell.name!r} draws nothing of its own, it is computed from the pool of "
                f"{cell.pool!r}: ask for that cell"
            )
        number = self._cells[cell.name][0]
        items = self.items(cell.suite)
        drawn = dict(
            self._connection.execute("SELECT item, count(*) FROM scores WHERE cell = ? GROUP BY item", (number,))
        )
        if not drawn:
            raise InputError(f"{self.folder}: no candidate of cell {cell.name!r} is stored yet: {GO_ON}")
        if self.manifest.run.until_width is not None:
            from akrasia.runs.width_pool import width_pool

            return width_pool(self, cell)
        depth = cell.samples if max(drawn.values()) >= cell.samples else min(drawn.values())
        kept = [item for item in items if drawn.get(item.position, 0) >= depth]
        row_of = {item.position: row for row, item in enumerate(kept)}
        utilities = np.full((len(kept), depth), np.nan)
        answers = np.full((len(kept), depth), -1, dtype=np.int64)
        texts = np.zeros((len(kept), depth), dtype=np.int64)
        truncated = 0
        classes: dict[str, int] = {}
        failures: Counter[str] = Counter()
        missing: Counter[str] = Counter()
        for position, sample, utility, answer, failure, absent, text, finish in self._connection.execute(
            "SELECT s.item, s.sample, s.utility, s.answer, s.failure, s.missing, c.text, c.finish "
            "FROM scores s JOIN candidates c USING (cell, item, sample) WHERE s.cell = ? AND s.sample < ?",
            (number, depth),
        ):
            row = row_of.get(position)
            if row is None:
                continue
            texts[row, sample] = hash(text)
            truncated += finish == "length"
            if utility is not None:
                utilities[row, sample] = utility
            if answer is not None:
                answers[row, sample] = classes.setdefault(answer, len(classes))
            if failure is not None:
                failures[failure] += 1
            if absent is not None:
                missing[absent] += 1
        if any(item.utility is None for item in kept):
            from akrasia.runs.value_labels import adherence_utilities

            utilities = adherence_utilities(self, cell, kept, depth)
        return Pool(
            items=tuple(kept),
            utilities=utilities,
            answers=answers,
            clusters=tuple(item.cluster or item.id for item in kept),
            texts=texts,
            truncated=truncated,
            failures=dict(failures),
            missing=dict(missing),
            undrawn=len(items) - len(kept),
            classes=tuple(classes),
        )
