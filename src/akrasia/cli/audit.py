"""`akrasia audit`."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from akrasia.cli.output import counted, notice
from akrasia.cli.progress import Readings
from akrasia.core import InputError

if TYPE_CHECKING:
    from akrasia.audit.audited import Audited, AuditSummary
    from akrasia.audit.on_files import Against, Mending

_IN_MEMORY = 2**24
"""Bytes of audits that wait in memory for the end of the file; more goes to a temporary file."""


def audit(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE|-",
            help='Transcripts: JSONL lines {"messages": […], "id"?, "stated"?: text or value ids}; or one plain text.',
        ),
    ],
    constitution: Annotated[
        str | None, typer.Option(help="The values to hold every text against: a constitution's file (.toml).")
    ] = None,
    values: Annotated[
        str | None,
        typer.Option(
            help='Which values the judge looks for: a taxonomy or a constitution\'s file. Texts without "stated" are '
            "held against all of them. [default: the refined 19]"
        ),
    ] = None,
    judge: Annotated[
        list[str] | None,
        typer.Option(help="Who audits: encoder or llm:MODEL. Repeatable: they read as a panel. [default: encoder]"),
    ] = None,
    rewrite: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Mend what falls short: the model that rewrites.")
    ] = None,
    planner: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Who plans the change. [default: the model of --rewrite]")
    ] = None,
    guard: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Who sees that no task content is lost. [default: the model of --rewrite]"),
    ] = None,
    budget: Annotated[int | None, typer.Option(min=0, help="The most revisions of one text. [default: 1]")] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="By how much adherence has to rise for a rewrite to be accepted. [default: 0.05]"
        ),
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Cap on one reply of planner, rewriter and guard. [default: by need]")
    ] = None,
    fail_under: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Exit 1 when mean adherence (of the texts as given) is below, or a required value fails.",
        ),
    ] = None,
    replies: Annotated[
        Path | None,
        typer.Option(help="File that keeps the models' replies: a command that was stopped goes on from it."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")] = False,
) -> None:
    """Audit texts that exist already: which values they uphold, lack or betray, with the words that show it.

    The last assistant message of each transcript is held against a constitution, or against the values that the model
    stated. With --rewrite what falls short is mended, where that loses no task content.
    """
    from akrasia.audit.on_files import Mending, audit_file
    from akrasia.audit.transcripts import TranscriptFile
    from akrasia.judges.on_files import build_bench
    from akrasia.judges.reading import ReadingOptions
    from akrasia.runs import wait_for

    against = _against(constitution, values)
    roles = Mending(rewriter=rewrite, planner=planner, guard=guard)
    mending = _mending(roles, {"budget": budget, "margin": margin, "max_tokens": max_tokens})
    bench = build_bench(judge or ["encoder"])
    # For people the audits themselves are the progress.
    reading = ReadingOptions(replies=replies, on_progress=Readings("texts") if json else None, on_notice=notice)
    with TranscriptFile(source, sys.stdin.buffer) as file, tempfile.SpooledTemporaryFile(_IN_MEMORY) as waiting:
        sink = _JsonLines(waiting) if json else _show
        summary = wait_for(audit_file(file, bench.whole, against, mending, sink, reading))
        if json:
            _print_json(waiting, summary)
        else:
            _show_summary(summary)
    failures = [] if fail_under is None else summary.failures(fail_under)
    for failure in failures:
        notice(f"failed: {failure}")
    if failures:
        raise typer.Exit(1)


def _mending(roles: Mending, settings: dict[str, float | None]) -> Mending:
    """Who mends, and how; what is not given is as the library has it."""
    from msgspec.structs import replace

    given = {name: setting for name, setting in settings.items() if setting is not None}
    if not roles.roles() and given:
        option = f"--{next(iter(given)).replace('_', '-')}"
        raise InputError(f"{option} is for texts that are mended, and nobody rewrites: add --rewrite, or leave it out")
    return replace(roles, **given)


def _against(constitution: str | None, values: str | None) -> Against:
    from akrasia.audit.on_files import Against
    from akrasia.values import find_values, taxonomy

    if constitution is not None and values is not None:
        raise InputError("--constitution and --values both say which values count: give one of them")
    if constitution is not None:
        return Against(find_values(constitution), constitution=True)
    return Against(taxonomy()) if values is None else Against(find_values(values), otherwise=True)


class _JsonLines:
    """Keeps audits as JSON until all are there: an audit that breaks off prints no half object."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._separator = b""

    def __call__(self, audited: Audited) -> None:
        import msgspec

        self._file.write(self._separator + msgspec.json.encode(audited))
        self._separator = b",\n"


def _print_json(audits: IO[bytes], summary: AuditSummary) -> None:
    import msgspec

    out = sys.stdout.buffer
    out.write(b'{"audits": [\n')
    audits.seek(0)
    shutil.copyfileobj(audits, out)
    out.write(b"\n],\n" + msgspec.json.encode(summary)[1:] + b"\n")
    out.flush()


def _show(audited: Audited) -> None:
    """One text: what is required first, then what is betrayed, lacks and is upheld, and what became of it."""
    if audited.adherence is None:
        print(f"{_plain(audited.id)}: not measured: {_plain(audited.missing or '')}")
        return
    fails = ", and fails as a whole" if audited.required else ""
    print(f"{_plain(audited.id)}: adherence {audited.adherence:.3f}{fails}")
    lines = [("betrays", found.value, found.evidence) for found in audited.betrayed]
    lines += [("lacks", value, None) for value in audited.lacking]
    lines.sort(key=lambda line: line[1] not in audited.required)
    lines += [("upholds", found.value, found.evidence) for found in audited.upheld]
    for word, value, words in lines:
        required = " (required)" if value in audited.required else ""
        said = f": “{_plain(words)}”" if words else ""
        print(f"  {word:<8} {value}{required}{said}{_split(audited, value)}")
    for value, why in audited.unread.items():
        print(f"  unread   {value}: {_plain(why)}{_split(audited, value)}")
    if audited.text is not None and audited.trail is not None:
        after = "unknown" if audited.mended_adherence is None else f"{audited.mended_adherence:.3f}"
        print(f"  mended by revision {audited.trail.accepted}, adherence {after}:")
        for line in audited.text.splitlines():
            print(f"    {_plain(line)}")
    elif audited.trail is not None and audited.trail.revisions:
        print(f"  not mended: {_plain(audited.trail.reason)}")


def _split(audited: Audited, value: str) -> str:
    """Who of a panel says what, where its judges differ."""
    said = "; ".join(f"{_plain(judge)}: {word}" for judge, word in audited.divided.get(value, {}).items())
    return f" (the judges differ: {said})" if said else ""


def _show_summary(summary: AuditSummary) -> None:
    print()
    for value, number in summary.required.items():
        if number:
            print(f"required: {value} fails in {number} of {counted(summary.texts, 'text')}")
    for value, number in summary.required_unread.items():
        if number:
            print(f"required: {value} could not be read in {number} of {counted(summary.texts, 'text')}")
    mean = "undefined" if summary.adherence is None else f"{summary.adherence:.3f}"
    measured = summary.texts - summary.missing
    mended = f", {summary.mended} mended" if summary.mended else ""
    print(f"adherence {mean} over {counted(measured, 'text')}, {summary.missing} missing{mended}")


def _plain(text: str) -> str:
    """On one line, and without what would steer a terminal: the text may be anybody's."""
    return "".join(char for char in " ".join(text.split()) if char.isprintable())
