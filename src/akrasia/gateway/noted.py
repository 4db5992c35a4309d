"""Where a log ended when its writer last wrote: noted in the lock file beside it, which stays when the writer goes.

By it a start finds the file that somebody moved meanwhile, and sees that lines were cut off; so does verification. It
protects from accidents alone: whoever can change the log can change the note.
"""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import Struct

_NOTE = re.compile(r"last line (\d{1,19}), hash ([0-9a-f]{64})")
_LONGEST = 4096


class Noted(Struct, frozen=True):
    """The last line that a log had.

    Attributes:
        seq: its number in the whole log.
        hash: its hash, as hex digits.
    """

    seq: int
    hash: bytes

    def text(self) -> str:
        """The note, as `noted_in` reads it; notes of one log are equally long, so that none is ever half there."""
        return f"last line {self.seq:019}, hash {self.hash.decode()}"


def noted_in(text: str) -> Noted | None:
    """The note in a text; None where there is none."""
    found = _NOTE.search(text)
    return None if found is None else Noted(int(found[1]), found[2].encode())


def noted_beside(path: Path) -> Noted | None:
    """The note on a log; None where there is none, as beside one that was copied or moved."""
    try:
        with path.with_name(f"{path.name}.lock").open(encoding="utf-8", errors="replace") as file:
            return noted_in(file.read(_LONGEST))
    except OSError:
        return None
