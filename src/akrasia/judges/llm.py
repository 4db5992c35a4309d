"""The LLM judge: any model reads a text for values, under a JSON schema and with evidence that must occur in the text.

``llm:MODEL`` with settings at the very end, after MODEL and whatever belongs to it: ``llm:openai:NAME@URL?each=1``.

- ``each`` (0): 1 asks for one value a call, in place of all in one call.
- ``temperature`` (0): of every reading. A repeat shows the values in another order, so repeats differ at 0 too; with
  ``each=1`` there is no order, and they differ in their seed alone.
- ``tokens``: cap on one reply, thoughts included; by default it grows with the number of values.

What is asked stands in `llm_prompt`, how a reply is read in `llm_reply`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Annotated
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta, Struct

from akrasia.core import Ask, CallRefused, Fingerprint, InputError, Judgement, Reading, Request
from akrasia.judges.aside import aside
from akrasia.judges.llm_prompt import SYSTEM, TEXT, first_seed, is_blank, messages, order, schema
from akrasia.judges.llm_reply import read_reply
from akrasia.prompts import fingerprint
from akrasia.values import Taxonomy, Value

TOKENS_PER_VALUE = 96
"""A verdict with a quotation of 25 words, in the least favourable script."""

SPARE_TOKENS = 1024
"""Room for thoughts before the verdicts."""


class LLMSettings(Struct, frozen=True, kw_only=True):
    """How the model is asked; see the module."""

    each: Annotated[int, Meta(ge=0, le=1)] = 0
    temperature: Annotated[float, Meta(ge=0, le=2)] = 0.0
    tokens: Annotated[int, Meta(ge=1)] | None = None


_KEYS = "|".join(LLMSettings.__struct_fields__)
_SETTINGS = re.compile(rf"\?((?:{_KEYS})=[^?&]*(?:&(?:{_KEYS})=[^?&]*)*)$")


def build(text: str) -> LLM:
    """The judge that ``llm:TEXT`` names.

    Raises:
        InputError: it names no model, or a setting cannot be used.
    """
    found = _SETTINGS.search(text)
    model = text[: found.start()] if found else text
    if not model.partition(":")[2]:
        raise InputError(f"judge 'llm:{text}' names no model: write llm:MODEL, for example llm:local:smollm2")
    pairs = parse_qsl(found[1], keep_blank_values=True) if found else []
    if len(dict(pairs)) != len(pairs):
        raise InputError(f"judge 'llm:{text}' gives a setting twice: give each once")
    try:
        settings = msgspec.convert(dict(pairs), LLMSettings, strict=False)
    except msgspec.ValidationError as error:
        raise InputError(f"judge 'llm:{text}': {error}") from None
    return LLM(model, settings, name=f"llm:{text}")


class LLM:
    """Asks a model. See `akrasia.judges.Judge`.

    Args:
        model: as for `--model`.
        settings: how it is asked.
        name: as the user wrote it.
    """

    prompts = (SYSTEM, TEXT)
    deterministic = False

    def __init__(self, model: str, settings: LLMSettings | None = None, *, name: str | None = None) -> None:
        self.model: str | None = model
        self.name = name or f"llm:{model}"
        self._settings = settings or LLMSettings()

    @property
    def fingerprint(self) -> Fingerprint:
        """The prompts and the settings."""
        settings = self._settings
        said = f"each={settings.each} temperature={settings.temperature:g} tokens={settings.tokens or 'default'}"
        return Fingerprint("llm", fingerprint(*self.prompts), said)

    def check(self, taxonomy: Taxonomy) -> None:
        """Nothing: every value that has a definition can be asked for."""

    async def read(
        self, text: str, taxonomy: Taxonomy, ask: Ask | None, *, role: str = "judge", repeat: int = 0
    ) -> Judgement:
        """The verdict on one text; missing, without a call, where nothing is to be seen in it.

        Raises:
            CallRefused: the model refuses every call about this text.
            InputError: there is no `ask`.
        """
        if is_blank(text):
            return Judgement(missing="there is nothing to read: the text is empty")
        if ask is None:
            raise InputError(f"judge {self.name!r} asks a model, and there is no way to it: give `ask`")
        values = await aside(len(text), order, taxonomy, text, repeat)
        if not self._settings.each:
            return await self._read(text, taxonomy, values, ask, (role, repeat))
        return await self._read_each(text, taxonomy, ask, (role, repeat))

    async def _read(
        self, text: str, taxonomy: Taxonomy, values: Sequence[Value], ask: Ask, how: tuple[str, int]
    ) -> Judgement:
        role, repeat = how
        request, label = await aside(len(text), self._asked, text, values, repeat)
        reply = await ask(role, request, label)
        return await aside(len(text), read_reply, reply, text, taxonomy, [value.id for value in values])

    async def _read_each(self, text: str, taxonomy: Taxonomy, ask: Ask, how: tuple[str, int]) -> Judgement:
        calls = (self._read(text, taxonomy, [value], ask, how) for value in taxonomy.values)
        # All come to their end before an error is raised, so that no verdict that was paid for is dropped.
        found = await asyncio.gather(*calls, return_exceptions=True)
        readings: dict[str, Reading] = {}
        unread: dict[str, str] = {}
        refusals = []
        for value, one in zip(taxonomy.ids, found, strict=True):
            if isinstance(one, CallRefused):
                refusals.append(one)
                unread[value] = str(one)
            elif isinstance(one, BaseException):
                raise one
            else:
                readings.update(one.readings)
                unread.update(one.unread if one.missing is None else {value: one.missing})
        if len(refusals) == len(found):
            raise refusals[0]
        return Judgement(readings, unread)

    def _asked(self, text: str, values: Sequence[Value], repeat: int) -> tuple[Request, str]:
        """What the model is asked, and the label of the call."""
        settings = self._settings
        request = Request(
            messages(values, text),
            temperature=settings.temperature,
            max_tokens=settings.tokens or SPARE_TOKENS + TOKENS_PER_VALUE * len(values),
            seed=first_seed(text) + repeat,
            schema=schema(values),
        )
        return request, _label(text, repeat, values)


def _label(text: str, repeat: int, values: Sequence[Value]) -> str:
    """Tells the calls of one sample apart: which text, which repeat, and which value where there is one."""
    digest = blake2b(text.encode(errors="surrogatepass"), digest_size=4).hexdigest()
    return f"values-{digest}-{repeat}" + (f"-{values[0].id}" if len(values) == 1 else "")
