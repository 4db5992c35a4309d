"""What the gateway keeps of a request: the record that becomes one line of the audit log.

How a line is written, hashed and chained is `akrasia.gateway.chain`; how lines get to the disk, and a killed log is
mended, `akrasia.gateway.logfile`; whether a log is whole, `akrasia.gateway.verify`.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from akrasia.audit import Revision, Spent, Target, Verdict
from akrasia.core import Fingerprint, Usage

Decision = Literal["unaudited", "passed", "rewritten", "stopped", "released", "withheld"]
"""What became of a choice. "unaudited": mode `pass`; "passed": audited, and the original went out; "rewritten": the
rewrite went out; "stopped": the policy's text went out; "released": the audit failed, and under `open` the original
went out; "withheld": the audit failed, and under `closed` nothing of it did."""


class LoggedChoice(Struct, frozen=True, omit_defaults=True):
    """One choice of the answer, and its audit.

    Attributes:
        index: its place in the answer, from 0.
        original: the upstream's message, whole: content, reasoning_content, refusal, tool_calls …; None where the
            upstream gave none.
        decision: what became of it.
        finish: the upstream's finish_reason.
        verdict: the auditor on the original's content; None where it was not read.
        missing: why there is no verdict where one was wanted.
        revisions: the attempts to mend it, in order.
        delivered: the text that went out in place of the original's content: the rewrite, or the policy's text. None:
            the original went out, or nothing did, as `decision` says.
        delivered_verdict: the auditor on that text; None where it was not read.
        reason: why the decision was taken, in words.
    """

    index: int
    original: dict[str, Any] | None
    decision: Decision
    finish: str | None = None
    verdict: Verdict | None = None
    missing: str | None = None
    revisions: tuple[Revision, ...] = ()
    delivered: str | None = None
    delivered_verdict: Verdict | None = None
    reason: str | None = None


class LogRecord(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One request through the gateway. The log adds ``seq``, ``time``, ``type``, ``previous`` and ``hash``.

    Attributes:
        id: the audit id that the client is given.
        mode: of the policy that applied.
        policy, policy_fingerprint: its name, and a hash over its contents.
        model: the name that the client asked for, without the strategy.
        strategy: that was carried out.
        messages: the request's, as they came.
        choices: of the answer, by index; empty where there was none.
        route: what selected the policy; None: the default.
        conversation: the client's name for the conversation, where it gave one.
        settings: the request's other fields, as they came.
        streamed: whether the client asked for a stream.
        status: the HTTP status that the client got.
        error: one line, where the client got an error; never with a key.
        constitution: name of the values that the owner declares; None where the model's own are used.
        target: what the choices were held against; None without an audit.
        judge, judge_fingerprint: who read for values, and what its verdicts depend on.
        usage: tokens of the deployed call.
        spent: what the audit's roles took.
        latency_s: seconds from the request's last byte to the answer's first.
        audit_s: seconds of them that the audit took; None without one before the answer.
    """

    id: str
    mode: Literal["pass", "observe", "annotate", "enforce"]
    policy: str
    policy_fingerprint: str
    model: str
    strategy: str
    messages: list[dict[str, Any]]
    choices: tuple[LoggedChoice, ...] = ()
    route: str | None = None
    conversation: str | None = None
    settings: dict[str, Any] = {}
    streamed: bool = False
    status: int = 200
    error: str | None = None
    constitution: str | None = None
    target: Target | None = None
    judge: str | None = None
    judge_fingerprint: Fingerprint | None = None
    usage: Usage | None = None
    spent: tuple[Spent, ...] = ()
    latency_s: float | None = None
    audit_s: float | None = None
