"""From the text of `--model` to a model: the kinds by name, and the settings that all of them share.

What a kind does with its text is its own module's business; nothing here connects, loads or reads a key.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from msgspec import Struct

from akrasia.core import InputError, Model, Registry

KEY_VARIABLES = ("AKRASIA_API_KEY", "OPENAI_API_KEY")
"""Environment variables that an endpoint's key is read from; the first that is set counts."""

MOST_AT_ONCE = 10_000
"""Calls in flight that may be asked for: each of them holds a task and a connection."""


class ModelSettings(Struct, frozen=True, kw_only=True):
    """How a model is run. None of it changes an answer, so all of it may change when a run is resumed.

    Attributes:
        timeout_s: the longest that one call to the backend may take before it counts as failed.
        concurrency: a fixed cap on calls at once; None lets the endpoint's limiter find it.
        keep_raw: keep each response body as it came, in `Reply.raw`.
        max_retries: how often one call is tried again after a fault (5xx, lost connection, timeout, broken body).
        patience_s: how long one call waits for a rate-limited endpoint, in all.
        key_variables: environment variables that the key of `openai:` is read from; the first that is set counts.
        resumable: whether the command that asks can be run again and goes on, which messages then say.
        on_notice: called with one line that the user should see while a model opens (a download, a fallback).
    """

    timeout_s: float = 600.0
    concurrency: int | None = None
    keep_raw: bool = False
    max_retries: int = 6
    patience_s: float = 900.0
    key_variables: tuple[str, ...] = KEY_VARIABLES
    resumable: bool = True
    on_notice: Callable[[str], None] | None = None


Factory = Callable[[str, ModelSettings], Model]
"""Builds a model from the text after `KIND:`."""

MODELS: Registry[Factory] = Registry(
    "model",
    "akrasia.models",
    {
        "inspect": "akrasia.models.inspect:build",
        "local": "akrasia.models.local:build",
        "openai": "akrasia.models.openai:build",
        "replay": "akrasia.models.replay:build",
        "scripted": "akrasia.models.scripted:build",
    },
)


def build_model(text: str, *, settings: ModelSettings | None = None) -> Model:
    """The model that `KIND:REST` names, not opened yet.

    Args:
        text: as the user wrote it, for instance `openai:gpt-4o@https://api.openai.com/v1`.
        settings: how it is run; None takes the defaults of `ModelSettings`.

    Raises:
        InputError: an unknown kind, or a text or setting that its kind cannot use.
    """
    kind, colon, rest = text.partition(":")
    if not colon and kind not in MODELS:
        raise InputError(
            f"cannot read model {text!r}: write KIND:NAME, for example local:smollm2 or openai:NAME@BASE_URL "
            f"(kinds: {', '.join(MODELS.names())})"
        )
    factory = MODELS.get(kind)
    if not colon or not rest:
        raise InputError(f"model {text!r} says nothing after its kind: write {kind}:NAME (see the models page)")
    settings = settings or ModelSettings()
    if settings.concurrency is not None and settings.concurrency < 1:
        raise InputError(f"concurrency {settings.concurrency} lets nothing through: give 1 or more")
    if settings.concurrency is not None and settings.concurrency > MOST_AT_ONCE:
        raise InputError(f"concurrency {settings.concurrency} is too much: give at most {MOST_AT_ONCE}")
    if not settings.timeout_s > 0 or math.isinf(settings.timeout_s):
        raise InputError(f"a timeout of {settings.timeout_s} s cannot be kept: give a finite number above 0")
    return factory(rest, settings)


def model_identity(model: str) -> str:
    """A model's text without its address: ``openai:NAME@URL`` → ``openai:NAME``. The address may change on resume."""
    return model.partition("@http")[0]
