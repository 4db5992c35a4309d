"""The store of a run while it is written: the folder, the lookups of what was bought before, and the rows.

Reading a finished or running store from outside is `akrasia.runs.reader`.
"""

from __future__ import annotations

import asyncio
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from akrasia.core import Candidate, InputError, Item, Reply, Score, TokenLogprob, Usage
from akrasia.core.cell import Cell
from akrasia.runs.disk import on_network_disk
from akrasia.runs.prices import SUPERSEDED
from akrasia.runs.schema import ANSWER_CLASSES, ANSWERS, COUNT_AUDITS, DDL, MIGRATIONS, VERSION
from akrasia.runs.totals import AuditCount, CellTotals, RoleTotals
from akrasia.runs.writer import Row, Writer, connect

_CALL = (
    "SELECT text, reasoning, finish, prompt_tokens, completion_tokens, reasoning_tokens, cached_tokens, model "
    "FROM calls WHERE key = ?"
)
_SELECT_LOGPROBS = "SELECT tokens FROM logprobs WHERE key = ?"


def check_version(connection: sqlite3.Connection, path: Path) -> int:
    """The store's version, refused when this Akrasia cannot read it.

    Raises:
        InputError: not a run store, or one from a newer Akrasia.
    """
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.DatabaseError as error:
        raise _unusable(path, error) from None
    if version > VERSION:
        raise InputError(
            f"{path} was written by a newer Akrasia (store version {version}, this one reads {VERSION}): upgrade"
        )
    return int(version)


def _unusable(path: Path, error: sqlite3.Error) -> InputError:
    """What to do about a store that cannot be opened: it is out of reach, or its file is cut short or no store."""
    if isinstance(error, sqlite3.OperationalError):
        return InputError(f"cannot open {path}: {error}; check the folder's permissions and free space")
    return InputError(
        f"{path} is damaged, or not a run store ({error}): put a copy of it back, save what is left with "
        f"`sqlite3 {path} .recover`, or name another folder"
    )


class Store:
    """One run's tables, open for writing. Made inside a running event loop, under the folder's `RunLock`.

    Args:
        folder: the run's folder; `run.sqlite` is created when it is not there.
        reuse: stores of other runs whose matching calls may be taken; `reused` counts how often one was.
        retry_missing: refused calls and missing measurements of earlier sittings count as not made. What is stored
            stays until what takes its place is committed.
    """

    def __init__(self, folder: Path, *, reuse: Sequence[Path] = (), retry_missing: bool = False) -> None:
        self.path = folder / "run.sqlite"
        # A network disk cannot share memory between connections: one connection then reads and writes.
        exclusive = on_network_disk(folder)
        try:
            self._reader = connect(self.path, exclusive=exclusive)
            version = check_version(self._reader, self.path)
            if version == 0:
                self._reader.executescript(f"BEGIN; {DDL} PRAGMA user_version = {VERSION}; COMMIT;")
            elif version < VERSION:
                self._reader = _migrated(self._reader, self.path, exclusive=exclusive)
        except sqlite3.Error as error:
            raise _unusable(self.path, error) from None
        self._sources = [self._reader] if self._any_calls(self._reader) else []
        self._sources += [read_only(path) for path in reuse]
        self.reused = 0
        self.resumed = self._reader.execute("SELECT EXISTS (SELECT 1 FROM candidates)").fetchone()[0] == 1
        self._retry = retry_missing
        self._asked_now: set[str] = set()  # keys of judges' answers and of refusals of this sitting, while it retries
        self._writer = Writer(self.path, self._reader if exclusive else connect(self.path))
        self._known_requests: dict[str, None] = {}

    @staticmethod
    def _any_calls(connection: sqlite3.Connection) -> bool:
        return bool(connection.execute("SELECT EXISTS (SELECT 1 FROM calls)").fetchone()[0])

    # --- what is there -------------------------------------------------------------------------------------------

    @property
    def has_history(self) -> bool:
        """True when answers bought before this process started may be found."""
        return bool(self._sources)

    def find_call(self, key: str, *, again: bool = False) -> Reply | None:
        """The stored answer under a key, from this run or from one of those to reuse.

        Args:
            key: of the call.
            again: only an answer of this sitting counts.
        """
        if again and key not in self._asked_now:
            return None
        for source in self._sources or (self._reader,):
            row = source.execute(_CALL, (key,)).fetchone()
            if row is not None:
                self.reused += source is not self._reader
                tokens = source.execute(_SELECT_LOGPROBS, (key,)).fetchone()
                logprobs = (
                    msgspec.json.decode(zlib.decompress(tokens[0]), type=tuple[TokenLogprob, ...]) if tokens else None
                )
                return Reply(row[0], row[1], row[2], Usage(*row[3:7]), logprobs, row[7])
        return None

    def find_refusal(self, key: str) -> str | None:
        """Why this run's endpoint refused the call under a key before, or None."""
        if self._retry and key not in self._asked_now:
            return None
        row = self._reader.execute("SELECT reason FROM failures WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def samples_done(self, cell: int, item: int, samples: Sequence[int]) -> set[int]:
        """Which samples of a range have their candidate and score stored. Asked per unit, never held."""
        if not self.resumed or not samples:
            return set()
        rows = self._reader.execute(
            "SELECT DISTINCT sample FROM scores WHERE cell = ? AND item = ? AND sample BETWEEN ? AND ? "
            "AND (missing IS NULL OR ?)",
            (cell, item, samples[0], samples[-1], not self._retry),
        )
        return {sample for (sample,) in rows}

    def samples_missing(self, cell: int, item: int, samples: Sequence[int]) -> set[int]:
        """Which samples of a range are stored without a measurement that is to be made again."""
        if not (self._retry and self.resumed and samples):
            return set()
        rows = self._reader.execute(
            "SELECT sample FROM scores WHERE cell = ? AND item = ? AND sample BETWEEN ? AND ? AND missing IS NOT NULL",
            (cell, item, samples[0], samples[-1]),
        )
        return {sample for (sample,) in rows}

    def missing_reasons(self) -> dict[str, int]:
        """How many candidates have no measurement, by reason, the most frequent first."""
        rows = self._reader.execute(
            "SELECT missing, count(*) FROM scores WHERE missing IS NOT NULL GROUP BY missing ORDER BY 2 DESC, 1"
        )
        return dict(rows.fetchall())

    def utilities(self, cell: int, item: int) -> list[float | None]:
        """The stored utilities of one item, by sample from 0 on; None where the measurement is missing."""
        rows = self._reader.execute(
            "SELECT utility FROM scores WHERE cell = ? AND item = ? ORDER BY sample", (cell, item)
        )
        return [utility for (utility,) in rows]

    def answers(self, cell: int, item: int) -> dict[str, str]:
        """See `akrasia.runs.reader.Run.answers`."""
        return {answer: text for answer, text, _ in self._reader.execute(ANSWERS, (cell, item))}

    def answer_classes(self, cell: int, item: int) -> dict[str, str]:
        """See `akrasia.runs.reader.Run.answer_classes`."""
        return dict(self._reader.execute(ANSWER_CLASSES, (cell, item)).fetchall())

    def totals(self) -> dict[int, CellTotals]:
        """Counts and tokens per cell id, from the tables."""
        totals: dict[int, CellTotals] = {}
        for cell, name in self._reader.execute("SELECT id, name FROM cells ORDER BY id"):
            candidates, failures, missing, items = self._reader.execute(
                "SELECT count(*), count(failure), count(missing), count(DISTINCT item) FROM scores WHERE cell = ?",
                (cell,),
            ).fetchone()
            totals[cell] = CellTotals(name, candidates, failures, missing, items, tuple(self._bought(cell)))
        return totals

    def audits(self) -> dict[int, AuditCount]:
        """What audits came to, by the id of each cell that has any."""
        return {cell: AuditCount(*counts) for cell, *counts in self._reader.execute(COUNT_AUDITS)}

    def _bought(self, cell: int) -> Iterator[RoleTotals]:
        for row in self._reader.execute(
            "SELECT role, count(*), sum(prompt_tokens), sum(completion_tokens), sum(cached_tokens), "
            "count(*) - count(prompt_tokens + completion_tokens), count(*) - count(prompt_tokens), "
            "count(*) - count(completion_tokens) FROM calls WHERE cell = ? GROUP BY role ORDER BY role",
            (cell,),
        ):
            yield RoleTotals(*row)

    # --- what is new ---------------------------------------------------------------------------------------------

    async def add_plan(self, cells: Iterable[Cell], items: Iterable[tuple[str, int, Item]]) -> dict[str, int]:
        """Write the cells and items of a run; returns the id of each cell by name."""
        encode = msgspec.json.encode
        known = {name: number for number, name in self._reader.execute("SELECT id, name FROM cells")}
        for cell in cells:
            if cell.name not in known:
                known[cell.name] = len(known)
                sampling = encode(cell.sampling).decode()
                row: Row = (known[cell.name], cell.name, cell.model, cell.suite, cell.strategy, sampling, cell.seed)
                self._writer.put("cells", (*row, cell.pool, int(cell.pooled)))
        for suite, position, item in items:
            messages, metadata = encode(item.input).decode(), encode(item.metadata).decode()
            self._writer.put(
                "items",
                (suite, position, item.id, messages, item.target, item.utility, item.cluster, metadata),
            )
        await self._writer.flush()
        return known

    def put_call(self, place: CallPlace, key: str, request: tuple[str, bytes], reply: Reply) -> None:
        """Queue a bought answer; await `committed()` before anyone sees it."""
        if self._retry:
            self._asked_now.add(key)
            self._writer.first(
                "UPDATE calls SET key = key || '~' || rowid, role = ? || role WHERE key = ?", (SUPERSEDED, key)
            )
            for table in ("failures", "logprobs", "raw"):
                self._writer.first(f"DELETE FROM {table} WHERE key = ?", (key,))  # noqa: S608 - names from above
        digest, body = request
        if digest not in self._known_requests:
            if len(self._known_requests) > 4096:
                self._known_requests.clear()
            self._known_requests[digest] = None
            self._writer.put("requests", (digest, body.decode()))
        if reply.logprobs is not None:
            self._writer.put("logprobs", (key, zlib.compress(msgspec.json.encode(reply.logprobs))))
        if reply.raw is not None:
            self._writer.put("raw", (key, zlib.compress(bytes(reply.raw))))
        usage = reply.usage
        self._writer.put(
            "calls",
            (
                key,
                place.cell,
                place.item,
                place.sample,
                place.role,
                place.label,
                digest,
                place.seed,
                reply.text,
                reply.reasoning,
                reply.finish,
                usage.prompt_tokens,
                usage.completion_tokens,
                usage.reasoning_tokens,
                usage.cached_tokens,
                reply.model,
            ),
        )

    def put_refusal(self, place: CallPlace, key: str, reason: str) -> None:
        """Queue the record of a call that was finally refused."""
        if self._retry:
            self._asked_now.add(key)
            self._writer.first("DELETE FROM failures WHERE key = ?", (key,))
        self._writer.put("failures", (key, place.cell, place.item, place.sample, place.role, place.label, reason))

    def put_candidate(self, place: tuple[int, int, int], candidate: Candidate, verifier: str, score: Score) -> None:
        """Queue a candidate with its score and its trail, in one transaction; its place is cell, item and sample."""
        if self._retry:
            for table in ("candidates", "scores", "judgements", "trails"):
                self._writer.first(f"DELETE FROM {table} WHERE cell = ? AND item = ? AND sample = ?", place)  # noqa: S608
        self._writer.put(
            "candidates",
            (*place, candidate.text, candidate.reasoning, candidate.finish, candidate.missing),
        )
        if candidate.trail is not None:
            self._writer.put("trails", (*place, candidate.trail))
        self._writer.put("scores", (*place, verifier, score.utility, score.answer, score.failure, score.missing))
        for one in score.judgements:
            found = one.judgement
            said = (_json(found.readings), _json(found.unread), _json(found.order), found.missing)
            self._writer.put("judgements", (*place, one.stage, one.judge, one.repeat, *said))

    def put_answer_classes(self, cell: int, item: int, of: Mapping[str, str]) -> None:
        """Queue the classes of an item's answers, in the place of those of earlier sittings, which had fewer."""
        self._writer.first("DELETE FROM answer_classes WHERE cell = ? AND item = ?", (cell, item))
        for answer, name in of.items():
            self._writer.put("answer_classes", (cell, item, answer, name))

    def committed(self) -> asyncio.Future[None]:
        """Done when everything queued so far is committed; fails with `StoreFailed`."""
        return self._writer.committed()

    async def flush(self) -> None:
        """Wait for everything queued; raises `StoreFailed` when it could not be written."""
        await self._writer.flush()

    async def close(self) -> None:
        """End the writer and close the files."""
        await self._writer.close()
        for connection in {*self._sources, self._reader}:
            connection.close()


class CallPlace(msgspec.Struct, frozen=True):
    """Where in a run a call was made; `again`: a judge's answer of an earlier sitting does not count."""

    cell: int
    item: int
    sample: int
    role: str
    label: str
    seed: int | None
    again: bool = False


def _json(record: object) -> str:
    return msgspec.json.encode(record).decode()


def _migrated(connection: sqlite3.Connection, path: Path, *, exclusive: bool) -> sqlite3.Connection:
    """The store in today's form. The work is done on a copy, which takes its place when it is whole."""
    new = path.with_suffix(".migrating")
    new.unlink(missing_ok=True)
    copy = sqlite3.connect(new, isolation_level=None)
    connection.backup(copy)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    for version in range(check_version(copy, new), VERSION):
        copy.executescript(f"BEGIN; {MIGRATIONS[version]} PRAGMA user_version = {version + 1}; COMMIT;")
    copy.execute("PRAGMA journal_mode = DELETE")
    copy.close()
    for left in (f"{path}-wal", f"{path}-shm"):
        Path(left).unlink(missing_ok=True)
    new.replace(path)
    return connect(path, exclusive=exclusive)


def read_only(path: Path) -> sqlite3.Connection:
    """A store, opened for reading only.

    Raises:
        InputError: see `check_version`.
    """
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, check_same_thread=False)
    check_version(connection, path)
    return connection
