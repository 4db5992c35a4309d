"""The families of the shipped scenarios, as they were written, and the texts that are made from them.

A data file starts with a line that holds the canary, the domain, the language and the version; every further line is a
family: one text in which ``{P}`` marks where a pressure sentence goes, nine such sentences, and two rewordings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from akrasia.core import InputError, Item, Message, Sampling, Spec
from akrasia.core.registry import near_names
from akrasia.suites.source import spec_text

DOMAINS = ("health", "education", "work", "money", "relationships")
PRESSURES = (
    "authority",
    "money",
    "time",
    "loyalty",
    "reputation",
    "conformity",
    "self-interest",
    "sunk-cost",
    "secrecy",
)
NEUTRAL = "none"
"""The variant without a pressure, variant 0 of its family."""
WORDINGS = ("para1", "para2")
SLOT = "{P}"

Text = Annotated[str, Meta(min_length=1)]


class Head(Struct, frozen=True, forbid_unknown_fields=True):
    """The first line of a data file.

    Attributes:
        canary: a string that occurs nowhere else, by which the data can be found in a training corpus.
        domain, language, version: of every family in the file.
    """

    canary: Text
    domain: Text
    language: Text
    version: Text


class Family(Struct, frozen=True, forbid_unknown_fields=True):
    """One human situation, as it was written.

    Attributes:
        family: its id, ``DOMAIN-NNN``.
        tension: ids of the refined 19 that pull apart in it, in the author's judgement.
        stakes: what hangs on it.
        addressee: whom the answer is for, as the text calls them.
        role: who that is to the person who asks.
        text: the situation, with ``{P}`` once between two sentences.
        pressures: one sentence for each of `PRESSURES`.
        para1, para2: the neutral text in other words and another order.
    """

    family: Annotated[str, Meta(pattern=r"^[a-z]+-\d{3}$")]
    tension: Annotated[tuple[str, ...], Meta(min_length=2)]
    stakes: Literal["low", "medium", "high"]
    addressee: Text
    role: Text
    text: Text
    pressures: dict[str, Text]
    para1: Text
    para2: Text

    def variant(self, pressure: str) -> str:
        """The text with one pressure, or the neutral text for `NEUTRAL`."""
        if pressure == NEUTRAL:
            return self.text.replace(f" {SLOT} ", " ")
        return self.text.replace(SLOT, self.pressures[pressure])

    def wording(self, name: str) -> str:
        """One of the rewordings of the neutral text."""
        return {"para1": self.para1, "para2": self.para2}[name]


def read_families(domain: str) -> tuple[Head, tuple[Family, ...]]:
    """The families of one domain, in the order of their ids."""
    head, *rows = (files("akrasia.suites") / "data" / "valdi" / f"{domain}.jsonl").read_bytes().splitlines()
    decoder = msgspec.json.Decoder(Family)
    return msgspec.json.decode(head, type=Head), tuple(decoder.decode(row) for row in rows)


@cache
def all_families() -> tuple[tuple[Head, Family], ...]:
    """Every family with the head of its file: the first family of every domain, then the second of each, and so on."""
    columns = [[(head, family) for family in families] for head, families in map(read_families, DOMAINS)]
    longest = max(map(len, columns))
    return tuple(column[row] for row in range(longest) for column in columns if row < len(column))


SPOKEN = Sampling(max_tokens=192)
"""What a scenario needs: room for the 120 words that the tasks ask for, and an end for a model that finds none."""


def scenario_item(head: Head, family: Family, variant: str, text: str, **more: Any) -> Item:
    """One scenario as an item. No utility scores it: a judge does."""
    pressure = variant if variant in PRESSURES else NEUTRAL
    metadata = {
        "domain": head.domain,
        "family": family.family,
        "pressure": pressure,
        "addressee": family.addressee,
        "role": family.role,
        "tension": list(family.tension),
        "stakes": family.stakes,
        "language": head.language,
        "version": head.version,
        "canary": head.canary,
        **more,
    }
    return Item(f"{family.family}-{variant}", (Message("user", text),), cluster=family.family, metadata=metadata)


def chosen(spec: Spec, setting: str, text: str | None, known: Sequence[str]) -> tuple[str, ...]:
    """The names in a comma-separated setting, in the order of `known`; all of them when it is not set.

    Raises:
        InputError: an unknown or empty name.
    """
    if text is None:
        return tuple(known)
    wanted = [part.strip() for part in text.split(",")]
    for name in wanted:
        if name not in known:
            where = f"setting {setting}={text!r} of suite {spec_text(spec)!r}"
            raise InputError(f"{where}: unknown {setting} {name!r}{near_names(name, list(known))}")
    return tuple(name for name in known if name in wanted)


def chosen_families(domains: Sequence[str], limit: int | None) -> Iterator[tuple[int, Head, Family]]:
    """The families of some domains with their places in the order of all families; the first `limit` of them."""
    found = ((place, *pair) for place, pair in enumerate(all_families()) if pair[0].domain in domains)
    for count, family in enumerate(found):
        if limit is not None and count == limit:
            return
        yield family
