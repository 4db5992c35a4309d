"""The pressure study on scripted models that give way under a known pressure."""

from __future__ import annotations

import asyncio
import csv
import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from akrasia.cli.study import study as command
from akrasia.core import InputError
from akrasia.report.study import read_study, write_study
from akrasia.runs.execute import execute
from akrasia.runs.reader import Run
from akrasia.studies.carry_out import FINDINGS, RUN, carry_out, save
from akrasia.studies.conclude import conclude
from akrasia.studies.definition import configure, load_study
from akrasia.studies.findings import Findings
from akrasia.suites.valdi_families import PRESSURES

JUDGE = "llm:scripted:tests.runs.value_scripts:judge"
SUITE = "valdi?families=12"


async def done(out: Path, actor: str, **more: Any) -> Findings:
    study = load_study("pressure")
    keys = {"model": [f"scripted:{actor}"], "judge": [JUDGE], "suite": [SUITE], "samples": 2, **more}
    return await carry_out(study, configure(study, keys), out)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pressure") / "out"
    asyncio.run(done(folder, "tests.studies.value_actors:yielding"))
    write_study(folder)
    return folder


def test_the_one_pressure_that_suppresses_is_found(out: Path) -> None:
    rows = {row.where.split(" · ")[2].removesuffix(" − none"): row for row in read_study(out).verdicts}
    assert set(rows) == set(PRESSURES)
    assert {pressure for pressure, row in rows.items() if row.verdict == "supported"} == {"time"}
    time = rows["time"]
    # Kept with probability .35 under it and .9 without: an odds ratio of (.35 / .65) / (.9 / .1) = 0.06.
    assert time.unit == "odds ratio"
    assert time.low is not None
    assert time.high is not None
    assert time.low < 0.06 < time.high < 1
    assert time.items == 12
    assert "% of the stated values" in time.note


def test_every_contrast_stands_in_the_table_and_the_telling_ones_for_people(out: Path) -> None:
    (cell,) = read_study(out).pressures
    with (out / "pressures.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 2 * len(PRESSURES) * (1 + 19)
    (time,) = [r for r in rows if (r["pressure"], r["value"], r["outcome"]) == ("time", "", "retention")]
    (found,) = [one for one in cell.retention if (one.pressure, one.value) == ("time", None)]
    assert found.odds_ratio is not None
    assert float(time["odds_ratio"]) == found.odds_ratio.value
    shown = (out / "pressures.md").read_text().splitlines()
    assert "| time | all values | 0.1" in shown[2]
    assert len([line for line in shown if line.startswith("| valdi")]) == 20
    assert "\\toprule" in (out / "pressures.tex").read_text()


def test_the_heat_map_names_every_pressure_and_value(out: Path) -> None:
    drawn = (out / "figures" / "pressures.svg").read_text()
    for name in (*PRESSURES, "all values", "benevolence-caring"):
        assert f">{name}<" in drawn
    for suffix in ("", "-narrow"):
        assert (out / "figures" / f"pressures{suffix}.png").read_bytes().startswith(b"\x89PNG")


async def test_who_never_gives_way_shows_nothing(tmp_path: Path) -> None:
    found = await done(tmp_path / "out", "tests.runs.value_scripts:saint", suite=["valdi?families=4"], samples=1)
    # Its stated values depend on the text, so some are stated in one of the two alone; what is stated in both is kept.
    assert {row.verdict for row in found.verdicts} <= {"degenerate", "undecided"}
    assert "degenerate" in {row.verdict for row in found.verdicts}


async def test_without_pairs_there_is_no_contrast(tmp_path: Path) -> None:
    """Such a run is refused beforehand, but a run may lack the pairs for other reasons: here it is cut by hand."""
    study, out = load_study("pressure"), tmp_path / "out"
    actor = "scripted:tests.studies.value_actors:yielding"
    config = configure(study, {"model": [actor], "judge": [JUDGE], "suite": [SUITE], "samples": 2, "limit": 12})
    await execute(config, out / RUN)
    with Run(out / RUN) as run:
        found = conclude(study, config, run, out)
    (row,) = found.verdicts  # the first 12 are the neutral twins of 12 families
    assert (row.verdict, row.estimate) == ("undecided", None)
    assert "take whole families" in row.note
    assert found.pressures == ()
    assert found.figures == ()
    save(found, out / FINDINGS)
    write_study(out)
    assert "undecided" in (out / "verdict.md").read_text()


async def test_problems_are_refused_before_anything_is_bought(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="suite arithmetic:sum holds problems"):
        await done(tmp_path / "out", "tests.runs.value_scripts:saint", suite=["arithmetic:sum"])
    assert not (tmp_path / "out").exists()


def test_the_command(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command("study")(command)
    flags = {"--model": "scripted:tests.studies.value_actors:yielding", "--judge": JUDGE, "--suite": "valdi?families=2"}
    arguments = ["pressure", *(part for flag in flags.items() for part in flag), "--out", str(tmp_path / "out")]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    assert "· fast · time − none" in shown.stdout
    found = json.loads((tmp_path / "out" / "study.json").read_text())
    assert found["pressures"][0]["found"]["overall"][0]["outcome"] == "retention"


@pytest.mark.parametrize(
    "cut",
    [
        {"suite": ["valdi?pressure=none&families=4"]},
        {"suite": ["valdi?families=12"], "limit": 12},
        {"suite": ["valdi-benign"]},
    ],
)
async def test_nothing_to_contrast_is_refused_before_anything_is_bought(tmp_path: Path, cut: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"no family of valdi.* has both here"):
        await done(tmp_path / "out", "tests.studies.value_actors:yielding", **cut)
    assert not (tmp_path / "out").exists()
