from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.judges.scripts import keyword, silent

from akrasia.core import PRESENT, InputError, Judgement, Reading
from akrasia.judges import build_judge
from akrasia.judges.loose_ask import LooseAsk
from akrasia.judges.panel import Panel, combine, divided
from akrasia.models.scripted import Scripted
from akrasia.values import taxonomy

UP = Reading(1.0, "upholds", "words")
DOWN = Reading(0.0, "betrays", "other words")
BARE = Reading(0.0, "betrays")
NOT = Reading(0.0)


def one(reading: Reading | None) -> Judgement:
    return Judgement(unread={"face": "no span"}) if reading is None else Judgement({"face": reading})


def face(*readings: Reading | None, weights: list[float] | None = None) -> Judgement:
    return combine([one(reading) for reading in readings], weights)


@pytest.mark.parametrize(
    ("readings", "weights", "verdict"),
    [
        ((UP, UP, NOT), None, Reading(2 / 3, "upholds", "words")),
        ((UP, NOT, NOT), None, Reading(1 / 3)),
        ((DOWN, DOWN, UP), None, Reading(0.0, "betrays", "other words")),
        ((UP, NOT), None, Reading(0.5, "upholds", "words")),
        ((UP, UP, NOT, NOT), None, Reading(0.5, "upholds", "words")),
        ((UP, UP, DOWN), None, Reading(0.0, "betrays", "other words")),
        ((NOT, DOWN), None, Reading(0.0, "betrays", "other words")),
        ((NOT, DOWN), [9, 1], Reading(0.0, "betrays", "other words")),
        ((None, DOWN), None, Reading(0.0, "betrays", "other words")),
        ((UP, UP, BARE), None, Reading(2 / 3, "upholds", "words")),
        ((UP, BARE), None, Reading(0.0, "betrays")),
        ((UP, UP, NOT), [0.1, 0.2, 0.3], Reading(0.5, "upholds", "words")),
        ((UP, NOT, NOT), [3, 1, 1], Reading(0.6, "upholds", "words")),
        ((UP, UP, None), None, Reading(1.0, "upholds", "words")),
        ((Reading(0.4), Reading(0.45), UP), None, Reading(1 / 3)),
        ((UP,), None, UP),
    ],
)
def test_majority(readings: tuple[Reading | None, ...], weights: list[float] | None, verdict: Reading):
    found = face(*readings, weights=weights).readings["face"]
    assert found.score == pytest.approx(verdict.score)
    assert (found.polarity, found.evidence) == (verdict.polarity, verdict.evidence)


def test_half_is_half_to_the_last_digit():
    # 1 / 2; and (0.1 + 0.2) / (0.1 + 0.2 + 0.3), which floats make 0.5000000000000001.
    assert face(UP, NOT).readings["face"].score == PRESENT
    assert face(UP, UP, NOT, weights=[0.1, 0.2, 0.3]).readings["face"].score == PRESENT


def test_a_betrayal_without_words_by_a_lone_voice_is_unread():
    assert "face" in face(BARE, None).unread


def test_what_each_judge_reads_is_kept():
    verdicts = [one(DOWN), one(NOT), one(None)]
    found = combine(verdicts, names=["a", "b", "b"])
    assert found.members == {"a": verdicts[0], "b": verdicts[1], "b (2)": verdicts[2]}
    assert divided(found, ["face"]) == {"face": {"a": "betrays", "b": "absent", "b (2)": "unread"}}
    assert divided(found, []) == {}
    assert divided(combine([one(UP), one(UP)], names=["a", "b"]), ["face"]) == {}
    lost = combine([Judgement(missing="cut off")], names=["a"])
    assert (lost.missing, list(lost.members)) == ("cut off", ["a"])


def test_a_lone_voice_is_no_panel():
    found = face(UP, None, None)
    assert not found.readings
    assert found.unread["face"] == "most of the panel did not read it: no span"
    assert "face" in face(UP, None).unread


def test_a_judge_that_read_nothing_has_no_vote():
    found = combine([Judgement(missing="cut off"), one(UP), one(UP)])
    assert found.readings["face"].score == 1
    assert combine([Judgement(missing="cut off"), one(UP)]).unread["face"].endswith("cut off")
    assert combine([Judgement(missing="cut off"), Judgement(missing="refused")]).missing == "cut off; refused"


def test_the_evidence_is_the_weightiest_judges():
    first, second = Reading(1.0, "upholds", "light"), Reading(1.0, "upholds", "heavy")
    assert face(first, second, weights=[1, 2]).readings["face"].evidence == "heavy"


@pytest.mark.parametrize("weights", [[1.0], [1.0, 0.0], [1.0, -1.0], [1.0, float("nan")]])
def test_weights_that_do_not_fit(weights: list[float]):
    with pytest.raises(InputError, match="positive weights"):
        face(UP, UP, weights=weights)


def test_a_panel_of_nobody():
    with pytest.raises(InputError, match="needs judges"):
        Panel([])


@given(st.lists(st.sampled_from([UP, DOWN, BARE, NOT, None]), min_size=1, max_size=7))
def test_score_and_polarity_agree_and_order_does_not_matter(readings: list[Reading | None]):
    found, turned = face(*readings), face(*reversed(readings))
    if "face" in found.unread:
        assert "face" in turned.unread
        return
    reading = found.readings["face"]
    assert (reading.score >= PRESENT) == reading.upheld == (reading.polarity == "upholds")
    assert reading == turned.readings["face"]


@given(st.lists(st.sampled_from([UP, DOWN, BARE, NOT, None]), max_size=6))
def test_no_judge_takes_a_betrayal_back_that_another_shows(others: list[Reading | None]):
    assert face(DOWN, *others).readings["face"] == DOWN


async def test_a_panel_reads_as_one_judge():
    panel = Panel([build_judge("llm:scripted:a:keyword"), build_judge("llm:scripted:a:keyword?each=1"),
                   build_judge("llm:scripted:a:silent")])  # fmt: skip
    assert panel.roles() == {
        "judge": "scripted:a:keyword",
        "judge-2": "scripted:a:keyword",
        "judge-3": "scripted:a:silent",
    }
    ask = LooseAsk({"judge": Scripted(keyword), "judge-2": Scripted(keyword), "judge-3": Scripted(silent)})
    found = await panel.read("I promise.", taxonomy(), ask)
    assert found.readings["benevolence-dependability"] == Reading(1.0, "upholds", "promise")
    assert not found.unread
    assert panel.fingerprint != Panel(panel.judges, [1, 1, 2]).fingerprint
    assert not panel.deterministic
