"""LiveCodeBench: contest programs by date. N. Jain et al., *LiveCodeBench*, arXiv 2403.07974.

A version adds problems ("v6"); a release holds all until then ("release_v6"). Hidden tests come packed and stay so in
the item, since unpacked they would fill the memory; utility `code` unpacks those of the item at hand.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from akrasia.core import InputError, Item, Message, Spec, Suite
from akrasia.core.decoding import Undecodable, decode_json
from akrasia.suites.hub import HubPart, HubSettings, read_part
from akrasia.suites.source import SuiteSource, build_suite, read_settings, spec_text, variant_of

_FILES = ("test.jsonl", "test2.jsonl", "test3.jsonl", "test4.jsonl", "test5.jsonl", "test6.jsonl")
_VERSIONS = tuple(f"v{number}" for number in range(1, len(_FILES) + 1))
_RELEASES = tuple(f"release_{version}" for version in _VERSIONS)
_ASK_STDIN = "Write a Python program that reads standard input and prints the answer."
_ASK_FUNCTION = "Complete this Python code:"
_ASK_BLOCK = "Answer with one Python code block that holds the whole program."

Day = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class Settings(HubSettings, frozen=True):
    """Settings besides those of every benchmark.

    Attributes:
        since, until: first and last contest day (YYYY-MM-DD), both included.
    """

    since: Day | None = None
    until: Day | None = None


class Row(Struct, frozen=True):
    """Columns that are read. `contest_date` is text or a time, as the file's reader makes it."""

    question_title: str
    question_content: str
    platform: str
    question_id: str
    contest_date: Any
    starter_code: str
    difficulty: str
    public_test_cases: str
    private_test_cases: str
    metadata: str


class _Metadata(Struct, frozen=True):
    func_name: str | None = None


class _PublicCase(Struct, frozen=True):
    input: str
    output: str


def items(rows: Iterable[Row], since: str | None = None, until: str | None = None) -> list[Item]:
    """One item per row of the period; its tests are in the metadata."""
    return [_item(row) for row in rows if (since or "") <= _day(row) <= (until or "9999-99-99")]


def _day(row: Row) -> str:
    return str(row.contest_date)[:10]


def _item(row: Row) -> Item:
    try:
        function = decode_json(row.metadata, _Metadata).func_name
        cases = decode_json(row.public_test_cases, list[_PublicCase])
    except Undecodable as error:
        raise error.at(f"LiveCodeBench problem {row.question_id!r} has tests in an unknown form") from None
    ask = f"{_ASK_FUNCTION}\n\n```python\n{row.starter_code}\n```" if row.starter_code.strip() else _ASK_STDIN
    tests: dict[str, Any] = {"cases": msgspec.to_builtins(cases), "packed_cases": row.private_test_cases}
    if function is not None:
        tests["function"] = function
    return Item(
        id=row.question_id,
        input=(Message("user", f"{row.question_content.strip()}\n\n{ask}\n\n{_ASK_BLOCK}"),),
        utility="code",
        metadata={
            **tests,
            "title": row.question_title,
            "platform": row.platform,
            "difficulty": row.difficulty,
            "date": _day(row),
        },
    )


def load(spec: Spec, _seed: int) -> Suite:
    """The problems of a version or release; v6 where none is named.

    Raises:
        InputError: unknown version, a day that does not exist, or no problem in the period.
    """
    wanted = variant_of(spec, (*_VERSIONS, *_RELEASES)) or _VERSIONS[-1]
    settings = read_settings(spec, Settings)
    for day in (settings.since, settings.until):
        _check_day(day, spec)
    last = _VERSIONS.index(wanted.removeprefix("release_"))
    made: list[Item] = []
    origin = ""
    for number in range(0 if wanted in _RELEASES else last, last + 1):
        part = HubPart("livecodebench/code_generation_lite", file=_FILES[number], name=_VERSIONS[number])
        rows, origin = read_part(part, settings, Row)
        made += items(rows, settings.since, settings.until)
    return build_suite(spec_text(spec), made, description=f"LiveCodeBench {wanted}, {origin}")


def _check_day(day: str | None, spec: Spec) -> None:
    try:
        date.fromisoformat(day or "2000-01-01")
    except ValueError:
        raise InputError(f"suite {spec_text(spec)!r}: there is no day {day!r}") from None


SOURCE = SuiteSource(
    load,
    "LiveCodeBench: contest programs, by version or release",
    variants=(*_VERSIONS, *_RELEASES),
    settings=Settings,
    extra="datasets",
)
