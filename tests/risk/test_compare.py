from __future__ import annotations

import msgspec
import numpy as np
import pytest

from akrasia.core.errors import InputError, Undefined
from akrasia.risk import compare, per_item


def test_the_record_is_the_interface():
    a, b = np.tile([0.0, 1.0, 1.0], 20), np.tile([1.0, 1.0, 1.0], 20)
    record = msgspec.to_builtins(compare({"deployed": (a, b), "risk": (a / 2, b / 3)}))
    assert set(record) == {"metrics"}
    first = record["metrics"][0]
    assert set(first) >= {"name", "a", "b", "difference", "p", "p_adjusted", "mde", "items"}
    assert first["a"] == pytest.approx(2 / 3)
    assert first["b"] == 1
    assert first["difference"]["value"] == pytest.approx(1 / 3)
    assert first["p"] == pytest.approx(2 / 2**20)  # 20 discordant pairs, all one way
    assert first["p_adjusted"] == pytest.approx(2 * first["p"])
    assert first["items"] == 60


def test_what_holds_by_definition_is_no_further_test():
    a, b = np.tile([0.0, 1.0, 1.0], 20), np.tile([1.0, 1.0, 1.0], 20)
    metrics = {"deployed": (a, b), "reachable@1": (a, b), "risk@1": (a * 0, b * 0)}
    deployed, reachable, risk = compare(metrics, defined={"reachable@1": "deployed", "risk@1": None}).metrics
    assert deployed.p_adjusted == deployed.p == reachable.p == reachable.p_adjusted == pytest.approx(2 / 2**20)
    assert (risk.p, risk.p_adjusted, risk.mde, risk.test) == (None, None, None, "identity")
    assert (risk.difference.value, risk.difference.low, risk.difference.high) == (0, 0, 0)
    with pytest.raises(InputError, match="'sum', which is not measured"):
        compare(metrics, defined={"risk@1": "sum"})


def test_per_item_figures():
    found = per_item([[0, 1], [None, None], [1, 1]], 2)
    assert found.deployed.tolist() == pytest.approx([0.5, np.nan, 1], nan_ok=True)
    assert found.reachable.tolist() == pytest.approx([1, np.nan, 1], nan_ok=True)
    assert found.risk.tolist() == pytest.approx([0.5, np.nan, 0], nan_ok=True)
    given = per_item([[0, 1], [0, 0], [1, 1]], 1, deployed=[1, 0, np.nan])
    assert given.reachable.tolist() == pytest.approx([1, 0, np.nan], nan_ok=True)


def test_refusals():
    with pytest.raises(InputError):
        compare({})
    with pytest.raises(Undefined):
        compare({"x": ([np.nan], [1.0])})
    with pytest.raises(Undefined):
        per_item([[None]], 1)
    with pytest.raises(InputError):
        per_item([[0, 1]], 3)
