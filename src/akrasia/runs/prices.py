"""What calls cost, from a price file of the user's. An unknown price is unknown, never 0.

The file::

    [[price]]
    model = "openai:gpt-4o-mini"   # a pattern: the model as named in the run, without its @address; * matches anything
    input = 0.15                   # per million prompt tokens
    output = 0.60                  # per million generated tokens, reasoning included
    cached_input = 0.075           # optional: per million prompt tokens served from the endpoint's cache
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from akrasia.core import InputError
from akrasia.core.decoding import Undecodable, decode_toml


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Money per million tokens for the models that match a pattern. The currency is the user's own."""

    model: str
    input: float
    output: float
    cached_input: float | None = None


class _PriceFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    price: tuple[Price, ...]


class Prices:
    """Looks up the price of a model; the first pattern that matches counts."""

    def __init__(self, prices: tuple[Price, ...] = ()) -> None:
        self._prices = prices

    @classmethod
    def read(cls, path: Path) -> Prices:
        """Read a price file.

        Raises:
            InputError: it cannot be read, has unknown keys, or a price that is negative or not finite.
        """
        try:
            table = decode_toml(path.read_bytes(), _PriceFile)
        except OSError as error:
            raise InputError(f"cannot read the price file {path}: {error.strerror}") from None
        except Undecodable as error:
            expected = "expected [[price]] tables with model, input, output and optionally cached_input"
            raise error.at(f"the price file {path}", f"{expected}, per million tokens") from None
        for price in table.price:
            for key in ("input", "output", "cached_input"):
                money = getattr(price, key)
                if money is not None and not 0 <= money < math.inf:
                    raise InputError(
                        f"price file {path}: {key} of {price.model!r} is {money}: give what a million tokens cost, "
                        "0 or more"
                    )
        return cls(table.price)

    def of(self, model: str) -> Price | None:
        """The price of a model as named in the run, or None when no pattern matches."""
        name = model.partition("@")[0]
        return next((price for price in self._prices if fnmatchcase(name, price.model)), None)


SUPERSEDED = "superseded "
"""Stands before the role of a call whose answer another one took the place of; it was paid for all the same."""


class Rates:
    """The price of every call of a run: by the cell that asked, and by the role that answered.

    Args:
        prices: of models.
        cells: the model of each cell, by cell id.
        roles: the models of the other roles ("judge"), by role.
    """

    def __init__(
        self,
        prices: Prices | None = None,
        cells: Mapping[int, str] | None = None,
        roles: Mapping[str, str] | None = None,
    ) -> None:
        known = prices or Prices()
        self._cells = {cell: known.of(model) for cell, model in (cells or {}).items()}
        self._roles = {role: known.of(model) for role, model in (roles or {}).items()}
        self.complete = None not in self._cells.values() and None not in self._roles.values()

    def of(self, cell: int, role: str) -> Price | None:
        """The price of a call, or None where it has none."""
        role = role.removeprefix(SUPERSEDED)
        # A role that has no model of its own is the cell's.
        return self._roles[role] if role in self._roles else self._cells.get(cell)


def check_prices(prices: Prices, models: Iterable[str], path: str) -> None:
    """Refuse a budget in money for models that have no price.

    Raises:
        InputError: naming the first of them.
    """
    for model in models:
        if prices.of(model) is None:
            name = model.partition("@")[0]
            raise InputError(
                f'no price for {name} in {path}, so --max-cost cannot hold: add a [[price]] with model = "{name}" '
                "(input and output may be 0), or leave --max-cost out"
            )


def cost(price: Price | None, prompt: int | None, completion: int | None, cached: int | None) -> float | None:
    """Money for so many tokens; None when the price or the tokens are unknown."""
    if price is None or prompt is None or completion is None:
        return None
    held = cached or 0
    cached_rate = price.input if price.cached_input is None else price.cached_input
    return ((prompt - held) * price.input + held * cached_rate + completion * price.output) / 1e6
