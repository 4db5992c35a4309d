"""Study files: those that ship, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from akrasia.core import InputError
from akrasia.runs.plan import Plan, load_suites
from akrasia.studies import STUDIES
from akrasia.studies.definition import build_study, configure, left_out, load_study, study_text

TWO = {"model": ["scripted:a:b", "scripted:c:d"]}


@pytest.mark.parametrize("name", STUDIES)
def test_every_shipped_study_can_be_run(name: str) -> None:
    study = load_study(name)
    config = configure(study, TWO)
    assert study.name == name
    assert study.figures
    assert Plan(config, load_suites(config)).candidates > 0


def test_an_edited_copy_takes_the_place_of_the_shipped_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(study_text("strategies").replace('"self_consistency:8"', '"self_consistency:3"'))
    config = configure(load_study("strategies", path), {"limit": 7})
    assert "self_consistency:3" in config.strategy
    assert config.limit == 7


def test_fewer_samples_leave_out_the_votes_that_they_cannot_fill() -> None:
    strategy = configure(load_study("strategies"), {"samples": 4}).strategy
    assert strategy == ["direct", "greedy", "self_consistency:2", "self_consistency:4"]
    with pytest.raises(InputError, match="no strategy self_consistency:4 or self_consistency:8"):
        configure(load_study("strategies"), {"samples": 3})


def keys(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.toml.decode(study_text("strategies"))
    for claim in found["claim"]:
        claim.update(changes.pop("claim", {}))
    return {**found, **changes}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"figure": []}, "unknown key 'figure' in here; did you mean 'figures'?"),
        ({"claim": {"margins": 0.1}}, "unknown key 'margins' in [[claim]] number 1 of here; did you mean 'margin'"),
        ({"claim": []}, "claims nothing"),
        ({"figures": ["risk_by_moon"]}, "here: unknown figures 'risk_by_moon'; did you mean 'risk_by_"),
        (
            {"claim": {"metric": "rsk"}},
            "number 1: unknown metric 'rsk'; did you mean 'risk' or 'pool_risk'? (known: deployed, pool_risk, re",
        ),
        ({"claim": {"vary": "moon"}}, "number 1: unknown vary 'moon'; known: model, strategy, temperature"),
        ({"claim": {"margin": "a"}}, "here: [[claim]] number 1: margin: expected `float`, got `str`"),
        ({"claim": {"text": 3}}, "here: [[claim]] number 1: text: expected `str`, got `int`"),
        ({"figures": 3}, "here: figures: expected `array`, got `int`"),
        ({"claim": {"strategy": ["direct", "gredy"]}}, "unknown strategy 'gredy'; did you mean 'greedy'"),
        ({"claim": {"margin": 2.0}}, "margin is 2.0"),
        ({"claim": {"vary": "strategy", "against": None}}, "against belongs to"),
    ],
)
def test_what_a_file_may_not_say(changed: dict[str, Any], said: str) -> None:
    whole = keys(**changed) if changed.get("claim") != [] else {**keys(), "claim": []}
    with pytest.raises(InputError) as refused:
        build_study(whole, "here")
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ({"smples": 3}, "did you mean 'samples'?"),
        ({"temperature": 0.5}, "has one temperature"),
        ({"strategy": ["direct", "greedy"]}, "no strategy self_consistency"),
        ({"strategy": ["greedy", "self_consistency:2"]}, "no strategy direct"),
        ({"until_width": 0.02}, "until_width has no use here"),
    ],
)
def test_a_run_must_hold_what_the_claims_speak_of(run: dict[str, Any], said: str) -> None:
    study = load_study("strategies")
    if "until_width" in run:
        study, run = load_study("widespread"), {**run, "suite": "arithmetic:sum"}
    with pytest.raises(InputError) as refused:
        configure(study, run)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("suites", "flags", "said"),
    [
        (["arithmetic:som"], {}, "[run] has no suite 'arithmetic:som'; did you mean 'arithmetic:sum'"),
        (
            ["arithmetic:sum", "x.jsnl"],
            {"suite": ["arithmetic:sum", "x.jsonl"]},
            "no suite 'x.jsnl'; did you mean 'x.j",
        ),
        (["nosuch"], {}, "[run] has no suite 'nosuch'; known: arithmetic:lcm"),
    ],
)
def test_a_claim_about_a_suite_that_is_not_there_is_refused(
    suites: list[str], flags: dict[str, Any], said: str
) -> None:
    study = build_study(keys(claim={"suite": suites}), "here")
    with pytest.raises(InputError) as refused:
        configure(study, flags)
    assert said in str(refused.value)


def test_claims_whose_suites_flags_take_away_are_named() -> None:
    study = load_study("audit")
    config = configure(study, {"suite": ["valdi"], "model": ["local:smollm2"]})
    (claim,) = left_out(study, config)
    assert claim.suite == ["valdi-benign"]
    assert left_out(study, configure(study, {"model": ["local:smollm2"]})) == ()
    with pytest.raises(InputError, match="they speak of valdi, valdi-benign: add it with --suite"):
        configure(study, {"suite": ["x.jsonl"]})


@pytest.mark.parametrize("name", ["arithmetic", "arithmetic:sum", "arithmetic:sum?high=12"])
def test_a_claim_names_a_suite_with_or_without_what_follows(name: str) -> None:
    study = build_study(keys(claim={"suite": [name]}), "here")
    configure(study, {"suite": ["arithmetic:sum?high=12", "arithmetic:lcm"]})
    (first, *_) = study.claim
    assert first.speaks_at("arithmetic:sum?high=12")
    assert first.speaks_at("arithmetic:lcm") is (name == "arithmetic")


def test_a_curve_needs_two_lengths() -> None:
    study = load_study("length")
    curve = msgspec.structs.replace(study, claim=[claim for claim in study.claim if claim.test == "returns"])
    with pytest.raises(InputError, match=r"needs at least two of them, and \[run\] has budget_forced:64"):
        configure(curve, {"strategy": ["direct", "budget_forced:64"]})


def test_alignment_needs_two_stages() -> None:
    with pytest.raises(InputError, match="at least two models in order"):
        configure(load_study("alignment"), {"model": ["local:smollm2"]})


def test_an_unknown_study_is_answered_with_near_names() -> None:
    with pytest.raises(InputError, match="did you mean 'length'"):
        load_study("lenght")


def test_a_file_of_another_study_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(study_text("length"))
    with pytest.raises(InputError, match="is of study 'length', not 'widespread'"):
        load_study("widespread", path)
