"""The procedural suite: distinct problems, right targets, no leak through the worked examples."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akrasia.core import Candidate, InputError, Item
from akrasia.suites import load_suite
from akrasia.utilities import build_utility

VARIANTS = {"sum": 100, "mixed": 300, "product": 100, "lcm": 81}


def problem(question: str) -> tuple[str, int, int]:
    """Operation and operands of a question, read back from its text."""
    a, b = map(int, re.findall(r"\d+", question))
    (operation,) = re.findall(r"\+|-|×|LCM", question)
    return operation, a, b


COMPUTE = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "×": lambda a, b: a * b,
    "LCM": math.lcm,
}


def turns(item: Item) -> tuple[list[tuple[str, str]], str]:
    """The worked examples of an item (question, answer) and its own question."""
    texts = [message.content for message in item.input]
    return list(zip(texts[:-1:2], texts[1:-1:2], strict=True)), texts[-1]


@pytest.mark.parametrize(("variant", "size"), VARIANTS.items())
def test_every_distinct_problem_once_with_its_right_answer(variant: str, size: int) -> None:
    suite = load_suite(f"arithmetic:{variant}")
    problems = {problem(turns(item)[1]) for item in suite.items}
    assert len(suite.items) == len(problems) == size
    for item in suite.items:
        operation, a, b = problem(turns(item)[1])
        assert item.target == str(COMPUTE[operation](a, b))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("seed", [0, 1])
def test_worked_examples_are_right_and_never_the_problem_or_its_twin(variant: str, seed: int) -> None:
    numeric = build_utility("numeric")
    for item in load_suite(f"arithmetic:{variant}?seed={seed}").items:
        examples, question = turns(item)
        operation, a, b = problem(question)
        assert len(examples) == 3
        for example, answer in examples:
            sign, c, d = problem(example)
            assert (sign, {c, d}) != (operation, {a, b})
            target = Item("x", (), target=str(COMPUTE[sign](c, d)))
            assert numeric.score(target, Candidate(answer)).utility == 1.0
        assert len({answer for _, answer in examples}) == 3


def test_twins_share_a_cluster_and_nothing_else_does() -> None:
    by_id = {item.id: item for item in load_suite("arithmetic:mixed").items}
    assert by_id["3+5"].cluster == by_id["5+3"].cluster
    assert by_id["3-5"].cluster == by_id["5-3"].cluster
    assert len({by_id[name].cluster for name in ("3+5", "3-5", "3*5", "3+6")}) == 4


def test_mixed_examples_show_every_operation() -> None:
    examples, _ = turns(load_suite("arithmetic:mixed").items[0])
    assert {problem(question)[0] for question, _ in examples} == {"+", "-", "×"}


def test_the_seed_sets_the_order_and_the_limit_takes_its_start() -> None:
    whole = load_suite("arithmetic:sum")
    part = load_suite("arithmetic:sum?size=20")
    other = load_suite("arithmetic:sum?seed=1")
    assert part.items == whole.items[:20]
    assert [item.id for item in other.items] != [item.id for item in whole.items]
    assert load_suite("arithmetic:sum", seed=1).items == other.items
    assert load_suite("arithmetic:sum?seed=1", seed=2).fingerprint == other.fingerprint


def test_the_order_is_the_same_on_every_machine_and_version() -> None:
    assert [item.id for item in load_suite("arithmetic:sum").items[:4]] == ["4+3", "4+5", "7+8", "3+3"]


def test_what_the_prompts_need_comes_with_the_suite() -> None:
    suite = load_suite("arithmetic:product")
    assert suite.sampling.stop == ("\n",)
    assert suite.sampling.max_tokens == 24
    assert {item.utility for item in suite.items} == {"numeric"}


@given(low=st.integers(0, 20), width=st.integers(3, 12), examples=st.integers(0, 5), seed=st.integers(0, 5))
@settings(max_examples=25, deadline=None)
def test_any_range_gives_its_distinct_problems(low: int, width: int, examples: int, seed: int) -> None:
    name = f"arithmetic:sum?low={low}&high={low + width}&examples={examples}&seed={seed}"
    suite = load_suite(name)
    assert suite.name == name
    assert len({item.id for item in suite.items}) == (width + 1) ** 2
    assert all(len(item.input) == 2 * examples + 1 for item in suite.items)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("arithmetic:summ", "did you mean 'sum'"),
        ("arithmetic", "needs a variant: arithmetic:sum"),
        ("arithmetic:sum?size=101", "100 distinct problems, not 101"),
        ("arithmetic:sum?size=0", "size='0'"),
        ("arithmetic:sum?high=nine", "high='nine'"),
        ("arithmetic:sum?low=5&high=1", "low=5 is above high=1"),
        ("arithmetic:sum?low=1&high=1", "too few problems for 3 worked examples"),
        ("arithmetic:sum?high=9999", "more than 100000"),
        ("arithmetic:sum?high=3&high=4", "given twice"),
        ("arithmetic:sum?high", "key=value"),
    ],
)
def test_wrong_settings_are_refused(name: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        load_suite(name)
    assert expected in str(caught.value)
