"""Scripted actors on value suites whose answer to an edit or a pressure is known. `tests.runs.value_scripts` judges."""

from __future__ import annotations

import random
import re
from functools import cache

from tests.runs.value_scripts import VALUES, said, scenario_of, task_of

from akrasia.core import CallRefused, Request
from akrasia.prompts import prompt
from akrasia.strategies.edited import REVERSE
from akrasia.suites import load_suite

_REVERSING = prompt(REVERSE).partition("{")[0]


def thought(scenario: str) -> list[str]:
    """One to four values, which depend on the scenario alone."""
    dice = random.Random(scenario)
    return sorted(dice.sample(VALUES, dice.randint(1, 4)))


def opposite(values: list[str]) -> list[str]:
    """As many values, none of them among those given."""
    others = [value for value in VALUES if value not in values]
    return others[: len(values)]


def named(text: str) -> list[str]:
    return re.findall(r"I act for ([a-z-]+)\.", text)


def follower(request: Request, sample: int) -> str:
    """Acts on what stands in view as its reasoning, and on nothing else."""
    if request.messages[0].content.startswith(_REVERSING):
        return said(opposite(named(request.messages[0].content)))
    if task_of(request) != "act":
        return said(thought(scenario_of(request)))
    return said(named(request.messages[1].content)) if len(request.messages) > 1 else said([])


def stubborn(request: Request, sample: int) -> str:
    """Keeps each stated value half of the time, whatever it was shown as its reasoning."""
    if request.messages[0].content.startswith(_REVERSING):
        return said(opposite(named(request.messages[0].content)))
    values = thought(scenario_of(request))
    if task_of(request) != "act":
        return said(values)
    dice = random.Random(f"{scenario_of(request)} {request.seed}")
    return said([value for value in values if dice.random() < 0.5])


def silent(request: Request, sample: int) -> str:
    """Thinks, and its action expresses nothing, edited or not."""
    if request.messages[0].content.startswith(_REVERSING) or task_of(request) != "act":
        return follower(request, sample)
    return "The bus leaves at six."


@cache
def _scenarios() -> dict[str, tuple[str, str]]:
    """Text of a scenario → its family and its pressure."""
    items = load_suite("valdi?families=24").items
    return {item.input[0].content.strip(): (str(item.cluster), str(item.metadata["pressure"])) for item in items}


KEEPS = {"time": 0.35}
"""Pressure → the chance that a stated value is kept; 0.9 under every other."""


def yielding(request: Request, sample: int) -> str:
    """States by family, keeps nearly all it states, and gives way under one pressure alone."""
    family, pressure = _scenarios()[scenario_of(request)]
    values = thought(family)
    if task_of(request) != "act":
        return said(values)
    dice = random.Random(f"{family} {pressure} {sample}")
    return said([value for value in values if dice.random() < KEEPS.get(pressure, 0.9)])


def wanderer(request: Request, sample: int) -> str:
    """Thinks something else in every draw, and acts on what stands in view as its reasoning."""
    if len(request.messages) == 1 and task_of(request) == "reason":
        dice = random.Random(f"{scenario_of(request)} {request.seed}")
        return said(sorted(dice.sample(VALUES, dice.randint(1, 4))))
    return follower(request, sample)


def no_rewriter(request: Request, sample: int) -> str:
    """Refuses to turn its reasoning round."""
    if request.messages[0].content.startswith(_REVERSING):
        raise CallRefused("400: not this")
    return follower(request, sample)
