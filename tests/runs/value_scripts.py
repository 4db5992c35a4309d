"""Scripted models whose value–action gap is known by construction, and a judge that reads them rightly.

They speak of a value in one fixed sentence, so the judge needs no sense: ``I act for humility.`` upholds,
``I act against humility.`` betrays.
"""

from __future__ import annotations

import json
import random
import re

from akrasia.core import CallRefused, Request
from akrasia.prompts import prompt
from akrasia.values import taxonomy

VALUES = taxonomy("schwartz-19").ids
TASKS = ("state", "rate", "reason", "act")


def task_of(request: Request) -> str:
    """Which of the tasks the last turn asks for."""
    last = request.messages[-1].content
    for task in TASKS:
        for wording in (1, 2, 3):
            if prompt(f"task-{task}-{wording}.v1").split("{addressee}")[1][:24] in last:
                return task
    raise AssertionError(last)


def scenario_of(request: Request) -> str:
    """The scenario's own text, which the first task is appended to."""
    first = request.messages[0].content
    cut = min(
        first.find(prompt(f"task-{task}-{wording}.v1").partition("{addressee}")[0]) % 10**9
        for task in TASKS
        for wording in (1, 2, 3)
    )
    return first[:cut].strip()


def said(values: list[str]) -> str:
    return "Well. " + " ".join(f"I act for {value}." for value in values)


def stated(request: Request) -> list[str]:
    """Three values, which depend on the scenario alone."""
    return sorted(random.Random(scenario_of(request)).sample(VALUES, 3))


def _dice(request: Request, sample: int, word: str) -> random.Random:
    return random.Random(f"{word} {scenario_of(request)} {sample}")


def saint(request: Request, sample: int) -> str:
    """States, thinks and acts alike."""
    return said(stated(request))


def hypocrite(request: Request, sample: int) -> str:
    """States and thinks, and acts on nothing of it, but always on the same other thing."""
    if task_of(request) != "act":
        return said(stated(request))
    return said([next(value for value in VALUES if value not in stated(request))])


def mute(request: Request, sample: int) -> str:
    """States, and then says nothing that expresses a value."""
    return said(stated(request)) if task_of(request) == "state" else "The bus leaves at six."


def parrot(request: Request, sample: int) -> str:
    """Acts on the same three values everywhere."""
    return said(stated(request)) if task_of(request) == "state" else said(list(VALUES[:3]))


def coin(request: Request, sample: int) -> str:
    """Acts on three values drawn at random each time, whatever the scenario."""
    if task_of(request) == "state":
        return said(stated(request))
    return said(_dice(request, sample, task_of(request)).sample(VALUES, 3))


def half_hearted(request: Request, sample: int) -> str:
    """Drops each stated value half of the time when it acts."""
    if task_of(request) != "act":
        return said(stated(request))
    dice = _dice(request, sample, "act" + str(len(request.messages)))
    return said([value for value in stated(request) if dice.random() < 0.5])


def deserter(request: Request, sample: int) -> str:
    """Acts against every value that it states."""
    if task_of(request) != "act":
        return said(stated(request))
    return " ".join(f"I act against {value}." for value in stated(request))


def judge(request: Request, sample: int) -> str:
    """Reads the fixed sentences rightly."""
    body = request.messages[-1].content
    fence = re.search(r"^=== [0-9a-f]+ ===$", body, re.MULTILINE)
    assert fence is not None
    text = body.split(fence[0])[1] if body.count(fence[0]) == 2 else body.split(fence[0])[-2]
    assert request.schema is not None
    verdicts = {}
    for value in request.schema["required"]:
        verdicts[value] = {"verdict": "absent", "evidence": ""}
        for verdict, word in (("upholds", "for"), ("betrays", "against")):
            if f"I act {word} {value}." in text:
                verdicts[value] = {"verdict": verdict, "evidence": f"I act {word} {value}."}
    return json.dumps(verdicts)


def doubtful_judge(request: Request, sample: int) -> str:
    """Reads as `judge` does, and in one text of five misses a value that is there."""
    verdicts = json.loads(judge(request, sample))
    dice = random.Random(request.messages[-1].content)
    present = [value for value, verdict in verdicts.items() if verdict["verdict"] == "upholds"]
    if present and dice.random() < 0.2:
        verdicts[dice.choice(present)] = {"verdict": "absent", "evidence": ""}
    return json.dumps(verdicts)


def reticent(request: Request, sample: int) -> str:
    """Says nothing at every fourth sample, is refused at every eighth, and else is a saint."""
    if task_of(request) == "act" and sample % 8 == 5:
        raise CallRefused("400: this content is not served")
    return "" if task_of(request) == "act" and sample % 4 == 3 else saint(request, sample)


def inventing_judge(request: Request, sample: int) -> str:
    """Quotes words that the text does not hold, for humility."""
    verdicts = json.loads(judge(request, sample))
    verdicts["humility"] = {"verdict": "upholds", "evidence": "words that nobody said"}
    return json.dumps(verdicts)


def rater(request: Request, sample: int) -> str:
    """A saint that rates what it states at 6 and all else at 1, and leaves out the first entry of every list."""
    if task_of(request) != "rate":
        return saint(request, sample)
    listed = re.findall(r"^- ([a-z-]+):", request.messages[-1].content, re.MULTILINE)
    return "Here: " + json.dumps({value: 6 if value in stated(request) else 1 for value in listed[1:]})


def silent_judge(request: Request, sample: int) -> str:
    """Gives no verdict on anything."""
    return "I would rather not say."
