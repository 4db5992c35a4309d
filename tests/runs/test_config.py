from __future__ import annotations

from math import inf, nan
from pathlib import Path

import pytest

from akrasia.core import InputError
from akrasia.runs.config import build_config, read_config
from akrasia.runs.manifest import read as read_manifest
from akrasia.runs.prices import Prices

GIVEN = {"model": "local:smollm2", "suite": "arithmetic:sum"}

REFUSED = {
    "unknown key, near": ({"sample": 4}, "unknown key 'sample' in here; did you mean 'samples'?"),
    "unknown key, far": ({"zzz": 4}, "unknown key 'zzz' in here; known keys: model"),
    "wrong type": ({"samples": "many"}, "here: samples: expected `int`, got `str`"),
    "no candidates": ({"samples": 0}, "here: samples is 0: it must be from 1 to 4096"),
    "too many candidates": ({"samples": 4097}, "here: samples is 4097"),
    "negative limit": ({"limit": -1}, "here: limit is -1: it must be at least 1"),
    "no model": ({"model": []}, "here: no model is given: name at least one with --model"),
    "twice": ({"model": ["a", "a"]}, "here: model names the same thing twice: a, a"),
    "temperature": ({"temperature": -0.5}, "here: temperature must be from 0 to 10"),
    "negative seed": ({"seed": -1}, "here: seed must not be negative"),
    "top_p": ({"top_p": 0.0}, "here: top_p is 0.0"),
    "no price": ({"max_cost": 1.0}, "here: max_cost needs a price file"),
    "engine": ({"engine": "warp"}, "here: unknown engine 'warp'; known: local"),
    "no time": ({"timeout_s": 0.0}, "here: timeout_s is 0.0: it must be positive"),
    "a seed that the store cannot hold": ({"seed": 2**63}, f"here: seed is {2**63}: it must be at most {2**63 - 1}"),
    "a limit that nothing can count to": ({"limit": 10**20}, "here: limit is 1000"),
    "too much at once": ({"concurrency": 10_001}, "here: concurrency is 10001: it must be at most 10000"),
    "no number, budget": ({"max_cost": nan, "prices": "p.toml"}, "here: max_cost is nan: give a finite number"),
    "no end, budget": ({"max_cost": inf, "prices": "p.toml"}, "here: max_cost is inf: give a finite number"),
    "no number, time": ({"timeout_s": nan}, "here: timeout_s is nan: give a finite number"),
    "no number, temperature": ({"temperature": [0.5, nan]}, "here: temperature is nan: give a finite number"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    keys, message = REFUSED[case]
    with pytest.raises(InputError) as error:
        build_config({**GIVEN, **keys}, "here")
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_one_thing_or_a_list() -> None:
    config = build_config({**GIVEN, "seed": [0, 1], "temperature": 0.5})
    assert config.model == ["local:smollm2"]
    assert config.seed == [0, 1]
    assert config.temperature == [0.5]


def test_file_and_flags_share_one_schema(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('model = "local:smollm2"\nsuite = ["arithmetic:sum"]\nsamples = 16\n')
    assert build_config(read_config(path)) == build_config({**GIVEN, "samples": 16})


def test_broken_file(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("model = \n")
    with pytest.raises(InputError, match=r"run\.toml: not valid TOML"):
        read_config(path)
    path.write_text(f"samples = {'[' * 3000}")
    with pytest.raises(InputError, match=r"run\.toml: nested too deeply"):
        read_config(path)
    with pytest.raises(InputError, match="No such file"):
        read_config(tmp_path / "absent.toml")


def test_a_file_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes('model = "modèle"\n'.encode("latin-1"))
    with pytest.raises(InputError, match=r"run\.toml: not UTF-8 text: save the file as UTF-8"):
        read_config(path)
    with pytest.raises(InputError, match=r"run\.toml .*: not UTF-8 text: save the file as UTF-8"):
        read_manifest(tmp_path)


def test_prices_that_are_no_prices(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_bytes('[[price]]\nmodel = "modèle"\ninput = 1\noutput = 1\n'.encode("latin-1"))
    with pytest.raises(InputError, match=r"prices\.toml: not UTF-8 text: save the file as UTF-8"):
        Prices.read(path)
    for key in ("input", "output", "cached_input"):
        for money in ("nan", "inf", "-0.5"):
            rest = "".join(f"{other} = 1\n" for other in ("input", "output") if other != key)
            path.write_text(f'[[price]]\nmodel = "m"\n{key} = {money}\n{rest}')
            with pytest.raises(InputError, match=rf"prices\.toml: {key} of 'm' is {money}: give what"):
                Prices.read(path)
