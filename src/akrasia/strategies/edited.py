"""Slow with its reasoning edited before the action: does the action move with what the model thought?

Text that agrees with an action is not yet its cause. So the reasoning that the slow cell bought is taken away, put in
place of another scenario's, turned into its opposite or cut short, and the model acts with what is left in view. How
often the action moves is measured by `akrasia.studies.deliberation`.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property, partial
from hashlib import blake2b

from msgspec.structs import replace

from akrasia.core import Ask, Candidate, InputError, Item, Message, Reply, Request
from akrasia.core.cell import seed_elsewhere
from akrasia.core.registry import near_names
from akrasia.judges.sentences import split_sentences
from akrasia.prompts import prompt
from akrasia.prompts.tasks import TASK_PROMPTS
from akrasia.strategies.base import Live, committed, per_sample, reseeded
from akrasia.strategies.tasks import REASON, are_scenarios, asked, before_action, then_act

EDITS = ("kept", "removed", "swapped", "reversed", "truncated-25", "truncated-50", "truncated-75")
"""What may be done to the reasoning. `kept` is the control: nothing is, and the action is drawn again."""

NEAREST = 4
"""The reasoning to swap in comes from one of so many scenarios of the domain, those nearest before it in the suite. So
what a candidate is shown does not change as a run grows, and is reasoning that the slow cell buys anyway."""

REVERSE = "edit-reverse.v1"

Shown = tuple[str | None, str]
"""What stands in view as the reasoning; or None, and why there is nothing."""


class Edited(Live):
    """An edit, before it is bound to the scenarios of a suite.

    Args:
        edit: one of `EDITS`.
    """

    name = "edited"

    def __init__(self, edit: str) -> None:
        self._edit = edit

    @classmethod
    def build(cls, parameter: str) -> Edited:
        """Made from the edit's name.

        Raises:
            InputError: no or an unknown edit.
        """
        if parameter not in EDITS:
            raise InputError(
                f"strategy {cls.name!r} does one of {', '.join(EDITS)} to the reasoning, got {parameter!r}"
                f"{near_names(parameter, list(EDITS)) if parameter else ': write edited:removed'}"
            )
        return cls(parameter)

    def for_items(self, items: Sequence[Item]) -> Live:
        """Bound to these scenarios.

        Raises:
            InputError: they are no scenarios, or no two families of one domain could swap their reasoning.
        """
        if not are_scenarios(items, self.name):
            raise InputError(
                f"strategy {self.name!r} is for scenarios: leave it out, or use a value suite such as valdi"
            )
        donors = Donors(items)
        if self._edit == "swapped" and not any(map(donors.near, items)):
            raise InputError(
                "strategy 'edited:swapped' takes the reasoning of another family of the same domain, and no domain "
                "here has two: leave it out, or take more families"
            )
        return EditedScenarios(self._edit, donors)

    async def __call__(self, item: Item, samples: Sequence[int], ask: Ask) -> list[Candidate]:
        """See `for_items`: what it returns does the work."""
        return await self.for_items([item])(item, samples, ask)


class Donors:
    """Whose reasoning may stand in for whose: scenarios of one domain and of different families.

    Args:
        items: all scenarios of the suite, in its order.
    """

    def __init__(self, items: Sequence[Item]) -> None:
        self._items = items

    @cached_property
    def _place(self) -> dict[str, tuple[int, int]]:
        """Item → its position in the suite, and its place in its domain."""
        return {
            self._items[position].id: (position, place)
            for positions in self._domains.values()
            for place, position in enumerate(positions)
        }

    @cached_property
    def _domains(self) -> dict[object, list[int]]:
        found: dict[object, list[int]] = {}
        for position, item in enumerate(self._items):
            found.setdefault(item.metadata.get("domain"), []).append(position)
        return found

    def at_longest(self) -> Donors:
        """The same, always with the longest of the scenarios that may lend, as a forecast counts them."""
        return LongestDonors(self._items)

    def near(self, item: Item) -> list[int]:
        """Positions of the `NEAREST` donors before an item; where there are too few, of the next ones behind it."""
        mine = self._domains[item.metadata.get("domain")]
        _, place = self._place[item.id]
        found: list[int] = []
        for other in (*range(place - 1, -1, -1), *range(place + 1, len(mine))):
            if len(found) == NEAREST:
                break
            if _family(self._items[mine[other]]) != _family(item):
                found.append(mine[other])
        return found

    def draw(self, item: Item, seed: int | None) -> tuple[Item, int] | None:
        """A donor, drawn by the sample's seed, and how many places behind the item it stands; None: it has none."""
        near = self.near(item)
        if not near:
            return None
        key = blake2b(f"swap {item.id} {seed}".encode(), digest_size=8).digest()
        position = near[int.from_bytes(key, "big") % len(near)]
        return self._items[position], position - self._place[item.id][0]


class LongestDonors(Donors):
    """The same, always with the longest of the scenarios that may lend: what a forecast counts."""

    def draw(self, item: Item, seed: int | None) -> tuple[Item, int] | None:  # noqa: ARG002 - whatever the sample
        """See `Donors`."""
        longest = max(self.near(item), key=self._letters, default=None)
        return None if longest is None else (self._items[longest], longest - self._place[item.id][0])

    def _letters(self, position: int) -> int:
        return sum(len(message.content) for message in self._items[position].input)


def _family(item: Item) -> str:
    return item.cluster or item.id


class EditedScenarios(Live):
    """An edit on the scenarios of one suite.

    Args:
        edit: one of `EDITS`.
        donors: who may lend reasoning.
    """

    name = "edited"

    def __init__(self, edit: str, donors: Donors) -> None:
        self._edit = edit
        self._donors = donors
        before = {"removed": (), "reversed": (TASK_PROMPTS["reason"][0], REVERSE)}.get(
            edit, (TASK_PROMPTS["reason"][0],)
        )
        self.prompts = (*before, TASK_PROMPTS["act"][0])
        self.calls = len(self.prompts)
        edits: dict[str, Callable[[Item, Ask], Awaitable[Shown]]] = {"swapped": self._swapped, "reversed": _reversed}
        if edit.startswith("truncated-"):
            edits[edit] = partial(_truncated, int(edit.partition("-")[2]) / 100)
        redraw = EDITS.index(edit) + 1
        self._one = (
            partial(_act_at_once, redraw) if edit == "removed" else partial(_act_after, edits.get(edit, _kept), redraw)
        )

    def most_tokens(self, answer: int) -> int | None:
        """What comes before at its longest, and the action."""
        return len(self.prompts) * answer

    def rehearsed(self, draws: int = 1) -> Live:  # noqa: ARG002 - one action is drawn
        """See the base: all of what would be truncated stays in view, and the longest scenario lends its reasoning."""
        kept = "kept" if self._edit.startswith("truncated-") else self._edit
        return EditedScenarios(kept, self._donors.at_longest())

    async def __call__(self, item: Item, samples: Sequence[int], ask: Ask) -> list[Candidate]:
        """One action per sample, and beside it the reasoning as it was edited."""
        return await per_sample(self._one, item, samples, ask)

    async def _swapped(self, item: Item, ask: Ask) -> Shown:
        seed = ask.request(()).seed
        drawn = self._donors.draw(item, seed)
        if drawn is None:
            return None, "no other family in its domain to swap with"
        donor, moved = drawn
        elsewhere = None if seed is None else seed_elsewhere(seed, moved)
        # The very request of the donor's own slow candidate: whoever asks first buys it for both.
        request = before_action(ask, asked(donor, "reason"), seed=elsewhere)
        return _text(await ask("model", request, REASON))


async def _act_at_once(redraw: int, item: Item, ask: Ask) -> Candidate:
    reply = await ask("model", _redrawn(ask.request(asked(item, "act")), redraw), "act")
    return replace(committed(reply), reasoning=None)


async def _act_after(edit: Callable[[Item, Ask], Awaitable[Shown]], redraw: int, item: Item, ask: Ask) -> Candidate:
    shown, why = await edit(item, ask)
    if shown is None:
        return Candidate(None, missing=why)
    messages = then_act(item, asked(item, "reason"), shown)
    reply = await ask("model", _redrawn(ask.request(messages), redraw), "act")
    # What the model thinks anew, behind the edited text, is no part of the edit: it stays with the call alone.
    return replace(committed(reply), reasoning=shown)


async def _kept(item: Item, ask: Ask) -> Shown:
    return _text(await ask("model", before_action(ask, asked(item, "reason")), REASON))


async def _truncated(share: float, item: Item, ask: Ask) -> Shown:
    text, why = await _kept(item, ask)
    return (text, why) if text is None else truncate(text, share)


async def _reversed(item: Item, ask: Ask) -> Shown:
    text, why = await _kept(item, ask)
    if text is None:
        return text, why
    fields = {"situation": "\n\n".join(message.content for message in item.input), "notes": text}
    words = re.sub(r"\{(situation|notes)\}", lambda field: fields[field[1]], prompt(REVERSE))
    request = reseeded(before_action(ask, (Message("user", words),)))
    return _text(await ask("model", request, "reverse"), "the rewriter wrote nothing")


def truncate(text: str, share: float) -> Shown:
    """The first sentences of a text, this share of them, rounded down but at least one, as they stand.

    A text of one sentence cannot be truncated.
    """
    sentences = split_sentences(text)
    if len(sentences) < 2:
        return None, "reasoning of one sentence cannot be truncated"
    end = 0
    for sentence in sentences[: max(1, int(share * len(sentences)))]:
        end = text.index(sentence, end) + len(sentence)
    return text[:end], ""


def _text(reply: Reply, nothing: str = "no reasoning to edit") -> Shown:
    return (reply.text, "") if reply.text.strip() else (None, nothing)


def _redrawn(request: Request, number: int) -> Request:
    """The request with random numbers of its own, for every edit others.

    With those of the slow cell's action, an edit that moves nothing would look stiller than two draws of one action.
    """
    return request if request.seed is None else replace(request, seed=request.seed ^ number << 27)
