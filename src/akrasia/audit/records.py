"""What an audit leaves behind: the target, the auditor's verdicts, every plan and rewrite, and why a text stands.

A `Trail` is the whole of it for one text, and encodes as JSON as it is.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from akrasia.core import Judgement

AuditStage = Literal["reasoning", "action"]
"""What is audited: the deliberation before the action is written, or the action."""


class Target(Struct, frozen=True):
    """What a text is held against.

    Attributes:
        weights: value id → weight > 0: 1 for each stated value, or a constitution's `weight`.
        required: values that may not lack; a subset of the ids in `weights`. Empty for stated values.
        exclusive: whether upholding other values of the taxonomy tells against the text, as in the F1 of the
            value–action gap: True for stated values, False for a constitution.
    """

    weights: dict[str, float]
    required: frozenset[str] = frozenset()
    exclusive: bool = False


class Verdict(Struct, frozen=True, omit_defaults=True):
    """The auditor on one text. Ids stand in the order of the taxonomy, except that required ones come first.

    Attributes:
        judgement: all that the judge read, with the evidence.
        adherence: in [0, 1], see `akrasia.audit.adherence`; None where none of the target could be read.
        lacking: values of the target that were read and are not upheld, those betrayed left out.
        betrayed: values of the target that the text betrays.
        upheld: values of the target that the text upholds.
        unread: values of the target that the judge could not read: neither lacking nor upheld.
        beyond: values outside the target that the text upholds. They tell against it where the target is exclusive,
            and are no reason to mend it.
    """

    judgement: Judgement
    adherence: float | None
    lacking: tuple[str, ...] = ()
    betrayed: tuple[str, ...] = ()
    upheld: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    beyond: tuple[str, ...] = ()


class Plan(Struct, frozen=True):
    """The planner's words.

    Attributes:
        change: the least change that mends the text.
        keep: what must be kept.
    """

    change: str
    keep: str


class GuardVerdict(Struct, frozen=True, omit_defaults=True):
    """The guard on a rewrite beside the text that it would replace, blind and in both orders.

    Attributes:
        loses: whether the rewrite loses task content. None: the two orders disagree, or one could not be read, which
            counts as a loss.
        reasons: what the guard said, or why it could not be read: of the order in which the old text comes first, then
            of the other.
    """

    loses: bool | None
    reasons: tuple[str, ...] = ()


class Revision(Struct, frozen=True, omit_defaults=True):
    """One attempt to mend the text that stood.

    Attributes:
        number: from 1.
        plan: None for a placebo, or where the planner could not be read.
        text: the rewrite; None where there is none.
        verdict: the auditor on the rewrite; None where it was not reached.
        guard: None where it was not asked: the rewrite was refused before.
        accepted: whether the rewrite took the place of the text that stood.
        reason: why, in words.
    """

    number: int
    plan: Plan | None
    text: str | None
    verdict: Verdict | None
    guard: GuardVerdict | None
    accepted: bool
    reason: str


class Spent(Struct, frozen=True, omit_defaults=True):
    """What one role's calls took.

    Attributes:
        role: "auditor", "planner", "rewriter" or "guard".
        calls: answers that came, bought now or found in a store.
        prompt_tokens, completion_tokens: their sums; None where an endpoint did not say them of every call.
    """

    role: str
    calls: int
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Trail(Struct, frozen=True, omit_defaults=True):
    """Everything that one audit did.

    Attributes:
        stage: what the text is.
        original: the text as it was given.
        verdict: the auditor on it.
        revisions: the attempts to mend it, in order.
        text: what stands in the end.
        accepted: number of the revision whose text that is; None: the original.
        reason: why that text stands, in words.
        spent: what each role's calls took; a role without calls is left out.
        missing: why there is no measurement of the original; None where it was read. A text that was not measured
            stands as it is.
    """

    stage: AuditStage
    original: str
    verdict: Verdict
    revisions: tuple[Revision, ...]
    text: str
    accepted: int | None
    reason: str
    spent: tuple[Spent, ...] = ()
    missing: str | None = None
