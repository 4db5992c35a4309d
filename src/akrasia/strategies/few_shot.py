"""Worked examples before the question, for base models: ``few_shot:N`` as turns, ``few_shot:N:text`` as one plain text.

The examples are other items of the suite with their targets, in an order that depends on the items' ids alone, so that
nearly all items share them and a model that keeps its prefix reads them once. Suites that show worked examples of their
own (`arithmetic`) keep them: they stand behind these.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Self

from msgspec.structs import replace

from akrasia.core import Ask, Candidate, InputError, Item, Message
from akrasia.prompts import prompt
from akrasia.strategies.base import Live, committed, per_sample

_PROMPT = "few-shot.v1"
_TEXT_FORM = "text"

NEXT_QUESTION = "\nQuestion:"
"""Ends the answer beside the cell's own stop strings: a base model goes on with a question of its own."""


class FewShot(Live):
    """One draw behind N worked examples. It must be bound to a suite's items first (`for_items`).

    Args:
        count: N, how many examples.
        as_text: everything is one plain text, sent as the assistant's unfinished turn so that the model goes on right
            after "Answer:"; else each example is a turn of the user and one of the assistant.
        pool: items that can be examples, in the order in which they are taken.
    """

    name = "few_shot"
    prompts = (_PROMPT,)

    def __init__(self, count: int, *, as_text: bool = False, pool: Sequence[Item] = ()) -> None:
        self.count = count
        self.as_text = as_text
        self._pool = tuple(pool)

    @classmethod
    def build(cls, parameter: str) -> Self:
        """Made from N, or from N and the form.

        Raises:
            InputError: N is not a whole number of at least 1, or the form is not "text".
        """
        count, colon, form = parameter.partition(":")
        if not count.isdecimal() or int(count) < 1 or (colon and form != _TEXT_FORM):
            raise InputError(
                f"strategy {cls.name!r} needs how many examples it shows, got {parameter!r}: write {cls.name}:4, or "
                f"{cls.name}:4:{_TEXT_FORM} for a base model without a chat template"
            )
        return cls(int(count), as_text=bool(colon))

    def for_items(self, items: Sequence[Item]) -> FewShot:
        """The strategy with its examples.

        Raises:
            InputError: an item does not end in a user's turn, or too few others can be its examples.
        """
        pool = sorted((item for item in items if _is_worked(item)), key=_order)
        bound = FewShot(self.count, as_text=self.as_text, pool=pool)
        for item in items:
            if not item.input or item.input[-1].role != "user":
                raise InputError(f"item {item.id!r} does not end in a user's turn, which {self.name!r} would answer")
            found = len(bound.examples(item))
            if found < self.count:
                raise InputError(
                    f"{self.name}:{self.count} finds {found} examples for item {item.id!r} (items of another cluster, "
                    "with a target and another question): ask for fewer, or use a larger suite"
                )
        return bound

    def examples(self, item: Item) -> list[Item]:
        """The first N of the pool that neither are the item, nor share its cluster, nor ask the same.

        Fewer than N where the pool ends before.
        """
        chosen: list[Item] = []
        for other in self._pool:
            if len(chosen) == self.count:
                break
            related = other.id == item.id or (item.cluster is not None and other.cluster == item.cluster)
            if not related and _question(other) != _question(item):
                chosen.append(other)
        return chosen

    async def __call__(self, item: Item, samples: Sequence[int], ask: Ask) -> list[Candidate]:
        """One draw per sample."""
        examples = self.examples(item)
        if len(examples) < self.count:
            raise InputError(f"{self.name!r} has no examples for item {item.id!r}: bind it to the suite's items first")
        shown = _as_text(examples, item) if self.as_text else _as_turns(examples, item)

        async def draw(_item: Item, own: Ask) -> Candidate:
            stop = tuple(dict.fromkeys((*own.sampling.stop, NEXT_QUESTION)))
            reply = await own("model", own.request(shown, stop=stop, continue_turn=self.as_text), "answer")
            if self.as_text:  # some servers repeat what they continue
                reply = replace(reply, text=reply.text.removeprefix(shown[-1].content))
            return committed(reply)

        return await per_sample(draw, item, samples, ask)


def _order(item: Item) -> bytes:
    return blake2b(f"few_shot {item.id}".encode(), digest_size=16).digest()


def _is_worked(item: Item) -> bool:
    return bool(item.target and item.target.strip() and item.input and item.input[-1].role == "user")


def _question(item: Item) -> str:
    return item.input[-1].content


def _asked(question: str) -> str:
    return prompt(_PROMPT).replace("{question}", question)


def _as_turns(examples: Sequence[Item], item: Item) -> tuple[Message, ...]:
    """The system's word first, then the examples, then the item's own turns."""
    turns = [message for message in item.input if message.role in ("system", "developer")]
    for example in examples:
        turns += [Message("user", _asked(_question(example))), Message("assistant", example.target or "")]
    for message in item.input:
        if message.role == "user":
            turns.append(Message("user", _asked(message.content)))
        elif message.role not in ("system", "developer"):
            turns.append(message)
    return tuple(turns)


def _as_text(examples: Sequence[Item], item: Item) -> tuple[Message, ...]:
    """The same as one text that ends in "Answer:"."""
    text = ""
    for message in _as_turns(examples, item):
        text += f" {message.content}\n\n" if message.role == "assistant" else message.content
        text += "\n\n" if message.role not in ("user", "assistant") else ""
    return (Message("assistant", text),)
