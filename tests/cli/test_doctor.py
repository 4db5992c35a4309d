from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from akrasia.weights import ready


def doctor(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own: what it tries depends on what a process has loaded."""
    program = "from akrasia.cli import main; main(['doctor', *__import__('sys').argv[1:]])"
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *arguments],
        env={**os.environ, **changes},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def checks(ended: subprocess.CompletedProcess[str]) -> dict[str, dict[str, str]]:
    return {check["name"]: check for check in json.loads(ended.stdout)["checks"]}


@pytest.mark.weights
def test_everything_that_demo_needs_works_here() -> None:
    ready("smollm2")  # on a fresh machine another test may not have fetched it yet
    ended = doctor("--json")
    assert ended.returncode == 0, ended.stdout
    assert ended.stderr == ""
    found = checks(ended)
    assert json.loads(ended.stdout)["ready"] is True
    assert list(found) == [
        "python",
        "llama.cpp",
        "embedded model",
        "pip",
        "cache",
        "current folder",
        "sandbox",
        "browser",
    ]
    assert found["embedded model"]["status"] == "ok"
    for check in found.values():
        assert (check["remedy"] is None) == (check["status"] == "ok")


def test_weights_that_can_be_fetched_are_no_reason_to_fail(tmp_path: Path) -> None:
    ended = doctor(AKRASIA_CACHE=str(tmp_path))
    assert ended.returncode == 0
    assert "akrasia models pull" in ended.stdout
    assert "Ready" in ended.stdout


def test_a_long_path_is_printed_in_one_piece(tmp_path: Path) -> None:
    cache = tmp_path / ("a" * 60) / ("b" * 60)
    cache.mkdir(parents=True)
    shown = doctor(AKRASIA_CACHE=str(cache), COLUMNS="80").stdout
    assert str(cache / "weights") in shown


def test_a_damaged_file_is_broken(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "SmolLM2-135M-Instruct.Q4_1.gguf").write_bytes(b"GGUF")
    found = checks(doctor("--json", AKRASIA_CACHE=str(tmp_path)))
    assert found["embedded model"]["status"] == "broken"


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    ended = doctor("--json", AKRASIA_CACHE=str(tmp_path / "file"))
    assert ended.returncode == 2
    assert "AKRASIA_CACHE" in checks(ended)["cache"]["remedy"]


def test_without_libgomp(tmp_path: Path) -> None:
    (tmp_path / "libgomp.so.1").touch()  # found first by the loader, and no library
    ended = doctor("--json", LD_LIBRARY_PATH=str(tmp_path), AKRASIA_CACHE=str(tmp_path / "cache"))
    if platform.system() != "Linux":  # the wheels for other systems bring their own
        assert checks(ended)["llama.cpp"]["status"] == "ok"
        return
    assert ended.returncode == 2
    assert "apt install libgomp1" in checks(ended)["llama.cpp"]["remedy"]


def test_without_sandbox_and_browser(tmp_path: Path) -> None:
    ended = doctor("--json", PATH=str(tmp_path), AKRASIA_CACHE=str(tmp_path / "cache"))
    found = checks(ended)
    assert found["sandbox"]["status"] == "missing"
    assert found["browser"]["status"] == "missing" or platform.system() == "Darwin"
    assert ended.returncode == 0
