"""The programs that run in the sandbox around a candidate's code. They arrive as text and import nothing of ours."""

from __future__ import annotations

# What solutions on contest platforms may use without importing it.
_CONTEST_NAMES = """
import bisect, collections, copy, functools, heapq, itertools, json, math, operator, random, re, string, sys
from typing import *
from collections import *
from heapq import *
from bisect import *
from itertools import *
from functools import *
from string import *
from math import *
from builtins import *
sys.setrecursionlimit(50000)
"""

# The replies go to a copy of standard output made before the candidate's code can close or replace it.
_OPENING = """
import io, json, os, sys, types
given = json.loads(sys.stdin.buffer.read())
replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
sys.stdin = io.TextIOWrapper(io.BytesIO())
module = types.ModuleType("candidate")
sys.modules["candidate"] = module
def reply(token, **fields):
    sys.stdout.flush()
    replies.write("\\n" + token + json.dumps(fields) + "\\n")
    replies.flush()
"""

# What the tests cannot import is no fault of the program: told by whose code the import stands in.
_TESTED = """
def stands_in_tests(error):
    last, trace = None, error.__traceback__
    while trace is not None:
        place = trace.tb_frame.f_code.co_filename
        if place in ("candidate.py", "tests.py"):
            last = place
        trace = trace.tb_next
    return last == "tests.py"
def main(token, code, test, entry_point):
    try:
        tests = compile(test, "tests.py", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return reply(token, unusable="the tests are not valid Python: " + str(error))
    try:
        compiled = compile(code, "candidate.py", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return reply(token, passed=False, failure="not valid Python")
    try:
        exec(compiled, module.__dict__)
        if entry_point is not None and not hasattr(module, entry_point):
            return reply(token, passed=False, failure="no function " + entry_point)
        exec(tests, module.__dict__)
        if entry_point is not None and "check" in module.__dict__:
            module.check(getattr(module, entry_point))
    except ImportError as error:
        if stands_in_tests(error) and (error.name or "").partition(".")[0] != "candidate":
            return reply(token, unusable="the tests cannot run here: " + str(error))
        return reply(token, passed=False, error=type(error).__name__)
    except BaseException as error:
        return reply(token, passed=False, error=type(error).__name__)
    reply(token, passed=True)
main(**given)
"""

_FUNCTIONAL = """
import signal
loads = json.loads
def main(token, code, function, inputs, case_s):
    try:
        compiled = compile(code, "candidate.py", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return reply(token, failure="not valid Python")
    try:
        signal.setitimer(signal.ITIMER_REAL, case_s)
        exec(names, module.__dict__)
        exec(compiled, module.__dict__)
        owner = module.Solution() if hasattr(module, "Solution") else module
        call = getattr(owner, function, None)
    except BaseException as error:
        return reply(token, error=type(error).__name__)
    if call is None:
        return reply(token, failure="no function " + function)
    for text in inputs:
        signal.setitimer(signal.ITIMER_REAL, case_s)
        try:
            arguments = [loads(line) for line in text.split("\\n") if line.strip()]
        except ValueError as error:
            return reply(token, unusable="the input of a case is not one JSON argument a line: " + str(error))
        try:
            value = call(*arguments)
            encoded = json.loads(json.dumps(value, default=repr))
        except BaseException as error:
            return reply(token, error=type(error).__name__)
        reply(token, value=encoded)
main(**given)
"""


def tested_program() -> str:
    """Runs code, then Python tests: one reply, ``{"passed", "failure"?, "error"?}``, or ``{"unusable"}`` tests."""
    return _OPENING + _TESTED


def functional_program() -> str:
    """Calls a function, or a method of class Solution, once per input: a reply ``{"value"}`` each, until one fails.

    A reply ``{"unusable"}`` says that the case itself is no call.
    """
    return f"names = {_CONTEST_NAMES!r}\n{_OPENING}{_FUNCTIONAL}"


def stdin_program(code: str) -> str:
    """The code as a script that reads standard input."""
    return f"exec({_CONTEST_NAMES!r}, globals())\nexec(compile({code!r}, 'candidate.py', 'exec'), globals())\n"
