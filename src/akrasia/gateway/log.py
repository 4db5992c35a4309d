"""The audit log: the record that the gateway keeps of a request, and the thread that gets records onto the disk.

How a line is written, hashed and chained is `akrasia.gateway.chain`; how lines get to the disk, and a killed log is
mended, `akrasia.gateway.logfile`; whether a log is whole, `akrasia.gateway.verify`.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from akrasia.audit import GuardVerdict, Plan, Revision, Spent, Target, Verdict
from akrasia.core import Fingerprint, InputError, Judgement, Reading, StoreFailed, Usage
from akrasia.gateway.credentials import NO_CREDENTIALS, Credentials
from akrasia.gateway.logfile import LogFile
from akrasia.gateway.redact import Redactor

Decision = Literal["unaudited", "passed", "rewritten", "stopped", "released", "withheld"]
"""What became of a choice. "unaudited": it went out and nobody read it, as the reason says; "passed": audited, and the
original went out; "rewritten": the rewrite went out; "stopped": the policy's text went out; "released": the audit
failed, and under `open` the original went out; "withheld": the audit failed, and under `closed` nothing of it did."""


class LoggedChoice(Struct, frozen=True, omit_defaults=True):
    """One choice of the answer, and its audit.

    Attributes:
        index: its place in the answer, from 0.
        original: the upstream's message, whole: content, reasoning_content, refusal, tool_calls …; under the name
            "message" where it was no object; None where the upstream gave none.
        decision: what became of it.
        finish: the upstream's finish_reason.
        verdict: the auditor on the original's content; None where it was not read.
        missing: why there is no verdict where one was wanted.
        revisions: the attempts to mend it, in order.
        delivered: the text that went out in place of the original's content: the rewrite, or the policy's text. None:
            the original went out, or nothing did, as `decision` says.
        delivered_verdict: the auditor on that text; None where it was not read.
        reason: why the decision was taken, in words.
        others: the auditor on what else the message holds, by name: "refusal", "thoughts", "tool call 1" …
        left_out: where the reply had fields that did not leave, or not whole, where the original went out:
            ``choices[0].message.thinking``, ``citations``.
        beside: texts that the upstream sent beside the message, by their fields' names; nobody read them.
    """

    index: int
    original: dict[str, Any] | None
    decision: Decision
    finish: str | None = None
    verdict: Verdict | None = None
    missing: str | None = None
    revisions: tuple[Revision, ...] = ()
    delivered: str | None = None
    delivered_verdict: Verdict | None = None
    reason: str | None = None
    others: dict[str, Verdict] = {}
    left_out: tuple[str, ...] = ()
    beside: dict[str, Any] = {}


class LogRecord(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One request through the gateway. The log adds ``seq``, ``time``, ``type``, ``previous`` and ``hash``.

    Attributes:
        id: the audit id that the client is given.
        mode: of the policy that applied.
        policy, policy_fingerprint: its name, and a hash over its contents.
        model: the name that the client asked for, without the strategy.
        strategy: that was carried out.
        messages: the request's, as they came.
        choices: of the answer, by index; empty where there was none.
        route: what selected the policy; None: the default.
        conversation: the client's name for the conversation, where it gave one.
        settings: the request's other fields, as they came.
        streamed: whether the client asked for a stream.
        status: the HTTP status that the client got.
        error: one line, where the client got an error; never with a key.
        constitution: name of the values that the owner declares; None where the model's own are used.
        target: what the choices were held against; None without an audit.
        judge, judge_fingerprint: who read for values, and what its verdicts depend on.
        usage: tokens of the deployed call.
        spent: what the audit's roles took.
        latency_s: seconds from the request's last byte to the answer's first.
        audit_s: seconds of them that the audit took; None without one before the answer.
    """

    id: str
    mode: Literal["pass", "observe", "annotate", "enforce"]
    policy: str
    policy_fingerprint: str
    model: str
    strategy: str
    messages: list[dict[str, Any]]
    choices: tuple[LoggedChoice, ...] = ()
    route: str | None = None
    conversation: str | None = None
    settings: dict[str, Any] = {}
    streamed: bool = False
    status: int = 200
    error: str | None = None
    constitution: str | None = None
    target: Target | None = None
    judge: str | None = None
    judge_fingerprint: Fingerprint | None = None
    usage: Usage | None = None
    spent: tuple[Spent, ...] = ()
    latency_s: float | None = None
    audit_s: float | None = None


MOST_TURNS = 16
"""Turns of the loop for which a growing batch may go on growing."""

RESERVED = frozenset({"seq", "time", "type", "previous", "hash"})
"""Keys of a line that are the log's own."""

_TYPES: tuple[type[Struct], ...] = (
    LogRecord, LoggedChoice, Target, Verdict, Judgement, Reading, Revision, Plan, GuardVerdict, Spent, Usage,
    Fingerprint,
)  # fmt: skip
_FIELDS = frozenset(name for one in _TYPES for name in one.__struct_fields__)
"""Names of our own format, which no redaction touches."""

_encode = msgspec.json.Encoder().encode

Record = LogRecord | Mapping[str, Any]


class _Entry(Struct):
    time: str
    record: bytes | Record
    redactor: Redactor | None
    credentials: Credentials
    answer: asyncio.Future[str]


class _Batch:
    __slots__ = ("entries", "rotations")

    def __init__(self) -> None:
        self.entries: list[_Entry] = []
        self.rotations: list[asyncio.Future[Path]] = []


class AuditLog:
    """The audit log of one gateway: whoever appends goes on when the line is on the disk.

    One thread writes. While it waits for the disk, the next lines gather, and go down together with one write and one
    fsync. Opened inside the event loop that appends.

    Args:
        path: of the log; rotated files stand beside it with a number: ``audit.jsonl`` → ``audit.000001.jsonl``.
        key: for HMAC, see `akrasia.gateway.chain.read_key`; None: without one.
        rotate_bytes: from which size on the next lines go to a new file; None: never.
        on_notice: called with one line that the owner should see, from any thread.
    """

    def __init__(
        self,
        path: Path,
        *,
        key: bytes | None = None,
        rotate_bytes: int | None = None,
        on_notice: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.path = path
        self._key = key
        self._rotate_bytes = rotate_bytes
        self._on_notice = on_notice
        self._file: LogFile | None = None
        self._handed: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._gathering: _Batch | None = None
        self._busy = False
        self._idle = asyncio.Event()
        self._idle.set()

    async def open(self) -> None:
        """Take the log for this process, mend what a kill has left, and begin the file where there is none.

        Raises:
            RunLocked: another live process writes to it.
            InputError: it cannot be written, is no audit log, or goes on with another key.
        """
        self._loop = asyncio.get_running_loop()
        file = await asyncio.to_thread(LogFile, self.path, self._key, self._rotate_bytes, self._on_notice)
        try:
            await asyncio.to_thread(file.write, _now(), [])
        except StoreFailed as error:
            file.close()
            raise InputError(str(error)) from None
        self._file = file
        self._thread = threading.Thread(target=self._work, args=(file,), name="akrasia-audit-log", daemon=True)
        self._thread.start()

    @property
    def head(self) -> str:
        """The hash of the last line on the disk, as `akrasia verify-log --head` takes it."""
        if self._file is None:
            raise InputError(f"the audit log {self.path} is not open")
        return self._file.head

    @property
    def remark(self) -> str | None:
        """What is to be known of lines that are not where they were; None: nothing."""
        return None if self._file is None else self._file.remark

    @property
    def failing(self) -> bool:
        """Whether the last lines could not be written; the next ones try again."""
        return self._file is not None and self._file.failing

    async def append(
        self, record: Record, redactor: Redactor | None = None, credentials: Credentials = NO_CREDENTIALS
    ) -> str:
        """Write one record; its line is on the disk when this returns.

        Args:
            record: a `LogRecord`, or a mapping with at least one key and none of `RESERVED`.
            redactor: blots out what may not be kept.
            credentials: keys, which are blotted out before.

        Returns:
            The hash of its line.

        Raises:
            StoreFailed: it could not be written: disk full, file gone. The log stays whole, and the next call tries
                again.
            InputError: the log is not open, or a mapping that cannot stand in it.
            TypeError: a value that JSON does not have.
        """
        if self._file is None:
            raise InputError(f"the audit log {self.path} is not open")
        if isinstance(record, Mapping) and (not record or RESERVED & record.keys()):
            raise InputError(f"a record of the audit log has a key at least, and none of {', '.join(sorted(RESERVED))}")
        kept: bytes | Record = record
        if redactor is None:
            encoded = _encode(record)
            if not credentials.in_json(encoded):
                kept = encoded
        answer: asyncio.Future[str] = self._loop.create_future()
        self._gather().entries.append(_Entry(_now(), kept, redactor, credentials, answer))
        return await answer

    async def rotate(self) -> Path:
        """Go on in a new file, after the lines that are queued; returns where the old one is.

        Raises:
            StoreFailed: it cannot be renamed; the log goes on in the same file.
        """
        if self._file is None:
            raise InputError(f"the audit log {self.path} is not open")
        answer: asyncio.Future[Path] = self._loop.create_future()
        self._gather().rotations.append(answer)
        return await answer

    async def close(self) -> None:
        """Write what is queued and let go of the log. Never raises: a failure was told to those who waited."""
        if self._file is None:
            return
        await self._idle.wait()
        self._file = None
        self._handed.put(None)
        await asyncio.to_thread(self._thread.join)

    # --- gathering -----------------------------------------------------------------------------------------------

    def _gather(self) -> _Batch:
        if self._gathering is None:
            self._gathering = _Batch()
            self._idle.clear()
            if not self._busy:
                self._busy = True
                self._loop.call_soon(self._settle, self._gathering, 0, 0)
        return self._gathering

    def _settle(self, batch: _Batch, size: int, turns: int) -> None:
        """Hand a batch over when a turn of the loop has added nothing to it: an fsync costs as much as a hundred lines.

        Nobody waits for a clock: an idle loop hands over in its next turn.
        """
        grown = len(batch.entries)
        if grown > size and turns < MOST_TURNS:
            self._loop.call_soon(self._settle, batch, grown, turns + 1)
        else:
            self._gathering = None
            self._handed.put(batch)

    def _written(self, answers: list[_Answer]) -> None:
        for future, answer in answers:
            if future.done():  # whoever waited was cancelled
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
        if self._gathering is not None:
            self._loop.call_soon(self._settle, self._gathering, 0, 0)
        else:
            self._busy = False
            self._idle.set()

    # --- the thread ----------------------------------------------------------------------------------------------

    def _work(self, file: LogFile) -> None:
        while (batch := self._handed.get()) is not None:
            self._loop.call_soon_threadsafe(self._written, _carry_out(file, batch))
        file.close()


_Answer = tuple[asyncio.Future[Any], str | Path | Exception]


def _carry_out(file: LogFile, batch: _Batch) -> list[_Answer]:
    """Write a batch and rotate where that was asked for; what becomes of each who waits."""
    answers: list[_Answer] = []
    ready: list[tuple[asyncio.Future[str], tuple[str, bytes]]] = []
    for entry in batch.entries:
        try:
            ready.append((entry.answer, (entry.time, _kept(entry))))
        except Exception as error:  # noqa: BLE001 - raised where the record came from; the others are written
            answers.append((entry.answer, error))
    try:
        hashes = file.write(_now(), [line for _, line in ready])
        answers += zip((future for future, _ in ready), hashes, strict=True)
    except Exception as error:  # noqa: BLE001 - raised at everybody who waits
        answers += [(future, error) for future, _ in ready]
    for rotation in batch.rotations:
        try:
            answers.append((rotation, file.rotate()))
        except StoreFailed as error:
            answers.append((rotation, error))
    return answers


def _kept(entry: _Entry) -> bytes:
    if isinstance(entry.record, bytes):
        return entry.record
    builtins = msgspec.to_builtins(entry.record)
    if entry.credentials:
        builtins = entry.credentials.out_of(builtins, _FIELDS)
    return _encode(builtins if entry.redactor is None else entry.redactor.redact(builtins, _FIELDS))


def _now() -> str:
    """UTC, to the millisecond: 2030-01-31T09:30:00.000Z."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
