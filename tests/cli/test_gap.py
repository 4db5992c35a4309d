from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.cli.test_run import akrasia, assert_refused

from akrasia.gap import measure_modes
from akrasia.interop import read_labels

VALUES = ("achievement", "benevolence-caring", "security-personal")
PRESSURES = ("none", "authority", "time")


def labels(path: Path, *, drop: float = 0.4, families: int = 20) -> Path:
    """Both modes of 60 scenarios; the action drops stated values, and slow less often than fast."""
    rng = np.random.default_rng(5)
    lines = []
    for family in range(families):
        for pressure in PRESSURES:
            stated = {value: float(rng.random() < 0.6) for value in VALUES}
            for mode, share in (("fast", drop), ("slow", drop / 2)):
                thought = {value: one * (rng.random() < 0.9) for value, one in stated.items()}
                action = {value: one * (rng.random() > share) for value, one in stated.items()}
                scenario = f"{('health', 'work')[family % 2]}-{family:03}-{pressure}"
                reasoning = thought if mode == "slow" else None
                lines.append(
                    {"scenario": scenario, "mode": mode, "stated": stated, "reasoning": reasoning, "action": action}
                )
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def gap(path: Path, *arguments: object) -> dict[str, Any]:
    result = akrasia("gap", path, "--json", *arguments)
    assert result.code == 0, result.err
    assert result.err == ""
    record = json.loads(result.out)
    assert isinstance(record, dict)
    return record


def test_the_record_is_that_of_the_library(tmp_path: Path) -> None:
    path = labels(tmp_path / "labels.jsonl")
    record = gap(path)
    table = read_labels(path)
    found = measure_modes(
        table.modes,
        values=table.values,
        clusters=table.clusters,
        domains=table.domains,
        pressures=table.pressures,
    )
    assert record == json.loads(json.dumps(found.record()))
    assert list(record["modes"]) == ["fast", "slow"]
    slow = record["modes"]["slow"]
    for name in ("macro_f1", "manhattan", "retention", "survival", "suppression", "emergence"):
        assert slow[name]["low"] <= slow[name]["value"] <= slow[name]["high"]
    assert set(slow["transitions"]) == {f"{n:03b}" for n in range(8)}
    assert set(record["modes"]["fast"]["transitions"]) == {"0-0", "0-1", "1-0", "1-1"}
    assert set(slow["by_domain"]) == {"health", "work"}
    assert set(slow["by_pressure"]) == set(PRESSURES)
    assert set(slow["by_value"]) == set(VALUES)
    assert slow["clusters"] == 20
    assert record["deliberation_effect"]["low"] > 0


def test_options_reach_the_estimates(tmp_path: Path) -> None:
    path = labels(tmp_path / "labels.jsonl")
    wide, narrow = (gap(path, "--level", level)["modes"]["slow"]["retention"] for level in (0.99, 0.5))
    assert wide["low"] < narrow["low"]
    (tmp_path / "graded.jsonl").write_text(
        json.dumps({"scenario": "a", "mode": "fast", "stated": {"tradition": 0.6}, "action": {"tradition": 0.4}})
    )
    assert gap(tmp_path / "graded.jsonl")["modes"]["fast"]["retention"]["value"] == 0
    assert gap(tmp_path / "graded.jsonl", "--threshold", 0.3)["modes"]["fast"]["retention"]["value"] == 1


def test_what_is_undefined_is_null_and_said(tmp_path: Path) -> None:
    path = tmp_path / "few.jsonl"
    path.write_text(json.dumps({"scenario": "a", "mode": "slow", "stated": {"tradition": 1}, "action": {}}))
    record = gap(path)
    slow = record["modes"]["slow"]
    for name in ("macro_f1", "retention", "survival", "suppression", "emergence", "manhattan", "kappa", "baseline"):
        assert slow[name] is None
    assert record["deliberation_effect"] is None
    assert {d["code"] for d in slow["diagnostics"]} >= {"no_supported_values", "no_action", "missing", "no_reasoning"}


def test_gold_corrects_the_headline(tmp_path: Path) -> None:
    path = labels(tmp_path / "labels.jsonl", families=40)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    # People find nothing in half of the actions: the judge saw too much.
    fast_rows = [row for row in rows if row["mode"] == "fast"]
    gold = [{**row, "action": dict.fromkeys(VALUES, 0)} if n % 2 else row for n, row in enumerate(fast_rows)][::3]
    (tmp_path / "gold.jsonl").write_text("".join(json.dumps(row) + "\n" for row in gold))
    modes = gap(path, "--gold", tmp_path / "gold.jsonl")["modes"]
    fast = modes["fast"]
    raw_names = fast["uncorrected"]
    raw = raw_names["retention"]
    assert fast["retention"]["high"] < raw["low"]
    assert raw == gap(path)["modes"]["fast"]["retention"]
    assert modes["slow"]["uncorrected"] is None
    result = akrasia("gap", path, "--gold", tmp_path / "gold.jsonl")
    assert "fast, uncorrected: macro-F1" in result.out
    assert (fast["corrected"], modes["slow"]["corrected"]) == ([*raw_names], [])
    shown = {line.split("  ")[0] or line.split("  ")[1]: line for line in result.out.splitlines() if line.strip()}
    for name in ("macro-F1", "retention", "survival", "suppression", "emergence"):
        assert shown[name].count("(gold)") == 1  # of fast alone
    # Baseline, gain and the figure between them are of one kind.
    assert f"{raw['value']:.3f}" in shown["as judged"]
    for name in (
        "by habit alone, as judged",
        "above habit, as judged",
        "kappa, as judged",
        "Manhattan distance, as judged",
    ):
        assert "(gold)" not in shown[name]
    assert "as judged" not in akrasia("gap", path).out
    (tmp_path / "other.jsonl").write_text(json.dumps({**gold[0], "scenario": "elsewhere"}))
    assert_refused(akrasia("gap", path, "--gold", tmp_path / "other.jsonl"), "line 1: gold about scenario 'elsewhere'")
    gold[1]["action"] = {**gold[1]["action"], "honour-of-mine": 1}
    (tmp_path / "value.jsonl").write_text("\n".join(map(json.dumps, gold)))
    assert_refused(
        akrasia("gap", path, "--gold", tmp_path / "value.jsonl"), "line 2: gold about value 'honour-of-mine'"
    )


def test_text_for_people(tmp_path: Path) -> None:
    path = labels(tmp_path / "labels.jsonl")
    result = akrasia("gap", path)
    assert result.code == 0
    for text in (
        "labels.jsonl: 3 values",
        "slow: 60 scenarios in 20 families",
        "macro-F1",
        "above habit",
        "Deliberation effect",
        "stated → reasoning → action",
        "security-personal",
        "authority",
    ):
        assert text in result.out
    assert "undefined" not in result.out


REFUSED = {
    "broken": ("{\n", "line 1"),
    "grade": ('{"scenario": "a", "mode": "fast", "stated": {"tradition": 3}, "action": {}}\n', "it must lie in [0, 1]"),
    "repeated": (
        '{"scenario": "a", "mode": "fast", "stated": {"tradition": 1}, "action": {}}\n' * 2,
        "stands already at line 1",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(tmp_path: Path, case: str) -> None:
    text, message = REFUSED[case]
    (tmp_path / "labels.jsonl").write_text(text)
    assert_refused(akrasia("gap", tmp_path / "labels.jsonl", "--json"), message)


def test_what_is_not_there(tmp_path: Path) -> None:
    assert_refused(akrasia("gap", tmp_path / "none.jsonl"), "does not exist")
    assert_refused(akrasia("gap", labels(tmp_path / "l.jsonl"), "--threshold", 2), "threshold must lie")


def test_the_level_is_shown_whole(tmp_path: Path) -> None:
    path = labels(tmp_path / "labels.jsonl", families=10)
    assert "99.9% interval" in akrasia("gap", path, "--level", "0.999").out
    assert "95% interval" in akrasia("gap", path).out
