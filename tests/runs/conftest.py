"""Suites, configurations and stored records for tests of runs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TABLES = ("items", "requests", "calls", "candidates", "scores", "trails", "failures")


@pytest.fixture
def suite_file(tmp_path: Path) -> Callable[[int], str]:
    """Writes a suite of so many sums and returns its path."""

    def write(items: int) -> str:
        path = tmp_path / f"sums-{items}.jsonl"
        rows = (
            {"id": f"q{i}", "input": f"What is {i} + {i}?", "target": str(2 * i), "utility": "numeric"}
            for i in range(items)
        )
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return str(path)

    return write


def records(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every table of a run, sorted: what two runs must share to be the same run."""
    connection = sqlite3.connect(f"{(folder / 'run.sqlite').resolve().as_uri()}?mode=ro", uri=True)
    try:
        return {table: sorted(connection.execute(f"SELECT * FROM {table}"), key=repr) for table in TABLES}
    finally:
        connection.close()
