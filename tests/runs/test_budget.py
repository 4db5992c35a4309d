"""Budgets: that they hold, before, during and after what is bought."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.runs.conftest import records

import akrasia
from akrasia.core import BudgetReached, InputError

Write = Callable[[int], str]


def go(out: Path, suite: str, script: str = "with_usage", **keys: Any) -> Any:
    return akrasia.run(out, model=f"scripted:tests.runs.scripts:{script}", suite=suite, **keys)


def prices(folder: Path, *rows: tuple[str, float, float]) -> str:
    path = folder / "prices.toml"
    path.write_text("".join(f'[[price]]\nmodel = "{m}"\ninput = {i}\noutput = {o}\n' for m, i, o in rows))
    return str(path)


def preferences(folder: Path) -> str:
    path = folder / "advice.jsonl"
    row = {"input": "What do I tell her?", "target": "some words", "utility": "preference"}
    path.write_text("".join(json.dumps({"id": f"q{i}", **row}) + "\n" for i in range(3)), encoding="utf-8")
    return str(path)


def test_a_budget_in_money_needs_a_price_for_every_model(tmp_path: Path, suite_file: Write) -> None:
    file = prices(tmp_path, ("openai:*", 1, 1))
    with pytest.raises(
        InputError, match=r"no price for scripted:tests\.runs\.scripts:with_usage in .*prices\.toml, so "
    ):
        go(tmp_path / "run", suite_file(3), prices=file, max_cost=1.0)
    assert not (tmp_path / "run").exists()
    file = prices(tmp_path, ("scripted:*:adviser", 1, 1))
    with pytest.raises(InputError, match=r"no price for scripted:tests\.runs\.scripts:judge in "):
        go(
            tmp_path / "run", preferences(tmp_path), "adviser", judge="llm:scripted:tests.runs.scripts:judge",
            prices=file, max_cost=1.0,
        )  # fmt: skip


def test_calls_under_way_do_not_overrun_a_budget(tmp_path: Path, suite_file: Write) -> None:
    # A call takes 15 tokens: 20 of them fill the budget, however many could go at once (64).
    with pytest.raises(BudgetReached, match=r"--max-tokens-total 300 is reached \(300 tokens bought\): raise"):
        go(tmp_path / "run", suite_file(400), "slow_with_usage", samples=4, max_tokens_total=300)
    assert len(records(tmp_path / "run")["calls"]) == 20
    file = prices(tmp_path, ("*", 1000, 2000))  # 0.02 a call: 26 are worth 0.52, one more than there is room for
    with pytest.raises(BudgetReached, match=r"--max-cost 0\.51 is reached"):
        go(tmp_path / "money", suite_file(400), "slow_with_usage", samples=4, max_cost=0.51, prices=file)
    assert len(records(tmp_path / "money")["calls"]) == 26


def test_a_budget_that_is_used_up_buys_nothing_more_and_says_what_to_do(tmp_path: Path, suite_file: Write) -> None:
    out, suite = tmp_path / "run", suite_file(40)
    with pytest.raises(BudgetReached):
        go(out, suite, samples=1, max_tokens_total=150)
    before = records(out)
    for _ in range(2):
        with pytest.raises(BudgetReached, match=r"150 was reached by earlier sittings, and nothing was bought now"):
            go(out, suite, samples=1, max_tokens_total=150)
        assert records(out) == before
    with pytest.raises(BudgetReached, match=r"raise --max-tokens-total to go on\. What was bought is stored in .*run$"):
        go(out, suite, samples=1, max_tokens_total=150)
    assert go(out, suite, samples=1, max_tokens_total=10_000).cells[0].candidates == 40


def test_a_run_that_has_nothing_left_to_buy_is_complete(tmp_path: Path, suite_file: Write) -> None:
    out, suite = tmp_path / "run", suite_file(10)
    for _ in range(2):  # 10 calls of 15 tokens use the budget up exactly
        assert go(out, suite, samples=1, max_tokens_total=150).cells[0].tokens == 150


def test_a_budget_cannot_hold_where_no_tokens_are_reported(tmp_path: Path, suite_file: Write) -> None:
    with pytest.raises(BudgetReached, match=r"the tokens of 1 call are unknown .* so --max-tokens-total cannot hold"):
        go(tmp_path / "run", suite_file(40), "half", samples=1, max_tokens_total=150)
    assert len(records(tmp_path / "run")["calls"]) == 1
    # To a width, candidates are made four at a time, so that call is of none yet; going on alone would not help.
    with pytest.raises(BudgetReached, match=r"leave it out, .*What was bought is stored in"):
        go(tmp_path / "wide", suite_file(120), "half", until_width=0.1, max_tokens_total=150)
    held = records(tmp_path / "wide")
    assert (len(held["calls"]), len(held["scores"])) == (1, 0)
    with (
        akrasia.load_run(tmp_path / "wide") as run,
        pytest.raises(InputError, match=r"no candidate .* stored yet: go on .*, and if that stops as well, do what it"),
    ):
        run.pool(run.cells[0])


def test_a_judge_is_paid_at_its_own_price(tmp_path: Path) -> None:
    file = prices(tmp_path, ("scripted:*:priced_judge", 0, 1e6), ("scripted:*", 0, 0))
    (cell,) = go(
        tmp_path / "run", preferences(tmp_path), "adviser", samples=1, votes=2, prices=file,
        judge="llm:scripted:tests.runs.scripts:priced_judge", concurrency=1,
    ).cells  # fmt: skip
    assert cell.cost is None  # the adviser reports no tokens
    file = prices(tmp_path, ("scripted:*:priced_judge", 0, 1e6), ("scripted:*", 0, 0))
    (cell,) = go(
        tmp_path / "paid", preferences(tmp_path), "priced_adviser", samples=1, votes=2, prices=file, max_cost=100.0,
        judge="llm:scripted:tests.runs.scripts:priced_judge",
    ).cells  # fmt: skip
    # The three items ask the same and get the same answer: two votes, three generated tokens each.
    assert (cell.calls, cell.cost) == (5, pytest.approx(6.0))


def test_a_pooled_cell_costs_nothing(tmp_path: Path, suite_file: Write) -> None:
    cells = go(tmp_path / "run", suite_file(3), samples=4, strategy="best_of_n:2").cells
    assert (cells[1].tokens, cells[1].cost, cells[0].cost) == (0, 0.0, None)
