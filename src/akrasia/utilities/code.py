"""The utility of a program: 1 when it passes all of its item's tests in the sandbox, else 0.

An item brings its tests in one of two forms. Python tests: `target` is test source that runs after the candidate's
code; `metadata.entry_point` names the function that a `check` in it is called with, and `metadata.prompt` is code that
a candidate may have continued. Cases: `metadata.cases` is a list of ``{"input", "output"}``, given on standard input,
or, when `metadata.function` names one, as one JSON argument a line; `metadata.packed_cases` holds more of them in
LiveCodeBench's packing. With cases no expected output enters the sandbox; Python tests necessarily run beside the
candidate's code, so code written to deceive them could.
"""

from __future__ import annotations

import os
import re
import secrets
import threading
import time
from decimal import Decimal, InvalidOperation
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct

from akrasia.core import Candidate, InputError, Item, Score
from akrasia.core.decoding import Undecodable, decode_json
from akrasia.utilities.case_packing import unpack_text
from akrasia.utilities.code_programs import functional_program, stdin_program, tested_program
from akrasia.utilities.code_tests import why_no_prompt, why_unfit
from akrasia.utilities.comparison import unfinished
from akrasia.utilities.registry import UtilityOptions
from akrasia.utilities.sandbox import Limits, Outcome, Sandbox

_TESTS_S = 10.0
_CASE_S = 6.0
_ALL_CASES_S = 60.0


class _Case(Struct, frozen=True):
    input: str
    output: str


class _Tests(Struct, frozen=True):
    """The part of an item's metadata that this utility reads."""

    entry_point: str | None = None
    prompt: str = ""
    cases: tuple[_Case, ...] = ()
    packed_cases: str | None = None
    function: str | None = None


class _Verdict(Struct, frozen=True):
    """What the tests said: passed or not, or why there was nothing to compare, or why nothing was measured."""

    passed: bool = False
    failure: str | None = None
    missing: str | None = None


class Code:
    """Runs the last code block of a candidate, or its whole text, against the item's tests."""

    name = "code"
    cpu_bound = True

    def __init__(self, options: UtilityOptions) -> None:
        self._sandbox = Sandbox(allow_unsandboxed=options.allow_unsandboxed)
        # Time limits are on the clock: more programs at once than processors would make slow ones of good ones.
        self._turns = threading.BoundedSemaphore(os.cpu_count() or 1)

    def check(self, item: Item) -> None:
        """Nothing when the item has tests and this machine can run them.

        Raises:
            InputError: the item has no tests, they are not in a known form, or they would pass or fail every program.
            UtilityUnavailable: no sandbox, and running without one was not allowed.
        """
        tests = _tests(item)
        if tests.cases or tests.packed_cases is not None:
            _check_inputs(item, tests)
        else:
            unfit = why_unfit(item.target or "", tests.entry_point)
            if unfit is None and tests.entry_point is not None:
                unfit = why_no_prompt(tests.prompt)
            if unfit is not None:
                raise InputError(f"item {item.id!r} {unfit}")
        self._sandbox.check()

    def score(self, item: Item, candidate: Candidate) -> Score:
        """1 or 0. A program that does not end or writes without end is a failure.

        Missing where the tests themselves cannot run here, as when they import what is not there, or the sandbox broke.

        Raises:
            InputError, UtilityUnavailable: see `check`.
        """
        tests = _tests(item)
        failed = unfinished(candidate)
        if failed is not None:
            return failed
        code = extract_code(candidate.text or "", tests.entry_point or tests.function)
        if not code.strip():
            return Score(0.0, failure="no code in the answer")
        # Equal programs are one class for a vote; the code itself stays with the candidate.
        answer = blake2b(code.strip().encode(errors="surrogatepass"), digest_size=8).hexdigest()
        with self._turns:
            verdict = self._run(item, tests, code)
        if verdict.missing is not None:
            return Score(None, answer, missing=verdict.missing)
        return Score(1.0 if verdict.passed else 0.0, answer, failure=verdict.failure)

    def close(self) -> None:
        """Nothing to let go of: every program has its own process, which is gone."""

    def _run(self, item: Item, tests: _Tests, code: str) -> _Verdict:
        cases = _all_cases(item, tests)
        if not cases:
            return self._run_tests(tests, code, item.target or "")
        if tests.function is not None:
            return self._run_functional(cases, tests.function, code)
        return self._run_stdin(cases, code)

    def _run_tests(self, tests: _Tests, code: str, source: str) -> _Verdict:
        token = secrets.token_hex(16)
        program = complete_program(code, tests.prompt, tests.entry_point)
        payload = {"token": token, "code": program, "test": source, "entry_point": tests.entry_point}
        outcome = self._sandbox.run(tested_program(), msgspec.json.encode(payload), Limits(time_s=_TESTS_S))
        replies = _replies(outcome, token)
        if not replies:
            return _unanswered(outcome)
        reply = replies[-1]
        return _Verdict(reply.get("passed") is True, reply.get("failure"), missing=reply.get("unusable"))

    def _run_functional(self, cases: list[_Case], function: str, code: str) -> _Verdict:
        token = secrets.token_hex(16)
        inputs = [case.input for case in cases]
        payload = {"token": token, "code": code, "function": function, "inputs": inputs, "case_s": _CASE_S}
        limits = Limits(time_s=min(_ALL_CASES_S, _CASE_S * (len(inputs) + 1)), output_bytes=16 << 20)
        outcome = self._sandbox.run(functional_program(), msgspec.json.encode(payload), limits)
        replies = _replies(outcome, token)
        for case, reply in zip(cases, replies, strict=False):
            if "unusable" in reply:
                return _Verdict(missing=reply["unusable"])
            if "value" not in reply or not _equal_values(reply["value"], case.output):
                return _Verdict(failure=reply.get("failure"))
        return _Verdict(passed=True) if len(replies) == len(inputs) else _unanswered(outcome)

    def _run_stdin(self, cases: list[_Case], code: str) -> _Verdict:
        program = stdin_program(code)
        deadline = time.monotonic() + _ALL_CASES_S
        for case in cases:
            left = deadline - time.monotonic()
            if left <= 0:
                return _Verdict(failure="time limit")
            limits = Limits(time_s=min(_CASE_S, left), output_bytes=16 << 20)
            outcome = self._sandbox.run(program, case.input.encode(), limits)
            if outcome.ended != "exit":
                return _unanswered(outcome)
            if outcome.status != 0 or not equal_outputs(outcome.output.decode(errors="replace"), case.output):
                return _Verdict()
        return _Verdict(passed=True)


def _tests(item: Item) -> _Tests:
    try:
        tests = msgspec.convert(item.metadata, type=_Tests)
    except msgspec.ValidationError as error:
        where = str(error).replace("`$", "`metadata$").replace("$", "")
        raise InputError(f"item {item.id!r} has tests that utility 'code' cannot read: {where}") from None
    if not tests.cases and not tests.packed_cases and not (item.target or "").strip():
        raise InputError(
            f"item {item.id!r} has no tests: utility 'code' needs Python tests as target, or metadata.cases "
            '[{"input", "output"}]'
        )
    return tests


def _check_inputs(item: Item, tests: _Tests) -> None:
    """Refuse arguments that no function could be called with. Packed cases are looked at when they are used."""
    if tests.function is None:
        return
    for number, case in enumerate(tests.cases):
        for line in filter(str.strip, case.input.split("\n")):
            try:
                decode_json(line, object)
            except Undecodable as error:
                raise InputError(
                    f"item {item.id!r} has a case whose input is not one JSON argument a line, at "
                    f"`metadata.cases[{number}].input`: {error}"
                ) from None


def _all_cases(item: Item, tests: _Tests) -> list[_Case]:
    if tests.packed_cases is None:
        return list(tests.cases)
    try:
        packed = decode_json(unpack_text(tests.packed_cases), list[_Case])
    except (ValueError, Undecodable) as error:
        raise InputError(f"item {item.id!r} has packed cases that cannot be read: {error}") from None
    return [*tests.cases, *packed]


_BLOCK = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n`]*\n(.*?)(?:^[ \t]*\1[`~]*[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)


def extract_code(text: str, name: str | None = None) -> str:
    """The last fenced block that defines `name` or a class Solution, else the last block, else all of the text."""
    blocks: list[str] = [match[2] for match in _BLOCK.finditer(text)]
    if not blocks:
        return text
    for block in reversed(blocks):
        if name is not None and (_defines(block, name) or re.search(r"^class Solution\b", block, re.MULTILINE)):
            return block
    return blocks[-1]


def complete_program(code: str, prompt: str, entry_point: str | None) -> str:
    """The code with the prompt that it continues, or, when it repeats the function, with what stands before that."""
    if not prompt or entry_point is None:
        return code
    if not _defines(code, entry_point):
        return prompt + code
    heads = list(re.finditer(rf"^(async\s+)?def\s+{re.escape(entry_point)}\b", prompt, re.MULTILINE))
    return (prompt[: heads[-1].start()] if heads else "") + "\n" + code


def _defines(code: str, name: str) -> bool:
    return re.search(rf"^[ \t]*(async\s+)?def\s+{re.escape(name)}\b", code, re.MULTILINE) is not None


def _replies(outcome: Outcome, token: str) -> list[dict[str, Any]]:
    """What our own part of the program said, told from the candidate's prints by the token.

    Of a value that no JSON holds (an infinite number, endless nesting) it says nothing: no test expects one.
    """
    mark = token.encode()
    said = [line.removeprefix(mark) for line in outcome.output.split(b"\n") if line.startswith(mark)]
    return [_reply(line) for line in said]


def _reply(line: bytes) -> dict[str, Any]:
    try:
        return decode_json(line, dict[str, Any])
    except Undecodable:
        return {}


def _unanswered(outcome: Outcome) -> _Verdict:
    """The verdict on a program that ended before its tests did."""
    if outcome.ended == "broken":
        said = outcome.errors.decode(errors="replace").strip().splitlines()
        return _Verdict(missing=f"the sandbox broke: {said[-1] if said else f'status {outcome.status}'}")
    if outcome.ended == "exit":
        # 142 is SIGALRM, the clock of one case; 152 is SIGXCPU.
        return _Verdict(failure="time limit" if outcome.status in (142, 152) else None)
    return _Verdict(failure=f"{outcome.ended} limit")


def _equal_values(value: object, expected: str) -> bool:
    try:
        return bool(value == decode_json(expected, object))
    except Undecodable:
        return value == expected


def equal_outputs(output: str, expected: str) -> bool:
    """Whether two outputs agree line by line, without outer spaces; numbers by value ("1.0" and "1")."""
    ours, theirs = output.strip().split("\n"), expected.strip().split("\n")
    return len(ours) == len(theirs) and all(map(_equal_lines, ours, theirs))


def _equal_lines(one: str, other: str) -> bool:
    if one.strip() == other.strip():
        return True
    try:
        return [Decimal(word) for word in one.split()] == [Decimal(word) for word in other.split()]
    except InvalidOperation:
        return False
