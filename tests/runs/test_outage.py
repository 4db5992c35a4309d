"""A model that answers no call ends its run early, keeps what was stored, and nothing else ends so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.test_run import akrasia as command
from tests.runs.conftest import records
from tests.runs.scripts import BROKEN

import akrasia
from akrasia.core import RunIncomplete
from akrasia.runs.outage import CALLS, ITEMS, Silence, Turns
from akrasia.runs.plan import Unit

SCRIPT = "scripted:tests.runs.scripts:"
Write = Callable[[int], str]


@pytest.fixture
def broken() -> None:
    BROKEN["calls"] = 0
    BROKEN["now"] = True


@pytest.mark.usefixtures("broken")
def test_a_script_that_only_raises_ends_the_run_and_another_try_ends_as_if_it_never_had(
    tmp_path: Path, suite_file: Write
) -> None:
    suite, strategy = suite_file(60), ["greedy", "direct"]
    said = command(
        "run", "--model", f"{SCRIPT}broken", "--suite", suite, "--samples", "4",
        *(word for name in strategy for word in ("--strategy", name)), "--out", tmp_path / "run", cwd=Path.cwd(),
    )  # fmt: skip
    assert said.code == 3
    assert f"none of the first {CALLS} calls, for 25 items, was answered" in said.err
    assert (
        "broken raised RuntimeError: no GPU here. Mend that and run the same command with --retry-missing" in said.err
    )
    assert len(records(tmp_path / "run")["failures"]) == 60 + CALLS  # the greedy decodes are too few to tell by
    BROKEN["now"] = False
    for out, retry in (("run", True), ("whole", False)):
        akrasia.run(
            tmp_path / out, model=f"{SCRIPT}broken", suite=suite, samples=4, strategy=strategy, retry_missing=retry
        )
    assert records(tmp_path / "run") == records(tmp_path / "whole")


@pytest.mark.usefixtures("broken")
def test_a_run_to_a_width_does_not_draw_every_item_to_its_end(tmp_path: Path, suite_file: Write) -> None:
    keys = {"model": f"{SCRIPT}broken", "suite": suite_file(150), "until_width": 0.2}
    with pytest.raises(RunIncomplete, match=rf"none of the first {CALLS} calls.*run the same command, or one with"):
        akrasia.run(tmp_path / "run", **keys)
    assert BROKEN["calls"] == CALLS
    BROKEN["now"] = False
    (cell,) = akrasia.run(tmp_path / "run", **keys).cells  # others are drawn in place of the missing
    assert cell.missing == CALLS
    assert cell.items == 100


@pytest.mark.parametrize("name", ["refuses_all_in_two_ways", "refuses_all_content", "refuses_all_but_the_first"])
def test_what_may_be_the_items_doing_or_is_mixed_goes_on(tmp_path: Path, suite_file: Write, name: str) -> None:
    (cell,) = akrasia.run(tmp_path / "run", model=f"{SCRIPT}{name}", suite=suite_file(60), samples=4).cells
    assert cell.candidates == 240
    assert cell.missing >= 239


def test_a_model_that_once_answered_is_not_given_up_in_a_later_sitting(tmp_path: Path, suite_file: Write) -> None:
    BROKEN["now"] = False
    keys = {"model": f"{SCRIPT}broken", "suite": suite_file(60)}
    akrasia.run(tmp_path / "run", samples=1, **keys)
    BROKEN["now"] = True
    (cell,) = akrasia.run(tmp_path / "run", samples=4, **keys).cells
    assert (cell.candidates, cell.missing) == (240, 180)


def test_a_cell_in_which_nothing_is_answered_waits_for_the_others_and_is_made_after_them(
    tmp_path: Path, suite_file: Write
) -> None:
    keys = {"suite": suite_file(150), "strategy": ["greedy", "direct"], "samples": 2}
    greedy, direct = akrasia.run(tmp_path / "run", model=f"{SCRIPT}refuses_all_greedy", **keys).cells
    assert (greedy.missing, direct.missing, direct.candidates) == (150, 0, 300)


def test_a_model_is_given_up_when_no_cell_of_it_is_answered() -> None:
    units = {cell: [Unit(cell, position, 0, 1) for position in range(4)] for cell in (0, 1)}
    turns = Turns((cell, iter(of_it)) for cell, of_it in units.items())
    assert next(turns) == units[0][0]
    assert turns.put_off(0)
    assert next(turns) == units[1][0]
    assert turns.put_off(0)  # of a call that was under way
    assert not turns.put_off(1)
    assert list(turns) == [*units[0][1:], *units[1][1:]]
    assert not turns.put_off(1)  # nothing is left


def test_calls_of_few_items_and_ids_in_a_reason() -> None:
    few = Silence()
    assert [few.refused(call % (ITEMS - 1), "HTTP 400: no") for call in range(3 * CALLS)] == [None] * 3 * CALLS
    many = Silence()
    found = [many.refused(call, f"HTTP 400: no such setting (request 7f{call}a)") for call in range(CALLS)]
    assert found[:-1] == [None] * (CALLS - 1)
    assert "no such setting" in str(found[-1])
    assert many.refused(0, "HTTP 400: another") is None


@pytest.mark.parametrize(
    "reason",
    [
        "HTTP 400: the response was filtered by the content management policy",
        "HTTP 400: Your request was rejected as a result of our safety system",
        "HTTP 400: This model's maximum context length is 8192 tokens",
        "HTTP 400: prompt is too long",
    ],
)
def test_a_refusal_that_an_item_may_bring_on_says_nothing_of_the_model(reason: str) -> None:
    found = Silence()
    assert [found.refused(call, reason) for call in range(2 * CALLS)] == [None] * 2 * CALLS
