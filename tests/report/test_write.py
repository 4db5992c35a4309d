"""From stored runs to files, through the public door and the command line."""

from __future__ import annotations

import csv
import json
import math
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.report.cells import cell, report
from tests.report.conftest import make_run

from akrasia import run
from akrasia.core import InputError
from akrasia.report import render, write
from akrasia.report.content import Diagnostic
from akrasia.report.gather import gather
from akrasia.report.page import MOST_BYTES, render_page
from akrasia.report.wording import points
from akrasia.runs.manifest import read
from akrasia.runs.manifest import write as write_manifest


def akrasia(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", "from akrasia.cli import main; main()", *map(str, arguments)],
                          capture_output=True, text=True, check=False)  # fmt: skip


def test_the_cell_holds_what_the_store_holds(one_cell: Path) -> None:
    (found,) = gather([one_cell], item_bytes=10**7).cells
    connection = sqlite3.connect(one_cell / "run.sqlite")
    utilities, failures = connection.execute("SELECT avg(utility), count(failure) FROM scores").fetchone()
    best = connection.execute("SELECT avg(top) FROM (SELECT max(utility) top FROM scores GROUP BY item)").fetchone()[0]
    connection.close()
    assert found.deployed is not None
    assert found.reachable is not None
    assert math.isclose(found.deployed.value, utilities)
    assert math.isclose(found.reachable.value, best)
    assert (found.items, found.candidates, found.k, found.failures) == (40, 320, 8, failures)
    assert found.tokens == 320 * 32
    assert found.shown.complete
    losses = [row.loss for row in found.shown.rows]
    assert losses == sorted(losses, reverse=True)
    assert sum(row.deployed or 0 for row in found.shown.rows) / 40 == pytest.approx(utilities)


def test_a_strategy_of_its_own_shows_its_own_failures(several_cells: Path) -> None:
    cells = {found.strategy: found for found in gather([several_cells], item_bytes=0).cells}
    connection = sqlite3.connect(several_cells / "run.sqlite")
    stored = dict(
        connection.execute(
            "SELECT strategy, count(failure) FROM scores JOIN cells ON cells.id = scores.cell GROUP BY strategy"
        )
    )
    connection.close()
    greedy = cells["greedy"]
    assert (greedy.candidates, greedy.pool_candidates) == (40, 320)
    assert (greedy.failures, greedy.pool_failures) == (stored["greedy"], stored["direct"])
    assert stored["greedy"] != stored["direct"]
    assert cells["direct"].pool_candidates is None
    # A vote has no candidates of its own: what is counted are those that it chooses among.
    assert (cells["self_consistency:8"].candidates, cells["self_consistency:8"].pool_candidates) == (320, None)


def labelled(run: Path, path: Path, *, every: bool) -> Path:
    """Gold of all items of a run: by a person to whom half of the right candidates are wrong."""
    path.parent.mkdir(exist_ok=True)
    drawn = path.with_name("drawn.csv")
    assert akrasia("gold", "sample", run, "--labels", "100000", "-o", drawn).returncode == 0
    with drawn.open(newline="") as file:
        rows = list(csv.DictReader(file))
    settled: set[str] = set()
    for row in rows:
        right = row["text"].endswith(f"#### {row['target']}") and int(row["sample"]) % 2 == 1
        if every or row["item"] not in settled:
            row["gold"] = str(int(right))
        settled |= {row["item"]} if right else set()
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_report_corrected_by_gold(one_cell: Path, tmp_path: Path) -> None:
    gold = labelled(one_cell, tmp_path / "gold.csv", every=False)
    result = akrasia("report", one_cell, "--gold", gold, "-o", tmp_path / "r.html", "--tables", tmp_path, "--json")
    assert result.returncode == 0, result.stderr
    (found,) = json.loads(result.stdout)["cells"]
    corrected = json.loads(akrasia("risk", one_cell, "--gold", gold, "--json").stdout)
    assert (
        found["reachable"]["value"] == corrected["reachable"]["value"] < corrected["uncorrected"]["reachable"]["value"]
    )
    page = (tmp_path / "r.html").read_text()
    assert f"--gold {gold}" in page
    assert "Dotted: not corrected" in page
    assert "<b>Gold.</b>" in page
    with (tmp_path / "curves.csv").open(newline="") as file:
        assert [row["uncorrected"] for row in csv.DictReader(file)] == ["1"] * 7 + ["0"]
    whole = render([one_cell], gold=labelled(one_cell, tmp_path / "whole" / "gold.csv", every=True))
    assert "Dotted: not corrected" not in whole
    assert "All stages are corrected by the labels." in whole
    assert "Utilities of items are the verifier’s" in whole
    raw = corrected["uncorrected"]["risk"]["value"] - corrected["risk"]["value"]
    assert f"risk {points(raw)}</b> points" in page


def test_gold_of_a_report_is_of_one_run(one_cell: Path, several_cells: Path, tmp_path: Path) -> None:
    gold = labelled(one_cell, tmp_path / "gold.csv", every=True)
    with pytest.raises(InputError, match="candidates of one run"):
        render([one_cell, several_cells], gold=gold)
    refused = akrasia("report", one_cell, "--gold-cell", "direct", "-o", tmp_path / "r.html")
    assert refused.returncode == 2
    assert "give --gold" in refused.stderr


def test_candidates_that_say_the_same_are_one_row_and_none_is_lost(one_cell: Path) -> None:
    (found,) = gather([one_cell], item_bytes=10**7).cells
    for row in found.shown.rows:
        samples = [sample for candidate in row.candidates for sample in candidate.samples]
        assert sorted(samples) == list(range(8))
        assert row.hidden == 0
        known = [candidate.utility for candidate in row.candidates if candidate.utility is not None]
        assert known == sorted(known, reverse=True)
        assert [candidate.best for candidate in row.candidates] == [u == row.best and u > 0 for u in known]


def test_a_cell_beside_a_pool_marks_its_own_candidate(several_cells: Path) -> None:
    cells = {found.strategy: found for found in gather([several_cells], item_bytes=10**7).cells}
    for row in cells["greedy"].shown.rows:
        deployed = [candidate for candidate in row.candidates if candidate.deployed]
        assert len(deployed) == 1
        assert row.candidates[0] is deployed[0]
        assert deployed[0].utility == row.deployed
    for strategy in ("direct", "self_consistency:8", "best_of_n:4"):
        assert not any(candidate.deployed for row in cells[strategy].shown.rows for candidate in row.candidates)
    assert cells["self_consistency:8"].tokens == 0
    assert len({found.digest for found in cells.values()}) == 1
    assert [found.label for found in cells.values()] == ["one draw", "greedy", "majority of 8", "best of 4"]


def test_little_room_keeps_the_largest_losses_and_a_seeded_sample(one_cell: Path) -> None:
    (all_of_it,) = gather([one_cell], item_bytes=10**7).cells
    (part,) = gather([one_cell], item_bytes=30_000).cells
    (again,) = gather([one_cell], item_bytes=30_000).cells
    chosen = [row.id for row in part.shown.rows if not row.drawn]
    assert 2 <= len(part.shown.rows) < 40
    assert chosen == [row.id for row in all_of_it.shown.rows][: len(chosen)]
    assert part.shown.sampled > 0
    assert part.shown == again.shown
    assert not part.shown.complete


def test_the_page_stays_small_whatever_the_candidates_hold(tmp_path: Path) -> None:
    """Each invisible character takes 30 bytes on the page, which is more than was reckoned with."""
    run = make_run(tmp_path / "bomb", items=30, samples=4, script="invisible")
    page = render([run])
    assert 100_000 < len(page.encode()) <= MOST_BYTES
    assert "largest loss" in page


def test_the_page_is_the_same_every_time(one_cell: Path) -> None:
    assert render([one_cell]) == render([str(one_cell)])


def test_everything_comes_in_the_order_that_a_reader_needs(one_cell: Path) -> None:
    heads = re.findall(r"<h2[^>]*>([^<]+)</h2>", render([one_cell]))
    assert heads == [
        "Diagnostics", "Finding", "Where the utility is lost", "How far more candidates reach",
        "How success is spread over the items", "Cells", "Items", "Method", "Provenance", "How to reproduce",
    ]  # fmt: skip


def test_diagnostics_are_grouped_and_the_worst_come_first() -> None:
    found = cell().diagnostics[0]
    error = msgspec.structs.replace(found, code="degenerate", message="all the same", severity="error")
    page = render_page(report(cell(label="A"), cell(label="B", diagnostics=(found, error))))
    items = re.findall(r'<li class="(error|warning|info)">(.*?)</li>', page, re.DOTALL)
    assert [severity for severity, _ in items] == ["error", "warning"]
    assert "B:" in items[0][1]
    assert 'class="where"' not in items[1][1], "a message about all cells names none"


UNMEASURED = {
    "deployed": None, "reachable": None, "risk": None, "waterfall": (), "curve": (), "success": (None,) * 4,
    "budget": dict.fromkeys(("finite_candidates", "finite_items", "verifier")), "limit_low": None, "missing": 64,
    "diagnostics": (Diagnostic("undefined", "every utility is missing: no power", "error"),),
}  # fmt: skip


def test_where_nothing_was_measured_the_page_says_why_and_shows_no_empty_figures(tmp_path: Path) -> None:
    page = render_page(report(cell(**UNMEASURED)))
    finding = re.search(r'<section id="finding".*?</section>', page, re.DOTALL)
    assert finding is not None
    assert "nothing could be measured" in finding[0]
    assert "Every utility is missing: no power." in finding[0]
    assert "<figure" not in page
    assert "How wrong the risk may be" not in page


def test_figures_leave_out_cells_of_which_nothing_was_measured() -> None:
    page = render_page(report(cell(label="A"), cell(label="B", **UNMEASURED)))
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page, re.DOTALL)
    assert len(captions) == 3
    assert all(caption.endswith("There is nothing to draw of B.") for caption in captions)
    assert "How wrong the risk may be" in page


def test_undefined_figures_are_said_on_the_page() -> None:
    page = render_page(report(cell(risk=None, reachable=None, waterfall=cell().waterfall[:1], curve=())))
    assert "its risk is not defined" in page
    assert "<b>undefined</b>" in page


def test_provenance_holds_what_pins_the_run_and_no_secret(one_cell: Path, tmp_path: Path) -> None:
    folder = tmp_path / "secret"
    folder.mkdir()
    (folder / "run.sqlite").write_bytes((one_cell / "run.sqlite").read_bytes())
    manifest = read(one_cell)
    assert manifest is not None
    command = "akrasia run --model openai:x@https://me:hunter2@example.com/v1 --out secret"
    write_manifest(folder, msgspec.structs.replace(manifest, command=command))
    page = render([folder])
    assert "hunter2" not in page
    assert "openai:x@https://example.com/v1" in page
    for print_ in (*manifest.suites.values(), *(model.revision for model in manifest.models.values())):
        assert print_ in page
    assert f"python {manifest.versions['python']}" in page


def test_several_runs_stand_in_one_report(one_cell: Path, several_cells: Path) -> None:
    content = gather([one_cell, several_cells], item_bytes=10**6)
    assert len({found.label for found in content.cells}) == 5
    assert content.cells[0].label.endswith("one")


def test_two_runs_of_one_model_are_told_apart_and_what_they_differ_in(one_cell: Path, tmp_path: Path) -> None:
    manifest = read(one_cell)
    assert manifest is not None
    keys: dict[str, Any] = {"model": manifest.run.model, "suite": manifest.run.suite, "samples": 2}
    run(tmp_path / "two", seed=[0, 1], top_p=0.5, **keys)
    folders = [one_cell, tmp_path / "two"]
    written = write(folders, tmp_path / "r.html")
    (told,) = written.diagnostics
    assert (told.code, told.severity) == ("settings_differ", "warning")
    assert f"top_p not set in {one_cell.name} and 0.5 in two" in told.message
    page = (tmp_path / "r.html").read_text()
    assert page.count("top_p not set in") == 1
    starts = [cell.headline.partition("), drawing once")[0].partition(" (")[2] for cell in written.cells]
    assert starts == [one_cell.name, "two, seed 0", "two, seed 1"]
    assert all(f"({start})" in page for start in starts)
    assert write([one_cell], tmp_path / "r.html").diagnostics == ()
    assert "(" not in write([one_cell], tmp_path / "r.html").cells[0].headline


def test_refusals_name_the_way_out(one_cell: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no run"):
        render([tmp_path])
    with pytest.raises(InputError, match="name at least one"):
        render([])
    with pytest.raises(InputError, match="named 2 times"):
        render([one_cell, one_cell])
    with pytest.raises(InputError, match="unknown figure format gif; known: svg, png, pdf"):
        write([one_cell], tmp_path / "r.html", formats=["gif"])
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        write([one_cell], tmp_path / "file" / "r.html")
    assert not (tmp_path / "r.html").exists()


def test_nothing_but_an_earlier_report_is_replaced(one_cell: Path, tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    page.write_text("")  # as a program that makes a temporary file leaves it
    write([one_cell], page)
    write([one_cell], page)
    own = tmp_path / "own.html"
    own.write_text("<!DOCTYPE html><title>mine</title>")
    with pytest.raises(InputError, match="no report of Akrasia's, and would be replaced"):
        write([one_cell], own)
    assert own.read_text() == "<!DOCTYPE html><title>mine</title>"
    before = (one_cell / "run.sqlite").read_bytes()
    with pytest.raises(InputError, match=r"does not end in \.html"):
        write([one_cell], one_cell / "run.sqlite")
    assert (one_cell / "run.sqlite").read_bytes() == before
    with pytest.raises(InputError, match=r"does not end in \.html"):
        write([one_cell], tmp_path)


def test_the_command_writes_all_and_prints_json(one_cell: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "report.html"
    done = akrasia("report", one_cell, "-o", out, "--figures", tmp_path / "f", "--formats", "svg,pdf",
                   "--tables", tmp_path / "t", "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed["bytes"] == out.stat().st_size
    assert set(printed["cells"][0]) == {"cell", "run", "headline", "deployed", "reachable", "risk"}
    assert {Path(path).name for path in printed["figures"]} == {
        f"{name}{width}.{form}"
        for name in ("waterfall", "curves", "success")
        for width in ("", "-narrow")
        for form in ("svg", "pdf")
    }
    names = {f"{name}.{ending}" for name in ("cells", "curves", "waterfall") for ending in ("csv", "tex", "md")}
    assert {path.name for path in (tmp_path / "t").iterdir()} == names
    with (tmp_path / "t" / "cells.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert float(row["risk"]) == printed["cells"][0]["risk"]["value"]


def test_the_command_refuses_in_one_line(tmp_path: Path) -> None:
    done = akrasia("report", tmp_path, "-o", tmp_path / "r.html")
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert "holds no run" in done.stderr
