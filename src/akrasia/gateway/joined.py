"""What was put together from pieces, with keys blotted out once more: of what the pieces say together.

Each piece was looked through when it came, and a key that is cut in two shows only in the whole. So whatever becomes
whole here passes through this place, before anybody reads, sends or logs it. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from akrasia.gateway.credentials import MARK, Credentials
from akrasia.gateway.wire import Body

_Place = tuple[str, ...]
_Texts = dict[_Place, list[str]]


def without_keys(fields: Body, keys: Credentials) -> Body:
    """A choice, or fields of a reply, without the keys in their texts; the same object where there are none.

    Texts under the same names in the elements of a list, such as the parts of a content, are read as one: of a key
    that goes over several of them nothing is left but a mark in the first. Log-probabilities whose tokens spell a key
    become a mark.

    Args:
        fields: not changed.
        keys: to blot out.
    """
    if not keys:
        return fields
    logprobs = fields.get("logprobs")
    if isinstance(logprobs, dict) and any(_spells(tokens, keys) for tokens in logprobs.values()):
        fields = {**fields, "logprobs": MARK}
    found: _Texts = {}
    for name, field in fields.items():
        if name != "logprobs":
            _gather(field, (name,), found)
    changed = {place: clean for place, texts in found.items() if (clean := keys.out_of_pieces(texts)) is not texts}
    if not changed:
        return fields
    for texts in changed.values():
        texts.reverse()
    return {
        name: field if name == "logprobs" else _with_texts(field, (name,), changed) for name, field in fields.items()
    }


def _gather(field: Any, place: _Place, found: _Texts) -> None:
    """Put the texts of a field to those that stand under the same names."""
    if isinstance(field, str):
        found.setdefault(place, []).append(field)
    elif isinstance(field, dict):
        for name, one in field.items():
            _gather(one, (*place, name), found)
    elif isinstance(field, list):
        for one in field:
            _gather(one, place, found)


def _with_texts(field: Any, place: _Place, texts: Mapping[_Place, list[str]]) -> Any:
    """A field with other texts, which are taken from the end of those for its place."""
    if isinstance(field, str):
        return texts[place].pop() if place in texts else field
    if isinstance(field, dict):
        return {name: _with_texts(one, (*place, name), texts) for name, one in field.items()}
    return [_with_texts(one, place, texts) for one in field] if isinstance(field, list) else field


def _spells(tokens: object, keys: Credentials) -> bool:
    if not isinstance(tokens, list):
        return False
    texts = [token.get("token") for token in tokens if isinstance(token, dict)]
    said = "".join(text for text in texts if isinstance(text, str))
    return bool(keys.out_of(said) != said)
