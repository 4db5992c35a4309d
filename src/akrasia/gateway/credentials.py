"""Blots keys out of what was said: by the upstream to a client, and by anybody to the audit log.

A key is found as it is and as JSON may write it, with escapes, in JSON inside JSON as well. In another encoding, or cut
in two by other text, it is not found. Texts that come in pieces are put together by `akrasia.gateway.seams`, and what
is whole then is looked through once more by `akrasia.gateway.joined`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from functools import cached_property, lru_cache
from itertools import accumulate
from typing import Any

from akrasia.models.chat_faults import SHORTEST_SECRET

MARK = "***"

_ESCAPED = re.compile(rb"\\(?:u00[2-7]|/)")
_LIKE_ESCAPED = re.compile(r"u00[2-7][0-9A-Fa-f]")
_SPELLED = re.compile(rb"\\[u\\/]")
_OPEN_ESCAPE = re.compile(r"\\+(?:u[0-9a-fA-F]{0,3})?")
_MOST_BY_LETTER = 16
"""Signs that the escape of one letter may take while a text is held back for it: enough for JSON inside JSON."""
_SHOWN_IN = ("Authorization", "X-Api-Key", "Api-Key")


class Credentials:
    """Keys that may stand nowhere.

    Args:
        keys: each as it is sent. None, and what is too short to be anybody's secret, is left out.
    """

    def __init__(self, *keys: str | None) -> None:
        found = dict.fromkeys(key for key in keys if key is not None and len(key) >= SHORTEST_SECRET)
        self._keys = tuple(found)
        self._plain = tuple(key.encode("utf-8", "surrogateescape") for key in found)
        self._odd = any(map(_is_odd, found))
        self._begun = [(key[:2], key[:1] + b'"', key[:1] + b'":') for key in self._plain]

    def __bool__(self) -> bool:
        return bool(self._keys)

    def in_json(self, data: bytes) -> bool:
        """Whether a key may stand in JSON; False is certain."""
        if not self._keys:
            return False
        if self._odd or self._in_plain(data):
            return True
        if b"\\" not in data or _ESCAPED.search(data) is None:
            return False
        # However deep the JSON is nested: it takes fast replacements, and what they find too much is looked at again.
        plain = data.replace(b"\\", b"")
        for code, letter in self._codes:
            plain = plain.replace(code, letter)
        return self._in_plain(plain)

    def out_of_json(self, data: bytes) -> bytes:
        """JSON with the keys blotted out; it stays JSON."""
        if not self.in_json(data):
            return data
        return re.sub(self._pattern.pattern.encode("utf-8", "surrogateescape"), MARK.encode(), data)

    def out_of(self, value: Any, keep: frozenset[str] = frozenset()) -> Any:
        """A copy of plain dicts, lists and texts with the keys blotted out, in keys of dicts, too.

        Args:
            value: not changed.
            keep: keys of dicts that stay as they are: names of a format.
        """
        if isinstance(value, str):
            return self._pattern.sub(MARK, value) if self._in_text(value) else value
        if isinstance(value, dict):
            return {
                name if name in keep else self.out_of(name, keep): self.out_of(one, keep) for name, one in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.out_of(one, keep) for one in value]
        return value

    def out_of_pieces(self, texts: list[str]) -> list[str]:
        """Texts that are read one after another, with the keys blotted out: those in one of them, and over several.

        Of a key over several, the mark stands where it begins. Where there is none, these are the texts as given.
        """
        whole = "".join(texts)
        if len(whole) < SHORTEST_SECRET or self.out_of(whole) == whole:
            return texts
        made: list[str] = [self.out_of(text) for text in texts]
        whole = "".join(made)
        starts = list(accumulate(map(len, made), initial=0))
        # Those that are left go over an end each, so that no text is cut more than twice.
        for begin, end in reversed([match.span() for match in self._pattern.finditer(whole)]):
            place = first = bisect_right(starts, begin) - 1
            while place < len(made) and starts[place] < end:
                mark = MARK if place == first else ""
                made[place] = made[place][: max(0, begin - starts[place])] + mark + made[place][end - starts[place] :]
                place += 1
        return made

    def may_end_open(self, data: bytes) -> bool:
        """Whether a key may stand in JSON, or a text in it may end in the beginning of one; False is certain."""
        if self._odd or (self._keys and b"\\" in data and _SPELLED.search(data) is not None):
            return True
        for two, end, name in self._begun:
            if two in data:
                return True
            if data.count(end) > data.count(name):  # a name, with a colon after it, is no text
                return True
        return False

    def open_end(self, text: str) -> int:
        """How many letters at a text's end may be the beginning of a key."""
        found = [_open_end(key, text) for key in self._keys]
        return max(found, default=0)

    def uncut(self, text: str, end: int) -> int:
        """Where a text may be cut, so that no key is: there, or after the key; 0: the key has not come whole."""
        if not self._keys:
            return end
        if self._in_text(text):
            for match in self._pattern.finditer(text):
                if match.start() < end < match.end():
                    return match.end()
        return 0 if end > len(text) - self.open_end(text) else end

    def _in_plain(self, data: bytes) -> bool:
        return any(key in data for key in self._plain)

    def _in_text(self, text: str) -> bool:
        if not self._keys:
            return False
        return self._odd or "\\u00" in text or "\\/" in text or any(key in text for key in self._keys)

    @cached_property
    def _codes(self) -> list[tuple[bytes, bytes]]:
        """How JSON may escape the keys' letters, without the backslash."""
        letters = sorted(set("".join(self._keys)))
        codes = [(letter, f"{ord(letter):04x}") for letter in letters]
        return [(f"u{one}".encode(), letter.encode()) for letter, code in codes for one in {code, code.upper()}]

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile("|".join(_forms(key[0], first=True) + "".join(map(_forms, key[1:])) for key in self._keys))


def shown_in(headers: Mapping[str, str]) -> list[str]:
    """The keys that a client shows in its request's headers."""
    words = (headers.get(name, "").strip().split(maxsplit=1) for name in _SHOWN_IN)
    return [said[-1] if said else "" for said in words]  # after the scheme, if there is one


def _is_odd(key: str) -> bool:
    """Whether JSON cannot hold a key as it is, or it looks like an escape itself: it is looked for in the slow way."""
    plain = key.isascii() and key.isprintable() and not set(key) & set('"\\')
    return not plain or _LIKE_ESCAPED.search(key) is not None


def _open_end(key: str, text: str) -> int:
    """How many letters at a text's end may be the beginning of a key."""
    begin = max(0, len(text) - _MOST_BY_LETTER * len(key))
    if text.find("\\", begin) < 0:
        at = text.find(key[0], max(begin, len(text) - len(key) + 1))
        while at >= 0 and not key.startswith(text[at:]):
            at = text.find(key[0], at + 1)
        return len(text) - at if at >= 0 else 0
    # A row of backslashes is tried once, not anew from each of them.
    row = (at for at in range(begin, len(text)) if text[at] == "\\" and (at == begin or text[at - 1] != "\\"))
    plain = (at for at in range(begin, len(text)) if text[at] == key[0] != "\\")
    starts = sorted((*row, *plain))
    return next((len(text) - at for at in starts if _goes_on(key, text, at)), 0)


def _goes_on(key: str, text: str, at: int) -> bool:
    """Whether a text ends within a key that begins there."""
    for letter in key:
        if at == len(text):
            return True
        form = _form(letter).match(text, at)
        if form is None:
            return _OPEN_ESCAPE.fullmatch(text, at) is not None
        at = form.end()
    return False


@lru_cache(maxsize=256)
def _form(letter: str) -> re.Pattern[str]:
    return re.compile(_forms(letter))


def _forms(letter: str, *, first: bool = False) -> str:
    """A letter as it is, or with however many escapes.

    Args:
        letter: of a key.
        first: whether it begins the key: a row of backslashes is tried once then, not anew from each of them.
    """
    code = f"{ord(letter):04x}"
    escape = "".join(f"[{one}{one.upper()}]" if one.isalpha() else one for one in code)
    row = r"(?<!\\)\\+" if first else r"\\+"
    plain = rf"(?:{row}+)?{re.escape(letter)}" if letter in '"/' else row if letter == "\\" else re.escape(letter)
    return rf"(?:{row}+u{escape}|{plain})"


NO_CREDENTIALS = Credentials()
