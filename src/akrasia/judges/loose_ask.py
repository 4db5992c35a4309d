"""Asking models outside a run: the door that judges need, without a store.

A file may keep the replies, so that work that was broken off is gone on with and nothing is bought twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from akrasia.core import InputError, Message, Model, Reply, Request, Sampling, StoreFailed
from akrasia.core.decoding import Undecodable, decode_json

_PLAIN = Sampling()


class _Kept(Struct, frozen=True):
    key: str
    reply: Reply


class ReplyFile:
    """Replies by key in a JSONL file, each on the disk before it is used. Open one at a time.

    Raises:
        InputError: the file cannot be opened, or holds something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._replies: dict[str, Reply] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = path.open("a+b")
        except OSError as error:
            raise InputError(f"cannot open the file of replies {path}: {error.strerror}") from None
        try:
            self._read()
        except InputError:
            self._file.close()
            raise

    def find(self, key: str) -> Reply | None:
        """The reply that was kept under a key."""
        return self._replies.get(key)

    def keep(self, key: str, reply: Reply) -> None:
        """Write a reply down.

        Raises:
            StoreFailed: it cannot be written.
        """
        self._replies[key] = reply
        try:
            self._file.write(msgspec.json.encode(_Kept(key, reply)) + b"\n")
            self._file.flush()
        except OSError as error:
            raise StoreFailed(
                f"cannot write {self._path}: {error.strerror}: make room and run the command again"
            ) from None

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _read(self) -> None:
        self._file.seek(0)
        whole = 0
        for number, line in enumerate(self._file, start=1):
            if not line.endswith(b"\n"):
                self._file.truncate(whole)  # the last line of a process that was killed while it wrote
                break
            try:
                kept = decode_json(line, _Kept)
            except Undecodable:
                raise InputError(f"{self._path}, line {number} is no kept reply: give a file of its own") from None
            self._replies[kept.key] = kept.reply
            whole += len(line)


class LooseAsk:
    """Asks open models, each as many calls at once as it takes. See `akrasia.core.Ask`.

    Args:
        models: open, by role.
        kept: where replies are looked up and kept; None: nowhere.
    """

    sampling = _PLAIN

    def __init__(self, models: Mapping[str, Model], kept: ReplyFile | None = None) -> None:
        self._models = models
        self._kept = kept
        self._under_way = dict.fromkeys(map(id, models.values()), 0)
        self._ended = asyncio.Condition()

    async def __call__(self, role: str, request: Request, label: str) -> Reply:
        """See `akrasia.core.Ask`."""
        model = self._models[role]
        key = "" if self._kept is None else _key(model, request, label)
        found = None if self._kept is None else self._kept.find(key)
        if found is not None:
            return found
        async with self._ended:
            await self._ended.wait_for(lambda: self._under_way[id(model)] < max(1, model.concurrency))
            self._under_way[id(model)] += 1
        try:
            reply = (await model.complete(request))[0]
        finally:
            async with self._ended:
                self._under_way[id(model)] -= 1
                self._ended.notify_all()
        if self._kept is not None:
            self._kept.keep(key, reply)
        return reply

    def at(self, sample: int) -> LooseAsk:  # noqa: ARG002 - the protocol's signature
        """The same door: there are no samples here."""
        return self

    def request(self, messages: Sequence[Message], **changes: Any) -> Request:
        """A request with nothing set but what is given."""
        return replace(Request(tuple(messages)), **changes)


def _key(model: Model, request: Request, label: str) -> str:
    state = blake2b(msgspec.json.encode((model.fingerprint, request, label)), digest_size=16)
    return state.hexdigest()
