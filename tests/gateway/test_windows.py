"""Windows of a streamed choice: the same ones however the text was cut, and nothing of it is lost."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akrasia.gateway.windows import LONGEST, StreamedChoice

pieces = st.lists(st.text(st.sampled_from("ab.!\n 。"), max_size=9), max_size=12)


def windows(given: list[str]) -> tuple[list[str], str]:
    """The windows of a text that comes in pieces, and what waits at its end."""
    choice, found = StreamedChoice(), []
    for piece in given:
        choice.add(piece)
        while end := choice.window_end():
            found.append(choice.waiting[:end])
            choice.leave(end)
    assert choice.left == "".join(found)
    return found, choice.rest


@given(pieces)
def test_nothing_is_lost_and_no_window_is_blank(given: list[str]) -> None:
    found, rest = windows(given)
    assert "".join(found) + rest == "".join(given)
    assert all(window.strip() for window in found)


def test_where_windows_end() -> None:
    assert windows(["\n \n", "One. T", "wo!  ", "\n", "three"]) == (["\n \nOne. ", "Two!  "], "\nthree")
    assert windows(["One.", "\n", "\n"]) == (["One.\n"], "\n")
    assert windows(["Wait", "...", '?"', "* ", "Then."]) == (['Wait...?"* '], "Then.")
    (window,), rest = windows(["word " * 500])
    assert (len(window), len(rest)) == (LONGEST, 500)


ESCAPED = r"One. Two! A\\u0061nd {}three. Four! Five."


@pytest.mark.parametrize("text", [ESCAPED.format(""), ESCAPED.format("x" * 1990), ESCAPED.format("x. " * 900)])
def test_letters_in_escapes_wait_for_the_whole(text: str) -> None:
    """However the text is cut: an escape too."""
    expected = (["One. ", "Two! "], text[10:])
    for size in (1, 2, 3, 7, 11, 12, 13, 1000, 5000):
        assert windows([text[start : start + size] for start in range(0, len(text), size)]) == expected


def test_an_escape_that_a_window_would_cut_waits_too() -> None:
    for before in range(LONGEST - 8, LONGEST):
        text = "x" * before + r"\u0061" + "y" * 100
        assert windows(list(text)) == ([], text)
    text = "x" * LONGEST + r"\u0061" + "y" * 100
    assert windows(list(text)) == ([text[:LONGEST]], text[LONGEST:]) == windows([text])


@pytest.mark.parametrize("piece", [r"\u0061", "\n" * 200, "word " * 40, "x" * 200])
def test_many_pieces_cost_no_more_than_their_number(piece: str) -> None:
    """20,000 pieces take under a second; looking through all of the white space each time took most of a minute."""
    began = time.perf_counter()
    windows([piece] * 20_000)
    assert time.perf_counter() - began < 10


@pytest.mark.parametrize("sign", [".", "?", '"', "。", ")"])
def test_a_row_of_signs_is_looked_through_once(sign: str) -> None:
    """5,000 signs, one by one, take a tenth of a second; trying each as the end's beginning took minutes with dots."""
    began = time.perf_counter()
    found, rest = windows(["It is so.", *[sign] * 5_000])
    assert "".join(found) + rest == "It is so." + sign * 5_000
    assert time.perf_counter() - began < 5
