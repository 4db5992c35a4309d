"""Texts as messages show them."""

from __future__ import annotations

from akrasia.runs.excerpts import BEFORE, SHOWN, excerpt


def test_a_text_alone_is_shown_from_its_beginning() -> None:
    assert excerpt("one\n two") == "'one two'"
    assert excerpt("x" * (SHOWN + 1)) == repr("x" * SHOWN + "…")


def test_two_texts_are_shown_where_they_differ() -> None:
    start = "The same words at the beginning of both, which go on for longer than a message has room. "
    assert excerpt(start + "Then one.", start + "Then another.") == repr(f"…{(start + 'Then ')[-BEFORE:-1]} one.")
    assert excerpt("#### 18", "#### 19") == "'#### 18'"
    # One that ends where the other goes on shows its end.
    assert excerpt(start, start + "More.").endswith("has room.'")
    assert "More." in excerpt(start + "More.", start)
