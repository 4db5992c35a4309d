"""Scripted models for runs to a width: ``scripted:tests.runs.width_scripts:patterns``."""

from __future__ import annotations

import asyncio
import random
import re

from akrasia.core import CallRefused, Request

PATTERNS = 6 * 2**5
"""Of five draws, at most one of them refused: every one of them, once each."""


def _number(request: Request) -> int:
    return int(re.findall(r"(\d+) \+", request.messages[0].content)[0])


def patterns(request: Request, sample: int) -> str:
    """Item i draws the i-th pattern: which of the first five is refused, if any, and which are right, as later ones."""
    number = _number(request)
    refused, right = number % 6, number // 6
    if sample == refused:
        raise CallRefused("400: this content is not served")
    return f"#### {2 * number + (sample < 5 and not right >> sample & 1)}"


def uneven(request: Request, sample: int) -> str:
    """Easy items lose candidates and hard ones do not: half are nearly always right, and lose one of three."""
    number = _number(request)
    own = random.Random(f"{number} {sample}")
    if number % 2 and own.random() < 1 / 3:
        raise CallRefused("400: this content is not served")
    return f"#### {2 * number + (own.random() > (0.9 if number % 2 else 0.1))}"


def often_lost(request: Request, sample: int) -> str:
    """Three of five candidates are refused, whatever they are; half of the items are always wrong, half are right."""
    number = _number(request)
    if random.Random(f"{number} {sample}").random() < 0.6:
        raise CallRefused("400: this content is not served")
    return f"#### {2 * number + number % 2}"


async def at_odd_speeds(request: Request, sample: int) -> str:
    """Right with a probability that differs between items; the harder an item, the later its answers; some are lost."""
    number = _number(request)
    chance = (number * 7919) % 97 / 97
    await asyncio.sleep(0.002 * (1 - chance))
    if number % 40 == 3:
        raise CallRefused("400: this content is not served")
    return f"#### {2 * number + (random.Random(f'{number} {sample}').random() > chance)}"
