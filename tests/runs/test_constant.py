"""The best constant answer of a run, whatever its utilities."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import akrasia
from akrasia.core import Request
from akrasia.runs.estimates import estimate_run

HERE = "scripted:tests.runs.test_constant:"


def echo(request: Request, sample: int) -> str:
    """The question is what to answer, by sample."""
    answers = json.loads(request.messages[-1].content)
    return str(answers[sample % len(answers)])


def told(tmp_path: Path, rows: Sequence[Mapping[str, object]]) -> list[str]:
    suite = tmp_path / "suite.jsonl"
    lines = (json.dumps({"id": f"q{number}", **row}) + "\n" for number, row in enumerate(rows))
    suite.write_text("".join(lines), encoding="utf-8")
    akrasia.run(tmp_path / "run", model=f"{HERE}echo", suite=str(suite), samples=2)
    with akrasia.load_run(tmp_path / "run") as run:
        (found,) = estimate_run(run)
    return [one.message for one in found.record.diagnostics if one.code == "constant_answer"]


def row(utility: str, target: str, *answers: str) -> dict[str, object]:
    return {"input": json.dumps(answers), "target": target, "utility": utility}


def test_a_suite_of_several_utilities_has_one_too(tmp_path: Path) -> None:
    # "7" is right on three of six items: taken from one, it earns 2 of the other 5. On the second nobody said it.
    mixed = [
        row("numeric", "7", "7", "8"),
        row("exact", "7", "a", "b"),
        row("math", "7", "$7$", "$8$"),
        row("math", "9", "$9$", "$1$"),
        row("choice", "B", "A", "B"),
        row("numeric", "3", "3", "4"),
    ]
    (message,) = told(tmp_path, mixed)
    assert message.startswith("always answering '7' earns 0.400 on the items that it was not taken from; deployed ")


def test_one_answer_in_two_forms_is_known_by_what_reads_it(tmp_path: Path) -> None:
    # The targets are written in four ways; the candidates' answers are read as one.
    forms = [row("numeric", target, "12.50", "0") for target in ("12.5", "12.50", "25/2", "12.500")]
    (message,) = told(tmp_path, forms)
    assert "earns 1.000 on the items" in message


def test_without_an_answer_that_earns_there_is_none(tmp_path: Path) -> None:
    program = {"input": json.dumps(["x", "y"]), "target": "assert f() == 1", "utility": "code"}
    assert told(tmp_path, [program, program]) == []


def test_long_answers_are_cut(tmp_path: Path) -> None:
    long = "word " * 100
    (message,) = told(tmp_path, [row("exact", long, long, "b")] * 3)
    assert message.startswith(f"always answering '{long[:80]}…' earns 1.000 ")
