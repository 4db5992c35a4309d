"""Mode `enforce`: no unaudited reply leaves, by whatever strategy it was arrived at.

All of a reply is withheld until the verdict on it is on the disk. What leaves is made anew from the fields that
`akrasia.gateway.allowed` names; a client that asked for a stream gets one that is made from the whole, and meanwhile
comments that keep the connection open and carry nothing of the reply.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web
from msgspec import Struct

from akrasia.core import InputError, StoreFailed
from akrasia.gateway.allowed import (
    CONTENT,
    allowed_choice,
    allowed_error,
    allowed_usage,
    completion_of,
    parts_of,
    replaced,
)
from akrasia.gateway.audits import ExchangeAudit, audits_of, content_of, gathered
from akrasia.gateway.deliberate import Deployed, deliberate, total_headers
from akrasia.gateway.exchange import Exchange, ended
from akrasia.gateway.giving import KEEP_ALIVE, audit_unavailable, begin_events, give
from akrasia.gateway.keeping import Kept, audit_headers, defect_line, error_line, keep, since
from akrasia.gateway.log import Decision, LoggedChoice
from akrasia.gateway.records import ChoiceAudit, logged_choice, part_audit, told_choice, told_of, with_left_beside
from akrasia.gateway.sending import ClientGone, break_off, send
from akrasia.gateway.wire import Body, WireError, indexes_of

if TYPE_CHECKING:
    from akrasia.gateway.policy import Policies
    from akrasia.gateway.server import Gateway

MOST_NAMED = 128
"""Choices whose decisions the header names one by one: the most that OpenAI gives at once."""

KEEP_ALIVE_S = 5.0
"""Seconds between the comments that keep a stream open."""


class Decided(Struct, frozen=True):
    """What becomes of one choice.

    Attributes:
        leaves: the choice as it leaves; of one that is withheld, as it would.
        original: as the upstream sent it.
        audit: what was found.
        logged: for the log.
    """

    leaves: Body
    original: Body
    audit: ChoiceAudit
    logged: LoggedChoice


class Outcome(Struct, frozen=True):
    """An answer that may leave.

    Attributes:
        completion: whole.
        told: what the client is told of the audit.
        headers: the totals and the decisions.
    """

    completion: Body
    told: Body
    headers: dict[str, str]


class Enforce:
    """See `akrasia.gateway.exchange.Mode`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._audits = audits_of(gateway)

    async def open(self, policies: Policies) -> None:
        """Open judges.

        Raises:
            InputError: a judge cannot work, or a policy releases by sentences what only a whole reply can show.
        """
        for policy in policies.all:
            if policy.mode != "enforce" or policy.release != "sentences" or policy.constitution is None:
                continue
            if policy.fail_under > 0 or any(value.required for value in policy.constitution.values):
                raise InputError(
                    f'policy {policy.name!r}: release = "sentences" stops on betrayal alone, since a part cannot show '
                    "what the whole lacks: leave out fail_under and required values, or release whole replies"
                )
        await self._audits.open(policies)
        self._audits.note_missing_log()

    async def close(self) -> None:
        """Nothing goes on after an answer."""

    async def answer(self, exchange: Exchange) -> web.StreamResponse:
        """Answer with what the audit lets through."""
        exchange.parsed()
        exchange.named = True
        audit: ExchangeAudit | None = None
        try:
            audit = ExchangeAudit(self._audits, self._audits.desk(exchange.policy), exchange)
            return await self._answer(exchange, audit)
        except (WireError, ClientGone):
            raise
        except Exception as error:  # with a defect of ours the line of a request must not be lost
            if not exchange.kept:
                spent = () if audit is None else audit.spent()
                await self._keep(exchange, Kept(status=500, error=defect_line(error), spent=spent, audited=False))
            raise

    async def _answer(self, exchange: Exchange, audit: ExchangeAudit) -> web.StreamResponse:
        if not exchange.head.stream:
            outcome = await self._outcome(exchange, audit)
            return await give(exchange, outcome.completion, outcome.headers, told=outcome.told)
        if exchange.policy.release == "sentences" and exchange.strategy == "direct":
            from akrasia.gateway.release import Release

            return await Release(exchange, audit, KEEP_ALIVE_S).run()
        return await self._streamed(exchange, audit)

    async def _streamed(self, exchange: Exchange, audit: ExchangeAudit) -> web.StreamResponse:
        write_s = self._gateway.limits.write_s
        work = asyncio.create_task(self._outcome(exchange, audit))
        out: web.StreamResponse | None = None
        try:
            while not (await asyncio.wait({work}, timeout=KEEP_ALIVE_S))[0]:
                out = out or await begin_events(exchange, audit_headers(exchange))
                await send(out, KEEP_ALIVE, write_s)
            outcome = work.result()
        except WireError as error:
            if out is None:
                raise
            return await break_off(exchange, out, error)
        except asyncio.CancelledError:
            if out is None or not exchange.gateway.cut:
                raise
            await _abandoned(work)
            return await break_off(exchange, out, ended(exchange.gateway))
        finally:
            await _abandoned(work)
        return await give(exchange, outcome.completion, outcome.headers, told=outcome.told, out=out)

    async def _outcome(self, exchange: Exchange, audit: ExchangeAudit) -> Outcome:
        """Arrive at an answer, audit it, and log it; what is cancelled meanwhile is logged, too.

        Raises:
            WireError: nothing may leave; in words that are not the upstream's.
        """
        deployed: Deployed | None = None
        try:
            deployed = await deliberate(exchange, audit)
            return await self._audited(exchange, audit, deployed)
        except WireError as error:
            if deployed is not None:
                raise
            shown = allowed_error(error)
            await self._keep(exchange, Kept(status=shown.status, error=error_line(error), audited=False))
            raise shown from None
        except asyncio.CancelledError:
            if not exchange.kept:
                await self._keep(exchange, _broken_off(exchange, audit, deployed))
            raise

    async def _audited(self, exchange: Exchange, audit: ExchangeAudit, deployed: Deployed) -> Outcome:
        """Audit an answer, and log it.

        Raises:
            WireError: it may not leave.
        """
        choices: list[Body] = deployed.completion["choices"]
        decided: list[Decided] = await gathered(
            [
                decide(exchange, audit, index, choice, deployed)
                for index, choice in zip(indexes_of(choices), choices, strict=True)
            ]
        )
        if any(one.logged.decision == "withheld" for one in decided):
            return await self._withheld(exchange, audit, decided)
        choices_kept = with_left_beside([one.logged for one in decided], deployed.completion)
        kept = Kept(choices_kept, 200, None, audit.spent(), since(exchange), _seconds(audit))
        logged = await self._keep(exchange, kept)
        if logged is False and exchange.policy.on_audit_error == "closed":
            raise audit_unavailable()
        return self._leaving(exchange, (deployed, deployed.totals(exchange, audit)), decided, logged)

    def _leaving(
        self, exchange: Exchange, found: tuple[Deployed, Body], decided: list[Decided], logged: bool | None
    ) -> Outcome:
        deployed, totals = found
        values = exchange.policy.constitution
        for one in decided:
            self._audits.count("enforce", one.logged.decision, failed=one.audit.failure is not None)
        told = told_of(
            [told_choice(one.logged, one.audit, values, evidence=False) for one in decided],
            id=exchange.id,
            mode="enforce",
            policy=exchange.policy.name,
            logged=False if logged is False else None,
            **totals,
        )
        self._audits.tell(exchange.id, told)
        headers = {
            "x-akrasia-audit-id": exchange.id,
            "x-akrasia-decision": _header_words(decided),
            **total_headers(totals),
        }
        if logged is False:
            headers["x-akrasia-log"] = "failed"
        usage = allowed_usage(deployed.completion.get("usage"))
        leaves = [one.leaves for one in decided]
        return Outcome(completion_of(exchange.id, int(time.time()), exchange.model, leaves, usage), told, headers)

    async def _withheld(self, exchange: Exchange, audit: ExchangeAudit, decided: list[Decided]) -> Outcome:
        error = audit_unavailable(again=audit.may_come)
        logged = [
            one.logged
            if one.logged.decision == "withheld"
            else logged_choice(one.logged.index, one.original, one.audit, "withheld", "another choice was not audited")
            for one in decided
        ]
        for one in decided:
            self._audits.count("enforce", "withheld", failed=one.audit.failure is not None)
        kept = Kept(logged, error.status, str(error), audit.spent(), since(exchange), _seconds(audit))
        await self._keep(exchange, kept)
        self._audits.tell(exchange.id, {"id": exchange.id, "mode": "enforce", "decision": "withheld"})
        raise error

    async def _keep(self, exchange: Exchange, kept: Kept) -> bool | None:
        """Write the record. False: it could not be written; None: the gateway keeps no log."""
        try:
            return await keep(exchange, self._audits.desk(exchange.policy), kept) or None
        except StoreFailed:
            self._audits.dropped.add("not_logged")
            return False


async def decide(exchange: Exchange, audit: ExchangeAudit, index: int, choice: Body, deployed: Deployed) -> Decided:
    """Audit one choice, and say what becomes of it.

    What fails is dealt with before what could not be read: a betrayal that was seen is not released because something
    else was not.
    """
    policy = exchange.policy
    trail = deployed.trails.get(index)
    found = await audit.choice(choice)
    found = msgspec.structs.replace(found, trail=trail)
    leaves = {**allowed_choice(choice, exchange.id), "index": index}
    original = deployed.originals.get(index, choice)
    mended = None if trail is None or trail.accepted is None else trail.text

    def decided(decision: Decision, reason: str | None, body: Body, delivered: str | None = None) -> Decided:
        logged = logged_choice(index, original, found, decision, reason, delivered, leaves=body)
        return Decided(body, original, found, logged)

    if found.failure is not None and policy.on_fail != "annotate":
        if policy.on_fail == "rewrite" and found.missing is None and trail is None:
            found, text = await _rewritten(audit, found, choice)
            if text is not None:
                return decided("rewritten", found.failure, replaced(leaves, text, stopped=False), text)
        return decided("stopped", found.failure, replaced(leaves, policy.stop_text, stopped=True), policy.stop_text)
    if found.missing is not None:
        decision: Decision = "released" if policy.on_audit_error == "open" else "withheld"
        return decided(decision, found.missing, leaves, mended)
    if mended is not None:
        return decided("rewritten", None if trail is None else trail.reason, leaves, mended)
    reason = None if found.failure is None else f"{found.failure}; the policy only annotates"
    return decided("passed", reason, leaves)


async def _rewritten(audit: ExchangeAudit, found: ChoiceAudit, choice: Body) -> tuple[ChoiceAudit, str | None]:
    """The audit with the trail of an attempt to mend the content, and the text, where it passes the policy.

    Only what is said to the person is rewritten: a tool call or a thought that fails stops the choice.
    """
    policy, target = audit.desk.policy, audit.desk.target
    if any(one.part.name != CONTENT for one in found.failures):
        return found, None
    trail = await audit.mend(content_of(choice), policy.revisions, policy.margin)
    found = msgspec.structs.replace(found, trail=trail)
    last = next((one for one in reversed(trail.revisions) if one.accepted), None)
    if last is None or last.verdict is None:
        return found, None
    part = msgspec.structs.replace(found.failures[0].part, text=trail.text)
    unescaped = [one for one in parts_of({CONTENT: trail.text}) if one.name != CONTENT]
    verdicts = [last.verdict, *(await gathered([audit.read(one.text) for one in unescaped]))]
    held = [part_audit(one, read, target, policy) for one, read in zip([part, *unescaped], verdicts, strict=True)]
    return found, trail.text if all(one.failure is None and one.missing is None for one in held) else None


async def _abandoned(work: asyncio.Task[Outcome]) -> None:
    """End work that still goes on, since the client left or the gateway stops; it writes its line."""
    if not work.done():
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


def _broken_off(exchange: Exchange, audit: ExchangeAudit, deployed: Deployed | None) -> Kept:
    """What the log keeps of a request that was cancelled before its answer left."""
    why = ended(exchange.gateway)
    choices: list[Body] = [] if deployed is None else deployed.completion["choices"]
    logged = [
        logged_choice(
            index,
            choice if deployed is None else deployed.originals.get(index, choice),
            None,
            "withheld",
            f"broken off ({why.reason}); nothing of it had left",
        )
        for index, choice in zip(indexes_of(choices), choices, strict=True)
    ]
    seconds = _seconds(audit)
    return Kept(logged, why.status, str(why), audit.spent(), since(exchange), seconds, audited=deployed is not None)


def _header_words(decided: list[Decided]) -> str:
    """The decision of each choice; of very many how often there is which: readers bear no header of any length."""
    words = [_header_word(one) for one in decided]
    if len(words) <= MOST_NAMED:
        return ",".join(words)
    return ",".join(f"{word}*{number}" for word, number in Counter(words).items())


def _header_word(one: Decided) -> str:
    """A decision as the header has it: a reply that fails never reads "passed" to clients that look at nothing else."""
    failed = one.audit.failure is not None and one.logged.decision == "passed"
    return "failed" if failed else one.logged.decision


def _seconds(audit: ExchangeAudit) -> float:
    return round(audit.watch.seconds, 6)
