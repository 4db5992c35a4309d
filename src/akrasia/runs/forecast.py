"""What a plan would buy, about.

Each strategy, and each judge after it, is carried out on some of the items with a model that counts what it is asked.
So prompts, worked examples, several calls and votes are all counted as they would be sent. Replies are taken to be as
long as their cap. What a tokenizer makes of a text is guessed (`prompt_tokens`), on the high side for most.

A strategy that decides by its candidates how many it draws is carried out with one and with two of them. Every further
one takes what the second took, so this tells what the most and the expected number take. Where replies decide how many
calls are made, the fewest are those that are made when every reply says nothing, without the statement of values, which
its own cell buys, and without judges, who read a text once however often it is drawn. Nothing bounds tokens from below.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from akrasia.core import (
    Candidate,
    Item,
    JudgedUtility,
    Message,
    Model,
    Reply,
    Request,
    Utility,
)
from akrasia.runs.ask import JUDGES, DurableAsk
from akrasia.runs.bench import Bench
from akrasia.runs.engine import utility_of
from akrasia.runs.plan import CellCount, Plan, PlannedCell, Taken, is_judged
from akrasia.runs.prices import Prices, Rates, cost
from akrasia.runs.store import CallPlace
from akrasia.runs.until_width import most_draws, width_plan
from akrasia.strategies import Live, Pooled
from akrasia.strategies.tasks import STATE
from akrasia.utilities import ADHERENCE

ITEMS = 200
"""At most so many items of a cell are gone through, spread evenly; the others are taken to be like them."""

CHARACTERS_PER_TOKEN = 3
"""Of letters and spaces; usual tokenizers need 4 to 5 of English. Digits, signs and other scripts count one each."""

MESSAGE_TOKENS = 6
"""What a chat template puts around one message."""

REQUEST_TOKENS = 24
"""What a chat template puts around a conversation, a system message of its own included."""


_PLAIN = re.compile(r"[A-Za-z ]+")


def prompt_tokens(messages: Sequence[Message]) -> int:
    """About how many tokens a conversation is for a model, from its characters."""
    total = REQUEST_TOKENS
    for message in messages:
        plain = sum(map(len, _PLAIN.findall(message.content)))
        total += MESSAGE_TOKENS + len(message.content) - plain + -(-plain // CHARACTERS_PER_TOKEN)
    return total


class Tally:
    """Counts what is asked, by role, and answers with as many characters as the cap lets a reply have.

    What one candidate asks twice in the same words is bought once, and counted so.

    Args:
        silent: whether it answers nothing instead.

    Attributes:
        calls, prompt, completion: calls and tokens by role.
        own: calls that are bought for this candidate alone: not judges', nor the statement, which has a cell.
        open_ended: whether a call without a cap on its reply was among them.
        blind: whether one came after such a reply, which its prompt may hold.
    """

    def __init__(self, *, silent: bool = False) -> None:
        self._silent = silent
        self.own = 0
        self.calls: Counter[str] = Counter()
        self.prompt: Counter[str] = Counter()
        self.completion: Counter[str] = Counter()
        self.open_ended = False
        self.blind = False
        self._after_open = False
        self._said: dict[tuple[int, str, str, bytes], Reply] = {}

    def next_candidate(self) -> None:
        """What follows belongs to another candidate."""
        self._after_open = False
        self._said.clear()

    async def buy(self, _model: Model, place: CallPlace, request: Request) -> Reply:
        """See `akrasia.runs.ask.Counter`."""
        role, cap = place.role, request.max_tokens
        again = (place.sample, role, place.label, msgspec.json.encode(request))
        if again in self._said:
            return self._said[again]
        self.blind |= self._after_open
        self.calls[role] += 1
        self.own += not role.startswith(JUDGES) and place.label != STATE
        self.prompt[role] += prompt_tokens(request.messages)
        self.completion[role] += cap or 0
        if cap is None:
            self.open_ended = self._after_open = True
        # Every reply of its own letter, so that none seems to repeat what was said before.
        letter = chr(ord("a") + self.calls.total() % 26)
        reply = Reply("" if self._silent else letter * (CHARACTERS_PER_TOKEN * (cap or 1)))
        if request.continue_turn and not self._silent:
            reply = replace(reply, reasoning=letter)  # as of an endpoint that begins the turn anew
        self._said[again] = reply
        return reply


class _Silent(dict[str, Model]):
    """A model for every role, which nobody will ask: the tally answers."""

    def __missing__(self, role: str) -> Model:
        return None  # type: ignore[return-value]


async def forecast(plan: Plan, bench: Bench, utilities: Mapping[str, Utility], prices: Prices) -> list[CellCount]:
    """The planned counts of every cell. Tokens are about, and None where a call has no cap on its reply.

    Args:
        plan: what is to be done.
        bench: the judges, built.
        utilities: see `akrasia.runs.engine.build_utilities`.
        prices: of models.
    """
    asked: dict[str, Utility | None] = {**utilities, ADHERENCE: bench.asking}
    counts = []
    for number, planned in enumerate(plan.cells):
        rates = Rates(prices, {number: planned.cell.model}, bench.models)
        judged = is_judged(plan.suites[planned.cell.suite])
        samples, fewest = planned.cell.samples, None
        if plan.config.until_width is not None and not planned.cell.pooled:
            to_a_width = width_plan(plan.config.until_width, samples)
            samples, fewest = most_draws(to_a_width), Taken(to_a_width.min_items * to_a_width.first, None, None)
        count = await _count(number, planned, asked, rates, candidates=len(planned.items) * samples)
        if count.fewest is not None and _audited_too(planned, plan):
            count = replace(count, fewest=Taken(0, None, None))
        counts.append(replace(count, judged=judged, fewest=fewest or count.fewest))
    return counts


def _audited_too(planned: PlannedCell, plan: Plan) -> bool:
    """Whether an audited cell of the plan makes the calls of this one, and may buy them first."""
    return any(other.cell.strategy.startswith(f"audited:{planned.cell.strategy}") for other in plan.cells)


async def _count(
    number: int, planned: PlannedCell, utilities: Mapping[str, Utility | None], rates: Rates, *, candidates: int
) -> CellCount:
    cell, items = planned.cell, len(planned.items)
    if isinstance(planned.strategy, Pooled):
        return CellCount(cell.name, items, 0, 0, 0, 0, 0.0, 0, 0, 0)
    draws = planned.strategy.draws()
    if planned.strategy.calls is None and draws is None:
        return CellCount(cell.name, items, candidates, 0, 0, None, None, None)
    used = min(items, ITEMS)
    positions = [index * items // used for index in range(used)]
    one = await _tallied(number, planned, planned.strategy.rehearsed(), positions, utilities)
    scale = _Scale(rates, number, candidates, used)
    fewest = None
    if draws is not None or planned.strategy.calls_vary:
        least = await _tallied(number, planned, planned.strategy.rehearsed(), positions, utilities, silent=True)
        fewest = scale.least(least.own * (1 if draws is None else draws.fewest))
    if draws is None:
        return replace(_counted(planned, candidates, scale, one), fewest=fewest)
    two = await _tallied(number, planned, planned.strategy.rehearsed(2), positions, utilities)
    expected = None if draws.expected is None else scale.taken(_drawn(one, two, draws.expected))
    count = _counted(planned, candidates, scale, _drawn(one, two, draws.most))
    return replace(count, fewest=fewest, expected=expected)


async def _tallied(
    number: int,
    planned: PlannedCell,
    strategy: Live,
    positions: Sequence[int],
    utilities: Mapping[str, Utility | None],
    *,
    silent: bool = False,
) -> Tally:
    """What one candidate each of the items at these positions asks."""
    tally = Tally(silent=silent)
    for position in positions:
        tally.next_candidate()
        ask = DurableAsk(tally, _Silent(), (number, planned.cell), position)
        await _one(planned.items[position], strategy, ask, utilities)
    return tally


def _drawn(one: Tally, two: Tally, draws: float) -> Tally:
    """What so many draws a candidate ask, from what one and two ask: every further one as the second."""
    found = Tally()
    found.open_ended, found.blind = one.open_ended or two.open_ended, one.blind or two.blind
    for into, first, second in (
        (found.calls, one.calls, two.calls),
        (found.prompt, one.prompt, two.prompt),
        (found.completion, one.completion, two.completion),
    ):
        for role in second:
            into[role] = math.ceil(first[role] + (draws - 1) * (second[role] - first[role]))
    return found


class _Scale:
    """From one candidate each of the items gone through to all candidates of the cell.

    Args:
        rates: prices.
        number: of the cell.
        candidates: all of them.
        used: items gone through.
    """

    def __init__(self, rates: Rates, number: int, candidates: int, used: int) -> None:
        self._rates, self._number = rates, number
        self._candidates, self._used = candidates, used

    def whole(self, number: int) -> int:
        """Rounded up."""
        return -(-number * self._candidates // self._used)

    def least(self, number: int) -> Taken:
        """So many calls, rounded down; replies may be short, so nothing is known of tokens."""
        return Taken(number * self._candidates // self._used, None, None)

    def prompt(self, tally: Tally) -> int | None:
        """Tokens of prompts."""
        return None if tally.blind else sum(map(self.whole, tally.prompt.values()))

    def completion(self, tally: Tally) -> int | None:
        """Tokens of replies."""
        return None if tally.open_ended else sum(map(self.whole, tally.completion.values()))

    def taken(self, tally: Tally) -> Taken:
        """All that the cell takes."""
        prompt, completion = self.prompt(tally), self.completion(tally)
        money: float | None = 0.0
        for role in tally.calls:
            spent = cost(self._rates.of(self._number, role), tally.prompt[role], tally.completion[role], 0)
            if spent is None or money is None or completion is None:
                money = None
            else:
                money += spent * self._candidates / self._used
        tokens = None if prompt is None or completion is None else prompt + completion
        return Taken(self.whole(tally.calls.total()), tokens, money)


def _counted(planned: PlannedCell, candidates: int, scale: _Scale, tally: Tally) -> CellCount:
    taken = scale.taken(tally)
    return CellCount(
        cell=planned.cell.name,
        items=len(planned.items),
        candidates=candidates,
        failures=0,
        missing=0,
        tokens=taken.tokens,
        cost=taken.cost,
        calls=taken.calls,
        prompt_tokens=scale.prompt(tally),
        completion_tokens=scale.completion(tally),
    )


async def _one(item: Item, strategy: Live, ask: DurableAsk, utilities: Mapping[str, Utility | None]) -> None:
    """One candidate of one item, and what its judges would ask."""
    (candidate,) = await strategy(item, [0], ask)
    utility = utilities[utility_of(item)]
    if candidate.text is not None and isinstance(utility, JudgedUtility):
        await utility.judge(item, Candidate(candidate.text, candidate.reasoning, "stop", stage=candidate.stage), ask)
