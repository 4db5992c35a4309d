"""What the comparisons after a study's run may still take of its budgets, and when they must stop."""

from __future__ import annotations

from pathlib import Path

from akrasia.audit.spending import CountedAsk
from akrasia.core import BudgetReached
from akrasia.runs.config import RunConfig
from akrasia.runs.prices import Price, Prices, check_prices, cost
from akrasia.runs.summary import RunSummary


class VoteBudget:
    """The run's own budgets, less what the run took.

    Args:
        config: of the run.
        model: who compares, as for `--model`.

    Raises:
        InputError: there is a budget in money, and the model has no price.
    """

    def __init__(self, config: RunConfig, model: str) -> None:
        self._max_cost, self._max_tokens = config.max_cost, config.max_tokens_total
        self._price: Price | None = None
        if config.prices is not None:
            prices = Prices.read(Path(config.prices))
            if config.max_cost is not None:
                check_prices(prices, (model,), config.prices)
            self._price = prices.of(model)
        self._run_known = True
        self._run_tokens = 0
        self._run_cost = 0.0

    @property
    def limited(self) -> bool:
        """Whether there is a budget; comparisons then go one after another, so that it is overrun by one at most."""
        return self._max_cost is not None or self._max_tokens is not None

    def after(self, summary: RunSummary) -> None:
        """Count what the run took."""
        self._run_known = all(cell.tokens is not None for cell in summary.cells)
        self._run_tokens = sum(cell.tokens or 0 for cell in summary.cells)
        self._run_cost = sum(cell.cost or 0.0 for cell in summary.cells)

    def check(self, ask: CountedAsk) -> None:
        """Let one more comparison begin.

        Args:
            ask: counts what comparisons took, those of earlier sittings included.

        Raises:
            BudgetReached: the budget is used up, or nobody can tell.
        """
        if not self.limited:
            return
        if not self._run_known:
            raise BudgetReached(
                "the tokens of some calls of the run are unknown (an endpoint does not report them), so the study's "
                "budget cannot hold while rewrites are compared: leave the budget out"
            )
        prompt, completion = 0, 0
        for spent in ask.spent():
            if spent.prompt_tokens is None or spent.completion_tokens is None:
                raise BudgetReached(
                    "the judge that compares does not report its tokens, so the study's budget cannot hold for it: "
                    "leave the budget out, or name another --pairwise judge"
                )
            prompt, completion = prompt + spent.prompt_tokens, completion + spent.completion_tokens
        tokens = self._run_tokens + prompt + completion
        if self._max_tokens is not None and tokens >= self._max_tokens:
            raise _reached("--max-tokens-total", str(self._max_tokens), f"{tokens} tokens bought")
        money = self._run_cost + (cost(self._price, prompt, completion, None) or 0.0)
        if self._max_cost is not None and money >= self._max_cost:
            raise _reached("--max-cost", f"{self._max_cost:g}", f"{money:.4g} spent")


def _reached(option: str, limit: str, spent: str) -> BudgetReached:
    return BudgetReached(
        f"{option} {limit} is reached ({spent}) while rewrites are compared: the run is whole and stored, raise "
        f"{option} to go on"
    )
