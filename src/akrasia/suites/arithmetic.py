"""Small arithmetic that a very small model solves sometimes: ``arithmetic:sum|mixed|product|lcm``.

Every problem occurs once, so that the commonest answer (the best constant answer) keeps a low share. Each prompt shows
worked examples as earlier turns; none is the item's own problem or its twin (5 + 3 for 3 + 5).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Annotated

from msgspec import Meta, Struct

from akrasia.core import InputError, Item, Message, Sampling, Spec, Suite
from akrasia.core.registry import near_names
from akrasia.suites.source import SuiteSource, build_suite, read_settings, spec_text

# The answer as a short sentence is what lets a model of 135M parameters vary: with "8" alone it is nearly always wrong,
# with "3 + 5 = 8" nearly always right, and neither leaves much between its usual and its best answer.
_SAMPLING = Sampling(max_tokens=24, stop=("\n",))


class _Problem(Struct, frozen=True):
    """One problem: id, question, answer, the operation, and the family that it shares with its twin."""

    id: str
    question: str
    answer: int
    operation: str
    family: str


class _Task(Struct, frozen=True):
    """One variant: its operations (name → how it is asked, how it is computed) and its usual operands."""

    operations: dict[str, tuple[str, Callable[[int, int], int]]]
    low: int
    high: int
    description: str


class _Settings(Struct, frozen=True):
    """Settings of a variant; None takes the variant's own.

    Attributes:
        low, high: smallest and largest operand, both included.
        size: number of items; None is every distinct problem.
        examples: worked examples in each prompt.
        seed: which order, and so which examples and which problems when `size` is smaller than their number.
    """

    low: Annotated[int, Meta(ge=0, le=10_000)] | None = None
    high: Annotated[int, Meta(ge=0, le=10_000)] | None = None
    size: Annotated[int, Meta(ge=1)] | None = None
    examples: Annotated[int, Meta(ge=0, le=20)] = 3
    seed: int | None = None


_TASKS = {
    "sum": _Task({"+": ("{a} + {b}", operator.add)}, 0, 9, "sums of two one-digit numbers"),
    "mixed": _Task(
        {
            "+": ("{a} + {b}", operator.add),
            "-": ("{a} - {b}", operator.sub),
            "*": ("{a} × {b}", operator.mul),
        },
        0,
        9,
        "sums, differences and products of two one-digit numbers",
    ),
    "product": _Task({"*": ("{a} × {b}", operator.mul)}, 0, 9, "products of two one-digit numbers"),
    "lcm": _Task({"lcm": ("the LCM of {a} and {b}", math.lcm)}, 2, 10, "least common multiples of two numbers"),
}


def load(spec: Spec, seed: int) -> Suite:
    """The suite of a variant.

    Raises:
        InputError: unknown variant or setting, an empty range, or more items or examples than distinct problems.
    """
    name = spec_text(spec)
    if not spec.parameter:
        raise InputError(f"suite 'arithmetic' needs a variant: {', '.join(f'arithmetic:{task}' for task in _TASKS)}")
    if spec.parameter not in _TASKS:
        raise InputError(
            f"unknown variant {spec.parameter!r} of suite 'arithmetic'{near_names(spec.parameter, [*_TASKS])}"
        )
    task = _TASKS[spec.parameter]
    settings = read_settings(spec, _Settings)
    low = task.low if settings.low is None else settings.low
    high = task.high if settings.high is None else settings.high
    if low > high:
        raise InputError(f"suite {name!r}: low={low} is above high={high}: swap them")
    seed = seed if settings.seed is None else settings.seed
    count = len(task.operations) * (high - low + 1) ** 2
    size = count if settings.size is None else settings.size
    if size > count:
        raise InputError(f"suite {name!r} has {count} distinct problems, not {size}: lower size or widen low and high")
    if count > 100_000:
        raise InputError(f"suite {name!r} spans {count} problems, more than 100000: narrow low and high")
    problems = _shuffled(_problems(task, low, high), f"{spec.parameter} {seed}")
    pool = _shuffled(problems, f"{spec.parameter} {seed} examples")
    items = [_item(problem, _examples(problem, pool, settings.examples, name)) for problem in problems[:size]]
    return build_suite(name, items, sampling=_SAMPLING, description=f"{task.description}, {low} to {high}")


def _problems(task: _Task, low: int, high: int) -> Iterator[_Problem]:
    for operation, (wording, compute) in task.operations.items():
        for a in range(low, high + 1):
            for b in range(low, high + 1):
                family = f"{operation} {min(a, b)} {max(a, b)}"
                label = f"{operation}({a},{b})" if operation.isalpha() else f"{a}{operation}{b}"
                yield _Problem(label, wording.format(a=a, b=b), compute(a, b), operation, family)


def _shuffled(problems: Iterator[_Problem] | list[_Problem], key: str) -> list[_Problem]:
    """A seeded order that no version of Python's random module can change."""
    return sorted(problems, key=lambda problem: blake2b(f"{key} {problem.id}".encode(), digest_size=16).digest())


def _examples(problem: _Problem, pool: list[_Problem], count: int, name: str) -> list[_Problem]:
    """The first worked examples of the pool that are of another family than the problem.

    They differ in their answers and, as far as there are several, in their operations: a repeated example answer would
    invite the model to repeat it. Nearly all items share them, so a model that keeps its prefix reads them once.
    """
    chosen: list[_Problem] = []
    operations = len({candidate.operation for candidate in pool[:200]})
    for strict in (True, False):
        for candidate in pool:
            if len(chosen) == count:
                return chosen
            recent = [example.operation for example in chosen[len(chosen) - len(chosen) % operations :]]
            repeats = candidate.operation in recent or any(candidate.answer == example.answer for example in chosen)
            related = any(candidate.family == other.family for other in (problem, *chosen))
            if not related and not (strict and repeats):
                chosen.append(candidate)
    if len(chosen) < count:
        raise InputError(
            f"suite {name!r} has too few problems for {count} worked examples of other families: "
            "lower examples or widen low and high"
        )
    return chosen


def _item(problem: _Problem, examples: list[_Problem]) -> Item:
    turns: list[Message] = []
    for example in examples:
        turns += [Message("user", f"What is {example.question}?"), Message("assistant", f"It is {example.answer}.")]
    return Item(
        id=problem.id,
        input=(*turns, Message("user", f"What is {problem.question}?")),
        target=str(problem.answer),
        utility="numeric",
        cluster=problem.family,
    )


SOURCE = SuiteSource(
    load,
    "small arithmetic, every distinct problem once, with worked examples",
    variants=tuple(_TASKS),
    settings=_Settings,
)
