"""The page: templates, style and script put together into one file that loads nothing and runs nothing but its own."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from markupsafe import Markup

from akrasia import __version__
from akrasia.report import value_wording, wording
from akrasia.report.canvas import INCHES, MOST_PANELS, Drawing, Width, draw
from akrasia.report.content import CellContent, Diagnostic, ReportContent
from akrasia.report.figures import FIGURES
from akrasia.report.items import MOST_CHARACTERS
from akrasia.report.palette import DARK, LIGHT
from akrasia.report.svg import inline
from akrasia.report.tables import cell_columns, cell_rows
from akrasia.report.text import clipped, plain, visible
from akrasia.report.value_page import value_context

if TYPE_CHECKING:
    from jinja2 import Environment

MOST_BYTES = 2_000_000
"""Of the whole page."""

ITEM_BYTES = 1_300_000
"""Of them, what the item tables may take at first."""

SEVERITIES = {"error": "Error", "warning": "Warning", "info": "Note"}


def render_page(content: ReportContent) -> str:
    """The whole page; items are dropped until it has at most `MOST_BYTES` bytes in UTF-8."""
    environment = _environment()
    style = _asset("report.css").replace("/*PALETTE*/", _palette_css())
    if content.values:
        style += _asset("value.css")
    script = _asset("report.js")
    given: dict[str, Any] = {
        "style": Markup(style),  # noqa: S704 - the package's own file
        "script": Markup(script),  # noqa: S704
        "policy": _policy(style, script),
        "version": __version__,
        "figures": _figures(content.cells) if content.cells else {},
        "columns": cell_columns(),
        "table": cell_rows(content.cells),
        "left_out": {drawing.name: _left_out(drawing, content.cells) for drawing in FIGURES},
        "budgeted": any(wording.has_budget(cell) for cell in content.cells),
        "diagnostics": grouped(content.cells, () if content.values else content.diagnostics),
    }
    if content.values:
        given |= value_context(content.values)
        arms = [arm for group in content.values for arm in group.arms]
        given["value_diagnostics"] = grouped(arms, content.diagnostics)
    template = environment.get_template("report.html.j2")
    while True:
        page = template.render(given, content=content)
        shown = any(cell.shown.rows for cell in content.cells) or any(group.cards for group in content.values)
        if len(page.encode()) <= MOST_BYTES or not shown:
            return page
        content = _with_fewer_items(content)


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("akrasia.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["visible"] = visible
    environment.filters["clip"] = lambda text: clipped(text, MOST_CHARACTERS)
    environment.filters["excerpt"] = lambda text: visible(wording.short(text, 110))
    environment.globals["say"] = wording
    environment.globals["say_values"] = value_wording
    environment.globals["severities"] = SEVERITIES
    return environment


def _asset(name: str) -> str:
    return files("akrasia.report").joinpath("templates", name).read_text("utf-8")


def _palette_css() -> str:
    """The two themes: dark where the system or the reader asks for it, light on paper always."""
    light = "".join(f"--{name}:{colour};" for name, colour in LIGHT.items()) + "color-scheme:light;"
    dark = "".join(f"--{name}:{colour};" for name, colour in DARK.items()) + "color-scheme:dark;"
    return (
        f":root{{{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root:not(:has(#theme-light:checked)){{{dark}}}}}\n"
        f"@media screen{{:root:has(#theme-dark:checked){{{dark}}}}}"
    )


def _policy(style: str, script: str) -> str:
    """A policy under which only this style and this script count, and nothing at all is loaded."""
    digests = [base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in (style, script)]
    return (
        f"default-src 'none'; style-src 'sha256-{digests[0]}'; script-src 'sha256-{digests[1]}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _figures(cells: Sequence[CellContent]) -> dict[str, dict[Width, Markup]]:
    """Every figure that has something to show, at both widths; the page shows the one that fits."""
    drawn: dict[str, dict[Width, Markup]] = {}
    for drawing in FIGURES:
        shown = drawing.of(cells)
        if not shown:
            continue
        label = f"{drawing.title}. The numbers are in the table of cells."
        drawn[drawing.name] = {
            width: Markup(inline(draw(drawing, shown, width, "svg"), prefix=f"{drawing.name}-{width}", label=label))  # noqa: S704 - drawn here; names in it were escaped as XML
            for width in INCHES
        }
    return drawn


def _left_out(drawing: Drawing[CellContent], cells: Sequence[CellContent]) -> str:
    """What a caption adds about cells that have no panel."""
    shown = drawing.of(cells)
    told = ""
    if len(shown) < len(cells):
        empty = [plain(cell.label) for cell in cells if cell not in shown]
        told = f" There is nothing to draw of {'; '.join(empty)}."
    if len(shown) > MOST_PANELS:
        told += f" The first {MOST_PANELS} of {len(shown)} cells are drawn; the table has them all."
    return told


class GroupedDiagnostic(msgspec.Struct, frozen=True):
    """Diagnostics of one kind: each message with the labels of its cells; none when it is about all of them."""

    severity: str
    messages: tuple[tuple[str, tuple[str, ...]], ...]


class Diagnosed(Protocol):
    """What diagnostics are about: a cell, or an arm."""

    @property
    def label(self) -> str:
        """Its short name."""
        ...

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What the reader should know of it first."""
        ...


def grouped(cells: Sequence[Diagnosed], beside: Sequence[Diagnostic] = ()) -> list[GroupedDiagnostic]:
    """The diagnostics of all, the worst kinds first, each message once.

    Args:
        cells: what they are about.
        beside: those that are about all of them beside one another; they come before others as severe.
    """
    kinds: dict[tuple[str, str], dict[str, list[str]]] = {}
    for found in beside:
        kinds.setdefault((found.severity, found.code), {})[found.message] = [cell.label for cell in cells]
    for cell in cells:
        for found in cell.diagnostics:
            kinds.setdefault((found.severity, found.code), {}).setdefault(found.message, []).append(cell.label)
    order = list(SEVERITIES)
    return [
        GroupedDiagnostic(
            severity,
            tuple(
                (message, () if len(labels) == len(cells) else tuple(labels)) for message, labels in messages.items()
            ),
        )
        for (severity, _), messages in sorted(kinds.items(), key=lambda kind: order.index(kind[0][0]))
    ]


def _with_fewer_items(content: ReportContent) -> ReportContent:
    """Half as many items of every cell, those with the largest loss and every second drawn one; half as many cards."""
    cells = []
    for cell in content.cells:
        chosen = [row for row in cell.shown.rows if not row.drawn]
        drawn = [row for row in cell.shown.rows if row.drawn]
        kept = {row.id for row in (*chosen[: len(chosen) // 2], *drawn[1::2])}
        rows = tuple(row for row in cell.shown.rows if row.id in kept)
        cells.append(msgspec.structs.replace(cell, shown=msgspec.structs.replace(cell.shown, rows=rows)))
    values = [msgspec.structs.replace(group, cards=group.cards[: len(group.cards) // 2]) for group in content.values]
    return msgspec.structs.replace(content, cells=tuple(cells), values=tuple(values))
