"""Python tests that cannot tell programs apart, told by reading them."""

from __future__ import annotations

import pytest

from akrasia.core import Candidate, InputError, Item
from akrasia.utilities import build_utility
from akrasia.utilities.code_tests import why_unfit

CHECK = "def check(candidate):\n    assert candidate(2, 3) == 5\n"
FIT = {
    "an assertion": ("assert add(2, 3) == 5", None),
    "check with its function": (CHECK, "add"),
    "check that is called": (CHECK + "check(add)", None),
    "check under another name": (CHECK.replace("check", "_check") + "check = _check", "add"),
    "functions in a list": ("def a():\n    assert f()\ndef b():\n    assert g()\nfor one in (a, b): one()", None),
    "found by name": (
        "def test_a():\n    assert f()\nfor n, f in [*globals().items()]:\n    n[:4] == 'test' and f()",
        None,
    ),
    "a chain of calls": ("def a(): b()\ndef b(): c()\ndef c():\n    raise ValueError\na()", None),
    "a condition that raises": ("if add(2, 3) != 5:\n    raise SystemExit(1)", None),
    "a way out": ("import sys\nif add(2, 3) != 5: sys.exit(1)", None),
    "another's assertions": ("from numpy.testing import assert_allclose\nassert_allclose(add(2, 3), 5)", None),
    "a test case that is run": (
        (
            "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n        self.assertEqual(f(), 5)\n"
            "assert unittest.TextTestRunner().run(unittest.makeSuite(T)).wasSuccessful()"
        ),
        None,
    ),
    "a method of a class that is used": ("class T:\n    def go(self):\n        assert f()\nT().go()", None),
    "two of one name": (
        "class A:\n    def go(self):\n        assert f()\nclass B:\n    def go(self): pass\nA().go()",
        None,
    ),
    "decorated": ("@run_now\ndef test():\n    assert f()", None),
    "a program that ends": ("add(2, 3)", None),
    "check that only calls": ("def check(candidate):\n    candidate(2, 3)", "add"),
    "nothing beyond": ("assert True", None),
    "asynchronous": ("import asyncio\nasync def test():\n    assert await f()\nasyncio.run(test())", None),
}
UNFIT = {
    "nothing calls check": (CHECK, None, "define check, and nothing calls it"),
    "nothing calls a test": (
        "def test_add():\n    assert add(2, 3) == 5",
        None,
        "tests in test_add, which nothing calls",
    ),
    "no assertion": ("add(2, 3) == 5", None, "compare without asserting"),
    "check without an assertion": ("def check(candidate):\n    candidate(2, 3) == 5", "add", "compare without"),
    "an assertion of a pair": ("assert (add(2, 3) == 5, 'wrong')", None, "compare without asserting"),
    "check that returns": (
        "def check(candidate):\n    return candidate(2, 3) == 5",
        "add",
        "compare without asserting",
    ),
    "left by main": (
        (
            "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n        self.assertEqual(f(), 5)\n"
            "unittest.main(argv=['t'], exit=False)"
        ),
        None,
        "that leave by unittest.main",
    ),
    "only as main": (CHECK + "if __name__ == '__main__':\n    check(add)", None, "define check, and nothing calls it"),
    "a test case that nobody runs": (
        "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n        self.assertEqual(add(2, 3), 5)",
        None,
        "tests in T and test, which nothing calls",
    ),
    "no Python": ("assert add(2, 3) == 5)", None, "not valid Python (line 1 of them: unmatched ')')"),
    "a statement out of place": ("return add(2, 3) == 5", None, "not valid Python (line 1 of them: 'return' outside"),
    "an empty byte": ("assert f()\0", None, "not valid Python"),
    "too deep": ("assert " + "-" * 100_000 + "f()", None, "not valid Python"),
}


@pytest.mark.parametrize(("source", "entry_point"), FIT.values(), ids=FIT)
def test_tests_that_may_fail_are_taken(source: str, entry_point: str | None) -> None:
    assert why_unfit(source, entry_point) is None


@pytest.mark.parametrize(("source", "entry_point", "expected"), UNFIT.values(), ids=UNFIT)
def test_tests_that_decide_nothing_are_refused(source: str, entry_point: str | None, expected: str) -> None:
    item = Item("q5", (), target=source, metadata={} if entry_point is None else {"entry_point": entry_point})
    with pytest.raises(InputError) as caught:
        build_utility("code").check(item)
    assert str(caught.value).startswith("item 'q5' has tests ")
    assert expected in str(caught.value)


def test_reading_tests_runs_nothing() -> None:
    assert why_unfit("raise SystemExit('ran')", None) is None


PROMPTS = {
    "import numpy as np\n\ndef add(a, b):\n": "numpy",
    "from typing import List\nimport os, scipy.linalg # fast\n\ndef add(a: List[int]):": "scipy",
    "from pandas.core import frame": "pandas",
    "import math\nfrom os.path import join\nimport collections.abc as c; x = 1\ndef add(a):\n    import numpy\n": None,
    'def add(a, b):\n    """Adds.\n    import of numbers\n': None,
}


@pytest.mark.parametrize(("prompt", "absent"), PROMPTS.items(), ids=range(len(PROMPTS)))
def test_a_prompt_that_imports_what_programs_do_not_have_is_refused(prompt: str, absent: str | None) -> None:
    item = Item("q5", (), target=CHECK, metadata={"entry_point": "add", "prompt": prompt})
    if absent is None:
        build_utility("code").check(item)
        return
    with pytest.raises(InputError, match=rf"item 'q5' has a prompt that imports {absent}, and programs have"):
        build_utility("code").check(item)


UNUSABLE = {
    "an import": (Item("i", (), target="import no_such_module\nassert add(2, 3) == 5"), "No module named"),
    "an import in check": (
        Item("i", (), target="def check(f):\n    import no_such_module\n    assert f", metadata={"entry_point": "add"}),
        "No module named 'no_such_module'",
    ),
    "a name that a module lacks": (
        Item("i", (), target="from math import nothing\nassert nothing(add)"),
        "cannot import",
    ),
    "a case that is no call": (
        Item("i", (), metadata={"function": "add", "cases": [{"input": "2, 3", "output": "5"}]}),
        "not one JSON argument a line",
    ),
}


@pytest.mark.parametrize(("item", "expected"), UNUSABLE.values(), ids=UNUSABLE)
def test_tests_that_cannot_run_are_missing_and_never_zero(item: Item, expected: str) -> None:
    score = build_utility("code").score(item, Candidate("def add(a, b): return a + b"))
    assert (score.utility, score.failure) == (None, None)
    assert expected in (score.missing or "")


@pytest.mark.parametrize(
    "program",
    ["import no_such_module\ndef add(a, b): return 5", "def add(a, b):\n    import no_such_module", "x = 1"],
    ids=["at its start", "in the function", "lacks the function"],
)
def test_what_a_program_cannot_import_is_its_own_fault(program: str) -> None:
    item = Item("i", (), target="from candidate import add\nassert add(2, 3) == 5")
    score = build_utility("code").score(item, Candidate(program))
    assert (score.utility, score.missing) == (0.0, None)


def test_a_case_that_is_no_call_is_refused_by_its_place() -> None:
    cases = [{"input": "[1]\n2", "output": "3"}, {"input": "1 2", "output": "3"}]
    item = Item("q5", (), metadata={"function": "add", "cases": cases})
    with pytest.raises(InputError, match=r"item 'q5' has a case whose input .* at `metadata.cases\[1\].input`"):
        build_utility("code").check(item)
