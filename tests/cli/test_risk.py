from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from tests.cli.test_run import akrasia, assert_refused, run

TABLE = "item,sample,utility,cluster\na,0,1,x\na,1,0,x\nb,0,1,x\nb,1,1,x\nc,0,0,y\nc,1,,y\n"


def risk(path: Path, *arguments: str) -> dict[str, object]:
    result = akrasia("risk", path, "--json", *arguments)
    assert result.code == 0, result.err
    record = json.loads(result.out)
    assert isinstance(record, dict)
    return record


def test_csv_jsonl_parquet_and_npy_agree(tmp_path: Path) -> None:
    utilities = np.random.default_rng(3).integers(0, 2, (40, 8))
    rows = [(f"i{i}", k, int(u)) for i, row in enumerate(utilities) for k, u in enumerate(row)]
    np.save(tmp_path / "u.npy", utilities)
    (tmp_path / "u.csv").write_text("item,sample,utility\n" + "".join(f"{i},{k},{u}\n" for i, k, u in rows))
    (tmp_path / "u.jsonl").write_text(
        "".join(json.dumps({"item": i, "sample": k, "utility": u}) + "\n" for i, k, u in rows)
    )
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: [row[i] for row in rows] for i, name in enumerate(("item", "sample", "utility"))}
    pq.write_table(pa.table(columns), tmp_path / "u.parquet")
    records = [risk(tmp_path / f"u.{kind}") for kind in ("npy", "csv", "jsonl", "parquet")]
    assert all(record == records[0] for record in records)
    assert records[0]["items"] == 40
    assert records[0]["candidates"] == 320
    assert records[0]["k"] == 8
    assert records[0]["deployed"]["value"] == pytest.approx(utilities.mean())  # type: ignore[index]
    assert records[0]["reachable"]["value"] == pytest.approx(utilities.max(axis=1).mean())  # type: ignore[index]


@pytest.mark.parametrize("order", ["C", "F"])
def test_graded_arrays_are_mapped_read_only(tmp_path: Path, order: Literal["C", "F"]) -> None:
    utilities = np.array([[0.5, 0.25], [1.0, 0.75], [0.0, 0.5]])
    np.save(tmp_path / "u.npy", np.array(utilities, order=order))
    record = risk(tmp_path / "u.npy")
    assert record["deployed"]["value"] == pytest.approx(0.5)  # type: ignore[index]
    assert record["reachable"]["value"] == pytest.approx(2 / 3)  # type: ignore[index]


def test_the_verifier_stands_beside_graded_utilities(tmp_path: Path) -> None:
    # The verifier's favourite is worth 0.25 on both items, though it stands first on one and last on the other.
    rows = "a,0,0.25,9\na,1,0.5,1\nb,0,0.75,1\nb,1,0.25,9\n"
    (tmp_path / "u.csv").write_text("item,sample,utility,verifier\n" + rows)
    stages = {stage["stage"]: stage["value"] for stage in risk(tmp_path / "u.csv")["waterfall"]}  # type: ignore[attr-defined]
    assert stages["recoverable"] == pytest.approx(0.25)


def test_missing_is_missing_and_clusters_count(tmp_path: Path) -> None:
    (tmp_path / "u.csv").write_text(TABLE)
    record = risk(tmp_path / "u.csv")
    assert record["missing"] == 1
    assert record["clusters"] == 2
    assert record["k"] == 1  # item c has one known candidate
    # a: 1/2, b: 1, c: 0
    assert record["deployed"]["value"] == pytest.approx(0.5)  # type: ignore[index]


def test_asked_sizes(tmp_path: Path) -> None:
    np.save(tmp_path / "u.npy", np.eye(4))
    record = risk(tmp_path / "u.npy", "--k", "2", "--k", "4")
    assert [point["k"] for point in record["curve"]] == [2, 4]  # type: ignore[attr-defined]
    assert record["curve"][0]["reachable"] == pytest.approx(0.5)  # type: ignore[index]


REFUSED = {
    "outside": ("item,sample,utility\na,0,1.5\n", ["line 2", "utility is 1.5", "[0, 1]"]),
    "repeated": ("item,sample,utility\na,0,1\na,0,0\n", ["line 3", "item 'a' sample 0", "line 2"]),
    "no column": ("item,utility\na,1\n", ["no column 'sample'"]),
    "unknown column": ("item,sample,utility,goldd\na,0,1,1\n", ["unknown column 'goldd'", "gold"]),
    "not a number": ("item,sample,utility\na,0,yes\n", ["line 2", "utility is 'yes'"]),
    "broken": ("item,sample,utility\na,0\n", ["u.csv"]),
    "two clusters": ("item,sample,utility,cluster\na,0,1,x\na,1,1,y\n", ["item 'a'", "different clusters: x, y"]),
    "empty": ("", ["is empty", "item, sample, utility"]),
    "semicolons": ("item;sample;utility\na;0;1\n", ["separated by ';'", "by commas"]),
    "semicolons and decimal commas": ("item;sample;utility\na,0;0,5\n", ["separated by ';'", "by commas"]),
    "no rows": ("item,sample,utility\n", ["holds no rows"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(tmp_path: Path, case: str) -> None:
    text, parts = REFUSED[case]
    (tmp_path / "u.csv").write_text(text)
    assert_refused(akrasia("risk", tmp_path / "u.csv"), *parts)


def test_a_second_judge_and_assumed_error_rates(tmp_path: Path) -> None:
    # By the first judge a's best is sample 0, by the second sample 1: each values the other's choice at 0. b: both 1.
    (tmp_path / "u.csv").write_text("item,sample,utility,verifier\na,0,1,0\na,1,0,1\nb,0,1,1\nb,1,0,0\n")
    crossed = risk(tmp_path / "u.csv", "--cross-fit")["cross_fit"]
    assert crossed["recoverable"]["value"] == pytest.approx(0.5)  # type: ignore[index]
    assert crossed["naive"]["value"] == pytest.approx(1.0)  # type: ignore[index]
    assert crossed["curse"]["value"] == pytest.approx(0.5)  # type: ignore[index]

    rows = "".join(f"i{i},{s},{int(s == 0 and i % 2)}\n" for i in range(40) for s in range(8))
    (tmp_path / "v.csv").write_text("item,sample,utility\n" + rows)
    band = risk(tmp_path / "v.csv", "--false-accept", "0:0.05")["band"]
    # Of 160 wrong candidates of the solvable half, 20 pass: taking 5 % of all as luck lowers what is in reach.
    assert band["low"] < band["naive"] == pytest.approx(band["high"])  # type: ignore[index, operator]
    assert band["false_reject"] == [0.0, 0.0]  # type: ignore[index]
    assert risk(tmp_path / "v.csv")["band"] is None
    text = akrasia("risk", tmp_path / "v.csv", "--false-accept", "0:0.05", "--bootstrap", "200")
    assert text.code == 0
    assert "sensitivity band" in text.out

    assert_refused(akrasia("risk", tmp_path / "v.csv", "--cross-fit"), "second judge", "column verifier")
    np.save(tmp_path / "d.npy", np.eye(3))
    assert_refused(akrasia("risk", tmp_path / "d.npy", "--cross-fit"), "no column verifier", ".csv")
    for range_ in ("much", "0.3:0.1", "nan", "-1:0"):
        result = akrasia("risk", tmp_path / "v.csv", "--false-accept", range_)
        assert_refused(result, f"--false-accept is '{range_}'", "LOW:HIGH")
    (tmp_path / "s.csv").write_text("item,sample,utility,verifier\na,0,1,0.5\na,1,0,-0.4\n")
    assert akrasia("risk", tmp_path / "s.csv").code == 0  # a score may be any number
    assert_refused(akrasia("risk", tmp_path / "s.csv", "--cross-fit"), "s.csv, line 3: verifier is -0.4; it must lie")
    assert_refused(akrasia("risk", tmp_path / "v.csv", "--false-reject", "0.3:0.1"), "low first")


def test_cross_fit_fills_the_waterfall(tmp_path: Path) -> None:
    (tmp_path / "u.csv").write_text("item,sample,utility,verifier\na,0,1,0\na,1,0,1\nb,0,1,1\nb,1,0,0\n")
    record = risk(tmp_path / "u.csv", "--cross-fit")
    stages = {stage["stage"]: stage for stage in record["waterfall"]}  # type: ignore[attr-defined]
    # 0.5 as above; choosing and valuing by the verifier alone would say 0.5 of utility as well, but with a note.
    assert stages["recoverable"]["value"] == record["cross_fit"]["recoverable"]["value"]  # type: ignore[index]
    text = akrasia("risk", tmp_path / "u.csv", "--cross-fit").out
    assert "not cross-fitted" not in text
    assert "not cross-fitted" in akrasia("risk", tmp_path / "u.csv").out


def test_the_methods_are_said_where_a_bootstrap_was_asked_for(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.save(tmp_path / "u.npy", (rng.random((60, 8)) < 0.5).astype(float))
    text = akrasia("risk", tmp_path / "u.npy", "--bootstrap", "200").out
    # Of eight draws at one half nearly every item has a success: reachable is near 1, deployed and risk are not.
    line = next(line for line in text.splitlines() if line.startswith("Intervals:"))
    assert "deployed, risk@8 by bootstrap (200 resamples)" in line
    assert "reachable@8 by wilson" in line
    assert "Intervals:" not in akrasia("risk", tmp_path / "u.npy").out


def test_equal_means_by_accident_are_not_certainty(tmp_path: Path) -> None:
    np.save(tmp_path / "u.npy", [[True, False]] * 12)
    record = risk(tmp_path / "u.npy")
    assert record["deployed"]["low"] < 0.3  # type: ignore[index]
    assert "no_spread" in [found["code"] for found in record["diagnostics"]]  # type: ignore[attr-defined]


def test_a_gold_cell_without_gold(tmp_path: Path) -> None:
    np.save(tmp_path / "u.npy", np.eye(3))
    assert_refused(akrasia("risk", tmp_path / "u.npy", "--gold-cell", "x"), "--gold-cell", "give --gold")


def test_what_is_not_there(tmp_path: Path) -> None:
    assert_refused(akrasia("risk", tmp_path / "absent.csv"), "does not exist", ".npy")
    assert_refused(akrasia("risk", tmp_path), "holds no run")
    (tmp_path / "u.txt").write_text("1")
    assert_refused(akrasia("risk", tmp_path / "u.txt"), "cannot tell what kind of file")
    np.save(tmp_path / "u.npy", np.zeros(3))
    assert_refused(akrasia("risk", tmp_path / "u.npy"), "(items, candidates) array")
    (tmp_path / "u.npy").write_bytes(b"junk")
    assert_refused(akrasia("risk", tmp_path / "u.npy"), "not a NumPy array file")
    np.save(tmp_path / "u.npy", np.eye(3))
    assert_refused(akrasia("risk", tmp_path / "u.npy", "--k", "9"), "k = 9")


def test_a_run_of_one_cell_is_the_record_itself(tmp_path: Path) -> None:
    assert run(tmp_path, "--samples", "4").code == 0
    found = risk(tmp_path / "run")
    assert "direct" in str(found["cell"]).split()
    assert {"items", "deployed", "reachable", "risk"} <= set(found)


def test_a_run_of_several_cells(tmp_path: Path) -> None:
    assert run(tmp_path, "--samples", "4", "--strategy", "direct", "--strategy", "greedy").code == 0
    found = risk(tmp_path / "run")
    assert set(found) == {"cells"}
    cells = found["cells"]
    assert [cell["cell"].split()[2] for cell in cells] == ["direct", "greedy"]  # type: ignore[attr-defined]
    text = akrasia("risk", tmp_path / "run")
    assert text.code == 0
    assert "reachable@4" in text.out


def test_a_file_without_a_single_utility_has_null_figures_and_says_why(tmp_path: Path) -> None:
    """As a run has of which nothing could be measured; it is no fault of the command."""
    (tmp_path / "u.csv").write_text("item,sample,utility\na,0,\na,1,NA\nb,0,\nb,1,\n")
    done = akrasia("risk", tmp_path / "u.csv", "--json")
    assert done.code == 0, done.err
    record = json.loads(done.out)
    assert [record[name] for name in ("deployed", "reachable", "risk")] == [None] * 3
    assert (record["items"], record["candidates"], record["missing"], record["curve"]) == (2, 4, 4, [])
    (told,) = record["diagnostics"]
    assert (told["code"], told["severity"]) == ("undefined", "error")
    assert told["message"].startswith("every utility is missing: nothing was measured")
    assert "undefined" in akrasia("risk", tmp_path / "u.csv").out
