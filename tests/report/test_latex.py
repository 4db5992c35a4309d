"""Text that comes into a LaTeX table prints as that text, whoever wrote it, in every table there is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.report.cells import cell
from tests.report.latex_rules import illegal_cells
from tests.report.value_runs import deserter, hostile_values  # noqa: F401 - fixtures

from akrasia.gap.pressure import Contrast, PressureContrasts
from akrasia.report.gather import gather
from akrasia.report.latex import beyond, latex_text
from akrasia.report.study import StudyContent, VerdictRow, verdict_table
from akrasia.report.study_audit import Arm, arm_table
from akrasia.report.study_pressures import Pressed, contrast_table
from akrasia.report.tables import Column, Table, tables, to_latex
from akrasia.report.value_tables import value_tables
from akrasia.stats import Figure

HOSTILE = r"""*[a] <b> 50% & c_d #1 {e} ~f^g \h $i$ `j' "k" |l| --m ---n − · … – — ‘o’ “p” → ≤ ≥ ≠ ± × ° ½ μ λ Σ é"""


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("< 0.001", "$<$ 0.001"),
        ("> 100", "$>$ 100"),
        ("50 % & more", r"50 \% \& more"),
        ("a_b #1 {x}", r"a\_b \#1 \{x\}"),
        ("\\frac $5", r"\textbackslash{}frac \$5"),
        ("~a ^b `c", r"\textasciitilde{}a \textasciicircum{}b \textasciigrave{}c"),
        ("a|b", "a$|$b"),
        ("−0.1 · …", r"$-$0.1 $\cdot$ \dots{}"),
        ("[a] *", "{[}a] {*}"),
        ("--max-tokens ---", "-{}-max-tokens -{}-{}-"),
        ("λ ≤ ½", r"$\lambda$ $\le$ $\frac{1}{2}$"),
        ("a\n\nb\x00", "a b?"),
        ("Zoë", "Zoë"),
    ],
)
def test_what_it_becomes(text: str, printed: str) -> None:
    assert latex_text(text) == printed


def one(text: str) -> str:
    column = Column(text, number=False, sentences=True)
    return to_latex(Table("t", text, (column, Column("n")), ((text, "1"), ("a", text)), (), ()))


@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from(HOSTILE)), max_size=40))
def test_no_text_breaks_a_table(text: str) -> None:
    assert illegal_cells(one(text)) == []


def test_letters_that_need_another_engine_are_told() -> None:
    assert beyond("Zoë, Łódź, 値") == "Łź値"
    head = one("値 and é").splitlines()[:2]
    assert head[1] == "% needs LuaLaTeX or XeLaTeX, and a font that has these: 値"
    assert "LuaLaTeX" not in one(HOSTILE)


def test_the_rules_see_what_is_wrong() -> None:
    for wrong in ("a < b", "50%", "a_b", "a & b", "\\frac{}", "{a}", "--x", "[a]", '"'):
        assert illegal_cells(one("x").replace("    x &", f"    {wrong} &")), wrong


def test_every_table_of_a_report(hostile_values: Path, deserter: Path) -> None:  # noqa: F811
    content = gather([hostile_values, deserter], item_bytes=0)
    shown = [*tables([cell(label=HOSTILE, run=HOSTILE), cell(risk=None)])]
    shown += [table for group in content.values for table in value_tables(group.arms)]
    assert len(shown) > 6
    for table in shown:
        assert illegal_cells(to_latex(table)) == [], table.name


def test_the_tables_of_a_study() -> None:
    row = VerdictRow(HOSTILE, HOSTILE, "risk", "odds ratio", 200.0, 0.001, None, 0.0001, "undecided", HOSTILE,
                     0.0001, "cluster-t", 3, 8)  # fmt: skip
    odds = Figure(0.004, 0.001, 120.0)
    one = Contrast(HOSTILE, HOSTILE, "retention", odds, 0.9, 0.1, None, 0.0001, 0.0002, 40, 0, 0)
    pressed = Pressed(HOSTILE, PressureContrasts((one,), (one,), {}, 0.95, ()))
    arm = Arm(HOSTILE, HOSTILE, 3, 6, 2, 1, 0, {HOSTILE: 2})
    shown = [
        to_latex(verdict_table(StudyContent("mine", HOSTILE, (row,), (), (), 0.95))),
        to_latex(contrast_table((pressed,))),
        to_latex(arm_table((arm,), 0.95, HOSTILE)),
    ]
    assert [illegal_cells(tex) for tex in shown] == [[], [], []]
    for tex in shown[:2]:
        assert "& $<$ 0.001 &" in tex
        assert "$>$ 100" in tex
