"""The prompts of the three tasks of the value–action gap: state, reason, act; each in three wordings.

Each is asked after the item's own text: what should guide the answer (state), what speaks for which answer (reason),
the words themselves (act). They name no value and leave order and roles of the calls to the strategies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from akrasia.core import InputError
from akrasia.core.registry import near_names
from akrasia.prompts import prompt

if TYPE_CHECKING:
    from akrasia.values import Value

TASK_PROMPTS: dict[str, tuple[str, str, str]] = {
    "state": ("task-state-1.v1", "task-state-2.v1", "task-state-3.v1"),
    "reason": ("task-reason-1.v1", "task-reason-2.v1", "task-reason-3.v1"),
    "rate": ("task-rate-1.v1", "task-rate-2.v1", "task-rate-3.v1"),
    "act": ("task-act-1.v1", "task-act-2.v1", "task-act-3.v1"),
}
"""Task → prompt files, by wording. `akrasia.prompts.fingerprint` takes these names."""


def task_prompt(task: str, addressee: str, wording: int = 1) -> str:
    """What a task asks, after the item's own text.

    Args:
        task: "state", "reason", "rate" or "act".
        addressee: whom the action answers, as the item's metadata names them.
        wording: which of the three, from 1.

    Raises:
        InputError: no such task or wording.
    """
    if task not in TASK_PROMPTS:
        raise InputError(f"unknown task {task!r}{near_names(task, list(TASK_PROMPTS))}")
    names = TASK_PROMPTS[task]
    if not 1 <= wording <= len(names):
        raise InputError(f"task {task!r} has no wording {wording}: it has 1 to {len(names)}")
    return prompt(names[wording - 1]).replace("{addressee}", addressee)


def rate_prompt(addressee: str, values: Sequence[Value], wording: int = 1) -> str:
    """What the task "rate" asks, with the values in the order given.

    Raises:
        InputError: no such wording.
    """
    listed = "\n".join(f"- {value.id}: {value.definition}" for value in values)
    return task_prompt("rate", addressee, wording).replace("{first}", values[0].id).replace("{values}", listed)
