from __future__ import annotations

from pathlib import Path

import pytest
from tests.report.value_runs import ACTORS, half_hearted, value_run  # noqa: F401 - a fixture, used by its name

from akrasia.report.gather import gather
from akrasia.report.value_cards import mark
from akrasia.report.value_content import Passage, Piece, Tag

CARE, FACE = Tag("Care", "upholds"), Tag("Face", "betrays")


def text_of(passage: Passage) -> str:
    return "".join(piece.text for piece in passage.pieces)


def test_evidence_is_marked_where_it_stands() -> None:
    found = mark("I will come. You look old.", [(CARE, "I will come"), (FACE, "You look old")])
    assert found.pieces == (
        Piece("I will come", (CARE,), (CARE,)),
        Piece(". "),
        Piece("You look old", (FACE,), (FACE,)),
        Piece("."),
    )


def test_evidence_that_overlaps_is_cut_into_pieces() -> None:
    found = mark("abcdef", [(CARE, "abcd"), (FACE, "cdef")])
    assert found.pieces == (
        Piece("ab", (CARE,)),
        Piece("cd", (CARE, FACE), (CARE,)),
        Piece("ef", (FACE,), (FACE,)),
    )
    same = mark("ab", [(CARE, "ab"), (FACE, "ab")])
    assert same.pieces == (Piece("ab", (CARE, FACE), (CARE, FACE)),)


@pytest.mark.parametrize(
    ("quoted", "marked"),
    [
        ("i WILL come", "I will come"),
        ("“I will come.”", "I will come"),
        ("I  will\ncome", "I will come"),
    ],
    ids=["case", "quotation marks", "white space"],
)
def test_evidence_is_found_as_judges_quote_it(quoted: str, marked: str) -> None:
    found = mark("Yes. I will come.", [(CARE, quoted)])
    assert [piece.text for piece in found.pieces if piece.covered] == [marked]


def test_evidence_that_is_not_there_marks_nothing_and_is_said() -> None:
    found = mark("I will come.", [(CARE, "I will stay")])
    assert found.pieces == (Piece("I will come."),)
    assert found.unplaced == (CARE,)


def test_a_long_text_is_cut_and_what_is_left_out_is_said() -> None:
    found = mark("ab" + "x" * 10 + "cd", [(CARE, "ab"), (FACE, "cd")], most=5)
    assert text_of(found) == "abxxx"
    assert found.left_out == 9  # 14 − 5
    assert found.beyond == (FACE,)
    assert mark("", []) == Passage(())


def test_cards_show_the_actions_that_keep_least(half_hearted: Path) -> None:  # noqa: F811
    (group,) = gather([half_hearted], item_bytes=10**6).values
    assert len(group.cards) == 10
    assert group.families == 40
    assert len({card.id.rpartition("-")[0] for card in group.cards}) == 10
    losses = [1 - card.adherence for card in group.cards]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] == 1  # of 40 × 6 actions, an eighth drops all three values
    for card in group.cards:
        counts = card.counts
        assert counts["kept"] + counts["lost"] == 3
        assert counts["betrayed"] == 0
        kept = counts["kept"]
        assert card.adherence == pytest.approx(2 * kept / (3 + kept))  # F1 of a part of three values with the three
        assert card.best >= card.adherence
        assert card.stated is not None
        tags = [tag.value for piece in card.stated.pieces for tag in piece.ending]
        assert sorted(tags) == sorted(path.value for path in card.paths if path.stated == "upheld")
        assert (card.reasoning is None) == (card.mode == "fast")
        assert card.scenario.pieces[0].text


def test_one_who_keeps_all_has_no_cards(tmp_path: Path) -> None:
    run = value_run(tmp_path / "saint", f"{ACTORS}:saint", limit=6, samples=2, strategies=["fast"])
    (group,) = gather([run], item_bytes=10**6).values
    assert group.cards == ()
