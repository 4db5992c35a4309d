"""Having judges read many texts outside a run: models opened, calls side by side, refusals kept as missing."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path

from msgspec import Struct

from akrasia.core import CallRefused, Judgement, Model
from akrasia.judges.base import Judge
from akrasia.judges.loose_ask import LooseAsk, ReplyFile
from akrasia.models import ModelSettings, build_model
from akrasia.values import Taxonomy

_AT_ONCE = 64
"""Texts under way at once; each model takes as many calls of them as it can."""


class ReadingOptions(Struct, frozen=True, kw_only=True):
    """How texts are read.

    Attributes:
        repeats: how often; a judge that always says the same reads once all the same.
        replies: file in which the replies of models are kept and looked up; None: they are not kept.
        on_progress: called with the readings done and their number, after each.
        on_notice: called with a line that the user should see while a model opens.
    """

    repeats: int = 1
    replies: Path | None = None
    on_progress: Callable[[int, int], None] | None = None
    on_notice: Callable[[str], None] | None = None


async def read_texts(
    judges: Sequence[Judge],
    texts: Sequence[str],
    taxonomy: Taxonomy,
    options: ReadingOptions = ReadingOptions(),  # noqa: B008 - frozen
) -> list[list[list[Judgement]]]:
    """Every judge's verdict on every text.

    Returns:
        By judge, repeat and text. A judge that always says the same has one repeat.

    Raises:
        InputError: a judge that cannot read the taxonomy; a model that cannot be opened or never answers.
        RunIncomplete: an endpoint was lost; with `replies` the same call goes on where it stopped.
    """
    for judge in judges:
        judge.check(taxonomy)
    names = list(dict.fromkeys(judge.model for judge in judges if judge.model is not None))
    settings = ModelSettings(on_notice=options.on_notice)
    models = {name: build_model(name, settings=settings) for name in names}
    kept = ReplyFile(options.replies) if options.replies is not None and models else None
    try:
        for model in models.values():
            await model.open()
        plan = [
            (judge, repeat, text)
            for judge in judges
            for repeat in range(1 if judge.deterministic else options.repeats)
            for text in texts
        ]
        found = iter(await _carry_out(plan, taxonomy, models, kept, options.on_progress))
    finally:
        for model in models.values():
            await model.close()
        if kept is not None:
            kept.close()
    return [
        [[next(found) for _ in texts] for _ in range(1 if judge.deterministic else options.repeats)] for judge in judges
    ]


async def _carry_out(
    plan: Sequence[tuple[Judge, int, str]],
    taxonomy: Taxonomy,
    models: Mapping[str, Model],
    kept: ReplyFile | None,
    on_progress: Callable[[int, int], None] | None,
) -> list[Judgement]:
    """The plan's judgements in order. The first failure ends it, but what is under way is waited for, and kept."""
    ask = LooseAsk(models, kept)
    found: list[Judgement | None] = [None] * len(plan)
    waiting = deque(range(len(plan)))
    done = count(1)

    async def work() -> None:
        while waiting:
            number = waiting.popleft()
            judge, repeat, text = plan[number]
            try:
                found[number] = await judge.read(text, taxonomy, ask, role=judge.model or "judge", repeat=repeat)
            except CallRefused as error:
                found[number] = Judgement(missing=str(error))
            except BaseException:
                waiting.clear()
                for model in models.values():
                    model.interrupt()
                raise
            if on_progress is not None:
                on_progress(next(done), len(plan))

    ends = await asyncio.gather(*(work() for _ in range(min(_AT_ONCE, len(plan)))), return_exceptions=True)
    for end in ends:
        if isinstance(end, BaseException):
            raise end
    return [judgement for judgement in found if judgement is not None]
