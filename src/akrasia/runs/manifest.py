"""`run.toml`: what a run is, so that it can be gone on with, compared and cited; and what a resume may change."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from akrasia import __version__
from akrasia.core import Fingerprint, InputError, Model, Utility
from akrasia.core.decoding import Undecodable, decode_toml
from akrasia.models import model_identity
from akrasia.prompts import fingerprint
from akrasia.runs.auditing import audit_identity, audits
from akrasia.runs.bench import Bench
from akrasia.runs.config import AUDIT_KEYS, LISTS, MAY_CHANGE, RunConfig
from akrasia.runs.origin import Origin
from akrasia.runs.plan import Plan
from akrasia.strategies import Live

DECLARED = "declared"
"""Stands for the name of a judge of stated values where a constitution declares them: nobody stated, nobody read."""

PACKAGES = ("aiohttp", "msgspec", "numpy", "uvloop", "xllamacpp")


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The contents of `run.toml`.

    Attributes:
        run: the resolved configuration.
        suites: fingerprint of each suite, by name.
        models: fingerprint of each model, by name without its address.
        judges: fingerprint of each judge and of the model behind it, by name.
        auditors: fingerprint of who audits, and of the models that audit, plan, rewrite and guard where they are named.
        same_judge: the judge that evaluated what it had steered; "" where none did.
        values: fingerprint of the values that the judges look for; "" without judges.
        prompts: fingerprint of each prompt file that the strategies and utilities use.
        strategies: hash of what a strategy rests on beside its text and prompts (the prior of `adaptive`), by its text.
        versions: of Akrasia, Python and the packages that carry a run.
        platform: operating system and processor.
        command: the command line that started it.
        source: of an imported run: where it comes from.
    """

    run: RunConfig
    suites: dict[str, str]
    models: dict[str, Fingerprint]
    prompts: dict[str, str]
    versions: dict[str, str]
    platform: str
    command: str = ""
    judges: dict[str, Fingerprint] = {}
    auditors: dict[str, Fingerprint] = {}
    same_judge: str = ""
    values: str = ""
    strategies: dict[str, str] = {}
    source: Origin | None = None


def describe(
    plan: Plan, models: Mapping[str, Model], bench: Bench, utilities: Iterable[Utility], command: str
) -> Manifest:
    """The manifest of a plan that is about to be carried out; its models and those of its judges are open."""
    used = {name for planned in plan.cells if isinstance(planned.strategy, Live) for name in planned.strategy.prompts}
    used.update(name for utility in utilities for name in getattr(utility, "prompts", ()))
    return Manifest(
        run=plan.config,
        suites={name: suite.fingerprint for name, suite in plan.suites.items()},
        models={model_identity(name): model.fingerprint for name, model in models.items()},
        judges=bench.fingerprints(),
        same_judge=bench.auditors.same_judge,
        values=bench.values_fingerprint(),
        prompts={name: fingerprint(name) for name in sorted(used)},
        strategies={
            planned.cell.strategy: planned.strategy.rests_on
            for planned in plan.cells
            if isinstance(planned.strategy, Live) and planned.strategy.rests_on
        },
        versions=_versions(),
        platform=f"{platform.system()} {platform.machine()}",
        command=command,
    )


def _versions() -> dict[str, str]:
    versions = {"akrasia": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        if package in sys.modules:
            versions[package] = str(getattr(sys.modules[package], "__version__", "unknown"))
    return versions


def write(folder: Path, manifest: Manifest) -> None:
    """Write `run.toml`, whole or not at all."""
    import tomli_w

    table = _without_none(msgspec.to_builtins(manifest))
    new = folder / "run.toml.new"
    new.write_text(tomli_w.dumps(table), encoding="utf-8")
    new.replace(folder / "run.toml")


def _without_none(table: dict[str, Any]) -> dict[str, Any]:
    """TOML has no null: what is None is left out, and comes back as the default."""
    return {
        key: _without_none(value) if isinstance(value, dict) else value
        for key, value in table.items()
        if value is not None
    }


def read(folder: Path) -> Manifest | None:
    """The manifest of a run folder; None when the folder holds no run.

    Raises:
        InputError: there is one, and it cannot be read.
    """
    path = folder / "run.toml"
    try:
        return decode_toml(path.read_bytes(), Manifest)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except Undecodable as error:
        raise error.at(f"{path} is damaged or not a run's") from None


def check_resume(folder: Path, before: Manifest, now: RunConfig) -> None:
    """Refuse to go on with a run under a configuration that would make its records mean something else.

    Raises:
        InputError: naming the first difference and both ways out.
    """
    widths = before.run.until_width, now.until_width
    if None in widths and widths != (None, None):
        raise InputError(
            f"{folder} holds a run with until_width = {_show(widths[0])}, and now it is {_show(widths[1])}: a run that "
            "samples to a width may take another width and no other way to stop, and none takes a width later. Give it "
            "as it was, or another --out"
        )
    for key in RunConfig.__struct_fields__:
        if key in MAY_CHANGE or (key in AUDIT_KEYS and not audits(before.run.strategy)):
            continue
        old, new = getattr(before.run, key), getattr(now, key)
        if key == "model":
            old, new = [model_identity(m) for m in old], [model_identity(m) for m in new]
        if key == "judge" and old != new:
            from akrasia.judges import build_judge, judge_identity

            old, new = ([judge_identity(build_judge(judge)) for judge in judges] for judges in (old, new))
        if key in AUDIT_KEYS and isinstance(old, str) and isinstance(new, str) and old != new:
            old, new = audit_identity(key, old), audit_identity(key, new)
        if old == new or _grown(key, old, new):
            continue
        raise InputError(
            f"{folder} holds a run with {key} = {_show(old)}, and now it is {_show(new)}; only samples, limit and the "
            "lists of models, suites, strategies, temperatures and seeds may grow: give it as it was, or another --out"
        )


def _grown(key: str, old: Any, new: Any) -> bool:
    if key in LISTS:
        return set(old) <= set(new)
    if key == "samples":
        return bool(new >= old)
    if key == "until_width":
        return True  # both have one: another width is reached by drawing more, or is reached already
    if key == "limit":
        return new is None or (old is not None and new >= old)
    return False


def _show(value: Any) -> str:
    if value is None:
        return "not set"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def check_same(folder: Path, before: Manifest, now: Manifest) -> None:
    """Refuse to go on when a suite, a model or a prompt is no longer what the run was made with.

    Raises:
        InputError: naming what changed.
    """
    for kind, were, are, made in (
        ("model ", before.models, now.models, "candidates"),
        ("judge ", before.judges, now.judges, "verdicts"),
        ("", before.auditors, now.auditors, "audits"),
    ):
        for name, was in were.items():
            current = are.get(name, was)
            if current != was:
                raise InputError(
                    f"{kind}{name} was {_name(was)} when {folder} was made and is {_name(current)} now: its {made} "
                    "would not belong together. Give another --out"
                )
    for kind, hashes, current_hashes in (
        ("suite", before.suites, now.suites),
        ("taxonomy", {before.run.values: before.values}, {before.run.values: now.values}),
        ("prompt", before.prompts, now.prompts),
        ("the prior of strategy", before.strategies, now.strategies),
    ):
        for name, hashed in hashes.items():
            if current_hashes.get(name, hashed) != hashed:
                raise InputError(
                    f"{kind} {name} has changed since {folder} was made: restore it, or give another --out"
                )


def _name(fingerprint: Fingerprint) -> str:
    return " ".join(part for part in (fingerprint.name, fingerprint.revision[:12], fingerprint.backend) if part)
