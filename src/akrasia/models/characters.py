"""Replies that cannot be written down.

Python has texts with half a surrogate pair, and numbers that are none (NaN, infinity); no JSON takes either.
Replies that were decoded from JSON never hold any; those of Python code may.
"""

from __future__ import annotations

from itertools import chain
from math import isfinite

from akrasia.core import CallRefused, Reply


def written(text: str) -> str:
    """A text that can be written anywhere: half a surrogate pair becomes its escape."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def half_a_pair(name: str) -> str:
    """What is said of a reply that cannot be written down."""
    return f"{name} gave a reply that holds half a surrogate pair, which is no character"


def check_writable(reply: Reply, name: str) -> Reply:
    """The reply, all of whose texts are characters, and all of whose log-probabilities finite numbers or None.

    Raises:
        CallRefused: one is not, or is no text at all.
    """
    tokens = reply.logprobs or ()
    others = chain.from_iterable((token.token, *(other for other, _ in token.top)) for token in tokens)
    try:
        for text in (reply.text, reply.reasoning or "", reply.model or "", *others):
            text.encode()
    except UnicodeEncodeError:
        raise CallRefused(half_a_pair(name)) from None
    except AttributeError:
        raise CallRefused(f"{name} gave a reply with something else than text in it: give text") from None
    numbers = chain.from_iterable((token.logprob, *(other for _, other in token.top)) for token in tokens)
    if not all(isfinite(number) for number in numbers if number is not None):
        raise CallRefused(f"{name} gave a log-probability that is no finite number: give one, or None where it is lost")
    return reply
