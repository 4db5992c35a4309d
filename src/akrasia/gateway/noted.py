"""Where a log ended when its writer last wrote: noted in the lock file beside it, which stays when the writer goes.

By it a start finds the file that somebody moved meanwhile, and sees that lines were cut off; so does verification. It
protects from accidents alone: whoever can change the log can change the note.
"""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import Struct

_NOTE = re.compile(
    r"last line (\d{1,19}), hash ([0-9a-f]{64})(?:, in a file begun with line (\d{1,19}), hash ([0-9a-f]{64}))?"
)
_MISSING = re.compile(r"missing ([0-9][0-9, to]*)")
_LONGEST = 4096
_LONGEST_MISSING = 1000


class Begun(Struct, frozen=True):
    """The line that a file begins with.

    Attributes:
        seq: its number in the whole log.
        hash: its hash, as hex digits.
    """

    seq: int
    hash: bytes


class Noted(Struct, frozen=True):
    """The last line that a log had.

    Attributes:
        seq: its number in the whole log.
        hash: its hash, as hex digits.
        begun: the first line of its file, by which a copy of that is known; None: not noted.
        missing: entries that had been written and were nowhere at a start, as "4 to 5, 9 to 9"; empty: none.
    """

    seq: int
    hash: bytes
    begun: Begun | None = None
    missing: str = ""

    def text(self) -> str:
        """The note, as `noted_in` reads it; notes of one writer are equally long, so that none is ever half there."""
        text = f"last line {self.seq:019}, hash {self.hash.decode()}"
        if self.begun is not None:
            text += f", in a file begun with line {self.begun.seq:019}, hash {self.begun.hash.decode()}"
        return f"{text}\nmissing {self.missing}" if self.missing else text

    def lacking(self, first: int) -> str:
        """What is missing where those from an entry to the noted one are, too."""
        found = f"{self.missing}, {first} to {self.seq}" if self.missing else f"{first} to {self.seq}"
        return found if len(found) <= _LONGEST_MISSING else self.missing


def noted_in(text: str) -> Noted | None:
    """The note in a text; None where there is none."""
    found = _NOTE.search(text)
    if found is None:
        return None
    begun = None if found[3] is None else Begun(int(found[3]), found[4].encode())
    missing = _MISSING.search(text, found.end())
    return Noted(int(found[1]), found[2].encode(), begun, "" if missing is None else missing[1])


def noted_beside(path: Path) -> Noted | None:
    """The note on a log; None where there is none, as beside one that was copied or moved."""
    try:
        with path.with_name(f"{path.name}.lock").open(encoding="utf-8", errors="replace") as file:
            return noted_in(file.read(_LONGEST))
    except OSError:
        return None
