"""Prompts that hold material of others: every part behind a fence that nothing inside it can forge or close.

The fence and what is done to a text before it is shown are those of the LLM judge; see `akrasia.judges.llm_prompt`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

from akrasia.audit.records import AuditStage
from akrasia.core import Message
from akrasia.judges.llm_prompt import fence_for, first_seed, shown
from akrasia.prompts import prompt

NOTHING = "(nothing)"
"""Stands for a part without content."""

_WORDS: dict[AuditStage, dict[str, str]] = {
    "action": {
        "answer": "answer",
        "an_answer": "an answer",
        "purpose": "replies to the end of the conversation",
    },
    "reasoning": {
        "answer": "deliberation",
        "an_answer": "a deliberation",
        "purpose": "was thought before the conversation is replied to",
    },
}
"""What the prompts call the text, by stage. No text of others comes in here."""

_ANGLES, _BRACKETS = "❮❰❬⟨⟪⦉", "❲⟦⟬⦋⦗〔"
"""Signs for ``<`` and for the bracket of ``[INST]`` that hardly anybody writes, so that a rewrite's can be undone."""

_FIELD = re.compile(r"\{([a-z_]+)\}")


class Case(Struct, frozen=True):
    """What a role works on.

    Attributes:
        stage: what the text is.
        text: the text that stands.
        context: the conversation that it belongs to.
    """

    stage: AuditStage
    text: str
    context: tuple[Message, ...]


def fenced_messages(
    name: str, case: Case, material: Mapping[str, str], fields: Mapping[str, str] | None = None
) -> tuple[Message, ...]:
    """One message made of a prompt file, with the material fenced.

    Args:
        name: the prompt file. Its fields are those of `material` and `fields`, ``{conversation}``, ``{fence}`` and the
            words for the text's stage.
        case: the conversation, and what the text is.
        material: field → a text of others: shown as judges see it, and nothing in it is the fence.
        fields: field → words of our own, or of the owner of the values, outside the fence.
    """
    parts = {"conversation": conversation(case.context), **material}
    angle, bracket = _signs(case)
    visible = {field: shown(text, angle, bracket).strip("\n") or NOTHING for field, text in parts.items()}
    fence = fence_for("\n".join(visible.values()))
    filled = {**_WORDS[case.stage], **(fields or {}), **visible, "fence": fence}
    # In one pass, so that no field's text can bring in another.
    text = _FIELD.sub(lambda field: filled.get(field[1], field[0]), prompt(name))
    return (Message("user", text),)


def conversation(messages: Sequence[Message]) -> str:
    """The turns as one text."""
    return "\n\n".join(f"{message.role.capitalize()}: {message.content}" for message in messages)


def seed_of(case: Case, number: int) -> int:
    """The seed of the calls of a revision: from the text and its number alone, below 2**31."""
    return first_seed(case.text) + number


def restored(text: str, case: Case) -> str:
    """A model's text about a case, with ``<`` and ``[`` back for the signs that `fenced_messages` shows in their place.

    No other sign changes, and these only where they were put in: else they are the model's own, as quotation marks are.
    """
    angle, bracket = _signs(case)
    seen = "".join(shown(one, angle, bracket) for one in _texts(case))
    for sign, meant in ((angle, "<"), (bracket, "[")):
        if sign in seen:
            text = text.replace(sign, meant)
    return text


def _texts(case: Case) -> list[str]:
    return [case.text, *(message.content for message in case.context)]


def _signs(case: Case) -> tuple[str, str]:
    """What is shown for ``<`` and for ``[``: by the case alone, since a plan may repeat what the planner was shown."""
    texts = _texts(case)
    angle, bracket = (
        next((sign for sign in signs if not any(sign in text for text in texts)), signs[-1])
        for signs in (_ANGLES, _BRACKETS)
    )
    return angle, bracket
