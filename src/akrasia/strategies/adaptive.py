"""Candidates one after another until one more is not worth its cost: ``adaptive:PRIOR.json?cost=0.02&most=16``.

Each candidate is valued by the verifier at hand, and what comes next depends on the values so far (the rule is in
`akrasia.risk.stopping`). The best by the verifier is committed to. That is not the best by the utility: the rule makes
the *verifier's* value large, and the more candidates it draws, the more it picks out the verifier's mistakes.
`draw_until` is the loop alone, for whoever has candidates and values from elsewhere.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn

from msgspec import Struct

from akrasia.audit import Auditor
from akrasia.core import SAMPLE_STRIDE, Ask, CallRefused, Candidate, InputError, Item, Reply, Request
from akrasia.core.registry import near_names
from akrasia.risk import StoppingRule
from akrasia.strategies.base import Draws, Live, all_ended
from akrasia.strategies.direct import Direct
from akrasia.strategies.prior_file import PriorFile, Verifier, prior_hash, read_prior
from akrasia.strategies.scorers import ConstitutionScorer, Scorer, StatedScorer, UtilityScorer
from akrasia.strategies.slow import Fast
from akrasia.strategies.tasks import are_scenarios
from akrasia.values import Taxonomy

if TYPE_CHECKING:
    from akrasia.strategies.audited import Auditing

Ended = Literal["not_worth_it", "best_possible", "most", "limit"]


class Drawn(Struct, frozen=True):
    """What one commitment took.

    Attributes:
        candidates: all of them, in the order of drawing.
        values: what the verifier said of each; None where it said nothing.
        best: number of the one to commit to: the highest value, the earliest of equals; without any value the first
            with a text; None where no candidate has a text.
        why: why it ended: one more was not worth its cost, none could be better, the rule's horizon, or a limit of the
            caller.
    """

    candidates: tuple[Candidate, ...]
    values: tuple[float | None, ...]
    best: int | None
    why: Ended

    @property
    def unscored(self) -> int:
        """How many candidates have no value."""
        return sum(value is None for value in self.values)


async def draw_until(
    rule: StoppingRule,
    draw: Callable[[int], Awaitable[Candidate]],
    score: Callable[[Candidate], Awaitable[float | None]],
    *,
    at_once: int = 1,
    allowed: Callable[[int], int] | None = None,
) -> Drawn:
    """Draw and value candidates for as long as the rule wants more.

    Args:
        rule: when to stop; never more than its `most` are drawn.
        draw: number of the candidate, from 0 → the candidate.
        score: its value, None where it could not be measured. It is not asked about a candidate without a text.
        at_once: how many may be drawn at a time: less waiting, more candidates.
        allowed: how many are drawn → how many more the caller's limits of time and tokens leave; asked before every
            draw but the first, since some answer is owed. None: no limit but the rule's.

    Raises:
        InputError: the verifier gives a value that the rule's prior knows nothing of.
    """
    candidates: list[Candidate] = []
    values: list[float | None] = []

    async def one(number: int) -> tuple[Candidate, float | None]:
        candidate = await draw(number)
        return candidate, None if candidate.text is None else await score(candidate)

    while True:
        found = rule.next_draws(values, at_once=at_once)
        if found.why == "not_worth_it" or found.why == "best_possible" or found.why == "most":
            return Drawn(tuple(candidates), tuple(values), _best(candidates, values), found.why)
        number = found.draws
        if allowed is not None and candidates:
            number = min(number, allowed(len(candidates)))
            if number < 1:
                return Drawn(tuple(candidates), tuple(values), _best(candidates, values), "limit")
        fresh = await all_ended([one(len(candidates) + further) for further in range(number)])
        candidates += [candidate for candidate, _ in fresh]
        values += [value for _, value in fresh]


def _best(candidates: Sequence[Candidate], values: Sequence[float | None]) -> int | None:
    scored = [(value, -number) for number, value in enumerate(values) if value is not None]
    if scored:
        return -max(scored)[1]
    return next((number for number, candidate in enumerate(candidates) if candidate.text is not None), None)


class Adaptive(Live):
    """Commits to the best candidate of as many as are worth their cost.

    Args:
        file: the prior, and the verifier that it was learnt with.
        cost: what one candidate must bring, in units of the verifier's value.
        most: the most candidates for one commitment.
        at_once: how many are drawn at a time.
        inner: what draws one candidate; None: `fast` on scenarios, else `direct`.
        scorer: the verifier at hand; None: the items' own utility.
    """

    name = "adaptive"
    calls: int | None = None
    pool_on_scenarios: str | None = "fast"

    def __init__(
        self,
        file: PriorFile,
        *,
        cost: float,
        most: int,
        at_once: int = 1,
        inner: Live | None = None,
        scorer: Scorer | None = None,
    ) -> None:
        self.rule = StoppingRule(file.prior, cost, most)
        self.at_once = at_once
        self.rests_on = prior_hash(file)
        self._file = file
        self._inner = inner
        self._scorer = scorer
        parts = [part.prompts for part in (inner, scorer) if part is not None]
        self.prompts = tuple(dict.fromkeys(name for part in parts for name in part))

    @classmethod
    def build(cls, parameter: str) -> Adaptive:
        """Made from the prior's file, which then has to name the cost (`--match`).

        Raises:
            InputError: no file is named, it cannot be used, or it names no cost.
        """
        return cls.build_with(parameter, {})

    @classmethod
    def build_with(cls, parameter: str, settings: Mapping[str, str]) -> Adaptive:
        """Made from the prior's file and ``cost``, ``most``, ``at_once`` and ``inner``.

        `cost` is the file's own where it was matched to best-of-n. `most` then is too, and else as many candidates as
        the prior was learnt from of each item: beyond that it guesses.

        Raises:
            InputError: as `build`, or a setting that is unknown or out of range.
        """
        if not parameter:
            raise InputError(f"strategy {cls.name!r} needs a prior: write {cls.name}:prior.json?cost=0.02")
        for key in settings:
            if key not in _SETTINGS:
                raise InputError(f"strategy {cls.name!r} has no setting {key!r}{near_names(key, list(_SETTINGS))}")
        file = read_prior(Path(parameter))
        cost, most = _number(settings, "cost", 0.0, 1.0), _whole(settings, "most", SAMPLE_STRIDE)
        if cost is None:
            if file.match is None:
                raise InputError(
                    f"strategy {cls.name!r} needs the cost of a candidate: write {cls.name}:{parameter}?cost=0.02, or "
                    "learn the prior with --match best_of_n:8"
                )
            cost, most = file.match.cost, most or file.match.most
        kind = JudgedAdaptive if file.verifier.judge else cls
        found = kind(
            file,
            cost=cost,
            most=most or file.provenance.candidates,
            at_once=_whole(settings, "at_once", SAMPLE_STRIDE) or 1,
            inner=_inner(settings["inner"]) if "inner" in settings else None,
        )
        found.pool_on_scenarios = settings.get("inner", "fast")
        return found

    @property
    def verifier(self) -> Verifier:
        """Whose values the prior was learnt from."""
        return self._file.verifier

    def with_scorer(self, scorer: Scorer) -> Adaptive:
        """This strategy, steered by a verifier.

        Raises:
            InputError: the prior was learnt with another verifier, or with other values of the same name.
        """
        _check_verifier(self._file, scorer)
        return self._but(scorer=scorer)

    def audited_by(self, auditing: Auditing) -> Live:
        """Steered by the run's auditor, where the prior was learnt from a judge's values; else by the items' utility.

        Raises:
            InputError: the prior was learnt with another judge, or from another measure.
        """
        if not self._file.verifier.judge:
            return self
        auditor = Auditor(auditing.judge, auditing.taxonomy, budget=0)
        if auditing.constitution is None:
            return self.with_scorer(StatedScorer(auditor, auditing.wording))
        return self.with_scorer(ConstitutionScorer(auditor, auditing.constitution))

    def for_items(self, items: Sequence[Item]) -> Live:
        """With what draws and what values on these items.

        Raises:
            InputError: they have no verifier at hand, or the prior was learnt with another.
        """
        inner = self._inner or (Fast() if are_scenarios(items, self.name) else Direct())
        bound = self._but(inner=inner.for_items(items))
        return bound if self._scorer is not None else bound.with_scorer(UtilityScorer(items))

    def for_values(self, taxonomy: Taxonomy) -> Live:
        """What draws may need the values, too."""
        return self._but(inner=None if self._inner is None else self._inner.for_values(taxonomy))

    def _but(self, **changes: Any) -> Adaptive:
        kept: dict[str, Any] = {"inner": self._inner, "scorer": self._scorer, "most": self.rule.most, **changes}
        found = type(self)(self._file, cost=self.rule.cost, at_once=self.at_once, **kept)
        found.pool_on_scenarios = self.pool_on_scenarios
        return found

    def draws(self) -> Draws:
        """As many as the prior leads to expect; of several at a time that is not worked out."""
        first = self.rule.next_draws([], at_once=self.at_once).draws
        return Draws(first, self.rule.most, self.rule.outlook().draws if self.at_once == 1 else None)

    def rehearsed(self, draws: int = 1) -> Live:
        """See the base: nothing that is said ends the drawing."""
        from akrasia.strategies.rehearsal import Rehearsal, Unvalued

        inner, scorer = self._inner, self._scorer
        if inner is None or scorer is None:
            return self
        so_many = partial(self._but, inner=inner.rehearsed(), most=draws)
        if scorer.judge is None:
            return so_many(scorer=Unvalued(scorer))
        rehearsal = Rehearsal(scorer.judge)
        return rehearsal.around(so_many(scorer=Unvalued(scorer.judged_by(rehearsal.judge))))

    def most_tokens(self, answer: int) -> int | None:
        """All candidates at their longest."""
        one = answer if self._inner is None else self._inner.most_tokens(answer)
        return None if one is None else self.rule.most * one

    async def __call__(self, item: Item, samples: Sequence[int], ask: Ask) -> list[Candidate]:
        """One commitment per sample."""
        if ask.sampling.temperature == 0:
            raise InputError(f"strategy {self.name!r} draws several candidates, and at temperature 0 all are the same")
        if samples and (max(samples) + 1) * self.rule.most > SAMPLE_STRIDE:
            raise InputError(
                f"{max(samples) + 1} samples of up to {self.rule.most} candidates are more than {SAMPLE_STRIDE}: ask "
                "for fewer samples, or set a lower most"
            )
        return await all_ended([self._commit(item, sample, ask) for sample in samples])

    async def _commit(self, item: Item, sample: int, ask: Ask) -> Candidate:
        inner, scorer = self._inner, self._scorer
        if inner is None or scorer is None:
            raise InputError(f"strategy {self.name!r} has no verifier for item {item.id!r}: bind it to the items first")
        own = ask.at(sample)

        async def draw(number: int) -> Candidate:
            numbered = _NumberedAsk(ask, f"{number + 1} of {self.rule.most} at {self.rule.cost:g}")
            return (await inner(item, [sample * self.rule.most + number], numbered))[0]

        async def score(candidate: Candidate) -> float | None:
            try:
                return await scorer.score(item, candidate, own)
            except CallRefused:
                return None

        drawn = await draw_until(self.rule, draw, score, at_once=self.at_once)
        return drawn.candidates[drawn.best or 0]


class JudgedAdaptive(Adaptive):
    """The same with a prior that was learnt from a judge's values: that judge has to steer."""

    needs_auditor: ClassVar[bool] = True


class _NumberedAsk:
    """A door whose calls bear the number of the candidate: they are no draws of the pool beside them."""

    def __init__(self, ask: Ask, number: str) -> None:
        self._ask = ask
        self._number = number
        self.sampling = ask.sampling

    async def __call__(self, role: str, request: Request, label: str) -> Reply:
        return await self._ask(role, request, f"{label} {self._number}")

    def at(self, sample: int) -> _NumberedAsk:
        return _NumberedAsk(self._ask.at(sample), self._number)

    def request(self, messages: Sequence[Any], **changes: Any) -> Request:
        return self._ask.request(messages, **changes)


_SETTINGS = ("cost", "most", "at_once", "inner")


def _inner(text: str) -> Live:
    from akrasia.strategies import build_strategy  # it names this module

    found = build_strategy(text)
    if not isinstance(found, Live) or isinstance(found, Adaptive) or found.samples == 1:
        raise InputError(f"strategy 'adaptive' cannot draw with {text!r}: it takes a strategy that asks and may vary")
    return found


def _number(settings: Mapping[str, str], key: str, low: float, high: float) -> float | None:
    if key not in settings:
        return None
    try:
        found = float(settings[key])
    except ValueError:
        found = -1.0
    if not low <= found <= high:
        _refuse(settings, key, f"a number from {low:g} to {high:g}")
    return found


def _whole(settings: Mapping[str, str], key: str, high: int) -> int | None:
    if key not in settings:
        return None
    text = settings[key]
    if not text.isdecimal() or not 1 <= int(text) <= high:
        _refuse(settings, key, f"a whole number from 1 to {high}")
    return int(text)


def _refuse(settings: Mapping[str, str], key: str, wanted: str) -> NoReturn:
    raise InputError(f"strategy 'adaptive': {key} is {settings[key]!r}, and has to be {wanted}")


def _check_verifier(file: PriorFile, scorer: Scorer) -> None:
    """Values of an exact verifier mean the same whichever it is; those of a judge are its own, of what it looks for."""
    learnt, here = file.verifier, scorer.verifier
    if learnt != here and (learnt.judge or here.judge):
        raise InputError(
            f"the prior was learnt from {learnt}, and what is at hand is {here}: learn one with this verifier "
            "(`akrasia prior RUN --judge …`)"
        )
    looked_for = file.provenance.values
    if looked_for and scorer.values and looked_for != scorer.values:
        raise InputError(
            f"the prior was learnt from {learnt} with other values than those at hand (fingerprints {looked_for}, "
            f"{scorer.values}): a list of the same name has changed; learn one with these (`akrasia run --values …`, "
            "`akrasia prior RUN --judge …`), or take back the change"
        )
