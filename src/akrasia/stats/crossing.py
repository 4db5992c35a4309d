"""Where a probability that rises or falls steadily takes a given value: one root finder, light to import."""

from __future__ import annotations

from collections.abc import Callable

STEPS = 200
"""Far more than are ever needed: bisection alone would take 60."""


def crossing(chance: Callable[[float], float], most: float, target: float) -> float:
    """Where a monotone chance equals `target`, by regula falsi (Illinois) on the normal scale.

    On that scale a chance is nearly a straight line, so that a few steps do.

    Args:
        chance: a monotone function of [0, most] with values in [0, 1].
        most: upper end of where to look, positive.
        target: in (0, 1).

    Returns:
        The point, to 12 digits of `most`; where the chance stays on one side of the target, the end nearer to it.
    """
    from scipy.special import ndtri

    goal = float(ndtri(target))

    def off(point: float) -> float:
        return float(ndtri(min(max(chance(point), 1e-300), 1 - 1e-15))) - goal

    left, right = 0.0, most
    at_left, at_right = off(left), off(right)
    if at_left * at_right >= 0:
        return left if abs(at_left) <= abs(at_right) else right
    middle = left
    for _ in range(STEPS):
        before, middle = middle, (left * at_right - right * at_left) / (at_right - at_left)
        there = off(middle)
        if there == 0 or abs(middle - before) <= 1e-12 * most:
            break
        if there * at_right < 0:
            left, at_left = right, at_right
        else:
            at_left /= 2
        right, at_right = middle, there
    return middle
