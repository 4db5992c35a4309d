"""What a study's folder shows to people: its verdict table and its figures, from `study.json` and the run beside it.

What the study concluded is read, never decided here.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from akrasia.core import InputError
from akrasia.core.decoding import Undecodable, decode_json
from akrasia.report.canvas import Width, draw
from akrasia.report.content import CellContent, Interval
from akrasia.report.figures import FIGURES
from akrasia.report.gather import gather
from akrasia.report.study_audit import Arm, arm_table, steered
from akrasia.report.study_figures import Series, draw_series
from akrasia.report.study_pressures import HEAT_MAP, Pressed, contrast_table
from akrasia.report.study_wording import ratio, ratio_text, small
from akrasia.report.tables import WRITERS, Column, Table
from akrasia.report.text import plain
from akrasia.report.wording import points, with_bounds
from akrasia.report.write import FORMATS, save

WIDTHS: dict[Width, str] = {"wide": "", "narrow": "-narrow"}


class VerdictRow(msgspec.Struct, frozen=True):
    """A row of the verdict table, as `study.json` has it."""

    claim: str
    where: str
    metric: str
    unit: str
    estimate: float | None
    low: float | None
    high: float | None
    p_adjusted: float | None
    verdict: str
    note: str
    p: float | None
    test: str
    items: int
    k: int | None


class StudyContent(msgspec.Struct, frozen=True):
    """The part of `study.json` that is shown."""

    study: str
    question: str
    verdicts: tuple[VerdictRow, ...]
    series: tuple[Series, ...]
    figures: tuple[str, ...]
    level: float
    pressures: tuple[Pressed, ...] = ()
    arms: tuple[Arm, ...] = ()
    same_judge: str = ""


class StudyWritten(msgspec.Struct, frozen=True):
    """What was written: paths of the tables and of the figures."""

    tables: tuple[str, ...]
    figures: tuple[str, ...]


def read_study(folder: Path) -> StudyContent:
    """What `akrasia study` found in a folder.

    Raises:
        InputError: the folder holds no findings, or they cannot be read.
    """
    path = folder / "study.json"
    try:
        return decode_json(path.read_bytes(), StudyContent)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; carry the study out first") from None
    except Undecodable as error:
        raise error.at(f"{path} is damaged or not a study's", "carry the study out again") from None


def write_study(folder: str | Path) -> StudyWritten:
    """Write `verdict.csv`, `.md` and `.tex` and `figures/` into a study's folder; what is there is replaced.

    A study of pressures has `pressures.csv`, `.md` and `.tex` too: the contrasts value by value; one of audits has
    `arms.csv`, `.md` and `.tex`: what every audited strategy did.

    Raises:
        InputError: as `read_study`, or a file that cannot be written.
    """
    folder = Path(folder)
    content = read_study(folder)
    shown = [verdict_table(content), *([contrast_table(content.pressures)] if content.pressures else [])]
    shown += [arm_table(content.arms, content.level, content.same_judge)] if content.arms else []
    tables = [
        save(folder / f"{table.name}.{ending}", to_text(table).encode())
        for table in shown
        for ending, to_text in WRITERS.items()
    ]
    figures = []
    of_run = [drawing for drawing in FIGURES if drawing.name in content.figures]
    cells: tuple[CellContent, ...] = gather([folder / "run"], item_bytes=0, level=content.level).cells if of_run else ()
    for width, suffix in WIDTHS.items():
        for form in FORMATS:
            for drawing in of_run:
                measured = drawing.of(cells)
                if measured:
                    path = folder / "figures" / f"{drawing.name}{suffix}.{form}"
                    figures.append(save(path, draw(drawing, measured, width, form)))
            for series in content.series:
                figures.append(
                    save(folder / "figures" / f"{series.name}{suffix}.{form}", draw_series(series, width, form))
                )
            if content.pressures:
                path = folder / "figures" / f"{HEAT_MAP.name}{suffix}.{form}"
                figures.append(save(path, draw(HEAT_MAP, content.pressures, width, form)))
    return StudyWritten(tuple(tables), tuple(figures))


def verdict_table(content: StudyContent) -> Table:
    """The verdicts for people, in points of utility, and for programs."""
    names = ("claim", "where", "estimate", "low", "high", "adjusted p", "verdict", "note")
    columns = tuple(
        Column(
            name,
            number=name in ("estimate", "low", "high", "adjusted p"),
            sentences=name in ("claim", "where", "note"),
        )
        for name in names
    )
    fields = (
        "claim", "where", "metric", "unit", "estimate", "low", "high", "p_adjusted", "verdict", "note", "p", "test",
        "items", "k",
    )  # fmt: skip
    rows = tuple(
        (
            plain(row.claim),
            plain(row.where),
            *(_number(value, row.unit) for value in (row.estimate, row.low, row.high)),
            small(row.p_adjusted),
            row.verdict,
            plain(row.note),
        )
        for row in content.verdicts
    )
    records = tuple(tuple(getattr(row, field) for field in fields) for row in content.verdicts)
    units = {row.unit for row in content.verdicts}
    other = [f"({words})" for unit, words in _OTHER_UNITS.items() if unit in units]
    caption = (
        f"{' '.join([content.question, 'Estimates in points of 100', *other])} "
        f"with {100 * content.level:g} % intervals; "
        "p adjusted by Holm over the table."
    ) + steered(content.same_judge)
    return Table("verdict", caption, columns, rows, fields, records)


_OTHER_UNITS = {"tokens": "a knee in tokens", "odds ratio": "odds ratios as they are"}


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return "none"
    if unit == "odds ratio":
        return ratio(value)
    return f"{value:.0f} tokens" if unit == "tokens" else points(value)


def estimate_text(row: VerdictRow) -> str:
    """The estimate with its interval, in points, in tokens, or as an odds ratio."""
    if row.estimate is None:
        return "undefined"
    if row.unit == "odds ratio":
        return ratio_text(row.estimate, row.low, row.high)
    if row.unit == "tokens":
        ends = ["unbounded" if end is None else f"{end:.0f}" for end in (row.low, row.high)]
        return f"{row.estimate:.0f} tokens [{ends[0]}, {ends[1]}]"
    return with_bounds(Interval(row.estimate, row.low, row.high))
