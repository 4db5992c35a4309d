"""What two runs must share to be compared, and what is told of how they were drawn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.runs.test_budget import preferences

import akrasia
from akrasia.core import Fingerprint, InputError, Registry, Sampling
from akrasia.runs.comparison import RunComparison, compare_runs
from akrasia.runs.config import MAY_CHANGE, RunConfig
from akrasia.runs.manifest import Manifest, read, write
from akrasia.runs.yardstick import AMOUNTS, DRAWN, NAMED, prompts_note, settings, side_by_side, yardstick
from akrasia.utilities.adherence import Adherence
from akrasia.utilities.registry import UTILITIES, UtilityOptions

Write = Callable[[int], str]
SCRIPT = "scripted:tests.runs.scripts:"
HERE = "scripted:tests.runs.value_scripts:"


def compared(a: Path, b: Path) -> RunComparison:
    with akrasia.load_run(a) as one, akrasia.load_run(b) as other:
        return compare_runs(one, other)


def told(found: RunComparison, code: str) -> list[str]:
    return [one.message for one in found.diagnostics if one.code == code]


def edit(folder: Path, **changes: Any) -> None:
    manifest = read(folder)
    assert isinstance(manifest, Manifest)
    write(folder, msgspec.structs.replace(manifest, **changes))


def test_every_key_of_a_run_has_its_part() -> None:
    """A new key is either of a yardstick, or shapes what is drawn, or is known to change no figure."""
    measuring = {key for kind in (Adherence, *map(UTILITIES.get, UTILITIES.names())) for key in _settings(kind)}
    parts = (NAMED, AMOUNTS, DRAWN, MAY_CHANGE, measuring)
    assert {key for part in parts for key in part} == set(RunConfig.__struct_fields__)
    assert sum(map(len, parts)) == len(RunConfig.__struct_fields__)  # none has two parts
    assert set(UtilityOptions.__struct_fields__) <= measuring | MAY_CHANGE
    assert set(Sampling.__struct_fields__) <= NAMED | DRAWN


def _settings(kind: object) -> tuple[str, ...]:
    return getattr(kind, "settings", ())


def test_votes_are_part_of_the_yardstick(tmp_path: Path) -> None:
    suite = preferences(tmp_path)
    for name, votes in (("two", 2), ("eight", 8), ("again", 8)):
        akrasia.run(
            tmp_path / name, model=f"{SCRIPT}adviser", suite=suite, samples=2, judge=f"llm:{SCRIPT}judge", votes=votes
        )
    with pytest.raises(InputError, match=r"measured with two yardsticks: votes 2 in .*two and 8 in .*eight; measure"):
        compared(tmp_path / "two", tmp_path / "eight")
    compared(tmp_path / "eight", tmp_path / "again")
    edit(tmp_path / "again", prompts={"preference.v0": "other"})
    with pytest.raises(InputError, match=r"prompt preference v1 in .*eight and v0 in .*again"):
        compared(tmp_path / "eight", tmp_path / "again")
    edit(tmp_path / "again", prompts={"preference.v1": "other"})
    with pytest.raises(InputError, match="prompt preference v1 in several versions"):
        compared(tmp_path / "eight", tmp_path / "again")


def test_what_a_utility_does_not_use_is_no_part_of_it(tmp_path: Path, suite_file: Write) -> None:
    suite = suite_file(20)
    akrasia.run(tmp_path / "a", model=f"{SCRIPT}half", suite=suite, samples=2, votes=2)
    akrasia.run(tmp_path / "b", model=f"{SCRIPT}half", suite=suite, samples=2, votes=8, values="schwartz-10")
    with akrasia.load_run(tmp_path / "a") as run:
        assert yardstick(run, run.cells[0].suite) == {}
    assert compared(tmp_path / "a", tmp_path / "b").diagnostics == ()


def test_a_utility_that_does_not_say_what_it_rests_on_rests_on_all_that_can_be(
    tmp_path: Path, suite_file: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = suite_file(20)
    for name, votes in (("a", 2), ("b", 8)):
        akrasia.run(tmp_path / name, model=f"{SCRIPT}half", suite=suite, samples=2, votes=votes)

    class Panel:
        judge = None

    without = Registry[Any]("utility", "akrasia.none", {})
    other = Registry[Any]("utility", "akrasia.none", {"numeric": "tests.runs.test_yardstick:Panel"})
    monkeypatch.setitem(globals(), "Panel", Panel)
    for registry in (without, other):  # its package is gone; it asks a judge and declares nothing
        monkeypatch.setattr("akrasia.runs.yardstick.UTILITIES", registry)
        with pytest.raises(InputError, match="votes 2 in"):
            compared(tmp_path / "a", tmp_path / "b")


def test_actions_that_are_held_against_other_statements_are_not_compared(tmp_path: Path) -> None:
    keys: dict[str, Any] = {"suite": "valdi", "limit": 20, "samples": 2, "judge": f"llm:{HERE}judge"}
    model = f"{HERE}saint"
    runs: dict[str, dict[str, Any]] = {
        "first": {"strategy": ["fast", "state:1"]},
        "second": {"strategy": ["fast", "state:2"]},
        "votes": {"strategy": ["fast", "state:1", "state:2"], "votes": 2, "judge_repeats": 2},
    }
    for name, more in runs.items():
        akrasia.run(tmp_path / name, model=model, **keys, **more)
    with pytest.raises(InputError, match=r"statements state:1 in .*first and state:2 in .*second"):
        compared(tmp_path / "first", tmp_path / "second")
    compared(tmp_path / "first", tmp_path / "votes")


def test_settings_that_shape_what_is_drawn_are_named_in_one_line(tmp_path: Path, suite_file: Write) -> None:
    suite = suite_file(20)
    keys: dict[str, Any] = {"model": f"{SCRIPT}half", "suite": suite, "samples": 2, "strategy": ["direct", "greedy"]}
    akrasia.run(tmp_path / "a", max_tokens=8, stop=["\n"], **keys)
    akrasia.run(tmp_path / "b", max_tokens=800, top_p=0.1, **keys)
    a, b = tmp_path / "a", tmp_path / "b"
    (line,) = told(compared(a, b), "settings_differ")
    for clause in (
        f"max_tokens 8 in {a} and 800 in {b}",
        f"top_p not set in {a} and 0.1",
        rf"stop '\n' in {a} and not",
    ):
        assert clause in line
    assert line.count("max_tokens") == 1  # both pairs of cells differ alike
    assert told(compared(a, a), "settings_differ") == []
    with akrasia.load_run(a) as one, akrasia.load_run(b) as other:
        assert [found.code for found in side_by_side([("a", one), ("b", other)])] == ["settings_differ"]
        assert side_by_side([("a", one)]) == []
        assert "max_tokens 8 in a and 800 in b" in side_by_side([("a", one), ("b", other)])[0].message


def test_who_audits_is_a_setting_of_what_is_audited(tmp_path: Path) -> None:
    here = "scripted:tests.runs.audit_scripts:"
    keys: dict[str, Any] = {
        "model": f"{here}bus", "suite": "valdi", "limit": 20, "samples": 2, "judge": f"llm:{HERE}judge",
        "strategy": ["fast", "audited:fast"], "auditor": f"llm:{here}auditor", "planner": f"{here}planner",
        "rewriter": f"{here}mender",
    }  # fmt: skip
    akrasia.run(tmp_path / "a", guard=f"{here}guard", **keys)
    akrasia.run(tmp_path / "b", **keys)
    (line,) = told(compared(tmp_path / "a", tmp_path / "b"), "settings_differ")
    assert f"guard {here}guard in {tmp_path / 'a'} and the model itself in {tmp_path / 'b'} (of " in line
    assert line.count("audited:fast") == 1
    assert "planner" not in line


def test_what_differs_in_some_cells_alone_names_them(tmp_path: Path, suite_file: Write) -> None:
    suite = suite_file(20)
    for name in ("a", "b"):
        akrasia.run(tmp_path / name, model=f"{SCRIPT}half", suite=suite, samples=2, strategy=["direct", "greedy"])
    edit(tmp_path / "a", strategies={"direct": "one"})
    edit(tmp_path / "b", strategies={"direct": "other"})
    (line,) = told(compared(tmp_path / "a", tmp_path / "b"), "settings_differ")
    assert "what direct rests on one in" in line
    assert "direct T1 seed0)" in line


def test_one_model_in_two_versions_is_told(tmp_path: Path, suite_file: Write) -> None:
    suite = suite_file(20)
    for name in ("a", "b"):
        akrasia.run(tmp_path / name, model=f"{SCRIPT}half", suite=suite, samples=2)
    manifest = read(tmp_path / "b")
    assert manifest is not None
    edit(tmp_path / "b", models={name: Fingerprint("half", "r2", "x") for name in manifest.models})
    (line,) = told(compared(tmp_path / "a", tmp_path / "b"), "settings_differ")
    assert f"half r2 x in {tmp_path / 'b'}" in line
    with akrasia.load_run(tmp_path / "a") as run:
        (cell,) = run.cells
        assert "model " + next(iter(run.manifest.models)) in settings(run, cell)


def test_a_side_that_was_cut_off_is_told(tmp_path: Path, suite_file: Write) -> None:
    suite = suite_file(20)
    akrasia.run(tmp_path / "a", model=f"{SCRIPT}half", suite=suite, samples=2)
    akrasia.run(tmp_path / "b", model="scripted:tests.runs.test_yardstick:cut_off", suite=suite, samples=2)
    (line,) = told(compared(tmp_path / "a", tmp_path / "b"), "truncated")
    assert line.startswith(f"{tmp_path / 'b'}, scripted:tests.runs.test_yardstick:cut_off ")
    assert line.endswith(": 40 of 40 candidates were cut off (100.0%): raise the cap on tokens.")


def cut_off(request: object) -> object:
    return akrasia.core.Reply("The answer is", finish="length")


def test_runs_side_by_side_that_are_measured_differently_are_told(tmp_path: Path) -> None:
    suite = preferences(tmp_path)
    keys: dict[str, Any] = {"model": f"{SCRIPT}adviser", "suite": suite, "samples": 2, "judge": f"llm:{SCRIPT}judge"}
    akrasia.run(tmp_path / "two", votes=2, **keys)
    akrasia.run(tmp_path / "eight", votes=8, **keys)
    with akrasia.load_run(tmp_path / "two") as two, akrasia.load_run(tmp_path / "eight") as eight:
        (found,) = side_by_side([("b2", two), ("b8", eight)])
    assert (found.code, found.severity) == ("yardsticks_differ", "warning")
    assert "votes 2 in b2 and 8 in b8" in found.message


def test_another_version_of_a_prompt_is_told_by_any_name() -> None:
    (found,) = prompts_note({"slow-act.v1": "x", "few-shot.v1": "y"}, {"slow-act.v2": "z", "few-shot.v1": "y"})
    assert found.message.endswith("the prompts slow-act.v1, slow-act.v2.")
    assert prompts_note({"slow-act.v1": "x"}, {"task-act-1.v1": "y"}) == []
