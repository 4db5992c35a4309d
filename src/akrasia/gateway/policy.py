"""What the gateway does with whose traffic: the records that a policy file becomes.

Reading and checking the file is `policy_file`'s business; carrying a policy out is the modes'.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cached_property
from hashlib import blake2b
from typing import Literal

import msgspec
from msgspec import Struct

from akrasia.gateway.stamps import Stamp
from akrasia.strategies import STRATEGIES
from akrasia.values import Taxonomy

ModeName = Literal["pass", "observe", "annotate", "enforce"]
OnAuditError = Literal["open", "closed"]
OnFail = Literal["rewrite", "stop", "annotate"]
Release = Literal["whole", "sentences"]

JUDGED = ("best_of_n", "audited", "adaptive")
"""Strategies that go by a judge."""

LIVE_STRATEGIES = ("adaptive", "audited", "best_of_n", "direct", "self_consistency")
"""Names of the strategies that live traffic can be answered with."""

NO_ROUTE = "default"
"""What metrics have for the route of a request that the top level applies to."""

UNROUTED = "unrouted"
"""What they have for route and mode of a request that was refused before it had any."""

AUDIT_KEY_VARIABLE = "AKRASIA_AUDIT_API_KEY"
"""Holds the key of the auditor's models that are not at the upstream."""

STOP_TEXT = "This reply was withheld because it did not pass the audit of this deployment's values."


class Deadlines(Struct, frozen=True, forbid_unknown_fields=True):
    """How long one request may take, in seconds; None sets no limit.

    Attributes:
        total: from the request's arrival to the end of the answer.
        upstream: one call to the upstream, until its answer is whole; of a reply that is streamed through, until it
            begins.
        audit: one reading by the auditor.
        rewrite: all revisions of one reply together.
    """

    total: float | None = None
    upstream: float | None = None
    audit: float | None = None
    rewrite: float | None = None


NO_DEADLINES = Deadlines()


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """What the server bears, whatever the policy of a request.

    Attributes:
        body_bytes: the largest request body.
        reply_bytes: the largest reply that is audited, and the largest text that a judge is given; a larger one counts
            as not audited.
        header_count, header_bytes: headers of one request, and bytes of one header field.
        concurrency: requests under way; one more is answered 503 with Retry-After.
        connections: open connections; one more is closed at once.
        read_s: how long a request's body may take to arrive.
        write_s: how long a client may take to accept one piece of the answer.
        idle_s: how long a connection may stay without a whole request's headers.
        connect_s: how long connecting to the upstream may take.
        stall_s: how long the upstream may stay silent, before its answer and between two pieces of it.
        drain_s: how long requests under way may go on after the server was told to stop.
        audits: readings at once: of an LLM judge that takes a second, so many replies per second can be audited. The
            encoder reads one text after another, whatever is said here.
        rotate_mb: from how many MiB on the audit log goes on in a new file; None: never.
    """

    body_bytes: int = 16 * 2**20
    reply_bytes: int = 16 * 2**20
    header_count: int = 64
    header_bytes: int = 16 * 2**10
    concurrency: int = 1024
    connections: int = 8192
    read_s: float = 30.0
    write_s: float = 30.0
    idle_s: float = 75.0
    connect_s: float = 10.0
    stall_s: float = 300.0
    drain_s: float = 30.0
    audits: int = 32
    rotate_mb: float | None = None


OF_THE_START = ("header_count", "header_bytes", "idle_s", "connect_s", "stall_s", "drain_s", "rotate_mb")
"""Limits that a reload does not change; nor does it `audits`, once something is audited."""


class Policy(Struct, frozen=True, kw_only=True, dict=True):
    """What applies to one request: the file's top level, with what its route says in its place.

    Attributes:
        name: the file's `name`, or else the file's own name without its ending.
        route: the name of the route that leads to it (its model or header, where it says none); None: the default.
        mode: what is done with a reply.
        constitution: the values that replies are held against; None where nothing is audited.
        judge: who reads them, as for `--judge`.
        strategies: the strategies that a client may name, with their parameters.
        default_strategy: the one where a client names none.
        on_audit_error: whether a reply leaves (open) or not (closed) when it cannot be audited.
        on_fail: what is done with a reply that fails its audit.
        fail_under: a reply whose adherence is below this fails; so does one that betrays a value or lacks a required
            one.
        rewriter, planner, guard: models that mend replies, as for `--model`; None: the request's own model.
        revisions: how often a reply may be rewritten.
        margin: by how much a rewrite must raise adherence.
        stop_text: what stands in the place of a reply that was stopped.
        release: whether an enforced reply leaves whole, or by sentences as they are audited.
        prior: file of the prior that `adaptive` starts from.
        deadline_s: see `Deadlines`.
        max_tokens_total: the most tokens that all calls of one request may take together; None: no limit.
        redact: patterns that are blotted out of the audit log.
    """

    name: str = "policy"
    route: str | None = None
    mode: ModeName = "pass"
    constitution: Taxonomy | None = None
    judge: str | None = None
    strategies: tuple[str, ...] = ("direct",)
    default_strategy: str = "direct"
    on_audit_error: OnAuditError = "closed"
    on_fail: OnFail = "stop"
    fail_under: float = 0.0
    rewriter: str | None = None
    planner: str | None = None
    guard: str | None = None
    revisions: int = 1
    margin: float = 0.05
    stop_text: str = STOP_TEXT
    release: Release = "whole"
    prior: str | None = None
    deadline_s: Deadlines = NO_DEADLINES
    max_tokens_total: int | None = None
    redact: tuple[str, ...] = ()

    def allows(self, strategy: str) -> bool:
        """Whether clients may name a strategy, with whatever parameters."""
        return any(re.split("[:?]", text, maxsplit=1)[0] == strategy for text in self.strategies)

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hex digits over all of it, constitution included: the version that records name."""
        return blake2b(msgspec.json.encode(self), digest_size=8).hexdigest()


class Route(Struct, frozen=True):
    """To which requests a policy applies.

    Attributes:
        policy: what applies.
        model: pattern of the model's name, without a strategy: `*` matches anything, `?` one character, `[ab]` one of
            those, `[!ab]` one other. Capitals count. None: any model.
        header: name (lower case) and value of a header. None: whatever the headers.
    """

    policy: Policy
    model: str | None = None
    header: tuple[str, str] | None = None

    def matches(self, model: str, headers: Mapping[str, str]) -> bool:
        """Whether a request for this model with these headers takes this route."""
        if self.model is not None and not fnmatchcase(model, self.model):
            return False
        if self.header is None:
            return True
        wanted, said = self.header  # a header that is sent twice says both
        return any(value == said and name.lower() == wanted for name, value in headers.items())


class Policies(Struct, frozen=True, dict=True):
    """A whole policy file.

    Attributes:
        default: what applies where no route does.
        routes: in order; the first that matches counts.
        limits: see `Limits`.
        keys: file of the API keys that clients need; None: none unless `--keys` names one.
        stamps: the files that were read, each as it was just before, so that any change since is noticed.
        mode_given: whether the file's top level says a mode, or `pass` applies because it says none.
        notices: a line of each key without an effect, with its place in the file.
        empty: whether the file has no key at all.
    """

    default: Policy
    routes: tuple[Route, ...] = ()
    limits: Limits = Limits()
    keys: str | None = None
    stamps: dict[str, Stamp] = {}
    mode_given: bool = True
    notices: tuple[str, ...] = ()
    empty: bool = False

    def policy_for(self, model: str, headers: Mapping[str, str]) -> Policy:
        """What applies to a request.

        Args:
            model: as the client names it, without a strategy.
            headers: by name, in any case; a name may stand there several times.
        """
        for route in self.routes:
            if route.matches(model, headers):
                return route.policy
        return self.default

    @property
    def all(self) -> tuple[Policy, ...]:
        """Every policy of the file, the default first."""
        return (self.default, *(route.policy for route in self.routes))


def split_strategy(name: str) -> tuple[str, str | None]:
    """Take a model's name apart: ``NAME@STRATEGY`` → (NAME, STRATEGY), and any other name → (name, None).

    It is split at the last ``@``, and only if what follows is a strategy: ``foo@bar`` is a model's name.
    """
    model, mark, text = name.rpartition("@")
    if not mark or not model or not is_strategy(text):
        return name, None
    return model, text


def is_strategy(text: str) -> bool:
    """Whether a text such as ``best_of_n:4`` names a strategy, whether or not live traffic can use it."""
    name = text.partition(":")[0].partition("?")[0]
    return name in LIVE_STRATEGIES or name in STRATEGIES
