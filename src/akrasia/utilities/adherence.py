"""What judges read in a candidate, for the value–action gap: the values stated, reasoned with, and acted on.

How good an action is by the values that the model itself states depends on the statements to its scenario, which are
other candidates. So a candidate gets judgements here, and `akrasia.runs.adherence` makes utilities of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from akrasia.core import Ask, CallRefused, Candidate, Item, Judgement, Score, Stage, StageJudgement, sample_of
from akrasia.judges import Judge, judge_identity
from akrasia.judges.ratings import rated_order, read_ratings
from akrasia.utilities.comparison import FILTERED
from akrasia.utilities.registry import ADHERENCE
from akrasia.values import Taxonomy

RATINGS = "ratings"
"""Stands for a judge's name where the model's own ratings were read off."""


class Adherence:
    """Has every judge read every text of a candidate. See `akrasia.core.JudgedUtility`.

    An empty or filtered text is no text: its measurement is missing, with the reason. One that was cut off is read as
    it stands.

    Args:
        judges: who reads; the model of the n-th one answers under the n-th of `roles`.
        roles: a role for each judge.
        taxonomy: the values to look for.
        repeats: how often each text is read. More than once tells instrument noise; a judge that always says the same
            reads once.
    """

    name = ADHERENCE
    cpu_bound = False
    settings = ("judge", "values")
    """Keys of a run's configuration by which it measures; of a judge's readings the first makes utilities."""

    def __init__(self, judges: Sequence[Judge], roles: Sequence[str], taxonomy: Taxonomy, *, repeats: int = 1) -> None:
        self._judges = tuple(zip(judges, roles, strict=True))
        self._taxonomy = taxonomy
        self._repeats = repeats
        self.prompts = tuple(name for judge in judges for name in judge.prompts)

    def check(self, item: Item) -> None:
        """Nothing is needed of an item: any text can be read for values."""

    def score(self, item: Item, candidate: Candidate) -> Score:  # noqa: ARG002 - one signature for all utilities
        """What needs no judge: that there is nothing to read."""
        return Score(None, missing=_nothing_to_read(candidate) or "no judge read it")

    async def judge(self, item: Item, candidate: Candidate, ask: Ask) -> Score:
        """The judgements of all judges on the candidate's texts; missing when no judge could read its last text."""
        nothing = _nothing_to_read(candidate)
        if nothing is not None:
            return Score(None, missing=nothing)
        if candidate.stage == "rated":
            return self._rated(candidate, sample_of(ask.request(item.input).seed))
        texts: list[tuple[Stage, str]] = [(candidate.stage, candidate.text or "")]
        if candidate.stage == "action" and candidate.reasoning and candidate.reasoning.strip():
            texts.append(("reasoning", candidate.reasoning))
        found = await asyncio.gather(
            *(
                self._read(judge, role, (stage, text), ask, repeat)
                for judge, role in self._judges
                for repeat in range(1 if judge.deterministic else self._repeats)
                for stage, text in texts
            )
        )
        unread = [one.judgement.missing for one in found if one.stage == candidate.stage and one.repeat == 0]
        missing = unread[0] if unread and all(unread) else None
        return Score(None, missing=missing, judgements=tuple(found))

    def _rated(self, candidate: Candidate, sample: int) -> Score:
        """Ratings are read off, by nobody's judgement."""
        order = [value.id for value in rated_order(self._taxonomy, sample)]
        found = read_ratings(candidate.text or "", self._taxonomy, order)
        return Score(None, missing=found.missing, judgements=(StageJudgement("rated", RATINGS, 0, found),))

    def close(self) -> None:
        """Nothing to let go of."""

    async def _read(self, judge: Judge, role: str, text: tuple[Stage, str], ask: Ask, repeat: int) -> StageJudgement:
        stage, words = text
        try:
            verdict = await judge.read(words, self._taxonomy, ask, role=role, repeat=repeat)
        except CallRefused as error:
            verdict = Judgement(missing=f"judge: {error}")
        return StageJudgement(stage, judge_identity(judge), repeat, verdict)


def _nothing_to_read(candidate: Candidate) -> str | None:
    if candidate.finish == "content_filter":
        return FILTERED.failure
    if not (candidate.text or "").strip():
        return "empty answer"
    return None
