from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from akrasia.core import SAMPLE_STRIDE, InputError
from akrasia.core.cell import candidate_seed
from akrasia.runs.config import build_config
from akrasia.runs.plan import Plan, load_suites

Write = Callable[[int], str]


def plan(suite: str, **keys: Any) -> Plan:
    config = build_config({"model": "local:smollm2", "suite": suite, **keys})
    return Plan(config, load_suites(config))


def test_the_run_is_the_product(suite_file: Write) -> None:
    made = plan(suite_file(3), model=["scripted:a:b", "replay:x"], temperature=[0.5, 1.0], seed=[0, 1], samples=4)
    assert len(made.cells) == 8
    assert len({planned.cell.name for planned in made.cells}) == 8
    assert made.candidates == 8 * 3 * 4


def test_a_pooled_strategy_brings_its_pool_and_draws_nothing(suite_file: Write) -> None:
    made = plan(suite_file(3), strategy=["self_consistency:4", "best_of_n:2"], samples=4)
    names = [planned.cell.strategy for planned in made.cells]
    assert names == ["direct", "self_consistency:4", "best_of_n:2"]
    assert made.candidates == 12
    assert made.cells[1].cell.pool == made.cells[0].cell.name


def test_greedy_is_one_cell_whatever_the_temperatures_and_seeds(suite_file: Write) -> None:
    made = plan(suite_file(3), strategy=["direct", "greedy"], temperature=[0.5, 1.0], seed=[0, 1], samples=4)
    greedy = [planned.cell for planned in made.cells if planned.cell.strategy == "greedy"]
    assert len(greedy) == 1
    assert greedy[0].samples == 1
    assert greedy[0].sampling.temperature == 0


def test_refusals(suite_file: Write) -> None:
    suite = suite_file(2)
    with pytest.raises(InputError, match="at temperature 0, which are all the same"):
        plan(suite, temperature=0.0, samples=2)
    with pytest.raises(InputError, match="chooses among 16 candidates, but samples is 8"):
        plan(suite, strategy="best_of_n:16", samples=8)
    with pytest.raises(InputError, match="bear one name at two addresses"):
        plan(suite, model=["openai:m@http://a/v1", "openai:m@http://b/v1"])
    with pytest.raises(InputError, match=r"unknown strategy 'gready'; did you mean 'greedy'"):
        plan(suite, strategy="gready")
    assert plan(suite, temperature=0.0, samples=1).candidates == 2


def test_units_cover_every_sample_once(suite_file: Write) -> None:
    made = plan(suite_file(3), samples=10)
    seen = [
        (unit.cell, unit.position, sample)
        for _, units in made.units("local:smollm2", 4)
        for unit in units
        for sample in range(unit.start, unit.stop)
    ]
    assert len(seen) == len(set(seen)) == 30


def test_the_limit_takes_the_first_items(suite_file: Write) -> None:
    assert [item.id for _, _, item in plan(suite_file(9), limit=2).items()] == ["q0", "q1"]


def test_seeds_of_items_and_run_seeds_do_not_meet() -> None:
    seeds = {candidate_seed(seed, position, 0) for seed in range(4) for position in range(2000)}
    assert all(seed % SAMPLE_STRIDE == 0 for seed in seeds)
    for position in (0, 17, 1999):
        assert len({candidate_seed(seed, position, 0) for seed in range(1000)}) == 1000
    assert candidate_seed(0, 3, 5) == 3 * SAMPLE_STRIDE + 5
    assert 0 <= candidate_seed(10**9, 10**6, 4095) < 2**31
