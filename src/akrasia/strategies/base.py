"""The two kinds of strategy, and the way most live ones are written: one coroutine per sample."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar, cast

from msgspec import Struct
from msgspec.structs import replace

from akrasia.core import Ask, CallRefused, Candidate, InputError, Item, Message, Reply, Request

if TYPE_CHECKING:
    import numpy as np

    from akrasia.strategies.audited import Auditing
    from akrasia.values import Taxonomy


T = TypeVar("T")


class Draws(Struct, frozen=True):
    """How many candidates are drawn for one that is committed to, where what they are worth decides it.

    Attributes:
        fewest, most: whatever they are worth.
        expected: by what is known beforehand; None: nothing that would tell.
    """

    fewest: int
    most: int
    expected: float | None = None


class Live(ABC):
    """A strategy that asks the model.

    Attributes:
        name: as in the registry.
        samples: how many candidates per item it can give; None: as many as wanted (a deterministic one gives 1).
        calls: model calls per candidate, for the plan; None: not known beforehand. A parameter may decide it.
        calls_vary: whether more than `calls` may be made, as replies turn out.
        prompts: names of the prompt files that it uses.
        reasons: whether it has the model deliberate in a call of its own, labelled `REASON`, before it commits.
        needs_auditor: whether it audits, and so needs somebody who does.
        pool_on_scenarios: the strategy whose draws are its reference pool on scenarios; None: its own are.
        rests_on: hash of what decides its candidates beside its text and its prompts, such as a file; "" for nothing.
    """

    name: str
    samples: int | None = None
    reasons: bool = False
    needs_auditor: ClassVar[bool] = False
    pool_on_scenarios: str | None = None
    rests_on: str = ""
    calls: int | None = 1
    calls_vary: ClassVar[bool] = False
    prompts: tuple[str, ...] = ()

    @classmethod
    def build(cls, parameter: str) -> Self:
        """Made from what follows the colon; most take nothing.

        Raises:
            InputError: the parameter is not one that it takes.
        """
        if parameter:
            raise InputError(f"strategy {cls.name!r} takes no parameter, got {parameter!r}: write just {cls.name!r}")
        return cls()

    @classmethod
    def build_with(cls, parameter: str, settings: Mapping[str, str]) -> Live:  # noqa: ARG003 - most take no settings
        """Made from what follows the colon and the ``?key=value`` pairs, of which there is at least one.

        Raises:
            InputError: it takes none, or not these.
        """
        raise InputError(f"strategy {cls.name!r} takes no settings, got {', '.join(settings)}: leave out '?' and after")

    def for_items(self, items: Sequence[Item]) -> Live:  # noqa: ARG002 - most strategies need no other item
        """This strategy as it is used on one suite.

        The plan calls it once per cell, before anything is bought, with all items of the suite whatever the limit, so
        that what a candidate was shown does not change when a run grows. It returns another strategy rather than keep
        the items itself, since one strategy serves several suites.

        Raises:
            InputError: the strategy cannot work on these items.
        """
        return self

    def for_values(self, taxonomy: Taxonomy) -> Live:  # noqa: ARG002 - most strategies name no value
        """This strategy as it is used in a run whose judges look for these values."""
        return self

    def audited_by(self, auditing: Auditing) -> Live:  # noqa: ARG002 - most strategies audit nothing
        """This strategy as it is used in a run with this auditor."""
        return self

    def draws(self) -> Draws | None:
        """How many candidates it draws for one; None: what its candidates are worth decides nothing of it."""
        return None

    def rehearsed(self, draws: int = 1) -> Live:  # noqa: ARG002 - most strategies draw what they commit to
        """This strategy as a forecast carries it out, where replies say nothing: it asks the most that it may.

        Args:
            draws: how many candidates it draws for one, where they would decide it.
        """
        return self

    def most_tokens(self, answer: int) -> int | None:
        """The most tokens that one candidate may generate, for the plan; None: not known beforehand.

        Args:
            answer: the cell's cap on the tokens of an answer.
        """
        return None if self.calls is None else self.calls * answer

    @abstractmethod
    async def __call__(self, item: Item, samples: Sequence[int], ask: Ask) -> list[Candidate]:
        """One candidate per sample, in order."""


class Pooled(ABC):
    """A strategy that is computed from a pool of direct draws: no generation, no resampling noise.

    Attributes:
        name: as in the registry.
        needs_answers: whether it reads the candidates' answers, which not every utility extracts.
        n: how many of the pool's candidates it deliberates over.
        best: whether it commits to the best of them by the utility itself.
    """

    name: ClassVar[str]
    needs_answers: ClassVar[bool] = False
    best: ClassVar[bool] = False

    def __init__(self, n: int) -> None:
        self.n = n

    @classmethod
    def build(cls, parameter: str) -> Self:
        """Made from its n.

        Raises:
            InputError: n is not a whole number of at least 1.
        """
        if not parameter.isdecimal() or int(parameter) < 1:
            raise InputError(f"strategy {cls.name!r} needs how many candidates it chooses from: write {cls.name}:8")
        return cls(int(parameter))

    @abstractmethod
    def deployed(self, utilities: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """Expected utility, per item, of what it commits to.

        Args:
            utilities: (M, K) in [0, 1], NaN where missing.
            answers: (M, K) text, "" where no answer could be parsed.

        Returns:
            (M,), NaN where undefined.
        """

    def bounds(
        self,
        utilities: np.ndarray,
        answers: np.ndarray,  # noqa: ARG002 - not every strategy reads them
    ) -> tuple[np.ndarray, np.ndarray]:
        """(M,) least and most that it may commit to, whatever the missing candidates answer and are worth."""
        import numpy as np

        return np.zeros(len(utilities)), np.ones(len(utilities))


async def per_sample(
    one: Callable[[Item, Ask], Awaitable[Candidate]], item: Item, samples: Sequence[int], ask: Ask
) -> list[Candidate]:
    """Run one coroutine per sample, together; a refused call leaves that sample missing with its reason.

    Every sample runs to its end before an error is raised, so that no answer that was paid for is dropped.
    """

    async def attempt(sample: int) -> Candidate:
        try:
            return await one(item, ask.at(sample))
        except CallRefused as error:
            return Candidate(None, missing=str(error))

    if len(samples) == 1:
        return [await attempt(samples[0])]
    return await all_ended(map(attempt, samples))


async def all_ended(work: Iterable[Awaitable[T]]) -> list[T]:
    """The results, in order; an error is raised only when everything has ended, so that nothing paid for is dropped."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return cast(list[T], results)


def then_ask(messages: Sequence[Message], text: str) -> tuple[Message, ...]:
    """The conversation with one more thing asked: in the last turn where that is the user's own.

    Many chat templates refuse two turns of the same role in a row.
    """
    last = messages[-1]
    if last.role == "user":
        return (*messages[:-1], Message("user", f"{last.content}\n\n{text}"))
    return (*messages, Message("user", text))


def reseeded(request: Request) -> Request:
    """The request with a seed of its own, for the second call of a sample; the sample's number stays in it.

    With one seed for both calls, a sampler would spend the same random numbers on the reasoning and on the answer.
    """
    return request if request.seed is None else replace(request, seed=request.seed ^ 2**30)


def committed(reply: Reply, reasoning: str | None = None) -> Candidate:
    """A candidate from the reply that commits to it; earlier reasoning stands before the reply's own."""
    parts = [part for part in (reasoning, reply.reasoning) if part]
    return Candidate(reply.text, "\n\n".join(parts) or None, reply.finish)
