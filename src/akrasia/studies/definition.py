"""The file of a study: what is run, what is claimed about it, and which figures show it. Unknown keys are refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

import msgspec

from akrasia.core import InputError, parse_spec
from akrasia.core.registry import near_names
from akrasia.runs.config import RunConfig, build_config, read_config
from akrasia.strategies import STRATEGIES
from akrasia.studies import STUDIES
from akrasia.studies.verdict import Direction

Metric = Literal["deployed", "reachable", "risk", "pool_risk"]
FigureName = Literal[
    "saturation",
    "risk_by_temperature",
    "risk_by_votes",
    "risk_by_length",
    "stages",
    "moved",
    "edited_f1",
    "pressures",
    "audited_f1",
]
AUDIT_TESTS = ("harms", "rewrites", "wins")
"""Tests of what audits did; each speaks of audited strategies alone."""

VALUE_TESTS = ("moves", "follows", "presses", *AUDIT_TESTS)
"""Tests of what judges read in a value suite. What they measure is theirs, so their claims name no metric."""


class Claim(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One claim of a study; it gives a row of the verdict table for every cell or comparison that it speaks of.

    Attributes:
        text: the claim, in words.
        test: "above": the metric of each cell is above 0; "change": it differs between two cells, paired by item;
            "returns": the longest reasoning loses less than the shortest; the fall of the curve over all lengths and
            its knee stand beside it as estimates. On value suites: "moves": an edit of the reasoning changes more
            labels of the action than it is `against`; "follows": the action takes up values that only the edited
            reasoning has, more than the action it is `against`; "presses":
            a pressure changes the odds that the action keeps a stated value; of audits: "harms": the share of actions
            that an audit takes further from the stated values; "rewrites": the share that it rewrites; "wins": how
            often a rewrite is preferred to its draft.
        metric: what is tested. `pool_risk` is reachable@k of the direct pool alone − deployed: the same reachable for
            every strategy, so it may be negative; `risk` counts the deployed candidate as reachable.
        strategy: names, with or without parameter, of the strategies that the claim speaks of.
        vary: what differs between the two cells of a change: a "strategy" and the one it is `against`, a "temperature"
            and the first one, or a "model" and the one before it in the list.
        against: the strategy that others are compared with; for "moves", "slow" stands for two draws of its own.
        direction: of the change that the claim names.
        margin: the smallest effect that counts, in the unit of what is tested: utility, a share, or how far an odds
            ratio lies from 1.
        threshold: where the claim's side begins, for shares that audits are tested for.
        suite: names of the suites, with or without parameter and settings, that the claim speaks of; empty: all.
    """

    text: str
    test: Literal["above", "change", "returns", "moves", "follows", "presses", "harms", "rewrites", "wins"]
    metric: Metric = "risk"
    strategy: list[str] = msgspec.field(default_factory=lambda: ["direct"])
    vary: Literal["strategy", "temperature", "model"] | None = None
    against: str | None = None
    direction: Direction = "up"
    margin: float = 0.0
    threshold: float = 0.0
    suite: list[str] = []

    def speaks_at(self, suite: str) -> bool:
        """Whether a suite is among those that the claim names."""
        return not self.suite or any(name in _names_of(suite) for name in self.suite)

    def speaks_of(self, strategy: str) -> bool:
        """Whether a cell's strategy is among those that the claim names."""
        return any(strategy == name or parse_spec(strategy).name == name for name in self.strategy)


def _names_of(suite: str) -> tuple[str, ...]:
    """What a claim may call a suite: ``a:b?c=d``, ``a:b``, ``a``."""
    return suite, suite.partition("?")[0], parse_spec(suite).name


class Study(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A study as its file has it.

    Attributes:
        name: of the study, as in `akrasia.studies.STUDIES`.
        question: what it asks, in one sentence.
        run: keys of a run configuration.
        figures: what is drawn.
        claim: what is concluded.
        pairwise: the judge that compares rewrites with their drafts, ``llm:MODEL``; None: the first of the run's judges
            that is a model.
    """

    name: str
    question: str
    run: dict[str, Any]
    claim: list[Claim]
    figures: list[FigureName] = []
    pairwise: str | None = None


def study_text(name: str) -> str:
    """The shipped file of a study, comments included.

    Raises:
        InputError: there is no such study.
    """
    if name not in STUDIES:
        raise InputError(f"unknown study {name!r}{near_names(name, list(STUDIES))}")
    return (files("akrasia.studies") / STUDIES[name]).read_text(encoding="utf-8")


def load_study(name: str, path: Path | None = None) -> Study:
    """A shipped study, or an edited copy of it.

    Args:
        name: of the study.
        path: the edited copy; None: the shipped file.

    Raises:
        InputError: an unknown study or key (with near names), a wrong type, or a file of another study.
    """
    shipped = study_text(name)
    where = f"study {name}" if path is None else f"study file {path}"
    study = build_study(msgspec.toml.decode(shipped) if path is None else read_config(path), where)
    if study.name != name:
        raise InputError(f'{where} is of study {study.name!r}, not {name!r}: run that, or set name = "{name}"')
    return study


def build_study(keys: Mapping[str, Any], where: str) -> Study:
    """A checked study from the keys of a TOML file.

    Raises:
        InputError: as `load_study`; [run] itself is checked by `configure`.
    """
    _refuse_unknown(keys, Study.__struct_fields__, where)
    claims = keys.get("claim")
    for number, claim in enumerate(claims if isinstance(claims, list) else [], start=1):
        if isinstance(claim, dict):
            _refuse_unknown(claim, Claim.__struct_fields__, f"[[claim]] number {number} of {where}")
    try:
        study = msgspec.convert(keys, Study)
    except msgspec.ValidationError as error:
        raise InputError(f"{where}: {_readable(str(error))}") from None
    if not study.claim:
        raise InputError(f"{where} claims nothing: give at least one [[claim]]")
    for claim in study.claim:
        _check_claim(claim, f"{where}, claim {claim.text!r}")
    return study


def configure(study: Study, flags: Mapping[str, Any]) -> RunConfig:
    """The run of a study, with the user's flags over the file's keys.

    Votes over more candidates than a given number of samples are left out.

    Raises:
        InputError: as `build_config`, a claim names a suite that neither the file nor a flag has, the run holds
            nothing that some claim speaks of, or no suite that any does.
    """
    keys = {**study.run, **flags}
    if "samples" in flags and "strategy" not in flags:
        keys["strategy"] = [text for text in _listed(keys.get("strategy")) if not _votes_above(text, flags["samples"])]
    if any(claim.vary == "model" for claim in study.claim) and len(_listed(keys.get("model"))) < 2:
        raise InputError(
            f"study {study.name} compares stages: name at least two models in order (--model BASE --model SFT ...)"
        )
    config = build_config(keys, f"[run] of study {study.name}")
    if config.until_width is not None:
        raise InputError(f"[run] of study {study.name}: until_width has no use here; give samples and limit")
    in_file = [str(suite) for suite in _listed(study.run.get("suite"))]
    for claim in study.claim:
        _check_suites(claim, config, in_file, f"study {study.name}, claim {claim.text!r}")
    if len(left_out(study, config)) == len(study.claim):
        named = dict.fromkeys(name for claim in study.claim for name in claim.suite)
        raise InputError(
            f"study {study.name}: no claim speaks of a suite of the run; they speak of {', '.join(named)}: add it with "
            "--suite, or claim something else in an edited copy (--print-config, --config)"
        )
    for claim in study.claim:
        _check_reach(claim, config, f"study {study.name}, claim {claim.text!r}")
    return config


def left_out(study: Study, config: RunConfig) -> tuple[Claim, ...]:
    """The claims that have no row, since flags took away every suite that they speak of."""
    return tuple(claim for claim in study.claim if not any(claim.speaks_at(suite) for suite in config.suite))


def _votes_above(strategy: object, samples: int) -> bool:
    name, _, number = str(strategy).partition(":")
    return name in ("self_consistency", "best_of_n") and number.isdecimal() and int(number) > samples


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _readable(message: str) -> str:
    """Invalid enum value 'rsk' - at `$.claim[0].metric` → [[claim]] number 1: unknown metric 'rsk'; known: …."""
    match = re.fullmatch(r"(?:Invalid enum value '(.*)'|(.*)) - at `\$\.(?:claim\[(\d+)\]\.?)?(.*)`", message)
    if match is None:
        return message
    value, said, number, path = match.groups()
    key = path.partition("[")[0]
    place = "" if number is None else f"[[claim]] number {int(number) + 1}: "
    if value is not None:
        return f"{place}unknown {key} {value!r}{near_names(value, _choices(key))}"
    return f"{place}{path}{': ' if path else ''}{said[0].lower()}{said[1:]}"


def _choices(key: str) -> list[str]:
    """What a key may say, where it chooses from a list."""
    asked = [{**get_type_hints(Study), **get_type_hints(Claim)}[key]]
    found: list[str] = []
    while asked:
        kind = asked.pop()
        found += [one for one in get_args(kind) if isinstance(one, str)]
        asked += [one for one in get_args(kind) if not isinstance(one, str)]
    return found


def _refuse_unknown(keys: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in keys:
        if key not in known:
            raise InputError(f"unknown key {key!r} in {where}{near_names(str(key), list(known))}")


def _check_claim(claim: Claim, where: str) -> None:
    if (claim.test == "change") != (claim.vary is not None):
        raise InputError(f'{where}: vary belongs to test = "change", and there it is needed')
    if (claim.vary == "strategy" or claim.test in ("moves", "follows")) != (claim.against is not None):
        raise InputError(
            f'{where}: against belongs to vary = "strategy", "moves" and "follows", and there it is needed'
        )
    if claim.test in VALUE_TESTS and claim.metric != "risk":
        raise InputError(f"{where}: test = {claim.test!r} has a metric of its own: leave metric out")
    if not 0 <= claim.margin < 1:
        raise InputError(f"{where}: margin is {claim.margin}: it is a utility, at least 0 and below 1")
    if not 0 <= claim.threshold < 1 or (claim.threshold and claim.test not in AUDIT_TESTS):
        raise InputError(
            f"{where}: threshold is {claim.threshold}: a share, of the tests {', '.join(AUDIT_TESTS)} alone"
        )
    for name in claim.strategy:
        if parse_spec(name).name not in STRATEGIES:
            raise InputError(f"{where}: unknown strategy {name!r}{near_names(name, STRATEGIES.names())}")
    if claim.test == "above" and (claim.direction != "up" or claim.metric == "pool_risk"):
        raise InputError(f'{where}: test = "above" takes direction "up" and metric deployed, reachable or risk')


def _check_suites(claim: Claim, config: RunConfig, in_file: list[str], where: str) -> None:
    """A suite that is nowhere would take its rows out of the table, and no reader would miss them."""
    known = list(dict.fromkeys([*in_file, *config.suite]))
    for name in claim.suite:
        if not any(name in _names_of(suite) for suite in known):
            raise InputError(f"{where}: [run] has no suite {name!r}{near_names(name, known)}")


def _check_reach(claim: Claim, config: RunConfig, where: str) -> None:
    found = [text for text in config.strategy if claim.speaks_of(text) and text != claim.against]
    if not found:
        raise InputError(f"{where}: [run] has no strategy {' or '.join(claim.strategy)} to speak of")
    if claim.against is not None and claim.against not in config.strategy:
        raise InputError(f"{where}: [run] has no strategy {claim.against!r} to compare with")
    if claim.vary == "temperature" and len(config.temperature) < 2:
        raise InputError(f"{where}: [run] has one temperature: add another, or leave the claim out")
    if claim.test in VALUE_TESTS:
        if not config.judge:
            raise InputError(f"{where}: judges read what it speaks of: name one with --judge encoder, or llm:MODEL")
        if claim.test in AUDIT_TESTS:
            _check_arms(found, config, where)
        if claim.against is not None and "slow" not in config.strategy:
            raise InputError(f'{where}: edits are of the reasoning of slow: add "slow" to strategy')
        if claim.test == "moves" and claim.against == "slow" and config.samples < 2:
            raise InputError(
                f"{where}: what an edit moves is held against two draws of slow, and samples is {config.samples}: give "
                "--samples 2 or more"
            )
        return
    if claim.metric != "deployed" and "direct" not in config.strategy:
        raise InputError(f'{where}: {claim.metric} is measured against direct draws: add "direct" to strategy')
    if claim.test == "returns" and any(not parse_spec(text).parameter.isdecimal() for text in found):
        raise InputError(f"{where}: a curve over lengths needs strategies with a length, such as budget_forced:64")
    names = [parse_spec(text).name for text in found]
    if claim.test == "returns" and any(names.count(name) < 2 for name in names):
        raise InputError(f"{where}: a curve over lengths needs at least two of them, and [run] has {', '.join(found)}")


def _check_arms(arms: list[str], config: RunConfig, where: str) -> None:
    """What an audit changes is told against the drafts, which must have been judged too."""
    from akrasia.studies.audit_arms import inner_of

    for text in arms:
        inner = inner_of(text)
        if inner is None:
            raise InputError(f"{where}: {text} audits nothing: name audited strategies")
        if inner not in config.strategy:
            raise InputError(f'{where}: the drafts of {text} are those of {inner}: add "{inner}" to strategy')
