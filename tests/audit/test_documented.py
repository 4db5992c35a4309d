"""The examples of docs/auditing.md give what the page says."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

from tests.cli.test_run import akrasia

PAGE = (Path(__file__).parents[2] / "docs" / "auditing.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_the_command_and_its_output(tmp_path: Path) -> None:
    (tmp_path / "house.toml").write_text(blocks("toml")[0])
    (tmp_path / "transcripts.jsonl").write_text(blocks("json")[0])
    command, _, output = blocks("console")[0].partition("\n")
    result = akrasia(*command.split()[2:], cwd=tmp_path)
    assert result.code == 0, result.err
    assert result.out == output


def test_the_library() -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(blocks("python")[0], {})
    assert printed.getvalue() == blocks("text")[1]


def test_the_sentence_that_the_embedded_judge_takes_the_wrong_way_round(tmp_path: Path) -> None:
    """The day it no longer does, README and page say it in vain, and may advise the encoder for gates."""
    (tmp_path / "house.toml").write_text(blocks("toml")[0])
    (tmp_path / "note.txt").write_text("I will keep my promise to you, whatever it costs.")
    result = akrasia("audit", "note.txt", "--constitution", "house.toml", "--fail-under", "0.5", cwd=tmp_path)
    assert result.code == 1
    assert "betrays  benevolence-dependability" in result.out
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    for page in (PAGE, readme):
        assert "I will keep my promise to you, whatever it costs." in " ".join(page.split())
    (gated,) = [line for line in readme.splitlines() if line.startswith("$ akrasia audit")]
    assert "--judge llm:" in gated
