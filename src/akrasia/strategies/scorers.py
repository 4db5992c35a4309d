"""Verifiers at hand while candidates are being drawn: what `adaptive` steers by.

A scorer gives one candidate one value in [0, 1], or None where the measurement failed. The three here are the utility
itself, an auditor that holds a text against a constitution, and one that holds it against what the model stated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from akrasia.audit import Auditor, Target, stated_target
from akrasia.audit.loop import AUDITOR
from akrasia.core import Ask, CallRefused, Candidate, InputError, Item, JudgedUtility, Utility
from akrasia.judges import Judge, judge_identity
from akrasia.prompts.tasks import TASK_PROMPTS
from akrasia.strategies.prior_file import Verifier
from akrasia.strategies.tasks import state_values
from akrasia.utilities import build_utility

STATED = "adherence to stated values"


def against(constitution: str) -> str:
    """The measure of an auditor that holds texts against the constitution of this name."""
    return f"adherence to {constitution}"


class Scorer(Protocol):
    """Values candidates.

    Attributes:
        verifier: who it is; a prior has to be learnt from the same one's values.
        values: fingerprint of the values that its judge looks for; "" where nobody judges.
        prompts: names of the prompt files that it uses.
        judge: who reads the candidates; None: nobody is asked.
    """

    @property
    def verifier(self) -> Verifier:
        """Who it is."""
        ...

    @property
    def values(self) -> str:
        """Fingerprint of the values that its judge looks for; "" where nobody judges."""
        ...

    @property
    def judge(self) -> Judge | None:
        """Who reads the candidates; None: nobody is asked."""
        ...

    def judged_by(self, judge: Judge) -> Scorer:
        """The same with another judge, where there is one."""
        ...

    @property
    def prompts(self) -> tuple[str, ...]:
        """Names of the prompt files that it uses."""
        ...

    async def score(self, item: Item, candidate: Candidate, ask: Ask) -> float | None:
        """The value of a candidate that has a text, in [0, 1]; None where it could not be measured.

        Args:
            item: what was asked.
            candidate: what is valued.
            ask: the door to the models, bound to the sample that is being committed to.

        Raises:
            RunIncomplete: the run stops; any other failure of a call is None.
        """
        ...


class UtilityScorer:
    """The items' own utility: a verifier that never errs, which live traffic does not have.

    Args:
        items: all that will be asked.

    Raises:
        InputError: an item whose value depends on judges, or that its utility refuses.
    """

    prompts: tuple[str, ...] = ()
    judge: Judge | None = None
    values = ""

    def __init__(self, items: Sequence[Item]) -> None:
        self._utilities: dict[str, Utility] = {}
        for item in items:
            if item.utility is None:
                raise InputError(
                    f"item {item.id!r} names no utility that could value a candidate while it is drawn: learn the "
                    "prior from a judge's values, and name that judge with --auditor"
                )
            if item.utility not in self._utilities:
                utility = build_utility(item.utility)
                if isinstance(utility, JudgedUtility):
                    raise InputError(
                        f"the utility {item.utility!r} of item {item.id!r} asks the judge that measures, and that "
                        "must not steer as well: leave adaptive out"
                    )
                self._utilities[item.utility] = utility
            self._utilities[item.utility].check(item)

    @property
    def verifier(self) -> Verifier:
        """The utilities' names."""
        return Verifier("+".join(sorted(self._utilities)))

    def judged_by(self, judge: Judge) -> UtilityScorer:  # noqa: ARG002 - nobody judges
        """See `Scorer`."""
        return self

    async def score(self, item: Item, candidate: Candidate, ask: Ask) -> float | None:  # noqa: ARG002 - asks nobody
        """See `Scorer`."""
        utility = self._utilities[item.utility or ""]
        if utility.cpu_bound:
            return (await asyncio.to_thread(utility.score, item, candidate)).utility
        return utility.score(item, candidate).utility


class ConstitutionScorer:
    """An auditor that holds every candidate against a constitution, or any other target that is known beforehand.

    Args:
        auditor: its judge must not be the one that measures.
        target: what a text is held against.
    """

    def __init__(self, auditor: Auditor, target: Target) -> None:
        self._auditor = auditor
        self._target = target
        self.prompts, self.values = auditor.judge.prompts, auditor.taxonomy.fingerprint

    @property
    def verifier(self) -> Verifier:
        """The constitution's name, and the judge's."""
        return Verifier(against(self._auditor.taxonomy.name), judge_identity(self._auditor.judge))

    @property
    def judge(self) -> Judge:
        """See `Scorer`."""
        return self._auditor.judge

    def judged_by(self, judge: Judge) -> ConstitutionScorer:
        """See `Scorer`."""
        return ConstitutionScorer(Auditor(judge, self._auditor.taxonomy, budget=0), self._target)

    async def score(self, item: Item, candidate: Candidate, ask: Ask) -> float | None:  # noqa: ARG002 - one target
        """See `Scorer`."""
        return (await self._auditor.read(candidate.text or "", self._target, ask)).adherence


class StatedScorer:
    """An auditor that holds an action against what the model states to the same scenario, in the same sample.

    The statement is the one that the run's cell of statements has, so it is bought once.

    Args:
        auditor: reads statements and actions; its judge must not be the one that measures.
        wording: of the task in which the model states its values.
    """

    def __init__(self, auditor: Auditor, wording: int = 1) -> None:
        self._auditor = auditor
        self._wording = wording
        self.prompts = (TASK_PROMPTS["state"][wording - 1], *auditor.judge.prompts)
        self.values = auditor.taxonomy.fingerprint

    @property
    def verifier(self) -> Verifier:
        """Stated values, by the judge."""
        return Verifier(STATED, judge_identity(self._auditor.judge))

    @property
    def judge(self) -> Judge:
        """See `Scorer`."""
        return self._auditor.judge

    def judged_by(self, judge: Judge) -> StatedScorer:
        """See `Scorer`."""
        return StatedScorer(Auditor(judge, self._auditor.taxonomy, budget=0), self._wording)

    async def score(self, item: Item, candidate: Candidate, ask: Ask) -> float | None:
        """See `Scorer`."""
        judge, taxonomy = self._auditor.judge, self._auditor.taxonomy
        try:
            said = await state_values(item, ask, self._wording)
            if not (said.text or "").strip():
                return None
            target = stated_target(await judge.read(said.text or "", taxonomy, ask, role=AUDITOR))
        except CallRefused:
            return None
        return (await self._auditor.read(candidate.text or "", target, ask)).adherence if target.weights else None
