"""Rewrites beside their drafts, before a judge that neither wrote nor steered them: which is better, and is any lost?

The preference is asked in both orders (`akrasia.utilities.preference`), and so is the guard's question. The replies are
kept in the study's folder, so that going on buys none again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from akrasia.audit.fenced import Case
from akrasia.audit.guard import ORDERS, guard_request, read_guard
from akrasia.audit.reply_text import RoleFailed
from akrasia.audit.spending import CountedAsk
from akrasia.core import CallRefused, Candidate, InputError, Item, Reply
from akrasia.core.cell import Cell
from akrasia.judges import build_judge, judge_identity
from akrasia.judges.loose_ask import LooseAsk, ReplyFile
from akrasia.models import ModelSettings, build_model
from akrasia.runs.config import RunConfig
from akrasia.runs.execute import Options
from akrasia.runs.reader import Run, StoredItem
from akrasia.strategies.tasks import asked
from akrasia.studies.audit_arms import inner_of
from akrasia.studies.cells import Place
from akrasia.studies.definition import Study
from akrasia.studies.vote_budget import VoteBudget
from akrasia.utilities import UtilityOptions
from akrasia.utilities.preference import Preference

VOTES = "votes.jsonl"
"""Where the replies are kept, in the study's folder."""

CALLS = 4
"""Of one comparison: the preference and the guard's question, in both orders."""

_AT_ONCE = 64
"""Comparisons under way at once; the model takes as many calls of them as it can."""


class ArmVotes(Struct, frozen=True):
    """What the pairwise judge says of one cell's rewritten actions, by item and sample.

    Attributes:
        won: 1 where the rewrite is preferred, 0 where the draft is, 0.5 for a tie; None where there is no verdict.
        kept: whether nothing of the task is lost in the rewrite; None where that could not be read.
    """

    won: dict[tuple[int, int], float | None]
    kept: dict[tuple[int, int], float | None]


class Votes(Struct, frozen=True):
    """All verdicts of the pairwise judge, by the name of the cell's model, suite, seed and strategy."""

    arms: dict[tuple[str, str, int, str], ArmVotes]

    def of(self, place: Place, strategy: str) -> ArmVotes:
        """Those on one cell; empty where none of its actions was rewritten."""
        return self.arms.get((place.model, place.suite, place.seed, strategy), ArmVotes({}, {}))


class Pair(Struct, frozen=True):
    """One rewritten action and its draft."""

    cell: Cell
    item: StoredItem
    sample: int
    draft: str
    rewrite: str


def pairwise_of(study: Study, config: RunConfig) -> str | None:
    """The judge that compares: the study's own, else the first of the run's that is a model; None: nobody can.

    Raises:
        InputError: it is no ``llm:`` judge, or it is the one that steers.
    """
    named = study.pairwise or next((judge for judge in config.judge if judge.startswith("llm:")), None)
    if named is None or config.auditor is None:
        return None
    if not named.startswith("llm:"):
        raise InputError(f"pairwise is {named!r}: a judge that compares two texts is a model, llm:MODEL")
    identities = [judge_identity(build_judge(name)) for name in (named, config.auditor)]
    if identities[0] == identities[1] and not config.allow_same_judge:
        raise InputError(
            f"{identities[0]} would compare (--pairwise) what it steers (--auditor): name another judge, or "
            "--allow-same-judge"
        )
    return named


async def cast_votes(judge: str, run: Run, folder: Path, options: Options, budget: VoteBudget) -> Votes:
    """Have every rewritten action of a run compared with its draft.

    Args:
        judge: ``llm:MODEL``.
        run: open for reading.
        folder: the study's.
        options: of the study's run.
        budget: what the run left.

    Raises:
        InputError: the model cannot be used as given.
        RunIncomplete: it was lost, or the budget is used up; the same call goes on.
    """
    pairs = list(_pairs(run))
    found: dict[tuple[str, str, int, str], ArmVotes] = {}
    if not pairs:
        return Votes(found)
    name = judge.removeprefix("llm:")
    model = build_model(name, settings=ModelSettings(on_notice=options.on_notice))
    kept = ReplyFile(folder / VOTES)
    limit = asyncio.Semaphore(1 if budget.limited else _AT_ONCE)
    try:
        await model.open()
        ask = CountedAsk(LooseAsk({"judge": model, "guard": model}, kept))

        async def one(pair: Pair) -> tuple[float | None, float | None]:
            async with limit:
                budget.check(ask)
                return await _preferred(pair, ask), await _kept(pair, ask)

        verdicts = await asyncio.gather(*map(one, pairs), return_exceptions=True)
    finally:
        await model.close()
        kept.close()
    for pair, verdict in zip(pairs, verdicts, strict=True):
        if isinstance(verdict, BaseException):
            raise verdict
        cell = pair.cell
        votes = found.setdefault((cell.model, cell.suite, cell.seed, cell.strategy), ArmVotes({}, {}))
        place = (pair.item.position, pair.sample)
        votes.won[place], votes.kept[place] = verdict
    return Votes(found)


def _pairs(run: Run) -> Iterator[Pair]:
    for cell in run.cells:
        inner = inner_of(cell.strategy)
        drafts = next((one for one in run.cells if _draws_of(one, cell, inner)), None)
        if inner is None or drafts is None:
            continue
        items = {item.position: item for item in run.items(cell.suite)}
        rewritten = {
            (one.position, one.sample)
            for one in run.trails(cell)
            if any(trail.accepted is not None for trail in one.trails)
        }
        for position in sorted({position for position, _ in rewritten}):
            before = {one.sample: one.text for one in run.candidates(drafts, position)}
            for one in run.candidates(cell, position):
                draft = before.get(one.sample)
                if (position, one.sample) in rewritten and one.text and draft and one.text != draft:
                    yield Pair(cell, items[position], one.sample, draft, one.text)


def _draws_of(one: Cell, cell: Cell, inner: str | None) -> bool:
    """Whether one cell drew the drafts of another."""
    same = (one.model, one.suite, one.seed, one.sampling) == (cell.model, cell.suite, cell.seed, cell.sampling)
    return same and one.strategy == inner


async def _preferred(pair: Pair, ask: CountedAsk) -> float | None:
    item = _as_asked(pair)
    score = await Preference(UtilityOptions(votes=2)).judge(item, Candidate(pair.rewrite), ask)
    return score.utility


async def _kept(pair: Pair, ask: CountedAsk) -> float | None:
    replies: list[Reply | RoleFailed] = []
    case = Case("action", pair.draft, _as_asked(pair).input)
    for order in ORDERS:
        try:
            replies.append(await ask("guard", guard_request(case, pair.rewrite, order, 1, None), f"kept {order}"))
        except CallRefused as error:
            replies.append(RoleFailed("guard", f"refused: {error}"))
    verdict = read_guard(replies)
    return None if verdict.loses is None else float(not verdict.loses)


def _as_asked(pair: Pair) -> Item:
    """The scenario with its task, and the draft to compare with."""
    item = Item(pair.item.id, pair.item.input, metadata=pair.item.metadata)
    return Item(pair.item.id, asked(item, "act"), target=pair.draft, utility=Preference.name)
