"""Several judges as one: a majority, or a weighted one, value by value.

`combine` is pure, so judgements that are stored already can be combined again without asking anybody.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

from akrasia.core import PRESENT, Ask, CallRefused, Fingerprint, InputError, Judgement, Polarity, Reading
from akrasia.judges.base import Judge
from akrasia.values import Taxonomy

_TIE = math.nextafter(PRESENT, 0.0)
"""The score of a tie: half of the votes are no majority, so it stays just below the threshold."""


def combine(judgements: Sequence[Judgement], weights: Sequence[float] | None = None) -> Judgement:
    """The verdict of several judges on one text.

    A judge that could not read a value has no vote on it. A value is upheld where more than half of the votes say so,
    betrayed likewise, and else absent; its score is the share of votes that say upheld (0 where it is betrayed). It is
    unread unless judges with more than half of all weight read it: a lone voice is no panel.

    Args:
        judgements: one per judge, on the same text.
        weights: one positive number per judge; None: all equal.

    Raises:
        InputError: no judgements, or weights that do not fit them.
    """
    votes = _weights(len(judgements), weights)
    if all(judgement.missing is not None for judgement in judgements):
        reasons = dict.fromkeys(str(judgement.missing) for judgement in judgements)
        return Judgement(missing="; ".join(reasons))
    readings: dict[str, Reading] = {}
    unread: dict[str, str] = {}
    values = dict.fromkeys(value for one in judgements for value in (*one.readings, *one.unread))
    for value in values:
        cast = [
            (one.readings[value], vote) for one, vote in zip(judgements, votes, strict=True) if value in one.readings
        ]
        if 2 * sum(vote for _, vote in cast) > sum(votes):
            readings[value] = _majority(cast)
        else:
            reasons = dict.fromkeys(filter(None, (one.unread.get(value) or one.missing for one in judgements)))
            unread[value] = f"most of the panel did not read it: {'; '.join(reasons)}"
    return Judgement(readings, unread)


class Panel:
    """Several judges that read as one. See `akrasia.judges.Judge`.

    Args:
        judges: at least one.
        weights: one positive number per judge; None: all equal.

    Raises:
        InputError: no judges, or weights that do not fit them.
    """

    def __init__(self, judges: Sequence[Judge], weights: Sequence[float] | None = None) -> None:
        self.judges = tuple(judges)
        self.weights = tuple(_weights(len(judges), weights))
        self.name = f"panel of {', '.join(judge.name for judge in judges)}"
        # Its members have models of their own, each under a role of its own: see `roles`.
        self.model: str | None = None
        self.prompts = tuple(dict.fromkeys(name for judge in judges for name in judge.prompts))
        self.deterministic = all(judge.deterministic for judge in judges)

    @property
    def fingerprint(self) -> Fingerprint:
        """Those of its members, with their weights."""
        members = [judge.fingerprint for judge in self.judges]
        revision = " + ".join(f"{one.name} {one.revision}" for one in members)
        weights = ":".join(f"{weight:g}" for weight in self.weights)
        return Fingerprint("panel", revision, f"weights {weights}; " + " + ".join(one.backend for one in members))

    def roles(self, role: str = "judge") -> dict[str, str]:
        """The model of each role under which a member asks: the first under ``judge``, the n-th under ``judge-n``."""
        members = enumerate(self.judges)
        return {_role(role, place): judge.model for place, judge in members if judge.model is not None}

    def check(self, taxonomy: Taxonomy) -> None:
        """Refuse what any member refuses.

        Raises:
            InputError: see `Judge.check`.
        """
        for judge in self.judges:
            judge.check(taxonomy)

    async def read(
        self, text: str, taxonomy: Taxonomy, ask: Ask | None, *, role: str = "judge", repeat: int = 0
    ) -> Judgement:
        """The members' verdicts, combined; a member whose model refuses counts as missing."""

        async def one(place: int, judge: Judge) -> Judgement:
            try:
                return await judge.read(text, taxonomy, ask, role=_role(role, place), repeat=repeat)
            except CallRefused as error:
                return Judgement(missing=str(error))

        verdicts = await asyncio.gather(*(one(place, judge) for place, judge in enumerate(self.judges)))
        return combine(verdicts, self.weights)


def _role(role: str, place: int) -> str:
    return role if place == 0 else f"{role}-{place + 1}"


def _weights(judges: int, weights: Sequence[float] | None) -> list[float]:
    if not judges:
        raise InputError("a panel needs judges: give at least one")
    found = [1.0] * judges if weights is None else list(weights)
    if len(found) != judges or not all(math.isfinite(weight) and weight > 0 for weight in found):
        raise InputError(f"a panel of {judges} needs as many positive weights: got {found}")
    return found


def _majority(cast: Sequence[tuple[Reading, float]]) -> Reading:
    whole = sum(vote for _, vote in cast)
    upheld = sum(vote for reading, vote in cast if reading.upheld)
    betrayed = sum(vote for reading, vote in cast if reading.polarity == "betrays")
    if 2 * betrayed > whole:
        return Reading(0.0, "betrays", _evidence(cast, "betrays"))
    if 2 * upheld > whole:
        return Reading(upheld / whole, "upholds", _evidence(cast, "upholds"))
    return Reading(min(upheld / whole, _TIE))


def _evidence(cast: Sequence[tuple[Reading, float]], polarity: Polarity) -> str | None:
    """That of the weightiest judge on the winning side who gives any."""
    given = [(reading.evidence, vote) for reading, vote in cast if reading.polarity == polarity and reading.evidence]
    return max(given, key=lambda pair: pair[1])[0] if given else None
