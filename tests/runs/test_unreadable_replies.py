"""What nobody can read, and a script that leaves, cost one candidate and not the run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.upstream import Upstream

import akrasia
from akrasia.core import sample_of

Write = Callable[[int], str]


def test_no_exit_and_no_broken_character_of_a_script_ends_a_run(tmp_path: Path, suite_file: Write) -> None:
    name = "scripted:tests.runs.scripts:leaves"
    summary = akrasia.run(tmp_path / "run", model=name, suite=suite_file(6), samples=4)
    assert (summary.cells[0].candidates, summary.cells[0].missing) == (24, 3)
    assert summary.missing == {
        f"{name} raised SystemExit: 3": 1,
        f"{name} raised KeyboardInterrupt": 1,
        f"{name} gave a reply that holds half a surrogate pair, which is no character": 1,
    }


async def test_no_broken_character_of_an_endpoint_ends_a_run(tmp_path: Path, suite_file: Write) -> None:
    def message(body: dict[str, Any], choice: int) -> str:
        return "so \ud83d on" if sample_of(body["seed"] + choice) == 1 else "#### 4"

    async with Upstream(message=message) as upstream:
        model = f"openai:tiny@{upstream.url}"
        summary = await asyncio.to_thread(
            akrasia.run, tmp_path / "run", model=model, suite=suite_file(3), samples=4, max_tokens=10
        )
    assert (summary.cells[0].candidates, summary.cells[0].missing) == (12, 3)
    assert list(summary.missing.values()) == [3]
    assert "its answer cannot be read: it holds half a surrogate pair" in next(iter(summary.missing))
