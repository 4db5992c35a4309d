"""Writing requests into the audit log, and telling clients of their audits."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from akrasia.audit import Spent, Target
from akrasia.core import AkrasiaError, StoreFailed
from akrasia.gateway.credentials import Credentials, shown_in
from akrasia.gateway.log import LoggedChoice, LogRecord
from akrasia.gateway.records import settings_of, usage_record
from akrasia.gateway.stream import in_one_line
from akrasia.gateway.wire import ANSWERED_200, Body, WireError

if TYPE_CHECKING:
    from akrasia.gateway.desk import Desk
    from akrasia.gateway.exchange import Exchange
    from akrasia.gateway.log import AuditLog

CONVERSATION = "x-akrasia-conversation"
"""Header in which a client may name the conversation that a request belongs to."""


class Kept(Struct):
    """What the log keeps of a request besides the request itself.

    Attributes:
        choices: of the answer.
        status: that the client got.
        error: one line, where the client got an error.
        spent: what the audit's roles took.
        latency_s: from the request to the answer's beginning; None where that is not known.
        audit_s: seconds that readings and rewriting went on before the answer; None without any.
        audited: whether there was an audit, so that target and judge are named.
    """

    choices: Sequence[LoggedChoice] = ()
    status: int = 200
    error: str | None = None
    spent: tuple[Spent, ...] = ()
    latency_s: float | None = None
    audit_s: float | None = None
    audited: bool = True


def record_of(exchange: Exchange, desk: Desk, kept: Kept) -> LogRecord:
    """The record of a request."""
    policy = exchange.policy
    request = _request_of(exchange)
    target: Target | None = desk.target if kept.audited else None
    return LogRecord(
        id=exchange.id,
        mode=policy.mode,
        policy=policy.name,
        policy_fingerprint=policy.fingerprint,
        model=exchange.model,
        strategy=exchange.strategy,
        messages=request.get("messages") or [],
        choices=tuple(kept.choices),
        route=policy.route,
        conversation=exchange.request.headers.get(CONVERSATION),
        settings=settings_of(request),
        streamed=bool(exchange.head.stream),
        status=kept.status,
        error=kept.error,
        constitution=desk.values.name,
        target=target,
        judge=desk.judge.name if kept.audited else None,
        judge_fingerprint=desk.judge.fingerprint if kept.audited else None,
        usage=usage_record(*exchange.usage),
        spent=kept.spent,
        latency_s=kept.latency_s,
        audit_s=kept.audit_s,
    )


async def keep(exchange: Exchange, desk: Desk, kept: Kept) -> bool:
    """Write a request into the log; it is on the disk when this returns.

    Returns:
        False where the gateway keeps no log.

    Raises:
        StoreFailed: it cannot be written.
    """
    log = exchange.gateway.log
    if log is None:
        return False
    record = record_of(exchange, desk, kept)
    exchange.kept = True
    try:
        await _append(log, exchange, desk, record)
    except StoreFailed:
        raise
    except Exception:  # a defect on the way there: the log has nothing of it, and may get less
        exchange.kept = False
        raise
    return True


async def keep_window(exchange: Exchange, desk: Desk, choice: LoggedChoice, number: int) -> bool:
    """Write down a part of a reply that is about to leave.

    It names no target, so that only the whole, which is written at the end, counts as the request's audit. Where the
    policy redacts, it holds no text: what a pattern finds in the whole may be cut in two here.

    Returns:
        False where the gateway keeps no log.

    Raises:
        StoreFailed: it cannot be written.
    """
    log = exchange.gateway.log
    if log is None:
        return False
    if desk.redactor is not None:
        choice = replace(choice, original=None, verdict=None, others={}, beside={})
    record = record_of(exchange, desk, Kept([choice], audited=False))
    await _append(log, exchange, desk, replace(record, messages=[], settings={"window": number}))
    return True


async def _append(log: AuditLog, exchange: Exchange, desk: Desk, record: LogRecord) -> None:
    """Append a record. The operator is told of the first that cannot be written, and when one can again.

    Raises:
        StoreFailed: it cannot be written.
    """
    gateway = exchange.gateway
    try:
        await log.append(record, desk.redactor, credentials_of(exchange))
    except StoreFailed as error:
        gateway.unlogged += 1
        if gateway.unlogged == 1:
            gateway.notice(f"audits cannot be logged: {error} (told again when they can)")
        raise
    if gateway.unlogged:
        gateway.notice(f"audits are logged again; records that the audit log lacks: {gateway.unlogged}")
        gateway.unlogged = 0


def credentials_of(exchange: Exchange) -> Credentials:
    """The keys that no record of a request may hold: the upstream's, and what the client showed."""
    return Credentials(exchange.gateway.upstream.key, *shown_in(exchange.request.headers))


def since(exchange: Exchange) -> float:
    """Seconds since the request came."""
    return round(perf_counter() - exchange.began, 6)


def comment(told: Body) -> bytes:
    """What a client is told, as a comment of an event stream."""
    return b": akrasia " + in_one_line(msgspec.json.encode(told)) + b"\n\n"


def audit_headers(exchange: Exchange) -> dict[str, str]:
    """The headers that name the audit."""
    return {"x-akrasia-audit-id": exchange.id}


def defect_line(error: Exception) -> str:
    """What the log says of a request that an unexpected exception ended: never the exception's text."""
    return f"nothing more left by a defect of the gateway: {type(error).__name__}"


def error_line(error: WireError | AkrasiaError) -> str:
    """An error, and what the upstream said, in one line for the log."""
    said = str(error)
    if isinstance(error, WireError):
        answered = "HTTP 200 with an error" if error.reason == ANSWERED_200 else f"HTTP {error.status}"
        said = f"{answered}: {said}"
    return " ".join(said.split())


def _request_of(exchange: Exchange) -> Body:
    try:
        return exchange.parsed()
    except WireError:
        return {}
