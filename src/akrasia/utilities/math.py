r"""The utility of a mathematical answer: 1 when math-verify finds it equal to the target, else 0.

The last ``\boxed{}`` of the final part counts, else its last expression. Equal means equal as mathematics: "1/2", "0.5"
and "\frac{2}{4}" are. A comparison that takes too long or breaks is missing, never 0.
"""

from __future__ import annotations

import os
import re
from functools import partial
from importlib.util import find_spec

from akrasia.core import Candidate, InputError, Item, Score, UtilityUnavailable
from akrasia.suites.boxed import last_box
from akrasia.utilities.comparison import unfinished
from akrasia.utilities.extraction import final_part
from akrasia.utilities.math_worker import MARKED
from akrasia.utilities.registry import UtilityOptions
from akrasia.utilities.workers import WorkerLost, Workers, start_module

_WORKER = "akrasia.utilities.math_worker"
_LIMIT_S = 6.0
# math-verify reads the end of a text; what stands this far before it cannot be the answer, only cost time.
_LONGEST_TEXT = 20_000
# A digit, or a letter that does not belong to a command.
_WORD = re.compile(r"[0-9]|(?<![\\A-Za-z])[A-Za-z]")


class Math:
    """Compares through math-verify in processes that are killed when an expression holds them up."""

    name = "math"
    cpu_bound = True

    def __init__(self, _options: UtilityOptions) -> None:
        self._workers = Workers(partial(start_module, _WORKER), count=os.cpu_count() or 1, limit_s=_LIMIT_S)

    def check(self, item: Item) -> None:
        """Nothing when the item has a target that can be read.

        Raises:
            InputError: it has none.
            UtilityUnavailable: math-verify is not installed.
        """
        target = self._target(item)
        if not _closed(target):
            raise _unreadable(item, target, "its braces do not match")
        if find_spec("math_verify") is None:
            raise UtilityUnavailable("utility 'math' needs math-verify: pip install math-verify")
        if not _surely_read(target):
            try:
                reply = self._workers.ask({"target": target})
            except WorkerLost as error:
                raise _unreadable(item, target, f"reading it {error}") from None
            if "missing" in reply:
                raise _unreadable(item, target, reply["missing"])

    def score(self, item: Item, candidate: Candidate) -> Score:
        """1 or 0 with the answer; 0 with the reason where there is none; missing when it could not be compared.

        Raises:
            InputError: see `check`.
        """
        target = self._target(item)
        failed = unfinished(candidate)
        if failed is not None:
            return failed
        text = _answering_part(candidate.text or "")
        if not text:
            return Score(0.0, failure="empty answer")
        try:
            reply = self._workers.ask({"target": target, "text": text})
        except WorkerLost as error:
            return Score(None, missing=f"math verification {error}")
        if "missing" in reply:
            return Score(None, missing=reply["missing"])
        if reply["equal"] is None:
            return Score(0.0, failure="no mathematics in the answer")
        return Score(1.0 if reply["equal"] else 0.0, reply["answer"])

    def equal(self, one: str, other: str) -> bool | None:
        """Whether two candidates' texts give one answer as mathematics, whatever the target; None: not told in time."""
        try:
            reply = self._workers.ask({"equate": [_answering_part(one), _answering_part(other)]})
        except WorkerLost:
            return None
        equal: bool | None = reply.get("equal")
        return equal

    def close(self) -> None:
        """End the worker processes."""
        self._workers.close()

    def _target(self, item: Item) -> str:
        target = final_part(item.target or "")
        if not target:
            raise InputError(f"item {item.id!r} has no target, and utility 'math' compares with one: add it")
        return target


def _unreadable(item: Item, target: str, why: str) -> InputError:
    return InputError(
        f"target {target[:60]!r} of item {item.id!r} cannot be read as mathematics ({why}): mend it, or use "
        "utility 'exact'"
    )


def _surely_read(target: str) -> bool:
    """Whether a target whose braces match needs no process to tell that it is read, if only letter by letter.

    Thousands of them are checked before a run starts.
    """
    return _WORD.search(target) is not None and MARKED.search(target) is None


def _closed(text: str) -> bool:
    """Whether every brace that is open is closed; escaped ones are text."""
    open_braces = 0
    for brace in re.findall(r"\\.|[{}]", text, re.DOTALL):
        open_braces += {"{": 1, "}": -1}.get(brace, 0)
        if open_braces < 0:
            return False
    return open_braces == 0


def _answering_part(text: str) -> str:
    """What of a candidate's text math-verify has to read; it would join several boxes, earlier answers, to a set."""
    text = final_part(text)
    return last_box(text) or text[-_LONGEST_TEXT:]
