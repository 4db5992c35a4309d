from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from tests.cli.test_run import akrasia, assert_refused

SCRIPT = """
import random

def of(seed, p):
    return random.Random(str(seed)).random() < p

def weak(request):
    return "#### 2" if of(request.seed, 0.3) else "#### 3"

def strong(request):
    return "#### 2" if of(request.seed, 0.6) else "#### 3"

def mumbling(request):
    if request.temperature == 0:
        return "hm" if of(request.messages[0].content, 0.4) else "#### 2"
    return weak(request)

def counted(request):
    return {"text": weak(request), "usage": {"prompt_tokens": 10, "completion_tokens": 5}}
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    (folder / "pair.py").write_text(SCRIPT)
    rows = ({"id": f"q{i}", "input": f"{i}: 1 + 1?", "target": "2", "utility": "numeric"} for i in range(150))
    (folder / "suite.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name in ("weak", "strong"):
        result = akrasia(
            "run", "--model", f"scripted:pair:{name}", "--suite", "suite.jsonl", "--samples", "8", "--out", name,
            "--strategy", "direct", "--strategy", "self_consistency:4", cwd=folder,
        )  # fmt: skip
        assert result.code == 0, result.err
    result = akrasia(
        "run", "--model", "scripted:pair:mumbling", "--suite", "suite.jsonl", "--samples", "4", "--out", "mumbling",
        "--strategy", "direct", "--strategy", "greedy", "--limit", "60", cwd=folder,
    )  # fmt: skip
    assert result.code == 0, result.err
    return folder


def write_gold(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def sampled(run: Path, out: Path, labels: int) -> list[dict[str, str]]:
    result = akrasia("gold", "sample", run, "--labels", labels, "-o", out)
    assert result.code == 0, result.err
    with out.open(newline="") as file:
        return list(csv.DictReader(file))


def test_compare_finds_the_difference_and_adjusts(runs: Path) -> None:
    result = akrasia("compare", runs / "weak", runs / "strong", "--json")
    assert result.code == 0, result.err
    metrics = {metric["name"]: metric for metric in json.loads(result.out)["metrics"]}
    assert len(metrics) == 6
    deployed = metrics["suite.jsonl direct deployed"]
    assert deployed["items"] == 150
    assert deployed["difference"]["low"] < 0.3 < deployed["difference"]["high"]
    assert deployed["difference"]["value"] == pytest.approx(deployed["b"] - deployed["a"])
    assert all(metric["p_adjusted"] >= metric["p"] for metric in metrics.values())
    assert {metric["mde"] > 0 for metric in metrics.values()} == {True}
    text = akrasia("compare", runs / "weak", runs / "strong")
    assert text.code == 0
    assert "detectable" in text.out


def test_compare_two_cells_of_one_run(runs: Path) -> None:
    names = [f"scripted:pair:strong suite.jsonl {strategy} T1 seed0" for strategy in ("direct", "self_consistency:4")]
    result = akrasia("compare", runs / "strong", runs / "strong", "--cell-a", names[0], "--cell-b", names[1], "--json")
    metrics = json.loads(result.out)["metrics"]
    # A majority of draws that are right more often than not is right more often still.
    assert metrics[0]["name"] == "deployed"
    assert metrics[0]["difference"]["low"] > 0
    assert_refused(akrasia("compare", runs / "strong", runs / "strong", "--cell-a", "x"), "no cell holds 'x'")
    refused = akrasia("compare", runs / "strong", runs / "weak", "--cell-a", "x", "--cell-b", names[0])
    assert_refused(refused, "no cell holds 'x' in their name")


def test_gold_goes_round(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "gold.csv"
    result = akrasia("gold", "sample", runs / "weak", "--labels", "120", "-o", out, "--json")
    assert result.code == 0, result.err
    counts = json.loads(result.out)
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == counts["candidates"]
    assert len({row["item"] for row in rows}) == counts["items"]
    assert {row["gold"] for row in rows} == {""}
    assert counts["of_items"] == 150
    assert counts["most_labels"] == len(rows)
    # What an item is expected to need: one label where its first candidate passes, two where another does, else all 8.
    needed = 0
    for item in {row["item"] for row in rows}:
        texts = [row["text"] for row in rows if row["item"] == item]
        needed += 1 if texts[0] == "#### 2" else 2 if "#### 2" in texts else 8
    assert counts["labels"] == needed
    assert {row["text"] for row in rows} == {"#### 2", "#### 3"}
    # The verifier is right here, so a careful labeller agrees with it and the correction changes nothing much.
    for row in rows:
        row["gold"] = "1" if row["text"] == "#### 2" else "0"
    write_gold(out, rows)
    corrected = json.loads(akrasia("risk", runs / "weak", "--gold", out, "--json").out)["cells"][0]
    raw = json.loads(akrasia("risk", runs / "weak", "--json").out)["cells"][0]
    assert corrected["uncorrected"]["reachable"]["value"] == pytest.approx(raw["reachable"]["value"])
    assert corrected["reachable"]["value"] == pytest.approx(raw["reachable"]["value"], abs=1e-9)
    assert corrected["error_budget"]["verifier"] is not None
    assert_refused(akrasia("gold", "sample", runs / "weak", "--labels", "9", "-o", out), "may hold labels")
    text = tmp_path / "gold.txt"
    assert_refused(akrasia("gold", "sample", runs / "weak", "--labels", "99", "-o", text), "ends in .csv or .jsonl")
    assert not text.exists()


def test_gold_sample_says_what_was_drawn(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "gold.csv"
    text = akrasia("gold", "sample", runs / "weak", "--labels", "100000", "-o", out).out
    assert "150 of 150 items" in text
    assert "1,200 labels at most" in text
    assert "100,000" not in text
    pooled = ("gold", "sample", runs / "weak", "--labels", "99", "-o", tmp_path / "b.csv", "--cell", "self_cons")
    assert_refused(akrasia(*pooled), "draws nothing", "direct")


def test_a_curve_beside_a_corrected_headline_is_marked(runs: Path, tmp_path: Path) -> None:
    rows = sampled(runs / "weak", tmp_path / "drawn.csv", 200)
    settled: set[str] = set()
    for row in rows:
        # A labeller to whom half of the passed candidates are wrong, and who stops at the first right one.
        if row["item"] not in settled:
            right = row["text"] == "#### 2" and int(row["item"][1:]) % 2 == 0
            row["gold"] = str(int(right))
            settled |= {row["item"]} if right else set()
    write_gold(tmp_path / "gold.csv", rows)
    record = json.loads(akrasia("risk", runs / "weak", "--gold", tmp_path / "gold.csv", "--json").out)["cells"][0]
    *others, last = record["curve"]
    assert {point["corrected"] for point in others} == {False}
    assert last["corrected"] is True
    assert last["reachable"] == record["reachable"]["value"] < record["uncorrected"]["reachable"]["value"]
    text = akrasia("risk", runs / "weak", "--gold", tmp_path / "gold.csv").out
    lines = [line for line in text.partition("k  ")[2].splitlines() if line[:1] in "1248" and line.strip()]
    marked = {line.split()[0]: line.endswith("uncorrected") for line in lines[:4]}
    assert marked == {"1": True, "2": True, "4": True, "8": False}
    assert record["corrected"] == ["deployed", "reachable", "risk"]
    headline = text.partition("\ndeployed")[2].partition("\n\n")[0].splitlines()
    assert [line.split()[-1] for line in headline] == ["corrected"] * 3
    # At another k the labels settle nothing: no figure is corrected, and none of the marks says so.
    text = akrasia("risk", runs / "weak", "--gold", tmp_path / "gold.csv", "--k", "4").out
    assert "ask for k = 8" in text
    assert "  corrected" not in text
    headline = text.partition("\ndeployed")[2].partition("\n\n")[0].splitlines()
    assert [line.split()[-1] for line in headline] == ["uncorrected"] * 3


def test_a_point_whose_risk_stays_uncorrected_is_marked(runs: Path, tmp_path: Path) -> None:
    """Every candidate but the first is labelled: reachable is settled where one is right, deployed is not."""
    rows = [row for row in sampled(runs / "weak", tmp_path / "drawn.csv", 100_000) if row["text"] == "#### 2"]
    seen: set[str] = set()
    for row in rows:
        row["gold"] = "" if row["item"] not in seen else "1"
        seen.add(row["item"])
    write_gold(tmp_path / "gold.csv", rows)
    text = akrasia("risk", runs / "weak", "--gold", tmp_path / "gold.csv").out
    headline = text.partition("\ndeployed")[2].partition("\n\n")[0].splitlines()
    assert [line.split()[-1] for line in headline] == ["uncorrected", "corrected", "uncorrected"]
    (last,) = [line for line in text.partition("k  ")[2].splitlines() if line.startswith("8 ")][:1]
    assert last.endswith("risk uncorrected")


def test_labels_of_other_texts_are_refused(runs: Path, tmp_path: Path) -> None:
    rows = sampled(runs / "weak", tmp_path / "drawn.csv", 100)
    for row in rows:
        row["gold"] = "1"
    rows[2]["text"] = "I think\n#### 77"
    write_gold(tmp_path / "gold.csv", rows)
    result = akrasia("risk", runs / "weak", "--gold", tmp_path / "gold.csv")
    place = f"item {rows[2]['item']!r} sample {rows[2]['sample']}"
    assert_refused(
        result, "gold.csv, line", place, "'I think #### 77'", "'####", "or give the run that it was drawn from"
    )
    # What is no text at all cannot be held against the run's, and is not taken for a file without texts.
    lines = [json.dumps({"item": row["item"], "sample": int(row["sample"]), "gold": 1, "text": 5}) for row in rows]
    (tmp_path / "gold.jsonl").write_text("\n".join(lines))
    refused = akrasia("risk", runs / "weak", "--gold", tmp_path / "gold.jsonl")
    assert_refused(refused, "gold.jsonl, line 1: text is 5, which is no text")
    # Spaces are no other text, an unlabelled row is no label, and a file need not say what was read.
    rows[1]["text"] = f" {rows[1]['text']} \n"
    rows[2]["gold"] = ""
    rows[3]["text"] = ""
    write_gold(tmp_path / "gold.csv", rows)
    assert akrasia("risk", runs / "weak", "--gold", tmp_path / "gold.csv").code == 0
    write_gold(tmp_path / "gold.csv", [{name: row[name] for name in ("item", "sample", "gold")} for row in rows])
    assert akrasia("risk", runs / "weak", "--gold", tmp_path / "gold.csv").code == 0


def test_a_strategy_of_its_own_beside_labels_of_the_pool(runs: Path, tmp_path: Path) -> None:
    rows = sampled(runs / "mumbling", tmp_path / "drawn.csv", 10_000)
    for row in rows:
        row["gold"] = str(int(row["text"] == "#### 2"))
    write_gold(tmp_path / "gold.csv", rows)
    result = akrasia("risk", runs / "mumbling", "--gold", tmp_path / "gold.csv", "--json")
    _, greedy = json.loads(result.out)["cells"]
    said = [found["message"] for found in greedy["diagnostics"] if found["code"].startswith("gold_uncorrected")]
    assert len(said) == 2
    assert all("what this strategy itself committed to" in message for message in said)
    assert not any("at least 3" in message for message in said)
    wrong = akrasia("risk", runs / "mumbling", "--gold", tmp_path / "gold.csv", "--gold-cell", "greedy")
    assert_refused(wrong, "greedy", "label that cell")


def test_failures_of_a_strategy_stand_beside_those_of_its_pool(runs: Path) -> None:
    direct, greedy = json.loads(akrasia("risk", runs / "mumbling", "--json").out)["cells"]
    # The script mumbles greedily on about 0.4 of 60 items, and never when it is drawn.
    mumbled = greedy["failures"]
    assert 10 < mumbled < 40
    assert (greedy["own_candidates"], greedy["candidates"]) == (60, 240)
    assert greedy["pool"] == {"candidates": 240, "failures": 0, "truncated": 0, "missing": 0}
    assert (direct["own_candidates"], direct["failures"], direct["truncated"], direct["pool"]) == (240, 0, 0, None)
    found = {one["code"]: one for one in greedy["diagnostics"]}["own_failures"]
    assert f"of 60 candidates of greedy itself {mumbled} count 0" in found["message"]
    assert found["severity"] == "warning"
    duplicates = next(one["message"] for one in greedy["diagnostics"] if one["code"] == "duplicates")
    assert duplicates.startswith("in the pool of direct draws")
    assert "60 candidates, pool of 240" in akrasia("risk", runs / "mumbling").out


GOLD = {
    "unknown item": ("item,sample,gold\nzz,0,1\n", ["line 2", "no item 'zz'"]),
    "unknown sample": ("item,sample,gold\nq1,99,1\n", ["line 2", "no sample 99"]),
    "outside": ("item,sample,gold\nq1,0,2\n", ["line 2", "gold is 2"]),
    "twice": ("item,sample,gold\nq1,0,1\nq1,0,1\n", ["line 3", "labelled twice"]),
    "no column": ("item,sample,label\nq1,0,1\n", ["no column 'gold'"]),
    "not a share": ("item,sample,gold\nq1,0,yes\n", ["line 2", "gold is 'yes'", "from 0 (wrong) to 1 (right)"]),
    "a column twice": ("item,sample,gold,gold\nq1,0,1,0\n", ["column 'gold' stands twice", "keep one"]),
    "semicolons": ("item;sample;gold\nq1;0;1\n", ["separated by ';'", "by commas"]),
    "a little above one": ("item,sample,gold\nq1,0,1.0000001\n", ["gold is 1.0000001;"]),
    "no label": ("item,sample,gold\nq1,0,\n", ["holds no label"]),
}


@pytest.mark.parametrize("case", GOLD)
def test_gold_that_cannot_be_used(runs: Path, tmp_path: Path, case: str) -> None:
    text, parts = GOLD[case]
    (tmp_path / "gold.csv").write_text(text)
    assert_refused(akrasia("risk", runs / "weak", "--gold", tmp_path / "gold.csv"), *parts)


def test_gold_of_what_it_cannot_correct_is_not_drawn(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "gold.csv"
    arguments = ("gold", "sample", runs / "mumbling", "--labels", "99", "-o", out, "--cell", "greedy")
    assert_refused(akrasia(*arguments), "gold of", "greedy", "corrects nothing", "label that cell")
    assert not out.exists()


def test_plan(runs: Path) -> None:
    arguments = ("plan", runs / "weak", "--cost-candidate", "1", "--budget", "2000")
    result = akrasia(*arguments, "--json")
    assert result.code == 0, result.err
    plan = json.loads(result.out)["plan"]
    assert {option["buy"] for option in plan["options"]} == {"candidates", "mix"}
    assert all(option["half_width"] <= plan["half_width"] + 1e-9 for option in plan["options"])
    assert all(option["cost"] <= 2000 for option in plan["options"])
    text = akrasia(*arguments)
    assert "half-width then" in text.out
    assert "labels" not in text.out
    # With nothing but candidates to buy the mix is all candidates, and stands once.
    assert plan["options"][0]["candidates"] == plan["options"][1]["candidates"]
    assert [line.split()[0] for line in text.out.splitlines()[-1:]] == ["candidates"]
    assert_refused(akrasia("plan", runs / "weak", "--cost-candidate", "-1", "--budget", "5"), "must be positive")
    # All 150 items of the suite are in the run, so there are only candidates to buy.
    assert {option["items"] for option in plan["options"]} == {150}
    assert "there are 150 in all, all of them sampled already" in text.out


def test_plan_of_a_limited_run_knows_its_suite(runs: Path) -> None:
    result = akrasia("plan", "mumbling", "--cost-candidate", "1", "--budget", "4000", "--json", cwd=runs)
    plan = json.loads(result.out)["plan"]
    assert max(option["items"] for option in plan["options"]) == 150
    (note,) = plan["diagnostics"]
    assert note["code"] == "no_more_items"
    assert {option["buy"] for option in plan["options"]} == {"items", "candidates", "mix"}
    assert "90 of them not sampled yet" in note["message"]


def test_plan_of_an_unfinished_run_says_so(runs: Path) -> None:
    line = ("--model", "scripted:pair:counted", "--suite", "suite.jsonl", "--samples", "4", "--out", "stopped")
    stopped = akrasia("run", *line, "--max-tokens-total", "3000", "--concurrency", "1", cwd=runs)
    assert stopped.code == 3, stopped.err
    arguments = ("plan", runs / "stopped", "--cost-candidate", "1", "--budget", "50")
    first, *_ = json.loads(akrasia(*arguments, "--json").out)["plan"]["diagnostics"]
    assert (first["code"], first["severity"]) == ("incomplete", "warning")
    # 3,000 tokens are 200 calls of 15: 50 items of four draws, of 150.
    assert "stopped is unfinished: 100 of 150 items are not fully drawn" in first["message"]
    assert "warning: " + first["message"] in akrasia(*arguments).out


def test_plan_that_buys_nothing_or_has_nothing_to_plan(runs: Path) -> None:
    text = akrasia("plan", runs / "weak", "--cost-candidate", "1", "--budget", "5").out
    assert "a budget of 5 buys nothing" in text
    assert "half-width then" not in text
    arguments = ("plan", runs / "mumbling", "--cost-candidate", "1", "--budget", "5", "--cell")
    assert_refused(akrasia(*arguments, "greedy"), "deterministic", "nothing to plan")


def test_plan_of_a_run_to_a_width(runs: Path) -> None:
    made = akrasia(
        "run", "--model", "scripted:pair:strong", "--suite", "suite.jsonl", "--until-width", "0.3", "--out", "width",
        cwd=runs,
    )  # fmt: skip
    assert made.code == 0, made.err
    refused = akrasia("plan", runs / "width", "--cost-candidate", "1", "--budget", "5")
    assert_refused(refused, "samples to a width (0.3)", "a smaller --until-width")


def test_numbers_that_cannot_be_planned_or_drawn_with(runs: Path, tmp_path: Path) -> None:
    for price, budget in (("nan", "5"), ("1", "inf"), ("1", "1e300")):
        wrong = akrasia("plan", runs / "weak", "--cost-candidate", price, "--budget", budget)
        assert_refused(wrong, "must be positive", "at most 1e+15")
    out = tmp_path / "gold.csv"
    drawn = akrasia("gold", "sample", runs / "weak", "--labels", "99", "-o", out, "--seed", "-1")
    assert_refused(drawn, "--seed", "-1")
    assert not out.exists()
    assert_refused(akrasia("risk", runs / "weak", "--bootstrap", "200", "--seed", "-1"), "--seed", "-1")
    most = akrasia("risk", runs / "weak", "--bootstrap", "999999999")
    assert_refused(most, "--bootstrap", "20000")
