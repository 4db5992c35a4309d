"""Tables for papers and programs: the cells, the curves and the waterfalls, as CSV, LaTeX (booktabs) and Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from msgspec import Struct

from akrasia.report.content import CellContent, CurvePoint, Interval
from akrasia.report.latex import beyond, latex_text
from akrasia.report.text import plain
from akrasia.report.wording import count, points, stage_name, uncorrected, with_bounds


class Column(Struct, frozen=True):
    """A column of a table for people: its heading, whether it holds numbers, and whether it holds sentences."""

    title: str
    number: bool = True
    sentences: bool = False


class Table(Struct, frozen=True):
    """A table in its two forms.

    Attributes:
        name: of its files.
        caption: one sentence.
        columns, rows: for people, in points of utility.
        fields, records: for programs, in utility from 0 to 1; None is an empty field.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    fields: tuple[str, ...]
    records: tuple[tuple[str | int | float | None, ...], ...]


def cell_columns() -> tuple[Column, ...]:
    """The columns of the table of cells."""
    numbers = ("deployed", "reachable", "risk", "k", "items", "candidates", "failures", "missing", "tokens")
    return (Column("cell", number=False), *(Column(name) for name in numbers))


def cell_rows(cells: Sequence[CellContent]) -> tuple[tuple[str, ...], ...]:
    """The rows of the table of cells, in points."""
    return tuple(
        (
            plain(cell.label),
            *(_figure(cell, name) for name in _FIGURES),
            count(cell.k),
            count(cell.items),
            _beside_pool(cell.candidates, cell.pool_candidates),
            _beside_pool(cell.failures, cell.pool_failures),
            count(cell.missing),
            count(cell.tokens),
        )
        for cell in cells
    )


_FIGURES = ("deployed", "reachable", "risk")


def _figure(cell: CellContent, name: str) -> str:
    """A figure with its interval, marked where labels were given that do not correct it."""
    at: Interval | None = getattr(cell, name)
    return with_bounds(at) + (" uncorrected" if at is not None and uncorrected(cell, name) else "")


def _beside_pool(own: int, pool: int | None) -> str:
    """A cell's own count, and that of its reference pool where that is another cell's: "7 (pool 84)"."""
    return count(own) if pool is None else f"{count(own)} (pool {count(pool)})"


def tables(cells: Sequence[CellContent]) -> tuple[Table, ...]:
    """All tables of a report; none without cells."""
    if not cells:
        return ()
    return (_cells(cells), _curves(cells), _waterfalls(cells))


def three(at: Interval | None) -> tuple[float | None, float | None, float | None]:
    """A figure as three fields of a record."""
    return (None, None, None) if at is None else (at.value, at.low, at.high)


def ends(name: str) -> tuple[str, str, str]:
    """The names of these fields."""
    return (name, f"{name}_low", f"{name}_high")


_LEVEL = "Utility in points of 100, with {} % intervals."


def _level(cells: Sequence[CellContent]) -> str:
    return _LEVEL.format(f"{100 * cells[0].level:g}")


def _cells(cells: Sequence[CellContent]) -> Table:
    counts = ("k", "items", "candidates", "failures", "missing", "tokens", "pool_candidates", "pool_failures")
    names = ("run", "name", "model", "suite", "strategy", "temperature", "seed")
    fields = ("run", "cell", *names[2:], *(end for figure in _FIGURES for end in ends(figure)), "level", *counts)
    fields += ("corrected",)
    records = tuple(
        (
            *(getattr(cell, name) for name in names),
            *(end for figure in _FIGURES for end in three(getattr(cell, figure))),
            cell.level,
            *(getattr(cell, name) for name in counts),
            None if cell.corrected is None else " ".join(cell.corrected) or "none",
        )
        for cell in cells
    )
    caption = f"Deployed utility, utility reachable with k candidates, and rational value risk. {_level(cells)}"
    return Table("cells", caption, cell_columns(), cell_rows(cells), fields, records)


def _mark(point: CurvePoint) -> str:
    if point.uncorrected:
        return " (uncorrected)"
    return " (risk uncorrected)" if point.risk_uncorrected else ""


def _curves(cells: Sequence[CellContent]) -> Table:
    columns = (Column("cell", number=False), Column("k"), Column("reachable@k"), Column("risk"))
    fields = ("run", "cell", "k", *ends("reachable"), *ends("risk"), "uncorrected", "risk_uncorrected")
    doubling = {2**power for power in range(20)}
    rows = tuple(
        (plain(cell.label), f"{count(point.k)}{_mark(point)}", with_bounds(point.reachable), with_bounds(point.risk))
        for cell in cells
        for point in cell.curve
        if point.k in doubling or point is cell.curve[-1]
    )
    records = tuple(
        (
            cell.run,
            cell.name,
            point.k,
            *three(point.reachable),
            *three(point.risk),
            int(point.uncorrected),
            int(point.risk_uncorrected),
        )
        for cell in cells
        for point in cell.curve
    )
    return Table("curves", f"Utility reachable with k candidates. {_level(cells)}", columns, rows, fields, records)


def _waterfalls(cells: Sequence[CellContent]) -> Table:
    columns = (Column("cell", number=False), Column("stage", number=False), Column("utility"), Column("step"))
    rows = []
    records = []
    for cell in cells:
        before: float | None = None
        for stage in cell.waterfall:
            step = None if before is None else stage.at.value - before
            rows.append(
                (
                    plain(cell.label),
                    stage_name(cell, stage.stage),
                    with_bounds(stage.at),
                    "" if step is None else points(step, signed=True),
                )
            )
            records.append((cell.run, cell.name, stage.stage, *three(stage.at), step))
            before = stage.at.value
    fields = ("run", "cell", "stage", "value", "low", "high", "step")
    return Table("waterfall", f"The waterfall. {_level(cells)}", columns, tuple(rows), fields, tuple(records))


def to_csv(table: Table) -> str:
    """RFC 4180 with a header, full precision; an undefined figure is an empty field."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(table.fields)
    writer.writerows(["" if field is None else _no_formula(field) for field in record] for record in table.records)
    return stream.getvalue()


def _no_formula(field: str | int | float) -> str | int | float:
    """A name that begins like a formula must not run in a spreadsheet."""
    return f"'{field}" if isinstance(field, str) and field[:1] in ("=", "+", "-", "@", "\t", "\r") else field


def to_markdown(table: Table) -> str:
    """A pipe table with its caption."""
    lines = [
        _markdown_row([column.title for column in table.columns]),
        _markdown_row(["---:" if column.number else ":---" for column in table.columns]),
        *(_markdown_row([_markdown(text) for text in row]) for row in table.rows),
    ]
    return "\n".join([*lines, "", table.caption, ""])


def _markdown_row(parts: Sequence[str]) -> str:
    return f"| {' | '.join(parts)} |"


def _markdown(text: str) -> str:
    for mark in "\\`*_[]<>|":
        text = text.replace(mark, f"\\{mark}")
    return text


_SENTENCES = r">{\raggedright\arraybackslash}X"
"""A column that breaks its lines."""


def to_latex(table: Table) -> str:
    """A floating table for `booktabs`; with columns of sentences as wide as the text, and then for `tabularx` too.

    Whatever stands in a cell, a heading or the caption goes through `akrasia.report.latex`.
    """
    wide = any(column.sentences for column in table.columns)
    sort, width = ("tabularx", r"{\linewidth}") if wide else ("tabular", "")
    align = "".join(_SENTENCES if column.sentences else "r" if column.number else "l" for column in table.columns)
    caption, titles = latex_text(table.caption), [latex_text(column.title) for column in table.columns]
    head, *body = [f"    {' & '.join(row)} \\\\" for row in [titles, *(map(latex_text, row) for row in table.rows)]]
    strange = beyond("".join([caption, head, *body]))
    return "\n".join(
        [
            f"% needs \\usepackage{{booktabs{',tabularx' if wide else ''}}}",
            *([f"% needs LuaLaTeX or XeLaTeX, and a font that has these: {strange}"] if strange else []),
            "\\begin{table}",
            "  \\centering",
            f"  \\caption{{{caption}}}",
            f"  \\label{{tab:akrasia-{table.name}}}",
            *(["  \\footnotesize"] if wide else []),
            f"  \\begin{{{sort}}}{width}{{{align}}}",
            "    \\toprule",
            head,
            "    \\midrule",
            *body,
            "    \\bottomrule",
            f"  \\end{{{sort}}}",
            "\\end{table}",
            "",
        ]
    )


WRITERS = {"csv": to_csv, "tex": to_latex, "md": to_markdown}
"""File ending → writer."""
