"""Several judges as one, value by value: the share of votes says what is upheld, and one proof makes a betrayal.

`combine` is pure, so judgements that are stored already can be combined again without asking anybody. What each judge
reads stays with the verdict (`Judgement.members`); `divided` says where they differ.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Sequence

from akrasia.core import PRESENT, Ask, CallRefused, Fingerprint, InputError, Judgement, Polarity, Reading
from akrasia.judges.base import Judge
from akrasia.values import Taxonomy

_ROUNDING = 1e-9
"""Weights are floats: half of them is half, whatever the last digit of their sum."""

ABSENT = "absent"
UNREAD = "unread"


def combine(
    judgements: Sequence[Judgement], weights: Sequence[float] | None = None, names: Sequence[str] | None = None
) -> Judgement:
    """The verdict of several judges on one text.

    - *Betrayed*: a judge, whatever its weight, says so and shows the words; or, without any words, half of the votes.
      So who joins a panel takes no betrayal back.
    - *Upheld*: not betrayed, and at least half of the votes say so; with two judges, where one sees it. The score is
      the share of votes that say so.
    - *Absent*: neither. The score is that share; 0 where the value is betrayed.

    A judge that could not read a value has no vote on it. A value that is not shown to be betrayed is unread unless
    judges with more than half of all weight read it: a lone voice is no panel.

    Args:
        judgements: one per judge, on the same text.
        weights: one positive number per judge; None: all equal.
        names: one per judge, under which its judgement is kept in the verdict; None: they are not kept.

    Raises:
        InputError: no judgements, or weights that do not fit them.
    """
    votes = _weights(len(judgements), weights)
    members = {} if names is None else dict(zip(_distinct(names), judgements, strict=True))
    if all(judgement.missing is not None for judgement in judgements):
        reasons = dict.fromkeys(str(judgement.missing) for judgement in judgements)
        return Judgement(missing="; ".join(reasons), members=members)
    readings: dict[str, Reading] = {}
    unread: dict[str, str] = {}
    values = dict.fromkeys(value for one in judgements for value in (*one.readings, *one.unread))
    for value in values:
        cast = [
            (one.readings[value], vote) for one, vote in zip(judgements, votes, strict=True) if value in one.readings
        ]
        if _evidence(cast, "betrays") is not None or 2 * sum(vote for _, vote in cast) > sum(votes):
            readings[value] = _together(cast)
        else:
            reasons = dict.fromkeys(filter(None, (one.unread.get(value) or one.missing for one in judgements)))
            unread[value] = f"most of the panel did not read it: {'; '.join(reasons)}"
    return Judgement(readings, unread, members=members)


def divided(judgement: Judgement, values: Collection[str]) -> dict[str, dict[str, str]]:
    """Where the judges of a panel do not say the same.

    Args:
        judgement: a panel's verdict.
        values: those to look at.

    Returns:
        value → judge → "upholds", "betrays", "absent" or "unread", of the values on which they differ; empty for the
        verdict of one judge.
    """
    said = {value: {name: _said(one, value) for name, one in judgement.members.items()} for value in values}
    return {value: by_judge for value, by_judge in said.items() if len(set(by_judge.values())) > 1}


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
        return combine(verdicts, self.weights, [judge.name for judge in self.judges])


def _role(role: str, place: int) -> str:
    return role if place == 0 else f"{role}-{place + 1}"


def _weights(judges: int, weights: Sequence[float] | None) -> list[float]:
    if not judges:
        raise InputError("a panel needs judges: give at least one")
    found = [1.0] * judges if weights is None else list(weights)
    if len(found) != judges or not all(math.isfinite(weight) and weight > 0 for weight in found):
        raise InputError(f"a panel of {judges} needs as many positive weights: got {found}")
    return found


def _together(cast: Sequence[tuple[Reading, float]]) -> Reading:
    upheld = _share(cast, "upholds")
    proof = _evidence(cast, "betrays")
    if proof is not None or _share(cast, "betrays") >= PRESENT:
        return Reading(0.0, "betrays", proof)
    if upheld >= PRESENT:
        return Reading(upheld, "upholds", _evidence(cast, "upholds"))
    return Reading(upheld)


def _share(cast: Sequence[tuple[Reading, float]], polarity: Polarity) -> float:
    """Of the votes; a weak "upholds" is none."""
    whole = math.fsum(vote for _, vote in cast)
    found = math.fsum(
        vote for reading, vote in cast if reading.polarity == polarity and (polarity == "betrays" or reading.upheld)
    )
    return PRESENT if abs(found / whole - PRESENT) < _ROUNDING else found / whole


def _evidence(cast: Sequence[tuple[Reading, float]], polarity: Polarity) -> str | None:
    """That of the weightiest judge on that side who gives any."""
    given = [(reading.evidence, vote) for reading, vote in cast if reading.polarity == polarity and reading.evidence]
    return max(given, key=lambda pair: pair[1])[0] if given else None


def _said(judgement: Judgement, value: str) -> str:
    reading = judgement.readings.get(value)
    if reading is None:
        return UNREAD
    return "betrays" if reading.polarity == "betrays" else "upholds" if reading.upheld else ABSENT


def _distinct(names: Sequence[str]) -> list[str]:
    """Names that tell judges apart: a second one of the same name is numbered."""
    return [
        name if name not in names[:place] else f"{name} ({names[:place].count(name) + 1})"
        for place, name in enumerate(names)
    ]
