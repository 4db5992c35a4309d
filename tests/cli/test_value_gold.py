"""`akrasia gold sample` of a value run: what it says that it drew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.test_run import akrasia
from tests.report.value_runs import value_run


def test_texts_draws_and_scenarios_are_counted_apart(tmp_path: Path) -> None:
    """Four scenarios of three draws: a draw has 3 statements, 1 fast action, and 1 reasoning and 1 action of slow.

    90 labels pay for all 12 draws of 6 texts. Read are 3 statements a scenario once (12), and 3 texts a draw (36).
    """
    run = value_run(tmp_path / "run", limit=4)
    done = akrasia("gold", "sample", run, "--labels", 90, "-o", tmp_path / "gold.jsonl")
    assert "48 texts to read: 24 rows, each a draw in one of 2 modes, of 4 scenarios" in done.out
    told = akrasia("gold", "sample", run, "--labels", 90, "-o", tmp_path / "again.jsonl", "--json")
    found = json.loads(told.out)
    assert [found[name] for name in ("scenarios", "draws", "modes", "rows", "texts")] == [4, 12, 2, 24, 48]
    shown = akrasia("gap", run).out
    assert "fast: 4 scenarios, 12 draws" in shown


def fill(source: Path, target: Path, **changed: str) -> Path:
    """A drawn file with every value labelled 1; `changed`: what the texts of a stage of the first row read instead."""
    rows = [json.loads(line) for line in source.read_text().splitlines()]
    for row in rows:
        for stage in ("stated", "reasoning", "action"):
            row[stage] = None if row[stage] is None else dict.fromkeys(row[stage], 1)
    for stage, text in changed.items():
        rows[0]["texts"][stage] = [text]
    target.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return target


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run of two scenarios, one draw each, and its gold, to be filled in."""
    folder = tmp_path_factory.mktemp("gold")
    run = value_run(folder / "run", limit=2, samples=1)
    akrasia("gold", "sample", run, "--labels", 90, "-o", folder / "gold.jsonl")
    return run, folder / "gold.jsonl"


def test_gold_of_another_text_is_refused_by_scenario_and_draw(drawn: tuple[Path, Path], tmp_path: Path) -> None:
    run, gold = drawn
    assert akrasia("gap", run, "--gold", fill(gold, tmp_path / "own.jsonl")).code == 0
    for stage in ("action", "stated"):
        other = fill(gold, tmp_path / f"{stage}.jsonl", **{stage: "Quite another reply."})
        first = json.loads(gold.read_text().splitlines()[0])
        refused = akrasia("gap", run, "--gold", other)
        assert refused.code == 2
        assert f"{stage}.jsonl, line 1: gold of {first['scenario']} in mode 'fast'" in refused.err
        assert f"its {stage} text reads 'Quite another reply.'" in refused.err
        assert akrasia("report", run, "--gold", other, "-o", tmp_path / "page.html").code == 2


def test_gold_that_does_not_say_what_was_read_is_taken(drawn: tuple[Path, Path], tmp_path: Path) -> None:
    run, gold = drawn
    rows = [json.loads(line) for line in fill(gold, tmp_path / "own.jsonl").read_text().splitlines()]
    for row in rows:
        del row["texts"]
    bare = tmp_path / "bare.jsonl"
    bare.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert akrasia("gap", run, "--gold", bare).code == 0
    spaced = fill(
        gold,
        tmp_path / "spaced.jsonl",
        action=json.loads(gold.read_text().splitlines()[0])["texts"]["action"][0] + "\n",
    )
    assert akrasia("gap", run, "--gold", spaced).code == 0
    rows[0]["texts"] = [1]
    bare.write_text("".join(json.dumps(row) + "\n" for row in rows))
    refused = akrasia("gap", run, "--gold", bare)
    assert refused.code == 2
    assert "line 1, texts" in refused.err


def test_statements_added_after_the_labels_are_told(tmp_path: Path) -> None:
    run = value_run(tmp_path / "run", limit=2, samples=1)
    akrasia("gold", "sample", run, "--labels", 90, "-o", tmp_path / "gold.jsonl")
    filled = fill(tmp_path / "gold.jsonl", tmp_path / "own.jsonl")
    assert "labelled when" not in akrasia("gap", run, "--gold", filled).out
    value_run(run, limit=2, samples=3)
    grown = akrasia("gap", run, "--gold", filled)
    assert "labelled when a scenario had 1 statement, and this run has 3" in grown.out


def test_no_labels_are_none(drawn: tuple[Path, Path], tmp_path: Path) -> None:
    refused = akrasia("gold", "sample", drawn[0], "--labels", "-5", "-o", tmp_path / "gold.jsonl")
    assert refused.code == 2
    assert "--labels" in refused.err
