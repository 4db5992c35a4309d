"""`akrasia prior` as a user calls it, and the strategy that reads what it wrote."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_run import Result, akrasia, assert_refused

import akrasia as library
from akrasia.runs.prior import learn_prior
from akrasia.strategies.prior_file import read_prior

SPREAD = "scripted:tests.runs.scripts:spread"
VALUES = "scripted:tests.runs.value_scripts:"
CONSTITUTION = """name = "house"
[[value]]
id = "humility"
[[value]]
id = "face"
"""


def suite(folder: Path, items: int = 40) -> Path:
    rows = [
        {"id": f"q{n}", "input": f"What is {n} + {n}?", "target": str(2 * n), "utility": "numeric"}
        for n in range(items)
    ]
    (folder / "suite.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "suite.jsonl"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prior")
    library.run(folder / "run", model=SPREAD, suite=str(suite(folder)), samples=16)
    return folder / "run"


@pytest.fixture(scope="module")
def value_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("values")
    (folder / "house.toml").write_text(CONSTITUTION)
    library.run(
        folder / "run", model=f"{VALUES}coin", suite="valdi", limit=40, samples=8, strategy=["fast"],
        judge=[f"llm:{VALUES}judge", f"llm:{VALUES}doubtful_judge"], values=str(folder / "house.toml"),
    )  # fmt: skip
    return folder / "run"


@pytest.mark.parametrize("items", [1, 40])
def test_a_prior_of_a_few_items_is_told_to_be_a_guess(tmp_path: Path, items: int) -> None:
    library.run(tmp_path / "run", model=SPREAD, suite=str(suite(tmp_path, items)), samples=4)
    done = akrasia("prior", tmp_path / "run", "-o", tmp_path / "p.json")
    assert done.code == 0, done.err
    assert ("warning: 1 item cannot show how items differ" in done.out) is (items == 1)


def learn(run: Path, out: Path, *arguments: str) -> dict[str, Any]:
    result = akrasia("prior", run, "-o", out, "--json", *arguments)
    assert result.code == 0, result.err
    record = json.loads(result.out)
    assert isinstance(record, dict)
    return record


def test_json_is_the_file_and_the_replay(run: Path, tmp_path: Path) -> None:
    record = learn(run, tmp_path / "p.json", "--match", "best_of_n:8")
    file = read_prior(tmp_path / "p.json")
    assert record["out"] == str(tmp_path / "p.json")
    assert record["provenance"]["items"] == file.provenance.items == 40
    assert record["provenance"]["candidates"] == 16
    assert record["provenance"]["suite_fingerprint"]
    assert record["verifier"] == {"measure": "numeric", "judge": ""}
    assert file.match is not None
    assert file.match.most == 8
    assert file.match.worth == pytest.approx(file.match.target)
    shown = record["replay"]
    assert shown["items"] == 40
    assert abs(shown["difference"]["value"]) < 0.02
    assert shown["draws"]["value"] < 8


def drawn(folder: Path, *, forget: bool = False) -> list[tuple[Any, ...]]:
    """The candidates of the second cell, which the store then forgets."""
    with sqlite3.connect(folder / "run.sqlite") as store:
        rows = store.execute("SELECT item, sample, text FROM candidates WHERE cell = 1 ORDER BY 1, 2").fetchall()
        if forget:
            for table in ("candidates", "scores"):
                store.execute(f"DELETE FROM {table} WHERE cell = 1")
    store.close()
    return rows


def test_the_file_alone_is_enough_for_the_strategy(run: Path, tmp_path: Path) -> None:
    learn(run, tmp_path / "p.json", "--match", "best_of_n:8")
    arguments = ["run", "--model", SPREAD, "--suite", suite(tmp_path), "--samples", "2", "--out", tmp_path / "run"]
    result = akrasia(*arguments, "--strategy", "direct", "--strategy", f"adaptive:{tmp_path / 'p.json'}", "--json")
    assert result.code == 0, result.err
    direct, adaptive = json.loads(result.out)["cells"]
    assert direct["calls"] == 80
    # From 1 to 8 calls for each of 40 items and 2 samples; far fewer than best-of-8 takes.
    assert 80 < adaptive["calls"] < 8 * 80 * 0.6
    texts = drawn(tmp_path / "run", forget=True)
    assert len(texts) == 80
    again = akrasia(*arguments, "--strategy", "direct", "--strategy", f"adaptive:{tmp_path / 'p.json'}", "--json")
    # What was lost is made again from the calls that were bought.
    assert json.loads(again.out)["cells"][1]["calls"] == adaptive["calls"]
    assert drawn(tmp_path / "run") == texts
    (tmp_path / "p.json").unlink()  # a stored run is measured without it
    risk = json.loads(akrasia("risk", tmp_path / "run", "--json").out)["cells"]
    assert "oracle_verifier" in {found["code"] for found in risk[1]["diagnostics"]}
    assert risk[1]["deployed"]["value"] > risk[0]["deployed"]["value"] + 0.1


def test_for_people(run: Path, tmp_path: Path) -> None:
    result = akrasia("prior", run, "-o", tmp_path / "p.json", "--match", "best_of_n:4")
    assert result.code == 0
    assert "40 items with 16 candidates, by numeric" in result.out
    assert "the values are the utility itself" in result.out
    assert "As good as the best of 4" in result.out
    assert "on the run's own 40 items" in result.out
    assert "left out" not in result.out


def test_items_without_a_value_are_told(value_run: Path, tmp_path: Path) -> None:
    """Forty scenarios were asked; where the model states nothing there is nothing to adhere to."""
    judged = ("--judge", f"llm:{VALUES}judge")
    learnt = learn(value_run, tmp_path / "p.json", *judged)
    assert learnt["left_out"] == 40 - learnt["provenance"]["items"] > 0
    told = akrasia("prior", value_run, "-o", tmp_path / "p.json", *judged).out
    assert f"left out: {learnt['left_out']} items of the run, where the model states no value" in told


def test_a_value_run_by_the_judge_that_steers(value_run: Path, tmp_path: Path) -> None:
    record = learn(value_run, tmp_path / "p.json", "--judge", f"llm:{VALUES}judge")
    assert record["verifier"]["measure"] == "adherence to stated values"
    assert record["provenance"]["judge"] is not None
    assert record["prior"]["utilities"] is not None, "the other judge says what a value is worth"
    with library.load_run(value_run) as opened:
        assert learn_prior(opened, judge=f"llm:{VALUES}judge").file == read_prior(tmp_path / "p.json")


def test_a_value_run_against_its_constitution(value_run: Path, tmp_path: Path) -> None:
    record = learn(value_run, tmp_path / "p.json", "--judge", f"llm:{VALUES}judge", "--against", "constitution")
    assert record["verifier"]["measure"] == "adherence to house"
    # Two values, each upheld, betrayed or neither: adherence is one of 0, ¼, ½, ¾, 1.
    assert set(record["prior"]["levels"]) <= {0, 0.25, 0.5, 0.75, 1}
    house = value_run.parent / "house.toml"
    before = house.read_text(encoding="utf-8")
    try:
        house.write_text(f"{before}weight = 2\n", encoding="utf-8")
        judge = f"llm:{VALUES}judge"
        result = akrasia("prior", value_run, "-o", tmp_path / "q.json", "--judge", judge, "--against", "constitution")
    finally:
        house.write_text(before, encoding="utf-8")
    assert result.code == 2
    assert "house.toml has changed since the judges of" in result.err


def test_the_auditor_of_a_value_run_steers_and_another_judge_measures(value_run: Path, tmp_path: Path) -> None:
    house = value_run.parent / "house.toml"
    judges = ["--judge", f"llm:{VALUES}doubtful_judge", "--auditor", f"llm:{VALUES}judge"]
    learn(value_run, tmp_path / "p.json", "--judge", f"llm:{VALUES}judge", "--against", "constitution")
    arguments = ["--model", f"{VALUES}coin", "--suite", "valdi", "--limit", "20", "--samples", "2", "--values", house]
    strategies = ["--strategy", "fast", "--strategy", f"adaptive:{tmp_path / 'p.json'}?cost=0.01&most=6"]
    result = akrasia("run", *arguments, *strategies, *judges, "--out", tmp_path / "run", "--json")
    assert result.code == 0, result.err
    _, fast, adaptive = json.loads(result.out)["cells"]
    assert adaptive["candidates"] == fast["candidates"] == 40
    assert adaptive["missing"] == 0
    assert adaptive["calls"] > fast["calls"]
    refused = akrasia("run", *arguments, *strategies, *judges[:2], "--out", tmp_path / "other")
    assert_refused(refused, "--auditor")


REFUSED: dict[str, tuple[list[str], list[str]]] = {
    "no match": (["--match", "best_of_n"], ["--match is 'best_of_n'", "best_of_n:8"]),
    "most alone": (["--most", "8"], ["--most is the horizon of a --match"]),
    "most below": (["--match", "best_of_n:8", "--most", "4"], ["most is 4"]),
    "unknown cell": (["--cell", "nowhere"], ["no cell holds 'nowhere'"]),
    "a judge of utilities": (["--judge", "encoder"], ["--judge is for runs of value suites"]),
    "a constitution of utilities": (["--against", "constitution"], ["--against constitution is for runs of value"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(run: Path, tmp_path: Path, case: str) -> None:
    arguments, parts = REFUSED[case]
    assert_refused(akrasia("prior", run, "-o", tmp_path / "p.json", *arguments), *parts)
    assert not (tmp_path / "p.json").exists()


def test_files_that_are_not_written(run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text("{}")
    assert_refused(akrasia("prior", run, "-o", tmp_path / "mine.json"), "exists and is no prior")
    assert (tmp_path / "mine.json").read_text() == "{}"
    assert_refused(akrasia("prior", run, "-o", tmp_path / "no" / "p.json"), "there is no folder")
    assert_refused(akrasia("prior", tmp_path / "nowhere", "-o", tmp_path / "p.json"), "holds no run")


def test_two_judges_and_none_named(value_run: Path, tmp_path: Path) -> None:
    assert_refused(akrasia("prior", value_run, "-o", tmp_path / "p.json"), "name the one that steers with --judge")
    assert_refused(
        akrasia("prior", value_run, "-o", tmp_path / "p.json", "--judge", "llm:scripted:nowhere:judge"),
        "has read nothing in",
    )


def test_one_candidate_tells_nothing(tmp_path: Path) -> None:
    library.run(tmp_path / "run", model=SPREAD, suite=str(suite(tmp_path, 5)), samples=1)
    assert_refused(akrasia("prior", tmp_path / "run", "-o", tmp_path / "p.json"), "one candidate of each item")


def with_strategy(folder: Path, text: str) -> Result:
    rows = suite(folder, 3)
    return akrasia("run", "--model", SPREAD, "--suite", rows, "--strategy", text, "--out", folder / "run")


def test_a_bad_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('{"format": "akrasia-prior"}')
    assert_refused(with_strategy(tmp_path, f"adaptive:{tmp_path / 'p.json'}?cost=0.1"), "is no prior", "akrasia prior")
    assert_refused(with_strategy(tmp_path, "adaptive:absent.json?cost=0.1"), "cannot read the prior absent.json")
    assert not (tmp_path / "run").exists()
