"""What earlier sittings left missing is asked for again when that is wanted, and only that."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.runs import scripts
from tests.runs.conftest import records
from tests.runs.test_budget import preferences

import akrasia
from akrasia.core import InputError

Write = Callable[[int], str]


@pytest.fixture(autouse=True)
def sick() -> Iterator[None]:
    scripts.SICK["now"] = True
    yield
    scripts.SICK["now"] = True


def go(out: Path, suite: str, script: str = "sick", **keys: Any) -> Any:
    return akrasia.run(out, model=f"scripted:tests.runs.scripts:{script}", suite=suite, samples=4, **keys)


def test_refused_calls_are_asked_again_and_nothing_else_is(tmp_path: Path, suite_file: Write) -> None:
    out, suite = tmp_path / "run", suite_file(5)
    summary = go(out, suite)
    assert (summary.cells[0].missing, summary.missing) == (5, {"400: overloaded in its own way": 5})
    scripts.SICK["now"] = False
    before = records(out)
    assert go(out, suite).cells[0].missing == 5  # running again is no retry
    assert records(out) == before
    summary = go(out, suite, retry_missing=True)
    assert (summary.cells[0].candidates, summary.cells[0].missing, summary.cells[0].calls) == (20, 0, 20)
    assert summary.missing == {}
    # As if nothing had ever been refused.
    go(tmp_path / "whole", suite)
    assert records(out) == records(tmp_path / "whole")
    assert records(out)["failures"] == []


def test_what_is_still_refused_stays_as_it_is(tmp_path: Path, suite_file: Write) -> None:
    out, suite = tmp_path / "run", suite_file(5)
    go(out, suite)
    before = records(out)
    assert go(out, suite, retry_missing=True).cells[0].missing == 5
    assert records(out) == before


def test_a_measurement_is_made_again_and_what_it_cost_before_still_counts(tmp_path: Path) -> None:
    out, suite = tmp_path / "run", preferences(tmp_path)
    judge = {"judge": "llm:scripted:tests.runs.scripts:sick_judge", "votes": 2}
    (cell,) = go(out, suite, "adviser", **judge).cells
    # Of the four answers "kind and plain" is not judged; the three items ask the same.
    assert (cell.missing, cell.calls) == (3, 12 + 4 * 2)
    scripts.SICK["now"] = False
    (cell,) = go(out, suite, "adviser", retry_missing=True, **judge).cells
    assert (cell.missing, cell.calls) == (0, 12 + 4 * 2 + 2)
    connection = sqlite3.connect(out / "run.sqlite")
    roles = dict(connection.execute("SELECT role, count(*) FROM calls GROUP BY role"))
    connection.close()
    assert roles == {"model": 12, "judge": 8, "superseded judge": 2}
    with akrasia.load_run(out) as run:
        assert run.pool(run.cells[0]).utilities.tolist() == [[1.0, 0.5, 0.5, 1.0]] * 3


def test_a_sampling_to_a_width_needs_no_retry(tmp_path: Path, suite_file: Write) -> None:
    with pytest.raises(InputError, match="retry_missing has no use with until_width"):
        akrasia.run(
            tmp_path / "run", model="scripted:tests.runs.scripts:sick", suite=suite_file(200), until_width=0.05,
            retry_missing=True,
        )  # fmt: skip
