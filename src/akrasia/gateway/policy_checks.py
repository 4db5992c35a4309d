"""What a policy may not ask for: settings that contradict each other, or that can never work.

Each check yields the key that is to blame and what is wrong, in words; file and line are `policy_file`'s business.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import isfinite

from msgspec.structs import asdict

from akrasia.core import InputError
from akrasia.core.registry import near_names
from akrasia.gateway.policy import AUDIT_KEY_VARIABLE, JUDGED, LIVE_STRATEGIES, Limits, Policy, is_strategy
from akrasia.gateway.redact import Redactor

Complaints = list[tuple[str, str]]
"""Keys, each with what is wrong with it."""


def _check_audit(policy: Policy) -> Complaints:
    found: Complaints = []
    if policy.mode != "pass":
        if policy.judge is None:
            found.append(("mode", f'mode {policy.mode!r} audits, and no judge is named: add judge = "encoder"'))
        if policy.constitution is None:
            found.append(
                (
                    "mode",
                    f'mode {policy.mode!r} audits, but against nothing: add constitution = "FILE.toml"',
                )
            )
    if policy.release == "sentences" and policy.mode != "enforce":
        found.append(("release", f'release = "sentences" is for enforce: mode {policy.mode!r} withholds nothing'))
    if policy.release == "sentences" and policy.on_fail != "stop":
        found.append(
            (
                "release",
                'release = "sentences" needs on_fail = "stop": what has left can no longer be mended',
            )
        )
    required = policy.constitution is not None and any(value.required for value in policy.constitution.values)
    if policy.release == "sentences" and (policy.fail_under > 0 or required):
        what = "a required value" if required else "fail_under"
        said = f'release = "sentences" stops on betrayal alone, and {what} is about the whole: leave that out, or set'
        found.append(("release", f'{said} release = "whole"'))
    if policy.on_fail == "rewrite" and policy.revisions == 0:
        found.append(("revisions", 'on_fail = "rewrite" with revisions = 0 rewrites nothing: use on_fail = "stop"'))
    return found


def _check_judge(policy: Policy) -> Complaints:
    if policy.judge is None:
        return []
    from akrasia.judges import build_judge

    try:
        judge = build_judge(policy.judge)
        if judge.model is not None:
            _check_model(judge.model)
        if policy.constitution is not None:
            judge.check(policy.constitution)
    except InputError as error:
        return [("judge", str(error))]
    return []


def _check_names(policy: Policy) -> Complaints:
    for text in policy.strategies:
        if not is_strategy(text):
            return [("strategies", f"unknown strategy {text!r}{near_names(text, list(LIVE_STRATEGIES))}")]
        if _kind(text) not in LIVE_STRATEGIES:
            return [("strategies", f"strategy {text!r} answers no live traffic; known: {', '.join(LIVE_STRATEGIES)}")]
    if len(set(policy.strategies)) != len(policy.strategies):
        return [("strategies", "strategies names one of them twice")]
    return _built(policy, [text for text in policy.strategies if _kind(text) not in ("direct", "adaptive")])


def _check_strategies(policy: Policy) -> Complaints:
    if policy.default_strategy not in policy.strategies:
        allowed = ", ".join(policy.strategies) or "none"
        said = f"{policy.default_strategy!r} is not among the strategies allowed ({allowed})"
        return [("default_strategy", f"{said}: add it to strategies, or set default_strategy to one of them")]
    for name in JUDGED:
        if policy.allows(name) and (policy.judge is None or policy.constitution is None):
            said = f'strategy {name!r} goes by a judge: add judge = "encoder" and constitution = "FILE.toml"'
            return [("strategies", said)]
    return []


def _check_steered(policy: Policy) -> Complaints:
    """What goes by a prior, which belongs to the judge: that has been checked by then."""
    return _built(policy, [text for text in policy.strategies if _kind(text) == "adaptive"])


def _built(policy: Policy, strategies: list[str]) -> Complaints:
    """What is wrong with strategies' own parameters and settings."""
    if not strategies:
        return []
    from akrasia.gateway.deliberate import build_deliberation
    from akrasia.gateway.desk import NoJudge, closed_desk

    for text in strategies:
        try:
            build_deliberation(text, closed_desk(policy, None if _kind(text) == "adaptive" else NoJudge()))
        except InputError as error:
            return [("strategies", str(error))]
    return []


def _kind(strategy: str) -> str:
    return strategy.partition("?")[0].partition(":")[0]


def _check_deadlines(policy: Policy) -> Complaints:
    deadlines = asdict(policy.deadline_s)
    for stage, limit in deadlines.items():
        if limit is not None and (wrong := _no_limit(limit, " seconds")):
            return [("deadline_s", f"deadline_s {stage} is {limit:g}: {wrong}")]
        if limit is not None and deadlines["total"] is not None and limit > deadlines["total"]:
            return [("deadline_s", f"deadline_s {stage} ({limit:g}) is longer than total ({deadlines['total']:g})")]
    return []


def _no_limit(limit: float, unit: str = "") -> str | None:
    """Why a number limits nothing; None: it does."""
    if limit > 0 and isfinite(limit):
        return None
    return f"it must be above 0{unit}" if limit <= 0 else "it must be a finite number, or be left out"


def _check_redact(policy: Policy) -> Complaints:
    return [("redact", said) for said in map(_refused_pattern, policy.redact) if said is not None]


@lru_cache(maxsize=256)  # a pattern is tried for a while, and every route inherits it
def _refused_pattern(pattern: str) -> str | None:
    try:
        Redactor((pattern,))
    except InputError as error:
        return str(error)
    return None


def _check_model(name: str) -> None:
    """Whether a role can be played by a model, wherever it answers: whose key it gets is known with the upstream.

    Raises:
        InputError: it cannot.
    """
    from akrasia.models import ModelSettings, build_model
    from akrasia.models.build import KEY_VARIABLES

    build_model(name, settings=ModelSettings(key_variables=(AUDIT_KEY_VARIABLE, *KEY_VARIABLES)))


def _check_models(policy: Policy) -> Complaints:
    for key in ("planner", "rewriter", "guard"):
        name: str | None = getattr(policy, key)
        try:
            if name is not None:
                _check_model(name)
        except InputError as error:
            return [(key, str(error))]
    return []


CHECKS: tuple[Callable[[Policy], Complaints], ...] = (
    _check_names, _check_strategies, _check_deadlines, _check_redact, _check_audit, _check_judge, _check_models,
    _check_steered,
)  # fmt: skip
"""In the order in which mistakes are told: what is wrong in itself before what it contradicts."""


def check_limits(limits: Limits) -> Complaints:
    """What is wrong with the limits."""
    given = ((key, limit, _no_limit(limit)) for key, limit in asdict(limits).items() if limit is not None)
    return [(key, f"{key} is {limit:g}: {wrong}") for key, limit, wrong in given if wrong]
