"""What the audits and strategies of one policy work with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from akrasia.audit import Target, constitution_target
from akrasia.core import Ask, Fingerprint, Judgement
from akrasia.gateway.policy import Policy
from akrasia.gateway.redact import Redactor
from akrasia.judges import Judge, build_judge
from akrasia.values import Taxonomy

if TYPE_CHECKING:
    from akrasia.gateway.deliberate import Deliberation


class Desk(Struct, frozen=True):
    """What the audits of one policy need, open.

    Attributes:
        policy: the policy.
        values: its constitution.
        judge: who reads.
        target: what texts are held against.
        doors: the ways to the models that answer, by role; a role that is not here is played by the request's own
            model.
        redactor: blots out what the log may not keep; None: nothing.
        strategies: the strategies that clients may name, by their text.
    """

    policy: Policy
    values: Taxonomy
    judge: Judge
    target: Target
    doors: Mapping[str, Ask]
    redactor: Redactor | None
    strategies: dict[str, Deliberation] = {}

    @property
    def judge_fingerprint(self) -> Fingerprint:
        """What the verdicts depend on besides the model that is asked."""
        return self.judge.fingerprint


class NoJudge:
    """In the place of the judge where a policy names none: it reads nothing. See `akrasia.judges.Judge`."""

    name: str = ""
    model: str | None = None
    prompts: tuple[str, ...] = ()
    deterministic: bool = True

    @property
    def fingerprint(self) -> Fingerprint:
        """Nobody's."""
        return Fingerprint("none", "", "")

    def check(self, taxonomy: Taxonomy) -> None:
        """It refuses nothing."""

    async def read(self, *_: object, **__: object) -> Judgement:
        """Missing, whatever the text."""
        return Judgement(missing="the policy names no judge")


def closed_desk(policy: Policy, judge: Judge | None = None) -> Desk:
    """What the audits of a policy need, with no way to any model yet.

    Args:
        policy: the policy.
        judge: who reads; None: the policy's own is made.

    Raises:
        InputError: the policy's judge cannot be made.
    """
    judge = judge or (NoJudge() if policy.judge is None else build_judge(policy.judge))
    values = policy.constitution or Taxonomy("none", ())
    return Desk(policy, values, judge, constitution_target(values), {}, None)
