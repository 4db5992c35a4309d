"""What a message thinks in blocks: fields in which routers pass on the reasoning of models beside its plain text. Pure.

Mostly they repeat the reasoning, in a stream piece by piece, with a signature or a sealed block that only the model's
maker can open. Where they pass, what they say and the reasoning does not is read as a part of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from akrasia.gateway.allowed import REASONINGS, Part, readable, text_of


class _Blocks(Struct, frozen=True):
    """How a field's blocks look.

    Attributes:
        kinds: what their ``type`` may be.
        said: their texts.
        sealed: what is no text to a reader: signatures, ciphers, and names of one word.
    """

    kinds: frozenset[str]
    said: frozenset[str]
    sealed: frozenset[str]


THOUGHTS = "thoughts"
"""Name of the part."""

_FIELDS = {
    "reasoning_details": _Blocks(
        frozenset({"reasoning.text", "reasoning.summary", "reasoning.encrypted"}),
        frozenset({"text", "summary"}),
        frozenset({"data", "signature", "id", "format"}),
    ),
    "thinking_blocks": _Blocks(
        frozenset({"thinking", "redacted_thinking"}), frozenset({"thinking"}), frozenset({"data", "signature"})
    ),
}
SAID = {name: blocks.said for name, blocks in _FIELDS.items()}
"""The texts of the blocks of each field that has some."""

_SEALED = re.compile(r"[A-Za-z0-9+/=_.:-]*")


def thinks_in_blocks(name: str, field: object) -> bool:
    """Whether a message's field is one of blocks whose shape is known, so that `thought` has all of their text."""
    return name in _FIELDS and _forms(_FIELDS[name], field) is not None


def thought(message: Mapping[str, Any]) -> Part | None:
    """The part that a message's blocks are; None where they say no more than its reasoning, or have another shape."""
    plain = {text_of(message.get(name)) for name in REASONINGS}
    texts: dict[str, None] = {}
    for name, blocks in _FIELDS.items():
        forms = _forms(blocks, message.get(name)) or ()
        if not plain.intersection(forms):
            texts |= dict.fromkeys(forms)
    said = "\n".join(map(readable, texts))
    return Part(THOUGHTS, said, spoken=False) if said.strip() else None


def _forms(blocks: _Blocks, field: object) -> tuple[str, ...] | None:
    """The text of a field as clients may show it, in one piece or block by block; None where its shape is not known."""
    if not isinstance(field, list):
        return None
    said: list[tuple[object, str]] = []
    for one in field:
        kind = one.get("type") if isinstance(one, dict) else None
        if not isinstance(kind, str) or kind not in blocks.kinds:
            return None
        for name, value in one.items():
            if name in blocks.said and isinstance(value, str):
                said.append(((kind, one.get("index")), value))
            elif not _sealed(blocks, name, value):
                return None
    apart = "".join(
        text if place == 0 or said[place - 1][0] == block else f"\n{text}" for place, (block, text) in enumerate(said)
    )
    return tuple(dict.fromkeys(("".join(text for _, text in said), apart)))


def _sealed(blocks: _Blocks, name: str, value: object) -> bool:
    if name == "type" or value is None:
        return name in blocks.said | blocks.sealed | {"type", "index"}
    if name == "index":
        return isinstance(value, int)
    return name in blocks.sealed and isinstance(value, str) and _SEALED.fullmatch(value) is not None
