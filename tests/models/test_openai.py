"""What is sent to an OpenAI-compatible endpoint, and what is read from it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from tests.upstream import Upstream, default_text, status

from akrasia.core import CallRefused, InputError, Message, Request
from akrasia.models import ModelSettings
from akrasia.models.endpoint import parse_address
from akrasia.models.openai import OpenAIModel, build

ASK = Request((Message("user", "How many?"),), seed=4096)


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AKRASIA_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@asynccontextmanager
async def at(upstream: Upstream, settings: ModelSettings | None = None) -> AsyncIterator[OpenAIModel]:
    model = build(f"tiny@{upstream.url}", settings or ModelSettings())
    await model.open()
    try:
        yield model
    finally:
        await model.close()


@pytest.mark.parametrize(
    ("text", "name", "base"),
    [
        ("gpt-4o@https://api.openai.com/v1", "gpt-4o", "https://api.openai.com/v1"),
        ("@cf/meta/llama@https://gate.example/v1/", "@cf/meta/llama", "https://gate.example/v1"),
        ("org/name:tag@http://localhost:8000/v1", "org/name:tag", "http://localhost:8000/v1"),
        ("a@http://h/v1@http://x", "a", "http://h/v1@http://x"),
        ("m@https://h.example/openai?api-version=1", "m", "https://h.example/openai?api-version=1"),
    ],
)
def test_the_address_is_split_at_the_first_at_before_http(text: str, name: str, base: str) -> None:
    address = parse_address(text)
    assert (address.model, address.base) == (name, base)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gpt-4o", "openai:NAME@BASE_URL"),
        ("@http://localhost/v1", "openai:NAME@BASE_URL"),
        ("m@http://user:sekret@host/v1", "AKRASIA_API_KEY"),
        ("m@http://host/v1?api_key=sekret", "AKRASIA_API_KEY"),
        ("m@http://", "http://host:8000/v1"),
        ("m@http://host:notaport/v1", "http://host:8000/v1"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_repeating_a_credential(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as refusal:
        parse_address(text)
    assert "sekret" not in str(refusal.value)


async def test_a_full_request_arrives_as_the_protocol_wants_it() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    request = Request(
        (Message("system", "Be brief."), Message("user", "How many?")),
        temperature=0.5,
        max_tokens=9,
        top_p=0.9,
        stop=("\n\n",),
        seed=7,
        schema=schema,
        logprobs=2,
        extra={"min_p": 0.1},
    )
    async with Upstream() as upstream, at(upstream) as model:
        (reply,) = await model.complete(request)
    assert upstream.bodies == [
        {
            "model": "tiny",
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How many?"}],
            "temperature": 0.5,
            "max_tokens": 9,
            "top_p": 0.9,
            "stop": ["\n\n"],
            "seed": 7,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "strict": True, "schema": schema},
            },
            "logprobs": True,
            "top_logprobs": 2,
            "min_p": 0.1,
        }
    ]
    assert reply.logprobs is not None
    assert reply.logprobs[0].logprob == -0.25
    assert reply.logprobs[0].top == (("x", -0.5), ("x", -1.5))


async def test_what_is_not_asked_for_is_not_sent() -> None:
    async with Upstream() as upstream, at(upstream) as model:
        await model.complete(Request((Message("user", "How many?"),)))
    assert upstream.bodies[0].keys() == {"model", "messages", "temperature"}
    assert "Authorization" not in upstream.headers[0]


async def test_the_key_is_read_when_the_model_opens_and_the_projects_own_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Upstream() as upstream:
        model = build(f"tiny@{upstream.url}", ModelSettings())
        monkeypatch.setenv("OPENAI_API_KEY", "theirs")
        monkeypatch.setenv("AKRASIA_API_KEY", " ours\n")
        await model.open()
        await model.complete(ASK)
        await model.close()
    assert upstream.headers[0]["Authorization"] == "Bearer ours"


async def test_n_is_used_where_the_server_has_it() -> None:
    async with Upstream() as upstream, at(upstream) as model:
        replies = await model.complete(ASK, 5)
    assert [b["n"] for b in upstream.bodies] == [5]
    assert [r.text for r in replies] == [default_text(upstream.bodies[0], i) for i in range(5)]
    assert model.choices == 128


async def test_a_server_that_ignores_n_is_asked_one_by_one_from_then_on() -> None:
    async with Upstream(choices="one") as upstream, at(upstream) as model:
        first = await model.complete(ASK, 5)
        assert len(first) == 1
        assert model.choices == 1
        assert len(await model.complete(ASK, 5)) == 1
    assert [b.get("n") for b in upstream.bodies] == [5, None]


async def test_a_server_that_refuses_n_is_asked_again_without_it() -> None:
    async with Upstream(choices="refuse") as upstream, at(upstream) as model:
        assert len(await model.complete(ASK, 5)) == 1
        assert model.choices == 1
    assert [b.get("n") for b in upstream.bodies] == [5, None]


async def test_a_server_that_names_its_largest_n_is_asked_for_that() -> None:
    said = {"message": "Invalid 'n': integer above maximum value. Expected a value <= 8, but got 100", "param": "n"}
    async with Upstream() as upstream, at(upstream) as model:
        upstream.faults += [status(400, said)]
        assert len(await model.complete(ASK, 100)) == 8
        assert model.choices == 8


async def test_n_refused_in_unknown_words_is_found_out_by_trying() -> None:
    async with Upstream() as upstream, at(upstream) as model:
        upstream.faults += [status(422, {"message": "nope"})]
        assert len(await model.complete(ASK, 5)) == 1
        assert model.choices == 1


async def test_a_request_that_is_refused_with_and_without_n_says_nothing_about_n() -> None:
    async with Upstream() as upstream, at(upstream) as model:
        upstream.faults += [status(400, {"message": "nope"})] * 2
        with pytest.raises(CallRefused, match="nope"):
            await model.complete(ASK, 5)
        assert model.choices == 128
        assert len(await model.complete(ASK, 5)) == 5


async def test_more_choices_than_asked_for_are_cut_to_what_was_asked() -> None:
    both = [{"index": i, "message": {"content": str(i)}, "finish_reason": "stop"} for i in (1, 0)]
    async with Upstream(extra={"choices": both}) as upstream, at(upstream) as model:
        assert [r.text for r in await model.complete(ASK)] == ["0"]


async def test_the_newer_name_of_max_tokens_is_learnt() -> None:
    said = {
        "message": "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
        "param": "max_tokens",
    }
    request = msgspec.structs.replace(ASK, max_tokens=9)
    async with Upstream() as upstream, at(upstream) as model:
        upstream.faults += [status(400, said)]
        await model.complete(request)
        await model.complete(request)
    assert [b.get("max_tokens") for b in upstream.bodies] == [9, None, None]
    assert [b.get("max_completion_tokens") for b in upstream.bodies] == [None, 9, 9]


async def test_a_server_without_seeds_is_asked_without() -> None:
    said = [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]
    async with Upstream() as upstream, at(upstream) as model:
        upstream.faults += [status(422, said)]
        await model.complete(ASK)
    assert [b.get("seed") for b in upstream.bodies] == [4096, None]


CONTINUED = Request((Message("user", "How many?"), Message("assistant", "Let me")), continue_turn=True)


async def test_an_unfinished_turn_is_sent_in_the_form_that_servers_continue() -> None:
    async with Upstream(message=lambda b, i: " think.") as upstream, at(upstream) as model:
        (reply,) = await model.complete(CONTINUED)
    body = upstream.bodies[0]
    assert body["continue_final_message"] is True
    assert body["add_generation_prompt"] is False
    assert body["messages"][-1] == {"role": "assistant", "content": "Let me"}
    assert reply.text == " think."


async def test_the_echo_of_an_unfinished_turn_is_taken_off_where_the_server_is_known_to_echo() -> None:
    echo: dict[str, Any] = {"message": lambda b, i: "Let me think."}
    async with Upstream(**echo, extra={"timings": {"prompt_n": 1}}) as upstream, at(upstream) as model:
        assert (await model.complete(CONTINUED))[0].text == " think."
    async with Upstream(**echo) as upstream, at(upstream) as model:
        assert (await model.complete(CONTINUED))[0].text == "Let me think."


async def test_a_server_that_cannot_continue_a_turn_refuses_and_the_message_says_what_was_asked() -> None:
    said = {"message": "Unrecognized request argument supplied: continue_final_message"}
    async with Upstream() as upstream, at(upstream) as model:
        upstream.faults += [status(400, said)]
        with pytest.raises(CallRefused, match="continues an unfinished turn"):
            await model.complete(CONTINUED)


@pytest.mark.parametrize("field", ["model", "messages", "n", "stream"])
async def test_extra_fields_may_not_set_what_the_request_sets(field: str) -> None:
    async with Upstream() as upstream, at(upstream) as model:
        with pytest.raises(InputError, match=field):
            await model.complete(msgspec.structs.replace(ASK, extra={field: 1}))
    assert upstream.calls == 0


async def test_the_raw_body_is_kept_once_and_only_on_request() -> None:
    async with Upstream() as upstream, at(upstream, ModelSettings(keep_raw=True)) as model:
        first, second = await model.complete(ASK, 2)
    assert first.raw is not None
    assert len(msgspec.json.decode(bytes(first.raw))["choices"]) == 2
    assert second.raw is None


async def test_a_body_of_several_megabytes_is_sent_whole() -> None:
    words = "word " * 600_000
    async with Upstream() as upstream, at(upstream) as model:
        (reply,) = await model.complete(Request((Message("user", words),)))
    assert reply.usage.prompt_tokens == 600_000


async def test_a_fixed_cap_holds_and_models_at_one_endpoint_share_it() -> None:
    import asyncio

    async with Upstream(latency_s=0.01) as upstream:
        settings = ModelSettings(concurrency=3)
        async with at(upstream, settings) as one, at(upstream, settings) as two:
            await asyncio.gather(*[m.complete(ASK) for m in (one, two) for _ in range(10)])
            assert one.concurrency == 3
    assert upstream.calls == 20
    assert upstream.peak == 3
