"""What is blotted out of the audit log, and the patterns that are refused."""

from __future__ import annotations

import json
import re
import time
from functools import cache
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akrasia.core import InputError
from akrasia.gateway import redact
from akrasia.gateway.escapes import views
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


def escaped(text: str, times: int) -> str:
    """JSON in ASCII, inside JSON inside JSON …: what a model writes into a tool's arguments."""
    for _ in range(times):
        text = json.dumps({"patient": text, "path": "a/b"})
    return text


SECRETS = ["Müller", "SECRET-1234-5678", "ann@example.org", "Grüße 😀 an\nalle", 'she said "no"']


@pytest.mark.parametrize("times", [0, 1, 2, 4])
@pytest.mark.parametrize("secret", SECRETS)
def test_what_is_written_in_escapes_is_found(secret: str, times: int) -> None:
    text = escaped(f"before {secret} after", times)
    got = Redactor([re.escape(secret)]).redact({"arguments": text}, frozenset({"arguments"}))["arguments"]
    assert got == escaped(f"before {MARK} after", times)


def test_any_letter_may_be_an_escape() -> None:
    redactor = Redactor([r"SECRET-\d{4}-\d{4}", r"[\w.]+@[\w.]+"])
    assert redactor.redact(r'{"a": "SECRET\u002d1234-5678\u002D."}') == rf'{{"a": "{MARK}\u002D."}}'
    assert redactor.redact(r"\u0053ECRET-\u00312\u0033\u0034-567\u0038") == MARK
    assert redactor.redact(r"M\u00fcller@example.org") == MARK, "nothing of the address stays"
    assert redactor.redact({r"\u0053ECRET-1234-5678": 1}) == {MARK: 1}
    for plain in (r"C:\new\table", r"\ud800 \u12 \x41 \\ \\\ ", "\\"):
        assert redactor.redact(plain) == plain


@settings(deadline=None)
@given(text=st.text(alphabet='aü😀\n"\\/u01', max_size=30), times=st.integers(0, 3))
def test_views_lead_back(text: str, times: int) -> None:
    """What an escaped text reads as is the text, and each letter of it leads to what stands for it."""
    written = text
    for _ in range(times):
        written = json.dumps(written)[1:-1]
    found = list(islice(views(written, time.monotonic() + 60), times + 1))
    if len(found) <= times:  # nothing is left to undo
        assert "\\" not in found[-1].text  # type: ignore[union-attr]
    view = found[-1]
    assert view is not None
    assert view.text == text
    spans = [view.source(at, at + 1) for at in range(len(text))]
    assert [start for start, _ in spans] == [0, *(end for _, end in spans)][: len(text)]
    assert not spans or spans[-1][1] == len(written)


@pytest.mark.parametrize("unit", ["\\", "\\n", "\\u0061", 'a\\"', "\\\\u0061"])
def test_a_long_text_of_escapes_ends_in_time(unit: str) -> None:
    began = time.monotonic()
    Redactor([EMAIL]).redact(unit * (4_000_000 // len(unit)))
    assert time.monotonic() - began < 5


def test_what_is_escaped_a_thousand_times_is_found() -> None:
    hidden = "\\" + "u005c" * 1200 + "u0053ECRET-1234-5678"
    assert Redactor([r"SECRET-\d{4}-\d{4}"]).redact([hidden, "a"]) == [MARK, "a"]
