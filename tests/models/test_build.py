"""From the text of `--model` to a model, or to a message that helps."""

from __future__ import annotations

from math import inf, nan

import pytest

from akrasia.core import SAMPLE_STRIDE, InputError, sample_of
from akrasia.models import MODELS, ModelSettings, build_model


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("opnai:m@http://h/v1", "did you mean 'openai'"),
        ("gpt-4o", "cannot read model 'gpt-4o': write KIND:NAME"),
        ("", "cannot read model ''"),
        ("replay", "write replay:NAME"),
        ("scripted:", "write scripted:NAME"),
    ],
)
def test_a_text_that_names_no_model(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        build_model(text)


@pytest.mark.parametrize(
    "settings",
    [
        ModelSettings(concurrency=0),
        ModelSettings(concurrency=10_001),
        ModelSettings(timeout_s=0),
        ModelSettings(timeout_s=nan),
        ModelSettings(timeout_s=inf),
    ],
)
def test_settings_that_let_nothing_through(settings: ModelSettings) -> None:
    with pytest.raises(InputError):
        build_model("openai:m@http://localhost/v1", settings=settings)


@pytest.mark.parametrize("kind", ["openai", "replay", "scripted"])
def test_every_kind_has_a_factory(kind: str) -> None:
    assert callable(MODELS.get(kind))


def test_a_seed_names_its_sample() -> None:
    assert sample_of(None) == 0
    assert sample_of(5 * SAMPLE_STRIDE) == 0
    assert sample_of(5 * SAMPLE_STRIDE + 17) == 17
