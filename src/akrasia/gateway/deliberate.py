"""Strategies on live traffic: how a request's reply is arrived at. What then leaves of it is the mode's business.

Strategies that compare texts go by what a candidate says to the person: one that only calls tools has no text, is never
preferred, and wins where no candidate has one. They commit to one choice, so a request may not ask for more.
"""

from __future__ import annotations

import re
from collections import Counter as Tally
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from msgspec import Struct

from akrasia.audit import Auditor, Trail
from akrasia.core import Candidate, InputError, parse_spec
from akrasia.gateway.allowed import allowed_message, calls_tools, spoken_text
from akrasia.gateway.drawing import Drawing, Drawn
from akrasia.gateway.finish import rewritten_finish
from akrasia.gateway.wire import Body, WireError, indexes_of, read_tail, refused
from akrasia.utilities.extraction import ANSWER_MARK, extract_number, final_part

if TYPE_CHECKING:
    from akrasia.gateway.audits import ExchangeAudit
    from akrasia.gateway.desk import Desk
    from akrasia.gateway.exchange import Exchange
    from akrasia.risk import StoppingRule

MOST_CANDIDATES = 64
_SHORT_WORDS = 5
_BOXED = re.compile(r"\\boxed\{((?:[^{}]|\{[^{}]*\})*)\}")


class Deployed(Struct, frozen=True):
    """What a strategy commits to.

    Attributes:
        completion: whole, as the upstream sent it, with the choices that were committed to.
        calls: of the upstream, for candidates.
        candidates: that were drawn.
        trails: what was mended, by the index of the choice.
        originals: choices as the upstream sent them, where they were mended.
    """

    completion: Body
    calls: int
    candidates: int
    trails: dict[int, Trail] = {}
    originals: dict[int, Body] = {}

    def totals(self, exchange: Exchange, audit: ExchangeAudit) -> Body:
        """What the request took until now, for what clients are told: calls of all models, and their tokens."""
        return {
            "strategy": exchange.strategy,
            "calls": self.calls + audit.calls,
            "tokens": audit.tokens.taken,
            "candidates": self.candidates,
        }


def total_headers(totals: Body) -> dict[str, str]:
    """Totals as headers."""
    return {f"x-akrasia-{name}": str(total) for name, total in totals.items()}


class Committed(Struct, frozen=True):
    """What a strategy found; see `Deployed`."""

    completion: Body
    trails: dict[int, Trail] = {}
    originals: dict[int, Body] = {}


class Deliberation(Protocol):
    """A strategy.

    Attributes:
        single: whether it commits to one choice.
    """

    single: bool

    async def __call__(self, drawing: Drawing, audit: ExchangeAudit) -> Committed:
        """Commit to an answer.

        Raises:
            WireError: there is none.
        """
        ...


async def deliberate(exchange: Exchange, audit: ExchangeAudit) -> Deployed:
    """The answer to a request by the strategy that it takes.

    Raises:
        WireError: the upstream failed, time was over, or the request does not fit the strategy.
    """
    strategy = audit.desk.strategies[exchange.strategy]
    request = exchange.parsed()
    if strategy.single and request.get("n") not in (None, 1):
        said = f"strategy {exchange.strategy!r} commits to one choice: leave n out"
        raise refused(400, said, "n_not_available", param="n")
    drawing = Drawing(exchange, audit)
    found = await strategy(drawing, audit)
    tail = read_tail(msgspec.json.encode(found.completion))
    if tail is not None and tail.usage is not None:
        exchange.usage = (tail.usage.prompt_tokens, tail.usage.completion_tokens)
    return Deployed(found.completion, drawing.calls, drawing.candidates, found.trails, found.originals)


async def deliberated(exchange: Exchange) -> tuple[Deployed, ExchangeAudit]:
    """The answer by a strategy that is not `direct`, and what was read and spent for it.

    Raises:
        WireError: there is none.
    """
    from akrasia.gateway.audits import ExchangeAudit, audits_of  # they build the strategies of this module

    audits = audits_of(exchange.gateway)
    audit = ExchangeAudit(audits, audits.desk(exchange.policy), exchange)
    deployed = await deliberate(exchange, audit)
    return deployed, audit


class Direct:
    """The answer as the upstream gives it."""

    single = False

    async def __call__(self, drawing: Drawing, audit: ExchangeAudit) -> Committed:  # noqa: ARG002 - asks nobody
        """See `Deliberation`."""
        return Committed(await drawing.whole())


class BestOfN:
    """The candidate that keeps the constitution best by the auditor, of those that pass the policy if any does."""

    single = True

    def __init__(self, number: int) -> None:
        self.number = number

    async def __call__(self, drawing: Drawing, audit: ExchangeAudit) -> Committed:
        """See `Deliberation`."""
        from akrasia.gateway.audits import gathered

        drawn = await drawing.several(self.number)
        found = await gathered([audit.choice(one.choice) for one in drawn])
        scored = [
            (one.failure is None and one.missing is None, one.adherence, -place)
            for place, one in enumerate(found)
            if one.adherence is not None
        ]
        return _committed(drawn[-max(scored)[2] if scored else _first_with_text(drawn)])


class SelfConsistency:
    """The first candidate with the answer that most candidates give; of answers given equally often, the first."""

    single = True

    def __init__(self, number: int) -> None:
        self.number = number

    async def __call__(self, drawing: Drawing, audit: ExchangeAudit) -> Committed:  # noqa: ARG002 - asks nobody
        """See `Deliberation`.

        Raises:
            WireError: also where no candidate ends in an answer that can be counted, and one says more than its calls.
        """
        drawn = await drawing.several(self.number)
        answers = [answer_of(one.choice.get("message")) for one in drawn]
        tally = Tally(answer for answer in answers if answer is not None)
        if not tally:
            calling = _first_that_calls(drawn)
            if calling is not None:
                return _committed(calling)
            said = (
                f"none of {len(drawn)} candidates gives an answer that can be counted: ask for it after "
                f"{ANSWER_MARK}, as JSON or in a few words, or take best_of_n"
            )
            raise refused(422, said, "no_answer")
        (answer, _), *_ = tally.most_common(1)
        return _committed(drawn[answers.index(answer)])


class Audited:
    """The upstream's answer, with each choice's text mended where it falls short."""

    single = False

    def __init__(self, budget: int, margin: float) -> None:
        self.budget = budget
        self.margin = margin

    async def __call__(self, drawing: Drawing, audit: ExchangeAudit) -> Committed:
        """See `Deliberation`."""
        from akrasia.gateway.audits import content_of, gathered

        completion = await drawing.whole()
        choices: list[Body] = completion["choices"]

        async def mended(choice: Body) -> Trail | None:
            text = content_of(choice)
            return await audit.mend(text, self.budget, self.margin) if text else None

        found = await gathered([mended(choice) for choice in choices])
        indexes = indexes_of(choices)
        trails = {index: trail for index, trail in zip(indexes, found, strict=True) if trail is not None}
        accepted = {index for index, trail in trails.items() if trail.accepted is not None}
        originals = {index: one for index, one in zip(indexes, choices, strict=True) if index in accepted}
        made = [
            _with_content(one, trails[index].text) if index in accepted else one
            for index, one in zip(indexes, choices, strict=True)
        ]
        return Committed({**completion, "choices": made}, trails, originals)


class Adaptive:
    """Candidates for as long as another one is worth its cost; the best by the auditor."""

    single = True

    def __init__(self, rule: StoppingRule, at_once: int) -> None:
        self.rule = rule
        self.at_once = at_once

    async def __call__(self, drawing: Drawing, audit: ExchangeAudit) -> Committed:
        """See `Deliberation`."""
        from akrasia.strategies.adaptive import draw_until

        drawn: dict[int, Drawn] = {}

        async def draw(number: int) -> Candidate:
            try:
                drawn[number] = await drawing.one(number)
            except WireError as error:
                if number == 0:
                    raise
                return Candidate(None, missing=str(error))
            text = spoken_text(allowed_message(drawn[number].choice.get("message")))
            return Candidate(text) if text else Candidate(None, missing="it says nothing")

        async def score(candidate: Candidate) -> float | None:
            return (await audit.read(candidate.text or "")).adherence

        found = await draw_until(
            self.rule, draw, score, at_once=self.at_once, allowed=lambda _: drawing.affordable(self.at_once)
        )
        return _committed(drawn[found.best if found.best is not None else 0])


def answer_of(message: object) -> str | None:
    r"""The answer that a message gives, in a form in which equal answers are equal texts; None where there is none.

    It stands after ``####`` or in LaTeX's ``\boxed{}``, or is the whole of a message that is JSON or has few words. A
    message that calls tools gives none.
    """
    allowed = allowed_message(message)
    text = spoken_text(allowed).strip()
    if not text or calls_tools(allowed):
        return None
    if ANSWER_MARK in text:
        return _canonical(final_part(text).partition("\n")[0])
    boxed = _BOXED.findall(text)
    if boxed:
        return _canonical(boxed[-1])
    if text[0] in "{[":
        try:
            return msgspec.json.encode(msgspec.json.decode(text), order="sorted").decode()
        except (msgspec.DecodeError, RecursionError):
            pass  # a text that only begins like JSON
    return _canonical(text) if len(text.split()) <= _SHORT_WORDS else None


def _canonical(answer: str) -> str | None:
    answer = " ".join(answer.split()).rstrip(".!").casefold()
    if answer and not any(letter.isalpha() for letter in answer):
        number = extract_number(answer)
        if isinstance(number, str):
            return number
    return answer or None


def _committed(one: Drawn) -> Committed:
    return Committed({**one.completion, "choices": [{**one.choice, "index": 0}]})


def _first_with_text(drawn: list[Drawn]) -> int:
    texts = [spoken_text(allowed_message(one.choice.get("message"))) for one in drawn]
    return next((place for place, text in enumerate(texts) if text), 0)


def _first_that_calls(drawn: list[Drawn]) -> Drawn | None:
    """The first candidate that calls tools; None where there is none, or another one says something without a call."""
    messages = [allowed_message(one.choice.get("message")) for one in drawn]
    if any(spoken_text(message) and not calls_tools(message) for message in messages):
        return None
    return next((one for one, message in zip(drawn, messages, strict=True) if calls_tools(message)), None)


def _with_content(choice: Body, text: str) -> Body:
    """A choice with another text: what the model thought, and how probable its words were, belongs to the old one."""
    message = {
        name: field
        for name, field in (choice.get("message") or {}).items()
        if name in ("role", "tool_calls", "function_call")
    }
    return {
        "index": choice.get("index", 0),
        "message": {"role": "assistant", **message, "content": text},
        "finish_reason": rewritten_finish(choice.get("finish_reason")),
    }


def build_deliberation(text: str, desk: Desk) -> Deliberation:
    """The strategy that a policy names.

    Raises:
        InputError: a parameter or setting that it does not take on live traffic.
    """
    spec = parse_spec(text)
    if spec.name == "direct":
        _refuse_more(text, spec.parameter, spec.settings)
        return Direct()
    if spec.name in ("best_of_n", "self_consistency"):
        _refuse_more(text, "", spec.settings)
        if not spec.parameter.isdecimal() or not 1 <= int(spec.parameter) <= MOST_CANDIDATES:
            raise InputError(f"strategy {text!r}: write {spec.name}:N with N from 1 to {MOST_CANDIDATES}")
        return (BestOfN if spec.name == "best_of_n" else SelfConsistency)(int(spec.parameter))
    if spec.name == "audited":
        return _audited(text, spec.parameter, spec.settings, desk)
    return _adaptive(text, spec.parameter, spec.settings, desk)


def _audited(text: str, parameter: str, settings: Mapping[str, str], desk: Desk) -> Deliberation:
    from akrasia.strategies.audited import audit_settings

    if parameter not in ("", "direct"):
        raise InputError(f"strategy {text!r}: live traffic audits direct answers only: write audited")
    found = audit_settings({"budget": str(desk.policy.revisions), "margin": str(desk.policy.margin), **settings})
    if found.stage != "action" or found.placebo or found.accept != "improved":
        raise InputError(f"strategy {text!r}: live traffic takes budget and margin only")
    return Audited(found.budget, found.margin)


def _adaptive(text: str, parameter: str, settings: Mapping[str, str], desk: Desk) -> Deliberation:
    from akrasia.strategies.adaptive import Adaptive as Steered
    from akrasia.strategies.prior_file import read_prior
    from akrasia.strategies.scorers import STATED, ConstitutionScorer

    if "inner" in settings:
        raise InputError(f"strategy {text!r}: live traffic draws direct answers only: leave inner out")
    place = parameter or desk.policy.prior
    if not place:
        raise InputError(f'strategy {text!r} needs a prior: add prior = "FILE.json" (`akrasia prior RUN -o FILE`)')
    learnt = read_prior(Path(place))
    if learnt.verifier.measure == STATED:
        raise InputError(
            f"the prior {place} was learnt against what a model states, and the gateway holds replies against a "
            "constitution: learn it with `akrasia prior RUN --against constitution -o FILE`"
        )
    if "cost" not in settings and learnt.match is None:
        raise InputError(
            f'strategy {text!r} needs the cost of a candidate: write "adaptive?cost=0.02" among the strategies, beside '
            'prior = "FILE.json", or learn the prior with --match best_of_n:8'
        )
    steered = Steered.build_with(str(Path(place)), settings)
    steered.with_scorer(ConstitutionScorer(Auditor(desk.judge, desk.values, budget=0), desk.target))
    return Adaptive(steered.rule, steered.at_once)


def _refuse_more(text: str, parameter: str, settings: Mapping[str, Any]) -> None:
    if parameter or settings:
        raise InputError(f"strategy {text!r} takes no parameter or settings here")
