"""Whole studies on scripted models whose truth is known."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from tests.studies.scripts import SCALE, right
from typer.testing import CliRunner

from akrasia.cli.study import study as command
from akrasia.core import InputError
from akrasia.report.study import write_study
from akrasia.runs.execute import execute
from akrasia.studies.carry_out import carry_out
from akrasia.studies.definition import configure, load_study
from akrasia.studies.findings import Findings, Row

ITEMS, K = 100, 8


@pytest.fixture
def suite(tmp_path: Path) -> str:
    path = tmp_path / "sums.jsonl"
    rows = [{"id": f"i{n}", "input": f"What is {n} + 0?", "target": str(n), "utility": "numeric"} for n in range(ITEMS)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


async def done(name: str, out: Path, suite: str, *models: str, **flags: Any) -> Findings:
    study = load_study(name)
    keys = {
        "model": [f"scripted:tests.studies.scripts:{m}" for m in models],
        "suite": [suite],
        "samples": K,
        "limit": ITEMS,
        **flags,
    }
    return await carry_out(study, configure(study, keys), out)


def row(found: Findings, *parts: str) -> Row:
    (one,) = [row for row in found.verdicts if all(part in f"{row.claim} {row.where}" for part in parts)]
    return one


def truth(stage: str) -> np.ndarray:
    return np.array([[right(stage, item, sample) for sample in range(K)] for item in range(ITEMS)], dtype=float)


async def test_alignment_finds_the_sharpening_of_a_known_series(tmp_path: Path, suite: str) -> None:
    found = await done("alignment", tmp_path / "out", suite, "base", "sharp", "same")
    base, sharp = truth("base"), truth("sharp")
    deployed = row(found, "deployed", "sharp − ")
    assert deployed.estimate == pytest.approx(sharp.mean() - base.mean())
    assert deployed.verdict == "supported"
    reachable = row(found, "reachable", "sharp − ")
    assert reachable.estimate == pytest.approx(sharp.max(axis=1).mean() - base.max(axis=1).mean())
    assert reachable.estimate is not None
    assert reachable.estimate < -0.25
    assert reachable.verdict == "supported"
    risk = row(found, "risk", "sharp − ")
    assert risk.estimate == pytest.approx(-(base.max(axis=1) - base.mean(axis=1)).mean())
    assert (risk.verdict, risk.k) == ("supported", K)
    # The third stage answers as the second does: nothing may be claimed of it.
    for metric in ("deployed", "reachable"):
        still = row(found, metric, "same − ")
        assert still.estimate == 0
        assert still.verdict != "supported"
        assert "no item differs" in still.note
    assert row(found, "risk", "same − ").verdict == "degenerate"  # no stage loses anything on any item


async def test_alignment_draws_both_figures_of_every_stage(tmp_path: Path, suite: str) -> None:
    found = await done("alignment", tmp_path / "out", suite, "base", "sharp")
    (figure,) = found.series
    reachable, deployed = figure.panels[0].lines
    assert [point.value for point in reachable.points] == pytest.approx([truth("base").max(axis=1).mean(), 0.7])
    assert [point.value for point in deployed.points] == pytest.approx([truth("base").mean(), 0.7])
    assert [name for _, name in figure.ticks] == [
        "tests.studies.scripts:base",
        "tests.studies.scripts:sharp",
    ]


async def test_widespread_tells_a_loss_from_a_cell_that_shows_nothing(tmp_path: Path, suite: str) -> None:
    found = await done("widespread", tmp_path / "out", suite, "base", "wrong")
    base = truth("base")
    lost = row(found, "base")
    assert lost.estimate == pytest.approx((base.max(axis=1) - base.mean(axis=1)).mean())
    assert lost.verdict == "supported"
    nothing = row(found, "wrong")
    assert (nothing.verdict, nothing.estimate, nothing.p_adjusted) == ("degenerate", None, None)
    assert lost.p_adjusted == lost.p  # the degenerate row is no second test


async def test_strategies_on_a_model_whose_votes_are_known(tmp_path: Path, suite: str) -> None:
    votes = ["direct", "greedy", "self_consistency:4"]
    found = await done("strategies", tmp_path / "out", suite, "base", strategy=votes)
    # base draws by item and sample alone, whatever the temperature: every temperature loses the same.
    hotter = row(found, "temperature", "T = 1.2")
    assert hotter.estimate == 0
    assert hotter.verdict in ("not supported", "undecided")
    # Greedy asks for sample 0, which is right or wrong: what it loses is reachable − that.
    base = truth("base")
    greedy = row(found, "Greedy")
    assert greedy.estimate == pytest.approx(base.mean() - base[:, 0].mean())
    assert {figure.name for figure in found.series} == {"risk-by-temperature", "risk-by-votes"}


async def test_length_finds_a_known_fall_and_its_knee(tmp_path: Path, suite: str) -> None:
    strategy = ["direct", *(f"budget_forced:{length}" for length in (0, 16, 32, 64, 128, 256))]
    found = await done("length", tmp_path / "out", suite, "thinker", strategy=strategy)
    fall = row(found, "the risk falls")
    assert fall.verdict == "supported"
    assert fall.low is not None
    assert fall.high is not None
    assert fall.low < 0.8 < fall.high
    assert fall.estimate == pytest.approx(0.8, abs=0.06)  # as measured, from 0 to 256 tokens
    curve = row(found, "extrapolated")
    assert curve.low is not None
    assert curve.high is not None
    assert curve.low < 0.8 < curve.high
    assert (curve.verdict, curve.p, curve.test) == ("estimate", None, "")
    knee = row(found, "the knee")
    assert (knee.unit, knee.verdict, knee.p, knee.p_adjusted) == ("tokens", "estimate", None, None)
    assert knee.low is not None
    assert knee.high is not None
    assert knee.low < SCALE * math.log(10) < knee.high
    longest = row(found, "budget_forced:256 − budget_forced:0")
    # 0.8 · (1 − exp(−256 / 30)) = 0.7998 of the risk goes.
    assert longest.estimate == pytest.approx(-0.8, abs=0.06)
    assert longest.verdict == "supported"


async def test_length_without_an_effect_says_so(tmp_path: Path, suite: str) -> None:
    found = await done("length", tmp_path / "out", suite, "wrong", limit=12)
    assert {row.verdict for row in found.verdicts} == {"degenerate"}
    assert "No effect of length is shown" in row(found, "the knee").note


async def test_a_flat_world_falls_by_what_was_measured(tmp_path: Path, suite: str) -> None:
    """The curve's asymptote means nothing where no effect is shown, however far from 0 it lies."""
    strategy = ["direct", *(f"budget_forced:{length}" for length in (0, 16, 64, 256))]
    found = await done("length", tmp_path / "out", suite, "indifferent", strategy=strategy, samples=2)
    measured = row(found, "the risk falls", "from 0 to 256 tokens, measured")
    longest = row(found, "budget_forced:256 − budget_forced:0")
    assert measured.estimate is not None
    assert longest.estimate == -measured.estimate
    assert abs(measured.estimate) < 0.1
    assert measured.verdict != "supported"
    curve = row(found, "extrapolated")
    assert (curve.estimate, curve.verdict) == (None, "undecided")
    assert "nothing to extrapolate" in curve.note
    # The measured fall alone is tested: Holm is over it and the three comparisons with no reasoning.
    assert sum(row.p is not None for row in found.verdicts) == 4


@pytest.mark.parametrize("name", ["widespread", "length"])
async def test_nothing_measured_is_neither_a_loss_nor_none(name: str, tmp_path: Path, suite: str) -> None:
    found = await done(name, tmp_path / "out", suite, "refuses", limit=5, samples=16)
    assert {row.verdict for row in found.verdicts} <= {"undecided"}
    assert [row.estimate for row in found.verdicts] == [None] * len(found.verdicts)
    assert all("missing" in row.note for row in found.verdicts)


async def test_the_same_study_goes_on_and_may_grow(tmp_path: Path, suite: str) -> None:
    await done("widespread", tmp_path / "out", suite, "base", limit=20)
    grown = await done("widespread", tmp_path / "out", suite, "base", limit=40)
    fresh = await done("widespread", tmp_path / "fresh", suite, "base", limit=40)
    assert grown.verdicts == fresh.verdicts
    with pytest.raises(InputError, match="samples = 8"):
        await done("widespread", tmp_path / "out", suite, "base", limit=40, samples=4)


async def test_what_is_written_agrees(tmp_path: Path, suite: str) -> None:
    out = tmp_path / "out"
    found = await done("alignment", out, suite, "base", "sharp", limit=30)
    write_study(out)
    with (out / "verdict.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [line["verdict"] for line in rows] == [row.verdict for row in found.verdicts]
    assert [float(line["estimate"]) for line in rows] == [row.estimate for row in found.verdicts]
    assert rows[0].keys() >= {"claim", "estimate", "low", "high", "p_adjusted", "verdict", "note"}
    assert "| claim | where | estimate | low | high | adjusted p |" in (out / "verdict.md").read_text()
    assert "\\toprule" in (out / "verdict.tex").read_text()
    starts = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}
    for form, start in starts.items():
        assert (out / "figures" / f"stages.{form}").read_bytes().startswith(start)


async def test_a_folder_of_something_else_is_refused(tmp_path: Path, suite: str) -> None:
    study = load_study("widespread")
    config = configure(
        study, {"model": ["scripted:tests.studies.scripts:base"], "suite": [suite], "samples": 2, "limit": 2}
    )
    run = tmp_path / "run-of-its-own"
    await execute(config, run)
    app = typer.Typer()
    app.command()(command)
    arguments = ["widespread", "--model", config.model[0], "--suite", suite, "--samples", "2", "--limit", "2", "--out"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letters.txt").touch()
    for out, why in (
        (run, "is the folder of a run"),
        (tmp_path / "other", "holds no study"),
        (Path(suite), "is a file"),
    ):
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(InputError, match=why):
            await carry_out(study, config, out)
        refused = CliRunner().invoke(app, [*arguments, str(out), "--dry-run"])
        assert why in str(refused.exception)
        assert sorted(tmp_path.rglob("*")) == before
    # What a study that was stopped leaves behind is gone on with.
    (tmp_path / "stopped" / "run").mkdir(parents=True)
    assert (await carry_out(study, config, tmp_path / "stopped")).verdicts
    assert (await carry_out(study, config, tmp_path / "stopped")).verdicts


def test_the_command(tmp_path: Path, suite: str) -> None:
    app = typer.Typer()
    app.command("study")(command)
    base = "scripted:tests.studies.scripts:base"
    arguments = ["widespread", "--model", base, "--suite", suite, "--limit", "12", "--out", str(tmp_path / "out")]
    planned = json.loads(CliRunner().invoke(app, [*arguments, "--dry-run", "--json"]).stdout)
    assert [cell["candidates"] for cell in planned["cells"]] == [12 * 8]
    assert not (tmp_path / "out").exists()
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    assert "The risk of one draw is above 0" in shown.stdout
    found = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert (found["study"], len(found["verdicts"])) == ("widespread", 1)
    assert (tmp_path / "out" / "figures" / "curves.svg").exists()
    printed = CliRunner().invoke(app, ["widespread", "--print-config"])
    assert 'name = "widespread"' in printed.stdout


def test_the_advice_of_a_plan_can_be_followed(tmp_path: Path, suite: str) -> None:
    """Replies without a cap have unknown tokens: the option that the plan names then is one of the study's."""
    app = typer.Typer()
    app.command("study")(command)
    base = "scripted:tests.studies.scripts:base"
    arguments = ["widespread", "--model", base, "--suite", suite, "--dry-run", "--out", str(tmp_path / "out")]
    open_ended = CliRunner().invoke(app, arguments)
    assert "give --max-tokens." in open_ended.stdout
    capped = CliRunner().invoke(app, [*arguments, "--max-tokens", "7", "--json"])
    assert capped.exit_code == 0, capped.output
    (cell,) = json.loads(capped.stdout)["cells"]
    assert cell["completion_tokens"] == 7 * cell["candidates"]
