"""Constitutions: the values that an owner declares for a deployment, in the same form as a taxonomy."""

from __future__ import annotations

from pathlib import Path

from akrasia.core import InputError
from akrasia.core.registry import near_names
from akrasia.values.form import parse_form
from akrasia.values.records import Taxonomy
from akrasia.values.shipped import TAXONOMIES, taxonomy


def parse_constitution(text: bytes | str, where: str = "constitution") -> Taxonomy:
    """A constitution from its TOML text: ``name`` and ``[[value]]`` tables.

    Each value has ``id`` and ``definition``, and where wanted ``upholds`` and ``betrays`` (examples), ``weight`` (1)
    and ``required`` (false). A value whose id is one of the refined 19 may leave its definition out.

    Args:
        text: the TOML.
        where: the file's name, for messages; reading the file is the caller's.

    Raises:
        InputError: not TOML, an unknown key (near names are listed), a wrong type, no values, or an id given twice.
    """
    return parse_form(text, where, known=taxonomy())


def find_values(text: str) -> Taxonomy:
    """The values that a user names: a shipped taxonomy by its name, or a constitution by its file.

    Raises:
        InputError: neither, or the file is no constitution.
    """
    if text in TAXONOMIES:
        return taxonomy(text)
    path = Path(text)
    if path.suffix != ".toml" and not path.exists():
        raise InputError(
            f"unknown values {text!r}{near_names(text, list(TAXONOMIES))}, or a constitution's file (.toml)"
        )
    try:
        return parse_constitution(path.read_bytes(), text)
    except OSError as error:
        raise InputError(f"cannot read the constitution {text}: {error.strerror}") from None
