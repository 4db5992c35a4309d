"""What an audit of a reply finds, part by part and choice by choice, and how it is told: to the client, and to the log.

Pure. What is then done with the reply is the modes' business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from akrasia.audit import Target, Trail, Verdict, failed_required
from akrasia.audit.adherence import unmeasured
from akrasia.core import Message, Usage
from akrasia.gateway.allowed import CONTENT, Part, unread_escapes
from akrasia.gateway.log import Decision, LoggedChoice
from akrasia.gateway.policy import Policy
from akrasia.gateway.unread import left_beside, left_out, unread_fields
from akrasia.gateway.wire import Body
from akrasia.values import Taxonomy

NOT_WHOLE = "not audited, or not whole: the audit log says why"
"""What a client is told of an audit that is missing."""

_SETTINGS_LEFT_OUT = ("model", "messages")


class PartAudit(Struct, frozen=True):
    """The auditor on one part of a message.

    Attributes:
        part: what was read.
        verdict: what was read in it.
        missing: why it could not be read, or not whole: a value of the target without a reading may be betrayed.
        failure: why it fails the policy, in words; None: it does not.
    """

    part: Part
    verdict: Verdict
    missing: str | None
    failure: str | None


class ChoiceAudit(Struct, frozen=True):
    """The auditor on one choice.

    Attributes:
        parts: what the message says; empty where it says nothing.
        unknown: what in it cannot be audited at all; None: nothing.
        trail: the attempt to mend its content; None where there was none.
    """

    parts: tuple[PartAudit, ...] = ()
    unknown: str | None = None
    trail: Trail | None = None

    @property
    def spoken(self) -> PartAudit | None:
        """The audit of what is said to the person."""
        return next((one for one in self.parts if one.part.spoken), None)

    @property
    def verdict(self) -> Verdict | None:
        """The verdict on what is said to the person; None where nothing is said."""
        return None if self.spoken is None else self.spoken.verdict

    @property
    def adherence(self) -> float | None:
        """Of what is said to the person; None where nothing is said, or it could not be read."""
        return None if self.verdict is None else self.verdict.adherence

    @property
    def missing(self) -> str | None:
        """Why the choice is not audited, at least not whole; None: it is."""
        reasons = [f"{one.part.name}: {one.missing}" for one in self.parts if one.missing is not None]
        return "; ".join([*reasons, *([self.unknown] if self.unknown else [])]) or None

    @property
    def failures(self) -> tuple[PartAudit, ...]:
        """The parts that fail the policy."""
        return tuple(one for one in self.parts if one.failure is not None)

    @property
    def failure(self) -> str | None:
        """Why the choice fails the policy, in words; None: it does not."""
        return "; ".join(one.failure or "" for one in self.failures) or None

    def betrayed(self) -> tuple[str, ...]:
        """The values that any part betrays, each once."""
        return tuple(dict.fromkeys(value for one in self.parts for value in one.verdict.betrayed))


def part_audit(part: Part, verdict: Verdict, target: Target, policy: Policy) -> PartAudit:
    """A verdict held against the policy."""
    missing = unmeasured(verdict, target)
    if missing is None and verdict.unread:
        reasons = [f"{value} ({verdict.judgement.unread.get(value, 'not asked for')})" for value in verdict.unread]
        missing = f"could not read {', '.join(reasons)}"
    missing = missing or unread_escapes(part.text)
    return PartAudit(
        part, verdict, missing, None if verdict.adherence is None else _failure(part, verdict, target, policy)
    )


def _failure(part: Part, verdict: Verdict, target: Target, policy: Policy) -> str | None:
    if verdict.betrayed:
        return f"the {part.name} betrays {', '.join(verdict.betrayed)}"
    if not part.spoken:
        return None
    required = failed_required(verdict, target)
    if required:
        return f"the {part.name} lacks {', '.join(required)}, which is required"
    if verdict.adherence is not None and verdict.adherence < policy.fail_under:
        return f"the {part.name}'s adherence {verdict.adherence:.3f} is below {policy.fail_under:g}"
    return None


def logged_choice(
    index: int, choice: Mapping[str, Any], audit: ChoiceAudit | None, decision: Decision, reason: str | None = None,
    delivered: str | None = None, *, leaves: Mapping[str, Any] | None = None,
) -> LoggedChoice:  # fmt: skip
    """A choice as the log keeps it.

    Args:
        index: its place.
        choice: as the upstream sent it.
        audit: None: it was not audited.
        decision: what became of it.
        reason: why, in words; of a choice that was not audited also why not.
        delivered: the text that went out in place of its content.
        leaves: the choice as it leaves, where that may be less than the upstream sent; None: nothing is taken from it.
    """
    message = choice.get("message")
    finish = choice.get("finish_reason")
    original = message if isinstance(message, dict) or message is None else {"message": message}
    finish = finish if isinstance(finish, str) else None
    inside = original or {}
    beside = {name: field for name, field in unread_fields(choice).items() if name not in inside}
    if audit is None:
        return LoggedChoice(index, original, decision, finish, missing=reason, reason=reason, beside=beside)
    trail = audit.trail
    accepted = None if trail is None else next((r for r in reversed(trail.revisions) if r.accepted), None)
    others = {one.part.name: one.verdict for one in audit.parts if one is not audit.spoken}
    return LoggedChoice(
        index,
        original,
        decision,
        finish,
        verdict=audit.verdict if trail is None else trail.verdict,
        missing=audit.missing,
        revisions=() if trail is None else trail.revisions,
        delivered=delivered,
        delivered_verdict=accepted.verdict if accepted is not None and accepted.text == delivered else None,
        reason=reason,
        others=others,
        left_out=() if leaves is None or decision in ("stopped", "withheld") else left_out(choice, leaves),
        beside=beside,
    )


def with_left_beside(logged: Sequence[LoggedChoice], reply: Mapping[str, Any]) -> list[LoggedChoice]:
    """Choices for the log, of which the first that left tells what of the reply beside them stayed behind."""
    names, found = left_beside(reply), list(logged)
    for place, one in enumerate(found):
        if names and one.decision not in ("stopped", "withheld"):
            found[place] = replace(one, left_out=(*names, *one.left_out))
            break
    return found


def told_choice(logged: LoggedChoice, audit: ChoiceAudit | None, values: Taxonomy | None, *, evidence: bool) -> Body:
    """What a client is told of the audit of a choice.

    Args:
        logged: what became of it.
        audit: None: it was not audited.
        values: the constitution, for the order of the values.
        evidence: whether the words that show a betrayal are told: only of a reply that the client has anyway.
    """
    told: Body = {"index": logged.index, "decision": logged.decision}
    if audit is None or audit.missing is not None:
        told["missing"] = NOT_WHOLE
    if audit is None:
        return told
    verdict = logged.delivered_verdict or audit.verdict
    told["adherence"] = None if verdict is None else verdict.adherence
    betrayed = verdict.betrayed if logged.delivered_verdict is not None and verdict is not None else audit.betrayed()
    told["betrayed"] = list(betrayed)
    told["lacking"] = [] if verdict is None else list(verdict.lacking)
    told["failed"] = logged.decision == "stopped" or (audit.failure is not None and logged.decision != "rewritten")
    if told["failed"]:
        # A window of the content may fail where the whole does not.
        told["failed_in"] = [one.part.name for one in audit.failures] or [CONTENT]
    if evidence and values is not None:
        found = {value: _evidence(audit, value) for value in values.ids if value in betrayed}
        told["evidence"] = {value: words for value, words in found.items() if words is not None}
    return told


def _evidence(audit: ChoiceAudit, value: str) -> str | None:
    for one in audit.parts:
        if value in one.verdict.betrayed:
            return one.verdict.judgement.readings[value].evidence
    return None


def settings_of(request: Mapping[str, Any]) -> Body:
    """A request's fields besides those that have a place of their own in the log."""
    return {name: field for name, field in request.items() if name not in _SETTINGS_LEFT_OUT}


def context_of(request: Mapping[str, Any]) -> tuple[Message, ...]:
    """The conversation as the auditor's roles see it: texts alone."""
    found = []
    for message in request.get("messages") or ():
        content = message.get(CONTENT)
        if isinstance(content, list):
            texts = [part.get("text") for part in content if isinstance(part, dict)]
            content = "\n".join(text for text in texts if isinstance(text, str))
        if isinstance(content, str) and content:
            found.append(Message(str(message.get("role", "user")), content))
    return tuple(found)


def usage_record(prompt: int | None, completion: int | None) -> Usage | None:
    """The tokens of the deployed call; None where nothing of them is known."""
    return None if prompt is None and completion is None else Usage(prompt, completion)


def told_of(choices: Sequence[Body], **more: Any) -> Body:
    """The whole of what a client is told: totals and choices."""
    return {**{name: field for name, field in more.items() if field is not None}, "choices": list(choices)}
