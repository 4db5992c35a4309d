"""Real runs of scripted models on scenarios, made once per session; fixtures, used by their names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

import akrasia

ACTORS = "scripted:tests.runs.value_scripts"
JUDGE = f"llm:{ACTORS}:judge"
DOUBTFUL = f"llm:{ACTORS}:doubtful_judge"


def value_run(
    folder: Path,
    actor: str = f"{ACTORS}:half_hearted",
    *,
    suite: Sequence[str] = ("valdi",),
    limit: int = 40,
    samples: int = 3,
    strategies: Sequence[str] = ("fast", "slow"),
    judges: Sequence[str] = (JUDGE,),
) -> Path:
    """A stored run of one actor on scenarios."""
    akrasia.run(
        folder, model=actor, suite=list(suite), limit=limit, samples=samples, strategy=list(strategies),
        judge=list(judges),
    )  # fmt: skip
    return folder


@pytest.fixture(scope="session")
def half_hearted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 neutral scenarios, three actions each, fast and slow, one judge."""
    return value_run(tmp_path_factory.mktemp("values") / "half")


@pytest.fixture(scope="session")
def deserter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight families under all pressures; two judges; every stated value is betrayed."""
    return value_run(
        tmp_path_factory.mktemp("values") / "deserter", f"{ACTORS}:deserter", suite=["valdi?families=8"], limit=80,
        samples=2, judges=[JUDGE, DOUBTFUL],
    )  # fmt: skip


@pytest.fixture(scope="session")
def hostile_values(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Statements, reasoning and actions that try to break out of the page."""
    actor = "scripted:tests.report.value_actors:hostile"
    return value_run(tmp_path_factory.mktemp("values") / "hostile", actor, limit=12, samples=2)
