"""Work on what is large, off the event loop: whoever else is served must not wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

LARGE = 2**16
"""Letters or bytes from which on a thread is worth its price; below, the work takes milliseconds."""

P = ParamSpec("P")
R = TypeVar("R")


async def aside(size: int, work: Callable[P, R], *given: P.args, **named: P.kwargs) -> R:
    """What a function returns, which works on so many letters or bytes: on a thread where they are many."""
    if size < LARGE:
        return work(*given, **named)
    return await asyncio.to_thread(work, *given, **named)
