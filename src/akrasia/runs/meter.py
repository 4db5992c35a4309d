"""What a run has bought and made so far, and the one place that says when it must stop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from msgspec import Struct

from akrasia.core import AkrasiaError, BudgetReached, Reply, RunIncomplete, Score
from akrasia.runs.prices import Rates, cost
from akrasia.runs.store import CallPlace
from akrasia.runs.totals import CellTotals, RoleTotals

if TYPE_CHECKING:
    from akrasia.runs.pace import Pace


class WidthNotReached(RunIncomplete):
    """Every item is used up and the interval is still wider than wanted: only more items make the run go on."""


class Mean(Struct, frozen=True):
    """What one call took on average; `cost` is 0 where no price is known."""

    tokens: float
    cost: float


class Meter:
    """Counts while a run goes on; a budget that is reached, or an error, asks the run to stop.

    Args:
        rates: the price of every call; None: none is known.
        max_cost, max_tokens: budgets over the whole run, purchases of earlier sittings included; None: no limit.
    """

    def __init__(
        self, rates: Rates | None = None, *, max_cost: float | None = None, max_tokens: int | None = None
    ) -> None:
        self._rates = rates or Rates()
        self._max_cost = max_cost
        self._max_tokens = max_tokens
        self._by_role: dict[str, list[float]] = {}  # role → calls, tokens, cost
        self._limit: str | None = None
        self._unknown = 0
        self.calls = 0
        self.candidates = 0
        self.failures = 0
        self.missing = 0
        self.tokens = 0
        self.cost = 0.0
        self.cost_known = self._rates.complete
        self.stop_reason: AkrasiaError | None = None
        self.on_stop: list[Callable[[], None]] = []
        self.pace: Pace | None = None
        self.made_by_cell: Counter[int] = Counter()
        self.generated_by_cell: Counter[int] = Counter()
        self.answered_before: set[tuple[int, str]] = set()  # cell and role

    @property
    def stopping(self) -> bool:
        """True when nothing new may be bought."""
        return self.stop_reason is not None

    @property
    def tokens_known(self) -> bool:
        """Whether every call told its tokens; else `tokens` is a lower bound."""
        return not self._unknown

    @property
    def limited(self) -> bool:
        """Whether there is a budget."""
        return self._max_cost is not None or self._max_tokens is not None

    def stop(self, reason: AkrasiaError) -> None:
        """Ask the run to stop; the first reason counts."""
        if self.stop_reason is None:
            self.stop_reason = reason
            for tell in self.on_stop:
                tell()

    def may_buy(self) -> bool:
        """Whether one more call may be bought.

        A budget that is used up stops the run here, and not before: a run that has nothing left to buy is complete
        whatever it cost.
        """
        if self.limited and not self.stopping:
            if self._unknown:
                self._limit = "unknown"
            elif self._max_tokens is not None and self.tokens >= self._max_tokens:
                self._limit = "tokens"
            elif self._max_cost is not None and self.cost >= self._max_cost:
                self._limit = "cost"
            if self._limit is not None:
                self.stop(self._reached())
        return not self.stopping

    def room_for(self, under_way: Counter[str], role: str) -> bool:
        """Whether the calls under way and one more of a role are expected to stay within the budgets.

        What a call takes is what those of its role took so far on average; of a role that nothing is known of, one call
        goes alone.
        """
        asked = under_way + Counter([role])
        means = {one: self.mean(one) for one in asked}
        if any(mean is None for mean in means.values()):
            return not under_way.total()
        tokens = self.tokens + sum(asked[one] * mean.tokens for one, mean in means.items() if mean)
        money = self.cost + sum(asked[one] * mean.cost for one, mean in means.items() if mean)
        within = (self._max_tokens is None or tokens <= self._max_tokens) and (
            self._max_cost is None or money <= self._max_cost
        )
        return within or not under_way.total()

    def mean(self, role: str) -> Mean | None:
        """What one call of a role took so far; None before the first."""
        found = self._by_role.get(role)
        return None if found is None else Mean(found[1] / found[0], found[2] / found[0])

    def carry(self, totals: Iterable[tuple[int, CellTotals]]) -> None:
        """Count what earlier sittings of the same run bought, by cell id."""
        for cell, found in totals:
            for role in found.roles:
                self._carry_role(cell, role)

    def _carry_role(self, cell: int, bought: RoleTotals) -> None:
        tokens = (bought.prompt_tokens or 0) + (bought.completion_tokens or 0)
        price = self._rates.of(cell, bought.role)
        spent = cost(price, bought.prompt_tokens or 0, bought.completion_tokens or 0, bought.cached_tokens) or 0.0
        self._unknown += bought.unknown
        if bought.calls:
            self.answered_before.add((cell, bought.role))
        self._add(bought.role, bought.calls, tokens, spent)
        if bought.unknown or price is None:
            self.cost_known = False

    def _add(self, role: str, calls: int, tokens: int, spent: float) -> None:
        self.tokens += tokens
        self.cost += spent
        if calls:
            sums = self._by_role.get(role)
            if sums is None:
                sums = self._by_role[role] = [0, 0, 0.0]
            sums[0] += calls
            sums[1] += tokens
            sums[2] += spent

    def bought(self, place: CallPlace, reply: Reply) -> None:
        """Count one bought answer."""
        usage = reply.usage
        prompt, generated = usage.prompt_tokens, usage.completion_tokens
        self.calls += 1
        price = self._rates.of(place.cell, place.role)
        spent = None if price is None else cost(price, prompt, generated, usage.cached_tokens)
        if spent is None:
            self.cost_known = False
        if prompt is None or generated is None:
            self._unknown += 1
        if generated:
            self.generated_by_cell[place.cell] += generated
        self._add(place.role, 1, (prompt or 0) + (generated or 0), spent or 0.0)

    def made(self, cell: int, score: Score) -> None:
        """Count one candidate."""
        self.candidates += 1
        self.made_by_cell[cell] += 1
        self.failures += score.failure is not None
        self.missing += score.missing is not None

    def final_reason(self) -> AkrasiaError | None:
        """Why the run stopped, with the counts of its end: calls under way were waited for."""
        return self.stop_reason if self._limit is None else self._reached()

    def _reached(self) -> BudgetReached:
        option = "--max-cost" if self._limit == "cost" else "--max-tokens-total"
        if self._limit == "unknown":
            option = "--max-cost" if self._max_tokens is None else "--max-tokens-total"
            calls = f"{self._unknown} call{'s' * (self._unknown != 1)}"
            return BudgetReached(
                f"the tokens of {calls} are unknown (the endpoint does not report them), so {option} cannot hold: "
                "leave it out, and bound the run by --samples, --limit and --max-tokens"
            )
        limit = f"{self._max_cost:g}" if self._limit == "cost" else str(self._max_tokens)
        spent = f"{self.cost:.4g} spent" if self._limit == "cost" else f"{self.tokens} tokens bought"
        when = "is reached" if self.calls else "was reached by earlier sittings, and nothing was bought now"
        return BudgetReached(f"{option} {limit} {when} ({spent}): raise {option} to go on")
