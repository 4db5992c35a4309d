"""Verdicts, worked by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akrasia.studies.verdict import Evidence, judge


def verdict(**keys: object) -> str:
    (found,) = judge([Evidence(**keys)])  # type: ignore[arg-type]
    return found.verdict


@pytest.mark.parametrize(
    ("low", "high", "p", "direction", "margin", "expected"),
    [
        (0.01, 0.20, 0.03, "up", 0.0, "supported"),
        (0.00, 0.20, 0.05, "up", 0.0, "undecided"),  # an interval that touches 0 does not lie above it
        (0.01, 0.20, 0.06, "up", 0.0, "undecided"),  # interval and test must agree
        (0.01, 0.20, None, "up", 0.0, "undecided"),  # nothing tested
        (-0.20, -0.01, 0.03, "up", 0.0, "not supported"),
        (-0.20, 0.004, 0.06, "up", 0.0, "undecided"),
        (-0.20, 0.004, 0.06, "up", 0.01, "not supported"),  # no effect as large as the margin
        (0.002, 0.008, 0.01, "up", 0.01, "supported"),  # small, and there
        (-0.20, -0.01, 0.03, "down", 0.0, "supported"),
        (0.01, 0.20, 0.03, "down", 0.0, "not supported"),
        (-0.20, -0.01, 0.03, "either", 0.0, "supported"),
        (-0.20, 0.01, 0.08, "either", 0.01, "undecided"),  # a fall of 0.2 is not ruled out
        (-0.01, 0.01, 0.90, "either", 0.01, "not supported"),
        (None, None, 0.01, "up", 0.0, "undecided"),  # one cluster has no interval
    ],
)
def test_one_row(
    low: float | None, high: float | None, p: float | None, direction: str, margin: float, expected: str
) -> None:
    value = 0.0 if low is None or high is None else (low + high) / 2
    assert verdict(value=value, low=low, high=high, p=p, direction=direction, margin=margin) == expected


def test_a_threshold_moves_the_claimed_side() -> None:
    # An odds ratio of 0.6, [0.4, 0.9], lies below 1, and not below 0.8.
    ratio = {"value": 0.6, "low": 0.4, "high": 0.9, "p": 0.01, "direction": "down"}
    assert verdict(**ratio, threshold=1.0) == "supported"
    assert verdict(**ratio, threshold=0.8) == "undecided"
    assert verdict(**ratio, threshold=0.3) == "not supported"


def test_an_estimate_is_not_judged_and_takes_no_part_in_the_adjustment() -> None:
    tested = Evidence(value=0.1, low=0.01, high=0.2, p=0.04)
    knee = Evidence(value=100.0, low=60.0, high=180.0, tested=False)
    first, second = judge([tested, knee])
    assert (first.verdict, first.p_adjusted) == ("supported", 0.04)
    assert (second.verdict, second.p_adjusted) == ("estimate", None)
    assert verdict(tested=False) == "undecided"  # there is none
    assert verdict(value=100.0, tested=False, degenerate=True) == "degenerate"


def test_the_rows_are_adjusted_together() -> None:
    # Holm of 0.01, 0.02, 0.04: 3 × 0.01 = 0.03, 2 × 0.02 = 0.04, 1 × 0.04 = 0.04; with a fourth p of 0.03 the steps are
    # 0.04, 0.06, max(0.06, 2 × 0.03) = 0.06 and max(0.06, 0.04) = 0.06.
    three = [Evidence(value=0.1, low=0.01, high=0.2, p=p) for p in (0.01, 0.02, 0.04)]
    assert [row.verdict for row in judge(three)] == ["supported"] * 3
    assert [row.p_adjusted for row in judge(three)] == pytest.approx([0.03, 0.04, 0.04])
    four = [*three, Evidence(value=0.1, low=0.01, high=0.2, p=0.03)]
    assert [row.p_adjusted for row in judge(four)] == pytest.approx([0.04, 0.06, 0.06, 0.06])
    assert [row.verdict for row in judge(four)] == ["supported", "undecided", "undecided", "undecided"]


def test_degenerate_rows_say_so_and_cost_the_others_nothing() -> None:
    rows = [
        Evidence(value=0.0, low=0.0, high=0.0, p=1.0, degenerate=True),
        Evidence(value=0.1, low=0.1, high=0.2, p=0.05),
    ]
    found = judge(rows)
    assert [row.verdict for row in found] == ["degenerate", "supported"]
    assert [row.p_adjusted for row in found] == [None, 0.05]


def test_no_rows() -> None:
    assert judge([]) == ()


ENDS = st.tuples(st.floats(-1, 1), st.floats(-1, 1)).map(sorted)


@given(
    ENDS,
    st.floats(0, 1),
    st.sampled_from(["up", "down", "either"]),
    st.floats(0, 0.2),
    st.lists(st.floats(0, 1), max_size=4),
)
def test_a_verdict_never_says_more_than_the_interval(
    ends: list[float], p: float, direction: str, margin: float, others: list[float]
) -> None:
    low, high = ends
    row = Evidence(value=(low + high) / 2, low=low, high=high, p=p, direction=direction, margin=margin)  # type: ignore[arg-type]
    found = judge([row, *(Evidence(value=0.0, low=-1.0, high=1.0, p=other) for other in others)])[0]
    if low <= 0 <= high:
        assert found.verdict != "supported"
    if found.verdict == "supported":
        assert found.p_adjusted is not None
        assert p <= found.p_adjusted <= 0.05 + 1e-9
        assert {"up": low > 0, "down": high < 0, "either": low > 0 or high < 0}[direction]
    if found.verdict == "not supported":
        assert {"up": high <= margin, "down": low >= -margin, "either": max(-low, high) <= margin}[direction]
