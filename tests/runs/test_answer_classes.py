"""Classes of answers: equal answers vote together, whether they are right or wrong, and in whichever form."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import akrasia
from akrasia.core import RunIncomplete
from akrasia.runs import answer_classes, wait_for
from akrasia.runs.answer_classes import classes_of
from akrasia.runs.config import build_config
from akrasia.runs.estimates import How, estimate_run
from akrasia.runs.execute import Options, execute
from akrasia.utilities.math import Math

POLYNOMIAL, ROOT = "x^2+2x+1", r"\sqrt{8}"


def go(tmp_path: Path, target: str, samples: int, told: Callable[[str], None] = lambda _: None) -> Path:
    suite = tmp_path / "suite.jsonl"
    rows = ({"id": f"q{i}", "input": f"q{i}", "target": target, "utility": "math"} for i in range(3))
    suite.write_text("".join(json.dumps(row) + "\n" for row in rows))
    keys = {"strategy": ["direct", "self_consistency:3"], "suite": str(suite), "samples": samples}
    config = build_config({"model": "scripted:tests.runs.scripts:forms", **keys})
    wait_for(execute(config, tmp_path / "run", Options(on_notice=told)))
    return tmp_path / "run"


def vote(out: Path) -> float | None:
    with akrasia.load_run(out) as run:
        deployed = estimate_run(run, How(None))[1].record.deployed
    return None if deployed is None else deployed.value


def kept(out: Path) -> dict[str, str]:
    with sqlite3.connect(out / "run.sqlite") as store:
        return dict(store.execute("SELECT answer, class FROM answer_classes WHERE item = 1").fetchall())


@pytest.mark.parametrize(("target", "expected"), [(POLYNOMIAL, 0.3), (ROOT, 0.7)])
def test_equal_answers_vote_together_right_or_wrong(tmp_path: Path, target: str, expected: float) -> None:
    # Of the ten triples of two polynomials and three roots, three hold both polynomials.
    out = go(tmp_path, target, 5)
    assert vote(out) == pytest.approx(expected)
    assert sorted(map(len, _members(kept(out)))) == [2, 3]


def test_draws_that_are_added_are_compared_with_those_that_are_there(tmp_path: Path) -> None:
    before = go(tmp_path, POLYNOMIAL, 3)
    assert vote(before) == 1
    out = go(tmp_path, POLYNOMIAL, 5)
    assert vote(out) == pytest.approx(0.3)
    assert len(kept(out)) == 5


def test_a_run_that_is_there_is_not_compared_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = go(tmp_path, ROOT, 5)
    monkeypatch.delattr(answer_classes, "classes_of")
    go(tmp_path, ROOT, 5)
    assert vote(out) == pytest.approx(0.7)


def test_what_a_stop_leaves_uncompared_is_compared_when_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signals = iter([signal.SIGINT])

    def interrupted(self: Math, one: str, other: str) -> bool | None:
        for number in signals:
            os.kill(os.getpid(), number)
        time.sleep(0.3)
        return None

    with monkeypatch.context() as patched:
        patched.setattr(Math, "equal", interrupted)
        with pytest.raises(RunIncomplete, match="stopped by a signal"):
            go(tmp_path, ROOT, 5)
    assert kept(tmp_path / "run") == {}
    assert vote(tmp_path / "run") == pytest.approx(0.7)
    assert len(kept(go(tmp_path, ROOT, 5))) == 5


def test_a_run_says_what_it_could_not_compare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(Math, "equal", lambda self, one, other: None)
    go(tmp_path, ROOT, 5, told.append)
    assert [line for line in told if "30 pairs of answers could not be compared in time" in line]


def test_an_older_store_votes_alike_before_and_after_it_is_gone_on_with(tmp_path: Path) -> None:
    # Such a store has no classes, and right answers stand in it as the target does.
    out = go(tmp_path, ROOT, 5)
    store = sqlite3.connect(out / "run.sqlite")
    store.execute("DROP TABLE answer_classes")
    store.execute("UPDATE scores SET answer = ? WHERE utility = 1", (ROOT,))
    store.execute("PRAGMA user_version = 3")
    store.commit()
    store.close()
    assert vote(out) == pytest.approx(0.7)
    go(tmp_path, ROOT, 5)
    assert vote(out) == pytest.approx(0.7)
    assert len(kept(out)) == 3


def test_classes_are_closed_under_what_is_equal_in_pairs() -> None:
    # a = c and c = b, which makes a and b one class although they are not equal; d is told apart, e not in time.
    pairs = {("a", "c"): True, ("b", "c"): True, ("a", "e"): None}
    found = classes_of({name: name for name in "abcde"}, lambda one, other: pairs.get((one, other), False))
    assert found.of == {"a": "a", "b": "a", "c": "a", "d": "d", "e": "e"}
    assert found.undecided == 1


def test_comparing_ends_in_time() -> None:
    found = classes_of({"a": "a", "b": "b", "c": "c"}, lambda one, other: True, limit_s=-1)
    assert found.of == {"a": "a", "b": "b", "c": "c"}
    assert found.undecided == 3


def _members(of: dict[str, str]) -> list[list[str]]:
    return [[answer for answer, name in of.items() if name == one] for one in set(of.values())]
