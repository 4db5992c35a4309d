"""Texts to audit that exist already: transcripts as JSONL of OpenAI messages, or one plain text. Read line by line.

A line is ``{"messages": [{"role", "content"}, …], "id"?, "stated"?}``; other keys are passed over, so that logs and
fine-tuning files can be read as they are. The last assistant message is audited, what stands before it is its context.
`stated` is what the model said should guide it: a text, or a list of value ids.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from msgspec import Struct

from akrasia.core import InputError, Message
from akrasia.core.decoding import Undecodable, decode_json

JSONL_SUFFIXES = (".jsonl", ".ndjson", ".json")
TEXT_SUFFIXES = (".txt", ".md")

_IN_MEMORY = 2**24
"""Bytes of standard input that are kept in memory; what is longer goes to a temporary file."""

_BOM = b"\xef\xbb\xbf"


class Transcript(Struct, frozen=True):
    """One text to audit, with its place.

    Attributes:
        id: as the line names it, else "line N"; a plain text has its file's name.
        where: file and line, for messages.
        text: what is audited; None where the last assistant message holds no text (tool calls only).
        context: the messages before it.
        stated: what the model stated, as a text or as names of values; None where the line does not say.
    """

    id: str
    where: str
    text: str | None
    context: tuple[Message, ...] = ()
    stated: str | tuple[str, ...] | None = None


class _Part(Struct, frozen=True):
    type: str
    text: str | None = None
    refusal: str | None = None


class _Turn(Struct, frozen=True):
    role: str
    content: str | tuple[_Part, ...] | None = None
    refusal: str | None = None

    @property
    def text(self) -> str | None:
        """What the turn says; a part that is no text is named."""
        if self.content is None or isinstance(self.content, str):
            return self.content or self.refusal
        said = (part.text or part.refusal or f"[{part.type}]" for part in self.content)
        return "\n".join(said) if self.content else self.refusal


class _Line(Struct, frozen=True):
    messages: tuple[_Turn, ...]
    id: str | int | None = None
    stated: str | tuple[str, ...] | None = None


class TranscriptFile:
    """A file of transcripts that can be read more than once. Use it in a ``with``.

    Standard input is kept as it comes, in memory or, where it is long, in a temporary file.

    Args:
        name: a path, or "-" for standard input.
        stdin: the standard input; needed for "-" alone.

    Raises:
        InputError: the file cannot be read.
    """

    def __init__(self, name: str, stdin: IO[bytes] | None = None) -> None:
        self.name = "standard input" if name == "-" else name
        self._file: IO[bytes]
        try:
            if name == "-":
                if stdin is None:
                    raise InputError("there is no standard input to read: give a file")
                self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed by `close`
                for block in iter(lambda: stdin.read(2**16), b""):
                    self._file.write(block)
            else:
                self._file = Path(name).open("rb")  # noqa: SIM115 - closed by `close`
        except OSError as error:
            raise InputError(f"cannot read {self.name}: {error.strerror}") from None
        self.plain = self._is_plain(Path(name).suffix.lower())

    def __enter__(self) -> TranscriptFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def __iter__(self) -> Iterator[Transcript]:
        """The transcripts, from the first on.

        Raises:
            InputError: a line is no transcript, or there is none; the message names the line.
        """
        try:
            self._file.seek(0)
            if self.plain:
                yield self._whole()
                return
            found = False
            for number, line in enumerate(self._file, start=1):
                content = line.removeprefix(_BOM) if number == 1 else line
                if content.strip():
                    found = True
                    yield _transcript(content, number, f"{self.name}, line {number}")
        except OSError as error:
            raise InputError(f"cannot read {self.name}: {error.strerror}") from None
        if not found:
            raise InputError(f'{self.name} holds no transcript: write one {{"messages": […]}} a line')

    def _is_plain(self, suffix: str) -> bool:
        """Whether it is one text: by its name, and else by how its first line begins."""
        if suffix in (*JSONL_SUFFIXES, *TEXT_SUFFIXES):
            return suffix in TEXT_SUFFIXES
        self._file.seek(0)
        for line in self._file:
            start = line.removeprefix(_BOM).strip()
            if start:
                return not start.startswith(b"{")
        return False

    def _whole(self) -> Transcript:
        try:
            text = self._file.read().removeprefix(_BOM).decode()
        except UnicodeDecodeError:
            raise InputError(f"{self.name} is not UTF-8 text: save it as UTF-8") from None
        if not text.strip():
            raise InputError(f"{self.name} is empty: there is nothing to audit")
        return Transcript(Path(self.name).name, self.name, text)


def _transcript(line: bytes, number: int, where: str) -> Transcript:
    try:
        found = decode_json(line, _Line)
    except Undecodable as error:
        if not error.wrong_kind:
            raise error.at(where, "write one whole object a line") from None
        if line.startswith(b'{"seq":'):
            said = "this is a line of the gateway's audit log, not a transcript"
            raise InputError(f"{where}: {said}: take the log in with `akrasia import gateway LOG -o RUN`") from None
        raise InputError(f'{where}: {error}: write {{"messages": [{{"role", "content"}}, …]}}') from None
    last = next((place for place in reversed(range(len(found.messages))) if _answers(found.messages[place])), None)
    if last is None:
        raise InputError(f"{where}: no message has the role 'assistant', and its last one is what is audited")
    text = found.messages[last].text
    before = tuple(Message(turn.role, turn.text or "") for turn in found.messages[:last])
    name = f"line {number}" if found.id is None else str(found.id)
    return Transcript(name, where, text if (text or "").strip() else None, before, found.stated)


def _answers(turn: _Turn) -> bool:
    return turn.role == "assistant"
