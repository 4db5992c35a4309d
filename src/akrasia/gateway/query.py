"""What of the query in a request's address goes on to the upstream. Pure.

Few parameters do, by name: some upstreams take a model, a key or any other field of a request from there, too, and a
request must not take one model's route and be answered by another. Others stay behind.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from akrasia.gateway.wire import refused

CHAT = frozenset({"api-version"})
"""Parameters of a chat request that go on."""

MODELS = CHAT | {"limit", "after", "before", "after_id", "before_id", "order"}
"""Parameters that go on where models are listed."""

NOTHING: Mapping[str, str] = {}

_VALUE = re.compile(r"[A-Za-z0-9._~:/-]{1,128}")


def forwarded_query(address: str, names: frozenset[str]) -> Mapping[str, str]:
    """The parameters in a request's address that go on.

    Args:
        address: path and query, as they came.
        names: of those that may.

    Raises:
        WireError: 400, where one of them stands twice, of which readers take either, or is no plain word.
    """
    _, mark, query = address.partition("?")
    if not mark:
        return NOTHING
    found: dict[str, str] = {}
    for name, text in parse_qsl(query.partition("#")[0], keep_blank_values=True, errors="replace"):
        if name not in names:
            continue
        if name in found or _VALUE.fullmatch(text) is None:
            said = f"the address gives {name} {'twice' if name in found else 'no plain word'}: write it once, like 2024"
            raise refused(400, said, "invalid_query", param=name)
        found[name] = text
    return found
