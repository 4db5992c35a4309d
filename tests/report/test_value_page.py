"""From stored value runs to the page and its files, through the public door and the command line."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from tests.report.value_runs import (  # noqa: F401 - fixtures, used by their names
    ACTORS,
    JUDGE,
    deserter,
    half_hearted,
    value_run,
)

import akrasia
from akrasia.core import InputError
from akrasia.report import render
from akrasia.report.content import ReportContent
from akrasia.report.gather import gather
from akrasia.report.labels import bare_names, told_apart
from akrasia.report.page import MOST_BYTES, render_page
from akrasia.report.value_tables import value_tables
from akrasia.runs import load_run
from akrasia.runs.value_estimates import estimate_values


def heads(page: str) -> list[str]:
    return re.findall(r"<h2[^>]*>([^<]+)</h2>", page)


@pytest.fixture(scope="module")
def content(half_hearted: Path) -> ReportContent:  # noqa: F811
    return gather([half_hearted], item_bytes=10**6)


@pytest.fixture(scope="module")
def page(content: ReportContent) -> str:
    return render_page(content)


def test_the_content_holds_what_was_measured(half_hearted: Path, content: ReportContent) -> None:  # noqa: F811
    with load_run(half_hearted) as run:
        (found,) = estimate_values(run)
    (group,) = content.values
    assert content.cells == ()
    assert [arm.mode for arm in group.arms] == ["fast", "slow"]
    for arm in group.arms:
        gap, split = found.gap.modes[arm.mode], found.splits[arm.mode]
        assert arm.metrics["macro_f1"] is not None
        assert gap.macro_f1 is not None
        assert (arm.metrics["macro_f1"].value, arm.metrics["macro_f1"].low) == (gap.macro_f1.value, gap.macro_f1.low)
        assert arm.split is not None
        assert arm.split.sentence == split.headline("tests.runs.value_scripts:half_hearted")
        parts = [arm.split.corrected, arm.split.by_chance, arm.split.unreachable]
        assert arm.split.loss.value == pytest.approx(sum(part.value for part in parts if part is not None))
        assert arm.transitions == gap.transitions
        assert (arm.scenarios, arm.draws, arm.clusters) == (40, 120, 40)
        assert sum(row.scenarios for row in arm.domains) == 40
        assert sum(part.draws for part in gap.by_domain.values()) == 120
        assert sum(row.stated for row in arm.values) == 40 * 3 * 3  # scenarios × draws × stated values
        assert arm.by_domain is not None
        assert sum(map(sum, arm.by_domain.stated)) == 360
        assert arm.uncalibrated
    assert group.deliberation is not None
    assert found.gap.deliberation_effect is not None
    assert group.deliberation.value == found.gap.deliberation_effect.value


def test_everything_comes_in_the_order_that_a_reader_needs(page: str) -> None:
    assert heads(page) == [
        "Finding", "Diagnostics", "Where adherence to the stated values is lost", "From what is stated to what is done",
        "Which values survive into the action", "What deliberation changes", "Retention by domain", "The largest gaps",
        "What varies without will, and what pressure does", "How the figures move with the threshold",
        "What is missing, and how far the judges agree", "Tables", "Method", "Provenance", "How to reproduce",
    ]  # fmt: skip
    assert len(page.encode()) < MOST_BYTES // 2
    assert "<title>The value–action gap · half_hearted</title>" in page


def test_the_headline_is_the_split_with_its_intervals(content: ReportContent, page: str) -> None:
    for arm in content.values[0].arms:
        assert arm.split is not None
        assert f'<p class="headline">{arm.split.sentence}</p>' in page
        assert arm.split.sentence.startswith("Of the ")
        assert arm.split.loss.low is not None
        assert f"[{100 * arm.split.loss.low:.1f}, " in page


def test_one_model_has_one_name(content: ReportContent, page: str) -> None:
    assert [group.model for group in content.values] == ["scripted:tests.runs.value_scripts:half_hearted"]
    assert "points that tests.runs.value_scripts:half_hearted loses" in page
    assert "tests.runs.value_scripts:half_hearted: macro-F1 moves by" in page


def test_the_word_uncalibrated_stands_by_every_column_of_figures(content: ReportContent, page: str) -> None:
    tables = re.findall(r"<table class=\"cells\".*?</table>", page, re.DOTALL)
    assert tables
    for table in tables:
        for head in re.findall(r'<th role="columnheader" scope="col" class="n">(.*?)</th>', table):
            counts = ("scenarios", "stated cells", "pairs", "adjusted p")
            assert "uncalibrated" in head or head in counts, head
    calibrated = tuple(
        msgspec.structs.replace(
            group, arms=tuple(msgspec.structs.replace(arm, uncalibrated=False, diagnostics=()) for arm in group.arms)
        )
        for group in content.values
    )
    clean = render_page(msgspec.structs.replace(content, values=calibrated))
    assert ">uncalibrated<" not in clean


def test_the_page_is_the_same_every_time(half_hearted: Path, page: str) -> None:  # noqa: F811
    assert render([half_hearted]) == page


def test_several_runs_stand_side_by_side(half_hearted: Path, deserter: Path) -> None:  # noqa: F811
    found = gather([half_hearted, deserter], item_bytes=10**6)
    assert [arm.label for group in found.values for arm in group.arms] == [
        "half_hearted · valdi · fast", "half_hearted · valdi · slow",
        "deserter · valdi?families=8 · fast", "deserter · valdi?families=8 · slow",
    ]  # fmt: skip
    made = render_page(found)
    assert "Models and modes side by side" in heads(made)
    assert "What 2 models state, think and do on valdi, valdi?families=8" in made
    assert "Krippendorff’s α between 2 judges" in made
    assert "Retention under each pressure" in made
    assert 'class="outcome betrayed"' in made


def test_a_mixed_run_gets_both_parts(tmp_path: Path) -> None:
    rows = [
        {"id": f"p{n}", "input": f"What is {n} + 1 ?", "target": str(n + 1), "utility": "numeric"} for n in range(4)
    ]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    values = value_run(tmp_path / "values", limit=4, samples=2, strategies=["fast"])
    akrasia.run(tmp_path / "sums", model="scripted:tests.report.scripts:solver", suite=str(tmp_path / "sums.jsonl"),
                samples=2)  # fmt: skip
    made = render([values, tmp_path / "sums"])
    found = heads(made)
    assert found.index("The largest gaps") < found.index("Where the utility is lost") < found.index("Items")
    assert found.count("Provenance") == 1
    ids = re.findall(r' id="([^"]+)"', made)
    assert len(ids) == len(set(ids))
    assert f"akrasia gap {values}" in made
    assert f"akrasia risk {tmp_path / 'sums'}" in made


def test_one_action_per_scenario_has_no_split_and_says_how_to_get_one(tmp_path: Path) -> None:
    run = value_run(tmp_path / "once", limit=12, samples=1, strategies=["fast"])
    (group,) = gather([run], item_bytes=0).values
    assert group.arms[0].split is None
    made = render([run])
    assert "is not known without several draws of every action" in made
    assert "Where adherence to the stated values is lost" not in made


def test_a_run_that_only_states_is_refused_with_the_way_out(tmp_path: Path) -> None:
    run = value_run(tmp_path / "states", limit=2, samples=1, strategies=["state"])
    with pytest.raises(InputError, match="add --strategy fast or slow"):
        render([run])


def test_texts_of_unseen_characters_do_not_burst_the_page(tmp_path: Path) -> None:
    """Each takes 30 bytes on the page: 10 cards of four such texts would take 1.7 MB."""
    actor = "scripted:tests.report.value_actors:unseen"
    runs = [
        value_run(tmp_path / f"bomb{n}", actor, limit=10, samples=1, strategies=["slow"], judges=[JUDGE])
        for n in range(2)
    ]
    made = render(runs)
    assert len(made.encode()) <= MOST_BYTES
    assert made.count('<details class="card"') >= 2


def test_tables_hold_every_figure_with_full_precision(content: ReportContent) -> None:
    tables = {table.name: table for table in value_tables(content.values[0].arms)}
    assert set(tables) == {
        "value-metrics", "value-split", "value-transitions", "value-by-value", "value-by-domain", "value-by-pressure",
        "value-noise", "value-contrasts",
    }  # fmt: skip
    for table in tables.values():
        assert all(len(row) == len(table.columns) for row in table.rows)
        assert all(len(record) == len(table.fields) for record in table.records)
        assert table.fields[-1] == "calibration"
        assert {record[-1] for record in table.records} <= {"uncalibrated"}
    assert value_tables(()) == ()


def test_the_command_writes_all_and_prints_json(half_hearted: Path, tmp_path: Path) -> None:  # noqa: F811
    out = tmp_path / "report.html"
    done = subprocess.run(
        [sys.executable, "-c", "from akrasia.cli import main; main()", "report", str(half_hearted), "-o", str(out),
         "--figures", str(tmp_path / "f"), "--formats", "svg", "--tables", str(tmp_path / "t"), "--json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert [Path(path).name for path in printed["figures"]][:2] == ["value-waterfall.svg", "value-waterfall-narrow.svg"]
    assert [cell["headline"][:7] for cell in printed["cells"]] == ["Of the ", "Of the "]
    with (tmp_path / "t" / "value-split.csv").open() as file:
        fast, _ = csv.DictReader(file)
    assert float(fast["not_taken"]) == printed["cells"][0]["risk"]["value"]
    assert "(uncalibrated)" in (tmp_path / "t" / "value-metrics.tex").read_text()


@pytest.mark.parametrize(
    ("models", "named"),
    [
        (["scripted:a.b:saint", "scripted:a.b:coin"], ["saint", "coin"]),
        (["openai:org/x@http://h/v1", "openai:other/x@http://h/v1"], ["org/x", "other/x"]),
        (["local:smollm2", "openai:llama3:8b@http://h/v1"], ["smollm2", "llama3:8b"]),
    ],
    ids=["scripts", "one name in two places", "tags"],
)
def test_models_are_named_as_short_as_keeps_them_apart(models: list[str], named: list[str]) -> None:
    assert bare_names(models) == named


def test_the_runs_name_enters_a_label_only_where_it_must() -> None:
    assert told_apart([["a", "b"], ["r1", "r2"]], ["", ""], usual=1, spare=1) == ["a", "b"]
    assert told_apart([["a", "a"], ["r1", "r2"]], ["", ""], usual=1, spare=1) == ["r1", "r2"]


def test_a_run_of_which_nothing_could_be_read_shows_no_empty_figures(tmp_path: Path) -> None:
    page = render([value_run(tmp_path / "run", "scripted:tests.report.value_actors:broken", limit=4, samples=2)])
    assert "too little could be read" in page
    assert "<figure" not in page
