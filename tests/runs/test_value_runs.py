"""Value suites from the plan to the gap, with actors whose gap is known and a judge that reads them rightly."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.cli.test_run import akrasia as command

import akrasia
from akrasia.core import InputError
from akrasia.gap import Gap
from akrasia.gap.split import Split
from akrasia.runs.estimates import estimate_run
from akrasia.runs.summary import RunSummary
from akrasia.runs.value_estimates import ValueEstimate, estimate_values
from akrasia.runs.value_labels import arms, stage_reads
from akrasia.stats import Figure

HERE = "scripted:tests.runs.value_scripts:"


def go(out: Path, actor: str = "saint", **keys: Any) -> RunSummary:
    keys = {"limit": 25, "samples": 2, "strategy": ["fast", "slow"], "judge": f"llm:{HERE}judge", **keys}
    return akrasia.run(out, model=HERE + actor, suite="valdi", **keys)


def measured(out: Path) -> ValueEstimate:
    with akrasia.load_run(out) as run:
        (found,) = estimate_values(run)
    return found


def value(figure: Figure | None) -> float:
    assert figure is not None
    return figure.value


def covers(figure: Figure | None, truth: float) -> bool:
    assert figure is not None
    assert figure.low is not None
    assert figure.high is not None
    return figure.low <= truth <= figure.high


def of(actor: str, tmp_path: Path, mode: str, **keys: Any) -> tuple[Gap, Split]:
    go(tmp_path / "run", actor, **{"samples": 8, "limit": 50, **keys})
    found = measured(tmp_path / "run")
    return found.gap.modes[mode], found.splits[mode]


def test_the_saint_loses_nothing(tmp_path: Path) -> None:
    gap, split = of("saint", tmp_path, "slow", samples=2)
    assert [value(f) for f in (gap.macro_f1, gap.retention, gap.survival, gap.kappa)] == [1.0] * 4
    assert [value(f) for f in (gap.manhattan, gap.suppression, gap.emergence, gap.betrayed)] == [0.0] * 4
    assert value(split.loss) == 0


@pytest.mark.parametrize("mode", ["fast", "slow"])
def test_the_hypocrite_loses_all_and_nothing_of_it_is_in_reach(tmp_path: Path, mode: str) -> None:
    gap, split = of("hypocrite", tmp_path, mode, samples=2)
    assert value(gap.retention) == value(gap.macro_f1) == value(split.not_taken) == value(split.corrected) == 0
    assert value(split.unreachable) == value(split.loss) == 1
    assert value(gap.suppression) == value(gap.emergence) == 1


def test_the_mute_acts_on_nothing_and_has_no_emergence(tmp_path: Path) -> None:
    gap, split = of("mute", tmp_path, "slow", samples=2)
    assert gap.emergence is None
    assert gap.suppression is None  # nothing stated was reasoned with
    assert value(gap.retention) == 0
    assert value(split.unreachable) == 1


def test_the_parrot_earns_nothing_over_habit(tmp_path: Path) -> None:
    gap, split = of("parrot", tmp_path, "fast", samples=2)
    assert gap.baseline is not None
    assert value(gap.baseline.macro_f1_gain) == pytest.approx(0, abs=1e-9)
    assert value(gap.kappa) == pytest.approx(0, abs=1e-9)
    assert value(split.not_taken) == value(split.corrected) == 0


def test_the_coin_gains_by_chance_alone(tmp_path: Path) -> None:
    gap, split = of("coin", tmp_path, "fast")
    assert value(split.not_taken) > 0.2
    assert covers(split.corrected, 0.0)
    assert gap.baseline is not None
    assert covers(gap.baseline.macro_f1_gain, 0.0)


def test_the_half_hearted_could_have_kept_about_half(tmp_path: Path) -> None:
    gap, split = of("half_hearted", tmp_path, "slow")
    assert covers(gap.retention, 0.5)
    assert covers(gap.suppression, 0.5)
    assert value(gap.survival) == value(gap.retention)
    assert value(split.corrected) / value(split.loss) == pytest.approx(0.5, abs=0.12)
    assert value(gap.emergence) == 0


def test_the_deserter_betrays_what_is_no_mere_absence(tmp_path: Path) -> None:
    gap, _ = of("deserter", tmp_path, "fast", samples=2)
    assert value(gap.betrayed) == 1
    assert value(gap.retention) == 0


def test_fast_and_slow_act_alike_where_deliberation_changes_nothing(tmp_path: Path) -> None:
    go(tmp_path / "run", "half_hearted", samples=4, limit=40)
    assert covers(measured(tmp_path / "run").gap.deliberation_effect, 0.0)


def test_the_statement_comes_with_every_value_suite_and_only_there(tmp_path: Path) -> None:
    (tmp_path / "sums.jsonl").write_text('{"id":"a","input":"1 + 1 = ?","target":"2","utility":"numeric"}\n')
    found = command(
        "run", "--model", HERE + "saint", "--suite", "valdi", "--suite", tmp_path / "sums.jsonl", "--limit", "2",
        "--strategy", "fast", "--judge", "encoder", "--dry-run", "--json", "--out", tmp_path / "run",
    )  # fmt: skip
    assert found.code == 0, found.err
    cells = [cell["cell"] for cell in json.loads(found.out)["cells"]]
    assert sum("valdi state" in cell for cell in cells) == 1
    assert not any("sums.jsonl state" in cell for cell in cells)


def test_stating_first_shows_the_statement_that_the_state_cell_holds(tmp_path: Path) -> None:
    summary = go(tmp_path / "run", strategy="stated_first")
    state, first = summary.cells
    assert state.calls is not None
    assert first.calls is not None
    # 25 scenarios × 2 samples: a statement each, bought by whichever cell came first, and an action each.
    model_calls = 2 * 50
    assert _count(tmp_path / "run", "SELECT count(*) FROM calls WHERE role = 'model'") == model_calls
    assert value(measured(tmp_path / "run").gap.modes["stated_first"].retention) == 1


def test_what_a_refusal_or_silence_leaves_is_missing_with_its_reason(tmp_path: Path) -> None:
    go(tmp_path / "run", "reticent", samples=8, limit=10, strategy="fast")
    store = sqlite3.connect(tmp_path / "run" / "run.sqlite")
    reasons = dict(store.execute("SELECT missing, count(*) FROM scores WHERE missing IS NOT NULL GROUP BY missing"))
    assert reasons == {"empty answer": 20, "400: this content is not served": 10}
    gap = measured(tmp_path / "run").gap.modes["fast"]
    assert value(gap.retention) == 1  # never zero
    assert gap.missing.action == 30 * 19
    assert gap.missing.retention is not None
    assert gap.missing.retention.worst < 1


def test_evidence_that_does_not_occur_is_no_verdict(tmp_path: Path) -> None:
    go(tmp_path / "run", judge=f"llm:{HERE}inventing_judge", limit=5, strategy="fast", samples=1)
    with akrasia.load_run(tmp_path / "run") as run:
        (group,) = arms(run)
        reads = stage_reads(run, group, group.modes["fast"], "action")
    assert reads is not None
    column = group.values.index("humility")
    assert np.isnan(reads.panel[:, :, column]).all()
    assert not np.isnan(np.delete(reads.panel, column, axis=2)).any()


def test_two_judges_are_cross_fitted_and_one_is_marked(tmp_path: Path) -> None:
    go(tmp_path / "one", "half_hearted", samples=4)
    go(tmp_path / "two", "half_hearted", samples=4, judge=[f"llm:{HERE}judge", f"llm:{HERE}doubtful_judge"])
    assert not measured(tmp_path / "one").splits["fast"].cross_fitted
    assert measured(tmp_path / "two").splits["fast"].cross_fitted
    assert _count(tmp_path / "two", "SELECT count(DISTINCT judge) FROM judgements") == 2


def test_a_judge_with_other_settings_is_another_judge(tmp_path: Path) -> None:
    go(tmp_path / "run", limit=3, samples=1, strategy="fast", judge=[f"llm:{HERE}judge", f"llm:{HERE}judge?each=1"])
    assert _count(tmp_path / "run", "SELECT count(DISTINCT judge) FROM judgements") == 2
    with pytest.raises(InputError, match="judge"):
        go(
            tmp_path / "run",
            limit=3,
            samples=1,
            strategy="fast",
            judge=[f"llm:{HERE}judge", f"llm:{HERE}judge?tokens=99"],
        )


def test_a_panel_says_which_of_its_judges_reads_nothing(tmp_path: Path) -> None:
    go(tmp_path / "run", "half_hearted", judge=[f"llm:{HERE}judge", f"llm:{HERE}silent_judge"], strategy="fast")
    found = measured(tmp_path / "run")
    told = [one.message for one in found.diagnostics if one.code == "judge_unread"]
    assert len(told) == 2
    assert all("silent_judge could not read" in message for message in told)
    assert "fast" in found.splits  # by the one who reads


def test_draws_lend_no_support(tmp_path: Path) -> None:
    go(tmp_path / "run", limit=5, samples=4, strategy="fast")
    gap = measured(tmp_path / "run").gap.modes["fast"]
    # Five scenarios of three values each: no value is stated in ten scenarios, however often they are drawn.
    assert sum(one.support for one in gap.by_value.values()) == 15
    assert gap.macro_f1 is None


def test_repeated_reading_is_kept_apart(tmp_path: Path) -> None:
    go(tmp_path / "run", "saint", limit=4, samples=1, strategy="fast", judge_repeats=3)
    with akrasia.load_run(tmp_path / "run") as run:
        (group,) = arms(run)
        reads = stage_reads(run, group, group.modes["fast"], "action")
    assert reads is not None
    assert reads.scores.shape == (1, 3, 4, 1, 19)
    assert not np.isnan(reads.scores).any()


def test_running_again_asks_nothing_and_more_samples_keep_what_is_there(tmp_path: Path) -> None:
    first = go(tmp_path / "run", samples=1, limit=5)
    rows = _rows(tmp_path / "run")
    assert go(tmp_path / "run", samples=1, limit=5) == first
    assert _rows(tmp_path / "run") == rows
    go(tmp_path / "run", samples=3, limit=5)
    assert set(rows) < set(_rows(tmp_path / "run"))


def test_ratings_come_in_every_wording_and_in_shuffled_orders(tmp_path: Path) -> None:
    go(tmp_path / "run", "rater", samples=6, limit=4, strategy=["fast", "rate"])
    store = sqlite3.connect(tmp_path / "run" / "run.sqlite")
    shown = [json.loads(row[0]) for row in store.execute("SELECT shown FROM judgements WHERE stage = 'rated'")]
    unread = [json.loads(row[0]) for row in store.execute("SELECT unread FROM judgements WHERE stage = 'rated'")]
    store.close()
    assert len(shown) == 24
    assert len({tuple(order) for order in shown}) == 6  # one for each sample
    assert [set(left) for left in unread] == [{order[0]} for order in shown]  # missing, not 1
    with akrasia.load_run(tmp_path / "run") as run:
        (group,) = arms(run)
        assert group.rated is not None
        assert set(group.modes) == {"fast"}
        ratings = stage_reads(run, group, group.rated, "rated")
        said = stage_reads(run, group, group.stated, "stated")
    assert ratings is not None
    assert said is not None
    known = ~np.isnan(ratings.panel)
    assert (ratings.panel[known] == said.panel[known]).all()


def test_a_run_that_stopped_before_a_mode_began_is_measured_without_it(tmp_path: Path) -> None:
    go(tmp_path / "run", limit=10)
    store = sqlite3.connect(tmp_path / "run" / "run.sqlite")
    (slow,) = store.execute("SELECT id FROM cells WHERE strategy = 'slow'").fetchone()
    for table in ("candidates", "scores", "judgements", "calls"):
        store.execute(f"DELETE FROM {table} WHERE cell = ?", (slow,))
    store.commit()
    store.close()
    found = measured(tmp_path / "run")
    assert set(found.gap.modes) == {"fast"}
    assert "incomplete" in {one.code for one in found.diagnostics}


def test_risk_measures_the_same_utility(tmp_path: Path) -> None:
    go(tmp_path / "run", "half_hearted", samples=4)
    split = measured(tmp_path / "run").splits["fast"]
    with akrasia.load_run(tmp_path / "run") as run:
        found = {one.cell.strategy: one.record for one in estimate_run(run)}
    assert set(found) == {"fast", "slow"}  # a statement has no utility
    assert value(found["fast"].deployed) == pytest.approx(value(split.deployed))
    assert value(found["fast"].reachable) == pytest.approx(value(split.reachable))


REFUSED = {
    "no judge": ({"judge": []}, "read by judges"),
    "best of n": ({"strategy": ["fast", "best_of_n:2"]}, "best_of_n:2"),
    "to a width": ({"strategy": "direct", "until_width": 0.1, "samples": 8}, "until_width"),
    "a wording that is not there": ({"strategy": "slow:4"}, "wordings 1 to 3"),
    "unknown values": ({"values": "schwarz-19"}, "schwartz-19"),
    "the same judge twice": ({"judge": ["encoder", "encoder"]}, "twice"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(tmp_path: Path, case: str) -> None:
    keys, said = REFUSED[case]
    with pytest.raises(InputError, match=said):
        go(tmp_path / "run", **keys)
    assert not (tmp_path / "run").exists()


def test_tasks_are_for_scenarios(tmp_path: Path) -> None:
    for strategy, said in (("state", "for scenarios"), ("fast:2", "on scenarios only")):
        with pytest.raises(InputError, match=said):
            akrasia.run(tmp_path / "run", model=HERE + "saint", suite="arithmetic:sum", strategy=strategy)


def test_a_constitution_is_what_the_judges_look_for(tmp_path: Path) -> None:
    (tmp_path / "house.toml").write_text('name = "house"\n[[value]]\nid = "humility"\n[[value]]\nid = "face"\n')
    go(tmp_path / "run", limit=5, samples=1, strategy="fast", values=str(tmp_path / "house.toml"))
    with akrasia.load_run(tmp_path / "run") as run:
        assert arms(run)[0].values == ("humility", "face")


def test_a_store_from_before_there_were_judges_is_migrated(tmp_path: Path) -> None:
    keys: dict[str, Any] = {"model": "scripted:tests.runs.scripts:half", "suite": "arithmetic:sum", "limit": 3}
    akrasia.run(tmp_path / "run", **keys, samples=1)
    path = tmp_path / "run" / "run.sqlite"
    with sqlite3.connect(path) as store:
        store.execute("DROP TABLE judgements")
        store.execute("DROP TABLE answer_classes")
        store.execute("DROP TABLE trails")
        store.execute("PRAGMA user_version = 1")
    store.close()
    with akrasia.load_run(tmp_path / "run") as run:
        assert not list(run.judgements(run.cells[0], "action"))
    akrasia.run(tmp_path / "run", **keys, samples=2)
    assert _count(tmp_path / "run", "SELECT count(*) FROM candidates") == 6
    assert _count(tmp_path / "run", "SELECT count(*) FROM judgements") == 0
    assert [entry.name for entry in (tmp_path / "run").glob("*.migrating")] == []


def test_gold_is_drawn_labelled_and_corrects(tmp_path: Path) -> None:
    go(tmp_path / "run", "half_hearted", samples=2, limit=50, judge=f"llm:{HERE}doubtful_judge")
    drawn = command("gold", "sample", tmp_path / "run", "--labels", "400", "-o", tmp_path / "gold.jsonl", "--json")
    assert drawn.code == 0, drawn.err
    rows = [json.loads(line) for line in (tmp_path / "gold.jsonl").read_text().splitlines()]
    for row in rows:
        for stage in ("stated", "reasoning", "action"):
            if row[stage] is not None:
                # All statements of a scenario say the same here.
                row[stage] = {one: int(f"I act for {one}." in row["texts"][stage][0]) for one in row[stage]}
    (tmp_path / "gold.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = command("gap", tmp_path / "run", "--gold", tmp_path / "gold.jsonl", "--json")
    assert found.code == 0, found.err
    fast = json.loads(found.out)["modes"]["fast"]
    assert fast["uncorrected"]["retention"] is not None
    assert fast["retention"]["low"] <= 0.5 <= fast["retention"]["high"]


def _count(out: Path, query: str) -> int:
    store = sqlite3.connect(out / "run.sqlite")
    try:
        return int(store.execute(query).fetchone()[0])
    finally:
        store.close()


def _rows(out: Path) -> list[tuple[Any, ...]]:
    store = sqlite3.connect(out / "run.sqlite")
    try:
        return sorted(store.execute("SELECT cell, item, sample, stage, readings FROM judgements"))
    finally:
        store.close()
