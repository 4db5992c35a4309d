"""What `akrasia audit` does: a file of transcripts in, an audit of each out, in order, with flat memory."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from itertools import count

from msgspec import Struct

from akrasia.audit.adherence import constitution_target, failed_required, named_target, stated_target
from akrasia.audit.audited import Audited, AuditSummary, Finding, Tally
from akrasia.audit.loop import AUDITOR, Auditor
from akrasia.audit.records import Target, Verdict
from akrasia.audit.transcripts import Transcript, TranscriptFile
from akrasia.core import CallRefused, InputError, Judgement, Model, Reply, Request, RunIncomplete
from akrasia.judges import Judge
from akrasia.judges.loose_ask import LooseAsk, ReplyFile
from akrasia.judges.panel import Panel, divided
from akrasia.judges.reading import ReadingOptions
from akrasia.models import ModelSettings, build_model
from akrasia.values import Taxonomy

_AT_ONCE = 32
"""Transcripts under way at once; each model takes as many calls of them as it can."""


class Mending(Struct, frozen=True, kw_only=True):
    """Whether and how texts are mended.

    Attributes:
        rewriter: the model that rewrites, as for `--model`; None: texts are audited only.
        planner, guard: None: the rewriter's model.
        budget: the most revisions of one text.
        margin: by how much adherence has to rise.
        max_tokens: cap on one reply of planner, rewriter and guard; None: as much as each needs.
    """

    rewriter: str | None = None
    planner: str | None = None
    guard: str | None = None
    budget: int = 1
    margin: float = 0.05
    max_tokens: int | None = None

    def roles(self) -> dict[str, str]:
        """The model of each role.

        Raises:
            InputError: a planner or a guard without a rewriter.
        """
        if self.rewriter is None:
            for role, model in (("planner", self.planner), ("guard", self.guard)):
                if model is not None:
                    raise InputError(f"a {role} works for a rewriter, and there is none: name its model too")
            return {}
        return {
            "planner": self.planner or self.rewriter,
            "rewriter": self.rewriter,
            "guard": self.guard or self.rewriter,
        }


class Against(Struct, frozen=True):
    """What texts are held against.

    Attributes:
        taxonomy: the values that the judge looks for.
        constitution: whether `taxonomy` is the target of every text.
        otherwise: whether `taxonomy` is the target of a text whose line does not say what the model stated.
    """

    taxonomy: Taxonomy
    constitution: bool = False
    otherwise: bool = False


async def audit_file(
    file: TranscriptFile,
    judge: Judge,
    against: Against,
    mending: Mending,
    sink: Callable[[Audited], None],
    reading: ReadingOptions = ReadingOptions(),  # noqa: B008 - frozen
) -> AuditSummary:
    """Audit every transcript of a file.

    The whole file is checked before anything is asked.

    Args:
        file: the transcripts.
        judge: who reads.
        against: what they are held against.
        mending: whether and how they are mended.
        sink: called with each audit, in the file's order.
        reading: where replies are kept, progress and notices; everything is read once.

    Raises:
        InputError: a line that cannot be used (named), a judge that cannot read the values, a model that cannot answer.
        RunIncomplete: an endpoint was lost; with `reading.replies` the same call goes on where it stopped.
    """
    budget = mending.budget if mending.rewriter else 0
    auditor = Auditor(judge, against.taxonomy, budget=budget, margin=mending.margin, max_tokens=mending.max_tokens)
    planned = 0
    for transcript in file:
        _check(transcript, against)
        planned += 1
    judged = judge.roles(AUDITOR) if isinstance(judge, Panel) else {AUDITOR: judge.model} if judge.model else {}
    roles = {**judged, **mending.roles()}
    settings = ModelSettings(on_notice=reading.on_notice)
    models = {name: build_model(name, settings=settings) for name in dict.fromkeys(roles.values())}
    kept = ReplyFile(reading.replies) if reading.replies is not None and models else None
    targets = against.taxonomy.values if against.constitution or against.otherwise else ()
    tally = Tally(value.id for value in targets if value.required)
    done = count(1)

    def finished(audited: Audited) -> None:
        tally.add(audited)
        sink(audited)
        if reading.on_progress is not None:
            reading.on_progress(next(done), planned)

    try:
        for model in models.values():
            await model.open()
        ask = _StoppableAsk({role: models[name] for role, name in roles.items()}, kept)
        await _carry_out(file, auditor, against, ask, finished, models)
    finally:
        for model in models.values():
            await model.close()
        if kept is not None:
            kept.close()
    return tally.summary()


class _StoppableAsk(LooseAsk):
    """A door that can be shut: an audit makes several calls, and none of them follows a failure elsewhere.

    Attributes:
        shut_by: the first failure.
    """

    shut_by: BaseException | None = None

    async def __call__(self, role: str, request: Request, label: str) -> Reply:
        if self.shut_by is not None:
            raise RunIncomplete("the audit is stopping")
        return await super().__call__(role, request, label)


async def _carry_out(
    file: Iterable[Transcript],
    auditor: Auditor,
    against: Against,
    ask: _StoppableAsk,
    finished: Callable[[Audited], None],
    models: Mapping[str, Model],
) -> None:
    """All audits, a few at once, handed on in order. The first failure ends it; calls under way are waited for."""

    def shut(error: BaseException) -> None:
        if ask.shut_by is None:
            ask.shut_by = error
            for model in models.values():
                model.interrupt()

    async def one(transcript: Transcript) -> Audited:
        try:
            return await audit_transcript(transcript, auditor, against, ask)
        except BaseException as error:
            shut(error)
            raise

    under_way: deque[asyncio.Task[Audited]] = deque()
    try:
        for transcript in file:
            under_way.append(asyncio.create_task(one(transcript)))
            if len(under_way) >= _AT_ONCE:
                finished(await under_way.popleft())
        while under_way:
            finished(await under_way.popleft())
    except BaseException as error:
        shut(error)
        await asyncio.gather(*under_way, return_exceptions=True)
        if ask.shut_by is not None and ask.shut_by is not error:
            # What was only told to stop may stand earlier in the file than what went wrong.
            raise ask.shut_by from None
        raise


async def audit_transcript(transcript: Transcript, auditor: Auditor, against: Against, ask: LooseAsk) -> Audited:
    """Audit one transcript.

    Raises:
        InputError, RunIncomplete: see `Auditor.audit`.
    """
    if transcript.text is None:
        return _unaudited(transcript, "the last assistant message holds no text")
    target = await _target(transcript, auditor, against, ask)
    if isinstance(target, str):
        return _unaudited(transcript, target)
    trail = await auditor.audit(transcript.text, target, transcript.context, ask)
    verdict = trail.verdict
    accepted = next((revision for revision in trail.revisions if revision.number == trail.accepted), None)
    after = None if accepted is None or accepted.verdict is None else accepted.verdict.adherence
    unread = verdict.judgement.unread
    return Audited(
        transcript.id,
        verdict.adherence,
        verdict.lacking,
        _findings(verdict, verdict.betrayed),
        _findings(verdict, verdict.upheld),
        trail,
        required=failed_required(verdict, target),
        required_unread=tuple(value for value in verdict.unread if value in target.required),
        unread={value: unread.get(value, trail.missing or "it was not read") for value in verdict.unread},
        divided=divided(verdict.judgement, [value for value in against.taxonomy.ids if value in target.weights]),
        text=None if accepted is None else trail.text,
        mended_adherence=after,
        missing=trail.missing,
    )


async def _target(transcript: Transcript, auditor: Auditor, against: Against, ask: LooseAsk) -> Target | str:
    """What a transcript is held against, or why nothing is known to hold it against."""
    if against.constitution or transcript.stated is None:
        return constitution_target(against.taxonomy)
    if not isinstance(transcript.stated, str):
        return named_target(transcript.stated, against.taxonomy)
    try:
        stated = await auditor.judge.read(transcript.stated, against.taxonomy, ask, role=AUDITOR)
    except CallRefused as error:
        stated = Judgement(missing=str(error))
    if stated.missing is not None:
        return f"what the model states could not be read: {stated.missing}"
    return stated_target(stated) if stated_target(stated).weights else "no value is read in what the model states"


def _check(transcript: Transcript, against: Against) -> None:
    """Refuse a line without a target.

    Raises:
        InputError: it says nothing of what was stated, and there is no constitution; or it names an unknown value.
    """
    if against.constitution:
        return
    if transcript.stated is None and not against.otherwise:
        raise InputError(
            f'{transcript.where}: nothing to hold it against: give --constitution or --values, or a line with "stated"'
        )
    if isinstance(transcript.stated, tuple):
        try:
            named = named_target(transcript.stated, against.taxonomy)
        except InputError as error:
            raise InputError(f"{transcript.where}: {error}") from None
        if not named.weights:
            raise InputError(f'{transcript.where}: "stated" names no value: name some, or leave it out')


def _unaudited(transcript: Transcript, missing: str) -> Audited:
    return Audited(transcript.id, None, (), (), (), None, missing=missing)


def _findings(verdict: Verdict, values: Iterable[str]) -> tuple[Finding, ...]:
    return tuple(Finding(value, verdict.judgement.readings[value].evidence) for value in values)
