"""The gateway's audit log as this side reads it: its requests, and the item and candidates that each choice becomes.

A line is decoded into what is used of it, whatever else it holds. Requests are read in order, one at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, cast

import msgspec
from msgspec import Struct

from akrasia.audit.records import Target, Verdict
from akrasia.core import (
    Candidate,
    Fingerprint,
    InputError,
    Item,
    Judgement,
    Message,
    Reading,
    Score,
    StageJudgement,
    Usage,
)
from akrasia.core.records import Finish
from akrasia.runs.manifest import DECLARED
from akrasia.runs.origin import Origin
from akrasia.runs.packed import open_unpacked

STATED = "stated"
"""Stands for a judge's name where the audit was given what the model stated; of a constitution that is `DECLARED`."""

REASONING = "reasoning"
"""Under which name the gateway keeps the verdict on a reply's separate reasoning."""

NO_TEXT = "no text in the answer"


class Choice(Struct):
    """What is used of a choice; see `akrasia.gateway.log.LoggedChoice`."""

    index: int
    original: dict[str, Any] | None
    decision: str
    finish: str | None = None
    verdict: Verdict | None = None
    missing: str | None = None
    delivered: str | None = None
    delivered_verdict: Verdict | None = None
    reason: str | None = None
    others: dict[str, Verdict] = {}


class LoggedRequest(Struct):
    """What is used of a request; see `akrasia.gateway.log.LogRecord`."""

    id: str
    time: str
    mode: str
    policy: str
    model: str
    strategy: str
    messages: list[dict[str, Any]]
    choices: tuple[Choice, ...] = ()
    route: str | None = None
    conversation: str | None = None
    settings: dict[str, Any] = {}
    constitution: str | None = None
    target: Target | None = None
    judge: str | None = None
    judge_fingerprint: Fingerprint | None = None
    usage: Usage | None = None

    @property
    def audited(self) -> tuple[Choice, ...]:
        """The choices that were to be audited."""
        return tuple(one for one in self.choices if one.decision != "unaudited") if self.target is not None else ()


class Source(Origin, frozen=True):
    """Where a run comes from, and what was read of it.

    Attributes:
        requests: lines that were read.
        unaudited: those of them that no audit was wanted for: they are no items.
        unanswered: those without any answer: errors.
        unreadable: lines that could not be read, of a log that was not verified.
    """

    requests: int = 0
    unaudited: int = 0
    unanswered: int = 0
    unreadable: int = 0


class _Kind(Struct):
    type: str


def requests_of(source: Source, counts: dict[str, int] | None = None) -> Iterator[LoggedRequest]:
    """The requests of a log, in order; of one that is not verified, those that can be read."""
    kind = msgspec.json.Decoder(_Kind)
    decode = msgspec.json.Decoder(LoggedRequest).decode
    for name in source.files:
        with open_unpacked(Path(name)) as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    break  # torn
                try:
                    if kind.decode(line).type == "request":
                        yield decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                    if source.verified:
                        raise InputError(
                            f"{name}, line {number}: no request as this Akrasia logs it: {error}"
                        ) from None
                    if counts is not None:
                        counts["unreadable"] += 1


def item_of(record: LoggedRequest, choice: Choice) -> Item:
    """A choice as an item of a suite; its domain is the route that selected the policy."""
    messages = messages_of(record)
    first = next((message.content for message in messages if message.role == "user"), record.id)
    cluster = record.conversation or blake2b(first.encode(), digest_size=8).hexdigest()
    about = {"time": record.time, "policy": record.policy, "mode": record.mode, "decision": choice.decision}
    return Item(
        id=f"{record.id}#{choice.index}" if choice.index else record.id,
        input=messages,
        cluster=cluster,
        metadata={**about, "domain": record.route or ""},
    )


def messages_of(record: LoggedRequest) -> tuple[Message, ...]:
    """The conversation as texts."""
    return tuple(Message(str(one.get("role", "")), _text(one) or "") for one in record.messages)


def _text(message: Mapping[str, Any]) -> str | None:
    """A message as text: its content, the texts of its parts, a refusal, and tool calls as JSON."""
    content = message.get("content")
    parts = [content] if isinstance(content, str) else []
    for part in content if isinstance(content, list) else []:
        if isinstance(part, Mapping):
            parts.append(str(part["text"]) if "text" in part else f"[{part.get('type', 'part')}]")
    if message.get("refusal"):
        parts.append(str(message["refusal"]))
    if message.get("tool_calls"):
        parts.append(msgspec.json.encode(message["tool_calls"]).decode())
    return "\n".join(parts) if parts else None


def said_in(choice: Choice) -> str | None:
    """What the upstream said, as text; None where there is none."""
    return None if choice.original is None else _text(choice.original)


def candidates_of(record: LoggedRequest, choice: Choice, judge: str) -> dict[str, tuple[Candidate, Score]]:
    """What stands for one choice in a cell of each kind: "state", "original" and "delivered"."""
    said = said_in(choice)
    if said is None:
        original = (Candidate(None, missing=NO_TEXT), Score(None, missing=NO_TEXT))
    else:
        message = choice.original or {}
        thought = message.get("reasoning_content") or message.get("reasoning")
        reasoning = thought if isinstance(thought, str) and thought else None
        known = choice.finish in ("stop", "length", "content_filter", "tool_calls")
        candidate = Candidate(said, reasoning, cast(Finish, choice.finish if known else "unknown"))
        original = (candidate, _score(choice, choice.verdict, judge))
    delivered = original
    if choice.decision == "withheld":
        why = f"withheld: {choice.reason or choice.missing or 'the audit failed'}"
        delivered = (Candidate(None, missing=why), Score(None, missing=why))
    elif choice.decision == "stopped":
        text = Candidate(choice.delivered or "", finish="content_filter")
        delivered = (text, Score(None, missing="stopped: the policy's own text went out"))
    elif choice.decision == "rewritten":
        rewrite = Candidate(choice.delivered or "", original[0].reasoning)  # the same deliberation came before it
        delivered = (rewrite, _score(choice, choice.delivered_verdict, judge))
    return {"state": stated_by(record, choice), "original": original, "delivered": delivered}


def _score(choice: Choice, verdict: Verdict | None, judge: str) -> Score:
    thought = choice.others.get(REASONING)
    read = () if thought is None else (StageJudgement("reasoning", judge, 0, thought.judgement),)
    if verdict is None:
        return Score(None, missing=choice.missing or "the audit gave no verdict", judgements=read)
    found = StageJudgement("action", judge, 0, verdict.judgement)
    return Score(None, missing=verdict.judgement.missing, judgements=(found, *read))


def stated_by(record: LoggedRequest, choice: Choice) -> tuple[Candidate, Score]:
    """The values that the choice was held against, as what is stated to its item.

    All of a target are present, and the heavier a value, the higher its grade: from just above one half to 1. Where
    the target is exclusive the other values that were read are stated not to guide; else they are unknown, and count
    nowhere.
    """
    target = record.target or Target({})
    heaviest = max(target.weights.values(), default=1.0)
    readings = {value: Reading(0.5 + weight / heaviest / 2, "upholds") for value, weight in target.weights.items()}
    if target.exclusive:
        for verdict in (choice.verdict, choice.delivered_verdict):
            for value in verdict.judgement.readings if verdict is not None else ():
                readings.setdefault(value, Reading(0.0))
    by = f"Declared by the constitution {record.constitution}" if record.constitution else "Stated by the model"
    text = f"{by}: {', '.join(target.weights)}."
    judged = StageJudgement("stated", DECLARED if record.constitution else STATED, 0, Judgement(readings))
    return Candidate(text, stage="stated"), Score(None, judgements=(judged,))
