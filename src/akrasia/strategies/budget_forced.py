"""Reasoning cut after L tokens, then the answer forced: ``budget_forced:L``.

The answer continues the very turn that was cut, behind a fixed lead-in. An endpoint that cannot continue a turn is
asked in a further user turn instead; that call bears the label `FALLBACK`, so the calls of a candidate tell which form
it was given in. Sweeping over L and what it shows is left to `akrasia.risk.lengths`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Self

from msgspec.structs import replace

from akrasia.core import Ask, CallRefused, Candidate, InputError, Item, Message, Reply
from akrasia.prompts import prompt
from akrasia.strategies.base import Live, committed, per_sample, reseeded

REASON = "reason"
ANSWER = "answer"
FALLBACK = "answer-fallback"
"""Labels of the calls: the reasoning, the answer in the same turn, and the answer in a further turn."""

_REASON_PROMPT = "budget-forced-reason.v1"
_ANSWER_PROMPT = "budget-forced-answer.v1"
_FALLBACK_PROMPT = "budget-forced-fallback.v1"

# What every model says of a refused request that was to continue a turn. The text, since a refusal found in the store
# is text only.
_CANNOT_CONTINUE = "unfinished turn"

_TELLING = 24
"""Characters of the reasoning whose repetition shows that a reply began the turn anew; fewer occur by chance."""


class BudgetForced(Live):
    """At most `length` tokens of reasoning, then the answer.

    The item's own cap on tokens and its stop strings are made for an answer, and hold for the answer only.

    Args:
        length: tokens after which the reasoning is cut; 0 answers at once, in one call.
    """

    name = "budget_forced"
    calls_vary = True
    prompts = (_REASON_PROMPT, _ANSWER_PROMPT, _FALLBACK_PROMPT)

    def __init__(self, length: int) -> None:
        self.length = length
        self.calls = 2 if length else 1

    @classmethod
    def build(cls, parameter: str) -> Self:
        """Made from its length.

        Raises:
            InputError: the length is not a whole number of at least 0.
        """
        if not parameter.isdecimal():
            raise InputError(
                f"strategy {cls.name!r} needs the tokens of its reasoning, 0 or more, got {parameter!r}: "
                f"write {cls.name}:64"
            )
        return cls(int(parameter))

    def most_tokens(self, answer: int) -> int | None:
        """The reasoning at its longest, and the answer."""
        return self.length + answer

    async def __call__(self, item: Item, samples: Sequence[int], ask: Ask) -> list[Candidate]:
        """One forced answer per sample."""
        return await per_sample(partial(_reason_then_answer, self.length), item, samples, ask)


async def _reason_then_answer(length: int, item: Item, ask: Ask) -> Candidate:
    asked = _with_instruction(item.input, prompt(_REASON_PROMPT))
    reasoning = ""
    if length:
        thought = await ask("model", ask.request(asked, max_tokens=length, stop=()), REASON)
        # Thoughts that came apart go into the turn as plain text: each template marks them in its own way.
        reasoning = "\n\n".join(part.strip() for part in (thought.reasoning, thought.text) if part and part.strip())
    return committed(await _forced_answer(asked, reasoning, ask), reasoning or None)


async def _forced_answer(asked: tuple[Message, ...], reasoning: str, ask: Ask) -> Reply:
    lead_in = prompt(_ANSWER_PROMPT)
    turn = f"{reasoning}\n\n{lead_in}" if reasoning else lead_in
    continued = reseeded(ask.request((*asked, Message("assistant", turn)), continue_turn=True))
    try:
        reply = await ask("model", continued, ANSWER)
    except CallRefused as refusal:
        if _CANNOT_CONTINUE not in str(refusal):
            raise
    else:
        if reply.text.startswith(turn):  # the server repeats what it continues
            return replace(reply, text=reply.text[len(turn) :])
        if not _began_anew(reply, reasoning, lead_in):
            return reply
    order = prompt(_FALLBACK_PROMPT)
    if reasoning:
        messages = (*asked, Message("assistant", reasoning), Message("user", order))
    else:
        messages = _with_instruction(asked, order)
    return await ask("model", reseeded(ask.request(messages)), FALLBACK)


def _with_instruction(messages: tuple[Message, ...], instruction: str) -> tuple[Message, ...]:
    """The conversation with an instruction in its last user turn: many templates refuse two user turns in a row."""
    if messages and messages[-1].role == "user":
        last = messages[-1]
        return (*messages[:-1], Message("user", f"{last.content}\n\n{instruction}"))
    return (*messages, Message("user", instruction))


def _began_anew(reply: Reply, reasoning: str, lead_in: str) -> bool:
    """Whether a reply shows that the endpoint ignored the unfinished turn and began one of its own.

    It does when it brings thoughts of its own, or opens as the turn or its lead-in did. An endpoint that ignores the
    turn and shows neither cannot be told from one that continues it.
    """
    text = reply.text.lstrip()
    opening = reasoning[:_TELLING]
    repeats = len(opening) == _TELLING and text.startswith(opening)
    return bool(reply.reasoning) or text.startswith(lead_in) or repeats
