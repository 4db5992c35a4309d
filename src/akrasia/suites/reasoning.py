"""Any task of reasoning-gym: ``reasoning:NAME?size=100&seed=0`` plus that task's own settings.

The task's own scorer judges an answer (utility ``reasoning``), so the generated entry travels in the item's metadata.
"""

from __future__ import annotations

from dataclasses import fields
from types import ModuleType
from typing import Any

import msgspec

from akrasia.core import InputError, Item, Message, Spec, Suite
from akrasia.core.decoding import Undecodable, decode_json
from akrasia.core.registry import near_names
from akrasia.suites.source import SuiteSource, build_suite, spec_text

_DEFAULT_SIZE = 100


def reasoning_gym(needed_by: str) -> ModuleType:
    """The optional package.

    Raises:
        InputError: it is not installed; the message carries the command.
    """
    try:
        import reasoning_gym
    except ModuleNotFoundError as error:
        raise InputError(
            f"{needed_by} needs reasoning-gym ({error.name!r} is missing): pip install 'akrasia[reasoning]'"
        ) from None
    return reasoning_gym  # type: ignore[no-any-return]


def load(spec: Spec, seed: int) -> Suite:
    """The suite of a task.

    Raises:
        InputError: the extra is missing, or a task, setting or value that does not exist.
    """
    name = spec_text(spec)
    gym = reasoning_gym(f"suite {name!r}")
    known: dict[str, tuple[type, type]] = gym.factory.DATASETS
    if spec.parameter not in known:
        raise InputError(f"unknown task {spec.parameter!r} of suite 'reasoning'{near_names(spec.parameter, [*known])}")
    settings: dict[str, Any] = {"size": _DEFAULT_SIZE, "seed": seed, **_task_settings(spec, known[spec.parameter][1])}
    try:
        dataset = gym.create_dataset(spec.parameter, **settings)
    except (AssertionError, TypeError, ValueError) as error:
        raise InputError(f"suite {name!r}: the task refuses these settings: {error or settings}") from None
    items = [_item(spec.parameter, index, dataset[index]) for index in range(len(dataset))]
    return build_suite(name, items, description=f"reasoning-gym task {spec.parameter}")


def _task_settings(spec: Spec, config: type) -> dict[str, Any]:
    """The settings as the task's configuration types them; text that is a JSON value is read as one."""
    known = [entry.name for entry in fields(config)]
    values: dict[str, Any] = {}
    for key, text in spec.settings.items():
        if key not in known:
            raise InputError(f"suite {spec_text(spec)!r} has no setting {key!r}{near_names(key, known)}")
        try:
            values[key] = decode_json(text, Any)
        except Undecodable:
            values[key] = text
    for key in ("size", "seed"):
        least = 1 if key == "size" else 0
        if key in values and (not isinstance(values[key], int) or values[key] < least):
            raise InputError(
                f"setting {key}={values[key]!r} of suite {spec_text(spec)!r}: expected a whole number >= {least}"
            )
    return values


def _item(task: str, index: int, entry: dict[str, Any]) -> Item:
    plain = msgspec.to_builtins(entry, enc_hook=str, str_keys=True)
    return Item(
        id=f"{task}-{index}",
        input=(Message("user", entry["question"]),),
        target=None if entry["answer"] is None else str(entry["answer"]),
        utility="reasoning",
        metadata={"task": task, "entry": plain},
    )


SOURCE = SuiteSource(load, "any task of reasoning-gym, scored by the task's own scorer", extra="reasoning")
