"""The report as files: the page, the figures and the tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import get_args

from msgspec import Struct

from akrasia.core import InputError
from akrasia.report.canvas import Format, Width, draw
from akrasia.report.caveats import with_caveats
from akrasia.report.content import CellContent, Diagnostic, Interval, ReportContent
from akrasia.report.figures import FIGURES
from akrasia.report.gather import gather
from akrasia.report.page import ITEM_BYTES, render_page
from akrasia.report.tables import WRITERS, tables
from akrasia.report.value_content import ArmContent
from akrasia.report.value_page import value_figures
from akrasia.report.value_tables import value_tables
from akrasia.report.value_wording import value_headline
from akrasia.report.wording import headline

FORMATS: tuple[Format, ...] = get_args(Format)

MARK = b'<meta name="generator" content="Akrasia '
"""Stands in the head of every page of ours, by which a later report knows that it may replace the file."""

_HEAD = 4096
"""Bytes of a page within which its mark stands."""


class CellLine(Struct, frozen=True):
    """A cell as `akrasia report --json` prints it; a figure that is undefined is None."""

    cell: str
    run: str
    headline: str
    deployed: Interval | None
    reachable: Interval | None
    risk: Interval | None


class Written(Struct, frozen=True):
    """What was written.

    Attributes:
        out: the page; bytes: its size.
        cells: the findings, of acting cells on value suites first.
        figures, tables: the other files.
        diagnostics: what the reader should know of the runs beside one another.
    """

    out: str
    bytes: int
    cells: tuple[CellLine, ...]
    figures: tuple[str, ...]
    tables: tuple[str, ...]
    diagnostics: tuple[Diagnostic, ...] = ()


def render(
    runs: Sequence[str | Path],
    *,
    level: float = 0.95,
    gold: str | Path | None = None,
    gold_cell: str | None = None,
    calibration: str | Path | None = None,
) -> str:
    """The report on one or more runs as one self-contained HTML page of at most 2 MB.

    Args:
        runs: folders that `akrasia run` wrote.
        level: nominal coverage of every interval, in (0, 1).
        gold: a file of labels that correct the figures of one run.
        gold_cell: the cell whose candidates they label; None: the first of direct draws.
        calibration: what `akrasia judge calibrate` wrote about the judge of a value run, for sensitivity bands.

    Raises:
        InputError: a folder that holds no run or nothing measured yet, or one that is named twice; gold that cannot be
            used, or of several runs.
    """
    return render_page(_gather(runs, level, gold, gold_cell, calibration))


def write(
    runs: Sequence[str | Path],
    out: str | Path,
    *,
    figures: str | Path | None = None,
    formats: Sequence[str] = FORMATS,
    tables: str | Path | None = None,
    level: float = 0.95,
    gold: str | Path | None = None,
    gold_cell: str | None = None,
    calibration: str | Path | None = None,
) -> Written:
    """Write the report, and where wanted its figures and tables.

    Args:
        runs: folders that `akrasia run` wrote.
        out: the HTML file; an earlier report there is replaced, and nothing else.
        figures: a folder for one file per figure, width and format.
        formats: of the figures: svg, png, pdf.
        tables: a folder for the tables as CSV, LaTeX and Markdown.
        level: nominal coverage of every interval, in (0, 1).
        gold: a file of labels that correct the figures of one run.
        gold_cell: the cell whose candidates they label; None: the first of direct draws.
        calibration: what `akrasia judge calibrate` wrote about the judge of a value run, for sensitivity bands.

    Raises:
        InputError: as `render`, an unknown format, a file that is no report of ours, or a place that cannot be written.
    """
    wanted = _known_formats(formats)
    _check_place(Path(out))
    content = _gather(runs, level, gold, gold_cell, calibration)
    page = render_page(content).encode()
    written = save(Path(out), page)
    drawn = _write_figures(content, Path(figures), wanted) if figures is not None else []
    listed = _write_tables(content, Path(tables)) if tables is not None else []
    lines = tuple(_arm_line(arm) for group in content.values for arm in group.arms)
    lines += tuple(_line(cell) for cell in content.cells)
    return Written(written, len(page), lines, tuple(drawn), tuple(listed), content.diagnostics)


def _check_place(out: Path) -> None:
    """Refuse to replace anything but a report."""
    if out.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"the report is an HTML page, and {out} does not end in .html: name a file that does")
    if out.is_dir():
        raise InputError(f"{out} is a folder: name an HTML file in it")
    if not out.exists():
        return
    try:
        with out.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise InputError(f"cannot read {out}: {error.strerror}; give another place") from None
    if head and MARK not in head:
        raise InputError(f"{out} is no report of Akrasia's, and would be replaced: name another file")


def _gather(
    runs: Sequence[str | Path],
    level: float,
    gold: str | Path | None,
    gold_cell: str | None,
    calibration: str | Path | None,
) -> ReportContent:
    return gather(
        [Path(run) for run in runs],
        item_bytes=ITEM_BYTES,
        level=level,
        gold=None if gold is None else Path(gold),
        gold_cell=gold_cell,
        calibration=None if calibration is None else Path(calibration),
    )


def _line(cell: CellContent) -> CellLine:
    return CellLine(cell.name, cell.run, headline(cell), cell.deployed, cell.reachable, cell.risk)


def _arm_line(arm: ArmContent) -> CellLine:
    """An acting cell: its risk is what is reachable and not taken."""
    split = arm.split
    figures = (split.deployed, split.reachable, split.not_taken) if split else (None, None, None)
    return CellLine(arm.cell, arm.run, value_headline(arm), *figures)


def _known_formats(formats: Sequence[str]) -> list[Format]:
    unknown = [form for form in formats if form not in FORMATS]
    if unknown or not formats:
        raise InputError(f"unknown figure format {', '.join(unknown) or '(none)'}; known: {', '.join(FORMATS)}")
    return [form for form in FORMATS if form in formats]


def _write_figures(content: ReportContent, folder: Path, formats: Sequence[Format]) -> list[str]:
    widths: dict[Width, str] = {"wide": "", "narrow": "-narrow"}
    drawn: dict[str, Callable[[Width, Format], bytes]] = {
        drawing.name: partial(draw, drawing, shown) for drawing in FIGURES if (shown := drawing.of(content.cells))
    }
    drawn |= {figure.name: figure.draw for figure in value_figures(content.values)}
    return [
        save(folder / f"{name}{suffix}.{form}", make(width, form))
        for name, make in drawn.items()
        for width, suffix in widths.items()
        for form in formats
    ]


def _write_tables(content: ReportContent, folder: Path) -> list[str]:
    arms = [arm for group in content.values for arm in group.arms]
    found = (*with_caveats(value_tables(arms), arms), *with_caveats(tables(content.cells), content.cells))
    return [
        save(folder / f"{table.name}.{ending}", to_text(table).encode())
        for table in found
        for ending, to_text in WRITERS.items()
    ]


def save(path: Path, content: bytes) -> str:
    """Write a file whole or not at all, and its folder where there is none; returns the path.

    Raises:
        InputError: the place cannot be written.
    """
    new = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.write_bytes(content)
        new.replace(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}; give another place or free some space") from None
    return str(path)
