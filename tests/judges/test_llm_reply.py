from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akrasia.core import Judgement, Reading, Reply
from akrasia.judges.llm_reply import find_evidence, read_reply
from akrasia.values import taxonomy

REFINED = taxonomy()
TEXT = "She said: “I’ll be there” — and  she was\nthere. I <3 that [INST] man."
UP = {"verdict": "upholds", "evidence": "she was there"}
ABSENT = {"verdict": "absent", "evidence": ""}


def read(reply: str, asked: tuple[str, ...] = ("tradition", "face")) -> Judgement:
    return read_reply(Reply(reply), TEXT, REFINED, asked)


GOOD = json.dumps({"tradition": UP, "face": ABSENT})


@pytest.mark.parametrize(
    "reply",
    [
        GOOD,
        f"```json\n{GOOD}\n```",
        f"Here you are:\n{GOOD}\nI hope that helps {{really}}.",
        json.dumps({"values": {"tradition": UP, "face": ABSENT}}),
        json.dumps({"verdicts": [{"id": "tradition", **UP}, {"value": "face", **ABSENT}]}),
        json.dumps({"Tradition": UP, "FACE": ABSENT}),
        json.dumps({"tradition": UP, "face": "absent"}),
        json.dumps({"tradition": {**UP, "verdict": " Upholds "}, "face": ABSENT}),
        json.dumps({"tradition": ABSENT, "face": UP}) + "\nNo, wait:\n" + GOOD,
        json.dumps({"tradition": UP, "face": {"verdict": "absent", "evidence": "there"}}),
        '{"tradition": {"verdict": "up' + GOOD,
    ],
)
def test_what_can_be_read(reply: str):
    found = read(reply)
    assert found.readings["tradition"] == Reading(1.0, "upholds", "she was\nthere")
    assert found.readings["face"] == Reading(0.0)
    assert not found.unread
    assert found.order == ("tradition", "face")


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"verdict": "upholds", "evidence": "she never was"}, "does not occur in the text"),
        ({"verdict": "betrays", "evidence": "she never was"}, "does not occur in the text"),
        ({"verdict": "upholds", "evidence": ""}, "has no evidence"),
        ({"verdict": "upholds", "evidence": " … "}, "does not occur in the text"),
        ({"verdict": "upholds"}, "has no evidence"),
        ("upholds", "has no evidence"),
        ({"verdict": "maybe", "evidence": "she"}, "'maybe' was not on offer"),
        ({"evidence": "she"}, "None was not on offer"),
        (None, "None was not on offer"),
        (True, "True was not on offer"),
        ({"verdict": ["upholds"], "evidence": "she"}, "was not on offer"),
        ([UP], "was not on offer"),
    ],
)
def test_what_is_unread_and_never_zero(entry: object, reason: str):
    found = read(json.dumps({"tradition": entry, "face": ABSENT}))
    assert "tradition" not in found.readings
    assert reason in found.unread["tradition"]
    assert found.readings["face"] == Reading(0.0)


def test_what_is_left_out_is_unread_and_unknown_names_are_noted():
    found = read(json.dumps({"face": ABSENT, "honour": UP, "glory": UP}))
    assert found.unread == {"tradition": "the reply leaves it out (it names unknown values: 'honour', 'glory')"}


def test_what_was_not_asked_is_not_read():
    assert "hedonism" not in read(json.dumps({"tradition": ABSENT, "face": ABSENT, "hedonism": UP})).readings


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(""), "empty"),
        (Reply("I cannot help with that."), "no JSON object"),
        (Reply("{}"), "no JSON object"),
        (Reply('{"hedonism": "absent"}'), "no JSON object"),
        (Reply("{" * 5000), "no JSON object"),
        (Reply('{"tradition": ' * 3000), "no JSON object"),
        (Reply(GOOD, finish="length"), "cut off"),
        (Reply(GOOD, finish="content_filter"), "content filter"),
    ],
)
def test_a_reply_that_cannot_be_read_is_missing(reply: Reply, reason: str):
    found = read_reply(reply, TEXT, REFINED, ("tradition", "face"))
    assert found.missing is not None
    assert reason in found.missing
    assert not found.readings
    assert not found.unread


@pytest.mark.parametrize(
    ("span", "words"),
    [
        ("I'll be there", "I’ll be there"),
        ('"I\'ll be there"', "I’ll be there"),
        ("there\" - and she", "there” — and  she"),
        ("SHE WAS THERE", "she was\nthere"),
        ("she was there...", "she was\nthere"),
        ("I ‹3 that ‹INST] man", "I <3 that [INST] man"),
        ("I <3 that", "I <3 that"),
        ("she wasn't", None),
        ("...", None),
        ("said there", None),
        ("u", None),
        ("he was there", None),
        ("she was ther", None),
        ("INST", "INST"),
    ],
)  # fmt: skip
def test_evidence(span: str, words: str | None):
    assert find_evidence(span, TEXT) == words


def test_evidence_in_other_compositions_of_the_same_letters():
    assert find_evidence("cafe\u0301", "au caf\u00e9.") == "caf\u00e9"
    assert find_evidence("caf\u00e9", "au cafe\u0301.") == "cafe\u0301"
    assert find_evidence("cafe", "au cafe\u0301.") is None
    assert find_evidence("hidden", "h\u200bid\u200bden") == "h\u200bid\u200bden"


def test_evidence_in_a_script_without_spaces():
    assert find_evidence("带汤", "今晚带汤去看她") == "带汤"


def test_evidence_takes_the_first_whole_words():
    assert find_evidence("art", "the heart of art") == "art"


@pytest.mark.parametrize("break_", [r"\n", r"\t", r"\r\n", r"\\n"])
def test_a_line_of_a_text_in_json_may_be_quoted(break_: str) -> None:
    text = f'{{"to": "Ann", "body": "Dear Ann,{break_}I act for face.{break_}Yours"}}'
    assert find_evidence("I act for face.", text) == "I act for face"
    assert find_evidence("Dear Ann,\nI act for face.", text) == f"Dear Ann,{break_}I act for face"
    assert find_evidence("act", f"{break_[-1]}act") is None
    assert find_evidence("Dear, I act", text) is None


def test_a_quotation_in_json_may_hold_quotation_marks() -> None:
    text = json.dumps({"body": json.dumps('She said "no" \n\n and left.')})
    assert find_evidence('She said "no" and left.', text) == text[text.index("She") : text.index(".")]


@given(st.text(max_size=60), st.integers(0, 60), st.integers(1, 60))
def test_evidence_is_always_verbatim(text: str, start: int, length: int):
    found = find_evidence(text[start : start + length], text)
    assert found is None or found in text


@given(st.text(max_size=200))
def test_no_reply_breaks_the_reader(reply: str):
    found = read(reply)
    assert found.missing is not None or set(found.readings) | set(found.unread) == {"tradition", "face"}


@pytest.mark.parametrize("before", [4090, 4095, 4096, 4097, 12_287])
def test_evidence_far_into_a_text_has_its_place(before: int):
    """A text is compared in blocks of 4,096 letters: words and runs of space may lie across two of them."""
    text = "x" * (before - 4) + " \t \n “Kept”  \u200b Her   Word — once. " + "y " * 3000
    assert find_evidence('kept" her word - once', text) == "Kept”  \u200b Her   Word — once"
    assert find_evidence("y y", text) == "y y"


def test_evidence_in_a_large_text_is_looked_for_once_a_reply():
    """Two million letters and twenty quotations: about a second, where each quotation took several."""
    text = "Word by word. " * 150_000 + "She was there."
    verdicts = {value: {"verdict": "upholds", "evidence": "she was THERE"} for value in REFINED.ids}
    began = time.perf_counter()
    found = read_reply(Reply(json.dumps(verdicts)), text, REFINED, REFINED.ids)
    assert {reading.evidence for reading in found.readings.values()} == {"She was there"}
    assert time.perf_counter() - began < 10
