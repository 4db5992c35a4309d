"""The process in which math-verify runs, started as a module: one JSON request a line, one JSON reply a line.

An expression in a candidate can keep sympy busy for ever, fill the memory or overflow the stack. So this process may
die at any time; `akrasia.utilities.workers` starts another. It ends by itself when its parent is gone.
"""

from __future__ import annotations

import cmath
import faulthandler
import functools
import json
import logging
import os
import re
import sys
from typing import Any
from zlib import crc32

_MEMORY_BYTES = 2 << 30
# A little more than the parent waits: it only matters when the parent cannot kill this process any more.
_ORPHAN_S = 30.0
# Far above what math-verify rounds away (six decimals), and below what any two different short answers differ by.
_APART = 1e-4
MARKED = re.compile(r"(?<!\\)\$|\\boxed")
"""Where a target says itself which part of it is mathematics."""


def _parse_target(target: str) -> tuple[Any, ...]:
    return _parse(target if MARKED.search(target) else f"\\boxed{{{target}}}")


@functools.lru_cache(maxsize=4096)
def _parse(text: str) -> tuple[Any, ...]:
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse

    configs = (LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig())
    return tuple(parse(text, configs, parsing_timeout=None))


def compare(target: str, text: str = "") -> dict[str, Any]:
    """Whether the last mathematical expression of a text equals the target; without a text, whether that can be read.

    Returns:
        `equal` and `answer`, the expression that was found as text, the same whatever the target is; `equal` None when
        there was none; `missing` when the target itself could not be read.
    """
    from math_verify import verify

    wanted = _parse_target(target)
    if not wanted:
        return {"missing": "no mathematics in the target"}
    found = _parse(text)
    if not found:
        return {"equal": None}
    return {"equal": bool(verify(list(wanted), list(found), timeout_seconds=None)), "answer": _text(found)}


def equate(one: str, other: str) -> dict[str, Any]:
    """Whether the last expressions of two texts are equal, as `equal`: with either of them in the place of the target.

    Two whose values differ are told apart without the simplification that a comparison otherwise ends with.
    """
    from math_verify import verify

    if _apart(_value(one), _value(other)):
        return {"equal": False}
    first, second = _parse(one), _parse(other)
    ways = ((first, second), (second, first))
    return {"equal": any(verify(list(a), list(b), timeout_seconds=None) for a, b in ways)}


@functools.lru_cache(maxsize=4096)
def _value(text: str) -> complex | None:
    """The value of the expression in a text, each of its symbols standing for a number that depends on its name.

    None where values do not decide: relations, sets and matrices; percentages, which equal two numbers each; a name,
    which is compared by its letters.
    """
    from sympy import Expr, Rational, Symbol, UnevaluatedExpr

    found = _parse(text)
    expression = found[0] if found else None
    if not isinstance(expression, Expr) or isinstance(expression, Symbol) or expression.has(UnevaluatedExpr):
        return None
    places = {symbol: Rational(crc32(symbol.name.encode()) % 8999 + 1000, 5003) for symbol in expression.free_symbols}
    try:
        value = complex(expression.subs(places).evalf(15))
    except (TypeError, ValueError, OverflowError):
        return None
    return value if cmath.isfinite(value) else None


def _apart(one: complex | None, other: complex | None) -> bool:
    if one is None or other is None:
        return False
    return abs(one - other) > _APART * max(1.0, abs(one), abs(other))


def _text(found: tuple[Any, ...]) -> str:
    """An answer as text: a decimal as a fraction, so that 0.5 and 1/2 are one class without further comparison."""
    from sympy import Float, Rational

    expression = found[0]
    return str(Rational(str(expression)) if isinstance(expression, Float) else expression)


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))


def main() -> None:
    """Answer requests until standard input ends."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    silence = open(os.devnull, "w")  # noqa: PTH123, SIM115  (open as long as the process lives)
    os.dup2(silence.fileno(), 1)
    logging.disable(logging.CRITICAL)
    _limit_memory()
    for line in sys.stdin:
        request = json.loads(line)
        faulthandler.dump_traceback_later(_ORPHAN_S, exit=True, file=silence)
        try:
            reply = equate(*request["equate"]) if "equate" in request else compare(**request)
        except (MemoryError, RecursionError) as error:
            reply = {"missing": f"the expression was too large to verify ({type(error).__name__})"}
        except Exception as error:  # noqa: BLE001  (another package's failure, recorded as a missing measurement)
            reply = {"missing": f"the verifier broke: {type(error).__name__}: {error}"[:300]}
        faulthandler.cancel_dump_traceback_later()
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
