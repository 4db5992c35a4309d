from __future__ import annotations

import pytest
from tests.report.cells import cell

from akrasia.report.caveats import with_caveats
from akrasia.report.content import Diagnostic
from akrasia.report.tables import tables

SAME = Diagnostic("same_judge", "same judge: J steered audited and evaluates it.", "warning")
BROKEN = Diagnostic("unverified", "unverified: the log is broken", "warning")
OTHER = Diagnostic("few_clusters", "6 independent clusters", "warning")


def test_what_stands_with_a_run_is_in_each_caption_and_record():
    cells = (cell(name="a", diagnostics=(SAME, OTHER)), cell(name="b", diagnostics=(BROKEN, SAME)), cell(name="c"))
    for table, plain in zip(with_caveats(tables(cells), cells), tables(cells), strict=True):
        assert table.caption == (
            f"{plain.caption} Same judge: J steered audited and evaluates it. Unverified: the log is broken."
        )
        assert table.fields == (*plain.fields, "caveats")
        at = table.fields.index("cell")
        assert {(record[at], record[-1]) for record in table.records} == {
            ("a", "same_judge"), ("b", "unverified same_judge"), ("c", None)
        }  # fmt: skip
        assert table.rows == plain.rows


@pytest.mark.parametrize("diagnostics", [(), (OTHER,)])
def test_other_tables_are_as_they_were(diagnostics: tuple[Diagnostic, ...]):
    cells = (cell(diagnostics=diagnostics),)
    assert with_caveats(tables(cells), cells) == tables(cells)
