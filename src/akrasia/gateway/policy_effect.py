"""What of a policy file has no effect: routes behind others that take all, keys that no policy with them reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase

from akrasia.gateway.policy import JUDGED, Policy, Route

_FRESH = "\U0010fffd"  # a letter that no pattern names: only a wildcard matches it
_MANY = 64
_CLASS = re.compile(r"\[!?\]?[^\]]*\]")


def covers(earlier: Route, later: Route) -> bool:
    """Whether every request that matches the later route matches the earlier one.

    False also where a pattern with a class of letters (``[ab]``) makes it hard to tell.
    """
    if earlier.header is not None and earlier.header != later.header:
        return False
    return earlier.model is None or _covers(earlier.model, "*" if later.model is None else later.model)


def _covers(pattern: str, other: str) -> bool:
    if pattern == other:
        return True
    if "[" in pattern:
        return False
    single = _CLASS.sub(_FRESH, other).replace("?", _FRESH)
    return all(fnmatchcase(single.replace("*", _FRESH * count), pattern) for count in (0, _MANY))


def _enforced(policy: Policy) -> bool:
    return policy.mode == "enforce"


def _audited(policy: Policy) -> bool:
    return policy.mode != "pass"


def _does_so(policy: Policy) -> bool:
    """Whether replies that fail get what `on_fail` says; every mode that audits lets them go, marked."""
    return _enforced(policy) or (_audited(policy) and policy.on_fail == "annotate")


def _stops(policy: Policy) -> bool:
    return _enforced(policy) and policy.on_fail != "annotate"


def _judges(policy: Policy) -> bool:
    return _audited(policy) or any(map(policy.allows, JUDGED))


def _mends(policy: Policy) -> bool:
    return (_enforced(policy) and policy.on_fail == "rewrite") or policy.allows("audited")


def _adapts(policy: Policy) -> bool:
    return policy.allows("adaptive")


_ENFORCE = 'mode = "enforce"'
_MENDING = f'{_ENFORCE} with on_fail = "rewrite", or the strategy audited'
_READ_BY: dict[str, tuple[Callable[[Policy], bool], str]] = {
    "on_fail": (_does_so, _ENFORCE),
    "on_audit_error": (_enforced, _ENFORCE),
    "stop_text": (_stops, f'{_ENFORCE} with on_fail = "stop" or "rewrite"'),
    "fail_under": (_judges, "a mode or a strategy that audits"),
    "revisions": (_mends, _MENDING),
    "margin": (_mends, _MENDING),
    "planner": (_mends, _MENDING),
    "rewriter": (_mends, _MENDING),
    "guard": (_mends, _MENDING),
    "prior": (_adapts, "the strategy adaptive"),
}
"""Key → which policies read it, and that in words."""

_STAGES_READ_BY = {
    "audit": (_judges, "a mode or a strategy that audits"),
    "rewrite": (_mends, _MENDING),
}
"""The same of the stages of `deadline_s`; the others are every policy's."""


def idle_keys(given: Sequence[str], policies: Sequence[Policy]) -> Iterator[tuple[str, str]]:
    """The keys that have no effect, each with what to tell of it.

    Args:
        given: keys that a table sets to anything but their defaults.
        policies: that take them from there: the table's own and, of the top level, its routes'.
    """
    modes = ", ".join(sorted({repr(policy.mode) for policy in policies}))
    for key in given:
        readers = {key: _READ_BY[key]} if key in _READ_BY else {}
        if key == "deadline_s":
            stages = (stage for stage in _STAGES_READ_BY if any(getattr(one.deadline_s, stage) for one in policies))
            readers = {f"deadline_s {stage}": _STAGES_READ_BY[stage] for stage in stages}
        for name, (reads, words) in readers.items():
            if not any(map(reads, policies)):
                yield key, f"{name} has no effect here (mode {modes}): it is for {words}"
