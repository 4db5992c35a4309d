"""`akrasia gold sample` of a value run: what it says that it drew."""

from __future__ import annotations

import json
from pathlib import Path

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
