"""What must stand with every exported table: a file is handed on without the page that warns of it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from akrasia.report.content import CellContent, Diagnostic
from akrasia.report.tables import Table
from akrasia.report.value_content import ArmContent

STANDING = ("same_judge", "unverified")
"""Codes of the diagnostics that say who judged and what was read, and not how large a figure is."""


def with_caveats(found: Sequence[Table], shown: Sequence[CellContent | ArmContent]) -> tuple[Table, ...]:
    """Tables whose captions end with what stands with these cells or arms, and whose records name it.

    Args:
        found: tables whose records have the fields ``run`` and ``cell``.
        shown: the cells or arms in them.

    Returns:
        The tables as they are where there is nothing to say; else with one more field, ``caveats``: the codes for that
        record's cell, with spaces between.
    """
    codes: dict[tuple[object, object], list[str]] = {}
    said: dict[str, None] = {}
    for one in shown:
        standing = [note for note in one.diagnostics if note.code in STANDING]
        said.update(dict.fromkeys(map(_sentence, standing)))
        name = one.name if isinstance(one, CellContent) else one.cell
        codes[one.run, name] = list(dict.fromkeys(note.code for note in standing))
    if not said:
        return tuple(found)
    return tuple(_marked(table, codes, " ".join(said)) for table in found)


def _marked(table: Table, codes: dict[tuple[object, object], list[str]], said: str) -> Table:
    run, cell = table.fields.index("run"), table.fields.index("cell")
    records = tuple((*record, " ".join(codes.get((record[run], record[cell]), [])) or None) for record in table.records)
    return replace(table, caption=f"{table.caption} {said}", fields=(*table.fields, "caveats"), records=records)


def _sentence(note: Diagnostic) -> str:
    return note.message[:1].upper() + note.message[1:].rstrip(".") + "."
