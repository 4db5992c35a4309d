from __future__ import annotations

import pytest
from tests.report.cells import cell

from akrasia.report import wording
from akrasia.report.content import Interval, ItemChoice, ItemRow


@pytest.mark.parametrize(
    ("utility", "signed", "text"),
    [
        (0.3124, False, "31.2"),
        (1.0, False, "100.0"),
        (-0.02, True, "−2.0"),
        (0.05, True, "+5.0"),
        (-0.0001, False, "0.0"),
        (None, False, "undefined"),
    ],
)
def test_points(utility: float | None, signed: bool, text: str) -> None:
    assert wording.points(utility, signed=signed) == text


def test_an_interval_without_ends_shows_its_value_alone() -> None:
    assert wording.with_bounds(Interval(0.5)) == "50.0"
    assert wording.with_bounds(Interval(0.5, 0.4, 0.6)) == "50.0 [40.0, 60.0]"
    assert wording.with_bounds(None) == "undefined"


def test_headline_of_a_draw_against_its_own_pool() -> None:
    assert wording.headline(cell()) == (
        "smollm2, drawing once at T = 1, loses 31.2 [27.0, 35.4] points of utility on arithmetic:sum against the best "
        "of its own 16 candidates."
    )


@pytest.mark.parametrize(
    ("strategy", "temperature", "doing"),
    [
        ("greedy", 0.0, "decoding greedily"),
        ("slow", 1.0, "reasoning first and then acting at T = 1"),
        ("budget_forced:64", 1.0, "with the strategy budget_forced:64 at T = 1"),
    ],
)
def test_headline_against_the_direct_draws(strategy: str, temperature: float, doing: str) -> None:
    said = wording.headline(cell(strategy=strategy, temperature=temperature, own_pool=False))
    assert said.startswith(f"smollm2, {doing}, loses 31.2")
    assert said.endswith("against the best of 16 direct draws and its own choice.")


def test_headline_of_a_choice_among_the_direct_draws() -> None:
    vote = wording.headline(cell(strategy="self_consistency:8", temperature=0.7, own_pool=False))
    assert vote.startswith("smollm2, committing to the majority answer of 8 draws at T = 0.7, loses 31.2")
    assert vote.endswith("against the best of 16 direct draws.")
    assert "of 24 direct draws." in wording.headline(cell(strategy="self_consistency:24", own_pool=False))
    few, all_of_them = (cell(strategy=f"best_of_n:{n}", own_pool=False) for n in (8, 16))
    assert "loses 31.2" in wording.headline(few)
    assert wording.headline(all_of_them) == (
        "smollm2, committing to the best of 16 draws at T = 1, as the utility itself ranks them, earns 33.1 "
        "[29.1, 37.1] points of utility on arithmetic:sum; against the best of 16 direct draws it loses nothing, by "
        "definition."
    )


def test_an_undefined_risk_is_said_and_never_zero() -> None:
    said = wording.headline(cell(risk=None))
    assert "33.1 [29.1, 37.1]" in said
    assert "not defined" in said
    assert "loses" not in said
    undefined = {"deployed": None, "reachable": None, "risk": None}
    assert "nothing could be measured" in wording.headline(cell(**undefined, success=(None, None)))
    assert "no figure has a value" in wording.headline(cell(**undefined, success=(None, 0.5)))


def test_one_candidate_says_nothing_about_risk() -> None:
    assert "leaves nothing to compare it with" in wording.headline(cell(k=1, risk=Interval(0.0, 0.0, 0.0)))


def test_nothing_is_ever_called_optimal() -> None:
    said = [wording.headline(cell()), wording.reading(cell()), *(wording.stage_note(cell(), s) for s in ("reachable",))]
    assert not any("optimal" in text.lower() for text in said)


def test_the_choice_of_items_is_told() -> None:
    rows = tuple(
        ItemRow(id=str(n), prompt="", target=None, deployed=0.0, best=0.0, mean=0.0, candidates=(), drawn=n > 2)
        for n in range(5)
    )
    assert wording.shown_note(ItemChoice(rows, 5, 0)) == "All 5 items, by falling loss."
    # 5 of 9 rows are shown; n = 3 and 4 were drawn.
    assert wording.shown_note(ItemChoice(rows, 9, 7)) == (
        "5 of 9 items, by falling loss: the 3 with the largest loss and 2 of the others, drawn at random (seed 7). "
        "The run's store has them all."
    )


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("local:smollm2", "smollm2"),
        ("openai:gpt@https://example.com/v1", "gpt"),
        ("inspect:openai/gpt", "openai/gpt"),
        ("plain", "plain"),
    ],
)
def test_model_names(model: str, name: str) -> None:
    assert wording.model_name(model) == name


@pytest.mark.parametrize(
    ("message", "sentence"),
    [("half of them", "Half of them."), ("best_of_n chose", "best_of_n chose."), ("Done.", "Done.")],
)
def test_messages_become_sentences(message: str, sentence: str) -> None:
    assert wording.sentence(message) == sentence


HAD = (Interval(0.812), Interval(1.0), Interval(0.188))
"""Deployed, reachable and risk as a verifier had them."""


def test_figures_that_labels_correct_stand_beside_those_of_the_verifier() -> None:
    whole = cell(corrected=("deployed", "reachable", "risk"), raw=HAD)
    assert "uncorrected" not in wording.headline(whole)
    said = wording.reading(whole)
    assert said.startswith("By the utility numeric, corrected by labels, it earns 33.1 of 100 points where 64.3 were")
    assert said.endswith("Uncorrected: deployed 81.2, reachable 100.0, risk 18.8.")
    # Off deployed 81.2 − 33.1, off reachable 100 − 64.3, off risk 18.8 − 31.2.
    assert wording.moved_by_gold(whole) == "deployed 48.1, reachable 35.7, risk −12.4"
    assert wording.stages_note([whole]) == " All stages are corrected by the labels."


def test_a_sentence_has_figures_of_one_kind() -> None:
    part = cell(corrected=("reachable",), raw=(Interval(0.331), Interval(0.81), Interval(0.479)), risk=Interval(0.479))
    assert "47.9 points of utility (not corrected by the labels) on" in wording.headline(part)
    # 33.1 + 47.9 = 81.0: reachable as the verifier had it, like the other two.
    assert wording.reading(part).endswith(
        "it earns 33.1 of 100 points where 81.0 were reachable with 16 candidates; the other 19.0 lie beyond what was "
        "drawn. The labels correct reachable alone, to 64.3."
    )
    assert wording.moved_by_gold(part) == "reachable 16.7"
    left = cell(corrected=(), label="greedy")
    assert wording.reading(left).endswith("The labels correct none of these figures; the diagnostics say why.")
    assert "all stages are as the verifier had them" in wording.stages_note([left]).lower()
    assert wording.stages_note([cell(corrected=("deployed",)), left]).endswith("are the stages of: greedy.")
    assert wording.stages_note([cell()]) == wording.moved_by_gold(cell()) == ""
