"""Which items have too few measured candidates to set the k of all others."""

from __future__ import annotations

import numpy as np
import pytest

from akrasia.risk import Chosen, Options, estimate, thin_items


def measured(*counts: int, planned: int = 4) -> np.ndarray:
    """Items with so many measured candidates each, the first one right."""
    return np.array([[float(place == 0) if place < count else np.nan for place in range(planned)] for count in counts])


@pytest.mark.parametrize(
    ("counts", "thin"),
    [
        ((4, 4, 4, 1), [3]),
        ((4, 4, 4, 2), [3]),  # half as many is thin: two planned, one lost, would end every curve at 1
        ((4, 4, 4, 3), []),
        ((4, 4, 4, 0), []),  # it is left out anyway
        ((1, 1, 1, 1), []),  # all alike
        ((4, 1, 1, 1), []),  # the many are not given up for the one
        ((4, 4, 1, 1), [2, 3]),  # the median is 2.5
        ((0, 0, 0, 0), []),
    ],
)
def test_thin_is_at_most_half_of_the_median(counts: tuple[int, ...], thin: list[int]) -> None:
    assert np.flatnonzero(thin_items(measured(*counts))).tolist() == thin


def test_what_was_drawn_is_counted_and_bounded_beside_what_is_used() -> None:
    utilities = measured(4, 4, 4, 3, 1, 0)
    left = np.where(thin_items(utilities)[:, None], np.nan, utilities)
    options = Options(extrapolate=False, chosen=Chosen(4), drawn=utilities)
    found = estimate(left, deployed=np.array([0.25] * 3 + [np.nan] * 3), options=options)
    told = {one.code: one.message for one in found.diagnostics}
    assert (found.items, found.candidates, found.missing) == (3, 24, 8)
    assert "8 of 24 utilities are missing; 1 item has no measured candidate" in told["missing"]
    assert told["left_out"].startswith("3 of 6 items have fewer than the 4 known candidates")
    assert "ragged" not in told
    bounds = found.missing_bounds
    assert bounds is not None
    # Of five items a right candidate is known, so they are reached whatever the others are; of the sixth nothing is.
    assert (bounds.reachable.worst, bounds.reachable.best) == pytest.approx((5 / 6, 1))
