from __future__ import annotations

import csv
import io

from msgspec.structs import replace
from tests.report.cells import cell

from akrasia.report.tables import Column, Table, tables, to_csv, to_latex, to_markdown


def test_csv_has_full_precision_and_empty_fields_for_what_is_undefined() -> None:
    cells, curves, waterfall = tables([cell(), cell(risk=None, tokens=None)])
    rows = list(csv.DictReader(io.StringIO(to_csv(cells))))
    assert [row["risk"] for row in rows] == ["0.312", ""]
    assert [row["tokens"] for row in rows] == ["12345", ""]
    assert rows[0]["model"] == "local:smollm2"
    points = list(csv.DictReader(io.StringIO(to_csv(curves))))
    assert [row["k"] for row in points] == ["1", "4", "16"] * 2
    steps = [row["step"] for row in csv.DictReader(io.StringIO(to_csv(waterfall)))][:4]
    assert steps[0] == ""
    assert [round(float(step), 3) for step in steps[1:]] == [0.312, 0.04, 0.317]


def test_a_strategy_of_its_own_stands_beside_its_pool() -> None:
    made = cell(candidates=7, failures=2, pool_candidates=84, pool_failures=24)
    table = tables([made])[0]
    assert table.rows[0][6:8] == ("7 (pool 84)", "2 (pool 24)")
    (row,) = csv.DictReader(io.StringIO(to_csv(table)))
    assert [row[name] for name in ("candidates", "failures", "pool_candidates", "pool_failures")] == [
        "7", "2", "84", "24",
    ]  # fmt: skip
    assert tables([cell()])[0].rows[0][6:8] == ("64", "3")


def test_points_that_gold_did_not_correct_are_marked() -> None:
    first, second, last = cell().curve
    curve = (replace(first, uncorrected=True), replace(second, uncorrected=True), last)
    table = tables([cell(curve=curve)])[1]
    assert [row[1] for row in table.rows] == ["1 (uncorrected)", "4 (uncorrected)", "16"]
    rows = list(csv.DictReader(io.StringIO(to_csv(table))))
    assert [row["uncorrected"] for row in rows] == ["1", "1", "0"]
    mixed = tables([cell(curve=(*curve[:2], replace(last, risk_uncorrected=True)))])[1]
    assert [row[1] for row in mixed.rows][-1] == "16 (risk uncorrected)"
    assert list(csv.DictReader(io.StringIO(to_csv(mixed))))[-1]["risk_uncorrected"] == "1"


def test_figures_that_labels_do_not_correct_are_marked() -> None:
    table = tables([cell(corrected=("reachable",)), cell(corrected=()), cell()])[0]
    assert [[" uncorrected" in text for text in row[1:4]] for row in table.rows] == [
        [True, False, True], [True, True, True], [False, False, False],
    ]  # fmt: skip
    assert [row["corrected"] for row in csv.DictReader(io.StringIO(to_csv(table)))] == ["reachable", "none", ""]


def test_a_name_like_a_formula_is_text_in_a_spreadsheet() -> None:
    table = tables([cell(run="=HYPERLINK(1)")])[0]
    assert to_csv(table).splitlines()[1].startswith("'=HYPERLINK(1)")


def test_latex_is_escaped_and_uses_booktabs() -> None:
    text = to_latex(tables([cell(label="50% & a_b #1 {x} \\y $z")])[0])
    assert "50\\% \\& a\\_b \\#1 \\{x\\} \\textbackslash{}y \\$z &" in text
    assert text.index("\\toprule") < text.index("\\midrule") < text.index("\\bottomrule")
    assert "\\begin{tabular}{lrrrrrrrrr}" in text


def test_markdown_rows_all_have_the_same_cells() -> None:
    text = to_markdown(tables([cell(label="a|b\n*c*")])[0])
    head, rule, row = text.splitlines()[:3]
    assert row.startswith("| a\\|b \\*c\\* |")
    assert head.count("|") == rule.count("|") == row.replace("\\|", "").count("|") == 11


def test_latex_sentences_break_their_lines() -> None:
    said = Table("t", "Said.", (Column("claim", number=False, sentences=True), Column("n")), (("a & b", "1"),), (), ())
    text = to_latex(said)
    assert "\\usepackage{booktabs,tabularx}" in text
    assert "\\begin{tabularx}{\\linewidth}{>{\\raggedright\\arraybackslash}Xr}" in text
    assert "a \\& b & 1" in text
    assert "\\end{tabularx}" in text
