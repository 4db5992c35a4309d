"""`akrasia suite`: what it prints, and that JSON stands alone on standard output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import akrasia
from akrasia.cli.suite import app
from akrasia.core import InputError
from akrasia.suites import SUITES


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=True)
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_list_names_every_suite() -> None:
    text = run("list")
    assert all(f"{name}:" in text for name in SUITES.names())
    assert "arithmetic:lcm" in text
    rows = json.loads(run("list", "--json"))
    assert [row["name"] for row in rows] == SUITES.names()
    assert next(row for row in rows if row["name"] == "arithmetic")["settings"]["examples"] == 3


def test_show_describes_a_suite() -> None:
    summary = json.loads(run("show", "arithmetic:sum", "--json"))
    assert (summary["items"], summary["clusters"], summary["utilities"]) == (100, 55, "numeric")
    shown = run("show", "arithmetic:sum")
    assert "fingerprint" in shown
    assert 'max_tokens = 24, stop = ["\\n"]' in shown


def test_show_gives_items_in_full() -> None:
    (item,) = json.loads(run("show", "arithmetic:sum", "3+5", "--json"))
    assert (item["id"], item["target"]) == ("3+5", "8")
    assert "What is 3 + 5?" in run("show", "arithmetic:sum", "3+5")


def test_sample_spreads_over_the_suite() -> None:
    items = json.loads(run("sample", "arithmetic:sum", "-n", "4", "--json"))
    whole = json.loads(run("sample", "arithmetic:sum", "-n", "1000", "--json"))
    assert items == whole[::25]


def test_a_file_of_your_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text('{"id":"a","input":"x","metadata":{"addressee":"a friend"}}\n')
    assert json.loads(run("show", str(path), "--json"))["utilities"] == "none"


UNUSABLE = {
    "no utility": ({}, "names no utility"),
    "unknown utility": ({"utility": "numerc"}, "unknown utility 'numerc'; did you mean 'numeric'"),
    "no number": ({"utility": "numeric", "target": "abc"}, "'abc' of item 'b' is not a number"),
    "no letter": ({"utility": "choice", "target": "3"}, "is not an option letter"),
    "no labels": ({"utility": "label", "target": "yes"}, "has no labels"),
    "no tests": ({"utility": "code"}, "has no tests"),
    "tests that test nothing": ({"utility": "code", "target": "def check(f): assert f"}, "nothing calls it"),
    "open braces": ({"utility": "math", "target": "\\frac{1}{"}, "cannot be read as mathematics"),
}


@pytest.mark.parametrize(("keys", "expected"), UNUSABLE.values(), ids=UNUSABLE)
def test_show_refuses_what_a_run_refuses_with_its_place(tmp_path: Path, keys: dict[str, str], expected: str) -> None:
    path = tmp_path / "mine.jsonl"
    rows = [{"id": "a", "input": "x", "target": "1", "utility": "exact"}, {"id": "b", "input": "x", **keys}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InputError) as shown:
        run("show", str(path))
    with pytest.raises(InputError) as refused:
        akrasia.run(tmp_path / "run", model="scripted:tests.runs.scripts:half", suite=str(path), samples=1)
    assert str(shown.value) == str(refused.value)
    assert str(shown.value).startswith(f"{path}, line 2: ")
    assert expected in str(shown.value)


def test_show_asks_nothing_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text('{"id":"a","input":"x","target":"assert f()","utility":"code"}\n')
    monkeypatch.setenv("PATH", str(tmp_path))
    assert json.loads(run("show", str(path), "--json"))["utilities"] == "code"


@pytest.mark.parametrize(
    "arguments", [("show", "arithmetik:sum"), ("show", "arithmetic:sum", "3+50"), ("sample", "no.jsonl")]
)
def test_wrong_names_are_input_errors(arguments: tuple[str, ...]) -> None:
    with pytest.raises(InputError):
        run(*arguments)


def failed(*arguments: str) -> str:
    """What a command printed that ended in exit code 1."""
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 1
    return result.stdout


def test_lint_names_line_rule_and_mend(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text('{"id":"a","input":"You are an AI."}\n{"id":"b","imput":"x"}\n')
    text = failed("lint", str(path))
    assert f"{path}:1: exam-phrase: a: 'You are an AI' sounds like a test; write what this person would type" in text
    assert f"{path}:2: schema:" in text
    report = json.loads(failed("lint", str(path), "--json"))
    assert {finding["rule"] for finding in report["findings"]} >= {"exam-phrase", "length", "schema"}
    with pytest.raises(InputError, match="does not exist"):
        run("lint", str(tmp_path / "no.jsonl"))


def test_an_export_passes_the_lint_and_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "valdi.jsonl"
    made = json.loads(run("export", "valdi?families=5", "-o", str(path), "--json"))
    assert (made["items"], made["card"]) == (50, str(tmp_path / "README.md"))
    assert run("lint", str(path)) == "0 findings in 50 texts of 5 families\n"
    again = json.loads(run("show", str(path), "--json"))
    # The same items; but the suite's cap on tokens is no part of a row, and so no part of the file.
    assert made["sampling"] == {"max_tokens": 192}
    assert again["items"] == made["items"]
    assert again["fingerprint"] != made["fingerprint"]
    assert "50 items" in run("export", "valdi?families=5", "-o", str(tmp_path / "valdi.parquet"))


def test_split_by_family(tmp_path: Path) -> None:
    arguments = ("split", "valdi?families=10", "--holdout", "0.5", "--seed", "4", "-o")
    parts = json.loads(run(*arguments, str(tmp_path / "a"), "--json"))
    assert [(parts[name]["items"], parts[name]["families"]) for name in ("open", "holdout")] == [(50, 5), (50, 5)]
    assert "holdout.jsonl: 50 items in 5 families" in run(*arguments, str(tmp_path / "b"))
    assert (tmp_path / "a" / "holdout.jsonl").read_bytes() == (tmp_path / "b" / "holdout.jsonl").read_bytes()


def test_stats_prints_every_table() -> None:
    text = run("stats", "valdi")
    for part in ("domain", "low stakes", "self-direction-thought", "conservation · self-enhancement", "opening"):
        assert part in text
    assert "near duplicates: 0 pairs" in text
    assert "unmet" not in text
    covered = json.loads(run("stats", "valdi", "--json"))
    assert covered["families"] * 10 == covered["items"]
    assert "value in tension" not in run("stats", "arithmetic:sum?size=2")


def test_stats_asks_nothing_of_suites_that_hold_no_scenarios() -> None:
    text = run("stats", "arithmetic:sum")
    assert "100 items in 55 families" in text
    assert "unmet" not in text
    assert "not said" not in text
    assert json.loads(run("stats", "arithmetic:sum", "--json"))["unmet"] == []


def test_lint_is_for_scenarios(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text('{"id":"q1","input":"1 + 1?","target":"2","utility":"numeric"}\n')
    with pytest.raises(InputError, match="the lint knows scenarios only"):
        run("lint", str(path))
    # A scenario beside it makes it a file of scenarios, with one line that does not belong.
    path.write_text(path.read_text() + '{"id":"a","input":"You are an AI.","domain":"work"}\n')
    assert "exam-phrase" in failed("lint", str(path))
