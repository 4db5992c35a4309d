"""Scripted models whose utilities are known, item by item and sample by sample."""

from __future__ import annotations

import math
import random
import re

from akrasia.core import CallRefused, Request


def right(stage: str, item: int, sample: int) -> bool:
    """Whether a stage's sample is right: the truth that the studies must find.

    base: half of the draws of every item, at random. sharp: every draw of 70 % of the items, none of the others.
    """
    if stage == "base":
        return random.Random(f"{item} {sample}").random() < 0.5
    return stage != "wrong" and item % 10 < 7


def _item(request: Request) -> int:
    return int(re.findall(r"(\d+) \+", request.messages[0].content)[0])


def _reply(stage: str, request: Request, sample: int) -> str:
    item = _item(request)
    return f"#### {item if right(stage, item, sample) else -1}"


def base(request: Request, sample: int) -> str:
    return _reply("base", request, sample)


def sharp(request: Request, sample: int) -> str:
    return _reply("sharp", request, sample)


def same(request: Request, sample: int) -> str:
    return _reply("same", request, sample)


def refuses(request: Request, sample: int) -> str:
    raise CallRefused("400: this content is not served")


def wrong(request: Request, sample: int) -> str:
    return _reply("wrong", request, sample)


SCALE = 30.0


def thinker(request: Request, sample: int) -> str:
    """Thinks as many words as it may; right with probability 0.9 − 0.8 · exp(−words / SCALE), and 0.5 when asked
    directly."""
    last = request.messages[-1]
    if last.role == "user" and "step" in last.content and not request.continue_turn:
        return "so " * (request.max_tokens or 0)
    words = last.content.split().count("so")
    chance = 0.9 - 0.8 * math.exp(-words / SCALE) if request.continue_turn else 0.5
    item = _item(request)
    hit = random.Random(f"{item} {sample} {words} {request.continue_turn}").random() < chance
    return f" {item if hit else -1}"


def indifferent(request: Request, sample: int) -> str:
    """Thinks as `thinker`, and is right half of the time, whatever it thought."""
    last = request.messages[-1]
    if last.role == "user" and "step" in last.content and not request.continue_turn:
        return "so " * (request.max_tokens or 0)
    item, words = _item(request), last.content.split().count("so")
    return f" {item if random.Random(f'{item} {sample} {words}').random() < 0.5 else -1}"
