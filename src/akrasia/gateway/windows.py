"""What of a streamed choice has left and what waits, and where a window of it ends. Pure; releasing is `release`'s."""

from __future__ import annotations

import re

from msgspec import Struct

from akrasia.gateway.credentials import NO_CREDENTIALS, Credentials

CONTEXT = 1000
"""Letters before a window that it is read with."""

LONGEST = 2000
"""Letters after which a window ends without the end of a sentence."""

_SIGNS, _AFTER = ".!?…", "\"'”’»)]*_"
# Tried once per run of signs: a long one, as of dots in a table, is no end until white space follows.
_END = re.compile(rf"(?<![{_SIGNS}])[{_SIGNS}]++[{re.escape(_AFTER)}]*+\s+|[。！？]+[」』”’]*|\n+")

_ESCAPE, _ESCAPE_LETTERS = re.compile(r"\\u[0-9A-Fa-f]{4}"), 6


class StreamedChoice(Struct):
    """A choice while it comes.

    Attributes:
        waiting: text that has come and not left; "" while no word of it has come.
        left: text that has left.
        windows: that have left.
        stopped: why no more of it leaves; None: it goes on.
        unread: why a part of it could not be read.
        blank: white space that came before a word, in pieces.
        begin: where the first word of `waiting` begins.
        looked: before which no window's end can begin any more, as `window_end` found.
        held: what came, in pieces, after a letter in JSON's escapes: it waits for the whole, since neither sentences
            nor their length show there, and a window may be less than a word. None: there was no such letter.
        ended: whether the upstream said why it ended.
        keys: that must not leave, also where they come in pieces with other texts between them.
    """

    waiting: str = ""
    left: str = ""
    windows: int = 0
    stopped: str | None = None
    unread: str | None = None
    blank: list[str] = []
    begin: int = 0
    looked: int = 0
    held: list[str] | None = None
    ended: bool = False
    keys: Credentials = NO_CREDENTIALS

    @property
    def goes_on(self) -> bool:
        """Whether words wait that may leave."""
        return self.stopped is None and bool(self.waiting)

    @property
    def rest(self) -> str:
        """All that has come and not left, white space too."""
        text: str = self.keys.out_of("".join((*self.blank, self.waiting, *(self.held or ()))))
        return text

    def add(self, text: str) -> None:
        """Take what has come. White space is put together once, with the word that follows: there may be much of it."""
        if self.held is not None:
            self.held.append(text)
            return
        if self.waiting:
            self.waiting += text
            return
        self.blank.append(text)
        if text and not text.isspace():
            self.waiting, self.blank = "".join(self.blank), []
            self.begin = self.looked = len(self.waiting) - len(self.waiting.lstrip())

    def window_end(self, keys: Credentials = NO_CREDENTIALS) -> int:
        """Where the window ends that waits, however the upstream cut it into pieces; 0: it is not whole.

        What waits is looked through for `keys` of its own when a window of it would leave.

        Args:
            keys: that the log may not hold: each stays in one window, since the log looks for them in lines.
        """
        if not self.waiting or self.held is not None:
            return 0
        begin, most = self.begin, self.begin + LONGEST
        found = _END.search(self.waiting, self.looked, most)
        if found is None and len(self.waiting) <= most + _ESCAPE_LETTERS:
            self.looked = max(begin, min(most, len(self.waiting.rstrip(_AFTER).rstrip(_SIGNS))))
            return 0
        end = found.end() if found is not None else self.waiting.rfind(" ", begin, most) + 1 or most
        escape = _ESCAPE.search(self.waiting, begin, end + _ESCAPE_LETTERS)
        if escape is not None and escape.start() < end:
            self.held = []
            return 0
        clean = self.keys.out_of(self.waiting)
        if clean != self.waiting:
            self.waiting, self.looked = clean, begin
            return self.window_end(keys)
        return keys.uncut(self.waiting, end)

    def leave(self, end: int) -> None:
        """Count the window that ends there as left."""
        window, rest = self.waiting[:end], self.waiting[end:]
        self.left += window
        self.windows += 1
        self.waiting = ""
        if rest:
            self.add(rest)
