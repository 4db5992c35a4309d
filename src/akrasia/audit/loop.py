"""VIVALDI's loop: auditor → planner → rewriter → auditor and guard, up to a budget of revisions.

A rewrite takes the place of the text that stands only if adherence rises and the guard finds no loss of task content.
In every other case, whatever fails, the text that stands goes on standing, and the trail says why.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Sequence
from typing import Literal, TypeVar

from msgspec import Struct

from akrasia.audit.acceptance import acceptance, outcome
from akrasia.audit.adherence import check_target, unmeasured, verdict_of
from akrasia.audit.fenced import Case
from akrasia.audit.guard import GUARD, ORDERS, Order, guard_request, read_guard
from akrasia.audit.planner import PLAN, plan_request, read_plan
from akrasia.audit.records import AuditStage, GuardVerdict, Plan, Revision, Target, Trail, Verdict
from akrasia.audit.reply_text import RoleFailed
from akrasia.audit.rewriter import PARAPHRASE, REWRITE, paraphrase_request, read_rewrite, rewrite_request
from akrasia.audit.spending import CountedAsk
from akrasia.core import Ask, CallRefused, EndpointLost, InputError, Judgement, Message, Reply
from akrasia.judges import Judge
from akrasia.judges.llm_prompt import is_blank, shown
from akrasia.values import Taxonomy

AUDITOR = "auditor"
"""Role of the judge that audits; the members of a panel ask as "auditor", "auditor-2" …"""

Accept = Literal["improved", "always"]
Lost = Literal["raise", "stand"]

T = TypeVar("T")


class _Attempt(Struct):
    """A revision while it is made: what is known when it fails is kept."""

    plan: Plan | None = None
    text: str | None = None
    verdict: Verdict | None = None
    guard: GuardVerdict | None = None
    final: bool = False


class Auditor:
    """Audits texts, and mends them where it has a budget. Built cheaply, and safe to share between audits at once.

    Its models answer under the roles "auditor" (the judge's own model, where it has one), "planner", "rewriter" and
    "guard" of the `ask` that an audit is given; a placebo has no planner.

    Args:
        judge: reads the texts. It must not be the judge that evaluates what comes out.
        taxonomy: the values that it looks for; targets name some of them.
        budget: the most revisions of one text; 0: it is audited only.
        margin: by how much adherence has to rise; above 0 an equally good rewrite never counts as mended.
        placebo: the rewriter is told neither plan nor findings, only to paraphrase. All else is alike, acceptance too.
        accept: "improved": as the module says. "always": every rewrite takes the place of its text, and the auditor and
            the guard only say what they find. It is for a study's control arm, where a paraphrase has to be measured
            whether or not it improves anything; a text that is served to anybody wants "improved".
        on_lost: what happens when an endpoint is lost. "raise": `EndpointLost` ends the audit, so that a run can go on
            later. "stand": the text stands, with the reason, for whoever has to answer now.
        max_tokens: cap on one reply of planner, rewriter and guard; None: as much as each needs.

    Raises:
        InputError: a negative budget or margin, or a taxonomy that the judge cannot read.
    """

    def __init__(
        self,
        judge: Judge,
        taxonomy: Taxonomy,
        *,
        budget: int = 1,
        margin: float = 0.05,
        placebo: bool = False,
        accept: Accept = "improved",
        on_lost: Lost = "raise",
        max_tokens: int | None = None,
    ) -> None:
        if budget < 0:
            raise InputError(f"a budget of {budget} revisions: give 0 (audit only) or more")
        if not (math.isfinite(margin) and 0 <= margin <= 1):
            raise InputError(f"a margin of {margin:g}: adherence rises by something in [0, 1]")
        judge.check(taxonomy)
        self.judge = judge
        self.taxonomy = taxonomy
        self.budget = budget
        self._margin = margin
        self._placebo = placebo
        self._accept: Accept = accept
        self._on_lost: Lost = on_lost
        self._tokens = max_tokens

    @property
    def prompts(self) -> tuple[str, ...]:
        """Names of the prompt files that it uses."""
        if not self.budget:
            return self.judge.prompts
        return (*self.judge.prompts, *((PARAPHRASE,) if self._placebo else (PLAN, REWRITE)), GUARD)

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that it asks besides the judge's."""
        if not self.budget:
            return ()
        return ("rewriter", "guard") if self._placebo else ("planner", "rewriter", "guard")

    @property
    def calls(self) -> int:
        """The most calls of one audit besides the judge's, which reads the text and each rewrite."""
        return self.budget * (3 if self._placebo else 4)

    async def read(self, text: str, target: Target, ask: Ask | None) -> Verdict:
        """The auditor on a text; nothing is mended.

        Args:
            text: what is audited: data, whatever it says.
            target: what it is held against.
            ask: the door to the judge's model; None is enough for a judge that asks nobody.

        Returns:
            A verdict whose judgement is missing, with the reason, where the judge's model refuses.

        Raises:
            InputError: the target does not fit the taxonomy.
            EndpointLost: unless `on_lost` is "stand"; then the judgement is missing too.
            RunIncomplete: the run stops, or its store fails.
        """
        check_target(target, self.taxonomy)
        judgement, _ = await self._judged(text, ask)
        return verdict_of(judgement, target, self.taxonomy)

    async def audit(
        self,
        text: str,
        target: Target,
        context: Sequence[Message],
        ask: Ask | None,
        *,
        stage: AuditStage = "action",
    ) -> Trail:
        """Audit a text, and mend it where something lacks or is betrayed and there is a budget.

        A text that cannot be measured, and one of which nothing lacks and nothing is betrayed, stands without a call
        besides the judge's.

        Args:
            text: see `read`.
            target: see `read`.
            context: the conversation that the text belongs to, without the text.
            ask: see `read`; with a budget it also leads to planner, rewriter and guard. The labels of its calls begin
                with the stage, so that both stages of one sample may be audited through one door.
            stage: what the text is.

        Raises:
            InputError, EndpointLost, RunIncomplete: as `read`; there is a budget and no `ask`.
        """
        if ask is None and self.budget:
            raise InputError("an audit with a budget asks models, and there is no way to them: give `ask`")
        counted = None if ask is None else CountedAsk(ask)
        first = await self.read(text, target, counted)
        missing = unmeasured(first, target)
        revisions: list[Revision] = []
        standing, verdict = text, first
        if missing is None and counted is not None:
            for number in range(1, self.budget + 1):
                if not (verdict.lacking or verdict.betrayed):
                    break
                case = Case(stage, standing, tuple(context))
                revision, final = await self._revision(case, (verdict, target), revisions, counted, number)
                revisions.append(revision)
                if revision.accepted and revision.text is not None and revision.verdict is not None:
                    standing, verdict = revision.text, revision.verdict
                if final:
                    break
        accepted = max((revision.number for revision in revisions if revision.accepted), default=None)
        return Trail(
            stage=stage,
            original=text,
            verdict=first,
            revisions=tuple(revisions),
            text=standing,
            accepted=accepted,
            reason=outcome(first, verdict, revisions, missing, self.budget),
            spent=() if counted is None else counted.spent(),
            missing=missing,
        )

    async def _revision(
        self, case: Case, found: tuple[Verdict, Target], before: Sequence[Revision], ask: CountedAsk, number: int
    ) -> tuple[Revision, bool]:
        """One attempt, and whether there is no point in another."""
        made = _Attempt()
        try:
            why_not = await self._attempt(made, case, found, before, (ask, number))
        except RoleFailed as error:
            return Revision(number, made.plan, None, None, None, False, str(error)), error.final
        accepted, reason = acceptance(found[0], made.verdict, made.guard, found[1], self._margin)
        if why_not is not None:
            accepted, reason = False, why_not
        elif self._accept == "always" and not accepted:
            accepted, reason = True, f"accepted whatever it is; {reason}"
        return Revision(number, made.plan, made.text, made.verdict, made.guard, accepted, reason), made.final

    async def _attempt(
        self,
        made: _Attempt,
        case: Case,
        found: tuple[Verdict, Target],
        before: Sequence[Revision],
        how: tuple[CountedAsk, int],
    ) -> str | None:
        """Fill in a revision as far as is needed to decide. Returns why it is refused without a verdict, if it is."""
        ask, number = how
        if self._placebo:
            request = paraphrase_request(case, number, self._tokens)
        else:
            asked = plan_request(case, found, self.taxonomy, _tried(before), number, self._tokens)
            made.plan = read_plan(await self._from("planner", ask("planner", asked, f"{case.stage} plan {number}")))
            request = rewrite_request(case, made.plan, found[1], self.taxonomy, number, self._tokens)
        reply = await self._from("rewriter", ask("rewriter", request, f"{case.stage} rewrite {number}"))
        made.text = read_rewrite(reply, case)
        if _same(made.text, case.text):
            return "the rewriter changed nothing"
        if any(one.text is not None and _same(made.text, one.text) for one in before):
            return "the rewriter wrote a text again that was there before"
        judgement, made.final = await self._judged(made.text, ask)
        made.verdict = verdict_of(judgement, found[1], self.taxonomy)
        promising, _ = acceptance(found[0], made.verdict, None, found[1], self._margin)
        if promising or self._accept == "always":
            made.guard = await self._guarded(case, made.text, ask, number)
        return None

    async def _judged(self, text: str, ask: Ask | None) -> tuple[Judgement, bool]:
        """What the judge reads; and whether its endpoint refuses or is lost, so that there is no point in another."""
        if is_blank(text):
            return Judgement(missing="there is nothing to read: the text is empty"), False
        try:
            reading = self.judge.read(text, self.taxonomy, ask, role=AUDITOR)
            return await self._from(AUDITOR, reading), False
        except RoleFailed as error:
            return Judgement(missing=str(error)), error.final

    async def _guarded(self, case: Case, rewrite: str, ask: CountedAsk, number: int) -> GuardVerdict:
        async def one(order: Order) -> Reply | RoleFailed:
            request = guard_request(case, rewrite, order, number, self._tokens)
            try:
                return await self._from("guard", ask("guard", request, f"{case.stage} guard {number} {order}"))
            except RoleFailed as error:
                return error

        # Both come to their end before an error is raised, so that no verdict that was paid for is dropped.
        found = await asyncio.gather(*map(one, ORDERS), return_exceptions=True)
        replies: list[Reply | RoleFailed] = []
        for reply in found:
            if isinstance(reply, BaseException) and not isinstance(reply, RoleFailed):
                raise reply
            replies.append(reply)
        return read_guard(replies)

    async def _from(self, role: str, answer: Awaitable[T]) -> T:
        """What a role answers.

        Raises:
            RoleFailed: its endpoint refuses for good, or is lost and the text shall stand.
        """
        try:
            return await answer
        except CallRefused as error:
            raise RoleFailed(role, f"refused: {error}", final=True) from error
        except EndpointLost as error:
            if self._on_lost == "raise":
                raise
            raise RoleFailed(role, f"lost: {error}", final=True) from error


def _tried(before: Sequence[Revision]) -> list[str]:
    """What was refused since a rewrite was last accepted."""
    tried: list[str] = []
    for revision in before:
        if revision.accepted:
            tried.clear()
        elif revision.plan is not None:
            tried.append(f"{revision.plan.change} (refused: {revision.reason})")
    return tried


def _same(one: str, other: str) -> bool:
    """Whether two texts look the same to every role."""
    return shown(one).split() == shown(other).split()
