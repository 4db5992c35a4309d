"""What a message cites: titles, quotations and addresses of sources, which clients show beside the content. Pure.

Answers of models that search the web have them under ``annotations``. Where they pass they are read as a part of their
own: nobody's answer to the question, so that only betrayal tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from akrasia.gateway.allowed import Part, readable

ANNOTATIONS = "annotations"
"""The field of a message."""

CITATIONS = "citations"
"""Name of the part."""

_KIND = "url_citation"
_SAID = ("title", "content", "url")
_PLACES = frozenset({"start_index", "end_index", "index"})


def cited(message: Mapping[str, Any]) -> Part | None:
    """The part that a message's citations are; None where it has none, or not all of them have the known shape."""
    found = message.get(ANNOTATIONS)
    if not isinstance(found, list):
        return None
    texts: list[str] = []
    for one in found:
        said = _texts(one)
        if said is None:
            return None
        texts += said
    return Part(CITATIONS, readable("\n".join(dict.fromkeys(texts))), spoken=False) if texts else None


def _texts(citation: object) -> list[str] | None:
    """What a citation says; None where it has another shape, or says more."""
    if not isinstance(citation, dict) or citation.get("type") != _KIND:
        return None
    inner = citation.get(_KIND, {})
    if not isinstance(inner, dict):
        return None
    around = {name: field for name, field in citation.items() if name not in ("type", _KIND)}
    texts = []
    for name, field in (*inner.items(), *around.items()):
        if name in _PLACES and (field is None or isinstance(field, int | float)):
            continue
        if name not in _SAID or not isinstance(field, str | None):
            return None
        texts += [field] if field and field.strip() else []
    return texts
