"""The official `openai` client through the gateway: it must not notice that there is one."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from tests.gateway.conftest import Serve
from tests.gateway.upstreams import broken, chunk
from tests.upstream import Upstream, reset, status

pytestmark = pytest.mark.asyncio

HELLO: Any = [{"role": "user", "content": "Hello there"}]
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Zürich"}'}}
ROOT = Path(__file__).parents[2]


@pytest.fixture
async def client(upstream: Upstream, serve: Serve) -> AsyncIterator[openai.AsyncOpenAI]:
    upstream.message = lambda body, index: f"Grüße № {index}"
    served = await serve()
    async with openai.AsyncOpenAI(base_url=served.url, api_key="none", max_retries=0) as made:
        yield made


async def test_a_whole_answer(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(model="tiny", messages=HELLO, n=2, logprobs=True, top_logprobs=2)
    assert [choice.message.content for choice in answer.choices] == ["Grüße № 0", "Grüße № 1"]
    assert [choice.finish_reason for choice in answer.choices] == ["stop", "stop"]
    logprobs = answer.choices[1].logprobs
    assert logprobs is not None
    assert [token.token for token in logprobs.content or ()] == ["Grüße", "№", "1"]
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (2, 6)


async def test_a_streamed_answer(client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="tiny@direct", messages=HELLO, n=2, logprobs=True, stream=True, stream_options={"include_usage": True}
    )
    chunks = [one async for one in stream]
    texts = ["", ""]
    ends = {}
    for one in chunks:
        for choice in one.choices:
            texts[choice.index] += choice.delta.content or ""
            if choice.finish_reason:
                assert choice.index not in ends
                ends[choice.index] = choice.finish_reason
    assert texts == ["Grüße № 0 ", "Grüße № 1 "]
    assert ends == {0: "stop", 1: "stop"}
    assert len({(one.id, one.created) for one in chunks}) == 1
    assert chunks[-1].usage is not None
    assert [one.usage for one in chunks[:-1]] == [None] * (len(chunks) - 1)
    tokens = [t.token for one in chunks for c in one.choices if c.logprobs for t in c.logprobs.content or ()]
    assert "".join(tokens) == "".join(texts)


async def test_tools(upstream: Upstream, client: openai.AsyncOpenAI) -> None:
    upstream.message = lambda body, index: {"content": None, "tool_calls": [CALL]}
    upstream.finish = "tool_calls"
    answer = await client.chat.completions.create(model="tiny", messages=HELLO, tools=[TOOL], tool_choice="required")
    calls = answer.choices[0].message.tool_calls or ()
    assert [call.to_dict() for call in calls] == [CALL]
    assert upstream.bodies[0]["tools"] == [TOOL]
    async with client.chat.completions.stream(model="tiny", messages=HELLO, tools=[TOOL]) as stream:
        final = await stream.get_final_completion()
    call = (final.choices[0].message.tool_calls or ())[0]
    assert (call.id, call.function.name, call.function.arguments) == ("call_1", "weather", '{"city": "Zürich"}')
    assert final.choices[0].finish_reason == "tool_calls"


async def test_a_response_format(upstream: Upstream, client: openai.AsyncOpenAI) -> None:
    upstream.message = lambda body, index: '{"city": "Bern"}'
    schema: Any = {"type": "json_schema", "json_schema": {"name": "place", "schema": {"type": "object"}}}
    answer = await client.chat.completions.create(
        model="tiny", messages=HELLO, response_format=schema, extra_body={"min_p": 0.1}
    )
    assert json.loads(answer.choices[0].message.content or "") == {"city": "Bern"}
    assert (upstream.bodies[0]["response_format"], upstream.bodies[0]["min_p"]) == (schema, 0.1)


async def test_the_models(client: openai.AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == ["tiny"]


async def test_errors_are_of_the_clients_own_classes(upstream: Upstream, client: openai.AsyncOpenAI) -> None:
    said = {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}
    upstream.faults.append(status(429, said, {"Retry-After": "3"}))
    with pytest.raises(openai.RateLimitError) as limited:
        await client.chat.completions.create(model="tiny", messages=HELLO)
    assert (limited.value.code, limited.value.response.headers["Retry-After"]) == ("rate_limit_exceeded", "3")
    upstream.faults.append(reset())
    with pytest.raises(openai.InternalServerError, match="connection broke"):
        await client.chat.completions.create(model="tiny", messages=HELLO)
    with pytest.raises(openai.BadRequestError) as refused:
        await client.chat.completions.create(model="tiny@adaptive", messages=HELLO)
    assert (refused.value.code, refused.value.param) == ("strategy_not_allowed", "model")


async def test_a_stream_that_breaks_raises(upstream: Upstream, client: openai.AsyncOpenAI) -> None:
    event = chunk({"model": "tiny"}, [{"index": 0, "delta": {"content": "Gr"}}])
    upstream.faults.append(broken([event], "reset"))
    stream = await client.chat.completions.create(model="tiny", messages=HELLO, stream=True)
    got: list[str | None] = []

    async def read() -> None:
        async for one in stream:
            got.append(one.choices[0].delta.content)

    with pytest.raises(openai.APIError, match="connection broke"):
        await read()
    assert got == ["Gr"]


async def test_a_client_tries_again_by_itself(upstream: Upstream, client: openai.AsyncOpenAI) -> None:
    upstream.faults += [status(503), reset(), None]
    answer = await client.with_options(max_retries=2).chat.completions.create(model="tiny", messages=HELLO)
    assert answer.choices[0].message.content == "Grüße № 0"
    assert upstream.calls == 3


async def test_the_client_without_asyncio(upstream: Upstream, serve: Serve) -> None:
    served = await serve()
    upstream.message = lambda body, index: "one two"

    def use() -> tuple[str | None, str]:
        with openai.OpenAI(base_url=served.url, api_key="none", max_retries=0) as client:
            whole = client.chat.completions.create(model="tiny", messages=HELLO)
            with client.chat.completions.create(model="tiny", messages=HELLO, stream=True) as stream:
                pieces = [one.choices[0].delta.content or "" for one in stream]
            return whole.choices[0].message.content, "".join(pieces)

    assert await asyncio.to_thread(use) == ("one two", "one two ")


@pytest.fixture
def llama_server() -> Iterator[str]:
    """The base URL of a real llama.cpp server with the embedded model."""
    command = [sys.executable, "-m", "tests.gateway.llama_server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip() + "/v1"
        finally:
            process.kill()


@pytest.mark.weights
async def test_in_front_of_a_real_llama_server(llama_server: str, serve: Serve) -> None:
    served = await serve(upstream=llama_server)
    settings: dict[str, Any] = {"model": "smollm2", "messages": HELLO, "max_tokens": 6, "temperature": 0}
    schema = {"type": "object", "properties": {"n": {"type": "boolean"}}, "required": ["n"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    async with openai.AsyncOpenAI(base_url=served.url, api_key="none", max_retries=0) as client:
        whole = await client.chat.completions.create(**settings, logprobs=True, top_logprobs=1)
        stream = await client.chat.completions.create(**settings, stream=True, stream_options={"include_usage": True})
        chunks = [one async for one in stream]
        held = await client.chat.completions.create(**settings | {"max_tokens": 24}, response_format=wanted)
        with pytest.raises(openai.BadRequestError):
            await client.chat.completions.create(**settings, response_format={"type": "nonsense"})
    text = whole.choices[0].message.content
    assert text
    assert "".join(one.choices[0].delta.content or "" for one in chunks if one.choices) == text
    assert whole.choices[0].logprobs is not None
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 6
    assert isinstance(json.loads(held.choices[0].message.content or "")["n"], bool)
    tokens = [line for line in (await served.metrics()).splitlines() if line.startswith("akrasia_tokens_total{")]
    assert len(tokens) == 2
