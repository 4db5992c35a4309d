"""What the user asks of a run: flags and TOML files give the same record, and unknown keys are refused."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec

from akrasia.core import SAMPLE_STRIDE, InputError
from akrasia.core.decoding import Undecodable, decode_toml
from akrasia.models.build import MOST_AT_ONCE


class RunConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration of a run. The lists name things: the run is their product.

    Attributes:
        model, suite, strategy: who answers what, and how it deliberates; no strategy: what the suites ask for (see
            `akrasia.runs.plan.with_strategies`).
        temperature, seed: one cell each.
        judge: who judges: ``encoder`` or ``llm:MODEL``, MODEL as in ``model``. Several read value suites as a panel; a
            utility that asks a judge itself (preference) takes one, an ``llm:``.
        judge_repeats: how often a judge reads each text of a value suite; 2 or more tell its own noise.
        auditor: who audits in the strategy ``audited``, and steers with it: a judge, another one than in `judge`.
        planner, rewriter, guard: the models that mend what is audited; None: the model that wrote it.
        allow_same_judge: let one judge steer and evaluate; what comes of it is marked wherever it is shown.
        values: which values judges look for: a taxonomy's name, or a constitution's file.
        votes: how often a judge of preferences is asked about one candidate; even, so that both orders weigh equally.
        samples: candidates per item (K).
        limit: the first so many items of each suite; None: all.
        until_width: sample until the interval of the risk has this half-width, in utility; `samples` is then the depth
            at which an item that never succeeded is given up (64 unless given).
        max_tokens, top_p, stop: sampling settings; None leaves them to the suite, then to the endpoint.
        concurrency: calls in flight per endpoint; None: found while running.
        timeout_s: seconds that one call may take.
        max_cost, max_tokens_total: budgets that stop the run (resumable).
        prices: a price file.
        keep_raw: keep whole response bodies.
        logprobs: keep log-probabilities of the tokens, with so many alternatives each; None: none.
        retry_missing: ask again for candidates and measurements that earlier sittings left missing.
        allow_unsandboxed: run model-written code without a sandbox where there is none.
        engine: who carries the plan out.
    """

    model: list[str] = []
    suite: list[str] = []
    strategy: list[str] = []
    temperature: list[float] = msgspec.field(default_factory=lambda: [1.0])
    seed: list[int] = msgspec.field(default_factory=lambda: [0])
    judge: list[str] = []
    judge_repeats: int = 1
    auditor: str | None = None
    planner: str | None = None
    rewriter: str | None = None
    guard: str | None = None
    allow_same_judge: bool = False
    values: str = "schwartz-19"
    votes: int = 4
    samples: int = 8
    limit: int | None = None
    until_width: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    stop: list[str] | None = None
    concurrency: int | None = None
    timeout_s: float = 600.0
    max_cost: float | None = None
    max_tokens_total: int | None = None
    prices: str | None = None
    keep_raw: bool = False
    logprobs: int | None = None
    retry_missing: bool = False
    allow_unsandboxed: bool = False
    engine: str = "local"


FIRST_CANDIDATES = 4
"""Candidates of every item when sampling to a width: the mean and every pooled strategy rest on these alone."""

ONE_OR_MORE = ("model", "suite", "strategy", "temperature", "seed", "judge")
"""Keys that may hold one thing or a list of things."""

MOST_NUMBER = 2**63 - 1
"""The largest whole number that the store can hold."""

LISTS = ("model", "suite", "strategy", "temperature", "seed")
"""Those of them whose things make the cells; they may grow on resume."""

AUDIT_ROLES = ("planner", "rewriter", "guard")
"""Who mends what is audited; the keys are the roles under which they answer."""

AUDIT_KEYS = frozenset({"auditor", "allow_same_judge", *AUDIT_ROLES})
"""Keys that say who audits. They are of no account until a strategy does."""

MAY_CHANGE = frozenset(
    {
        "concurrency", "timeout_s", "max_cost", "max_tokens_total", "prices", "engine", "keep_raw", "retry_missing",
        "allow_unsandboxed",
    }
)  # fmt: skip
"""Keys that a resume may change freely: they change no candidate that is measured."""


def read_config(path: Path) -> dict[str, Any]:
    """The keys of a TOML configuration file, as they stand.

    Raises:
        InputError: it cannot be read, or is not TOML.
    """
    try:
        return decode_toml(path.read_bytes(), dict[str, Any])
    except OSError as error:
        raise InputError(
            f"cannot read the configuration {path}: {error.strerror}; give the path of a TOML file"
        ) from None
    except Undecodable as error:
        raise error.at(f"the configuration {path}") from None


def build_config(keys: Mapping[str, Any], where: str = "the configuration") -> RunConfig:
    """A checked configuration from keys and values.

    Args:
        keys: as in a TOML file; a key of `LISTS` may hold one thing or a list.
        where: what to name in messages; "" for options of a command, which name themselves.

    Raises:
        InputError: an unknown key (with near names), a wrong type, a value out of range.
    """
    known = RunConfig.__struct_fields__
    for key in keys:
        if key not in known:
            near = get_close_matches(str(key), known, n=2, cutoff=0.6)
            hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"known keys: {', '.join(known)}"
            raise InputError(f"unknown key {key!r} in {where or 'the options'}; {hint}")
    values = {
        key: [value] if key in ONE_OR_MORE and not isinstance(value, list) else value for key, value in keys.items()
    }
    if values.get("until_width") is not None:
        values.setdefault("samples", 64)
    try:
        config = msgspec.convert(values, RunConfig)
    except msgspec.ValidationError as error:
        raise InputError(f"{where}: {_readable(str(error))}" if where else _readable(str(error))) from None
    _check(config, where)
    return config


def _readable(message: str) -> str:
    """'Expected `int`, got `str` - at `$.samples`' → 'samples: expected `int`, got `str`'."""
    match = re.match(r"(.*) - at `\$\.?(.*)`$", message)
    return f"{match[2]}: {match[1][0].lower()}{match[1][1:]}" if match else message


def _check(config: RunConfig, where: str) -> None:
    def refuse(what: str) -> InputError:
        return InputError(f"{where}: {what}" if where else what)

    _check_numbers(config, refuse)
    for key in LISTS:
        things = getattr(config, key)
        if not things and key != "strategy":
            raise refuse(f"no {key} is given: name at least one with --{key}")
        if len(set(things)) != len(things):
            raise refuse(f"{key} names the same thing twice: {', '.join(map(str, things))}")
    if len(set(config.judge)) != len(config.judge):
        raise refuse(f"judge names the same one twice: {', '.join(config.judge)}")
    if config.judge_repeats < 1:
        raise refuse(f"judge_repeats is {config.judge_repeats}: it must be at least 1")
    if not 1 <= config.samples <= SAMPLE_STRIDE:
        raise refuse(f"samples is {config.samples}: it must be from 1 to {SAMPLE_STRIDE}")
    if config.votes < 2 or config.votes % 2:
        raise refuse(f"votes is {config.votes}: it must be even and at least 2, so that both orders weigh equally")
    if config.limit is not None and config.limit < 1:
        raise refuse(f"limit is {config.limit}: it must be at least 1 (leave it out for all items)")
    if any(not 0 <= t <= 10 for t in config.temperature):
        raise refuse(f"temperature must be from 0 to 10, got {', '.join(map(str, config.temperature))}")
    if any(seed < 0 for seed in config.seed):
        raise refuse("seed must not be negative")
    for key in ("max_tokens", "concurrency", "timeout_s", "max_tokens_total", "max_cost"):
        value = getattr(config, key)
        if value is not None and value <= 0:
            raise refuse(f"{key} is {value}: it must be positive")
    if config.concurrency is not None and config.concurrency > MOST_AT_ONCE:
        raise refuse(f"concurrency is {config.concurrency}: it must be at most {MOST_AT_ONCE}")
    if config.top_p is not None and not 0 < config.top_p <= 1:
        raise refuse(f"top_p is {config.top_p}: it must be above 0 and at most 1")
    if config.logprobs is not None and not 0 <= config.logprobs <= 20:
        raise refuse(f"logprobs is {config.logprobs}: it must be from 0 to 20")
    if config.max_cost is not None and config.prices is None:
        raise refuse("max_cost needs a price file: give --prices FILE.toml (an unknown price is never counted as 0)")
    if config.until_width is not None:
        _check_until_width(config, refuse)
    if config.engine != "local":
        raise refuse(f"unknown engine {config.engine!r}; known: local")


def _check_numbers(config: RunConfig, refuse: Callable[[str], InputError]) -> None:
    """No key takes a number that compares with nothing, or one that the store cannot hold."""
    for key in config.__struct_fields__:
        given = getattr(config, key)
        for value in given if isinstance(given, list) else [given]:
            if isinstance(value, float) and not math.isfinite(value):
                raise refuse(f"{key} is {value}: give a finite number, or leave it out")
            if isinstance(value, int) and abs(value) > MOST_NUMBER:
                raise refuse(f"{key} is {value}: it must be at most {MOST_NUMBER}")


def _check_until_width(config: RunConfig, refuse: Callable[[str], InputError]) -> None:
    if not 0 < config.until_width < 0.5:  # type: ignore[operator]  # the caller saw that it is set
        raise refuse(f"until_width is {config.until_width}: it is a half-width in utility, between 0 and 0.5")
    if config.samples <= FIRST_CANDIDATES:
        raise refuse(
            f"until_width needs samples above {FIRST_CANDIDATES}: items that never succeed are followed that far"
        )
    if config.retry_missing:
        raise refuse("retry_missing has no use with until_width, which draws others in place of missing candidates")
    several = [key for key in ("model", "suite", "temperature", "seed") if len(getattr(config, key)) > 1]
    if several:
        raise refuse(f"until_width samples one cell: give one {several[0]}")
    live = [
        text for text in config.strategy if text.partition(":")[0] not in ("direct", "self_consistency", "best_of_n")
    ]
    if live:
        raise refuse(f"until_width samples direct draws: leave out strategy {live[0]!r}")
