"""Blots configured patterns out of what the audit log keeps, and refuses patterns that could hold the gateway up.

A text is searched as it stands and as it reads once JSON's escapes are undone (`akrasia.gateway.escapes`).

Python's expressions cannot be interrupted, so their time is bounded twice. At the start each pattern is tried on texts
of its own letters, the kind on which bad ones explode. In use it sees a text in windows, and the time of a record is
limited: what is left then is blotted out whole. The trial is no proof: an expression that is fast on the trial's texts
and slow on others costs time up to the limit of a record, plus one window.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from typing import Any

from akrasia.core import InputError
from akrasia.gateway.escapes import views

MARK = "[redacted]"
TOO_SLOW = "[redacted: took too long]"

WINDOW = 1024
"""Characters that a pattern sees at once. No match is longer."""

OVERLAP = 512
"""Characters that two windows share: a match of up to so many is always found whole."""

RECORD_S = 1.0
"""Seconds that the texts of one record may take together."""

TRIAL_S = 0.05
"""Seconds that one window may take in the trial."""

_COMMON = "aA0 -_.@/\n\té"
_SHORT = 64
"""Characters up to which a trial's text grows by two, and then by a quarter: an exponential pattern is met while it
still costs a second and not a year."""


class Redactor:
    """Replaces every match of some patterns, in every text of a record, by `MARK`.

    Args:
        patterns: regular expressions of Python's `re`. Flags go inside: ``(?i)secret``.

    Raises:
        InputError: a pattern is not an expression, matches the empty text, or is too slow.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = [_tried(pattern) for pattern in patterns]

    def redact(self, record: Any, keep: frozenset[str] = frozenset()) -> Any:
        """A copy of a record of dicts, lists and texts with every match replaced, in keys of dicts, too.

        Keys that become alike are numbered, so that none takes another's place.

        Args:
            record: not changed.
            keep: keys that stay as they are: names of a format, not anybody's words.

        Raises:
            TypeError: something else is in it, which could hide a text.
        """
        return self._walk(record, keep, time.monotonic() + RECORD_S)

    def _walk(self, value: Any, keep: frozenset[str], until: float) -> Any:
        if isinstance(value, str):
            return self._blot(value, until)
        if isinstance(value, dict):
            made: dict[Any, Any] = {}
            for key, one in value.items():
                name = self._blot(key, until) if isinstance(key, str) and key not in keep else key
                made[_free(name, made)] = self._walk(one, keep, until)
            return made
        if isinstance(value, list | tuple | set | frozenset):
            return [self._walk(one, keep, until) for one in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        raise TypeError(f"a record that is redacted is of plain dicts, lists and texts, not {type(value).__name__}")

    def _blot(self, text: str, until: float) -> str:
        """The text without what matches in it, or in what it reads as once escapes of JSON are undone."""
        spans: list[tuple[int, int]] = []
        for view in views(text, until):
            if view is None:
                return TOO_SLOW
            for pattern in self._patterns:
                found = None if time.monotonic() > until else _matches(pattern, view.text, until)
                if found is None:
                    return TOO_SLOW
                spans += (view.source(*span) for span in found)
        return _without(spans, text)


def _matches(pattern: re.Pattern[str], text: str, until: float) -> list[tuple[int, int]] | None:
    """Where a pattern matches, none over another; None where time ran out."""
    spans: list[tuple[int, int]] = []
    at = 0
    while at < len(text):
        end = min(at + WINDOW, len(text))
        match = pattern.search(text, at, end)
        if match is not None and match.end() == end < len(text):
            # It may go on beyond the window, or end there by the window alone.
            match = pattern.search(text, match.start(), min(match.start() + WINDOW, len(text)))
        if match is None:
            if end == len(text):
                break
            at = max(end - OVERLAP, at + 1)
        elif match.end() == match.start():
            at = match.end() + 1
        else:
            spans.append(match.span())
            at = match.end()
        if at < len(text) and time.monotonic() > until:
            return None
    return spans


def _without(spans: list[tuple[int, int]], text: str) -> str:
    """The text with some parts of it replaced; those that overlap are one."""
    parts: list[str] = []
    kept = 0
    for start, end in sorted(spans):
        if start >= kept:
            parts += (text[kept:start], MARK)
        kept = max(kept, end)
    return "".join((*parts, text[kept:]))


def _free(name: Any, taken: dict[Any, Any]) -> Any:
    number, free = 2, name
    while free in taken:
        free = f"{name} {number}"
        number += 1
    return free


def _tried(text: str) -> re.Pattern[str]:
    """A compiled pattern that stood its trial."""
    try:
        pattern = re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise InputError(f"redact {text!r} is not a regular expression: {error}") from None
    if pattern.search("") is not None:
        raise InputError(f"redact {text!r} matches the empty text: let it match at least one character")
    for unit in _units(text):
        length = 8
        while length <= WINDOW:
            probe = (unit * length)[:length] + "\0"
            if _seconds(pattern, probe) > TRIAL_S:
                raise InputError(
                    f"redact {text!r} takes too long on {length} characters like {probe[:8]!r}: repeat nothing "
                    "that repeats itself, as (a+)+ does, and bound repeats, as in a{1,64}"
                )
            length += 2 if length < _SHORT else length // 4
    return pattern


def _units(text: str) -> Iterator[str]:
    """What the texts of a trial repeat: each letter of the pattern, some common ones, and the pattern's own words."""
    yield from dict.fromkeys(_COMMON + text)
    yield from dict.fromkeys(word for word in re.findall(r"[^\W_]{2,32}", text))


def _seconds(pattern: re.Pattern[str], probe: str) -> float:
    """Of one search, the quicker of two where the first seems slow."""
    took = []
    for _ in range(2):
        began = time.thread_time()  # a busy machine makes no pattern slow
        pattern.search(probe)
        took.append(time.thread_time() - began)
        if took[0] <= TRIAL_S or took[0] > 4 * TRIAL_S:
            break
    return min(took)
