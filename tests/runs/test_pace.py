"""The time that is left when cells differ in speed."""

from __future__ import annotations

import pytest

from akrasia.core import Reply, Score, Usage
from akrasia.runs.meter import Meter
from akrasia.runs.pace import Pace, Workload
from akrasia.runs.store import CallPlace


def make(meter: Meter, cell: int, candidates: int, tokens: int | None) -> None:
    for sample in range(candidates):
        usage = Usage(1, tokens) if tokens is not None else Usage()
        meter.bought(CallPlace(cell, 0, sample, "model", "answer", None), Reply("x", usage=usage))
        meter.made(cell, Score(1.0))


def test_a_fast_cell_first_does_not_mislead() -> None:
    meter = Meter()
    pace = Pace([Workload(0, "m", 10, 20.0), Workload(1, "m", 10, 400.0)], meter)
    assert pace.seconds_left(1.0) is None
    make(meter, 0, 10, 10)
    # 100 tokens in 2 s. The first cell took half of what was planned, so the second is taken to need 200 a candidate.
    assert pace.seconds_left(2.0) == pytest.approx(2.0 * 2000 / 100)
    make(meter, 1, 5, 300)
    # Now it is seen to need 300: 1,600 tokens in 10 s, and five times 300 to go.
    assert pace.seconds_left(10.0) == pytest.approx(10.0 * 1500 / 1600)


def test_without_reported_tokens_the_plan_weighs() -> None:
    meter = Meter()
    pace = Pace([Workload(0, "m", 10, 1.0), Workload(1, "m", 10, 2.0)], meter)
    make(meter, 0, 10, None)
    assert pace.seconds_left(5.0) == pytest.approx(10.0)


def test_models_work_side_by_side() -> None:
    meter = Meter()
    pace = Pace([Workload(0, "a", 10, 1.0), Workload(1, "b", 10, 1.0)], meter)
    make(meter, 0, 8, None)
    make(meter, 1, 2, None)
    assert pace.seconds_left(4.0) == pytest.approx(16.0)  # the slow one made 2 in 4 s and has 8 to go
