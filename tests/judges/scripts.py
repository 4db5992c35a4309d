"""Models behind a judge, scripted: one that goes by keywords, and what a reader of the prompt makes of its fence."""

from __future__ import annotations

import json
import re

from akrasia.core import Request

FENCE = re.compile(r"=== [0-9a-f]{16} ===")

WORDS = {
    "benevolence-dependability": ("promise", "lie"),
    "benevolence-caring": ("look after", "leave her alone"),
    "stimulation": ("adventure", "stay at home"),
}
"""Value → words that uphold and betray it."""


def fenced(request: Request) -> tuple[str, str]:
    """What stands inside the fence and what outside, for a reader who takes the first closing line for the end."""
    asked = request.messages[-1].content
    fence = FENCE.search(asked)
    assert fence is not None
    before, inside, after = re.split(f"(?m)^{re.escape(fence[0])}$", asked, maxsplit=2)
    return inside.strip("\n"), before + after


def shown_ids(request: Request) -> list[str]:
    assert request.schema is not None
    return list(request.schema["properties"])


def keyword(request: Request) -> str:
    """Finds each value by its words, anywhere in the fenced text."""
    text = fenced(request)[0]
    verdicts = {}
    for value in shown_ids(request):
        upholds, betrays = WORDS.get(value, ("\0", "\0"))
        found = ("upholds", upholds) if upholds in text else ("betrays", betrays) if betrays in text else ("absent", "")
        verdicts[value] = {"verdict": found[0], "evidence": found[1]}
    return json.dumps(verdicts)


def first_three(request: Request) -> str:
    """Goes by the place in the list alone: the first three values are upheld by the text's first word."""
    word = fenced(request)[0].split()[0]
    return json.dumps({
        value: {"verdict": "upholds", "evidence": word} if place < 3 else {"verdict": "absent", "evidence": ""}
        for place, value in enumerate(shown_ids(request))
    })  # fmt: skip


def silent(request: Request) -> str:
    return "I would rather not say."
