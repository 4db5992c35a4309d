"""Programs as answers: HumanEval-like tests, cases on standard input, cases for a function."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from akrasia.core import Candidate, InputError, Item, Score, Utility
from akrasia.utilities import build_utility
from akrasia.utilities.code import complete_program, equal_outputs, extract_code

PROMPT = """from typing import List

def half(x: int) -> int:
    return x // 2

def add(a: int, b: int) -> int:
    '''Sum.'''
"""
CHECKED = Item(
    "checked",
    (),
    target="def check(candidate):\n    assert candidate(2, 3) == 5\n    assert candidate(-1, 1) == 0\n",
    metadata={"entry_point": "add", "prompt": PROMPT},
)
ASSERTED = Item("asserted", (), target="assert double(4) == 8")
STDIN = Item("stdin", (), metadata={"cases": [{"input": "1 2\n", "output": "3\n"}, {"input": "4 5", "output": "9"}]})
FUNCTION = Item(
    "function",
    (),
    metadata={
        "function": "turn",
        "cases": [{"input": "[1, 2]\n0", "output": "[2, 1]"}, {"input": "[5]\n1", "output": "[5]"}],
    },
)


@pytest.fixture(scope="module")
def utility() -> Iterator[Utility]:
    built = build_utility("code")
    yield built
    built.close()


PASSING = {
    "body of the prompt's function": (CHECKED, "    return a + b\n"),
    "whole function": (CHECKED, "def add(a, b):\n    return a + b"),
    "fenced": (CHECKED, "Sure:\n```python\ndef add(a: List[int], b):\n    return a + b\n```\nDone."),
    "uses the prompt's helper": (CHECKED, "def add(a, b):\n    return half(2 * a) + b"),
    "example block after the answer": (
        CHECKED,
        "```python\ndef add(a, b): return a + b\n```\n```python\nadd(1, 2)\n```",
    ),
    "unclosed fence": (CHECKED, "```python\ndef add(a, b): return a + b\n"),
    "demo under main": (CHECKED, "def add(a, b): return a + b\nif __name__ == '__main__':\n    input()"),
    "plain asserts": (ASSERTED, "def double(x): return 2 * x"),
    "reads with input": (STDIN, "a, b = map(int, input().split())\nprint(a + b)"),
    "reads all, prints a float": (STDIN, "import sys\nprint(float(sum(map(int, sys.stdin.read().split()))))"),
    "from the future": (STDIN, "from __future__ import annotations\nprint(sum(map(int, input().split())))"),
    "main guard": (
        STDIN,
        "def main():\n    print(sum(map(int, input().split())))\nif __name__ == '__main__':\n    main()",
    ),
    "method": (
        FUNCTION,
        "class Solution:\n    def turn(self, a: List[int], k: int) -> List[int]:\n        return a[::-1]",
    ),
    "function returning a tuple": (FUNCTION, "def turn(a, k): return tuple(reversed(a))"),
    "function that prints": (FUNCTION, "def turn(a, k):\n    print('a\\nb')\n    return a[::-1]"),
}


@pytest.mark.parametrize(("item", "text"), PASSING.values(), ids=PASSING)
def test_right_programs_pass(utility: Utility, item: Item, text: str) -> None:
    utility.check(item)
    score = utility.score(item, Candidate(text))
    assert (score.utility, score.failure, score.missing) == (1.0, None, None)


FAILING = {
    "wrong": (CHECKED, "def add(a, b): return a - b", None),
    "exits before the tests": (CHECKED, "def add(a, b): return 5\nimport sys; sys.exit(0)", None),
    "exits in the tests": (CHECKED, "import os\ndef add(a, b): os._exit(0)", None),
    "claims to have passed": (CHECKED, "print('{\"passed\": true}')\ndef add(a, b): return 0", None),
    "not Python": (CHECKED, "def add(a, b) return a", "not valid Python"),
    "another function": (ASSERTED, "def triple(x): return 3 * x", None),
    "no such function": (
        Item("n", (), target=CHECKED.target, metadata={"entry_point": "add"}),
        "x = 1",
        "no function add",
    ),
    "writes for ever": (CHECKED, "def add(a, b):\n    while True: print('x' * 1000)", "output limit"),
    "nothing": (CHECKED, "", "no code in the answer"),
    "an empty block": (CHECKED, "```python\n```", "no code in the answer"),
    "one case wrong": (STDIN, "print(3)", None),
    "breaks": (STDIN, "print(3)\nraise ValueError", None),
    "reads too much": (STDIN, "input(); input()", None),
    "wrong value": (FUNCTION, "def turn(a, k): return a", None),
    "a set is no list": (FUNCTION, "def turn(a, k): return set(a)", None),
    "no such method": (FUNCTION, "class Solution: pass", "no function turn"),
    "a value that is no JSON": (FUNCTION, "def turn(a, k): return float('inf')", None),
    "a number out of range": (FUNCTION, "def turn(a, k): return 10 ** 4000", None),
    "nesting without end": (
        FUNCTION,
        "def turn(a, k):\n    for _ in range(900): a = [a]\n    return a",
        None,
    ),
    "raises": (FUNCTION, "def turn(a, k): return 1 / 0", None),
}


@pytest.mark.parametrize(("item", "text", "failure"), FAILING.values(), ids=FAILING)
def test_wrong_programs_score_zero(utility: Utility, item: Item, text: str, failure: str | None) -> None:
    score = utility.score(item, Candidate(text))
    assert (score.utility, score.failure, score.missing) == (0.0, failure, None)


def test_a_loop_in_one_case_is_a_time_limit(utility: Utility) -> None:
    score = utility.score(FUNCTION, Candidate("def turn(a, k):\n    while True: pass"))
    assert (score.utility, score.failure) == (0.0, "time limit")


def test_a_cut_off_program_is_a_failure(utility: Utility) -> None:
    whole = Candidate("def add(a, b): return a + b", finish="length")
    assert utility.score(CHECKED, whole) == Score(0.0, failure="cut off")


def test_equal_programs_are_one_class_for_a_vote(utility: Utility) -> None:
    one = utility.score(ASSERTED, Candidate("def double(x): return 2 * x"))
    same = utility.score(ASSERTED, Candidate("```python\ndef double(x): return 2 * x\n```"))
    other = utility.score(ASSERTED, Candidate("def double(x): return x + x"))
    assert one.answer == same.answer != other.answer


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (Item("q5", ()), "item 'q5' has no tests"),
        (Item("q5", (), metadata={"cases": [{"input": "1"}]}), "item 'q5' has tests that utility 'code' cannot read"),
        (Item("q5", (), target="x", metadata={"entry_point": 3}), "metadata.entry_point"),
    ],
)
def test_unusable_items_are_refused_by_name(utility: Utility, item: Item, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        utility.check(item)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("x = 1", "x = 1"),
        ("    return 1", "    return 1"),
        ("```\nx = 1\n```", "x = 1\n"),
        ("a\n```py\nx = 1\n```\nb\n~~~\ny = 2\n~~~", "y = 2\n"),
        ("```python\ndef f(): pass\n```\n```python\nf()\n```", "def f(): pass\n"),
        ("```python\nclass Solution:\n    pass\n```\n```\nno\n```", "class Solution:\n    pass\n"),
        ("1. do:\n   ```python\n   x = 1\n   ```", "   x = 1\n"),
    ],
)
def test_which_block_is_the_code(text: str, code: str) -> None:
    assert extract_code(text, "f") == code


def test_code_that_repeats_the_function_keeps_what_stands_before_it() -> None:
    program = complete_program("def add(a, b): return a", PROMPT, "add")
    assert program.startswith("from typing import List")
    assert program.count("def add") == 1
    assert "def half" in program


@pytest.mark.parametrize(
    ("output", "expected", "equal"),
    [
        ("1 2\n3", " 1 2 \n3\n\n", True),
        ("1.0", "1", True),
        ("0.10 2", "0.1 2.0", True),
        ("50000000000000001", "50000000000000000", False),
        ("a", "b", False),
        ("1\n2", "1 2", False),
        ("nan", "1", False),
        ("sNaN", "1", False),
        ("", "", True),
    ],
)
def test_outputs_agree_by_line_and_by_value(output: str, expected: str, equal: bool) -> None:
    assert equal_outputs(output, expected) is equal
