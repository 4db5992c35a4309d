"""A scripted model that expresses no value anywhere."""

from __future__ import annotations

from akrasia.core import Request


def empty(request: Request, sample: int) -> str:
    """Says what is true and stands for nothing."""
    return "The bus leaves at six."
