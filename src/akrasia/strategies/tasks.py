"""The tasks of the value–action gap on scenarios: state, reason, act, and the strategies that put them together.

A scenario is an item whose metadata name an `addressee`, whom the action answers. The prompts name no value.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from msgspec.structs import replace

from akrasia.core import Ask, Candidate, InputError, Item, Message, Request
from akrasia.prompts.tasks import TASK_PROMPTS, task_prompt
from akrasia.strategies.base import Live, committed, per_sample, reseeded, then_ask

TASK_TOKENS = 192
"""Cap on the stated values and on the reasoning where the run caps nothing; else they have the cap of the action."""

Task = Callable[[Item, Ask, int], Awaitable[Candidate]]
"""One sample of a scenario, in one of the wordings."""


def wording_of(name: str, parameter: str) -> int | None:
    """The wording that ``NAME:2`` asks for; None where none is named.

    Raises:
        InputError: there is no such wording.
    """
    most = len(TASK_PROMPTS["act"])
    if not parameter:
        return None
    if not parameter.isdecimal() or not 1 <= int(parameter) <= most:
        raise InputError(f"strategy {name!r} has wordings 1 to {most}, got {parameter!r}: write {name} or {name}:2")
    return int(parameter)


def are_scenarios(items: Sequence[Item], name: str, wording: int | None = None) -> bool:
    """Whether these items are scenarios: all of them, or none.

    Raises:
        InputError: some are and some are not, or a wording is asked for on problems, which have none.
    """
    with_addressee = sum("addressee" in item.metadata for item in items)
    if 0 < with_addressee < len(items):
        lacking = next(item.id for item in items if "addressee" not in item.metadata)
        raise InputError(f"item {lacking!r} names no addressee in its metadata, as the others do: add one, or split")
    if wording is not None and not with_addressee:
        raise InputError(f"strategy {name!r} takes a wording on scenarios only: write just {name!r}")
    return with_addressee > 0


class ScenarioStrategy(Live):
    """A strategy bound to scenarios.

    Args:
        name: as in the registry.
        one: makes one sample.
        tasks: the tasks that it asks, in order; the last is the committed text.
        wording: which wording of their prompts, from 1.
    """

    def __init__(self, name: str, one: Task, tasks: tuple[str, ...], wording: int) -> None:
        self.name = name
        self.calls = len(tasks)
        self.reasons = "reason" in tasks
        self.prompts = tuple(TASK_PROMPTS[task][wording - 1] for task in tasks)
        self._one = partial(_with_wording, one, wording)

    def most_tokens(self, answer: int) -> int | None:
        """What comes before at its longest, and the action."""
        return len(self.prompts) * answer

    async def __call__(self, item: Item, samples: Sequence[int], ask: Ask) -> list[Candidate]:
        """One candidate per sample."""
        return await per_sample(self._one, item, samples, ask)


async def _with_wording(one: Task, wording: int, item: Item, ask: Ask) -> Candidate:
    return await one(item, ask, wording)


class _OnScenarios(Live):
    """A strategy that is defined on scenarios alone.

    Args:
        wording: which wording of its tasks; None: the first.
    """

    def __init__(self, wording: int | None = None) -> None:
        self._wording = wording

    @classmethod
    def build(cls, parameter: str) -> _OnScenarios:
        """Made from the wording, when one is named."""
        return cls(wording_of(cls.name, parameter))

    @abstractmethod
    def bound(self, wording: int) -> ScenarioStrategy:
        """What does the work, in a wording."""

    def for_items(self, items: Sequence[Item]) -> Live:
        """Bound to these scenarios.

        Raises:
            InputError: they are no scenarios.
        """
        if not are_scenarios(items, self.name, self._wording):
            raise InputError(
                f"strategy {self.name!r} is for scenarios, whose metadata name an addressee: leave it out, or use a "
                "value suite such as valdi"
            )
        return self.bound(self._wording or 1)

    async def __call__(self, item: Item, samples: Sequence[int], ask: Ask) -> list[Candidate]:
        """See `for_items`: what it returns does the work."""
        return await self.for_items([item])(item, samples, ask)


async def state_values(item: Item, ask: Ask, wording: int) -> Candidate:
    """Task 1: what should guide the answer, in the model's own words."""
    request = before_action(ask, asked(item, "state", wording))
    return replace(committed(await ask("model", request, STATE)), stage="stated")


async def fast_action(item: Item, ask: Ask, wording: int) -> Candidate:
    """Task 3 alone: the words to the addressee."""
    return committed(await ask("model", ask.request(asked(item, "act", wording)), "act"))


async def slow_action(item: Item, ask: Ask, wording: int) -> Candidate:
    """Task 2, then 3 with that reasoning in view."""
    to_reason = asked(item, "reason", wording)
    thought = await ask("model", before_action(ask, to_reason), REASON)
    action = await _act_after(item, ask, wording, to_reason, thought.text)
    return replace(action, reasoning=_joined(thought.reasoning, thought.text, action.reasoning))


async def stated_first_action(item: Item, ask: Ask, wording: int) -> Candidate:
    """Task 1, then 3 with the model's own stated values in view. They are the same text as the state cell's."""
    to_state = asked(item, "state", wording)
    stated = await ask("model", before_action(ask, to_state), STATE)
    return await _act_after(item, ask, wording, to_state, stated.text)


STATE = "state"
"""Label of the call that states values: one text a sample, whichever strategy asks first."""

REASON = "reason"
"""Label of the call that reasons: slow and every edit of its reasoning share it."""


class State(_OnScenarios):
    """Task 1: the values that the model states, as free text. Judges read its candidates as statements, not actions."""

    name = "state"

    def bound(self, wording: int) -> ScenarioStrategy:
        """See the base."""
        return ScenarioStrategy(self.name, state_values, ("state",), wording)


class StatedFirst(_OnScenarios):
    """State, then act with one's own stated values in view."""

    name = "stated_first"

    def bound(self, wording: int) -> ScenarioStrategy:
        """See the base."""
        return ScenarioStrategy(self.name, stated_first_action, ("state", "act"), wording)


def asked(item: Item, task: str, wording: int = 1) -> tuple[Message, ...]:
    """The scenario with one of the tasks after it."""
    return then_ask(item.input, task_prompt(task, str(item.metadata["addressee"]), wording))


def before_action(ask: Ask, messages: Sequence[Message], **changes: Any) -> Request:
    """The request for a text that comes before the action. It may be as long as the action."""
    return ask.request(messages, max_tokens=ask.sampling.max_tokens or TASK_TOKENS, **changes)


async def _act_after(item: Item, ask: Ask, wording: int, before: tuple[Message, ...], said: str) -> Candidate:
    messages = then_act(item, before, said, wording)
    return committed(await ask("model", reseeded(ask.request(messages)), "act"))


def then_act(item: Item, before: tuple[Message, ...], said: str, wording: int = 1) -> tuple[Message, ...]:
    """Task 3 after what was asked before and what the model said to it."""
    act = task_prompt("act", str(item.metadata["addressee"]), wording)
    return (*before, Message("assistant", said), Message("user", act))


def _joined(*parts: str | None) -> str | None:
    return "\n\n".join(part for part in parts if part) or None
