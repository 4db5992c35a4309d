"""From a policy's TOML file to `Policies`: every mistake is refused before anything is served, with file and line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict, replace

from akrasia.core import InputError
from akrasia.core.decoding import Undecodable, decode_toml
from akrasia.core.registry import near_names
from akrasia.gateway.policy import (
    JUDGED,
    LIVE_STRATEGIES,
    Deadlines,
    Limits,
    ModeName,
    OnAuditError,
    OnFail,
    Policies,
    Policy,
    Release,
    Route,
    is_strategy,
)
from akrasia.gateway.policy_effect import covers, idle_keys
from akrasia.gateway.policy_lines import Lines
from akrasia.gateway.redact import Redactor
from akrasia.gateway.stamps import Stamp, stamp_of
from akrasia.values import find_values, parse_constitution

Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0)]
Text = Annotated[str, Meta(min_length=1)]


class _Rules(Struct, frozen=True, kw_only=True):
    """The keys that both the top level and a route may have."""

    name: Text | UnsetType = UNSET
    mode: ModeName | UnsetType = UNSET
    constitution: Text | UnsetType = UNSET
    judge: Text | UnsetType = UNSET
    strategies: tuple[Text, ...] | UnsetType = UNSET
    default_strategy: Text | UnsetType = UNSET
    on_audit_error: OnAuditError | UnsetType = UNSET
    on_fail: OnFail | UnsetType = UNSET
    fail_under: Share | UnsetType = UNSET
    rewriter: Text | UnsetType = UNSET
    planner: Text | UnsetType = UNSET
    guard: Text | UnsetType = UNSET
    revisions: Count | UnsetType = UNSET
    margin: Share | UnsetType = UNSET
    stop_text: Text | UnsetType = UNSET
    release: Release | UnsetType = UNSET
    prior: Text | UnsetType = UNSET
    deadline_s: float | Deadlines | UnsetType = UNSET
    max_tokens_total: Annotated[int, Meta(ge=1)] | UnsetType = UNSET
    redact: tuple[Text, ...] | UnsetType = UNSET


class _Route(_Rules, frozen=True, kw_only=True):
    model: Text | None = None
    header: Text | None = None


class _Form(_Rules, frozen=True, kw_only=True):
    limits: Limits = Limits()
    keys: Text | None = None
    route: tuple[_Route, ...] = ()


_RULES = _Rules.__struct_fields__
_DEFAULTS = Policy()
_CHOICES: dict[str, tuple[str, ...]] = {
    "mode": get_args(ModeName),
    "on_audit_error": get_args(OnAuditError),
    "on_fail": get_args(OnFail),
    "release": get_args(Release),
}


class _Refusals:
    """Makes errors that name the file and the line."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._lines = Lines(text)

    def at(self, table: str, key: str | None, what: str) -> InputError:
        """An error at a key of a table: "" is the top level, "route 2" the second route, "limits" the limits."""
        line = self._lines.of(table, key)
        return InputError(f"{self._path}:{line}: {what}" if line else f"{self._path}: {what}")


def read_policies(path: Path) -> Policies:
    """The policies of a file.

    Raises:
        InputError: it cannot be read, is no TOML, has an unknown key, a wrong type, or contradicts itself; the message
            begins with file and line.
    """
    stamp = stamp_of(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the policy {path}: {error.strerror}; give the path of a TOML file") from None
    text = content.decode(errors="replace")
    try:
        table = decode_toml(content, dict[str, Any])
    except Undecodable as error:
        raise _placed(error, path, text.splitlines()) from None
    refusals = _Refusals(path, text)
    _refuse_unknown(table, refusals)
    return _resolved(_converted(table, refusals), _Reader(path, stamp, refusals), refusals)


def _placed(error: Undecodable, path: Path, lines: list[str]) -> InputError:
    """What is wrong with the TOML of a policy, with the line first where it is known."""
    found = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)", str(error))
    if found is None:
        return error.at(str(path))
    number = int(found[1] or len(lines))
    said = str(error)[: found.start()]
    if said.endswith("Cannot overwrite a value"):
        said = f"not valid TOML: {lines[number - 1].strip()!r} sets a key that is set above"
    return InputError(f"{path}:{number}: {said}")


def _refuse_unknown(table: dict[str, Any], refusals: _Refusals) -> None:
    def check(given: Any, known: tuple[str, ...], where: str) -> None:
        for key in given if isinstance(given, dict) else ():
            if key not in known:
                raise refusals.at(where, key, f"unknown key {key!r}{near_names(key, list(known))}")

    check(table, _Form.__struct_fields__, "")
    check(table.get("limits"), Limits.__struct_fields__, "limits")
    check(table.get("deadline_s"), Deadlines.__struct_fields__, "deadline_s")
    routes = table.get("route", [])
    for number, route in enumerate(routes if isinstance(routes, list) else (), start=1):
        check(route, _Route.__struct_fields__, f"route {number}")
        if isinstance(route, dict):
            check(route.get("deadline_s"), Deadlines.__struct_fields__, f"route {number}")


def _converted(table: dict[str, Any], refusals: _Refusals) -> _Form:
    try:
        return msgspec.convert(table, _Form)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at ")
        keys = re.findall(r"[a-z_]+|\d+", place)
        where, key = "", keys[0] if keys else None
        if keys[:1] == ["route"] and len(keys) > 1 and keys[1].isdecimal():
            where, key = f"route {int(keys[1]) + 1}", keys[2] if len(keys) > 2 else None
        elif len(keys) > 1 and keys[0] in ("limits", "deadline_s"):
            where, key = keys[0], keys[1]
        given = re.fullmatch(r"Invalid enum value '(.*)'", what)
        if given and key in _CHOICES:
            what += near_names(given[1], list(_CHOICES[key]))
        shown = f"{key}: " if key else ""
        raise refusals.at(where, key, f"{shown}{what[:1].lower()}{what[1:]}") from None


def _resolved(form: _Form, reader: _Reader, refusals: _Refusals) -> Policies:
    base = Policy(name=reader.path.stem) if form.name is UNSET else Policy()
    default = reader.policy(base, form, "")
    routes: list[Route] = []
    for number, given in enumerate(form.route, start=1):
        where = f"route {number}"
        policy = reader.policy(default, given, where)
        own = given.model or given.header if given.name is UNSET else given.name
        policy = replace(policy, name=default.name, route=own)
        route = Route(policy, given.model, reader.header(given, where))
        for earlier, other in enumerate(routes, start=1):
            if covers(other, route):
                said = f"never applies: route {earlier} comes first and matches all that it matches"
                raise refusals.at(where, None, f"{said}; put this one before it, or leave it out")
        routes.append(route)
    notices = tuple(_idle(form, default, routes, refusals))
    _check_limits(form.limits, refusals)
    keys = None if form.keys is None else str(reader.path.parent / form.keys)
    says = form.mode is not UNSET
    return Policies(default, tuple(routes), form.limits, keys, reader.stamps, says, notices)


def _idle(form: _Form, default: Policy, routes: list[Route], refusals: _Refusals) -> Iterator[str]:
    """A line of every key that no policy reads: whoever wrote it may believe that it does something."""
    tables: list[tuple[str, _Rules, list[Policy]]] = [("", form, [default, *(route.policy for route in routes)])]
    tables += [(f"route {n}", own, [routes[n - 1].policy]) for n, own in enumerate(form.route, start=1)]
    for where, given, policies in tables:
        keys = [key for key in _RULES if getattr(given, key) not in (UNSET, getattr(_DEFAULTS, key))]
        for key, said in idle_keys(keys, policies):
            yield str(refusals.at(where, key, said))


_BESIDE = {
    "default_strategy": ("strategies",),
    "release": ("fail_under", "constitution"),
    "strategies": ("prior", "judge"),
}
"""Keys on whose line a contradiction is told where the key itself is not given."""


class _Reader:
    """Turns keys into policies, and notes the files that they name.

    Attributes:
        path: the policy file.
        stamps: of it and of the files that it names.
    """

    def __init__(self, path: Path, stamp: Stamp, refusals: _Refusals) -> None:
        self.path = path
        self.stamps = {str(path): stamp}
        self._folder = path.parent
        self._refusals = refusals

    def policy(self, base: Policy, given: _Rules, where: str) -> Policy:
        """The base with what is given in its place, checked."""
        changes = {key: value for key, value in asdict(given).items() if key in _RULES and value is not UNSET}

        def refuse(key: str, what: str) -> InputError:
            of = next((one for one in (key, *_BESIDE.get(key, ())) if one in changes), None)
            return self._refusals.at(where, of, what)

        try:
            if "constitution" in changes:
                changes["constitution"] = self._constitution(changes["constitution"])
        except InputError as error:
            raise refuse("constitution", str(error)) from None
        if isinstance(changes.get("deadline_s"), float):
            changes["deadline_s"] = Deadlines(total=changes["deadline_s"])
        if "prior" in changes:
            changes["prior"] = str(self._folder / changes["prior"])
            self.stamps[changes["prior"]] = stamp_of(Path(changes["prior"]))
        policy = replace(base, **changes)
        for check in _CHECKS:
            for key, what in check(policy):
                raise refuse(key, what)
        return policy

    def header(self, given: _Route, where: str) -> tuple[str, str] | None:
        """The name and value of a route's header."""
        if given.header is None:
            if given.model is None:
                raise self._refusals.at(where, None, 'a route needs model = "NAME" or header = "NAME=VALUE"')
            return None
        name, mark, value = (part.strip() for part in given.header.partition("="))
        if not (name and mark and value):
            raise self._refusals.at(where, "header", f'header {given.header!r}: write it as "NAME=VALUE"')
        return name.lower(), value

    def _constitution(self, text: str) -> Any:
        path = self._folder / text
        if Path(text).suffix != ".toml":
            return find_values(text)
        self.stamps[str(path)] = stamp_of(path)
        try:
            return parse_constitution(path.read_bytes(), str(path))
        except OSError as error:
            raise InputError(f"cannot read the constitution {path}: {error.strerror}") from None


Complaints = list[tuple[str, str]]


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
        if policy.constitution is not None:
            judge.check(policy.constitution)
    except InputError as error:
        return [("judge", str(error))]
    return []


def _check_strategies(policy: Policy) -> Complaints:
    for text in policy.strategies:
        if not is_strategy(text):
            return [("strategies", f"unknown strategy {text!r}{near_names(text, list(LIVE_STRATEGIES))}")]
        if text.partition("?")[0].partition(":")[0] not in LIVE_STRATEGIES:
            return [("strategies", f"strategy {text!r} answers no live traffic; known: {', '.join(LIVE_STRATEGIES)}")]
    if len(set(policy.strategies)) != len(policy.strategies):
        return [("strategies", "strategies names one of them twice")]
    if policy.default_strategy not in policy.strategies:
        allowed = ", ".join(policy.strategies) or "none"
        said = f"{policy.default_strategy!r} is not among the strategies allowed ({allowed})"
        return [("default_strategy", f"{said}: add it to strategies, or set default_strategy to one of them")]
    for name in JUDGED:
        if policy.allows(name) and (policy.judge is None or policy.constitution is None):
            said = f'strategy {name!r} goes by a judge: add judge = "encoder" and constitution = "FILE.toml"'
            return [("strategies", said)]
    return []


def _check_deadlines(policy: Policy) -> Complaints:
    deadlines = asdict(policy.deadline_s)
    for stage, limit in deadlines.items():
        if limit is not None and limit <= 0:
            return [("deadline_s", f"deadline_s {stage} is {limit:g}: it must be above 0 seconds")]
        if limit is not None and deadlines["total"] is not None and limit > deadlines["total"]:
            return [("deadline_s", f"deadline_s {stage} ({limit:g}) is longer than total ({deadlines['total']:g})")]
    return []


def _check_redact(policy: Policy) -> Complaints:
    return [("redact", said) for said in map(_refused_pattern, policy.redact) if said is not None]


@lru_cache(maxsize=256)  # a pattern is tried for a while, and every route inherits it
def _refused_pattern(pattern: str) -> str | None:
    try:
        Redactor((pattern,))
    except InputError as error:
        return str(error)
    return None


def _check_models(policy: Policy) -> Complaints:
    from akrasia.models import build_model

    for key, name in (("planner", policy.planner), ("rewriter", policy.rewriter), ("guard", policy.guard)):
        try:
            if name is not None:
                build_model(name)
        except InputError as error:
            return [(key, str(error))]
    return []


def _check_live(policy: Policy) -> Complaints:
    if policy.strategies == ("direct",):
        return []
    from akrasia.gateway.deliberate import build_deliberation
    from akrasia.gateway.desk import closed_desk

    desk = closed_desk(policy)
    for text in policy.strategies:
        try:
            build_deliberation(text, desk)
        except InputError as error:
            return [("strategies", str(error))]
    return []


_CHECKS = (_check_strategies, _check_deadlines, _check_redact, _check_audit, _check_judge, _check_models, _check_live)


def _check_limits(limits: Limits, refusals: _Refusals) -> None:
    for key, limit in asdict(limits).items():
        if limit is not None and limit <= 0:
            raise refusals.at("limits", key, f"{key} is {limit:g}: it must be above 0")
