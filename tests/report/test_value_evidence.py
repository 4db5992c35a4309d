"""What gold and a calibration make of a report on values: corrected figures beside the raw ones, or a band."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.cli.test_run import akrasia, assert_refused
from tests.report.value_evidence import filled_gold, judge_errors
from tests.report.value_runs import half_hearted, value_run  # noqa: F401 - fixtures, used by their names

import akrasia as library
from akrasia.core import InputError
from akrasia.interop import read_labels
from akrasia.report import render, write
from akrasia.report.gather import gather
from akrasia.report.value_lines import slopes
from akrasia.runs import load_run
from akrasia.runs.value_estimates import Evidence, estimate_values

FIGURES = ["macro_f1", "retention", "survival", "suppression", "emergence"]


@pytest.fixture(scope="module")
def gold(half_hearted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """People find in every third text that was drawn a value less than the judge."""
    return filled_gold(half_hearted, tmp_path_factory.mktemp("gold") / "gold.jsonl", labels=400)


@pytest.fixture(scope="module")
def calibration(half_hearted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    return judge_errors(half_hearted, tmp_path_factory.mktemp("calibration") / "judge.json")


def section(page: str, name: str) -> str:
    found = re.search(rf'<section id="{name}".*?</section>', page, re.DOTALL)
    assert found is not None, name
    return found[0]


class TestGold:
    def test_corrected_figures_stand_with_the_raw_ones_beside(self, half_hearted: Path, gold: Path) -> None:  # noqa: F811
        with load_run(half_hearted) as run:
            (found,) = estimate_values(run, evidence=Evidence(gold=read_labels(gold)))
        (group,) = gather([half_hearted], item_bytes=0, gold=gold).values
        for arm in group.arms:
            gap = found.gap.modes[arm.mode]
            assert arm.corrected
            assert not arm.uncalibrated
            assert [row.metric for row in arm.judged] == FIGURES
            for row in arm.judged:
                corrected, raw = getattr(gap, row.metric), getattr(gap.uncorrected, row.metric)
                assert row.corrected is not None
                assert row.judged is not None
                assert (row.corrected.value, row.corrected.low) == (corrected.value, corrected.low)
                assert (row.judged.value, row.judged.low) == (raw.value, raw.low)
                assert row.corrected != row.judged
                assert arm.metrics[row.metric] == row.corrected
                assert arm.metrics[f"judged_{row.metric}"] == row.judged

    def test_the_page_shows_both_and_drops_the_word(self, half_hearted: Path, gold: Path) -> None:  # noqa: F811
        page = render([half_hearted], gold=gold)
        assert "ncalibrated" not in page.partition("</style>")[2]
        told = section(page, "value-judged")
        assert "What gold corrects" in told
        assert "corrected by gold" in told
        assert told.count('<tr role="row">') == 1 + 2 * len(FIGURES)
        assert "macro-F1 as judged" in section(page, "value-tables")
        assert f"akrasia gap {half_hearted} --gold {gold}" in page
        assert f"akrasia report {half_hearted} --gold {gold}" in page
        assert re.search(r"<dt>gold</dt><dd>gold.jsonl \(sha256:[0-9a-f]{64}\)", page)

    def test_the_effect_that_gold_does_not_reach_says_so(self, half_hearted: Path, gold: Path) -> None:  # noqa: F811
        words = "gold does not reach this effect"
        assert words in render([half_hearted], gold=gold)
        assert words not in render([half_hearted])

    def test_a_mode_that_nobody_labelled_stays_uncalibrated(
        self,
        half_hearted: Path,  # noqa: F811
        gold: Path,
        tmp_path: Path,
    ) -> None:
        lines = [line for line in gold.read_text().splitlines() if json.loads(line)["mode"] == "fast"]
        (tmp_path / "fast.jsonl").write_text("\n".join(lines))
        (group,) = gather([half_hearted], item_bytes=0, gold=tmp_path / "fast.jsonl").values
        assert {arm.mode: arm.uncalibrated for arm in group.arms} == {"fast": False, "slow": True}
        (slow,) = (arm for arm in group.arms if arm.mode == "slow")
        assert any(one.code == "uncalibrated" and "label texts of this mode" in one.message for one in slow.diagnostics)

    def test_a_slope_and_the_effect_beside_it_are_of_one_kind(
        self,
        half_hearted: Path,  # noqa: F811
        gold: Path,
    ) -> None:
        (group,) = gather([half_hearted], item_bytes=0, gold=gold).values
        effect = group.deliberation
        found = slopes([group])
        assert effect is not None
        assert found is not None
        f1, retention = found.panels
        assert f1.label == "macro-F1, as judged"
        before, after = f1.lines[0].points
        assert after.value - before.value == pytest.approx(effect.value)
        assert retention.label == "retention, corrected by gold"
        assert [point.value for point in retention.lines[0].points] == [
            arm.metrics["retention"].value for arm in sorted(group.arms, key=lambda arm: arm.mode)
        ]
        half = replace(group, arms=tuple(replace(arm, judged=()) if arm.mode == "slow" else arm for arm in group.arms))
        assert [panel.label for panel in slopes([half]).panels] == ["macro-F1, as judged", "retention, as judged"]

    def test_the_table_marks_what_gold_corrects(self, half_hearted: Path, gold: Path, tmp_path: Path) -> None:  # noqa: F811
        write([half_hearted], tmp_path / "r.html", tables=tmp_path / "t", gold=gold)
        head, _, *rows = (tmp_path / "t" / "value-metrics.md").read_text().splitlines()
        titles = [title.strip() for title in head.strip("|").split("|")]
        assert "macro-F1 above habit, as judged" in titles
        assert "kappa, as judged" in titles
        cells = [cell.strip() for cell in rows[0].strip("|").split("|")]
        marked = [title for title, cell in zip(titles, cells, strict=True) if cell.endswith("(gold)")]
        assert marked == ["macro-F1", "retention", "survival", "suppression", "emergence"]
        with (tmp_path / "t" / "value-metrics.csv").open() as file:
            assert {row["corrected"] for row in csv.DictReader(file)} == {" ".join(FIGURES)}

    def test_tables_have_them_too(self, half_hearted: Path, gold: Path, tmp_path: Path) -> None:  # noqa: F811
        write([half_hearted], tmp_path / "r.html", tables=tmp_path / "t", gold=gold)
        with (tmp_path / "t" / "value-judged.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert [row["metric"] for row in rows] == FIGURES * 2
        assert {row["calibration"] for row in rows} == {"gold"}
        assert all(row["judged_high"] != row["corrected_high"] for row in rows)
        assert {row["band_low"] for row in rows} == {""}


class TestCalibration:
    def test_the_band_stands_beside_what_is_judged(
        self,
        half_hearted: Path,  # noqa: F811
        calibration: Path,
        tmp_path: Path,
    ) -> None:
        done = akrasia("report", half_hearted, "-o", tmp_path / "r.html", "--calibration", calibration)
        assert done.code == 0, done.err
        page = (tmp_path / "r.html").read_text()
        told = section(page, "value-judged")
        assert "If the judge errs here as elsewhere" in told
        assert "sensitivity band, not an interval" in told
        assert "corrected by gold" not in told
        assert "ncalibrated" not in page.partition("</style>")[2]
        gap = json.loads(akrasia("gap", half_hearted, "--calibration", calibration, "--json").out)
        band = gap["bands"]["fast"]["retention"]
        assert f"{100 * band['low']:.1f} to {100 * band['high']:.1f}" in told
        assert f"akrasia gap {half_hearted} --calibration {calibration}" in page

    def test_both_at_once(self, half_hearted: Path, gold: Path, calibration: Path) -> None:  # noqa: F811
        told = section(render([half_hearted], gold=gold, calibration=calibration), "value-judged")
        assert "corrected by gold" in told
        assert "if it errs as elsewhere" in told

    def test_several_runs_of_one_judge_share_it(
        self,
        half_hearted: Path,  # noqa: F811
        calibration: Path,
        tmp_path: Path,
    ) -> None:
        other = value_run(tmp_path / "other", limit=12, samples=2, strategies=["fast"])
        found = gather([half_hearted, other], item_bytes=0, calibration=calibration)
        assert all(arm.judged and not arm.uncalibrated for group in found.values for arm in group.arms)


class TestRefused:
    def test_labels_of_problems_for_a_value_run(self, half_hearted: Path, tmp_path: Path) -> None:  # noqa: F811
        (tmp_path / "gold.csv").write_text("item,sample,gold\na,0,1\n")
        done = akrasia("report", half_hearted, "-o", tmp_path / "r.html", "--gold", tmp_path / "gold.csv")
        assert_refused(done, "holds no labels of values")

    def test_a_calibration_for_a_run_without_values(self, calibration: Path, tmp_path: Path) -> None:
        (tmp_path / "sums.jsonl").write_text(
            json.dumps({"id": "p1", "input": "What is 1 + 1 ?", "target": "2", "utility": "numeric"})
        )
        library.run(tmp_path / "sums", model="scripted:tests.report.scripts:solver",
                    suite=str(tmp_path / "sums.jsonl"), samples=2)  # fmt: skip
        done = akrasia("report", tmp_path / "sums", "-o", tmp_path / "r.html", "--calibration", calibration)
        assert_refused(done, "is no run of a value suite")

    def test_gold_of_one_model_for_a_run_of_two(self, gold: Path, tmp_path: Path) -> None:
        actors = [f"scripted:tests.runs.value_scripts:{name}" for name in ("half_hearted", "saint")]
        library.run(tmp_path / "two", model=actors, suite="valdi", limit=4, samples=1, strategy=["fast"],
                    judge="llm:scripted:tests.runs.value_scripts:judge")  # fmt: skip
        with pytest.raises(InputError, match="gold is of one model's texts"):
            render([tmp_path / "two"], gold=gold)
