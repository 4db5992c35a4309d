"""The configuration on docs/runs.md is the shipped example, word for word, and is one."""

from __future__ import annotations

import re
from pathlib import Path

from akrasia.runs.config import read_config

ROOT = Path(__file__).parents[2]


def test_the_configuration_of_the_page() -> None:
    shipped = ROOT / "examples" / "run.toml"
    (block, _) = re.findall(r"^```toml\n(.*?)^```$", (ROOT / "docs" / "runs.md").read_text(), re.DOTALL | re.MULTILINE)
    assert block == shipped.read_text()
    assert read_config(shipped)["samples"] == 16
