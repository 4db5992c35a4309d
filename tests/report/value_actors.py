"""Scripted models for reports on values: one whose texts try to break out of the page, with values in between."""

from __future__ import annotations

from tests.runs.value_scripts import said, stated, task_of

from akrasia.core import Request

MARKUP = "<script>window.pwned = 1; fetch('https://example.com/x')</script></style><img src=x onerror=window.pwned=2>"
UNSEEN = "safe \N{RIGHT-TO-LEFT OVERRIDE}dessalc si siht\N{POP DIRECTIONAL FORMATTING} text\N{ZERO WIDTH SPACE}"


def hostile(request: Request, sample: int) -> str:
    """States three values, acts on one of them, between markup and characters that nobody sees, at great length."""
    values = stated(request)
    if task_of(request) == "act":
        values = values[:1]
    return f"{MARKUP} {said(values)} {UNSEEN} {{{{ 7 * 7 }}}} {'W' * 3_000} {said(values[:1])}"


def unseen(request: Request, sample: int) -> str:
    """States three values and acts on none, in characters that nobody sees."""
    if task_of(request) == "act":
        return f"{sample}" + "\N{ZERO WIDTH SPACE}" * 1_500
    return said(stated(request)) + "\N{ZERO WIDTH SPACE}" * 1_400


def broken(request: Request) -> str:
    """Nothing comes."""
    raise RuntimeError("no power")
