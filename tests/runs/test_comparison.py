"""Which runs are compared, which are refused, and what is told about those that are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.runs.test_budget import preferences

import akrasia
from akrasia.core import InputError, RunIncomplete
from akrasia.runs import wait_for
from akrasia.runs.comparison import RunComparison, compare_runs
from akrasia.runs.config import build_config
from akrasia.runs.execute import Options, execute
from akrasia.runs.manifest import read, write

Write = Callable[[int], str]
SCRIPT = "scripted:tests.runs.scripts:"


def go(out: Path, suite: str, script: str = "half", **keys: Any) -> Any:
    return akrasia.run(out, model=f"{SCRIPT}{script}", suite=suite, samples=4, **keys)


def compared(a: Path, b: Path) -> RunComparison:
    with akrasia.load_run(a) as one, akrasia.load_run(b) as other:
        return compare_runs(one, other)


def codes(found: RunComparison) -> list[str]:
    return [diagnostic.code for diagnostic in found.diagnostics]


def test_different_questions_are_not_compared(tmp_path: Path, suite_file: Write) -> None:
    suite = suite_file(10)
    go(tmp_path / "a", suite)
    text = Path(suite).read_text(encoding="utf-8")
    Path(suite).write_text(text.replace("What is 4", "How much is 4"), encoding="utf-8")
    go(tmp_path / "b", suite)
    with pytest.raises(InputError, match=r"asked different things: the suite .*sums-10\.jsonl differs between them"):
        compared(tmp_path / "a", tmp_path / "b")


def test_one_suite_under_two_names_is_compared(tmp_path: Path, suite_file: Write) -> None:
    suite = Path(suite_file(10))
    other = tmp_path / "copy.jsonl"
    other.write_bytes(suite.read_bytes())
    go(tmp_path / "a", str(suite))
    go(tmp_path / "b", str(other), limit=8)
    found = compared(tmp_path / "a", tmp_path / "b")
    assert [metric.items for metric in found.metrics] == [8, 8, 8]
    assert codes(found) == ["few_clusters", "unmatched_items"]
    assert "8 independent clusters" in found.diagnostics[0].message
    assert "2 items are in" in found.diagnostics[1].message


def test_what_is_missing_or_unfinished_is_told(tmp_path: Path, suite_file: Write) -> None:
    suite = suite_file(60)
    go(tmp_path / "a", suite, "refuses_three")
    config = build_config({"model": f"{SCRIPT}slow_half", "suite": suite, "samples": 4})

    def stop_soon(meter: Any, planned: int, done: int) -> Callable[[], None]:
        return lambda: meter.stop(RunIncomplete("stopped"))

    with pytest.raises(RunIncomplete):
        wait_for(execute(config, tmp_path / "b", Options(on_start=stop_soon)))
    found = compared(tmp_path / "a", tmp_path / "b")
    assert (
        {"incomplete", "missing"} <= set(codes(found)) <= {"few_clusters", "incomplete", "missing", "unmatched_items"}
    )
    told = {diagnostic.code: diagnostic.message for diagnostic in found.diagnostics}
    assert "1 of 240 utilities are missing" in told["missing"]
    assert "of 60 items are not fully drawn" in told["incomplete"]


def test_one_answer_per_item_is_one_exact_test(tmp_path: Path, suite_file: Write) -> None:
    suite = suite_file(24)
    for name, script in (("a", "half"), ("b", "refuses_three")):
        akrasia.run(tmp_path / name, model=f"{SCRIPT}{script}", suite=suite, samples=1)
    deployed, reachable, risk = compared(tmp_path / "a", tmp_path / "b").metrics
    assert deployed.test == "mcnemar"
    assert deployed.p_adjusted == deployed.p == reachable.p_adjusted
    assert (risk.name, risk.p, risk.p_adjusted, risk.test) == ("risk@1", None, None, "identity")


def test_few_items_are_told_where_the_interval_needs_many(tmp_path: Path, suite_file: Write) -> None:
    suite = suite_file(5)
    for samples in (1, 2):
        for name, script in (("a", "half"), ("b", "spread")):
            akrasia.run(tmp_path / f"{name}{samples}", model=f"{SCRIPT}{script}", suite=suite, samples=samples)
    exact = compared(tmp_path / "a1", tmp_path / "b1")
    assert "few_clusters" not in codes(exact)
    assert exact.metrics[0].mde is None  # five items cannot be significant
    assert "few_clusters" in codes(compared(tmp_path / "a2", tmp_path / "b2"))


def test_one_pool_has_one_reachable_for_all_that_choose_from_it(tmp_path: Path, suite_file: Write) -> None:
    suite = suite_file(30)
    for name, script in (("a", "half"), ("b", "spread")):
        strategies = ["direct", "self_consistency:3", "best_of_n:4"]
        akrasia.run(tmp_path / name, model=f"{SCRIPT}{script}", suite=suite, samples=4, strategy=strategies)
    found = {row.name.partition(" ")[2]: row for row in compared(tmp_path / "a", tmp_path / "b").metrics}
    # Of nine rows five are tests: of direct all three, of the vote deployed and risk. The best of 4 deploys what is
    # reachable in 4 draws, and so loses nothing.
    tested = ["direct deployed", "direct reachable@4", "direct risk@4"]
    tested += ["self_consistency:3 deployed", "self_consistency:3 risk@4"]
    smallest = min((found[name] for name in tested), key=lambda row: row.p)
    assert smallest.p_adjusted == pytest.approx(min(1.0, 5 * smallest.p))
    direct = found["direct reachable@4"]
    same = found["best_of_n:4 deployed"]
    assert same.p_adjusted == direct.p_adjusted
    assert same.difference.value == pytest.approx(direct.difference.value)  # by definition, and as measured
    assert found["self_consistency:3 reachable@4"].p_adjusted == direct.p_adjusted
    assert found["best_of_n:4 reachable@4"].p_adjusted == found["best_of_n:4 deployed"].p_adjusted
    assert found["best_of_n:4 risk@4"].p_adjusted is None


def test_a_choice_and_what_it_is_compared_with_have_one_k(tmp_path: Path, suite_file: Write) -> None:
    suite = suite_file(24)
    akrasia.run(tmp_path / "three", model=f"{SCRIPT}half", suite=suite, samples=3)
    keys: dict[str, Any] = {"suite": suite, "samples": 4, "strategy": ["direct", "self_consistency:4"]}
    akrasia.run(tmp_path / "four", model=f"{SCRIPT}refuses_three", **keys)
    cells = ("direct", "self_consistency")
    with akrasia.load_run(tmp_path / "three") as three, akrasia.load_run(tmp_path / "four") as four:
        with pytest.raises(InputError, match=r"chooses among 4 draws, and no item of .*three.* more than 3 measured"):
            compare_runs(three, four, cells=cells)
        found = compare_runs(four, four, cells=cells)
    # One candidate is missing, so one item has 3 draws: it takes no part, and one pool has one reachable.
    deployed, reachable, risk = found.metrics
    assert (reachable.name, risk.name) == ("reachable@4", "risk@4")
    assert deployed.items == reachable.items == 23
    assert (reachable.difference.value, reachable.test) == (0, "identity")
    assert risk.difference.value == pytest.approx(-deployed.difference.value)
    assert deployed.p_adjusted == risk.p_adjusted == deployed.p
    assert (
        "1 of 24 items have fewer than 4 measured draws"
        in {one.code: one.message for one in found.diagnostics}["left_out"]
    )


def test_items_are_counted_by_what_was_drawn_of_the_suite(tmp_path: Path, suite_file: Write) -> None:
    suite = suite_file(300)
    keys: dict[str, Any] = {"model": f"{SCRIPT}spread", "suite": suite}
    (cell,) = akrasia.run(tmp_path / "width", until_width=0.12, **keys).cells
    assert 100 <= cell.items < 220  # it did not take the whole suite
    akrasia.run(tmp_path / "plain", limit=220, samples=4, **keys)
    told = {one.code: one.message for one in compared(tmp_path / "width", tmp_path / "plain").diagnostics}
    assert (
        f"sums-300.jsonl: 0 items are in {tmp_path / 'width'} alone and {220 - cell.items} in"
        in told["unmatched_items"]
    )
    assert told["unmatched_items"].endswith(f"; {cell.items} are in both.")
    akrasia.run(tmp_path / "wide", until_width=0.05, **keys)
    found = {one.code: one.message for one in compared(tmp_path / "wide", tmp_path / "width").diagnostics}
    assert found["unmatched_items"].endswith(f"and 0 in {tmp_path / 'width'} alone; {cell.items} are in both.")


def test_advice_for_a_deeper_pool_can_be_followed(tmp_path: Path, suite_file: Write) -> None:
    suite = suite_file(120)
    keys: dict[str, Any] = {"suite": suite, "limit": 12}
    five = {"samples": 5, "strategy": ["direct", "self_consistency:5"]}
    akrasia.run(tmp_path / "five", model=f"{SCRIPT}half", **keys, **five)
    akrasia.run(tmp_path / "thin", model=f"{SCRIPT}refuses_all_but_two", samples=5, **keys)
    akrasia.run(tmp_path / "short", model=f"{SCRIPT}half", samples=3, **keys)
    akrasia.run(tmp_path / "width", model=f"{SCRIPT}half", suite=suite, until_width=0.2)
    part: dict[str, Any] = {"model": f"{SCRIPT}with_usage", **keys}
    akrasia.run(tmp_path / "part", samples=3, **part)
    with pytest.raises(RunIncomplete):
        akrasia.run(tmp_path / "part", samples=5, max_tokens_total=1, **part)
    for name, way in {
        "thin": "of the 5 drawn the others are missing; run it again with --retry-missing",
        "short": "draw 5 there with --samples 5",
        "width": "a run to a width is compared on 4 draws of each item; make another with --samples 5 alone",
        "part": "it is unfinished, with 3 of 5 drawn; go on with its akrasia run",
    }.items():
        said = pytest.raises(InputError, match=f"not reachable at one k: {way}, or compare")
        with akrasia.load_run(tmp_path / name) as a, akrasia.load_run(tmp_path / "five") as b, said:
            compare_runs(a, b, cells=("direct", "self_consistency"))


def test_every_temperature_and_seed_has_rows_of_its_own(tmp_path: Path, suite_file: Write) -> None:
    suite = suite_file(12)
    keys: dict[str, Any] = {"suite": suite, "samples": 2, "temperature": [0.5, 1.0], "seed": [0, 1]}
    for name, script in (("a", "half"), ("b", "spread")):
        akrasia.run(tmp_path / name, model=f"{SCRIPT}{script}", **keys)
    names = [row.name for row in compared(tmp_path / "a", tmp_path / "b").metrics]
    assert len(set(names)) == 12
    assert {"T=0.5 seed=0 deployed", "T=1 seed=1 risk@2"} <= {name.partition(" direct ")[2] for name in names}


def test_cells_without_a_partner_are_named(tmp_path: Path, suite_file: Write) -> None:
    suite = suite_file(12)
    go(tmp_path / "a", suite, strategy=["direct", "greedy", "best_of_n:2"])
    go(tmp_path / "b", suite, "spread")
    told = {one.code: one.message for one in compared(tmp_path / "a", tmp_path / "b").diagnostics}
    assert "a: 2 of 3 cells have no partner in" in told["unmatched_cells"]
    assert "greedy" in told["unmatched_cells"]
    with akrasia.load_run(tmp_path / "a") as a, akrasia.load_run(tmp_path / "b") as b:
        named = compare_runs(a, b, cells=("greedy", "direct"))
    assert "unmatched_cells" not in codes(named)


def test_a_greedy_decode_has_no_seed_to_be_matched_by(tmp_path: Path, suite_file: Write) -> None:
    suite = suite_file(12)
    go(tmp_path / "a", suite, strategy=["direct", "greedy"])
    go(tmp_path / "b", suite, "spread", strategy=["direct", "greedy"], seed=[1, 2])
    found = compared(tmp_path / "a", tmp_path / "b")
    assert [row.name.partition("@")[0] for row in found.metrics] == ["deployed", "reachable", "risk"]
    told = [one.message for one in found.diagnostics if one.code == "unmatched_cells"]
    assert ["1 of 2" in told[0], "2 of 3" in told[1]] == [True, True]
    names = [row.name for row in compared(tmp_path / "b", tmp_path / "b").metrics]
    assert [name for name in names if " greedy " in name and " seed=" in name] == []


def test_items_that_do_not_enter_are_counted(tmp_path: Path, suite_file: Write) -> None:
    suite = suite_file(24)
    strategies = ["direct", "self_consistency:4"]
    go(tmp_path / "a", suite, "half", strategy=strategies)
    go(tmp_path / "b", suite, "refuses_most_of_three", strategy=strategies)  # 1 of 4 draws of one item is measured
    found = compared(tmp_path / "a", tmp_path / "b")
    assert {row.items for row in found.metrics} == {23}
    told = [one.message for one in found.diagnostics if one.code == "items_left_out"]
    assert len(told) == 2
    assert all("23 of the 24 items in both enter" in message for message in told)
    thin = [one.message for one in found.diagnostics if one.code == "thin_items"]
    assert all("b, " in message and "1 of 24 items has 1 measured candidate" in message for message in thin)
    assert thin


def test_what_cannot_be_matched_says_why(tmp_path: Path, suite_file: Write) -> None:
    go(tmp_path / "a", suite_file(10), strategy=["direct", "greedy"])
    go(tmp_path / "b", suite_file(12))
    with pytest.raises(InputError, match=r"sums-10\.jsonl and .*sums-12\.jsonl are different suites"):
        compared(tmp_path / "a", tmp_path / "b")
    with akrasia.load_run(tmp_path / "a") as a:
        with pytest.raises(InputError, match=r"no cell holds 'direkt'.* there are: .*greedy"):
            compare_runs(a, a, cells=("direkt", None))
        with pytest.raises(InputError, match="greedy is named and nothing to hold it against: add --cell-b"):
            compare_runs(a, a, cells=("greedy", None))
        with pytest.raises(InputError, match="add --cell-a"):
            compare_runs(a, a, cells=(None, "greedy"))


def test_a_cell_beside_itself_is_told(tmp_path: Path, suite_file: Write) -> None:
    suite = suite_file(10)
    for name in ("a", "b"):
        go(tmp_path / name, suite)
    assert "same_cell" in codes(compared(tmp_path / "a", tmp_path / "a"))
    assert "same_cell" not in codes(compared(tmp_path / "a", tmp_path / "b"))


def test_different_judges_are_not_compared(tmp_path: Path) -> None:
    suite = preferences(tmp_path)
    go(tmp_path / "a", suite, "adviser", judge=f"llm:{SCRIPT}judge")
    go(tmp_path / "b", suite, "adviser", judge=f"llm:{SCRIPT}priced_judge")
    go(tmp_path / "c", suite, "priced_adviser", judge=f"llm:{SCRIPT}judge")
    with pytest.raises(InputError, match=r"two yardsticks: judge llm:.*:judge in .*a and llm:.*:priced_judge in .*b; "):
        compared(tmp_path / "a", tmp_path / "b")
    assert set(codes(compared(tmp_path / "a", tmp_path / "c"))) <= {"few_clusters"}


def test_prompts_of_another_version_are_told(tmp_path: Path, suite_file: Write) -> None:
    for name in ("a", "b"):
        go(tmp_path / name, suite_file(10), "thoughtful", strategy="slow")
    manifest = read(tmp_path / "b")
    assert manifest is not None
    write(tmp_path / "b", msgspec.structs.replace(manifest, prompts={**manifest.prompts, "slow-act.v1": "other"}))
    found = compared(tmp_path / "a", tmp_path / "b")
    assert [one.message for one in found.diagnostics if one.code != "few_clusters"] == [
        "The runs used different versions of the prompts slow-act.v1."
    ]


def test_value_runs_are_compared_by_what_they_state(tmp_path: Path) -> None:
    here = "scripted:tests.runs.value_scripts:"
    keys: dict[str, Any] = {
        "suite": "valdi", "limit": 25, "samples": 2, "strategy": "fast", "judge": f"llm:{here}judge",
    }  # fmt: skip
    akrasia.run(tmp_path / "hypocrite", model=f"{here}hypocrite", **keys)
    akrasia.run(tmp_path / "saint", model=f"{here}saint", **keys)
    akrasia.run(tmp_path / "ten", model=f"{here}saint", values="schwartz-10", **keys)
    found = compared(tmp_path / "hypocrite", tmp_path / "saint")
    # Only what acts is compared, not the statements: the hypocrite does nothing of what it says, the saint all of it.
    deployed = next(metric for metric in found.metrics if metric.name.endswith("deployed"))
    assert len(found.metrics) == 3
    assert (deployed.a, deployed.b, deployed.difference.value) == (0.0, 1.0, 1.0)
    with pytest.raises(InputError, match=r"values schwartz-19 in .*saint and schwartz-10 in "):
        compared(tmp_path / "saint", tmp_path / "ten")
