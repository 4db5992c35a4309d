"""What is blotted out of the audit log, and the patterns that are refused."""

from __future__ import annotations

import re
import time
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akrasia.core import InputError
from akrasia.gateway import redact
from akrasia.gateway.redact import MARK, OVERLAP, TOO_SLOW, WINDOW, Redactor

EMAIL = r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"
COMMON = [
    EMAIL,
    r"[\w.+-]+@[\w-]+\.[\w.]+",
    r"sk-[A-Za-z0-9]{16,}",
    r"\b(?:\d[ -]?){13,16}\b",
    r"(?i)password:\s*\S+",
    r"\+?\d[\d ()-]{7,}\d",
    r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}\b",
]


def test_texts_and_keys_at_any_depth() -> None:
    redactor = Redactor([EMAIL, r"\d{3}-\d{4}"])
    record = {
        "a": ["write to ann@example.org, or ring 555-1234", 5551234, None, True, 1.5],
        "b@example.org": {"c@example.org": 1, "d@example.org": 2, "e": ("555-1234",)},
    }
    assert redactor.redact(record) == {
        "a": [f"write to {MARK}, or ring {MARK}", 5551234, None, True, 1.5],
        MARK: {MARK: 1, f"{MARK} 2": 2, "e": [MARK]},
    }
    assert record["a"][0] == "write to ann@example.org, or ring 555-1234"  # type: ignore[index]
    assert Redactor(["name"]).redact({"name": "name", "names": 1}, frozenset({"name"})) == {"name": MARK, f"{MARK}s": 1}
    assert Redactor([]).redact({"a": "b"}) == {"a": "b"}
    with pytest.raises(TypeError, match="not bytes"):
        redactor.redact({"a": [b"ann@example.org"]})


built = cache(lambda pattern: Redactor([pattern]))


@settings(deadline=None)
@given(
    pattern=st.sampled_from([EMAIL, r"\d{3}-\d{4}", "ab+", r"(?m)^x+$", r"\bword\b"]),
    pieces=st.lists(st.sampled_from(["ann@example.org", "555-1234", " ", "abbb", "x\n", "word", "w" * 700, "\n"])),
)
def test_windows_change_nothing_for_short_matches(pattern: str, pieces: list[str]) -> None:
    text = "".join(pieces)
    short = all(len(match[0]) <= OVERLAP for match in re.finditer(pattern, text))
    if short:
        assert built(pattern).redact(text) == re.sub(pattern, MARK, text)


@pytest.mark.parametrize("at", [0, 1, WINDOW - OVERLAP, WINDOW - 300, WINDOW - 1, WINDOW, 3 * WINDOW - 250])
def test_a_match_across_the_end_of_a_window(at: int) -> None:
    secret = "k" + "s" * (OVERLAP - 2) + "k"
    text = " " * at + secret + " " * 3000
    assert Redactor(["ks+k"]).redact(text) == text.replace(secret, MARK)


def test_a_longer_match_is_taken_in_parts() -> None:
    assert "s" not in Redactor(["s+"]).redact("s" * 10_000).replace(MARK, "")


@pytest.mark.parametrize("pattern", COMMON)
def test_common_patterns_stand_the_trial(pattern: str) -> None:
    Redactor([pattern])


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", r"(\w+\s?)+!", "(a|a)*b", "(a|aa)+$", r"^(\d+)*x", "(x*)*y", r"(.*)(.*)(.*)(.*)z", "(ab|a|b)+c"],
)
def test_patterns_that_explode_are_refused_in_time(pattern: str) -> None:
    began = time.monotonic()
    with pytest.raises(InputError, match="takes too long on"):
        Redactor([pattern])
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(("pattern", "why"), [("(", "is not a regular expression"), ("a*", "matches the empty text")])
def test_patterns_that_make_no_sense(pattern: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        Redactor(["fine", pattern])


def test_what_time_does_not_allow_is_blotted_out_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    redactor = Redactor(["secret"])
    monkeypatch.setattr(redact, "RECORD_S", -1.0)
    assert redactor.redact({"a": ["nothing to see", "secret"]}, frozenset({"a"})) == {"a": [TOO_SLOW, TOO_SLOW]}


def test_a_long_hostile_text_ends_in_time() -> None:
    began = time.monotonic()
    Redactor([r"[\w.+-]+@[\w-]+\.[\w.]+"]).redact("a" * 2_000_000)
    assert time.monotonic() - began < 5
