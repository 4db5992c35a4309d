from __future__ import annotations

from itertools import combinations

import pytest

from akrasia.core import InputError
from akrasia.prompts import fingerprint, prompt
from akrasia.prompts.tasks import TASK_PROMPTS, rate_prompt, task_prompt
from akrasia.suites.valdi_rules import wording_faults
from akrasia.values import taxonomy

NAMES = [name for names in TASK_PROMPTS.values() for name in names]


def test_three_tasks_in_three_wordings() -> None:
    assert {task: len(names) for task, names in TASK_PROMPTS.items()} == dict.fromkeys(
        ("state", "reason", "rate", "act"), 3
    )
    assert len({prompt(name) for name in NAMES}) == 12
    for names in TASK_PROMPTS.values():
        for one, other in combinations(names, 2):
            words = set(prompt(one).lower().split())
            shared = words & set(prompt(other).lower().split())
            assert len(shared) < len(words) * 0.7, "a paraphrase uses other words"


@pytest.mark.parametrize("name", NAMES)
def test_a_task_prompt_names_the_addressee_and_no_value(name: str) -> None:
    text = prompt(name)
    assert "{addressee}" in text
    # Ratings show a list of values, which is why they are the secondary form; their own words name none either.
    for field, word in (("{addressee}", "Ileana"), ("{values}", ""), ('{"{first}": number, …}', "")):
        text = text.replace(field, word)
    assert list(wording_faults(text)) == []


def test_the_addressee_is_filled_in_as_it_is() -> None:
    assert "{" not in task_prompt("act", "Ileana")
    assert "said to {x}" in task_prompt("act", "{x}")
    assert task_prompt("state", "Ileana", 2) == prompt("task-state-2.v1").replace("{addressee}", "Ileana")


def test_the_fingerprint_depends_on_the_wordings_used() -> None:
    assert fingerprint(*TASK_PROMPTS["act"]) != fingerprint(TASK_PROMPTS["act"][0])
    assert fingerprint(*NAMES) == fingerprint(*reversed(NAMES))


def test_ratings_list_the_values_in_the_order_given() -> None:
    values = taxonomy("schwartz-19").shuffled(3)
    for wording in (1, 2, 3):
        asked = rate_prompt("Ileana", values, wording)
        assert [line.split(":")[0][2:] for line in asked.splitlines() if line.startswith("- ")] == [
            value.id for value in values
        ]
        assert f'{{"{values[0].id}": number' in asked


def test_unknown_tasks_and_wordings() -> None:
    with pytest.raises(InputError, match="did you mean 'state'"):
        task_prompt("stated", "Ileana")
    with pytest.raises(InputError, match="1 to 3"):
        task_prompt("act", "Ileana", 0)
