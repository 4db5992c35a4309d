"""Mathematical equality, and that no expression can hold up or end a run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akrasia.core import Candidate, InputError, Item, Utility
from akrasia.utilities import build_utility
from akrasia.utilities.math import Math, _closed, _surely_read
from akrasia.utilities.math_worker import MARKED, compare, equate
from akrasia.utilities.registry import UtilityOptions
from akrasia.utilities.workers import Workers, start_module


@pytest.fixture(scope="module")
def utility() -> Iterator[Utility]:
    built = build_utility("math")
    yield built
    built.close()


EQUAL = {
    "fraction in a box": ("1/2", r"So \boxed{\frac{1}{2}}."),
    "short fraction": (r"\frac{1}{2}", r"\boxed{\frac12}"),
    "decimal": (r"\frac{1}{2}", "The answer is 0.5"),
    "equation": ("18", "so $x = 18$"),
    "thousands": ("1,234", r"\boxed{1234}"),
    "roots": (r"3\sqrt{2}", r"$\sqrt{18}$"),
    "expanded": ("x^2+2x+1", r"\boxed{(x+1)^2}"),
    "tuple": ("(1,2)", r"\boxed{(1, 2)}"),
    "set": (r"\{1,2\}", r"\boxed{\{2, 1\}}"),
    "word": (r"\text{Evelyn}", r"\boxed{\text{Evelyn}}"),
    "dollars": (r"\$5", r"\boxed{5}"),
    "degrees": (r"90^\circ", r"\boxed{90}"),
    "percent": (r"50\%", r"\boxed{50\%}"),
    "corrected itself": ("2", r"\boxed{3}, no wait: \boxed{2}"),
    "target with its solution": ("because 2+3=5 #### 5", "I get 5"),
    "box within text": ("7", r"First $x = 3$. Then \boxed{7} since $2 < 3$."),
}


@pytest.mark.parametrize(("target", "text"), EQUAL.values(), ids=EQUAL)
def test_equal_as_mathematics(utility: Utility, target: str, text: str) -> None:
    score = utility.score(Item("q", (), target=target), Candidate(text))
    assert (score.utility, score.failure, score.missing) == (1.0, None, None)


@pytest.mark.parametrize("text", [r"\boxed{4}", "The answer is 3.01", r"\boxed{3x}", r"\boxed{(3, 3)}"])
def test_different_as_mathematics(utility: Utility, text: str) -> None:
    score = utility.score(Item("q", (), target="3"), Candidate(text))
    assert score.utility == 0.0
    assert score.answer


def test_wrong_answers_of_one_value_are_one_class_for_a_vote(utility: Utility) -> None:
    item = Item("q", (), target="3")
    answers = {utility.score(item, Candidate(text)).answer for text in ("0.5", r"\boxed{\frac{1}{2}}", "$1/2$")}
    assert answers == {"1/2"}


FORMS = ["x^2+2x+1", "(x+1)^2", r"2\sqrt{2}", r"\sqrt{8}", "0.5"]


@pytest.mark.parametrize("text", FORMS)
def test_the_answer_of_a_text_is_the_same_whatever_the_target(utility: Utility, text: str) -> None:
    scores = [utility.score(Item("q", (), target=target), Candidate(rf"\boxed{{{text}}}")) for target in FORMS]
    assert {score.utility for score in scores} == {0.0, 1.0}
    assert len({score.answer for score in scores}) == 1


EQUAL_ANSWERS = {
    "expanded": ("x^2+2x+1", "(x+1)^2"),
    "roots": (r"2\sqrt{2}", r"\sqrt{8}"),
    "rounded": ("0.333333", r"\frac13"),
    "identity": (r"\sin(x)^2", r"1-\cos^2 x"),
    "equation and its side": ("x=3", "3"),
    "percent and its number": (r"9\%", "9"),
    "word": (r"\text{answer}", "answer"),
    "sets": (r"\{1,2\}", r"\{2,1\}"),
}
OTHER_ANSWERS = {
    "numbers": ("17", "18"),
    "large numbers": ("1000000", "1000001"),
    "polynomials": ("x^2+1", "x^2+2"),
    "names": ("x+1", "y+1"),
    "words": (r"\text{odd}", r"\text{even}"),
    "roots": (r"\sqrt{8}", r"\sqrt{7}"),
    "tuples": ("(1,2,3)", "(1,2,4)"),
}


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [(*pair, True) for pair in EQUAL_ANSWERS.values()] + [(*pair, False) for pair in OTHER_ANSWERS.values()],
    ids=[*EQUAL_ANSWERS, *(f"other {name}" for name in OTHER_ANSWERS)],
)
def test_two_answers_are_equal_without_a_target_and_either_way_round(one: str, other: str, equal: bool) -> None:
    for first, second in ((one, other), (other, one)):
        assert equate(rf"so \boxed{{{first}}}", rf"\boxed{{{second}}}") == {"equal": equal}


def test_answers_that_cannot_be_compared_in_time_are_not_decided() -> None:
    utility = Math(UtilityOptions())
    utility._workers = Workers(partial(start_module, "akrasia.utilities.math_worker"), count=1, limit_s=2.0)
    try:
        assert utility.equal(r"\boxed{10000000!}", r"\boxed{(x+y+z+w)^{300}}") is None
    finally:
        utility.close()


def test_what_is_compared_is_what_a_score_would_read(utility: Utility) -> None:
    assert isinstance(utility, Math)
    assert utility.equal(r"\boxed{x^2+2x+1}", r"First \boxed{3} #### \boxed{2}, no: \boxed{(x+1)^2}") is True


@pytest.mark.parametrize(
    ("candidate", "failure"),
    [
        (Candidate("I do not know"), "no mathematics in the answer"),
        (Candidate(""), "empty answer"),
        (Candidate(r"\boxed{3}", finish="length"), "cut off"),
    ],
)
def test_failures_are_named(utility: Utility, candidate: Candidate, failure: str) -> None:
    score = utility.score(Item("q", (), target="3"), candidate)
    assert (score.utility, score.failure) == (0.0, failure)


def test_a_target_is_needed(utility: Utility) -> None:
    with pytest.raises(InputError, match="item 'q9' has no target"):
        utility.check(Item("q9", ()))


READABLE = [
    r"\frac{1}{2}",
    r"\{1,2\}",
    r"0.\overline{3}",
    r"\left\{x : x > 1\right.",
    "$5$",
    r"so \boxed{7}",
    r"\$5",
    "Evelyn",
]
UNREADABLE = {
    "an open brace": (r"\frac{1}{", "braces do not match"),
    "a brace too many": (r"\sqrt{2}}", "braces do not match"),
    "closed before it opens": ("}{", "braces do not match"),
    "marks around nothing": ("$ $", "no mathematics in the target"),
    "a quotation mark": ("'", "no mathematics in the target"),
}


@pytest.mark.parametrize("target", READABLE)
def test_targets_that_can_be_read_are_taken_and_met(utility: Utility, target: str) -> None:
    item = Item("q", (), target=target)
    utility.check(item)
    text = target if MARKED.search(target) else rf"\boxed{{{target}}}"
    assert utility.score(item, Candidate(text)).utility == 1.0


@pytest.mark.parametrize(("target", "why"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_target_that_cannot_be_read_is_refused(utility: Utility, target: str, why: str) -> None:
    with pytest.raises(InputError, match=rf"of item 'q9' cannot be read as mathematics \(.*{why}\): mend it"):
        utility.check(Item("q9", (), target=target))


@settings(deadline=None, max_examples=60)
@given(st.text(alphabet="aZ5 {}\\+-=^_(),.é#&%~'", min_size=1, max_size=12))
def test_what_no_process_is_asked_about_is_read_if_only_letter_by_letter(target: str) -> None:
    if _closed(target) and _surely_read(target):
        assert compare(target.strip()) == {"equal": None}


HOSTILE = [
    r"\boxed{9^{9^{9^{9^{9}}}}}",
    r"\boxed{10000000!}",
    r"$(x+y+z+w)^{300}$",
    "\\boxed{" + "(" * 3000 + "1" + ")" * 3000 + "}",
]


def test_hostile_expressions_are_missing_and_hold_nothing_up() -> None:
    utility = Math(UtilityOptions())
    utility._workers = Workers(partial(start_module, "akrasia.utilities.math_worker"), count=2, limit_s=2.0)
    item = Item("q", (), target="3")
    start = time.monotonic()
    try:
        with ThreadPoolExecutor(4) as pool:
            scores = list(pool.map(lambda text: utility.score(item, Candidate(text)), HOSTILE))
            after = utility.score(item, Candidate(r"\boxed{3}"))
    finally:
        utility.close()
    # Two processes take two rounds of 2 s each, with a margin for starting processes on a busy machine.
    assert time.monotonic() - start < 15
    assert {score.utility for score in scores} == {None}
    assert all(score.missing and "took longer than 2 s" in score.missing for score in scores)
    assert after.utility == 1.0


@pytest.mark.parametrize("frame", ["The answer is {}", "${}$", r"\\boxed{{{}}}"])
def test_nothing_in_an_answer_is_evaluated(utility: Utility, frame: str, tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    text = frame.format(f"__import__('pathlib').Path({str(touched)!r}).touch()")
    assert utility.score(Item("q", (), target="3"), Candidate(text)).utility in (0.0, None)
    assert not touched.exists()
