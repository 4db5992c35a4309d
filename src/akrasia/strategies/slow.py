"""Fast and slow on problems: act at once, or reason first and then act. On scenarios they are the tasks of `tasks`."""

from __future__ import annotations

from collections.abc import Sequence

from akrasia.core import Ask, Candidate, Item, Message
from akrasia.prompts import prompt
from akrasia.strategies.base import Live, committed, per_sample, reseeded, then_ask
from akrasia.strategies.tasks import REASON, ScenarioStrategy, are_scenarios, fast_action, slow_action, wording_of

REASONING_TOKENS = 512


class Fast(Live):
    """The action alone. On a problem that is one direct draw.

    Args:
        wording: which wording of the task, on scenarios; None: the first.
    """

    name = "fast"

    def __init__(self, wording: int | None = None) -> None:
        self._wording = wording

    @classmethod
    def build(cls, parameter: str) -> Fast:
        """Made from the wording, when one is named."""
        return cls(wording_of(cls.name, parameter))

    def for_items(self, items: Sequence[Item]) -> Live:
        """On scenarios: the words to the addressee."""
        if are_scenarios(items, self.name, self._wording):
            return ScenarioStrategy(self.name, fast_action, ("act",), self._wording or 1)
        return self

    async def __call__(self, item: Item, samples: Sequence[int], ask: Ask) -> list[Candidate]:
        """One action per sample."""
        return await per_sample(_act, item, samples, ask)


class Slow(Live):
    """Two calls: the reasoning, then the action with that reasoning in view.

    The item's own cap on tokens and its stop strings are made for an answer, so they hold for the action only; the
    reasoning ends where the model ends it, or after `REASONING_TOKENS`.

    Args:
        wording: which wording of the tasks, on scenarios; None: the first.
    """

    name = "slow"
    calls = 2
    prompts = ("slow-reason.v1", "slow-act.v1")
    reasons = True

    def __init__(self, wording: int | None = None) -> None:
        self._wording = wording

    @classmethod
    def build(cls, parameter: str) -> Slow:
        """Made from the wording, when one is named."""
        return cls(wording_of(cls.name, parameter))

    def for_items(self, items: Sequence[Item]) -> Live:
        """On scenarios: the reasoning about what to say, then the words."""
        if are_scenarios(items, self.name, self._wording):
            return ScenarioStrategy(self.name, slow_action, ("reason", "act"), self._wording or 1)
        return self

    def most_tokens(self, answer: int) -> int | None:
        """The reasoning at its longest, and the action."""
        return REASONING_TOKENS + answer

    async def __call__(self, item: Item, samples: Sequence[int], ask: Ask) -> list[Candidate]:
        """One reasoning and one action per sample."""
        return await per_sample(_reason_then_act, item, samples, ask)


async def _act(item: Item, ask: Ask) -> Candidate:
    return committed(await ask("model", ask.request(item.input), "act"))


async def _reason_then_act(item: Item, ask: Ask) -> Candidate:
    to_reason = then_ask(item.input, prompt("slow-reason.v1"))
    thought = await ask("model", ask.request(to_reason, max_tokens=REASONING_TOKENS, stop=()), REASON)
    to_act = (*to_reason, Message("assistant", thought.text), Message("user", prompt("slow-act.v1")))
    action = await ask("model", reseeded(ask.request(to_act)), "act")
    reasoning = "\n\n".join(part for part in (thought.reasoning, thought.text) if part)
    return committed(action, reasoning)
