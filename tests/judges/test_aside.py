"""What is large is worked on beside the event loop."""

from __future__ import annotations

import threading

import pytest

from akrasia.judges.aside import LARGE, aside

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize(("size", "beside"), [(0, False), (LARGE - 1, False), (LARGE, True)])
async def test_only_what_is_large_costs_a_thread(size: int, beside: bool) -> None:
    thread = await aside(size, threading.current_thread)
    assert (thread is not threading.current_thread()) == beside


async def test_what_is_given_and_what_comes_back() -> None:
    assert await aside(LARGE, sorted, [2, 3, 1], reverse=True) == [3, 2, 1]
    with pytest.raises(ValueError, match="invalid literal"):
        await aside(LARGE, int, "x")
