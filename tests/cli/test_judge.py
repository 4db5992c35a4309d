from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from tests.cli.test_run import Result, akrasia, assert_refused
from tests.upstream import Upstream, html

SCRIPT = '''
import json, re

def judge(request):
    """The values whose first word stands in the text are upheld by it."""
    text = request.messages[-1].content
    found = {}
    for value in request.schema["properties"]:
        word = value.split("-")[0]
        there = re.search(rf"\\b{word}\\b", text.split("===")[4])
        found[value] = {"verdict": "upholds" if there else "absent", "evidence": word if there else ""}
    return json.dumps(found)

def other(request):
    return judge(request).replace("upholds", "absent") if "coin" in request.messages[-1].content else judge(request)
'''
JUDGE = "llm:scripted:script:judge"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "script.py").write_text(SCRIPT)
    rows = [
        {
            "id": f"t{n}",
            "text": ("face" if n % 3 else "nothing") + (" and tradition" if n % 2 else " and coin"),
            "values": {"Face": int(n % 3 > 0), "tradition": int(n % 5 > 0)},
            "author": "script:judge" if n < 20 else "someone",
        }
        for n in range(40)
    ]
    (tmp_path / "gold.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def judge(folder: Path, *arguments: str | Path) -> Result:
    return akrasia("judge", *arguments, cwd=folder)


class TestEvaluate:
    def test_json(self, folder: Path):
        result = judge(folder, "evaluate", "--judge", JUDGE, "--gold", "gold.jsonl", "--json")
        assert result.code == 0, result.err
        found = json.loads(result.out)
        assert (found["judge"], found["texts"], found["missing"], found["calibrated"]) == (JUDGE, 40, 0, False)
        assert set(found["categories"]) == {"face", "tradition"}
        # tradition: said where n is odd, true where 5 does not divide n. Of 40: tp 16, fp 4, fn 16: F1 = 32/52.
        tradition = found["categories"]["tradition"]
        assert tradition["f1"]["value"] == pytest.approx(32 / 52)
        assert tradition["precision"]["value"] == pytest.approx(0.8)
        assert tradition["recall"]["value"] == pytest.approx(0.5)
        assert tradition["support"] == 32
        assert found["categories"]["face"]["f1"]["value"] == 1
        assert found["macro_f1"]["value"] == pytest.approx((1 + 32 / 52) / 2)
        assert found["macro_f1"]["low"] < found["macro_f1"]["value"] < found["macro_f1"]["high"]
        assert found["alpha"]["value"] < 1

    def test_text(self, folder: Path):
        result = judge(folder, "evaluate", "--judge", JUDGE, "--gold", "gold.jsonl")
        assert result.code == 0
        assert "40 texts, 0 missing, uncalibrated" in result.out
        assert "macro-F1" in result.out

    def test_a_panel(self, folder: Path):
        two = ["--judge", JUDGE, "--judge", "llm:scripted:script:other"]
        result = judge(folder, "evaluate", *two, "--weight", "2", "--weight", "1", "--gold", "gold.jsonl", "--json")
        found = json.loads(result.out)
        assert found["macro_f1"]["value"] == found["members"][JUDGE]["value"]
        assert found["members"]["llm:scripted:script:other"]["value"] < found["macro_f1"]["value"]
        assert 0 < found["agreement"]["value"] < 1

    def test_attacks(self, folder: Path):
        result = judge(folder, "evaluate", "--judge", JUDGE, "--injections", "--limit", "10", "--json")
        assert result.code == 0, result.err
        (found,) = json.loads(result.out)["injections"]
        assert found["attacks"] == 10
        assert 0 <= found["success"]["value"] <= 1
        assert "some verdict moved as asked" in judge(folder, "evaluate", "--judge", JUDGE, "--injections").out

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--judge", JUDGE], "--injections"),
            (["--judge", "llm:", "--gold", "gold.jsonl"], "names no model"),
            (["--judge", "nobody", "--gold", "gold.jsonl"], "unknown judge 'nobody'"),
            (["--judge", JUDGE, "--gold", "none.jsonl"], "none.jsonl"),
            (["--judge", JUDGE, "--gold", "script.py"], "line 2"),
            (["--judge", JUDGE, "--gold", "gold.jsonl", "--values", "schwartz-20"], "schwartz-19"),
            (["--judge", JUDGE, "--gold", "gold.jsonl", "--calibration", "gold.jsonl"], "is no calibration"),
            (["--judge", JUDGE, "--gold", "gold.jsonl", "--level", "1"], "level"),
            (["--judge", JUDGE, "--judge", JUDGE, "--gold", "gold.jsonl"], "named twice"),
            (["--judge", "llm:scripted:script:judje", "--gold", "gold.jsonl"], "did you mean 'judge'"),
            (["--judge", JUDGE, "--injections", "--limit", "0"], "give 1 or more"),
        ],
    )
    def test_refusals(self, folder: Path, arguments: list[str], said: str):
        assert_refused(judge(folder, "evaluate", *arguments, "--json"), said)

    async def test_an_endpoint_that_is_none(self, folder: Path):
        async with Upstream() as upstream:
            upstream.always = html()
            name = f"llm:openai:m@{upstream.url}"
            result = await asyncio.to_thread(judge, folder, "evaluate", "--judge", name, "--gold", "gold.jsonl")
        assert_refused(result, "a web page instead of JSON")


class TestCalibrate:
    def test_it_is_written_and_makes_an_evaluation_calibrated(self, folder: Path):
        result = judge(folder, "calibrate", "--judge", JUDGE, "--gold", "gold.jsonl", "-o", "c.json", "--json")
        assert result.code == 0, result.err
        made = json.loads(result.out)
        assert made == json.loads((folder / "c.json").read_text())
        # False present: 4 of the 8 texts without tradition, none of the 14 without face.
        assert made["values"]["tradition"]["false_present"]["value"] == 0.5
        assert made["overall"]["false_present"]["value"] == pytest.approx(4 / 22)
        assert made["order_flip"]["rate"]["value"] == 0
        assert made["self_preference"]["own_texts"] == 20
        gold = ["--judge", JUDGE, "--gold", "gold.jsonl", "--calibration", "c.json", "--json"]
        assert json.loads(judge(folder, "evaluate", *gold).out)["calibrated"] is True
        gold[1] = "llm:scripted:script:other"
        assert_refused(judge(folder, "evaluate", *gold), "another judge")

    def test_text(self, folder: Path):
        out = judge(folder, "calibrate", "--judge", JUDGE, "--gold", "gold.jsonl", "-o", "c.json").out
        assert "flips, values in another order" in out
        assert "false present, own texts − others" in out
        assert "c.json: the calibration" in out
        again = judge(folder, "calibrate", "--judge", JUDGE, "--gold", "gold.jsonl", "-o", "c.json")
        assert_refused(again, "c.json exists, and nothing is written over: name another file")


class TestLabel:
    def test_judgements_with_evidence(self, folder: Path):
        result = judge(folder, "label", "gold.jsonl", "--judge", JUDGE, "-o", "out.jsonl", "--json")
        assert result.code == 0, result.err
        assert json.loads(result.out) == {"judge": JUDGE, "texts": 40, "missing": 0, "unread": 0, "out": "out.jsonl"}
        rows = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
        assert rows[1]["id"] == "t1"
        assert rows[1]["readings"]["face"] == {"score": 1.0, "polarity": "upholds", "evidence": "face"}
        assert rows[1]["values"]["face"] == 1
        assert rows[1]["values"]["hedonism"] == 0
        assert len(rows[1]["order"]) == 19

    def test_replies_are_kept(self, folder: Path):
        arguments = ["label", "gold.jsonl", "--judge", JUDGE, "-o", "out.jsonl", "--replies", "kept.jsonl"]
        assert judge(folder, *arguments).code == 0
        distinct = {json.loads(line)["text"] for line in (folder / "gold.jsonl").read_text().splitlines()}
        assert len((folder / "kept.jsonl").read_text().splitlines()) == len(distinct)
        (folder / "script.py").write_text(
            SCRIPT.replace("def judge(request):", "def judge(request):\n    raise OSError")
        )
        assert_refused(judge(folder, *arguments), "out.jsonl exists", "another file")
        # Another script has another fingerprint, so its replies are its own.
        arguments[5] = "again.jsonl"
        result = judge(folder, *arguments, "--json")
        assert json.loads(result.out)["missing"] == 40

    def test_an_output_that_cannot_be_written(self, folder: Path):
        result = judge(folder, "label", "gold.jsonl", "--judge", JUDGE, "-o", "gold.jsonl/out.jsonl")
        assert_refused(result, "cannot write")
        arguments = ["--judge", JUDGE, "--gold", "gold.jsonl", "-o", "gold.jsonl/c.json", "--replies", "kept.jsonl"]
        assert_refused(judge(folder, "calibrate", *arguments), "cannot write")
        assert not (folder / "kept.jsonl").exists(), "nothing was bought"


def test_training_refuses_a_folder_without_the_data(folder: Path):
    assert_refused(judge(folder, "train", "--valueeval", "nowhere", "-o", "head"), "nowhere")
