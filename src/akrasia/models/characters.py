"""Replies that cannot be written down: Python has texts with half a surrogate pair, and no file and no JSON takes one.

Replies that were decoded from JSON never hold any; those of Python code may.
"""

from __future__ import annotations

from itertools import chain

from akrasia.core import CallRefused, Reply


def written(text: str) -> str:
    """A text that can be written anywhere: half a surrogate pair becomes its escape."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def half_a_pair(name: str) -> str:
    """What is said of a reply that cannot be written down."""
    return f"{name} gave a reply that holds half a surrogate pair, which is no character"


def check_characters(reply: Reply, name: str) -> Reply:
    """The reply, all of whose texts are characters.

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
    return reply
