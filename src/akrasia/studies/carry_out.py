"""A study from its file to `study.json`: the run, gone on with where it stopped, then the conclusions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from akrasia.core import InputError, Item
from akrasia.runs.config import RunConfig
from akrasia.runs.execute import Options, execute
from akrasia.runs.plan import is_judged, load_suites
from akrasia.runs.reader import Run
from akrasia.studies.audit_votes import cast_votes, pairwise_of
from akrasia.studies.conclude import conclude
from akrasia.studies.definition import VALUE_TESTS, Study
from akrasia.studies.findings import Findings
from akrasia.studies.vote_budget import VoteBudget
from akrasia.suites.valdi_families import NEUTRAL

RUN = "run"
FINDINGS = "study.json"


async def carry_out(study: Study, config: RunConfig, out: Path, options: Options = Options()) -> Findings:  # noqa: B008 - frozen
    """Run a study in a folder, or go on with it, and conclude.

    Args:
        study: see `akrasia.studies.definition`.
        config: of its run, from `configure`.
        out: the study's folder: the run goes to `run` in it, the findings to `study.json`.
        options: what surrounds the run.

    Raises:
        InputError: something cannot be used as given.
        RunIncomplete: it stopped early; the same call goes on.
    """
    check_place(out)
    _refuse_problems(study, config)
    pairwise = pairwise_of(study, config) if compares(study) else None
    # Before anything is bought: a budget in money needs the price of whoever compares.
    budget = None if pairwise is None else VoteBudget(config, pairwise.removeprefix("llm:"))
    summary = await execute(config, out / RUN, options)
    with Run(out / RUN) as run:
        votes = None
        if pairwise is not None and budget is not None:
            budget.after(summary)
            votes = await cast_votes(pairwise, run, out, options, budget)
        findings = conclude(study, config, run, out, votes=votes)
    save(findings, out / FINDINGS)
    return findings


def check_place(out: Path) -> None:
    """Refuse a folder that is something else than a study's, or than one that a study may begin in.

    Raises:
        InputError: it is a file, a run's folder, or not empty and no study's.
    """
    if out.is_file():
        raise InputError(f"--out {out} is a file: name a folder")
    if any((out / name).exists() for name in ("run.toml", "run.sqlite")):
        raise InputError(f"--out {out} is the folder of a run: name a new folder, or that of a study to go on with")
    names = {entry.name for entry in out.iterdir()} if out.is_dir() else set()
    if not names <= {RUN} and not (out / RUN / "run.toml").exists():
        raise InputError(
            f"--out {out} is not empty and holds no study: name a new folder, or that of a study to go on with"
        )


def compares(study: Study) -> bool:
    """Whether some claim needs rewrites compared with their drafts."""
    return any(claim.test == "wins" for claim in study.claim)


def _refuse_problems(study: Study, config: RunConfig) -> None:
    """Claims about values need suites that judges read: better known before anything is bought."""
    if not any(claim.test in VALUE_TESTS for claim in study.claim):
        return
    for name, suite in load_suites(config).items():
        if not is_judged(suite):
            raise InputError(
                f"study {study.name} is about values, and suite {name} holds problems: name one such as valdi"
            )
        if any(claim.test == "presses" for claim in study.claim):
            _refuse_uncontrasted(study, name, suite.items[: config.limit])


def _refuse_uncontrasted(study: Study, suite: str, items: Sequence[Item]) -> None:
    """A pressure is measured against the same family without it: better known to be there before anything is bought."""
    pressures: dict[str, set[str]] = {}
    for item in items:
        pressures.setdefault(item.cluster or item.id, set()).add(str(item.metadata.get("pressure", "")))
    if not any(NEUTRAL in found and len(found) > 1 for found in pressures.values()):
        raise InputError(
            f"study {study.name} holds scenarios under pressure against their families without, and no family of "
            f"{suite} has both here: name whole families, such as valdi?families=10, and no --limit that cuts them"
        )


def save(findings: Findings, path: Path) -> None:
    """Write the findings, whole or not at all.

    Raises:
        InputError: the place cannot be written.
    """
    new = path.with_name(path.name + ".new")
    try:
        new.write_bytes(msgspec.json.format(msgspec.json.encode(findings), indent=2) + b"\n")
        new.replace(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}; free some space or give another --out") from None
