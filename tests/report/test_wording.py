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
    assert "nothing could be measured" in wording.headline(cell(deployed=None, reachable=None, risk=None))


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
