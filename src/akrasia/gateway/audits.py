"""Auditing replies in the gateway: the judges and models that policies name, and the audit of one request.

`Audits` is what requests share: open judges and models, room for so many readings at once, the verdicts that clients
may look up. An `ExchangeAudit` reads the replies of one request, within its time and its tokens. What is done with a
reply is the modes' business.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from akrasia.audit import Auditor, Spent, Trail, Verdict
from akrasia.audit.spending import ROLES, CountedAsk
from akrasia.core import (
    AkrasiaError,
    Ask,
    CallRefused,
    EndpointLost,
    Fingerprint,
    Judgement,
    Model,
)
from akrasia.gateway.allowed import CONTENT, allowed_message, parts_of
from akrasia.gateway.asking import Stopwatch, TimedAsk, TokenBudget, TokensUsedUp, UpstreamModel
from akrasia.gateway.citations import cited
from akrasia.gateway.deliberate import build_deliberation
from akrasia.gateway.desk import Desk, closed_desk
from akrasia.gateway.judge_state import JudgeStates
from akrasia.gateway.metrics import Counter, Histogram
from akrasia.gateway.records import ChoiceAudit, context_of, part_audit
from akrasia.gateway.redact import Redactor
from akrasia.gateway.thoughts import thought
from akrasia.gateway.unread import unknown_shape
from akrasia.gateway.wire import Body
from akrasia.judges import Judge
from akrasia.judges.loose_ask import LooseAsk
from akrasia.models import ModelSettings, build_model
from akrasia.values import Taxonomy

if TYPE_CHECKING:
    from akrasia.gateway.exchange import Exchange
    from akrasia.gateway.policy import Policies, Policy
    from akrasia.gateway.server import Gateway

MOST_KEPT = 10_000
"""Verdicts that clients may look up; older ones are in the log alone."""

_SETTINGS = ModelSettings(timeout_s=120.0, max_retries=1, patience_s=5.0, resumable=False)
"""Of judges and other roles: a client waits for them."""

_PATIENCE_S = 1.0
"""After so long, or the time that a policy gives an audit, a judge that has not answered yet fails; before, the request
had too little time left."""

_WARM_UP = "Good morning."

Left = Callable[[str], float | None]
"""Stage → seconds that it may take now; None: no limit."""


class Audits:
    """What the audits of all requests share.

    Args:
        gateway: the server's state.

    Attributes:
        at_once: readings at once: what the policies said when the first of them audited.
    """

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.at_once = gateway.limits.audits
        self.room = asyncio.Semaphore(self.at_once)
        self.choices = gateway.metrics.add(
            Counter(
                "akrasia_audited_choices_total", "Choices of replies, by what became of them.", ("mode", "decision")
            )
        )
        self.failed = gateway.metrics.add(
            Counter(
                "akrasia_failed_choices_total",
                "Choices of replies that fail the policy, by what became of them.",
                ("mode", "decision"),
            )
        )
        self.readings = gateway.metrics.add(
            Histogram("akrasia_audit_seconds", "One reading by the auditor, waiting for room included.")
        )
        self.dropped = gateway.metrics.add(
            Counter("akrasia_audits_dropped_total", "Replies that were not audited, by the reason.", ("reason",))
        )
        self._desks: dict[str, Desk] = {}
        self._judges: dict[str, Judge] = {}
        self._doors: dict[str, Ask] = {}
        self._models: list[Model] = []
        self.judges = JudgeStates(gateway.notice)
        self._noted = False
        self._told: OrderedDict[str, Body] = OrderedDict()

    async def open(self, policies: Policies) -> None:
        """Open the judges and models that policies name. Those of earlier policies stay open until the end.

        Raises:
            InputError: a policy names one that can never work, or audits against nothing.
        """
        for policy in policies.all:
            idle = policy.mode == "pass" and policy.strategies == ("direct",)
            if not idle and policy.fingerprint not in self._desks:
                self._desks[policy.fingerprint] = await self._desk(policy)

    def note_missing_log(self) -> None:
        """Tell the operator, once, that audits are not logged."""
        if self.gateway.log is None and not self._noted:
            self._noted = True
            self.gateway.notice("no audit log is kept: name one with --log FILE")

    async def close(self) -> None:
        """Close the models."""
        for model in self._models:
            await model.close()
        self._models.clear()

    def desk(self, policy: Policy) -> Desk:
        """What the audits of a policy need that was opened."""
        return self._desks[policy.fingerprint]

    def count(self, mode: str, decision: str, *, failed: bool) -> None:
        """Count a choice by what became of it, and whether it fails the policy."""
        self.choices.add(mode, decision)
        if failed:
            self.failed.add(mode, decision)

    def tell(self, audit_id: str, told: Body) -> None:
        """Keep what clients may look up."""
        self._told[audit_id] = told
        self._told.move_to_end(audit_id)
        while len(self._told) > MOST_KEPT:
            self._told.popitem(last=False)

    def told(self, audit_id: str) -> Body | None:
        """What was kept under an audit id; None where nothing is, or no longer."""
        return self._told.get(audit_id)

    async def _desk(self, policy: Policy) -> Desk:
        desk = closed_desk(policy, self._judges.get(policy.judge or ""))
        judge = desk.judge
        judge.check(desk.values)
        named = {
            "auditor": judge.model,
            "planner": policy.planner,
            "rewriter": policy.rewriter,
            "guard": policy.guard,
        }
        doors = {role: await self._door(name) for role, name in named.items() if name is not None}
        if judge.model is None and (policy.judge or "") not in self._judges:
            await judge.read(_WARM_UP, desk.values, None)  # what is heavy loads now, not with a client's reply
        self._judges[policy.judge or ""] = judge
        redactor = await asyncio.to_thread(Redactor, policy.redact) if policy.redact else None
        desk = replace(desk, doors=doors, redactor=redactor)
        desk.strategies.update({text: build_deliberation(text, desk) for text in policy.strategies})
        return desk

    async def _door(self, name: str) -> Ask:
        if name not in self._doors:
            variables = self.gateway.upstream.key_variables(name)
            model = build_model(name, settings=replace(_SETTINGS, key_variables=variables))
            await model.open()
            self._models.append(model)
            self._doors[name] = LooseAsk(dict.fromkeys(ROLES, model))
        return self._doors[name]


def audits_of(gateway: Gateway) -> Audits:
    """The audits of a gateway, made with the first mode that needs them."""
    if gateway.audits is None:
        gateway.audits = Audits(gateway)
    return gateway.audits


class WatchedJudge:
    """A judge within the time and the room of one request. See `akrasia.judges.Judge`.

    A text is read once, and once more where a judge that may answer otherwise left something unread and saw no
    betrayal: what it saw is never traded for another answer. Whatever breaks becomes a reading that is missing, with
    its reason: a defect in a judge must not decide what leaves.

    Attributes:
        lost: whether a reading failed by time or an endpoint: another request may be luckier.
    """

    def __init__(
        self, judge: Judge, audits: Audits, left: Left, watch: Stopwatch, patience_s: float | None = None
    ) -> None:
        self._patience_s = min(_PATIENCE_S, patience_s or _PATIENCE_S)
        self.name, self.model, self.prompts = judge.name, judge.model, judge.prompts
        self.deterministic = judge.deterministic
        self.lost = False
        self._watch = watch
        self._judge = judge
        self._audits = audits
        self._left = left
        self._most = audits.gateway.limits.reply_bytes
        self._read: dict[str, asyncio.Future[Judgement]] = {}

    @property
    def fingerprint(self) -> Fingerprint:
        """The judge's own."""
        return self._judge.fingerprint

    def check(self, taxonomy: Taxonomy) -> None:
        """The gateway has checked it at the start."""

    async def read(
        self, text: str, taxonomy: Taxonomy, ask: Ask | None, *, role: str = "auditor", repeat: int = 0
    ) -> Judgement:
        """The verdict on one text."""
        if is_longer(text, self._most):
            return Judgement(missing=f"it has more than {self._most} bytes, the most that is read (reply_bytes)")
        found = self._read.get(text)
        if found is None:
            found = self._read[text] = asyncio.ensure_future(self._within(text, taxonomy, ask, (role, repeat)))
        with self._watch:
            return await _joined(found)

    def go_on(self, left: Left) -> None:
        """See `ExchangeAudit.go_on`."""
        self._left = left
        self._read = {text: one for text, one in self._read.items() if _has_verdict(one)}

    async def _within(self, text: str, taxonomy: Taxonomy, ask: Ask | None, how: tuple[str, int]) -> Judgement:
        role, repeat = how
        began, asked = perf_counter(), None
        try:
            async with asyncio.timeout(self._left("audit")), self._audits.room:
                asked = perf_counter()
                found = await self._judge.read(text, taxonomy, ask, role=role, repeat=repeat)
                if not self._judge.deterministic and _worth_another(found):
                    second = await self._judge.read(text, taxonomy, ask, role=role, repeat=repeat + 1)
                    fuller = found.missing is not None or len(second.unread) <= len(found.unread)
                    found = second if second.missing is None and fuller else found
                states = self._audits.judges
                (states.unread if _worth_another(found) else states.answered)(self.name)
                return found
        except TimeoutError:
            self.lost = True
            if asked is not None and perf_counter() - asked >= 0.9 * self._patience_s:
                self._audits.judges.failed(self.name, "")
            return Judgement(missing="the time for an audit was over")
        except (CallRefused, EndpointLost) as error:
            self.lost = self.lost or isinstance(error, EndpointLost)
            if not isinstance(error, TokensUsedUp):
                self._audits.judges.failed(self.name, str(error))
            return Judgement(missing=f"the judge gave no answer: {error}")
        except AkrasiaError as error:
            self._audits.judges.failed(self.name, str(error))
            return Judgement(missing=f"the judge cannot be used: {error}")
        except Exception as error:  # noqa: BLE001 - the boundary to judges: recorded as a reading that is missing
            self._audits.judges.failed(self.name, "")
            return Judgement(missing=f"the judge failed: {type(error).__name__}")
        finally:
            self._audits.readings.observe(perf_counter() - began)


def _has_verdict(reading: asyncio.Future[Judgement]) -> bool:
    """Whether a reading ended with what it found."""
    return reading.done() and not reading.cancelled() and reading.result().missing is None


def is_longer(text: str, most: int) -> bool:
    """Whether a text has more than so many bytes in UTF-8."""
    return len(text) > most or (4 * len(text) > most and len(text.encode(errors="surrogatepass")) > most)


def _worth_another(judgement: Judgement) -> bool:
    """Whether another reading may tell more, and can take nothing back."""
    betrayed = any(reading.polarity == "betrays" for reading in judgement.readings.values())
    return not betrayed and (judgement.missing is not None or bool(judgement.unread))


async def _joined(task: asyncio.Future[Judgement]) -> Judgement:
    """Await a task that others may wait for, too; whoever is cancelled cancels it: the request is over then."""
    try:
        return await task
    except asyncio.CancelledError:
        task.cancel()
        raise


class ExchangeAudit:
    """The audit of one request's replies.

    Args:
        audits: what is shared.
        desk: of the request's policy.
        exchange: the request.
        left: the time that stages have; None: what the exchange says, until its client is answered.

    Attributes:
        desk: as given.
        tokens: what all calls of the request took, and may take.
        watch: how long readings and the roles' calls went on.
        judge: the judge, within its time.
    """

    def __init__(self, audits: Audits, desk: Desk, exchange: Exchange, left: Left | None = None) -> None:
        self.desk = desk
        count = partial(audits.gateway.metrics.count_call, desk.policy.route)
        self.tokens = TokenBudget(desk.policy.max_tokens_total, count)
        self._left = left or exchange.left_s
        self.watch = Stopwatch()
        self.judge = WatchedJudge(desk.judge, audits, self._left, self.watch, desk.policy.deadline_s.audit)
        self._exchange = exchange
        self._secrets = exchange.gateway.upstream.credentials
        self._context = context_of(exchange.parsed())
        own = LooseAsk(dict.fromkeys(ROLES, UpstreamModel(exchange)))
        doors = {role: desk.doors.get(role, own) for role in ROLES}
        self._asked = TimedAsk(doors, self.tokens, self._left, self.watch, self._secrets)
        self._ask = CountedAsk(self._asked)

    def reply_asked(self) -> None:
        """Count a call for the reply, which is about to be made."""
        self._exchange.drawn = True
        self.tokens.called()

    def go_on(self, left: Left) -> None:
        """Read with other time than until now; what was read stays read, and what could not be is tried again."""
        self._left = self._asked.left = left
        self.judge.go_on(left)

    async def read(self, text: str) -> Verdict:
        """The auditor on a text; one that was unescaped or joined may hold a key that its pieces did not."""
        text = self._secrets.out_of(text)
        auditor = Auditor(self.judge, self.desk.values, budget=0, on_lost="stand")
        return await auditor.read(text, self.desk.target, self._ask)

    async def mend(self, text: str, budget: int, margin: float) -> Trail:
        """Audit a text, and rewrite it where it falls short."""
        auditor = Auditor(self.judge, self.desk.values, budget=budget, margin=margin, on_lost="stand")
        return await auditor.audit(text, self.desk.target, self._context, self._ask)

    async def choice(self, choice: Mapping[str, Any]) -> ChoiceAudit:
        """The auditor on everything that the message of a choice says.

        Args:
            choice: as the upstream sent it.
        """
        policy, target = self.desk.policy, self.desk.target
        message = choice.get("message")
        parts = parts_of(allowed_message(message))
        if policy.mode != "enforce" and isinstance(message, dict):  # where they do not stay behind
            parts += [part for part in (thought(message), cited(message)) if part is not None]
        verdicts = await gathered([self.read(part.text) for part in parts])
        found = tuple(part_audit(part, one, target, policy) for part, one in zip(parts, verdicts, strict=True))
        return ChoiceAudit(found, unknown_shape(choice, media=policy.mode != "enforce"))

    def spent(self) -> tuple[Spent, ...]:
        """What the roles' calls took."""
        return self._ask.spent()

    @property
    def may_come(self) -> bool:
        """Whether an audit that is missing may succeed for the same request later."""
        return self.judge.lost and not self.tokens.used_up

    @property
    def calls(self) -> int:
        """Calls of models by all roles, failed ones too."""
        return self._asked.calls


async def gathered(awaitables: Sequence[Any]) -> list[Any]:
    """The results of all, in order; the first failure ends the others."""
    if len(awaitables) == 1:
        return [await awaitables[0]]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in awaitables]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


def content_of(choice: Mapping[str, Any]) -> str:
    """The text of an upstream's choice; "" where it has none."""
    return allowed_message(choice.get("message")).get(CONTENT) or ""
