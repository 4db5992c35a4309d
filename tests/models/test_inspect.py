"""Inspect AI's providers as models: its mock, and its OpenAI-compatible provider against a real endpoint."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from tests.models.cases import OTHERS_WARNING
from tests.upstream import Fault, Upstream, default_text, raw, status

from akrasia.core import (
    AkrasiaError,
    CallRefused,
    EndpointLost,
    EndpointMisuse,
    InputError,
    Message,
    Model,
    QuotaExhausted,
    Request,
)
from akrasia.models import ModelSettings, build_model

pytestmark = pytest.mark.filterwarnings(OTHERS_WARNING)

ASK = Request((Message("system", "Be brief."), Message("user", "How many?")), temperature=0.5, max_tokens=9, seed=7)


@asynccontextmanager
async def at(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch, settings: ModelSettings | None = None
) -> AsyncIterator[Model]:
    monkeypatch.setenv("UPSTREAM_BASE_URL", upstream.url)
    monkeypatch.setenv("UPSTREAM_API_KEY", "sk-canary-4f9a27c1d8e35b60")
    model = build_model("inspect:openai-api/upstream/tiny", settings=settings or ModelSettings(max_retries=0))
    await model.open()
    try:
        yield model
    finally:
        await model.close()


async def test_the_mock_answers() -> None:
    model = build_model("inspect:mockllm/model")
    await model.open()
    (reply,) = await model.complete(ASK)
    await model.close()
    assert reply.text == "Default output from mockllm/model"
    assert model.fingerprint.name == "mockllm/model"


async def test_a_request_goes_through_a_real_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Upstream() as upstream, at(upstream, monkeypatch) as model:
        (reply,) = await model.complete(ASK)
    (body,) = upstream.bodies
    assert {k: body[k] for k in ("model", "temperature", "max_tokens", "seed")} == {
        "model": "tiny",
        "temperature": 0.5,
        "max_tokens": 9,
        "seed": 7,
    }
    assert reply.text == default_text(body, 0)
    assert reply.usage.prompt_tokens == 4
    assert reply.usage.completion_tokens == len(reply.text.split())
    assert reply.finish == "stop"


async def test_choices_are_asked_for_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Upstream() as upstream, at(upstream, monkeypatch) as model:
        replies = await model.complete(ASK, 3)
    assert len(replies) == 3
    assert upstream.calls == 1
    assert sum(r.usage.completion_tokens or 0 for r in replies) == sum(len(r.text.split()) for r in replies)


async def test_a_provider_without_n_is_asked_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Upstream(choices="one") as upstream, at(upstream, monkeypatch) as model:
        assert len(await model.complete(ASK, 3)) == 1
        assert model.choices == 1


async def test_reasoning_is_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Upstream(message=lambda b, i: "<think>hm</think>\n\n42") as upstream, at(upstream, monkeypatch) as model:
        (reply,) = await model.complete(ASK)
    assert (reply.text, reply.reasoning) == ("42", "hm")


async def test_schema_and_raw_output(monkeypatch: pytest.MonkeyPatch) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    settings = ModelSettings(max_retries=0, keep_raw=True)
    async with Upstream() as upstream, at(upstream, monkeypatch, settings) as model:
        (reply,) = await model.complete(msgspec.structs.replace(ASK, schema=schema))
    assert upstream.bodies[0]["response_format"]["json_schema"]["schema"]["required"] == ["a"]
    assert msgspec.json.decode(bytes(reply.raw or b""))["model"] == "tiny"


async def test_half_a_surrogate_pair_is_no_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Upstream() as upstream, at(upstream, monkeypatch) as model:
        upstream.faults += [raw(b'{"id": "x", "object": "chat.completion", "created": 1, "model": "tiny", "choices": '
                                b'[{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", '
                                b'"content": "so \\ud83d on"}}]}')]  # fmt: skip
        with pytest.raises(CallRefused, match="half a surrogate pair"):
            await model.complete(ASK)


FAULTS: dict[str, tuple[Fault, type[AkrasiaError]]] = {
    "400": (status(400, {"message": "not this one"}), CallRefused),
    "401": (status(401, {"message": "no"}), EndpointMisuse),
    "quota": (status(429, {"message": "quota", "code": "insufficient_quota"}), QuotaExhausted),
    "500": (status(500), EndpointLost),
}


@pytest.mark.parametrize(("fault", "kind"), FAULTS.values(), ids=FAULTS)
async def test_errors_are_sorted(monkeypatch: pytest.MonkeyPatch, fault: Fault, kind: type[AkrasiaError]) -> None:
    async with Upstream() as upstream, at(upstream, monkeypatch) as model:
        upstream.always = fault
        with pytest.raises(kind) as failure:
            await model.complete(ASK)
    assert type(failure.value) is kind
    assert "\n" not in str(failure.value)
    assert "sk-canary" not in str(failure.value)


async def test_an_unknown_provider_is_bad_input() -> None:
    with pytest.raises(InputError, match="nosuch"):
        await build_model("inspect:nosuch/model").open()


def test_a_name_without_a_provider_is_bad_input() -> None:
    with pytest.raises(InputError, match="PROVIDER/NAME"):
        build_model("inspect:mockllm")


def test_without_the_extra_the_message_is_the_command_to_run() -> None:
    code = (
        "import sys; sys.modules['inspect_ai'] = None\n"
        "from akrasia.core import InputError\nfrom akrasia.models import build_model\n"
        "try: build_model('inspect:mockllm/model')\n"
        "except InputError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "pip install 'akrasia[inspect]'" in said
