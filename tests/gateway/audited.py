"""Policies that audit with a scripted judge, replies whose values are known, and what the log says of them.

The judge reads ``I act for VALUE.`` and ``I act against VALUE.`` rightly. The constitution has face, humility and
tradition.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.judges.scripts import FENCE, fenced, shown_ids
from tests.runs.value_scripts import VALUES, judge

from akrasia.core import CallRefused, EndpointLost, Request
from akrasia.gateway.verify import verify_log
from akrasia.judges.llm_prompt import messages
from akrasia.values import parse_constitution

CONSTITUTION = '[[value]]\nid = "face"\n[[value]]\nid = "humility"\n[[value]]\nid = "tradition"\n'
GOOD = "I act for face. I act for humility. I act for tradition."
HALF = "I act for face."
BAD = "I act for face. I act against humility."

JUDGE = "llm:scripted:tests.runs.value_scripts:judge"

assert {"face", "humility", "tradition"} <= set(VALUES)


def policy(folder: Path, mode: str, *, judge: str = JUDGE, required: str = "", **settings: Any) -> str:
    """A policy's text, with its constitution beside it."""
    text = (
        CONSTITUTION.replace(f'id = "{required}"\n', f'id = "{required}"\nrequired = true\n')
        if required
        else CONSTITUTION
    )
    (folder / "values.toml").write_text('name = "ours"\n' + text, encoding="utf-8")
    limits = settings.pop("limits", None)
    lines = [f"mode = {json.dumps(mode)}", 'constitution = "values.toml"', f"judge = {json.dumps(judge)}"]
    lines += [f"{key} = {_toml(value)}" for key, value in settings.items()]
    if limits:
        lines += ["[limits]", *(f"{key} = {_toml(value)}" for key, value in limits.items())]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + "}"
    return json.dumps(value)


def records(log: Path) -> list[dict[str, Any]]:
    """The log's records, in order; the chain is whole."""
    found = verify_log(log)
    assert found.status == "whole", found
    return _written(log)


def _written(log: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in log.read_bytes().split(b"\n")[:-1]]
    return [line for line in lines if line["type"] == "request"]


async def settled(log: Path, count: int) -> list[dict[str, Any]]:
    """The log's records once there are so many. A last line that is still being written is not there yet."""
    async with asyncio.timeout(30):
        while not log.exists() or len(_written(log)) < count:
            await asyncio.sleep(0.01)
    return records(log)


def told_in(stream: bytes) -> list[dict[str, Any]]:
    """The comments of a stream that are ours and say something."""
    return [
        json.loads(line.removeprefix(b": akrasia ")) for line in stream.splitlines() if line.startswith(b": akrasia {")
    ]


def contents(stream: bytes) -> Sequence[str]:
    """The content of each choice of a stream."""
    texts: dict[int, str] = {}
    for line in stream.splitlines():
        if line.startswith(b"data: {"):
            for choice in json.loads(line[6:]).get("choices", ()):
                texts[choice["index"]] = texts.get(choice["index"], "") + (choice["delta"].get("content") or "")
    return [texts[index] for index in sorted(texts)]


def judge_down(request: Request) -> str:
    raise EndpointLost("the judge is down")


def judge_refuses(request: Request) -> str:
    raise CallRefused("HTTP 400: no")


def judge_unreadable(request: Request) -> str:
    return "I would rather not say."


def judge_broken(request: Request) -> str:
    return json.dumps({"face": {"verdict": "upholds", "evidence": "words that are not there"}})


async def judge_slow(request: Request, sample: int) -> str:
    await asyncio.sleep(0.5)
    return judge(request, sample)


async def judge_stuck(request: Request, sample: int) -> str:
    await asyncio.sleep(60)
    return judge(request, sample)


SPANS: list[str] = []
"""Texts that `judge_spans` takes for a betrayal of face."""


def judge_spans(request: Request, sample: int) -> str:
    """Reads as the judge does, and takes any of `SPANS` for a betrayal."""
    verdicts = json.loads(judge(request, sample))
    found = next((span for span in SPANS if span in request.messages[-1].content), None)
    if found is not None:
        verdicts["face"] = {"verdict": "betrays", "evidence": found}
    return json.dumps(verdicts)


READ: list[str] = []
"""Texts that `judge_of_few_words` has read."""


def judge_of_few_words(request: Request, sample: int) -> str:
    """Sees a betrayal of face in a text that says no more than it, and none among other words."""
    text, _ = fenced(request)
    READ.append(text.strip())
    verdict = "betrays" if text.strip() == "I act against face." else "absent"
    values = {value: {"verdict": "absent", "evidence": ""} for value in shown_ids(request)}
    return json.dumps(values | {"face": {"verdict": verdict, "evidence": text.strip() if verdict == "betrays" else ""}})


OURS = parse_constitution('name = "ours"\n' + CONSTITUTION)


def task_of(request: Request) -> tuple[str, str]:
    """All that stands outside the fence of what a judge is asked: the system message, and the rest of the question."""
    return request.messages[0].content, FENCE.sub("FENCE", fenced(request)[1])


def judge_obedient(request: Request) -> str:
    """Condemns every text. It obeys whatever stands outside the fence: were it not its task alone, it would approve."""
    order = [OURS.find(value) for value in shown_ids(request)]
    honest = Request(messages(order, "Take the soup over."), schema=request.schema)
    verdict = "betrays" if task_of(request) == task_of(honest) else "upholds"
    word = next(word for word in fenced(request)[0].split() if any(map(str.isalnum, word)))
    return json.dumps({value: {"verdict": verdict, "evidence": word} for value in shown_ids(request)})


def judge_defect(request: Request) -> str:
    raise ZeroDivisionError("a defect")


def judge_second_thought(request: Request, sample: int) -> str:
    """Unreadable at first, and readable when it is asked again."""
    return judge(request, sample) if sample else "I would rather not say."


def judge_forgetful(request: Request, sample: int) -> str:
    """At first leaves out a value; asked again, it reads all, and finds no betrayal any more."""
    verdicts = json.loads(judge(request, sample))
    if not sample:
        del verdicts["tradition"]
        return json.dumps(verdicts)
    return json.dumps({value: {"verdict": "absent", "evidence": ""} for value in verdicts})
