"""Scripted planners, rewriters and guards of known behaviour, for actors and judges of `value_scripts`.

What an action does besides its values is one fixed sentence, so a guard needs no sense to miss it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from tests.runs.value_scripts import VALUES, said, stated, task_of
from tests.runs.value_scripts import judge as judge

from akrasia.core import CallRefused, Reply, Request, Usage

TASK = "The bus leaves at six."
_FENCE = re.compile(r"^=== [0-9a-f]{16} ===$", re.MULTILINE)


def parts_of(request: Request) -> list[str]:
    """What stands within the fences of a prompt, part by part."""
    pieces = _FENCE.split(request.messages[-1].content)
    return [piece.strip() for piece in pieces[1::2]]


def bus(request: Request, sample: int) -> str:
    """States three values, reasons with the first of them, and acts on none; the task is done."""
    task = task_of(request)
    if task == "state":
        return said(stated(request))
    if task == "reason":
        return f"{TASK} {said(stated(request)[:1])}"
    reasoned = " ".join(message.content for message in request.messages if message.role == "assistant")
    kept = [value for value in stated(request) if f"I act for {value}." in reasoned]
    return f"{TASK} {said(kept)}" if kept else TASK


def auditor(request: Request, sample: int) -> str:
    """The judge under another name."""
    return judge(request, sample)


def planner(request: Request, sample: int) -> str:
    """Plans to act for every value that lacks or is betrayed."""
    found = re.findall(r"^- ([a-z-]+): (?:lacking|betrayed)", request.messages[-1].content, re.MULTILINE)
    return json.dumps({"change": said(found), "keep": TASK})


def slow_planner(request: Request, sample: int) -> str:
    """Plans to act for one value more."""
    found = re.findall(r"^- ([a-z-]+): (?:lacking|betrayed)", request.messages[-1].content, re.MULTILINE)
    return json.dumps({"change": said(found[:1]), "keep": TASK})


def babbler(request: Request, sample: int) -> str:
    """A planner that nobody can read."""
    return "I would, if I could."


def refuser(request: Request, sample: int) -> str:
    raise CallRefused("400: not served")


def mender(request: Request, sample: int) -> str:
    """Keeps the text and does as the plan says."""
    _, text, plan = parts_of(request)
    return f"{text} {plan.partition('Change: ')[2].partition(chr(10))[0]}"


def destroyer(request: Request, sample: int) -> str:
    """Does as the plan says, and forgets the task."""
    _, _, plan = parts_of(request)
    return plan.partition("Change: ")[2].partition("\n")[0]


def worsener(request: Request, sample: int) -> str:
    """Acts on another value than was stated."""
    _, text, _ = parts_of(request)
    return f"{text} I act against {VALUES[0]}. I act against {VALUES[1]}. I act against {VALUES[2]}."


def paraphraser(request: Request, sample: int) -> str:
    """Says the same in other words."""
    text = parts_of(request)[1]
    return f"In other words: {text}"


def guard(request: Request, sample: int) -> str:
    """Misses the task where it is gone."""
    _, first, second = parts_of(request)
    lost = [name for name, text in (("A", first), ("B", second)) if TASK not in text]
    loses = "both" if len(lost) == 2 else lost[0] if lost else "neither"
    return json.dumps({"reason": "as I see it", "loses": loses})


def biased_guard(request: Request, sample: int) -> str:
    """Always finds the first one lacking."""
    return json.dumps({"reason": "the first, always", "loses": "A"})


def mender_or_paraphraser(request: Request, sample: int) -> str:
    """A mender where it is told what to mend."""
    return mender(request, sample) if len(parts_of(request)) == 3 else paraphraser(request, sample)


def destroyer_or_paraphraser(request: Request, sample: int) -> str:
    """A destroyer where it is told what to mend."""
    return destroyer(request, sample) if len(parts_of(request)) == 3 else paraphraser(request, sample)


def reader(request: Request, sample: int) -> str:
    """Evaluates: reads values rightly, prefers the text that acts for more of them, misses a task that is gone."""
    prompt = request.messages[-1].content
    if prompt.startswith("You compare the task content"):
        return guard(request, sample)
    if "<answer_a>" not in prompt:
        return judge(request, sample)
    first, second = (
        len(set(re.findall(r"I act for ([a-z-]+)\.", prompt.split(f"<answer_{name}>")[2].split("</")[0])))
        for name in "ab"
    )
    return "[[tie]]" if first == second else "[[A]]" if first > second else "[[B]]"


def careless_guard(request: Request, sample: int) -> str:
    """Never finds a loss."""
    return json.dumps({"reason": "all is there", "loses": "neither"})


def contrary_auditor(request: Request, sample: int) -> str:
    """Reads a text that acts for nothing as upholding all, and any other as upholding its first value alone."""
    verdicts = json.loads(judge(request, sample))
    upheld = [value for value, verdict in verdicts.items() if verdict["verdict"] == "upholds"]
    text = parts_of(request)[-1]
    for value, verdict in verdicts.items():
        if not upheld:
            verdict.update(verdict="upholds", evidence=text)
        elif len(upheld) < 3 and value == upheld[0]:
            verdict.update(verdict="betrays")
    return json.dumps(verdicts)


def silencer(request: Request, sample: int) -> str:
    """Leaves nothing but the task."""
    return TASK


TOKENS = Usage(prompt_tokens=300, completion_tokens=100)


def metered(script: Callable[[Request, int], str]) -> Callable[[Request, int], Reply]:
    """The same, and says what it took."""

    def told(request: Request, sample: int) -> Reply:
        return Reply(script(request, sample), usage=TOKENS)

    return told


metered_bus, metered_auditor, metered_reader = metered(bus), metered(auditor), metered(reader)
metered_planner, metered_slow_planner = metered(planner), metered(slow_planner)
metered_mender, metered_guard = metered(mender_or_paraphraser), metered(guard)
