"""`akrasia` as a user calls it: a process, its exit code, and what it prints where."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.runs.test_forecast import learnt
from tests.upstream import Upstream, html, status

ROW = '{"id": "a", "input": "What is 1 + 1?", "target": "2", "utility": "numeric"}\n'


OTHER = ROW.replace('"a"', '"0"')


class Result(NamedTuple):
    code: int
    out: str
    err: str


def akrasia(*arguments: str | Path, cwd: Path | None = None, **environment: str) -> Result:
    """Run the command in a process of its own, without any key of the caller's."""
    clean = {k: v for k, v in os.environ.items() if k not in ("AKRASIA_API_KEY", "OPENAI_API_KEY")}
    done = subprocess.run(
        [sys.executable, "-c", "from akrasia.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**clean, **environment},
        stdin=subprocess.DEVNULL,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def run(folder: Path, *arguments: str | Path, model: str = "scripted:answers:two") -> Result:
    (folder / "answers.py").write_text("def two(request):\n    return '#### 2'\n")
    suite = folder / "suite.jsonl"
    if not suite.exists():
        suite.write_text(ROW)
    return akrasia("run", "--model", model, "--suite", suite, "--out", folder / "run", *arguments, cwd=folder)


def assert_refused(result: Result, *parts: str, code: int = 2) -> None:
    assert result.code == code, result.err
    assert result.out == ""
    assert "Traceback" not in result.err
    lines = [line for line in result.err.splitlines() if line.startswith("akrasia: ")]
    assert len(lines) == 1, result.err
    for part in parts:
        assert part in lines[0]


def test_json_alone_on_standard_output(tmp_path: Path) -> None:
    result = run(tmp_path, "--samples", "3", "--json")
    assert result.code == 0
    record = json.loads(result.out)
    assert record["out"] == str(tmp_path / "run")
    (cell,) = record["cells"]
    assert set(cell) >= {"cell", "items", "candidates", "failures", "missing", "tokens", "cost"}
    assert (cell["items"], cell["candidates"], cell["failures"], cell["missing"]) == (1, 3, 0, 0)


def test_dry_run_counts_and_touches_nothing(tmp_path: Path) -> None:
    result = run(tmp_path, "--samples", "3", "--dry-run", "--json")
    assert result.code == 0
    assert json.loads(result.out)["cells"][0]["candidates"] == 3
    assert not (tmp_path / "run").exists()
    text = run(tmp_path, "--samples", "3", "--dry-run").out
    assert "Planned only: nothing was asked or written. Tokens are about" in text
    assert run(tmp_path, "--samples", "2").code == 0
    text = run(tmp_path, "--samples", "3", "--dry-run").out
    assert text.splitlines()[0].split()[-4:] == ["left", "calls", "tokens", "cost"]
    assert text.splitlines()[2].split()[-4:] == ["1", "1", "unknown", "unknown"]


def test_what_decides_how_much_it_draws_is_planned_within_bounds(tmp_path: Path) -> None:
    strategy = f"adaptive:{learnt(tmp_path, 'numeric')}?cost=0.1&most=4"
    text = run(tmp_path, "--samples", "2", "--strategy", strategy, "--max-tokens", "8", "--dry-run").out
    cell, bounds = text.splitlines()[2], text.splitlines()[-1]
    assert cell.split()[-5:-2] == ["1", "2", "2–8"]
    # Of a fair coin until the first success, four times at most: 1.875 draws, twice.
    assert bounds.endswith(
        "between 2 and 8 calls, as the replies turn out; tokens and cost are the most; by its prior about 4."
    )


def test_options_without_effect_are_told(tmp_path: Path) -> None:
    result = run(tmp_path, "--samples", "2", "--judge", "llm:scripted:answers:two", "--logprobs", "2", "--json")
    assert result.code == 0
    assert json.loads(result.out)["cells"][0]["candidates"] == 2
    told = result.err.splitlines()
    assert [line for line in told if "no item of the suites asks a judge" in line] == told[:1]
    assert [line for line in told if "scripted:answers:two gives no log-probabilities" in line] == told[1:2]


REFUSED: dict[str, tuple[list[str], list[str]]] = {
    "unknown suite": (["--suite", "arithmetics:sum"], ["unknown suite", "arithmetic"]),
    "unknown strategy": (["--strategy", "gready"], ["unknown strategy 'gready'", "greedy"]),
    "unknown option": (["--sample", "3"], ["No such option", "--samples"]),
    "no candidates": (["--samples", "0"], ["samples is 0"]),
    "not a number": (["--samples", "many"], ["many"]),
    "odd votes": (["--votes", "3"], ["votes is 3", "even"]),
    "negative limit": (["--limit", "-1"], ["limit is -1"]),
    "many at temperature 0": (["--temperature", "0", "--samples", "2"], ["at temperature 0", "--samples 1"]),
    "missing configuration": (["--config", "absent.toml"], ["absent.toml", "No such file", "TOML file"]),
    "missing prices": (["--prices", "absent.toml"], ["price file absent.toml"]),
    "nothing to reuse": (["--reuse", "absent"], ["--reuse absent holds no run"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_one_line_and_exit_2(tmp_path: Path, case: str) -> None:
    arguments, parts = REFUSED[case]
    assert_refused(run(tmp_path, *arguments), *parts)


MODELS = {
    "unknown kind": ("opena:x@http://localhost/v1", ["unknown model 'opena'", "openai"]),
    "no address": ("openai:gpt", ["write openai:NAME@BASE_URL"]),
    "no module": ("scripted:nowhere:two", ["nowhere"]),
    "no function": ("scripted:answers:too", ["'too'", "two"]),
    "no replay": ("replay:absent.jsonl", ["absent.jsonl"]),
    "no weights": ("local:absent.gguf", ["absent.gguf"]),
    "near weights": ("local:smolm2", ["no model 'local:smolm2'; did you mean 'smollm2'?"]),
}


@pytest.mark.parametrize("case", MODELS)
def test_a_model_that_cannot_be_had(tmp_path: Path, case: str) -> None:
    model, parts = MODELS[case]
    assert_refused(run(tmp_path, model=model), *parts)


SUITES = {
    "broken line": (ROW + '{"id": "b", "input": \n', ["suite.jsonl", "line 2"]),
    "duplicate id": (ROW + ROW, ["suite.jsonl", "line 2", "'a'"]),
    "unknown key": (ROW.replace('"target"', '"targets"'), ["line 1", "targets", "target"]),
    "unknown utility": (OTHER + ROW.replace("numeric", "numerik"), ["suite.jsonl, line 2", "numerik", "numeric"]),
    "no utility": (OTHER + ROW.replace(', "utility": "numeric"', ""), ["suite.jsonl, line 2", "names no utility"]),
    "no target": (OTHER + ROW.replace(', "target": "2"', ""), ["suite.jsonl, line 2", "'a'", "target"]),
    "no number": (OTHER + ROW.replace('"2"', '"two"'), ["suite.jsonl, line 2", "'two'", "not a number"]),
    "target out of range": (OTHER + ROW.replace('"2"', "1e400"), ["suite.jsonl, line 2: Number out of range"]),
    "empty": ("", ["suite.jsonl"]),
}


def test_a_configuration_names_no_folder(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text('model = "scripted:answers:two"\nsuite = "arithmetic:sum"\nout = "runs/a"\n')
    assert_refused(akrasia("run", "--config", tmp_path / "run.toml"), "unknown key 'out' in configuration")
    assert_refused(akrasia("run", "--model", "scripted:answers:two", "--suite", "arithmetic:sum"), "no --out")


@pytest.mark.parametrize("case", SUITES)
def test_a_suite_that_cannot_be_used(tmp_path: Path, case: str) -> None:
    text, parts = SUITES[case]
    (tmp_path / "suite.jsonl").write_text(text)
    assert_refused(run(tmp_path), *parts)


def test_a_run_that_cannot_begin_leaves_no_folder(tmp_path: Path) -> None:
    result = akrasia("run", "--model", "local:smollm2", "--suite", "arithmetic", "--out", tmp_path / "deep" / "run")
    assert_refused(result, "arithmetic:sum")
    assert not (tmp_path / "deep").exists()
    assert_refused(run(tmp_path, model="scripted:answers:too"), "'too'")
    assert not (tmp_path / "run").exists()


def test_a_folder_of_another_run(tmp_path: Path) -> None:
    assert run(tmp_path, "--samples", "3").code == 0
    assert_refused(run(tmp_path, "--samples", "2"), "samples = 3, and now it is 2", "another --out")
    (tmp_path / "run" / "run.toml").write_text("nonsense")
    assert_refused(run(tmp_path, "--samples", "3"), "run.toml is damaged")


def test_no_permission(tmp_path: Path) -> None:
    # A file where a folder should be refuses everybody, root included.
    (tmp_path / "file").write_text("")
    result = akrasia("run", "--model", "local:smollm2", "--suite", "arithmetic:sum", "--out", tmp_path / "file" / "run")
    assert_refused(result, "cannot write to --out", "Not a directory")


async def endpoint(folder: Path, fault: Callable[..., object] | None, *arguments: str, **options: object) -> Result:
    import asyncio

    async with Upstream(**options) as upstream:  # type: ignore[arg-type]
        upstream.always = fault  # type: ignore[assignment]
        model = f"openai:tiny@{upstream.url}"
        return await asyncio.to_thread(run, folder, "--samples", "2", *arguments, model=model)


async def test_a_wrong_key(tmp_path: Path) -> None:
    assert_refused(await endpoint(tmp_path, status(401)), "it wants a key: set AKRASIA_API_KEY")
    assert not (tmp_path / "run" / "run.toml").exists()


async def test_an_unknown_model(tmp_path: Path) -> None:
    assert_refused(await endpoint(tmp_path, None, models=("tinny", "large")), "did you mean tinny?")


async def test_a_web_page(tmp_path: Path) -> None:
    assert_refused(await endpoint(tmp_path, html()), "a web page instead of JSON", "/v1")


async def test_no_quota(tmp_path: Path) -> None:
    fault = status(429, {"message": "You exceeded your current quota", "code": "insufficient_quota"})
    assert_refused(await endpoint(tmp_path, fault), "quota is spent", "the same command", code=3)


async def test_a_refused_request_leaves_its_candidate_missing(tmp_path: Path) -> None:
    result = await endpoint(tmp_path, status(400, {"message": "content policy"}), "--json")
    assert result.code == 0
    assert json.loads(result.out)["cells"][0]["missing"] == 2
    ((reason, number),) = json.loads(result.out)["missing"].items()
    assert ("content policy" in reason, number) == (True, 2)
    assert "2 of 2 candidates have no utility: 2 × " in result.err
    assert "--retry-missing" in result.err
    (tmp_path / "again").mkdir()
    told = await endpoint(tmp_path / "again", status(400, {"message": "content policy"}))
    assert told.code == 0
    assert "Nothing could be measured: no candidate has a utility" in told.out
    assert "akrasia risk" not in told.out


def test_an_unreachable_endpoint(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    result = run(tmp_path, model=f"openai:tiny@http://127.0.0.1:{port}/v1")
    assert_refused(result, "unreachable", "Nothing was bought", "the same command", code=3)
    assert not (tmp_path / "run").exists()


def test_the_key_is_nowhere(tmp_path: Path) -> None:
    key = "sk-canary-0123456789abcdef"
    (tmp_path / "answers.py").write_text("def two(request):\n    return '#### 2'\n")
    (tmp_path / "suite.jsonl").write_text(ROW)
    result = akrasia(
        "run", "--model", "scripted:answers:two", "--suite", "suite.jsonl", "--out", "run", "--keep-raw", cwd=tmp_path,
        AKRASIA_API_KEY=key,
    )  # fmt: skip
    assert result.code == 0
    assert key not in result.out + result.err
    assert not [file for file in (tmp_path / "run").iterdir() if key.encode() in file.read_bytes()]
