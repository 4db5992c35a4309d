"""Runs of the adaptive strategy rest on a prior's file, and say so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from tests.runs.conftest import records

import akrasia
from akrasia.core import Fingerprint, InputError
from akrasia.risk import Prior
from akrasia.strategies.prior_file import PriorFile, Provenance, Verifier, prior_hash, read_prior, write_prior

Write = Callable[[int], str]
COIN = Prior((0.0, 1.0), (0.5,), (1.0,), ((0.5, 0.5),))


def test_another_prior_is_another_run(tmp_path: Path, suite_file: Write) -> None:
    came = Provenance("cell", "s", "f", Fingerprint("m", "", ""), None, "", 50, 12, 0, "0.1.0")
    path = tmp_path / "prior.json"
    file = PriorFile(verifier=Verifier("numeric"), prior=COIN, provenance=came)
    write_prior(file, path)
    suite = suite_file(3)

    def go(samples: int) -> None:
        akrasia.run(
            tmp_path / "run",
            model="scripted:tests.runs.scripts:half",
            suite=suite,
            strategy=f"adaptive:{path}?cost=0.1&most=4",
            samples=samples,
        )

    go(2)
    recorded = akrasia.load_run(tmp_path / "run").manifest.strategies
    assert recorded == {f"adaptive:{path}?cost=0.1&most=4": prior_hash(read_prior(path))}
    path.write_bytes(path.read_bytes().replace(b"\n", b" "))  # laid out otherwise, and the same
    go(3)
    before = records(tmp_path / "run")
    write_prior(msgspec.structs.replace(file, prior=msgspec.structs.replace(COIN, chances=((0.9, 0.1),))), path)
    with pytest.raises(InputError, match=r"the prior of strategy adaptive:.* has changed since"):
        go(4)
    assert records(tmp_path / "run") == before
