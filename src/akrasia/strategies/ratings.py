"""Task 1 in its secondary form: the model rates the importance of every value, in all wordings and in shuffled orders.

The primary form is `tasks.State`, whose free text is read by the judge of all other texts. Ratings name the values, so
they show what a list suggests too; they are there for a second opinion, and for the spread over wordings and orders.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from akrasia.core import Ask, Candidate, InputError, Item, sample_of
from akrasia.judges.ratings import HIGHEST, LOWEST, rated_order
from akrasia.prompts import prompt
from akrasia.prompts.tasks import TASK_PROMPTS, rate_prompt
from akrasia.strategies.base import Live, committed, per_sample, then_ask
from akrasia.strategies.tasks import are_scenarios
from akrasia.values import Taxonomy


def rated_wording(sample: int) -> int:
    """The wording in which a sample asks, from 1: all in turn."""
    return 1 + sample % len(TASK_PROMPTS["rate"])


class Rate(Live):
    """Ratings of every value of the run's taxonomy; sample after sample another wording and order.

    Args:
        taxonomy: the values; None until a plan binds it.
        wording: in which every sample asks; None: all in turn.
    """

    name = "rate"
    prompts = TASK_PROMPTS["rate"]

    def __init__(self, taxonomy: Taxonomy | None = None, wording: int | None = None) -> None:
        self._taxonomy = taxonomy
        self._wording = wording

    def for_items(self, items: Sequence[Item]) -> Live:
        """Checked against these scenarios.

        Raises:
            InputError: they are no scenarios.
        """
        if not are_scenarios(items, self.name):
            raise InputError(f"strategy {self.name!r} is for scenarios, whose metadata name an addressee: leave it out")
        return self

    def for_values(self, taxonomy: Taxonomy) -> Live:
        """Bound to the values that are rated."""
        return Rate(taxonomy)

    def rehearsed(self, draws: int = 1) -> Live:  # noqa: ARG002 - one list is drawn
        """See the base: in the longest wording."""
        longest = max(range(len(self.prompts)), key=lambda place: len(prompt(self.prompts[place])))
        return Rate(self._taxonomy, longest + 1)

    async def __call__(self, item: Item, samples: Sequence[int], ask: Ask) -> list[Candidate]:
        """One list of ratings per sample."""
        return await per_sample(self._rate, item, samples, ask)

    async def _rate(self, item: Item, ask: Ask) -> Candidate:
        if self._taxonomy is None:
            raise InputError("strategy 'rate' rates the values that a run's judges look for: name a judge")
        sample = sample_of(ask.request(item.input).seed)
        values = rated_order(self._taxonomy, sample)
        asked = rate_prompt(str(item.metadata["addressee"]), values, self._wording or rated_wording(sample))
        number = {"type": "integer", "minimum": LOWEST, "maximum": HIGHEST}
        ids = [value.id for value in values]
        schema = {
            "type": "object", "properties": dict.fromkeys(ids, number), "required": ids, "additionalProperties": False,
        }  # fmt: skip
        request = ask.request(then_ask(item.input, asked), max_tokens=64 + 16 * len(ids), schema=schema)
        return replace(committed(await ask("model", request, "rate")), stage="rated", reasoning=None)
