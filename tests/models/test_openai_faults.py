"""Every way in which an endpoint fails, on a real one: what is tried again, and what is given up in which words."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.upstream import Fault, Upstream, html, raw, reset, stall, status, truncated

from akrasia.core import (
    AkrasiaError,
    CallRefused,
    EndpointLost,
    EndpointMisuse,
    Message,
    QuotaExhausted,
    Request,
    Usage,
)
from akrasia.models import ModelSettings, retries
from akrasia.models.openai import OpenAIModel, build

ASK = Request((Message("user", "How many?"),), seed=0)
KEY = "sk-canary-4f9a27c1d8e35b60"


@pytest.fixture(autouse=True)
def _quick_and_with_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_FIRST_DELAY_S", 0.01)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("AKRASIA_API_KEY", KEY)


@asynccontextmanager
async def at(url: str, settings: ModelSettings | None = None, name: str = "tiny") -> AsyncIterator[OpenAIModel]:
    model = build(f"{name}@{url}", settings or ModelSettings(max_retries=2))
    await model.open()
    try:
        yield model
    finally:
        await model.close()


PASSING: dict[str, Fault] = {
    "408": status(408),
    "409": status(409),
    "425": status(425),
    "500": status(500),
    "502 page": html(502),
    "503": status(503),
    "529": status(529),
    "reset in mid-body": reset(),
    "truncated JSON": truncated(),
    "empty body": raw(b""),
    "error with status 200": raw(b'{"error": {"message": "upstream overloaded", "code": 502}}'),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
async def test_what_may_pass_is_tried_again(fault: Fault) -> None:
    async with Upstream() as upstream, at(upstream.url) as model:
        upstream.faults += [fault, fault]
        assert len(await model.complete(ASK, 3)) == 3
    assert upstream.calls == 3
    assert upstream.bodies[0] == upstream.bodies[2]


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
async def test_what_does_not_pass_loses_the_endpoint_after_bounded_tries(fault: Fault) -> None:
    async with Upstream() as upstream, at(upstream.url) as model:
        upstream.always = fault
        with pytest.raises(EndpointLost, match=r"3 tries: try again when it answers$") as lost:
            await model.complete(ASK)
    assert upstream.calls == 3
    assert lost.value.exit_code == 3
    assert not isinstance(lost.value, QuotaExhausted)


WHOLE = {
    "half a surrogate pair": (b'"\\ud800"', "half a surrogate pair, which is no character"),
    "text that is not UTF-8": (b'"\xff"', "bytes that are not UTF-8"),
    "a number that is none": (b'"x"}, "logprobs": {"content": [{"token": "x", "logprob": NaN}]', "a number that JSON"),
    "a number beyond all range": (
        b'"x"}, "logprobs": {"content": [{"token": "x", "logprob": -1e400}]',
        "a number that is out of range",
    ),
    "a number of too many digits": (
        b'"x"}, "index": %s, "x": {"y": 1' % (b"9" * 5000),
        "a number that is out of range",
    ),
    "nesting without end": (b"[" * 3000 + b"]" * 3000, "nested too deeply"),
}


@pytest.mark.parametrize(("content", "said"), WHOLE.values(), ids=WHOLE)
async def test_an_answer_that_is_whole_and_cannot_be_read_is_one_refused_call(content: bytes, said: str) -> None:
    async with Upstream() as upstream, at(upstream.url) as model:
        upstream.faults += [raw(b'{"choices": [{"message": {"content": ' + content + b"}}]}")]
        with pytest.raises(CallRefused, match=f"its answer cannot be read: it (holds|is) {said}"):
            await model.complete(ASK, 3)
        assert len(await model.complete(ASK, 3)) == 3  # no choice less than before
    assert upstream.calls == 2


async def test_a_usage_of_an_odd_form_is_unknown_and_told_once() -> None:
    told: list[str] = []
    settings = ModelSettings(max_retries=2, on_notice=told.append)
    body = b'{"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": "12", "completion_tokens": %d}}'
    async with Upstream() as upstream, at(upstream.url, settings) as model:
        upstream.faults += [raw(body % 3), raw(body % -3)]  # the first answer of all is such a one
        for usage in (Usage(None, 3), Usage()):
            (reply,) = await model.complete(ASK)
            assert (reply.text, reply.usage) == ("x", usage)
    assert upstream.calls == 2
    (line,) = told
    assert line.endswith(
        "counts tokens in a form that cannot be read (Expected `int | null`, got `str` - at `$.usage.prompt_tokens`): "
        "such counts are unknown"
    )


async def test_a_refusal_that_is_nested_without_end_is_told() -> None:
    async with Upstream() as upstream, at(upstream.url) as model:
        upstream.faults += [raw(b'{"error": ' + b"[" * 3000 + b"]" * 3000 + b"}", code=400)]
        with pytest.raises(CallRefused, match="HTTP 400"):
            await model.complete(ASK)


async def test_a_stall_is_cut_off_and_halves_the_limit() -> None:
    async with Upstream() as upstream, at(upstream.url, ModelSettings(timeout_s=0.2, max_retries=1)) as model:
        upstream.faults += [stall()]
        await model.complete(ASK)
        assert model.concurrency == 32
        upstream.always = stall()
        with pytest.raises(EndpointLost, match=r"no answer within 0\.2 s"):
            await model.complete(ASK)


@pytest.mark.parametrize("headers", [{"Retry-After": "0.3"}, {"retry-after-ms": "300"}])
async def test_retry_after_holds_back_everybody_at_the_endpoint(headers: dict[str, str]) -> None:
    async with Upstream() as upstream, at(upstream.url) as model:
        upstream.faults += [status(429, headers=headers)]
        first = asyncio.create_task(model.complete(ASK))
        while upstream.calls == 0 or upstream.in_flight:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.02)
        began = time.monotonic()
        await model.complete(ASK)
        assert time.monotonic() - began > 0.2
        assert len(await first) == 1
        assert model.concurrency == 32
    assert upstream.calls == 3


async def test_rate_limits_are_waited_out_beyond_the_count_of_retries() -> None:
    told: list[str] = []
    async with Upstream() as upstream, at(upstream.url, ModelSettings(max_retries=2, on_notice=told.append)) as model:
        upstream.faults += [status(429, {"message": "Rate limit reached, try again in 1ms"})] * 5
        await model.complete(ASK)
    assert upstream.calls == 6
    assert len(told) == 1
    assert "limits the rate" in told[0]


async def test_patience_with_rate_limits_ends() -> None:
    async with Upstream() as upstream, at(upstream.url, ModelSettings(patience_s=2)) as model:
        upstream.always = status(429, headers={"Retry-After": "86400"})
        with pytest.raises(EndpointLost, match="86400 s"):
            await model.complete(ASK)
    assert upstream.calls == 1


@pytest.mark.parametrize("resumable", [True, False])
@pytest.mark.parametrize("fault", [status(429, headers={"Retry-After": "86400"}), status(402, {"message": "Pay"})])
async def test_no_command_is_named_where_none_can_be_run_again(fault: Fault, resumable: bool) -> None:
    async with Upstream() as upstream, at(upstream.url, ModelSettings(patience_s=2, resumable=resumable)) as model:
        upstream.always = fault
        with pytest.raises((EndpointLost, QuotaExhausted)) as caught:
            await model.complete(ASK)
    assert ("run the same command" in str(caught.value)) is resumable


QUOTA: dict[str, Fault] = {
    "429 with a code": status(429, {"message": "You exceeded your current quota", "code": "insufficient_quota"}),
    "429 in words": status(429, {"message": "You have run out of credits, please check your billing details"}),
    "403 in words": status(403, {"message": "Your credit balance is too low"}),
    "402": status(402, {"message": "Payment required"}),
    "429 with a type and a wait": status(429, {"message": "no", "type": "insufficient_quota"}, {"Retry-After": "5"}),
}


@pytest.mark.parametrize("fault", QUOTA.values(), ids=QUOTA)
async def test_a_spent_quota_stops_at_once(fault: Fault) -> None:
    async with Upstream() as upstream, at(upstream.url) as model:
        upstream.always = fault
        with pytest.raises(QuotaExhausted, match="quota is spent"):
            await model.complete(ASK, 4)
    assert upstream.calls == 1


async def test_a_rate_limit_that_is_worded_as_a_quota_is_still_a_rate_limit() -> None:
    async with Upstream() as upstream, at(upstream.url) as model:
        upstream.faults += [
            status(429, {"message": "You exceeded your current quota: 10 requests per minute"}),
            status(429, {"message": "Quota exceeded"}, {"Retry-After": "0.01"}),
        ]
        assert len(await model.complete(ASK)) == 1


MISUSE: dict[str, tuple[Fault, str]] = {
    "401": (status(401, {"message": f"Incorrect API key provided: {KEY}"}), "valid one in AKRASIA_API_KEY"),
    "403": (status(403, {"message": "Forbidden"}), "valid one in AKRASIA_API_KEY"),
    "web page": (html(), "does the URL include /v1"),
    "web page, typed as JSON": (raw(b"\n<html></html>"), "does the URL include /v1"),
    "plain text": (raw(b"Ollama is running", content_type="text/plain"), "does the URL include /v1"),
    "404 page": (html(404), "does the URL include /v1"),
    "404 JSON": (raw(b'{"detail": "Not Found"}', code=404), "does the URL include /v1"),
    "405": (status(405), "does the URL include /v1"),
    "redirect": (status(301, headers={"Location": "https://elsewhere.example/"}), "HTTP 301"),
    "other JSON": (raw(b'{"message": {"role": "assistant"}}'), "does the URL include /v1"),
    "another shape": (raw(b'{"choices": [{"text": "no message"}]}'), "no chat completion"),
    "404 model": (status(404, {"message": "The model `x` does not exist", "code": "model_not_found"}), "it has tiny"),
    "400 model": (status(400, {"message": "x is not a valid model ID"}), "it has tiny"),
}


@pytest.mark.parametrize(("fault", "said"), MISUSE.values(), ids=MISUSE)
async def test_what_can_never_work_is_said_at_once_with_what_to_do(fault: Fault, said: str) -> None:
    async with Upstream() as upstream, at(upstream.url, name="zzz") as model:
        upstream.always = fault
        with pytest.raises(EndpointMisuse, match=said) as misuse:
            await model.complete(ASK)
    assert upstream.calls == 1
    assert misuse.value.exit_code == 2


async def test_near_names_are_offered_for_an_unknown_model() -> None:
    async with Upstream(models=("qwen3-8b", "llama-3")) as upstream, at(upstream.url, name="qwen3-8") as model:
        with pytest.raises(EndpointMisuse, match=r"did you mean qwen3-8b\?"):
            await model.complete(ASK)


async def test_without_a_key_the_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AKRASIA_API_KEY")
    async with Upstream() as upstream, at(upstream.url) as model:
        upstream.always = status(401)
        with pytest.raises(EndpointMisuse, match=r"wants a key: set AKRASIA_API_KEY \(or OPENAI_API_KEY\)"):
            await model.complete(ASK)


async def test_a_key_that_no_header_can_carry_is_refused_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AKRASIA_API_KEY", "sk-sekret\nX-Other: 1")
    with pytest.raises(EndpointMisuse, match="AKRASIA_API_KEY") as misuse:
        await build("tiny@http://127.0.0.1:1/v1", ModelSettings()).open()
    assert "sekret" not in str(misuse.value)


async def test_an_endpoint_that_served_before_and_then_sends_pages_is_tried_again() -> None:
    async with Upstream() as upstream, at(upstream.url) as model:
        await model.complete(ASK)
        upstream.faults += [html()]
        await model.complete(ASK)
    assert upstream.calls == 3


REFUSED: dict[str, tuple[Fault, str]] = {
    "400": (status(400, {"message": "This\nmodel's maximum context length is 8"}), "HTTP 400: This model's maximum"),
    "413": (status(413), "HTTP 413"),
    "422 list": (raw(b'{"detail": [{"loc": ["body", "top_p"], "msg": "too big"}]}', code=422), "too big"),
    "content policy": (status(403, {"message": "Your input was flagged by moderation"}), "flagged"),
}


@pytest.mark.parametrize(("fault", "said"), REFUSED.values(), ids=REFUSED)
async def test_a_refused_request_leaves_the_others_alone(fault: Fault, said: str) -> None:
    async with Upstream() as upstream, at(upstream.url) as model:
        upstream.faults += [fault]
        with pytest.raises(CallRefused, match=said):
            await model.complete(ASK)
        assert len(await model.complete(ASK)) == 1
    assert upstream.calls == 2


async def test_a_long_message_of_the_server_is_cut() -> None:
    async with Upstream() as upstream, at(upstream.url) as model:
        upstream.faults += [status(400, {"message": "very " * 1000})]
        with pytest.raises(CallRefused) as refusal:
            await model.complete(ASK)
    assert len(str(refusal.value)) < 400


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
async def test_an_endpoint_that_never_answered_is_lost_after_a_few_quick_tries(host: str) -> None:
    async with at(f"http://{host}:{free_port()}/v1", ModelSettings()) as model:
        began = time.monotonic()
        with pytest.raises(EndpointLost, match="4 tries: is the server running"):
            await model.complete(ASK)
        assert time.monotonic() - began < 15


async def test_what_does_not_speak_http_is_misuse() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.0\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, at(f"http://127.0.0.1:{port}/v1") as model:
        with pytest.raises(EndpointMisuse, match="does not speak HTTP"):
            await model.complete(ASK)


async def test_a_cancelled_call_gives_its_place_back() -> None:
    async with Upstream() as upstream, at(upstream.url, ModelSettings(concurrency=1)) as model:
        upstream.faults += [stall()]
        stalled = asyncio.create_task(model.complete(ASK))
        waiting = asyncio.create_task(model.complete(ASK))
        while not upstream.in_flight:
            await asyncio.sleep(0.001)
        waiting.cancel()
        stalled.cancel()
        await asyncio.gather(stalled, waiting, return_exceptions=True)
        assert len(await model.complete(ASK)) == 1


ECHOES: dict[str, Fault] = {
    "401": status(401, {"message": f"Incorrect API key provided: {KEY}. Masked: {KEY[:8]}***{KEY[-4:]}"}),
    "400": status(400, {"message": f"header was Bearer {KEY}"}),
    "429": status(429, {"message": f"quota of {KEY}", "code": "insufficient_quota"}),
    "500": status(500, f"key={KEY}"),
    "page": html(404),
    "404 model": status(404, {"message": f"model for {KEY} not found", "code": "model_not_found"}),
    "page with key": raw(f"<p>{KEY}</p>".encode(), content_type="text/html"),
    "odd type": raw(b"x", content_type="text/x-" + KEY),
    "another shape": raw(b'{"choices": [{"' + KEY.encode() + b'": 1}]}'),
    "broken": raw(b'{"choices": "' + KEY.encode()),
}


@pytest.mark.parametrize("fault", ECHOES.values(), ids=ECHOES)
async def test_the_key_never_shows(fault: Fault, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    async with Upstream() as upstream, at(upstream.url, ModelSettings(max_retries=1)) as model:
        upstream.always = fault
        with pytest.raises(AkrasiaError) as failure:
            await model.complete(ASK)
        seen = [str(failure.value), repr(failure.value), repr(model), model.name, repr(model.fingerprint), caplog.text]
        assert upstream.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert not [text for text in seen if KEY in text or KEY[:8] in text]


async def test_a_completion_that_echoes_the_key_is_recorded_without_it() -> None:
    settings = ModelSettings(keep_raw=True)
    async with Upstream(message=lambda b, i: f"your key is {KEY}") as upstream, at(upstream.url, settings) as model:
        (reply,) = await model.complete(ASK)
    assert reply.text == "your key is ***"
    assert KEY.encode() not in bytes(reply.raw or b"")


async def test_a_placeholder_for_a_key_is_not_blotted_out_of_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AKRASIA_API_KEY", "b")
    async with Upstream(message=lambda b, i: "numbers") as upstream, at(upstream.url) as model:
        (reply,) = await model.complete(ASK)
    assert reply.text == "numbers"
