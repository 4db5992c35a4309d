"""VIVALDI as a strategy: what another strategy writes is audited, and mended, before it is committed to.

The inner strategy's own calls are those of its own cell, so both have the same drafts: what an audit changes is paired
draft by draft. Its reasoning is audited before the action is written, so that the action sees the mended one; its
action afterwards. What the auditor is and who rewrites is the run's part (`Auditing`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, get_args

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from akrasia.audit import Auditor, AuditStage, Target, Trail, Verdict, stated_target
from akrasia.audit.guard import GUARD_TOKENS
from akrasia.audit.loop import AUDITOR, Accept
from akrasia.audit.planner import PLAN_TOKENS
from akrasia.audit.rewriter import SPARE_TOKENS
from akrasia.core import Ask, CallRefused, Candidate, InputError, Item, Judgement, Message, Reply, Request, Sampling
from akrasia.core.registry import near_names
from akrasia.judges import Judge
from akrasia.prompts.tasks import TASK_PROMPTS
from akrasia.strategies import STRATEGIES, build_strategy
from akrasia.strategies.base import Draws, Live, all_ended
from akrasia.strategies.tasks import REASON, TASK_TOKENS, are_scenarios, asked, state_values
from akrasia.values import Taxonomy

Stages = Literal["reasoning", "action", "both"]

_UNAUDITED = ("audited", "rate", "state")
"""Strategies that commit to no action of their own."""


class Auditing(Struct, frozen=True):
    """Who audits in a run, and what texts are held against.

    Attributes:
        judge: reads the texts.
        taxonomy: the values that it looks for.
        constitution: what every text is held against; None: what the model itself states of the scenario.
        wording: of the task in which the model states its values; that of the run's state cell.
    """

    judge: Judge
    taxonomy: Taxonomy
    constitution: Target | None = None
    wording: int = 1


class AuditSettings(Struct, frozen=True):
    """What stands behind ``?`` in the strategy's name.

    Attributes:
        stage: which of the inner strategy's texts are audited.
        budget: the most revisions of one text; 0: it is audited only.
        placebo: the rewriter only paraphrases.
        margin: by how much adherence has to rise.
        accept: "always": every rewrite takes the place of its text, for a control arm.
    """

    stage: Stages = "action"
    budget: int = 1
    placebo: bool = False
    margin: float = 0.05
    accept: Accept = "improved"


class Audited(Live):
    """An audit around another strategy, before it is bound to a run and the items of a suite.

    Args:
        inner: the text that names the inner strategy; "": fast on scenarios, direct on problems.
        settings: see `AuditSettings`.
        auditing: who audits; None: not known yet.
        taxonomy: the values that the run's judges look for; None: it has none.
    """

    name = "audited"
    needs_auditor = True

    def __init__(
        self,
        inner: str = "",
        settings: AuditSettings = AuditSettings(),  # noqa: B008 - frozen
        auditing: Auditing | None = None,
        taxonomy: Taxonomy | None = None,
    ) -> None:
        self._inner = inner
        self._settings = settings
        self._auditing = auditing
        self._taxonomy = taxonomy
        self.samples = _inner_of(inner).samples if inner else None
        self.pool_on_scenarios = inner or "fast"

    @classmethod
    def build(cls, parameter: str) -> Audited:
        """Made from the inner strategy, when one is named."""
        return cls(parameter)

    @classmethod
    def build_with(cls, parameter: str, settings: Mapping[str, str]) -> Audited:
        """Made from the inner strategy and the settings.

        Raises:
            InputError: an unknown setting, or one with a value that it does not take.
        """
        return cls(parameter, audit_settings(settings))

    def inner_on(self, *, scenarios: bool) -> str:
        """The text that names the inner strategy."""
        return self._inner or ("fast" if scenarios else "direct")

    def for_values(self, taxonomy: Taxonomy) -> Live:
        """See the base: the inner strategy may name values."""
        return Audited(self._inner, self._settings, self._auditing, taxonomy)

    def audited_by(self, auditing: Auditing) -> Live:
        """See the base."""
        return Audited(self._inner, self._settings, auditing, self._taxonomy)

    def for_items(self, items: Sequence[Item]) -> Live:
        """Bound to these items.

        Raises:
            InputError: nobody audits, there is nothing to hold the texts against, or the inner strategy does not
                reason, and its reasoning is to be audited.
        """
        scenarios = are_scenarios(items, self.name)
        name = self.inner_on(scenarios=scenarios)
        inner = _inner_of(name)
        if self._taxonomy is not None:
            inner = inner.for_values(self._taxonomy)
        if self._auditing is None:
            raise InputError("strategy 'audited' needs somebody who audits: name a judge with --auditor")
        inner = inner.audited_by(self._auditing).for_items(items)
        if self._auditing.constitution is None and (not scenarios or inner.samples == 1):
            raise InputError(
                f"strategy 'audited' around {name!r} has nothing to hold its texts against: only a draw on scenarios "
                "has values that the model states of it; name a constitution with --values FILE.toml"
            )
        if self._settings.stage != "action" and not inner.reasons:
            raise InputError(
                f"strategy 'audited' with stage={self._settings.stage} audits the reasoning before the action, and "
                f"{name!r} writes none: use audited:slow?stage={self._settings.stage}, or stage=action"
            )
        return AuditedItems(inner, self._settings, self._auditing, scenarios=scenarios)

    async def __call__(self, item: Item, samples: Sequence[int], ask: Ask) -> list[Candidate]:
        """See `for_items`: what it returns does the work."""
        return await self.for_items([item])(item, samples, ask)


class AuditedItems(Live):
    """An audit around another strategy, on the items of one suite.

    Args:
        inner: bound to these items.
        settings: see `AuditSettings`.
        auditing: see `Auditing`.
        scenarios: whether the items are scenarios.
    """

    name = "audited"
    needs_auditor = True

    def __init__(self, inner: Live, settings: AuditSettings, auditing: Auditing, *, scenarios: bool) -> None:
        self._inner = inner
        self._settings = settings
        self._auditing = auditing
        self._scenarios = scenarios
        self._auditor = Auditor(
            auditing.judge, auditing.taxonomy, budget=settings.budget, margin=settings.margin,
            placebo=settings.placebo, accept=settings.accept,
        )  # fmt: skip
        self._stages: tuple[AuditStage, ...] = (
            ("reasoning", "action") if settings.stage == "both" else (settings.stage,)
        )
        states = auditing.constitution is None
        state = (TASK_PROMPTS["state"][auditing.wording - 1],) if states else ()
        self.rests_on = inner.rests_on
        self.prompts = tuple(dict.fromkeys((*inner.prompts, *state, *self._auditor.prompts)))
        self.samples = inner.samples
        self.reasons = inner.reasons
        read = 0 if auditing.judge.model is None else 1
        each = read * (1 + settings.budget) + self._auditor.calls
        self.calls = None if inner.calls is None else inner.calls + states * (1 + read) + len(self._stages) * each

    def most_tokens(self, answer: int) -> int | None:
        """Those of the inner strategy, and of every revision that the budget allows, about."""
        inner = self._inner.most_tokens(answer)
        if inner is None:
            return None
        revision = SPARE_TOKENS + answer + 2 * GUARD_TOKENS + (0 if self._settings.placebo else PLAN_TOKENS)
        stated = TASK_TOKENS if self._auditing.constitution is None else 0
        return inner + stated + len(self._stages) * self._settings.budget * revision

    def draws(self) -> Draws | None:
        """Those of the inner strategy, which its own cell may have bought: none of them is sure."""
        found = self._inner.draws()
        return None if found is None else replace(found, fewest=0)

    def rehearsed(self, draws: int = 1) -> Live:
        """See the base: every text falls short, and every revision is made and refused by the guard."""
        from akrasia.strategies.rehearsal import Rehearsal

        rehearsal = Rehearsal(self._auditing.judge)
        auditing = replace(self._auditing, judge=rehearsal.judge)
        inner = self._inner.rehearsed(draws)
        return rehearsal.around(AuditedItems(inner, self._settings, auditing, scenarios=self._scenarios))

    async def __call__(self, item: Item, samples: Sequence[int], ask: Ask) -> list[Candidate]:
        """One candidate per sample, with its trail."""
        return await all_ended(self._one(item, sample, ask) for sample in samples)

    async def _one(self, item: Item, sample: int, ask: Ask) -> Candidate:
        bound = ask.at(sample)
        held = await self._held(item, bound)
        audit = partial(self._audit, item, held, bound)
        trails: list[Trail] = []
        door: Ask = _MendingAsk(ask, partial(audit, "reasoning"), trails) if "reasoning" in self._stages else ask
        (candidate,) = await self._inner(item, [sample], door)
        if candidate.text is not None and "action" in self._stages:
            reply = Reply(candidate.text, finish=candidate.finish)
            trail = await audit("action", reply)
            trails.append(trail)
            mended = trail.accepted is not None
            candidate = replace(candidate, text=trail.text, finish="stop" if mended else candidate.finish)
        return replace(candidate, trail=msgspec.json.encode(trails).decode()) if trails else candidate

    async def _held(self, item: Item, ask: Ask) -> Target | str:
        """What the texts of one sample are held against, or why there is nothing."""
        if self._auditing.constitution is not None:
            return self._auditing.constitution
        try:
            stated = await state_values(item, ask, self._auditing.wording)
            if stated.finish == "content_filter" or not (stated.text or "").strip():
                return "the model states nothing"
            read = await self._auditing.judge.read(stated.text or "", self._auditing.taxonomy, ask, role=AUDITOR)
        except CallRefused as error:
            return f"the stated values could not be had: {error}"
        if read.missing is not None:
            return f"the stated values could not be read: {read.missing}"
        target = stated_target(read)
        if target.weights:
            return target
        unread = f" ({len(read.unread)} of {len(self._auditing.taxonomy.ids)} could not be read)" if read.unread else ""
        return f"the auditor reads no value in what the model states{unread}"

    async def _audit(self, item: Item, held: Target | str, ask: Ask, stage: AuditStage, reply: Reply) -> Trail:
        if reply.finish == "content_filter":
            held = "stopped by the content filter"
        elif not reply.text.strip():
            held = "empty answer"
        if isinstance(held, str):
            nothing = Verdict(Judgement(missing=held), None)
            return Trail(stage, reply.text, nothing, (), reply.text, None, f"the original stands: {held}", (), held)
        return await self._auditor.audit(reply.text, held, self._context(item, stage), ask, stage=stage)

    def _context(self, item: Item, stage: AuditStage) -> tuple[Message, ...]:
        """What was asked for, whichever strategy asked for it."""
        if not self._scenarios:
            return item.input
        return asked(item, "act" if stage == "action" else "reason")


class _MendingAsk:
    """The `akrasia.core.Ask` of one sample: reasoning comes back as its audit lets it stand.

    Args:
        ask: the door itself.
        audit: what is done with a reply that reasons.
        trails: where what was done is kept.
    """

    def __init__(self, ask: Ask, audit: Callable[[Reply], Awaitable[Trail]], trails: list[Trail]) -> None:
        self._ask = ask
        self._audit = audit
        self._trails = trails
        self.sampling: Sampling = ask.sampling

    async def __call__(self, role: str, request: Request, label: str) -> Reply:
        """See `akrasia.core.Ask`."""
        reply = await self._ask(role, request, label)
        if (role, label) != ("model", REASON):
            return reply
        trail = await self._audit(reply)
        self._trails.append(trail)
        return replace(reply, text=trail.text)

    def at(self, sample: int) -> _MendingAsk:
        """The same door, bound to the sample."""
        return _MendingAsk(self._ask.at(sample), self._audit, self._trails)

    def request(self, messages: Sequence[Message], **changes: Any) -> Request:
        """See `akrasia.core.Ask`."""
        return self._ask.request(messages, **changes)


def audit_settings(settings: Mapping[str, str]) -> AuditSettings:
    """The settings from their texts.

    Raises:
        InputError: an unknown setting (near names are listed), or a value that it does not take.
    """
    takes: dict[str, tuple[str, Callable[[str], object]]] = {
        "stage": ("reasoning, action or both", lambda text: text if text in get_args(Stages) else None),
        "budget": ("how many revisions, from 0 to 16", lambda text: _number(text, int, 16)),
        "placebo": ("0 or 1", lambda text: {"0": False, "1": True}.get(text)),
        "margin": ("a difference from 0 to 1", lambda text: _number(text, float, 1)),
        "accept": ("improved or always", lambda text: text if text in get_args(Accept) else None),
    }
    found: dict[str, Any] = {}
    for key, text in settings.items():
        if key not in takes:
            raise InputError(f"strategy 'audited' has no setting {key!r}{near_names(key, list(takes))}")
        wanted, read = takes[key]
        found[key] = read(text)
        if found[key] is None:
            raise InputError(f"strategy 'audited': {key} is {wanted}, got {text!r}")
    return AuditSettings(**found)


def _number(text: str, kind: type[int] | type[float], most: float) -> float | None:
    try:
        number = kind(text)
    except ValueError:
        return None
    return number if 0 <= number <= most else None


def _inner_of(text: str) -> Live:
    """The strategy whose texts are audited.

    Raises:
        InputError: it is unknown, or commits to no text that could be audited.
    """
    inner = build_strategy(text)
    if not isinstance(inner, Live) or inner.name in _UNAUDITED:
        fit = [name for name in STRATEGIES.names() if name not in _UNAUDITED and issubclass(STRATEGIES.get(name), Live)]
        raise InputError(
            f"strategy 'audited' audits what a live strategy writes, not {text!r}; known: {', '.join(fit)}"
        )
    return inner
