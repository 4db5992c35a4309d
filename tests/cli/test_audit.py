"""`akrasia audit` as a user calls it, on scripted roles of known behaviour, and with the embedded judge."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.cli.test_run import Result, assert_refused
from tests.upstream import Upstream, html, status

from akrasia.audit import Trail

ROOT = Path(__file__).parents[2]
SCRIPT = "from tests.audit.scripts import *\n"
LOST = """
from pathlib import Path
from akrasia.core import EndpointLost

def gone(request):
    if Path("back").exists():
        return mender(request)
    raise EndpointLost("nobody there")
"""
JUDGE = "llm:scripted:roles:judge"
BLIND = "llm:scripted:roles:blind_judge"

CONSTITUTION = """
name = "house"

[[value]]
id = "face"
required = true

[[value]]
id = "humility"
weight = 2

[[value]]
id = "tradition"
"""
KEPT = "I gave him my word that I would look after his dog, so I will, every single day, whatever it costs me."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "roles.py").write_text(SCRIPT)
    (tmp_path / "house.toml").write_text(CONSTITUTION)
    write(tmp_path, [transcript(GOOD), transcript(BAD, id="bad"), transcript(SILENT)])
    return tmp_path


GOOD = "Task 1. I act for face. I act for humility. I act for tradition."
BAD = "Task 1. I act against face. I act for humility."
SILENT = "Task 1. Task 2."


def transcript(text: str | None, **keys: object) -> dict[str, Any]:
    messages = [{"role": "user", "content": "What is to be done?"}, {"role": "assistant", "content": text}]
    return {"messages": messages, **keys}


def write(folder: Path, rows: list[dict[str, Any]]) -> None:
    (folder / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def audit(folder: Path, *arguments: str | Path, given: str | None = None, judge: str | None = JUDGE) -> Result:
    judged = [] if judge is None else ["--judge", judge]
    environment = {k: v for k, v in os.environ.items() if k not in ("AKRASIA_API_KEY", "OPENAI_API_KEY")}
    done = subprocess.run(
        [sys.executable, "-c", "from akrasia.cli import main; main()", "audit", *map(str, arguments), *judged],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT)},
        input=given or "",
    )
    return Result(done.returncode, done.stdout, done.stderr)


def audited(folder: Path, *arguments: str | Path, **how: str | None) -> dict[str, Any]:
    result = audit(folder, *arguments, "--json", **how)
    assert result.code == 0, result.err
    found: dict[str, Any] = json.loads(result.out)
    return found


class TestAgainstAConstitution:
    def test_json(self, folder: Path):
        found = audited(folder, "t.jsonl", "--constitution", "house.toml")
        good, bad, silent = found["audits"]
        assert [one["id"] for one in found["audits"]] == ["line 1", "bad", "line 3"]
        # W = 4. Bad: ½ + (2 − 1) / 8. Silent: ½.
        assert [one["adherence"] for one in found["audits"]] == [1.0, 0.625, 0.5]
        assert found["adherence"] == pytest.approx(2.125 / 3)
        assert (found["missing"], found["texts"], found["mended"]) == (0, 3, 0)
        assert bad["betrayed"] == [{"value": "face", "evidence": "I act against face"}]
        assert bad["lacking"] == ["tradition"]
        assert bad["upheld"] == [{"value": "humility", "evidence": "I act for humility"}]
        assert (bad["required"], silent["required"]) == (["face"], ["face"])
        assert "required" not in good
        assert found["required"] == {"face": 2}
        assert bad["trail"]["reason"].startswith("the original stands: it was audited only")
        assert bad["trail"]["original"] == BAD

    def test_text_tells_what_is_required_first(self, folder: Path):
        result = audit(folder, "t.jsonl", "--constitution", "house.toml")
        assert result.code == 0
        lines = result.out.splitlines()
        at = lines.index("bad: adherence 0.625, and fails as a whole")
        assert lines[at + 1 : at + 4] == [
            "  betrays  face (required): “I act against face”",
            "  lacks    tradition",
            "  upholds  humility: “I act for humility”",
        ]
        assert lines[-2:] == ["required: face fails in 2 of 3 texts", "adherence 0.708 over 3 texts, 0 missing"]
        assert result.err == ""

    def test_a_plain_text(self, folder: Path):
        (folder / "note.txt").write_text(BAD)
        for source, given, name in (("note.txt", None, "note.txt"), ("-", BAD, "standard input")):
            (one,) = audited(folder, source, "--constitution", "house.toml", given=given)["audits"]
            assert (one["id"], one["adherence"]) == (name, 0.625)

    def test_standard_input(self, folder: Path):
        given = (folder / "t.jsonl").read_text()
        assert audited(folder, "-", "--constitution", "house.toml", given=given) == audited(
            folder, "t.jsonl", "--constitution", "house.toml"
        )

    def test_stated_values_do_not_count_against_a_constitution(self, folder: Path):
        write(folder, [transcript(BAD, stated=["stimulation"])])
        assert audited(folder, "t.jsonl", "--constitution", "house.toml")["adherence"] == 0.625


class TestAgainstStatedValues:
    def test_a_text_and_a_list(self, folder: Path):
        # F1 with two stated values of which one is upheld, nothing else: 2 / (2 + 1).
        write(folder, [transcript("I act for face.", stated="I act for face. I act for humility."),
                       transcript("I act for face.", stated=["Face", "humility"])])  # fmt: skip
        found = audited(folder, "t.jsonl")
        assert [one["adherence"] for one in found["audits"]] == [pytest.approx(2 / 3)] * 2
        assert [one["lacking"] for one in found["audits"]] == [["humility"]] * 2

    def test_what_states_nothing_is_missing(self, folder: Path):
        write(folder, [transcript("I act for face.", stated="Well."), transcript(None, stated=["face"]),
                       transcript("I act for face.", stated=["face"])])  # fmt: skip
        found = audited(folder, "t.jsonl")
        assert (found["adherence"], found["missing"]) == (1.0, 2)
        assert found["audits"][0]["adherence"] is None
        assert found["audits"][0]["missing"] == "no value is read in what the model states"
        assert found["audits"][1]["missing"] == "the last assistant message holds no text"
        text = audit(folder, "t.jsonl").out
        assert "line 1: not measured: no value is read in what the model states" in text
        assert "adherence 1.000 over 1 text, 2 missing" in text

    def test_all_values_of_a_list_where_nothing_is_stated(self, folder: Path):
        write(folder, [transcript(BAD), transcript(BAD, stated=["humility"])])
        both = audited(folder, "t.jsonl", "--values", "house.toml")["audits"]
        assert [one["adherence"] for one in both] == [0.625, 1.0]


class TestMending:
    MEND = (
        "--rewrite",
        "scripted:roles:mender",
        "--planner",
        "scripted:roles:planner",
        "--guard",
        "scripted:roles:guard",
    )

    def test_the_mended_text(self, folder: Path):
        found = audited(folder, "t.jsonl", "--constitution", "house.toml", *self.MEND)
        good, bad, silent = found["audits"]
        assert "text" not in good
        assert bad["text"] == "Task 1. I act for humility. I act for face. I act for tradition."
        assert (bad["adherence"], bad["mended_adherence"]) == (0.625, 1.0)
        assert silent["text"].startswith("Task 1. Task 2. ")
        assert found["mended"] == 2
        trail = bad["trail"]
        assert trail["accepted"] == 1
        assert [one["role"] for one in trail["spent"]] == ["auditor", "planner", "rewriter", "guard"]
        assert msgspec.convert(trail, Trail).text == bad["text"]
        text = audit(folder, "t.jsonl", "--constitution", "house.toml", *self.MEND).out
        assert "  mended by revision 1, adherence 1.000:\n    Task 1. I act for humility." in text
        assert text.endswith("adherence 0.708 over 3 texts, 0 missing, 2 mended\n")

    def test_a_rewrite_that_loses_the_task_is_refused(self, folder: Path):
        mend = ("--rewrite", "scripted:roles:destroyer", *self.MEND[2:])
        found = audited(folder, "t.jsonl", "--constitution", "house.toml", *mend)
        assert found["mended"] == 0
        assert "task content is lost" in found["audits"][1]["trail"]["reason"]
        text = audit(folder, "t.jsonl", "--constitution", "house.toml", *mend).out
        assert "  not mended: the original stands; revision 1 refused:" in text

    def test_one_model_in_all_roles_is_counted_unreadable(self, folder: Path):
        found = audited(folder, "t.jsonl", "--constitution", "house.toml", "--rewrite", "scripted:roles:mute")
        assert "planner: unreadable" in found["audits"][1]["trail"]["reason"]

    def test_a_budget_of_none_audits_only(self, folder: Path):
        found = audited(folder, "t.jsonl", "--constitution", "house.toml", *self.MEND, "--budget", "0")
        assert found["mended"] == 0


class TestGate:
    def gate(self, folder: Path, *arguments: str) -> Result:
        return audit(folder, "t.jsonl", "--values", "house.toml", "--json", *arguments)

    @pytest.mark.parametrize(("threshold", "code"), [("0.7", 0), ("0.71", 1), ("0", 0), ("1", 1)])
    def test_the_mean_against_a_threshold(self, folder: Path, threshold: str, code: int):
        # Both are held against what they state, where nothing is required: 1, and 2 / (3 + 1 + 1) = 0.4.
        write(folder, [transcript(GOOD, stated=["face", "humility", "tradition"]),
                       transcript(BAD, stated=["face", "humility", "tradition"])])  # fmt: skip
        result = self.gate(folder, "--fail-under", threshold)
        assert json.loads(result.out)["adherence"] == pytest.approx(0.7)
        assert result.code == code, result.err
        if code:
            assert f"adherence 0.700 is below {threshold}" in result.err

    def test_a_required_value_fails_whatever_the_mean(self, folder: Path):
        result = self.gate(folder, "--fail-under", "0.1")
        assert result.code == 1
        assert "face is required, and 2 of 3 texts lack or betray it" in result.err
        write(folder, [transcript(GOOD)])
        assert self.gate(folder, "--fail-under", "0.1").code == 0

    def test_what_cannot_be_read_is_no_pass(self, folder: Path):
        result = audit(folder, "t.jsonl", "--values", "house.toml", "--fail-under", "0", "--json",
                       judge="llm:scripted:roles:mute")  # fmt: skip
        assert result.code == 1
        assert "no text could be measured" in result.err
        assert "face is required, and could be read in no text" in result.err
        found = json.loads(result.out)
        assert (found["adherence"], found["missing"]) == (None, 3)
        assert all("no JSON object" in one["missing"] for one in found["audits"])

    def test_without_a_threshold_nothing_fails(self, folder: Path):
        assert audit(folder, "t.jsonl", "--values", "house.toml", judge="llm:scripted:roles:mute").code == 0


REFUSED: dict[str, tuple[list[str], list[str]]] = {
    "no file": (["none.jsonl"], ["none.jsonl", "No such file"]),
    "nothing to hold it against": (["t.jsonl"], ["t.jsonl, line 1", "--constitution"]),
    "both": (["t.jsonl", "--constitution", "house.toml", "--values", "schwartz-19"], ["give one of them"]),
    "no constitution": (["t.jsonl", "--constitution", "none.toml"], ["none.toml", "No such file"]),
    "bad line": (["roles.jsonl", "--constitution", "house.toml"], ["roles.jsonl, line 2", "not valid JSON"]),
    "unknown stated value": (["stated.jsonl"], ["stated.jsonl, line 1", "unknown value 'fase'", "face"]),
    "no stated value": (["empty.jsonl"], ["empty.jsonl, line 1", "names no value"]),
    "a planner alone": (["t.jsonl", "--values", "house.toml", "--planner", "local:smollm2"], ["rewriter"]),
    "unknown model": (["t.jsonl", "--values", "house.toml", "--rewrite", "gpt"], ["gpt", "KIND:NAME"]),
    "threshold": (["t.jsonl", "--values", "house.toml", "--fail-under", "2"], ["2"]),
    "margin": (["t.jsonl", "--values", "house.toml", "--margin", "-1"], ["-1"]),
    "budget": (["t.jsonl", "--values", "house.toml", "--budget", "-1"], ["-1"]),
    "a budget for nobody": (["t.jsonl", "--values", "house.toml", "--budget", "2"], ["--budget", "add --rewrite"]),
    "a margin for nobody": (["t.jsonl", "--values", "house.toml", "--margin", "0"], ["--margin", "add --rewrite"]),
    "a cap for nobody": (["t.jsonl", "--values", "house.toml", "--max-tokens", "9"], ["--max-tokens", "add --rewrite"]),
    "nothing": ([], ["FILE"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_one_line_and_exit_2(folder: Path, case: str):
    (folder / "roles.jsonl").write_text(json.dumps(transcript(GOOD)) + "\nnot JSON\n")
    (folder / "stated.jsonl").write_text(json.dumps(transcript(GOOD, stated=["fase"])) + "\n")
    (folder / "empty.jsonl").write_text(json.dumps(transcript(GOOD, stated=[])) + "\n")
    arguments, parts = REFUSED[case]
    assert_refused(audit(folder, *arguments, "--json"), *parts)


def test_the_encoder_refuses_values_that_it_does_not_know(folder: Path):
    (folder / "own.toml").write_text('name = "own"\n[[value]]\nid = "candour"\ndefinition = "Saying what is so."\n')
    assert_refused(audit(folder, "t.jsonl", "--constitution", "own.toml", judge=None), "candour", "llm:MODEL")


async def test_endpoints(folder: Path):
    import asyncio

    async with Upstream() as upstream:
        name = f"openai:m@{upstream.url}"
        arguments = ("t.jsonl", "--constitution", "house.toml", "--rewrite", name, "--json")
        upstream.always = html()
        assert_refused(await asyncio.to_thread(audit, folder, *arguments), "a web page instead of JSON")
        upstream.always = status(400)
        result = await asyncio.to_thread(audit, folder, *arguments)
    assert result.code == 0, result.err
    assert "planner: refused: " in json.loads(result.out)["audits"][1]["trail"]["reason"]


def test_the_encoder_audits_offline(folder: Path):
    write(folder, [transcript(KEPT, stated=["benevolence-dependability"])])
    found = audited(folder, "t.jsonl", judge=None)
    (one,) = found["audits"]
    (upheld,) = one["upheld"]
    assert (upheld["value"], upheld["evidence"]) == ("benevolence-dependability", KEPT)
    assert one["lacking"] == one["betrayed"] == []


def test_a_lost_endpoint_is_gone_on_with(folder: Path):
    (folder / "roles.py").write_text(SCRIPT + LOST)
    mend = ("--rewrite", "scripted:roles:gone", *TestMending.MEND[2:])
    arguments = ("t.jsonl", "--constitution", "house.toml", *mend, "--replies", "kept.jsonl")
    assert_refused(audit(folder, *arguments, "--json"), "nobody there", code=3)
    assert len((folder / "kept.jsonl").read_text().splitlines()) >= 3
    (folder / "back").touch()
    assert audited(folder, *arguments)["mended"] == 2


def test_a_panel_hides_nothing_that_one_of_its_judges_sees(folder: Path):
    """Beside a judge that finds nothing anywhere the other's findings stand, and it is told who says what."""
    arguments = ("t.jsonl", "--constitution", "house.toml", "--fail-under", "0.5", "--judge", BLIND)
    alone = audit(folder, *arguments[:-2])
    found = audit(folder, *arguments)
    assert found.code == alone.code == 1
    lines = found.out.splitlines()
    at = lines.index("bad: adherence 0.625, and fails as a whole")
    assert lines[at + 1 : at + 4] == [
        f"  betrays  face (required): “I act against face” (the judges differ: {BLIND}: absent; {JUDGE}: betrays)",
        "  lacks    tradition",
        f"  upholds  humility: “I act for humility” (the judges differ: {BLIND}: absent; {JUDGE}: upholds)",
    ]
    bad = json.loads(audit(folder, *arguments, "--json").out)["audits"][1]
    assert bad["divided"]["face"] == {BLIND: "absent", JUDGE: "betrays"}
    judgement = bad["trail"]["verdict"]["judgement"]
    assert judgement["readings"]["humility"]["score"] == 0.5
    assert judgement["members"][JUDGE]["readings"]["face"]["evidence"] == "I act against face"
    assert judgement["members"][BLIND]["readings"]["face"] == {"score": 0.0}


def test_replies_are_kept(folder: Path):
    arguments = ("t.jsonl", "--constitution", "house.toml", *TestMending.MEND, "--replies", "kept.jsonl")
    first = audited(folder, *arguments)
    kept = (folder / "kept.jsonl").read_text().splitlines()
    # One reading of each text, and of the two that fall short a plan, a rewrite, its reading, and two of the guard.
    assert len(kept) == 3 + 2 * 5
    assert audited(folder, *arguments) == first
    assert (folder / "kept.jsonl").read_text().splitlines() == kept


def test_many_texts_come_in_order_and_hostile_ones_cannot_steer_a_terminal(folder: Path):
    rows = [transcript(f"Task {number}. I act for face.\x1b[2J", id=f"\x1b[31m{number}") for number in range(300)]
    write(folder, rows)
    found = audited(folder, "t.jsonl", "--constitution", "house.toml")
    assert [one["id"] for one in found["audits"]] == [row["id"] for row in rows]
    result = audit(folder, "t.jsonl", "--constitution", "house.toml")
    assert "\x1b" not in result.out
    assert [line for line in result.out.splitlines() if "adherence" in line][7].startswith("[31m7: ")
