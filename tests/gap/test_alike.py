"""Families that all come out alike: nothing is known for certain of the figures that lie between the ends, either."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest

from akrasia.gap import Stages, measure_modes
from akrasia.gap.drawn import Drawn
from akrasia.gap.linear import Linear
from akrasia.gap.split import split
from akrasia.gap.spread import reading_spread
from akrasia.stats import counted_interval

N = 12
STATED = np.tile([1.0, 1.0, 0.0, 0.0], (N, 1))
ACTION = np.tile([1.0, 0.0, 1.0, 0.0], (N, 1))


def figures(found: Any, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(found, dict):
        if {"value", "low", "high", "method"} <= found.keys():
            yield where, found
        for key, part in found.items():
            yield from figures(part, f"{where}/{key}")
    elif isinstance(found, list | tuple):
        for number, part in enumerate(found):
            yield from figures(part, f"{where}/{number}")


def assert_none_is_certain(found: Any) -> None:
    shown = dict(figures(msgspec.to_builtins(found)))
    assert len(shown) >= 2
    certain = {where: one for where, one in shown.items() if one["low"] is not None and one["low"] == one["high"]}
    assert not certain


def test_no_figure_of_the_gap_is_certain():
    arms = {"fast": Stages(STATED, None, ACTION), "slow": Stages(STATED, STATED[:, ::-1], ACTION)}
    found = measure_modes(arms, domains=["home"] * N)
    assert_none_is_certain(found)
    f1 = found.modes["fast"].macro_f1
    assert f1 is not None
    # The values' own are 1, 0 and 0; as much is known of their mean as of 12 answers, as of one value's own.
    assert f1.value == pytest.approx(1 / 3)
    assert (f1.low, f1.high) == pytest.approx(_ends(1 / 3))
    retention = found.modes["fast"].retention
    assert retention is not None
    assert (retention.low, retention.high) == pytest.approx(_ends(1 / 2))


def test_nor_of_the_split_or_of_wordings():
    assert_none_is_certain(split(Drawn(STATED, np.repeat(ACTION[:, None], 3, axis=1)), domains=["home"] * N))
    readings = np.repeat(STATED[:, None], 4, axis=1)
    assert_none_is_certain(reading_spread(readings, wordings=["a", "a", "b", "b"]))


def test_one_family_apart_tells_no_more_than_so_many_families():
    pulls = np.array([11.0, *[-1.0] * 11]) / 1000
    found = Linear(0.5, pulls, *[np.ones(12, dtype=np.bool_)] * 3).figure(0.95)
    assert (found.low, found.high) == pytest.approx(_ends(1 / 2))


def _ends(value: float) -> tuple[float | None, float | None]:
    counted = counted_interval(value, N)
    return counted.low, counted.high
