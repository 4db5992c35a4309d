"""Totals of tokens over calls some of which are unknown: they never look complete."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_run import akrasia as command
from tests.runs.scripts import half
from tests.strategies.asking import PlainAsk

import akrasia
from akrasia.audit.spending import CountedAsk
from akrasia.cli.progress import Progress
from akrasia.core import BudgetReached, Reply, Request, Usage
from akrasia.models.scripted import Scripted
from akrasia.runs.config import build_config
from akrasia.runs.meter import Meter
from akrasia.runs.plan import CellCount
from akrasia.runs.store import CallPlace
from akrasia.runs.summary import RunSummary
from akrasia.studies.vote_budget import VoteBudget

Write = Callable[[int], str]
HERE = "scripted:tests.runs.test_unknown_tokens:"


def no_prompt(request: Request, sample: int) -> Reply:
    return Reply(half(request, sample), usage=Usage(None, 5))


def no_reply(request: Request, sample: int) -> Reply:
    return Reply(half(request, sample), usage=Usage(20, None))


def every_second(request: Request, sample: int) -> Reply:
    return Reply(half(request, sample), usage=Usage(None, None) if sample % 2 else Usage(20, 8))


def nothing(request: Request, sample: int) -> Reply:
    return Reply(half(request, sample))


def all_of_it(request: Request, sample: int) -> Reply:
    return Reply(half(request, sample), usage=Usage(20, 8))


# Five calls: 5 × 5 generated, 5 × 20 of prompts, three of (20, 8); what is whole is whole.
CASES = [
    ("no_prompt", (None, None, 25, 25), "at least 25"),
    ("no_reply", (None, 100, None, 100), "at least 100"),
    ("every_second", (None, None, None, 84), "at least 84"),
    ("nothing", (None, None, None, None), "unknown"),
    ("all_of_it", (140, 100, 40, None), "140"),
]


@pytest.mark.parametrize(("script", "tokens", "said"), CASES)
def test_a_part_is_not_the_whole(
    tmp_path: Path, suite_file: Write, script: str, tokens: tuple[Any, ...], said: str
) -> None:
    out, keys = tmp_path / "run", {"model": HERE + script, "suite": suite_file(1), "samples": 5}
    for _ in range(2):  # carried over from an earlier sitting too
        (cell,) = akrasia.run(out, **keys).cells
        assert (cell.tokens, cell.prompt_tokens, cell.completion_tokens, cell.tokens_at_least) == tokens
        assert cell.cost is None
    with akrasia.load_run(out) as run:
        assert run.tokens(run.cells[0]) == tokens[1:3]
    flags = [part for key, value in keys.items() for part in (f"--{key}", value)]
    shown = command("run", *flags, "--out", out).out
    assert f"  {said}  unknown\n" in shown


def test_a_cell_that_asks_nothing_took_nothing(tmp_path: Path, suite_file: Write) -> None:
    cells = akrasia.run(
        tmp_path / "run", model=f"{HERE}nothing", suite=suite_file(2), samples=2, strategy=["direct", "best_of_n:2"]
    ).cells
    assert (cells[1].tokens, cells[1].prompt_tokens, cells[1].completion_tokens, cells[1].tokens_at_least) == (
        0, 0, 0, None,
    )  # fmt: skip


def test_progress_says_at_least() -> None:
    meter, place = Meter(), CallPlace(0, 0, 0, "model", "answer", None)
    none_known = Meter()
    none_known.bought(place, Reply("a"))
    assert "· tokens unknown ·" in Progress(none_known, 4, 0, io.StringIO()).line(1.0)
    meter.bought(place, Reply("a", usage=Usage(20, 8)))
    assert "· 28 tokens" in Progress(meter, 4, 0, io.StringIO()).line(1.0)
    meter.bought(place, Reply("a", usage=Usage(None, 5)))
    assert "· at least 33 tokens" in Progress(meter, 4, 0, io.StringIO()).line(1.0)


def test_comparisons_after_a_run_of_unknown_tokens_keep_to_no_budget() -> None:
    budget = VoteBudget(build_config({"model": "replay:x", "suite": "valdi", "max_tokens_total": 9}), "replay:x")
    cell = CellCount("c", 1, 1, 0, 0, None, None, 1, tokens_at_least=3)
    budget.after(RunSummary("run", [cell]))
    with pytest.raises(BudgetReached, match="tokens of some calls of the run are unknown"):
        budget.check(CountedAsk(PlainAsk(Scripted(nothing))))
