"""`akrasia import gateway`: logged traffic becomes a run, which the other commands measure like any other."""

from __future__ import annotations

import csv
import gzip
import json
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.cli.test_run import akrasia, assert_refused

from akrasia.audit import Target, Verdict
from akrasia.core import Fingerprint, Judgement, Polarity, Reading, Usage
from akrasia.gateway.log import LoggedChoice, LogRecord
from akrasia.gateway.logfile import LogFile
from akrasia.risk import RiskRecord
from akrasia.runs import load_run
from akrasia.runs.estimates import estimate_run
from akrasia.runs.value_estimates import estimate_values

CONSTITUTION = Target({"honesty": 2.0, "care": 1.0}, frozenset({"honesty"}))
STATED = Target({"benevolence-caring": 1.0, "achievement": 1.0}, exclusive=True)
EIGHT = tuple(f"{bits:03b}" for bits in range(8))
KEY = "a key of thirty-two bytes, surely"


def verdict(*upheld: str, betrayed: str | None = None, others: tuple[str, ...] = ("honesty", "care")) -> Verdict:
    def polarity(value: str) -> Polarity | None:
        return "upholds" if value in upheld else "betrays" if value == betrayed else None

    readings = {value: Reading(float(value in upheld), polarity(value)) for value in (*others,)}
    return Verdict(Judgement(readings), len(upheld) / len(readings), upheld=upheld)


def request(number: int, *choices: LoggedChoice, **changes: Any) -> LogRecord:
    keys: dict[str, Any] = {
        "id": f"r{number}",
        "mode": "enforce",
        "policy": "clinic",
        "policy_fingerprint": "p1",
        "model": "small",
        "strategy": "direct",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": f"Question {number // 2}?"},
        ],
        "settings": {"temperature": 0.7},
        "constitution": "clinic",
        "target": CONSTITUTION,
        "judge": "encoder",
        "judge_fingerprint": Fingerprint("encoder", "rev1", "onnx"),
        "usage": Usage(10, 5),
        "choices": choices,
    }
    return LogRecord(**{**keys, **changes})


def said(text: str | None, decision: str, **more: Any) -> LoggedChoice:
    original = None if text is None else {"role": "assistant", "content": text}
    return LoggedChoice(more.pop("index", 0), original, decision, "stop", **more)  # type: ignore[arg-type]


def traffic() -> list[LogRecord]:
    """Of 24 requests each third is rewritten and then honest too; one is stopped, one withheld, one released."""
    found = []
    for number in range(24):
        if number % 3:
            found.append(request(number, said(f"reply {number}", "passed", verdict=verdict("honesty", "care"))))
        else:
            mended = {"delivered": f"better {number}", "delivered_verdict": verdict("honesty", "care")}
            draft = verdict("care", betrayed="honesty")
            found.append(request(number, said(f"reply {number}", "rewritten", verdict=draft, **mended)))
    stop = said("bad", "stopped", verdict=verdict(betrayed="honesty"), delivered="The policy's text.")
    found.append(request(24, stop))
    found.append(request(25, said("unread", "withheld", missing="deadline")))
    found.append(request(26, said("unread", "released", missing="deadline")))
    found.append(request(27, said("free", "unaudited"), mode="pass", target=None))
    found.append(request(28, status=500, error="upstream failed"))
    two = [said(f"choice {index}", "passed", verdict=verdict("honesty"), index=index) for index in (0, 1)]
    found.append(request(29, *two, conversation="talk-1"))
    return found


def log(path: Path, records: list[LogRecord], key: bytes | None = None, rotate_bytes: int | None = None) -> Path:
    file = LogFile(path, key, rotate_bytes, lambda _: None)
    for record in records:
        file.write("t", [("2030-01-01T00:00:00.000Z", msgspec.json.encode(record))])
    file.close()
    return path


def imported(folder: Path, records: list[LogRecord], *arguments: str) -> dict[str, Any]:
    done = akrasia(
        "import", "gateway", log(folder / "audit.jsonl", records), "-o", folder / "run", "--json", *arguments
    )
    assert done.code == 0, done.err
    record = json.loads(done.out)
    assert isinstance(record, dict)
    return record


def gap_of(folder: Path) -> list[dict[str, Any]]:
    with load_run(folder / "run") as run:
        return [one.record() for one in estimate_values(run)]


def risk_of(folder: Path) -> dict[str, RiskRecord]:
    with load_run(folder / "run") as run:
        return {one.cell.name.rpartition("|")[2]: one.record for one in estimate_run(run)}


def test_what_a_run_is_made_of(tmp_path: Path) -> None:
    found = imported(tmp_path, traffic())
    assert found["source"]["verified"] is True
    assert [found["source"][key] for key in ("requests", "unaudited", "unanswered")] == [30, 1, 1]
    # 24 + stopped, withheld, released, and a request with two choices
    assert {cell["cell"]: (cell["items"], cell["missing"]) for cell in found["cells"]} == {
        "small gateway:audit state": (29, 0),
        "small gateway:audit direct|original": (29, 2),
        "small gateway:audit direct|delivered": (29, 3),
    }
    assert sorted(one.name for one in (tmp_path / "run").iterdir()) == ["run.sqlite", "run.toml", "values.toml"]
    with load_run(tmp_path / "run") as run:
        state, original, delivered = run.cells
        assert [cell.strategy for cell in run.cells] == ["state", "direct", "audited"]
        items = run.items("gateway:audit")
        assert [item.id for item in items[-2:]] == ["r29", "r29#1"]
        assert {item.cluster for item in items[-2:]} == {"talk-1"}
        assert items[0].cluster == items[1].cluster != items[2].cluster, "the same first question"
        assert [message.role for message in items[0].input] == ["system", "user"]
        assert (delivered.sampling.temperature, delivered.samples, delivered.pool) == (0.7, 1, None)
        texts = {
            cell.name.rpartition("|")[2]: [run.candidates(cell, item.position)[0] for item in items]
            for cell in (original, delivered)
        }
        assert (texts["original"][0].text, texts["delivered"][0].text) == ("reply 0", "better 0")
        assert texts["original"][1] == texts["delivered"][1]
        assert (texts["original"][24].text, texts["delivered"][24].text) == ("bad", "The policy's text.")
        assert texts["delivered"][24].missing == "stopped: the policy's own text went out"
        assert texts["delivered"][25].text is None
        assert texts["delivered"][25].missing == "withheld: deadline"
        assert (texts["delivered"][26].text, texts["delivered"][26].missing) == ("unread", "deadline")
        assert run.candidates(state, 0)[0].text == "Declared by the constitution clinic: honesty, care."
        assert run.tokens(delivered) == (10 * 28, 5 * 28), "one deployed call a request, whatever its choices"
        assert run.manifest.same_judge == "encoder", "it steered what it is now to value"
    manifest = tomllib.loads((tmp_path / "run" / "run.toml").read_text())
    assert manifest["source"]["verified"] is True
    assert manifest["command"].startswith("akrasia import gateway ")


def test_the_gap_of_a_constitution(tmp_path: Path) -> None:
    imported(tmp_path, traffic())
    (found,) = gap_of(tmp_path)
    modes = found["modes"]
    assert set(modes) == {"direct", "audited"}
    assert any(one["code"] == "same_judge" for one in found["diagnostics"])
    # Original: of 24 items 8 keep one value of two and 16 both; the stopped one none; two choices one each.
    # Stated 2 × 27 read items: kept 8 + 32 + 0 + 2 = 42. Delivered: 24 × 2 + 2 = 50 of 2 × 26.
    assert modes["direct"]["retention"]["value"] == pytest.approx(42 / 54)
    assert modes["audited"]["retention"]["value"] == pytest.approx(50 / 52)
    for mode in modes.values():
        assert mode["emergence"] is None or mode["emergence"]["value"] == 0, "a constitution forbids no other value"
    assert modes["direct"]["betrayed"]["value"] == pytest.approx(9 / 54)


def test_risk_and_report_take_it(tmp_path: Path) -> None:
    imported(tmp_path, traffic())
    cells = risk_of(tmp_path)
    # F1 with the two values: one of them kept is 2·1/(2+1) = 2/3, both 1, none 0; read: 27 and 26 items.
    assert cells["original"].deployed.value == pytest.approx((8 * 2 / 3 + 16 + 0 + 2 * 2 / 3) / 27)
    assert cells["delivered"].deployed.value == pytest.approx((24 + 2 * 2 / 3) / 26)
    for command in (("gap",), ("risk",), ("report", "-o", tmp_path / "report.html")):
        done = akrasia(*command, tmp_path / "run", "--json")
        assert done.code == 0, done.err


def test_stated_values_are_exclusive(tmp_path: Path) -> None:
    seen = ("benevolence-caring", "achievement", "tradition")
    records = [
        request(
            number,
            said("reply", "passed", verdict=verdict("achievement", "tradition", others=seen)),
            target=STATED,
            constitution=None,
            mode="observe",
        )
        for number in range(12)
    ]
    found = imported(tmp_path, records)
    assert [cell["cell"].split()[-1] for cell in found["cells"]] == ["state", "direct|delivered"]
    mode = gap_of(tmp_path)[0]["modes"]["direct"]
    assert mode["retention"]["value"] == 0.5
    assert mode["emergence"]["value"] == 0.5, "tradition was acted on and not stated"
    assert not (tmp_path / "run" / "values.toml").exists(), "all of them are of a shipped taxonomy"
    assert risk_of(tmp_path)["delivered"].deployed.value == pytest.approx(0.5)  # 2·1 / (2 + 2)


def test_reasoning_that_was_read_is_a_stage(tmp_path: Path) -> None:
    thought = {"role": "assistant", "content": "reply", "reasoning_content": "I must be honest."}
    records = []
    for number in range(20):
        choice = said("reply", "passed", verdict=verdict("care"), others={"reasoning": verdict("honesty", "care")})
        records.append(request(number, msgspec.structs.replace(choice, original=thought)))
    imported(tmp_path, records)
    (found,) = gap_of(tmp_path)
    # Both values are stated and thought of; honesty is then not acted on.
    assert found["modes"]["direct"]["transitions"] == {**dict.fromkeys(EIGHT, 0), "111": 20, "110": 20}
    assert found["modes"]["direct"]["suppression"]["value"] == 0.5


def test_groups_and_judges_stay_apart(tmp_path: Path) -> None:
    other = Fingerprint("encoder", "rev2", "onnx")
    fine = said("reply", "passed", verdict=verdict("honesty", "care"))
    records = [request(number, fine, strategy=("direct", "best_of_n:4")[number % 2]) for number in range(20)]
    records += [request(number, fine, judge_fingerprint=other) for number in range(20, 40)]
    found = imported(tmp_path, records)
    assert [(cell["cell"], cell["items"]) for cell in found["cells"][1::2]] == [
        ("small gateway:audit/small@direct direct|delivered", 30),
        ("small gateway:audit/small@best_of_n:4 best_of_n:4|delivered", 10),
    ]
    with load_run(tmp_path / "run") as run:
        assert set(run.manifest.judges) == {"encoder rev1", "encoder rev2"}
        assert {one.judge for one in run.judgements(run.cells[1], "action")} == {"encoder rev1", "encoder rev2"}
    assert len(gap_of(tmp_path)) == 2


def test_values_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "clinic.toml"
    rows = [f'[[value]]\nid = "{value}"\ndefinition = "What {value} is."\n' for value in ("care", "honesty", "order")]
    file.write_text('name = "clinic"\n' + "".join(rows))
    imported(tmp_path, traffic(), "--values", str(file))
    assert list(gap_of(tmp_path)[0]["modes"]["direct"]["by_value"]) == ["care", "honesty"]
    again = ("import", "gateway", tmp_path / "audit.jsonl", "-o", tmp_path / "again", "--values")
    assert_refused(akrasia(*again, "schwartz-19"), "schwartz-19 has no value care, honesty")
    assert not (tmp_path / "again").exists()


def test_rotated_files_and_keys(tmp_path: Path) -> None:
    path = log(tmp_path / "audit.jsonl", traffic(), KEY.encode(), rotate_bytes=4000)
    assert (tmp_path / "audit.000002.jsonl").exists()
    command = ("import", "gateway", path, "-o", tmp_path / "run", "--json")
    assert_refused(akrasia(*command), "was written with a key")
    done = akrasia(*command, AKRASIA_LOG_KEY=KEY)
    assert done.code == 0, done.err
    assert json.loads(done.out)["source"]["requests"] == 30
    assert KEY not in (tmp_path / "run" / "run.toml").read_text()


def test_moved_files_are_imported_too(tmp_path: Path) -> None:
    path, records = tmp_path / "audit.jsonl", traffic()
    file = LogFile(path, None, None, lambda _: None)
    file.write("", [("2030-01-01T00:00:00.000Z", msgspec.json.encode(one)) for one in records[:10]])
    path.rename(tmp_path / "audit.jsonl.1")
    file.write("", [("2030-01-01T00:00:00.000Z", msgspec.json.encode(one)) for one in records[10:]])
    file.close()
    done = akrasia("import", "gateway", path, "-o", tmp_path / "run", "--json")
    assert done.code == 0, done.err
    source = json.loads(done.out)["source"]
    assert [Path(name).name for name in source["files"]] == ["audit.jsonl.1", "audit.jsonl"]
    assert source["requests"] == len(records)


def test_a_broken_log_is_refused_unless_forced(tmp_path: Path) -> None:
    path = log(tmp_path / "audit.jsonl", traffic())
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join((*lines[:5], b"scribble\n", *lines[6:])))
    command = ("import", "gateway", path, "-o", tmp_path / "run", "--json")
    assert_refused(akrasia(*command), "is broken (edited: audit.jsonl, line 6", "akrasia verify-log", "--unverified")
    assert not (tmp_path / "run").exists()
    done = akrasia(*command, "--unverified")
    assert done.code == 0, done.err
    assert (json.loads(done.out)["source"]["requests"], json.loads(done.out)["source"]["unreadable"]) == (29, 1)
    source = tomllib.loads((tmp_path / "run" / "run.toml").read_text())["source"]
    assert source["verified"] is False
    assert source["faults"][0].startswith("edited: audit.jsonl, line 6")
    run = tmp_path / "run"
    for name in ("gap", "risk"):
        assert "unverified: the log" in akrasia(name, run).out
        record = json.loads(akrasia(name, run, "--json").out)
        for cell in record.get("cells", [record]):
            assert '"code": "unverified"' in json.dumps(cell)
    tables = tmp_path / "tables"
    assert akrasia("report", run, "-o", tmp_path / "page.html", "--tables", tables).code == 0
    assert "unverified: the log" in (tmp_path / "page.html").read_text()
    for name in ("value-metrics", "value-by-value"):
        assert "Unverified: the log" in (tables / f"{name}.md").read_text()
        assert "Unverified: the log" in (tables / f"{name}.tex").read_text()
        head, *rows = csv.reader((tables / f"{name}.csv").read_text().splitlines())
        assert rows
        assert {row[head.index("caveats")] for row in rows} <= {"unverified", "same_judge unverified"}


def test_the_import_of_a_broken_log_ends_by_saying_so(tmp_path: Path) -> None:
    path = log(tmp_path / "audit.jsonl", traffic())
    whole = akrasia("import", "gateway", path, "-o", tmp_path / "whole")
    assert "unverified" not in whole.out
    assert "unverified" not in akrasia("gap", tmp_path / "whole").out
    path.write_bytes(path.read_bytes().replace(b"delivered", b"delivexed", 1))
    forced = akrasia("import", "gateway", path, "-o", tmp_path / "run", "--unverified")
    assert forced.out.rstrip().endswith("; unverified: the log is broken, as every figure of the run will say")


def test_a_torn_end_is_told_and_no_hindrance(tmp_path: Path) -> None:
    path = log(tmp_path / "audit.jsonl", traffic())
    with path.open("ab") as file:
        file.write(b'{"seq":31,"time":"20')
    done = akrasia("import", "gateway", path, "-o", tmp_path / "run")
    assert done.code == 0
    assert "torn: audit.jsonl, line 32" in done.err
    assert "30 requests of" in done.out


def test_a_packed_log_is_read(tmp_path: Path) -> None:
    path, packed = log(tmp_path / "audit.jsonl", traffic()), tmp_path / "audit.jsonl.1.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    done = akrasia("import", "gateway", packed, "-o", tmp_path / "run")
    assert (done.code, "30 requests of" in done.out) == (0, True)


def test_bad_input(tmp_path: Path) -> None:
    assert_refused(akrasia("import", "gateway", tmp_path / "absent.jsonl", "-o", tmp_path / "run"), "does not exist")
    free = [request(1, said("free", "unaudited"), mode="pass", target=None)]
    path = log(tmp_path / "free.jsonl", free)
    assert_refused(akrasia("import", "gateway", path, "-o", tmp_path / "run"), "holds no audited request (1 in all)")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    path = log(tmp_path / "audit.jsonl", traffic())
    assert_refused(akrasia("import", "gateway", path, "-o", tmp_path / "taken"), "is there already")
    file = LogFile(tmp_path / "odd.jsonl", None, None, lambda _: None)
    file.write("t", [("t", b'{"id":7}')])
    file.close()
    odd = akrasia("import", "gateway", tmp_path / "odd.jsonl", "-o", tmp_path / "run")
    assert_refused(odd, "odd.jsonl, line 2: no request as this Akrasia logs it")
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "run.importing").exists()


def test_routes_with_judges_of_their_own_are_no_blind_judges(tmp_path: Path) -> None:
    fine = said("reply", "passed", verdict=verdict("honesty", "care"))
    records = [
        request(number, fine, judge=("encoder", "llm:big")[number % 2], route="ab"[number % 2]) for number in range(24)
    ]
    # No other judge was asked about the first text, which "encoder" cannot read.
    unread = Verdict(Judgement(missing="no words"), None)
    records[0] = request(0, said("reply", "released", verdict=unread, missing="no words"))
    records[1] = request(1, said("reply", "passed", verdict=verdict("care")), judge="llm:big", route="b")
    imported(tmp_path, records)
    (found,) = gap_of(tmp_path)
    assert [one["message"] for one in found["diagnostics"] if one["code"] == "judge_unread"] == []


def test_what_is_declared_is_not_called_stated(tmp_path: Path) -> None:
    imported(tmp_path, traffic())
    done = akrasia("report", tmp_path / "run", "-o", tmp_path / "report.html")
    assert done.code == 0, done.err
    lines = [line for line in done.out.splitlines() if "when it acts" in line]
    assert len(lines) == 2
    assert all("of 100 declared values" in line for line in lines)
    assert {line.partition(": ")[0].rpartition("|")[2] for line in lines} == {"original", "delivered"}
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "held against the values that a constitution declares" in page
    assert "What small states" not in page
