"""The utility of a free answer: does a judge prefer it to the item's reference?

A judge sees the candidate and the reference (`item.target`) side by side, L times, half of them in either order. The
majority decides: more wins than losses is 1, more losses than wins 0, as many of both 0.5. Every vote is a durable call
of role "judge", so the reply and the order shown stay in the run; reading bias out of them is `position_bias`' part.

After L. Zheng et al., *Judging LLM-as-a-judge with MT-Bench and Chatbot Arena*, arXiv 2306.05685.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Literal

from msgspec import Struct

from akrasia.core import (
    SAMPLE_STRIDE,
    Ask,
    CallRefused,
    Candidate,
    InputError,
    Item,
    Message,
    Reply,
    Request,
    Score,
    Undefined,
)
from akrasia.prompts import prompt
from akrasia.utilities.comparison import FILTERED
from akrasia.utilities.extraction import NoAnswer
from akrasia.utilities.registry import UtilityOptions

PROMPT = "preference.v1"

JUDGE_TOKENS = 2048
"""Cap on one reply of the judge, thoughts included."""

JUDGE_TEMPERATURE = 1.0
"""Votes are draws from the judge's own distribution of verdicts; at 0 those of one order would all be the same vote."""

Order = Literal["ab", "ba"]
"""Where the candidate was shown: "ab" as answer A, "ba" as answer B."""

Verdict = Literal["A", "B", "tie"]

_OFFERED: dict[str, Verdict] = {"a": "A", "b": "B", "tie": "tie"}
_VERDICT = re.compile(r"\[\[\s*([^\[\]\n]*?)\s*\]\]")
_FENCE = re.compile(r"<(?=\s*/?\s*(?:question|answer_[ab])\b)", re.IGNORECASE)
_OFFER = re.compile(r"\[(?=\[\s*(?:a|b|tie)\s*\]\])", re.IGNORECASE)
_FIELD = re.compile(r"\{(question|answer_a|answer_b)\}")
_LABEL = re.compile(r"vote-([0-9]+)-(ab|ba)")
_SEED_SLOTS = 2**31 // SAMPLE_STRIDE


class Vote(Struct, frozen=True):
    """One reply of the judge about one candidate.

    Attributes:
        order: where the candidate was shown.
        verdict: the place that won; None exactly when `missing` says why.
        missing: why there is no verdict.
    """

    order: Order
    verdict: Verdict | None
    missing: str | None = None

    @property
    def won(self) -> float | None:
        """1 when the candidate was preferred, 0 when the reference was, 0.5 for a tie; None without a verdict."""
        if self.verdict is None:
            return None
        if self.verdict == "tie":
            return 0.5
        return 1.0 if (self.verdict == "A") == (self.order == "ab") else 0.0


class PositionBias(Struct, frozen=True):
    """How often the place decided: over pairs of votes on the same two texts, one in each order, both readable.

    Attributes:
        pairs: how many.
        rate: share of pairs whose two verdicts name the same place, and so opposite texts.
        first: share of pairs that name the first place both times.
        second: share of pairs that name the second place both times. Noise in the votes feeds `first` and `second`
            alike; bias shows in their difference.
        unreadable: share of all votes without a verdict.
    """

    pairs: int
    rate: float
    first: float
    second: float
    unreadable: float


class Preference:
    """Compares a candidate with the item's reference through a judge. See `akrasia.core.JudgedUtility`.

    A candidate that was cut off is judged as it stands: unlike half a number, half a text can be better or worse.

    Raises:
        InputError: the votes cannot be split evenly over both orders.
    """

    name = "preference"
    cpu_bound = False
    prompts = (PROMPT,)
    settings = ("judge", "votes")
    """Keys of a run's configuration by which it measures."""

    def __init__(self, options: UtilityOptions) -> None:
        if options.votes < 2 or options.votes % 2:
            raise InputError(
                f"{options.votes} votes cannot show both orders equally often: give an even number, for example 4"
            )
        self._votes = options.votes

    def check(self, item: Item) -> None:
        """Nothing when the item has a reference.

        Raises:
            InputError: it has none.
        """
        if not (item.target or "").strip():
            raise InputError(
                f"item {item.id!r} has no reference, and utility {self.name!r} compares with one: give it a target"
            )

    def score(self, item: Item, candidate: Candidate) -> Score:  # noqa: ARG002 - the protocol's signature
        """0 for a candidate that needs no judge (empty, stopped by a filter); else missing."""
        return _unjudged(candidate) or Score(None, missing="utility 'preference' needs a judge, and there was none")

    async def judge(self, item: Item, candidate: Candidate, ask: Ask) -> Score:
        """The majority of the votes; each is asked for under the label `vote_label` gives it.

        Raises:
            InputError: see `check`.
        """
        self.check(item)
        score = _unjudged(candidate)
        if score is not None:
            return score
        questions = [_question(item, candidate, vote, ask) for vote in range(self._votes)]
        # All come to their end before an error is raised, so that no vote that was paid for is dropped.
        found = await asyncio.gather(
            *(_cast(ask, request, vote) for vote, request in enumerate(questions)), return_exceptions=True
        )
        votes = []
        for vote in found:
            if isinstance(vote, BaseException):
                raise vote
            votes.append(vote)
        return majority(votes)

    def close(self) -> None:
        """Nothing to let go of."""


def vote_label(vote: int) -> str:
    """The label of a vote's call, which tells the order: even votes show the candidate as A, odd ones as B."""
    return f"vote-{vote}-{_order(vote)}"


def read_vote(label: str, reply: Reply) -> Vote:
    """The vote that a stored call of role "judge" holds.

    Raises:
        InputError: the label is not a vote's.
    """
    found = _LABEL.fullmatch(label)
    if found is None:
        raise InputError(f"call {label!r} is no vote of utility 'preference': its labels are like 'vote-0-ab'")
    order: Order = "ab" if found[2] == "ab" else "ba"
    verdict = read_verdict(reply)
    return Vote(order, None, verdict.reason) if isinstance(verdict, NoAnswer) else Vote(order, verdict)


def read_verdict(reply: Reply) -> Verdict | NoAnswer:
    """The last verdict of a judge's reply, or the reason why there is none: never a default.

    What looks like a verdict but was not on offer ("[[C]]") is none, also when an earlier one was.
    """
    if reply.finish == "length":
        return NoAnswer("the judge was cut off")
    if reply.finish == "content_filter":
        return NoAnswer("the judge was stopped by the content filter")
    found = _VERDICT.findall(reply.text)
    if not found:
        return NoAnswer("no verdict in the judge's reply")
    verdict = _OFFERED.get(found[-1].strip("*_ ").casefold())
    return verdict or NoAnswer(f"the judge's verdict {found[-1][:20]!r} was not on offer")


def majority(votes: Sequence[Vote]) -> Score:
    """The utility that the votes give.

    Votes count in pairs, number 2i with number 2i + 1, which show the two orders: where one of a pair cannot be read,
    the other is left out with it, since what is left would favour a place. Over the pairs that remain, more wins than
    losses is 1, more losses than wins 0, and as many of both 0.5 (two wins and two losses; ties only). A tie counts
    for neither side. Without any pair the score is missing.

    Args:
        votes: in order, an even number.
    """
    wins = losses = read = 0
    for first, second in zip(votes[::2], votes[1::2], strict=True):
        if first.won is None or second.won is None:
            continue
        read += 2
        wins += (first.won == 1) + (second.won == 1)
        losses += (first.won == 0) + (second.won == 0)
    if not read:
        reasons = dict.fromkeys(vote.missing for vote in votes if vote.missing)
        return Score(None, missing=f"no pair of votes can be read: {'; '.join(reasons)}")
    return Score(0.5 if wins == losses else float(wins > losses))


def position_bias(ballots: Iterable[Sequence[Vote]]) -> PositionBias:
    """How often the place decided, over the votes on any number of candidates.

    Args:
        ballots: each the votes on one candidate, in order.

    Raises:
        Undefined: no pair of votes that can be read.

    Example:
        >>> position_bias([[Vote("ab", "A"), Vote("ba", "A")], [Vote("ab", "A"), Vote("ba", "B")]]).rate
        0.5
    """
    pairs = first = second = cast = unreadable = 0
    for votes in ballots:
        cast += len(votes)
        unreadable += sum(vote.verdict is None for vote in votes)
        for one, other in zip(votes[::2], votes[1::2], strict=True):
            if one.verdict is None or other.verdict is None:
                continue
            pairs += 1
            first += one.verdict == other.verdict == "A"
            second += one.verdict == other.verdict == "B"
    if not pairs:
        raise Undefined("no pair of votes can be read, so position bias has no value: look at the judge's replies")
    return PositionBias(pairs, (first + second) / pairs, first / pairs, second / pairs, unreadable / cast)


def _unjudged(candidate: Candidate) -> Score | None:
    if candidate.finish == "content_filter":
        return FILTERED
    return None if (candidate.text or "").strip() else Score(0.0, failure="empty answer")


def _order(vote: int) -> Order:
    return "ba" if vote % 2 else "ab"


async def _cast(ask: Ask, request: Request, vote: int) -> Vote:
    label = vote_label(vote)
    try:
        return read_vote(label, await ask("judge", request, label))
    except CallRefused as error:
        return Vote(_order(vote), None, str(error))


def _question(item: Item, candidate: Candidate, vote: int, ask: Ask) -> Request:
    """The request of one vote. Votes of one order differ in their seed only, and so travel as one call."""
    texts = [_conversation(item.input), candidate.text or "", item.target or ""]
    shown = [_neutral(text) for text in texts]
    question, first, second = shown if _order(vote) == "ab" else (shown[0], shown[2], shown[1])
    fields = {"question": question, "answer_a": first, "answer_b": second}
    text = _FIELD.sub(lambda field: fields[field[1]], prompt(PROMPT))
    return ask.request(
        (Message("user", text),),
        temperature=JUDGE_TEMPERATURE,
        max_tokens=JUDGE_TOKENS,
        top_p=None,
        stop=(),
        logprobs=None,
        seed=_first_seed(texts) + vote // 2,
    )


def _first_seed(texts: Sequence[str]) -> int:
    """From the texts alone: the same text has the same votes, and different texts have independent ones."""
    digest = blake2b("\0".join(texts).encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) % _SEED_SLOTS * SAMPLE_STRIDE


def _conversation(messages: Sequence[Message]) -> str:
    if len(messages) == 1:
        return messages[0].content
    return "\n\n".join(f"{message.role.capitalize()}: {message.content}" for message in messages)


def _neutral(text: str) -> str:
    """Text that can neither close its fence nor bring a verdict: the first bracket of such marks is changed."""
    return _OFFER.sub("[ ", _FENCE.sub("‹", text))
