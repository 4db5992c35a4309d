"""The writer thread: commits whatever has queued, and tells the event loop when it is safe.

While one batch is committed, the next one gathers; there is no timer. Everybody who waits for a batch is woken in one
turn of the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from pathlib import Path
from typing import Any

from akrasia.core import StoreFailed
from akrasia.runs.schema import BULK, Table, insert

Row = tuple[Any, ...]

MOST_TURNS = 16
"""Turns of the loop for which a growing batch may go on growing."""


class _Batch:
    __slots__ = ("first", "rows", "waiting")

    def __init__(self) -> None:
        self.first: list[tuple[str, Row]] = []
        self.rows: dict[Table, list[Row]] = {}
        self.waiting: list[asyncio.Future[None]] = []


class Writer:
    """Writes to one SQLite file from one thread of its own.

    Args:
        path: the store, for messages.
        connection: to the store; closed with the writer.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._handed: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._gathering: _Batch | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._error: StoreFailed | None = None
        self._thread = threading.Thread(target=self._work, name="akrasia-writer", daemon=True)
        self._thread.start()

    def put(self, table: Table, row: Row) -> None:
        """Queue one row."""
        batch = self._gathering or self._gather()
        rows = batch.rows.get(table)
        if rows is None:
            batch.rows[table] = [row]
        else:
            rows.append(row)

    def first(self, statement: str, values: Row) -> None:
        """Queue a statement that makes way for rows of the same transaction: it runs before them."""
        (self._gathering or self._gather()).first.append((statement, values))

    def committed(self) -> asyncio.Future[None]:
        """Done when everything queued so far is committed; fails with `StoreFailed` when it cannot be.

        Each caller has its own future, so that one that is cancelled takes nobody with it.
        """
        waiting = self._loop.create_future()
        (self._gathering or self._gather()).waiting.append(waiting)
        return waiting

    def _gather(self) -> _Batch:
        batch = self._gathering = _Batch()
        if self._idle.is_set():
            self._idle.clear()
            self._loop.call_soon(self._settle, batch, 0, 0)
        return batch

    def _settle(self, batch: _Batch, size: int, turns: int) -> None:
        """Hand a batch over when a turn of the loop has added nothing to it: what is about to come travels along.

        A commit costs as much as a dozen rows. Nobody waits for a clock: an idle loop hands over in its next turn.
        """
        grown = len(batch.waiting)
        if grown > size and turns < MOST_TURNS:
            self._loop.call_soon(self._settle, batch, grown, turns + 1)
        else:
            self._gathering = None
            self._handed.put(batch)

    async def flush(self) -> None:
        """Wait until everything queued so far is committed.

        Raises:
            StoreFailed: the disk is full, or the file cannot be written.
        """
        await self._idle.wait()
        if self._error is not None:
            raise self._error

    async def close(self) -> None:
        """Flush and end the thread. Never raises: a failure was already told to those who waited."""
        await self._idle.wait()
        self._handed.put(None)
        await asyncio.to_thread(self._thread.join)

    def _committed(self, batch: _Batch, error: StoreFailed | None) -> None:
        if error is not None:
            self._error = error
        for waiting in batch.waiting:
            if waiting.done():
                continue
            if error is None:
                waiting.set_result(None)
            else:
                waiting.set_exception(error)
        if self._gathering is None:
            self._idle.set()
        else:
            self._loop.call_soon(self._settle, self._gathering, 0, 0)

    def _work(self) -> None:
        while (batch := self._handed.get()) is not None:
            error = self._write(batch)
            self._loop.call_soon_threadsafe(self._committed, batch, error)
        self._connection.close()

    def _write(self, batch: _Batch) -> StoreFailed | None:
        if self._error is not None:
            return self._error
        connection = self._connection
        try:
            self._commit(batch)
        except sqlite3.Error as error:
            why = f"{error}; make room or restore access"
        except Exception as error:  # noqa: BLE001 - a writer that dies without a word leaves everybody waiting for ever
            why = f"{type(error).__name__}: {error}; what it was given cannot be stored, please report it"
        else:
            return None
        with contextlib.suppress(sqlite3.Error):  # the first error is the one to tell
            connection.rollback()
        return StoreFailed(f"cannot write {self._path}: {why}")

    def _commit(self, batch: _Batch) -> None:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        for statement, made_way in batch.first:
            connection.execute(statement, made_way)
        for table, rows in batch.rows.items():
            start = 0
            for size in BULK:
                while len(rows) - start >= size:
                    values = [value for row in rows[start : start + size] for value in row]
                    connection.execute(insert(table, size), values)
                    start += size
        connection.execute("COMMIT")


def connect(path: Path, *, exclusive: bool = False) -> sqlite3.Connection:
    """A connection in the house's settings: WAL, and commits that survive the death of the process."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30.0)
    if exclusive:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection
