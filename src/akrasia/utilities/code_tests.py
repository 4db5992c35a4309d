"""Whether Python tests can tell a right program from a wrong one, as far as reading them tells; nothing is run.

Read are the statements that would run: those of the module and of what they name, not the body of a function that
nothing calls, nor what stands under ``if __name__ == "__main__"`` (tests run inside the candidate's module).
"""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections.abc import Iterator

_CHECK = "check"
# Calls that fail by themselves: unittest's and numpy's assertions, runners, ways out, and what runs text.
_FAILING = re.compile(r"_*(assert|fail|expect)|(main|_?exit|quit|abort|run|testmod|raises)$")
# What may call anything by its name.
_BY_NAME = frozenset({"__import__", "eval", "exec", "getattr", "globals", "locals", "vars"})
_RUN_CASES = (
    "assert unittest.TextTestRunner().run(unittest.defaultTestLoader.loadTestsFromTestCase(T)).wasSuccessful() "
    "(T: your class)"
)
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def why_unfit(source: str, entry_point: str | None) -> str | None:
    """Why tests would pass every program, or fail every one; None where nothing speaks against them.

    Args:
        source: the tests.
        entry_point: the function that a `check` in them is called with; None: nothing calls it for them.

    Returns:
        What is wrong and what to do, as a clause behind the item's name.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an assertion of a tuple is told below, and other warnings are not ours
            compile(source, "tests.py", "exec", dont_inherit=True)
            tree = ast.parse(source)
    except SyntaxError as error:
        where = f" (line {error.lineno} of them: {error.msg})" if error.lineno else f" ({error.msg})"
        return f"has tests that are not valid Python{where}, which no program could pass: mend its target"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"has tests that are not valid Python ({error or type(error).__name__}): mend its target"
    definitions, imported = _names(tree)
    live = _Live(definitions)
    live.read(tree.body)
    if entry_point is not None:
        live.call(_CHECK)
    if any(_is_main(node) for node in live.nodes):
        return (
            f"has tests that leave by unittest.main, which tells nobody how they went: write {_RUN_CASES} in its place"
        )
    if any(_may_fail(node, imported) for node in live.nodes):
        return None
    parts = {name: [node for one in found for node in ast.walk(one)] for name, found in definitions.items()}
    idle = [name for name, nodes in parts.items() if any(_may_fail(node, imported) for node in nodes)]
    if _CHECK in idle and entry_point is None:
        return (
            "has tests that define check, and nothing calls it, so that every program would pass: name the function "
            'that it is to get in "metadata", as {"entry_point": "NAME"}, or call it in the target'
        )
    if idle:
        return (
            f"has tests in {' and '.join(idle)}, which nothing calls, so that every program would pass: "
            f"call them at the end of its target{f', as by {_RUN_CASES}' if 'TestCase' in source else ''}"
        )
    if any(_means_to_assert(node) for node in live.nodes):
        return (
            "has tests that compare without asserting, so that every program that ends would pass: write assert before "
            "each comparison in its target, also in check, whose return nobody reads, and no parentheses around it "
            "and its message"
        )
    return None  # what such tests ask for is a program that ends without an error


_IMPORT = re.compile(r"^(?:from\s+([A-Za-z_]\w*)[\w.]*\s+import\b|import\s+(.+))", re.MULTILINE)


def why_no_prompt(prompt: str) -> str | None:
    """Why no program that continues a prompt could run: it imports what programs do not have; None where it does not.

    A prompt may be a piece of code that does not parse, so only imports at the start of a line are read.
    """
    named = [name for one in _IMPORT.finditer(prompt) for name in (one[1] or one[2]).split(",")]
    roots = [re.split(r"[\s.#;]", name.strip())[0] for name in named]
    absent = sorted({root for root in roots if root.isidentifier() and root not in sys.stdlib_module_names})
    if not absent:
        return None
    return (
        f"has a prompt that imports {', '.join(absent)}, and programs have Python's standard library alone, so that "
        "none could pass: leave the item out"
    )


class _Live:
    """The nodes that run, found from the statements that do for certain."""

    def __init__(self, definitions: dict[str, list[_Definition]]) -> None:
        self.nodes: list[ast.AST] = []
        self._idle = dict(definitions)

    def read(self, statements: list[ast.stmt]) -> None:
        left: list[ast.AST] = list(statements)
        while left:
            node = left.pop()
            self.nodes.append(node)
            if isinstance(node, ast.Name):
                self.call(node.id)
            elif isinstance(node, ast.Attribute):
                self.call(node.attr)
            left += _that_run(node)

    def call(self, name: str) -> None:
        for found in self._idle.pop(name, []):
            methods = [one for one in found.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
            for called in methods if isinstance(found, ast.ClassDef) else [found]:
                self.read(called.body)


def _that_run(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a node that run with it."""
    if isinstance(node, _Definition):
        yield from node.decorator_list
        if isinstance(node, ast.ClassDef) or node.decorator_list:  # a decorator may call what it is given
            yield from node.body
    elif isinstance(node, ast.If) and _asks_for_main(node.test):
        yield from node.orelse
    else:
        yield from ast.iter_child_nodes(node)


def _asks_for_main(test: ast.expr) -> bool:
    return isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__"


def _names(tree: ast.Module) -> tuple[dict[str, list[_Definition]], set[str]]:
    """What tests define by name, and what they import by name, but for the candidate's own functions."""
    definitions: dict[str, list[_Definition]] = {}
    imported: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, _Definition):
            definitions.setdefault(node.name, []).append(node)
        elif isinstance(node, ast.ImportFrom) and node.module != "candidate":
            imported |= {alias.asname or alias.name for alias in node.names}
    return definitions, imported


def _means_to_assert(node: ast.AST) -> bool:
    """Whether a node compares for nothing: by itself on a line, as what is returned, or in a pair, which is true."""
    if isinstance(node, ast.Assert):
        return isinstance(node.test, ast.Tuple)
    return isinstance(node, ast.Expr | ast.Return) and isinstance(node.value, ast.Compare | ast.BoolOp)


def _is_main(node: ast.AST) -> bool:
    """Whether a node calls unittest's main, which ends the process or, told not to, says nothing."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr != "main":
        return False
    return isinstance(node.func.value, ast.Name) and node.func.value.id == "unittest"


def _may_fail(node: ast.AST, imported: set[str]) -> bool:
    """Whether a node by itself can make the tests fail, other than by what the candidate's code raises."""
    if isinstance(node, ast.Assert):
        true = isinstance(node.test, ast.Constant) and bool(node.test.value)
        return not true and not (isinstance(node.test, ast.Tuple) and node.test.elts)
    if isinstance(node, ast.Call):
        called = node.func
        if isinstance(called, ast.Name):
            return called.id in imported | _BY_NAME or _FAILING.match(called.id) is not None
        return not isinstance(called, ast.Attribute) or _FAILING.match(called.attr) is not None
    return isinstance(node, ast.Raise)
