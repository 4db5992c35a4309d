"""Splitting a text into sentences, and the labelled sentences that ship with the encoder."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akrasia.core import InputError
from akrasia.judges.encoder_head import CATEGORIES
from akrasia.judges.sentences import MAX_WORDS, PASSAGE_WORDS, split_passages, split_sentences
from akrasia.judges.training_rows import SENTENCES, read_sentences, sentence_rows, unseen

CASES = {
    "two": ("Sit down. He is asleep!", ["Sit down.", "He is asleep!"]),
    "question and quote": ('"Are you ill?" she asked. I am.', ['"Are you ill?"', "she asked.", "I am."]),
    "abbreviation": ("Ask Dr. Osei at 9 a.m. on Friday. Go.", ["Ask Dr. Osei at 9 a.m. on Friday.", "Go."]),
    "initial": ("J. Novak signed. I did not.", ["J. Novak signed.", "I did not."]),
    "the word I": ("It was I. Nobody else.", ["It was I.", "Nobody else."]),
    "decimal": ("It costs 3.50 now. Pay it.", ["It costs 3.50 now.", "Pay it."]),
    "trailing off": ("I thought ... maybe not. Fine.", ["I thought ... maybe not.", "Fine."]),
    "lines and markers": ("- Ring her\n2. Tell the truth\n\n---\n> Wait", ["Ring her", "Tell the truth", "Wait"]),
    "no full stop": ("no capital here. still the same", ["no capital here. still the same"]),
    "wide stops": ("我不去。你去吧！", ["我不去。", "你去吧！"]),
    "nothing": ("  \n ... !\n", []),
}


@pytest.mark.parametrize(("text", "sentences"), CASES.values(), ids=CASES.keys())
def test_sentences(text: str, sentences: list[str]) -> None:
    assert list(split_sentences(text)) == sentences


def test_a_long_sentence_is_cut_at_a_comma() -> None:
    text = " ".join(["word"] * 40) + ", " + " ".join(["other"] * 40)
    assert [len(piece.split()) for piece in split_sentences(text)] == [40, 40]


@given(st.text(alphabet="aB.,!? \n…\"'-1é。", max_size=400))
def test_every_sentence_is_verbatim_and_no_word_is_lost(text: str) -> None:
    pieces = split_sentences(text)
    at = 0
    for piece in pieces:
        at = text.index(piece, at) + len(piece)
        assert len(piece.split()) <= MAX_WORDS
    letters = [character for character in text if character.isalpha()]
    assert [character for piece in pieces for character in piece if character.isalpha()] == letters


@pytest.mark.parametrize(
    ("text", "passages"),
    [
        ("One. Two. Three.", ["One. Two. Three."]),
        ("One. Two. Three. Four. Five.", ["One. Two.", "Three. Four.", "Five."]),
        ("One.\nTwo. Three.", ["One.", "Two. Three."]),
        ("- One.  Two!\n\n- Three", ["One.  Two!", "Three"]),
        ("", []),
    ],
)
def test_passages_join_short_neighbours_on_one_line(text: str, passages: list[str]) -> None:
    assert list(split_passages(text)) == passages


def test_a_passage_does_not_grow_too_long() -> None:
    long = "We " + "very " * (PASSAGE_WORDS - 2) + "much."
    assert list(split_passages(f"{long} Yes. No.")) == [long, "Yes. No."]


@given(st.text(alphabet="aB.,!? \n…-1", max_size=300))
def test_passages_hold_the_sentences(text: str) -> None:
    passages = split_passages(text)
    assert all(passage in text for passage in passages)
    assert [sentence for passage in passages for sentence in split_sentences(passage)] == list(split_sentences(text))


def test_shipped_sentences_are_enough_balanced_and_split_by_family() -> None:
    sentences = read_sentences()
    assert len(sentences) >= 2400
    assert len({one.id for one in sentences}) == len({one.text for one in sentences}) == len(sentences)
    assert sum(not one.upholds and not one.betrays for one in sentences) >= 400
    parts = {part: {one.family for one in sentences if one.part == part} for part in ("train", "heldout")}
    assert not parts["train"] & parts["heldout"]
    domains = Counter(one.domain for one in sentences if one.part == "heldout")
    assert set(domains) == {"health", "education", "work", "money", "relationships"}
    assert len(set(domains.values())) == 1
    upheld = Counter(value for one in sentences for value in one.upholds)
    betrayed = Counter(value for one in sentences for value in one.betrays)
    assert min(upheld[value] for value in CATEGORIES) >= 60
    assert min(betrayed[value] for value in CATEGORIES) >= 30


def test_rows_of_a_part() -> None:
    sentences = read_sentences()
    held = sentence_rows(sentences, "heldout")
    assert held.upholds.shape == held.betrays.shape == (len(held), 20)
    share = sum(unseen(family) for family in {one.family for one in sentences}) / len({one.family for one in sentences})
    assert 0.15 < share < 0.25


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('{"id": "x"}', "line 2"),
        (
            '{"id":"x","family":"f","domain":"work","kind":"mixed","part":"train","text":"","upholds":["joy"],"betrays":[]}',
            "unknown value 'joy'",
        ),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    path = tmp_path / "sentences.jsonl"
    path.write_text(SENTENCES.read_text().splitlines()[0] + "\n" + line + "\n")
    with pytest.raises(InputError, match=complaint):
        read_sentences(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_sentences(tmp_path / "absent.jsonl")


@pytest.mark.parametrize(
    "piece", ["Hello there. ", ".", "e.g. ", "word ", "x", 'x".', "a, b ", " . "], ids=lambda piece: f"of {piece!r}"
)
def test_a_large_text_costs_no_more_than_its_length(piece: str) -> None:
    """400,000 letters take under a second; by the square of the length they took minutes and more."""
    text = piece * (400_000 // len(piece))
    began = time.perf_counter()
    split_passages(text)
    split_sentences(f'{text}". Foo.')
    assert time.perf_counter() - began < 10
