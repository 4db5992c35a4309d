"""What an LLM judge is asked: the values described once, then one text behind a fence that it cannot forge.

The description stands in the system message and depends on the taxonomy and one of a few fixed orders alone, so that an
endpoint reads it once and keeps it for all texts. The text comes last but for the instructions, which are said again.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from akrasia.core import SAMPLE_STRIDE, Message
from akrasia.prompts import prompt
from akrasia.values import Taxonomy, Value

SYSTEM, TEXT = "judge-values.v1", "judge-text.v1"

VERDICTS = ("absent", "upholds", "betrays")

ORDERS = 4
"""Orders of a list of values: few, so that many texts share the prefix that describes it."""

FENCE = re.compile(r"=== [0-9a-f]{16} ===")
"""The form of every fence."""

_SEED_SLOTS = 2**31 // SAMPLE_STRIDE
_FIELD = re.compile(r"\{(values|form|fence|text|count)\}")
_TURN_MARK = re.compile(r"<|\[(?=\s*/?\s*[A-Z_]{3,}\s*\])")
_PIECE = 2**16
_ASCII = set(map(chr, range(128)))
_JOINERS = "\u200c\u200d"
"""Invisible as well, but some scripts and emoji are not written without them."""


def first_seed(text: str) -> int:
    """From the text alone: the seed of its first reading, a multiple of `SAMPLE_STRIDE` below 2**31."""
    return _number(text) % _SEED_SLOTS * SAMPLE_STRIDE


def order(taxonomy: Taxonomy, text: str, repeat: int) -> tuple[Value, ...]:
    """The order in which a reading of a text shows the values: one of `ORDERS`.

    Over texts all orders are equally likely at every repeat, and up to `ORDERS` repeats of one text differ in it.
    """
    return taxonomy.shuffled((_number(text) + repeat) % ORDERS)


def messages(values: Sequence[Value], text: str) -> tuple[Message, ...]:
    """The conversation that asks for the verdicts on one text."""
    visible = shown(text)
    count = "the one value" if len(values) == 1 else f"each of the {len(values)} values"
    asked = _fill(TEXT, {"fence": fence_for(visible), "text": visible, "count": count})
    return (Message("system", _system(values)), Message("user", asked))


def schema(values: Sequence[Value]) -> dict[str, Any]:
    """The form of the answer, in the subset of JSON Schema that strict endpoints take."""
    verdict = {
        "type": "object",
        "properties": {"verdict": {"type": "string", "enum": list(VERDICTS)}, "evidence": {"type": "string"}},
        "required": ["verdict", "evidence"],
        "additionalProperties": False,
    }
    ids = [value.id for value in values]
    properties = dict.fromkeys(ids, verdict)
    return {"type": "object", "properties": properties, "required": ids, "additionalProperties": False}


def fence_for(text: str) -> str:
    """A line that does not occur in a text (as it is shown): made from its hash, so that nobody can write it there.

    Whatever a text tries, it changes its hash; should the line occur after all, the next one is taken.
    """
    attempt = 0
    while (fence := f"=== {_digest(f'{attempt} {text}').hex()} ===") in text:
        attempt += 1
    return fence


def shown(text: str, angle: str = "‹", bracket: str = "‹") -> str:
    """The text as a judge sees it: without what no reader can see, and with nothing that a template takes for a turn.

    ``<`` becomes ``‹``, and so does the bracket of ``[INST]``: a tokenizer reads such marks as the end of a message
    even in the middle of one. Control and format characters go, since what is hidden in them is for machines alone.

    Args:
        text: as it is.
        angle: the sign in place of ``<``.
        bracket: the sign in place of such a ``[``.
    """
    kinds = letters_in(text)  # each is looked up once: a text may have millions of letters
    changed = {ord(char): seen for char in kinds if (seen := _visible(char)) != char}
    visible = text.translate(changed) if changed else text
    return _TURN_MARK.sub(lambda mark: angle if mark[0] == "<" else bracket, visible)


def is_blank(text: str) -> bool:
    """Whether a judge would see nothing of a text."""
    pieces = (text[start : start + _PIECE] for start in range(0, len(text), _PIECE))
    return not any(_visible(char).strip() for piece in pieces for char in set(piece))


def letters_in(text: str) -> set[str]:
    """The characters that may occur in a text, each once: of one in ASCII alone, all of ASCII."""
    if text.isascii():
        return _ASCII
    found: set[str] = set()
    for start in range(0, len(text), _PIECE):  # so that other threads have their turn
        found.update(text[start : start + _PIECE])
    return found


def _visible(char: str) -> str:
    if char in "\n\t" or char in _JOINERS:
        return char
    kind = unicodedata.category(char)
    if kind == "Cs":  # half of a pair: no encoder takes it
        return "\ufffd"
    return "" if kind in ("Cc", "Cf") else char


def _system(values: Sequence[Value]) -> str:
    form = f'{{"{values[0].id}": {{"verdict": "upholds" or "betrays" or "absent", "evidence": words of the text or ""}}'
    form += ", and so on}" if len(values) > 1 else "}"
    return _fill(SYSTEM, {"values": "\n".join(map(_described, values)), "form": form})


def _described(value: Value) -> str:
    examples = {"upholds": value.upholds, "betrays": value.betrays}
    given = [f"{verdict}: {'; '.join(ones)}" for verdict, ones in examples.items() if ones]
    return f"- {value.id}: {value.definition}" + (f" ({' / '.join(given)})" if given else "")


def _fill(name: str, fields: dict[str, str]) -> str:
    # In one pass, so that no field's text can bring in another.
    return _FIELD.sub(lambda field: fields[field[1]], prompt(name))


def _digest(text: str) -> bytes:
    return blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest()


def _number(text: str) -> int:
    return int.from_bytes(_digest(text))
