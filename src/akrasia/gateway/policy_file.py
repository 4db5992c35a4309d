"""From a policy's TOML file to `Policies`: every mistake is refused before anything is served, with file and line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict, replace

from akrasia.core import InputError
from akrasia.core.decoding import Undecodable, decode_toml
from akrasia.core.registry import near_names
from akrasia.gateway.policy import (
    NO_ROUTE,
    UNROUTED,
    Deadlines,
    Limits,
    ModeName,
    OnAuditError,
    OnFail,
    Policies,
    Policy,
    Release,
    Route,
)
from akrasia.gateway.policy_checks import CHECKS, check_limits
from akrasia.gateway.policy_effect import covers, idle_keys
from akrasia.gateway.policy_lines import Lines
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


_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A header's name, as HTTP has it."""


class _Refusals:
    """Makes errors that name the file and the line."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._lines = Lines(text)

    def at(self, table: str, key: str | None, what: str) -> InputError:
        """An error at a key of a table: "" is the top level, "route 2" the second route, "limits" the limits."""
        line = self._lines.of(table, key)
        return InputError(f"{self._path}:{line}: {what}" if line else f"{self._path}: {what}")


def read_policies(path: Path, stamps: dict[str, Stamp] | None = None) -> Policies:
    """The policies of a file.

    Args:
        path: of the file.
        stamps: gets the stamps of the files that are read, also where that ends in an error.

    Raises:
        InputError: it cannot be read, is no TOML, has an unknown key, a wrong type, or contradicts itself; the message
            begins with file and line.
    """
    stamps = {} if stamps is None else stamps
    stamps[str(path)] = stamp_of(path)
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
    return _resolved(_converted(table, refusals), _Reader(path, stamps, refusals), refusals)


def refuse_empty(policies: Policies, path: Path) -> None:
    """Where a log is kept, a file that was emptied must not end the audits: only one that says so does.

    Raises:
        InputError: the file says nothing.
    """
    if policies.empty:
        said = 'the policy is empty, and --log would log nothing: write a mode, or mode = "pass" to log nothing'
        raise InputError(f"{path}: {said}")


def _placed(error: Undecodable, path: Path, lines: list[str]) -> InputError:
    """What is wrong with the TOML of a policy, with the line first where it is known."""
    found = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)", str(error))
    if found is None:
        return error.at(str(path))
    number = int(found[1] or len(lines))
    said = str(error)[: found.start()]
    word = re.match(r"[A-Za-z][\w.:@/*-]*", lines[number - 1][int(found[2]) - 1 :]) if found[2] else None
    if said.endswith("Invalid value") and word:
        said += f': text stands in quotes, "{word[0]}"'
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
        policy = replace(policy, name=default.name, route=reader.route_name(given, where, routes))
        route = Route(policy, given.model, reader.header(given, where))
        for earlier, other in enumerate(routes, start=1):
            if covers(other, route):
                said = f"never applies: route {earlier} comes first and matches all that it matches"
                raise refusals.at(where, None, f"{said}; put this one before it, or leave it out")
        routes.append(route)
    notices = tuple(_idle(form, default, routes, refusals))
    for key, what in check_limits(form.limits):
        raise refusals.at("limits", key, what)
    keys = None if form.keys is None else str(reader.path.parent / form.keys)
    says = form.mode is not UNSET
    return Policies(default, tuple(routes), form.limits, keys, reader.stamps, says, notices, form == _Form())


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

    def __init__(self, path: Path, stamps: dict[str, Stamp], refusals: _Refusals) -> None:
        self.path = path
        self.stamps = stamps
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
        for check in CHECKS:
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
        if not _TOKEN.fullmatch(name):
            said = f"no header has the name {name!r}: letters, digits and -, without blanks"
            raise self._refusals.at(where, "header", said)
        return name.lower(), value

    def route_name(self, given: _Route, where: str, earlier: list[Route]) -> str:
        """What metrics call a route: its own name, or one made of its patterns that no other has."""
        taken = {route.policy.route: f"route {number}" for number, route in enumerate(earlier, start=1)}
        taken |= {NO_ROUTE: "what no route leads to", UNROUTED: "what was refused before it had a route"}
        if given.name is UNSET:
            both = " ".join(filter(None, (given.model, given.header)))
            return next(name for name in (given.model or both, both, where, f"{where}, {both}") if name not in taken)
        if given.name in taken:
            said = f"the name {given.name!r} is that of {taken[given.name]} in the metrics: give it another"
            raise self._refusals.at(where, "name", said)
        return given.name

    def _constitution(self, text: str) -> Any:
        path = self._folder / text
        if Path(text).suffix != ".toml":
            return find_values(text)
        self.stamps[str(path)] = stamp_of(path)
        try:
            return parse_constitution(path.read_bytes(), str(path))
        except OSError as error:
            raise InputError(f"cannot read the constitution {path}: {error.strerror}") from None
