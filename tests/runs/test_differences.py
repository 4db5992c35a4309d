"""Which differences say nothing of their own."""

from __future__ import annotations

from akrasia.runs.differences import known_by_definition, less


def test_what_cancels_is_gone() -> None:
    assert less({"r": 1, "d": -1}, {"r": 1}) == {"d": -1}
    assert less({"r": 1}, {"r": 1}) == {}
    assert less({"a": 1}, {"b": 1, "a": -1}) == {"a": 2, "b": -1}


def test_the_first_of_what_is_alike_is_tested() -> None:
    items = [0, 1, 2]
    known = known_by_definition(
        {
            "deployed": ({"b": 1, "a": -1}, items),
            "reachable": ({"rb": 1, "ra": -1}, items),
            "the same again": ({"rb": 1, "ra": -1}, items),
            "the other way round": ({"b": -1, "a": 1}, items),
            "of fewer items": ({"b": 1, "a": -1}, items[:2]),
            "nothing": ({}, items),
            "part of it": ({"b": 1}, items),
        }
    )
    assert known == {"the same again": "reachable", "the other way round": "deployed", "nothing": None}
