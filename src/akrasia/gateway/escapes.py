r"""Texts as they read once JSON's escapes are undone, and the way back to where that stood.

A tool's arguments, or a document that a message quotes, may be JSON: whoever reads it sees ``Müller`` where the text
has ``M\u00fcller``, and in JSON inside JSON ``M\\u00fcller``.
"""

from __future__ import annotations

import re
import time
from bisect import bisect_right
from collections.abc import Iterator

_ESCAPE = re.compile(
    r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|([\"\\/bfnrt]))"
)
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_OFTEN = 4096


class View:
    """A text, or what it reads as; see `views`.

    Args:
        text: as it reads.
        of: the text that was read; None: this one is as it came.
    """

    def __init__(self, text: str, of: View | None = None) -> None:
        self.text = text
        self._of = of
        self._at: list[int] = []  # places of the letters that were escapes
        self._was: list[tuple[int, int]] = []  # where these stood in the text that was read

    def source(self, start: int, end: int) -> tuple[int, int]:
        """Where a part of this text, of at least one letter, stands in the text as it came."""
        view = self  # texts may be escaped a thousand times, which is too often for calls within calls
        while view._of is not None:
            start, end = view._before(start)[0], view._before(end - 1)[1]
            view = view._of
        return start, end

    def read_on(self, until: float) -> View | None:
        """This text with its escapes undone once; None where time ran out."""
        made, parts, length, last = View("", self), list[str](), 0, 0
        for number, escape in enumerate(_ESCAPE.finditer(self.text)):
            if number % _OFTEN == 0 and time.monotonic() > until:
                return None
            length += escape.start() - last
            made._at.append(length)
            made._was.append(escape.span())
            parts += (self.text[last : escape.start()], _letter(escape))
            length, last = length + 1, escape.end()
        made.text = "".join((*parts, self.text[last:]))
        return made

    def _before(self, at: int) -> tuple[int, int]:
        """Where one letter stood."""
        place = bisect_right(self._at, at) - 1
        if place < 0:
            return at, at + 1
        if self._at[place] == at:
            return self._was[place]
        start = self._was[place][1] + at - self._at[place] - 1
        return start, start + 1


def views(text: str, until: float) -> Iterator[View | None]:
    """The text, what it reads as, what that reads as …; None at the end where time ran out.

    Args:
        text: any.
        until: by `time.monotonic()`.
    """
    view: View | None = View(text)
    yield view
    while view is not None and _ESCAPE.search(view.text) is not None:  # each time it gets shorter
        view = view.read_on(until)
        yield view


def _letter(escape: re.Match[str]) -> str:
    high, low, code, short = escape.groups()
    if high is not None:
        return chr(0x10000 + (int(high, 16) - 0xD800) * 0x400 + int(low, 16) - 0xDC00)
    return chr(int(code, 16)) if code is not None else _SHORT.get(short, short)
