from __future__ import annotations

import pytest
from tests.strategies.asking import PlainAsk

from akrasia.core import CallRefused, Candidate, InputError, Item, Message, Request, sample_of
from akrasia.core.cell import candidate_seed, seed_elsewhere
from akrasia.models.scripted import Scripted
from akrasia.prompts import prompt
from akrasia.prompts.tasks import TASK_PROMPTS
from akrasia.strategies import Live, build_strategy
from akrasia.strategies.edited import EDITS, NEAREST, REVERSE, Donors, truncate
from akrasia.suites import load_suite
from akrasia.suites.valdi_rules import wording_faults

NOTES = "First there is {name}. Then {notes}. She might mind. I lean to yes."


def item(number: int, family: str, domain: str = "work") -> Item:
    metadata = {"addressee": "Ileana", "domain": domain}
    return Item(f"i{number}", (Message("user", f"Situation {number}."),), cluster=family, metadata=metadata)


ITEMS = [item(0, "a"), item(1, "b"), item(2, "x", "money"), item(3, "a"), item(4, "c")]


def think(request: Request) -> str:
    """Reasons in four sentences, reverses them, and acts by saying which reasoning it was shown."""
    first, last = request.messages[0].content, request.messages[-1].content
    if last.startswith(prompt(REVERSE)[:40]):
        return "I lean to no, for " + last.rpartition("Notes:\n")[2][:5]
    if prompt(TASK_PROMPTS["reason"][0]).partition("{")[0] in last:
        return NOTES.replace("{name}", f"{first.partition('.')[0]} draw {sample_of(request.seed)}")
    return f"shown: {request.messages[1].content}" if len(request.messages) > 1 else "shown nothing"


async def edited(edit: str, ask: PlainAsk, position: int = 0, samples: tuple[int, ...] = (0,)) -> list[Candidate]:
    strategy = build_strategy(f"edited:{edit}")
    assert isinstance(strategy, Live)
    return await strategy.for_items(ITEMS)(ITEMS[position], samples, ask)


def own(position: int, sample: int = 0) -> str:
    return NOTES.replace("{name}", f"Situation {position} draw {sample}")


@pytest.mark.parametrize(
    ("edit", "shown", "labels"),
    [
        ("kept", own(0), ["reason", "act"]),
        ("removed", None, ["act"]),
        ("reversed", "I lean to no, for First", ["reason", "reverse", "act"]),
        # Four sentences: 1, 2 and 3 of them.
        ("truncated-25", "First there is Situation 0 draw 0.", ["reason", "act"]),
        ("truncated-50", "First there is Situation 0 draw 0. Then {notes}.", ["reason", "act"]),
        ("truncated-75", "First there is Situation 0 draw 0. Then {notes}. She might mind.", ["reason", "act"]),
    ],
)
async def test_the_action_is_shown_the_edited_reasoning(edit: str, shown: str | None, labels: list[str]) -> None:
    ask = PlainAsk(Scripted(think))
    (made,) = await edited(edit, ask)
    assert ask.labels == labels
    assert made.reasoning == shown
    assert made.text == ("shown nothing" if shown is None else f"shown: {shown}")


@pytest.mark.parametrize("edit", [edit for edit in EDITS if edit not in ("removed", "swapped")])
async def test_it_edits_the_very_reasoning_of_the_slow_cell_and_draws_its_action_anew(edit: str) -> None:
    ask, slow_ask = PlainAsk(Scripted(think)), PlainAsk(Scripted(think))
    await edited(edit, ask)
    slow = build_strategy("slow")
    assert isinstance(slow, Live)
    await slow.for_items(ITEMS)(ITEMS[0], (0,), slow_ask)
    assert ask.asked[0] == slow_ask.asked[0]
    (*_, edited_act), (*_, slow_act) = ask.asked, slow_ask.asked
    assert edited_act[2].seed != slow_act[2].seed
    assert sample_of(edited_act[2].seed) == 0
    assert (edited_act[2].messages == slow_act[2].messages) == (edit == "kept")


async def test_swapped_reasoning_is_what_the_donor_itself_thought() -> None:
    ask = PlainAsk(Scripted(think), position=3)
    made = await edited("swapped", ask, 3, samples=tuple(range(12)))
    # Item 3 is of family a in the domain work: only 1 (family b) and 4 (c) may lend, each its reasoning of that sample.
    found = {candidate.reasoning for candidate in made}
    for sample, candidate in enumerate(made):
        assert candidate.reasoning in (own(1, sample), own(4, sample))
    assert {reasoning.partition(" draw")[0] for reasoning in found if reasoning} == {
        "First there is Situation 1",
        "First there is Situation 4",
    }
    asked = {
        (sample, request.messages[0].content[:11], request.seed)
        for sample, label, request in ask.asked
        if label == "reason"
    }
    for sample, situation, seed in asked:
        assert seed == candidate_seed(0, int(situation[-1]), sample)
    again = await edited("swapped", PlainAsk(Scripted(think), position=3), 3, samples=(5,))
    assert again == [made[5]]


def test_the_seed_of_another_item() -> None:
    for seed, here, there, sample in ((0, 3, 1, 0), (7, 0, 4999, 17), (1, 12, 11, 4095)):
        assert seed_elsewhere(candidate_seed(seed, here, sample), there - here) == candidate_seed(seed, there, sample)


def test_donors_stand_near_before_and_are_of_another_family_in_the_domain() -> None:
    suite = load_suite("valdi")
    donors, place = Donors(suite.items), {item.id: number for number, item in enumerate(suite.items)}
    for number in (0, 3, 24, 600, 2400):
        mine = suite.items[number]
        near = [suite.items[other] for other in donors.near(mine)]
        assert len(near) == NEAREST
        for other in near:
            assert other.metadata["domain"] == mine.metadata["domain"]
            assert other.cluster != mine.cluster
    # Within the first 25 every donor is among the first 25: a small run buys no reasoning for the swap.
    assert all(other < 25 for number in range(25) for other in donors.near(suite.items[number]))
    assert max(place[suite.items[other].id] for other in donors.near(suite.items[2400])) < 2400


def test_truncation_is_to_whole_sentences_and_always_takes_something() -> None:
    text = "1. Look at e.g. the rent.\n2. Then the cat!  And more"
    assert truncate(text, 0.5) == ("1. Look at e.g. the rent.", "")
    assert truncate(text, 0.75) == ("1. Look at e.g. the rent.\n2. Then the cat!", "")
    assert truncate("One. Two.", 0.75) == ("One.", "")
    assert truncate("One alone", 0.25)[0] is None


@pytest.mark.parametrize(
    ("says", "edit", "why"),
    [
        ("  ", "kept", "no reasoning to edit"),
        ("  ", "swapped", "no reasoning to edit"),
        ("One alone.", "truncated-50", "one sentence cannot be truncated"),
    ],
)
async def test_what_cannot_be_edited_is_missing_with_its_reason(says: str, edit: str, why: str) -> None:
    (made,) = await edited(edit, PlainAsk(Scripted(lambda request: says)))
    assert made.text is None
    assert why in str(made.missing)


async def test_a_rewriter_that_says_nothing_or_refuses_leaves_its_sample_missing() -> None:
    def silent(request: Request) -> str:
        return "" if request.messages[0].content.startswith(prompt(REVERSE)[:40]) else "Some. Notes."

    def refusing(request: Request) -> str:
        if request.messages[0].content.startswith(prompt(REVERSE)[:40]):
            raise CallRefused("400: not this")
        return "Some. Notes."

    for script, why in ((silent, "the rewriter wrote nothing"), (refusing, "400: not this")):
        (made,) = await edited("reversed", PlainAsk(Scripted(script)))
        assert (made.text, made.missing) == (None, why)


async def test_the_situation_and_the_notes_reach_the_rewriter_as_they_are() -> None:
    ask = PlainAsk(Scripted(think))
    await edited("reversed", ask)
    words = ask.asked[1][2].messages[-1].content
    # The notes hold "{notes}" themselves, which must not be filled in once more.
    assert words.endswith(f"Situation:\nSituation 0.\n\nNotes:\n{own(0)}")


def test_the_rewriter_is_told_no_value() -> None:
    assert list(wording_faults(prompt(REVERSE).replace("{situation}", "").replace("{notes}", ""))) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("edited", "does one of kept, removed"),
        ("edited:swaped", "did you mean 'swapped'"),
        ("edited:truncated-33", "truncated-25"),
    ],
)
def test_edits_that_there_are_not(name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        build_strategy(name)


def test_what_it_cannot_work_on() -> None:
    swapped = build_strategy("edited:swapped")
    assert isinstance(swapped, Live)
    with pytest.raises(InputError, match="no domain here has two"):
        swapped.for_items([item(0, "a"), item(1, "a"), item(2, "b", "money")])
    with pytest.raises(InputError, match="is for scenarios"):
        swapped.for_items([Item("p", (Message("user", "2 + 2?"),), "4", "exact")])


def test_calls_and_tokens_of_the_plan() -> None:
    def planned(edit: str) -> tuple[int | None, int | None]:
        strategy = build_strategy(f"edited:{edit}")
        assert isinstance(strategy, Live)
        bound = strategy.for_items(ITEMS)
        return bound.calls, bound.most_tokens(100)

    assert planned("removed") == (1, 100)
    assert planned("swapped") == (2, 200)
    assert planned("reversed") == (3, 300)
