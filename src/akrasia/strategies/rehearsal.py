"""Audits and verifiers as a forecast carries them out: nobody answers, so what is asked must not hang on what is said.

Every text falls short, every plan and verdict can be read, and every rewrite is better and refused by the guard: so an
audit takes all the revisions that its budget allows, and asks the most in each. What steers values no candidate, so
that as many are drawn as the forecast wants to see.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from akrasia.core import Ask, Candidate, Fingerprint, Item, Judgement, Message, Reading, Reply, Request, Sampling
from akrasia.judges import Judge
from akrasia.strategies.base import Live
from akrasia.strategies.scorers import Scorer
from akrasia.strategies.tasks import STATE
from akrasia.values import Taxonomy

_UPHELD = Reading(1.0, "upholds")
_ABSENT = Reading(0.0)


class Rehearsal:
    """What a judge and a door have to know of one another.

    Args:
        judge: the one that stands behind the rehearsed one.
    """

    def __init__(self, judge: Judge) -> None:
        self.stated: set[str] = set()
        self.rewritten: set[str] = set()
        self.judge: Judge = _RehearsedJudge(judge, self)

    def around(self, strategy: Live) -> Live:
        """A strategy whose every call goes through a rehearsed door."""
        return _RehearsedStrategy(strategy, self)


class Unvalued:
    """A scorer that asks what another would, and says nothing. See `akrasia.strategies.scorers.Scorer`."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self.verifier, self.prompts, self.judge = scorer.verifier, scorer.prompts, scorer.judge
        self.values = scorer.values

    def judged_by(self, judge: Judge) -> Unvalued:
        """See `Scorer`."""
        return Unvalued(self._scorer.judged_by(judge))

    async def score(self, item: Item, candidate: Candidate, ask: Ask) -> float | None:
        """Nothing; a scorer that asks nobody is not even carried out."""
        if self.judge is not None:
            await self._scorer.score(item, candidate, ask)
        return None


class _RehearsedJudge:
    """Asks what its judge would ask, and reads what the rehearsal needs. See `akrasia.judges.Judge`."""

    def __init__(self, judge: Judge, rehearsal: Rehearsal) -> None:
        self._judge = judge
        self._rehearsal = rehearsal
        self.name, self.model, self.prompts = judge.name, judge.model, judge.prompts
        self.deterministic = judge.deterministic

    @property
    def fingerprint(self) -> Fingerprint:
        """That of its judge."""
        return self._judge.fingerprint

    def check(self, taxonomy: Taxonomy) -> None:
        """Nothing: its judge was asked when the plan was made."""

    async def read(
        self, text: str, taxonomy: Taxonomy, ask: Ask | None, *, role: str = "judge", repeat: int = 0
    ) -> Judgement:
        """Every value in what is stated, the first in a rewrite, none elsewhere."""
        if self.model is not None:
            await self._judge.read(text, taxonomy, ask, role=role, repeat=repeat)
        if text in self._rehearsal.stated:
            return Judgement(dict.fromkeys(taxonomy.ids, _UPHELD))
        readings = dict.fromkeys(taxonomy.ids, _ABSENT)
        if text in self._rehearsal.rewritten:
            readings[taxonomy.ids[0]] = _UPHELD
        return Judgement(readings)


class _RehearsedStrategy(Live):
    def __init__(self, strategy: Live, rehearsal: Rehearsal) -> None:
        self.name, self.calls, self.prompts = strategy.name, strategy.calls, strategy.prompts
        self._strategy = strategy
        self._rehearsal = rehearsal

    async def __call__(self, item: Item, samples: Sequence[int], ask: Ask) -> list[Candidate]:
        return await self._strategy(item, samples, _RehearsedAsk(ask, self._rehearsal))


class _RehearsedAsk:
    """Passes every call on, and answers it as the rehearsal needs, at the length of the reply. See `Ask`."""

    def __init__(self, ask: Ask, rehearsal: Rehearsal) -> None:
        self._ask = ask
        self._rehearsal = rehearsal
        self.sampling: Sampling = ask.sampling

    async def __call__(self, role: str, request: Request, label: str) -> Reply:
        reply = await self._ask(role, request, label)
        if role == "planner":
            return replace(reply, text=json.dumps({"change": reply.text, "keep": ""}))
        if role == "guard":
            return replace(reply, text=json.dumps({"loses": "B" if label.endswith(" ab") else "A"}))
        if role == "rewriter":
            # Numbered, so that none repeats what was written before.
            reply = replace(reply, text=f"{len(self._rehearsal.rewritten)} {reply.text}")
            self._rehearsal.rewritten.add(reply.text)
        elif label == STATE:
            self._rehearsal.stated.add(reply.text)
        return reply

    def at(self, sample: int) -> _RehearsedAsk:
        return _RehearsedAsk(self._ask.at(sample), self._rehearsal)

    def request(self, messages: Sequence[Message], **changes: Any) -> Request:
        return self._ask.request(messages, **changes)
