"""Replies read from a file: `replay:FILE`. For worked examples, tests, and answers bought elsewhere.

Each line is `{"request": {"messages": [...], ...}, "sample": int, "reply": "text" or {...}}`. A row answers a request
with the same messages when every other field that its request names agrees too; the seed says which sample is asked
for (`akrasia.core.sample_of`). Nothing depends on what was asked before, so a resumed run gets the same replies.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

from akrasia.core import CallRefused, Fingerprint, InputError, Message, Reply, Request, Usage, sample_of
from akrasia.core.decoding import Undecodable, decode_json
from akrasia.core.records import Finish
from akrasia.models.build import ModelSettings

_CONCURRENCY = 64


class _RecordedReply(Struct, forbid_unknown_fields=True):
    text: str
    reasoning: str | None = None
    finish: Finish = "stop"
    usage: Usage = Usage()
    model: str | None = None


class _RecordedRequest(Struct, forbid_unknown_fields=True):
    messages: tuple[Message, ...]
    temperature: float | msgspec.UnsetType = msgspec.UNSET
    max_tokens: int | msgspec.UnsetType | None = msgspec.UNSET
    top_p: float | msgspec.UnsetType | None = msgspec.UNSET
    stop: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    seed: int | msgspec.UnsetType | None = msgspec.UNSET
    schema: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET
    grammar: str | msgspec.UnsetType | None = msgspec.UNSET
    logprobs: int | msgspec.UnsetType | None = msgspec.UNSET
    continue_turn: bool | msgspec.UnsetType = msgspec.UNSET
    extra: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET


class _Row(Struct, forbid_unknown_fields=True):
    request: _RecordedRequest
    reply: str | _RecordedReply
    sample: int = field(default=0)


class _Recorded(Struct, frozen=True):
    wanted: tuple[tuple[str, object], ...]
    reply: Reply


_NAMED = tuple(name for name in _RecordedRequest.__struct_fields__ if name != "messages")


def build(text: str, settings: ModelSettings) -> Replay:
    """The model that `replay:TEXT` names."""
    return Replay(Path(text), settings)


class Replay:
    """Answers from a file of recorded rows. See `akrasia.core.Model`.

    The first row that matches wins. Its fingerprint is the hash of the file, which is read on `open`.
    """

    def __init__(self, path: Path, settings: ModelSettings | None = None) -> None:
        self.name = f"replay:{path}"
        self._path = path
        self._settings = settings or ModelSettings()
        self._rows: dict[tuple[tuple[Message, ...], int], list[_Recorded]] = {}
        self._hash = ""

    @property
    def fingerprint(self) -> Fingerprint:
        """The hash of the file, once open; its name may change."""
        return Fingerprint("replay", self._hash, "replay")

    @property
    def choices(self) -> int:
        """As many as one request may ask for; the file decides how many there are."""
        return 128

    @property
    def concurrency(self) -> int:
        """A cap for the caller's sake: answers are immediate."""
        return self._settings.concurrency or _CONCURRENCY

    async def open(self) -> None:
        """Read the file.

        Raises:
            InputError: it cannot be read, or a line is broken; the message names the line by number.
        """
        try:
            content = self._path.read_bytes()
        except OSError as error:
            raise InputError(f"cannot read the replay file {self._path}: {error.strerror}") from None
        self._hash = hashlib.sha256(content).hexdigest()
        decoder = msgspec.json.Decoder(_Row)
        for number, line in enumerate(content.splitlines(), start=1):
            if line.strip():
                self._keep(self._decode(decoder, line, number))
        if not self._rows:
            raise InputError(f"the replay file {self._path} has no rows: give it lines of request, sample and reply")

    async def complete(self, request: Request, n: int = 1) -> list[Reply]:
        """The recorded replies of the request's sample and the n − 1 that follow it, up to the first that is not there.

        Raises:
            CallRefused: there is no row for the first of them.
        """
        first = sample_of(request.seed)
        replies: list[Reply] = []
        for sample in range(first, first + n):
            found = self._find(request, sample, sample - first)
            if found is None:
                break
            replies.append(found)
        if not replies:
            raise CallRefused(
                f"no row of {self._path} answers sample {first} of the request that ends {_tail(request)!r}: "
                "record it, or ask for fewer samples"
            )
        return replies

    def interrupt(self) -> None:
        """Nothing waits here."""

    async def close(self) -> None:
        """Forget the rows."""
        self._rows.clear()

    def _decode(self, decoder: msgspec.json.Decoder[_Row], line: bytes, number: int) -> _Row:
        try:
            return decode_json(line, decoder)
        except Undecodable as error:
            expected = 'a row is {"request": {"messages": [...]}, "sample": 0, "reply": "text"}'
            raise error.at(f"{self._path}, line {number}", expected) from None

    def _keep(self, row: _Row) -> None:
        recorded = row.reply
        if isinstance(recorded, str):
            reply = Reply(recorded)
        else:
            reply = Reply(recorded.text, recorded.reasoning, recorded.finish, recorded.usage, None, recorded.model)
        named = ((name, getattr(row.request, name)) for name in _NAMED)
        wanted = tuple((name, wish) for name, wish in named if wish is not msgspec.UNSET)
        self._rows.setdefault((row.request.messages, row.sample), []).append(_Recorded(wanted, reply))

    def _find(self, request: Request, sample: int, offset: int) -> Reply | None:
        for recorded in self._rows.get((request.messages, sample), ()):
            if all(_field(request, name, offset) == wish for name, wish in recorded.wanted):
                return recorded.reply
        return None


def _field(request: Request, name: str, offset: int) -> object:
    """A field of the request as choice `offset` of it has it."""
    if name == "seed":
        return None if request.seed is None else request.seed + offset
    return getattr(request, name)


def _tail(request: Request) -> str:
    content = request.messages[-1].content if request.messages else ""
    return content if len(content) <= 60 else "…" + content[-59:]
