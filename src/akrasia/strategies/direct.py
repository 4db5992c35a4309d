"""The two plainest strategies: one sampled draw, and the greedy decode."""

from __future__ import annotations

from collections.abc import Sequence

from akrasia.core import Ask, Candidate, Item
from akrasia.strategies.base import Live, committed, per_sample


class Direct(Live):
    """One draw from the model as it is; its candidates are the reference pool of the other strategies."""

    name = "direct"

    async def __call__(self, item: Item, samples: Sequence[int], ask: Ask) -> list[Candidate]:
        """One draw per sample."""
        return await per_sample(_draw, item, samples, ask)


class Greedy(Live):
    """The decode at temperature 0: one candidate, always the same."""

    name = "greedy"
    samples = 1

    async def __call__(self, item: Item, samples: Sequence[int], ask: Ask) -> list[Candidate]:
        """The one decode."""
        return await per_sample(_decode, item, samples, ask)


async def _draw(item: Item, ask: Ask) -> Candidate:
    return committed(await ask("model", ask.request(item.input), "answer"))


async def _decode(item: Item, ask: Ask) -> Candidate:
    return committed(await ask("model", ask.request(item.input, temperature=0.0), "answer"))
