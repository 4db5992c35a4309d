"""The examples of docs/value-gap.md give what the page says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from tests.cli.test_run import akrasia

from akrasia.core import Reply
from akrasia.gap import Drawn, split
from akrasia.gap.results import Gap
from akrasia.gap.unlabelled import LIMIT, MATTERS, SURE
from akrasia.judges.llm_reply import read_reply
from akrasia.judges.ratings import read_ratings
from akrasia.values import taxonomy

PAGE = (Path(__file__).parents[2] / "docs" / "value-gap.md").read_text(encoding="utf-8")
PROSE = " ".join(PAGE.split())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the page's code has written its labels."""
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    return tmp_path


def test_the_output_on_the_page_is_the_command_s(folder: Path) -> None:
    (shown,) = re.findall(r"^\$ akrasia gap labels\.jsonl\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    result = akrasia("gap", "labels.jsonl", cwd=folder)
    assert (result.code, result.out, result.err) == (0, shown, "")


def test_the_fractions_in_the_text_are_those_of_the_transitions(folder: Path) -> None:
    record = json.loads(akrasia("gap", "labels.jsonl", "--json", cwd=folder).out)["modes"]
    fast, slow = (record[mode]["transitions"] for mode in ("fast", "slow"))
    stated = sum(number for bits, number in fast.items() if bits[0] == "1")
    acted = fast["1-1"] + fast["0-1"]
    kept = slow["111"] + slow["101"]
    for text in (
        f"retention {fast['1-1']}/{stated}",
        f"{fast['0-1']} were never stated: emergence {fast['0-1']}/{acted}",
        f"acts on {kept} of the {stated}, all by way of the reasoning: retention and survival {slow['111']}/{stated}",
        f"suppression {slow['110']}/{slow['110'] + slow['111']}",
    ):
        assert text in PROSE
    assert slow["101"] == 0
    habits = [f"{record[mode]['baseline']['macro_f1']['value']:.3f}" for mode in ("fast", "slow")]
    assert f"would earn {habits[0]} and {habits[1]}" in PROSE


def test_the_table_of_the_donor_correction() -> None:
    table = PAGE.partition("| of 19 values are stated |")[2].partition("\n\n")[0].splitlines()[2:]
    for line in table:
        said = [float(part.strip(" %")) for part in line.strip("|").split("|")]
        rng = np.random.default_rng(3)
        stated = (rng.random((800, 19)) < said[0] / 100).astype(float)
        actions = stated[:, None] * (rng.random((800, 4, 19)) < 0.5)
        found = split(Drawn(stated, actions), donors=64)
        assert found.corrected is not None
        assert found.loss.value == pytest.approx(said[1], abs=0.03)
        assert found.corrected.value / found.loss.value == pytest.approx(said[3], abs=0.05)


def test_the_forms_of_scripted_answers_are_read() -> None:
    rated, verdicts = re.findall(r"^```json\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    ids = list(json.loads(rated))
    ratings = read_ratings(rated, taxonomy(), ids)
    assert ratings.missing is None
    assert set(ratings.readings) == set(ids)
    judged = read_reply(Reply(text=verdicts), "Well, I may be wrong there.", taxonomy(), list(json.loads(verdicts)))
    assert {value: reading.polarity for value, reading in judged.readings.items()} == {
        "humility": "upholds",
        "face": None,
    }
    assert not judged.unread


def test_what_the_page_says_of_the_encoder_is_in_its_card() -> None:
    table = (Path(__file__).parents[2] / "docs" / "encoder-judge.md").read_text(encoding="utf-8")
    assert "read as upheld · as betrayed | 0.53 · 0.06 |" in table
    assert "read as betrayed · as upheld | 0.33 · 0.22 |" in table
    for share in ("reads 33 % of what betrays", "22 % of it as *upholding*", "it reads 6 % as betrayal"):
        assert share in PROSE


def test_the_page_names_every_figure_and_the_limits_of_the_correction() -> None:
    for name in Gap.__struct_fields__:
        if name in ("macro_f1", "retention", "survival", "suppression", "emergence", "kappa", "betrayed"):
            assert f"| {name.replace('_f1', '-F1')} |" in PAGE
    assert f"more than {LIMIT:.0%} of the cells".replace("%", " %") in PROSE
    assert f"({SURE:.1%}, and by more than {MATTERS:.0%} of".replace("%", " %") in PROSE
