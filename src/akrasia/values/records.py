"""A value and a named list of values: what taxonomies and constitutions are made of."""

from __future__ import annotations

import re
from functools import cached_property
from hashlib import blake2b
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from akrasia.core import InputError
from akrasia.core.registry import near_names

Kebab = Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Text = Annotated[str, Meta(min_length=1)]
Weight = Annotated[float, Meta(gt=0, le=1e6)]


class Value(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One value of a taxonomy or a constitution.

    Attributes:
        id: kebab-case and unique in its list ("benevolence-caring").
        definition: what it means, in one sentence.
        name: as people write it; the id where a list gives none.
        upholds: examples of acting by it.
        betrays: examples of acting against it.
        weight: how much it counts beside the others; above 0.
        required: whether an answer that betrays or lacks it fails as a whole.
        aliases: other names by which `Taxonomy.find` knows it.
        words: words that name it in a text, for the lint of scenarios; ``honest*`` is every word that begins so.
        broader: in which value of a coarser taxonomy it falls, by that taxonomy's name.
    """

    id: Kebab
    definition: Text
    name: str = ""
    upholds: tuple[str, ...] = ()
    betrays: tuple[str, ...] = ()
    weight: Weight = 1.0
    required: bool = False
    aliases: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    broader: dict[str, str] = {}


class Taxonomy(Struct, frozen=True, dict=True):
    """A named list of values, in a fixed order.

    Attributes:
        name: what it is called in commands and records.
        values: all of them; ids and aliases are unambiguous.
        title: one line for people.
        source: the work that it comes from; "" for a constitution that names none.
        licence: of names and definitions; "" where none is stated.
    """

    name: str
    values: tuple[Value, ...]
    title: str = ""
    source: str = ""
    licence: str = ""

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the values, in order."""
        return tuple(value.id for value in self.values)

    @cached_property
    def fingerprint(self) -> str:
        """A hash over all of it, by which lists of the same name are told apart."""
        return blake2b(msgspec.json.encode(self), digest_size=8).hexdigest()

    @cached_property
    def _by_key(self) -> dict[str, Value]:
        known = {value.id: value for value in self.values}
        for value in self.values:
            for alias in (value.name, *value.aliases):
                if alias and known.setdefault(name_key(alias), value) is not value:
                    raise InputError(
                        f"{self.name}: {alias!r} names both {known[name_key(alias)].id!r} and {value.id!r}: "
                        "change a name or an alias"
                    )
        return known

    def find(self, alias: str) -> Value:
        """The value that an id, a name or an alias means; capitals, spaces and punctuation do not count.

        Raises:
            InputError: it names none of these values; the message lists near names.
        """
        found = self._by_key.get(name_key(alias))
        if found is None:
            raise InputError(f"unknown value {alias!r} of {self.name!r}{near_names(name_key(alias), list(self.ids))}")
        return found

    def __contains__(self, alias: object) -> bool:
        return isinstance(alias, str) and name_key(alias) in self._by_key

    def shuffled(self, seed: int) -> tuple[Value, ...]:
        """The values in an order that depends on the seed alone, for prompts that list them.

        The order is by hash, so that no version of Python's random module can change it.
        """
        return tuple(
            sorted(self.values, key=lambda value: blake2b(f"{seed} {value.id}".encode(), digest_size=16).digest())
        )


def name_key(text: str) -> str:
    """How names are compared: ``"Self-direction: thought"`` → ``"self-direction-thought"``."""
    return re.sub(r"[^a-z0-9]+", "-", text.casefold()).strip("-")
