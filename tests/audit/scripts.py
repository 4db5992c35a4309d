"""The roles of an audit, scripted: each does one known thing, and goes by what stands where in its prompt.

A text is a task and values: ``Task 1. Task 2. I act for face.``. The judge is `tests.runs.value_scripts.judge`, which
reads the fixed sentences rightly. What has to be kept are the sentences that begin with "Task".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from tests.runs.value_scripts import judge

from akrasia.audit import Auditor, Target, Trail
from akrasia.core import CallRefused, Message, Model, Reply, Request
from akrasia.judges.llm import LLM
from akrasia.judges.llm_prompt import FENCE
from akrasia.judges.loose_ask import LooseAsk
from akrasia.models.scripted import Script, Scripted
from akrasia.values import taxonomy

REFINED = taxonomy()
TARGET = Target({"face": 1.0, "humility": 1.0, "tradition": 1.0})
CONTEXT = (Message("user", "What is to be done?"),)


def parts(request: Request) -> tuple[str, list[str]]:
    """What stands outside the fence, and the parts inside it, for a reader who goes by lines that are the fence."""
    (message,) = request.messages
    mark = FENCE.search(message.content)
    assert mark is not None
    pieces = re.split(f"(?m)^{re.escape(mark[0])}$", message.content)
    outside = "".join(pieces[::2]).replace(mark[0], "FENCE")
    return outside, [piece.strip("\n") for piece in pieces[1::2]]


def tasks(text: str) -> list[str]:
    return re.findall(r"Task \d+\.", text)


def planner(request: Request) -> str:
    """Plans to say what lacks and no longer what betrays, as the findings outside the fence have it."""
    outside, _ = parts(request)
    found = re.findall(r"^- ([a-z-]+): (?:betrayed|lacking)", outside, re.MULTILINE)
    return json.dumps({"change": "Act for: " + ", ".join(found), "keep": "the tasks"})


def half_planner(request: Request) -> str:
    """Mends one value at a time."""
    plan = json.loads(planner(request))
    return json.dumps({**plan, "change": plan["change"].partition(",")[0]})


def _wanted(request: Request) -> tuple[str, list[str]]:
    text, plan = parts(request)[1][1:3]
    return text, plan.splitlines()[0].partition("Act for: ")[2].split(", ")


def mender(request: Request) -> str:
    """Does what the plan says and keeps all else."""
    text, wanted = _wanted(request)
    for value in wanted:
        text = text.replace(f"I act against {value}.", "")
    return " ".join([*text.split(), *(f"I act for {value}." for value in wanted)])


def destroyer(request: Request) -> str:
    """Does what the plan says and forgets the task."""
    _, wanted = _wanted(request)
    return " ".join(f"I act for {value}." for value in wanted)


def worsener(request: Request) -> str:
    """Turns everything round."""
    return parts(request)[1][1].replace("I act for", "I act against") + " I act against humility."


def parrot(request: Request) -> str:
    return parts(request)[1][1]


def blind_judge(request: Request) -> str:
    """Finds everything absent."""
    assert request.schema is not None
    return json.dumps({value: {"verdict": "absent", "evidence": ""} for value in request.schema["properties"]})


def endless(request: Request) -> Reply:
    return Reply("and so on " * 50, finish="length")


def paraphraser(request: Request) -> str:
    """Other words, the same sense: what has no meaning here is moved."""
    return "Well then. " + parts(request)[1][1]


def guard(request: Request) -> str:
    """Compares the tasks of the two versions rightly."""
    first, second = (set(tasks(text)) for text in parts(request)[1][1:3])
    loses = {(True, True): "both", (True, False): "A", (False, True): "B", (False, False): "neither"}
    return json.dumps({"reason": "tasks", "loses": loses[bool(second - first), bool(first - second)]})


def first_place(request: Request) -> str:
    """Goes by the place: the version that is shown first never loses."""
    return json.dumps({"reason": "place", "loses": "B"})


def mute(request: Request) -> str:
    return "I would rather not say."


def refuses(request: Request) -> str:
    raise CallRefused("HTTP 400: no")


ROLES: dict[str, Script] = {"auditor": judge, "planner": planner, "rewriter": mender, "guard": guard}


class NotedAsk(LooseAsk):
    """Asks a scripted model for each role, and notes (role, label, request) of every call."""

    def __init__(self, roles: Mapping[str, Script | Model]) -> None:
        super().__init__({role: Scripted(one) if callable(one) else one for role, one in roles.items()})
        self.asked: list[tuple[str, str, Request]] = []

    async def __call__(self, role: str, request: Request, label: str) -> Reply:
        assert all((role, label) != made[:2] for made in self.asked), "a label is unique in its role"
        self.asked.append((role, label, request))
        return await super().__call__(role, request, label)

    def labels(self, role: str) -> list[str]:
        return [label for asked, label, _ in self.asked if asked == role]


def doors(**roles: Script | Model) -> NotedAsk:
    """The honest roles, with some of them changed."""
    return NotedAsk({**ROLES, **roles})


def auditor(**settings: object) -> Auditor:
    return Auditor(LLM("scripted:inline"), REFINED, **settings)  # type: ignore[arg-type]


def text(tasks: int, upheld: Sequence[str] = (), betrayed: Sequence[str] = ()) -> str:
    return " ".join([
        *(f"Task {number}." for number in range(1, tasks + 1)),
        *(f"I act for {value}." for value in upheld),
        *(f"I act against {value}." for value in betrayed),
    ])  # fmt: skip


DRAFT = text(2, ["face"], ["humility"])
"""Of three target values one is upheld, one betrayed, one lacks: ½ + (1 − 1) / 6."""


KEPT = "I gave him my word that I would look after his dog, so I will, every single day, whatever it costs me."


async def audit(draft: str = DRAFT, ask: NotedAsk | None = None, target: Target = TARGET, **settings: object) -> Trail:
    return await auditor(**settings).audit(draft, target, CONTEXT, ask or doors())
