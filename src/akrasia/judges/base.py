"""What every judge is: somebody who reads a text for the values of a taxonomy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from akrasia.core import Ask, Fingerprint, InputError, Registry
from akrasia.core.judgement import Judgement
from akrasia.models import model_identity
from akrasia.values import Taxonomy


class Judge(Protocol):
    """Reads values in texts. Built cheaply; what is heavy loads with the first text.

    Attributes:
        name: as the user wrote it ("encoder", "llm:openai:NAME@URL").
        model: the model that answers its calls, as for `--model`; None when it asks nobody.
        prompts: names of the prompt files that it uses.
        deterministic: True when the same text always gets the same verdict, so that repeats tell nothing.
    """

    name: str
    model: str | None
    prompts: tuple[str, ...]
    deterministic: bool

    @property
    def fingerprint(self) -> Fingerprint:
        """What its verdicts depend on besides the model that it asks: its own version, head or settings."""
        ...

    def check(self, taxonomy: Taxonomy) -> None:
        """Refuse a taxonomy that it cannot read.

        Raises:
            InputError: naming the values that it does not know.
        """
        ...

    async def read(
        self, text: str, taxonomy: Taxonomy, ask: Ask | None, *, role: str = "judge", repeat: int = 0
    ) -> Judgement:
        """The verdict on one text.

        Args:
            text: what is judged: data, whatever it says.
            taxonomy: the values to look for.
            ask: the door to its model; None is enough for a judge that asks nobody. The requests depend on the text,
                the taxonomy and the repeat alone, so that the same text has one verdict, bought once.
            role: under which `ask` reaches its model.
            repeat: 0 for the verdict that counts; 1, 2 … read the text again, for instrument noise.

        Raises:
            CallRefused: the model refuses for good; any other failure is a `Judgement` with `missing`.
        """
        ...


Factory = Callable[[str], Judge]
"""Builds a judge from the text after `KIND:` ("" when there is none)."""

JUDGES: Registry[Factory] = Registry(
    "judge",
    "akrasia.judges",
    {
        "encoder": "akrasia.judges.encoder:build",
        "llm": "akrasia.judges.llm:build",
    },
)


def build_judge(text: str) -> Judge:
    """The judge that ``encoder`` or ``llm:MODEL`` names.

    Raises:
        InputError: an unknown kind, or a text that its kind cannot use.
    """
    kind, _, rest = text.partition(":")
    if not kind:
        raise InputError("a judge needs a name: encoder, or llm:MODEL, for example llm:local:smollm2")
    return JUDGES.get(kind)(rest)


def judge_identity(judge: Judge) -> str:
    """A judge's name without the address of its model: what verdicts are kept under, wherever the model answers."""
    if judge.model is None:
        return judge.name
    return judge.name.replace(judge.model, model_identity(judge.model))
