"""The protocol's pure part: requests, error objects, and streams that add up whatever their bytes' cuts."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from akrasia.gateway.stream import DONE, EventSplitter, assemble, emit, encode_event, payloads, read_chunks
from akrasia.gateway.wire import (
    WireError,
    names_model_once,
    read_head,
    read_request,
    read_tail,
    unreadable,
    upstream_error,
    with_model,
)

text = st.text(st.characters(codec="utf-8"), max_size=150)
some_text = st.text(st.characters(codec="utf-8"), min_size=1, max_size=150)
token = st.fixed_dictionaries(
    {"token": some_text, "logprob": st.floats(-9, 0), "bytes": st.none(), "top_logprobs": st.just([])}
)
call = st.fixed_dictionaries(
    {
        "id": some_text,
        "type": st.just("function"),
        "function": st.fixed_dictionaries({"name": some_text, "arguments": text}),
    },
    optional={"extra_content": st.just({"thought": "x"})},
)
message = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": st.none() | text},
    optional={
        "reasoning_content": text,
        "refusal": st.none() | text,
        "tool_calls": st.lists(call, max_size=3),
        "annotations": st.lists(st.fixed_dictionaries({"type": st.just("url")}), max_size=2),
        "audio": st.none(),
    },
)


@st.composite
def choices(draw: st.DrawFn) -> list[dict[str, Any]]:
    made = []
    for index in range(draw(st.integers(0, 3))):
        choice = {
            "index": index,
            "message": draw(message),
            "finish_reason": draw(st.sampled_from(["stop", "length", "tool_calls", None])),
        }
        if draw(st.booleans()):
            tokens = draw(st.lists(token, max_size=4))
            choice["logprobs"] = draw(st.sampled_from([None, {"content": tokens, "refusal": None}, {"content": None}]))
            if tokens and draw(st.booleans()):  # tokens that are the content
                choice["message"]["content"] = "".join(one["token"] for one in tokens)
        if draw(st.booleans()):
            choice["content_filter_results"] = {"hate": {"filtered": False}}
        made.append(choice)
    return made


completions = st.fixed_dictionaries(
    {
        "id": some_text,
        "object": st.just("chat.completion"),
        "created": st.integers(0, 2**40),
        "model": some_text,
        "choices": choices(),
    },
    optional={
        "usage": st.just({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}),
        "system_fingerprint": st.none() | some_text,
        "timings": st.just({"prompt_ms": 1.5}),
    },
)


@given(completions)
def test_a_completion_comes_back_from_its_stream(completion: dict[str, Any]) -> None:
    assert assemble(emit(completion, usage=True)) == completion


@given(completions)
def test_without_being_asked_a_stream_says_no_usage(completion: dict[str, Any]) -> None:
    chunks = list(emit(completion))
    assert not any("usage" in chunk for chunk in chunks)
    assert assemble(chunks) == {name: field for name, field in completion.items() if name != "usage"}


@given(completions)
def test_a_stream_has_one_identity_and_each_choice_one_end(completion: dict[str, Any]) -> None:
    chunks = list(emit(completion, usage=True))
    assert {(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks} == {
        (completion["id"], completion["created"], completion["model"])
    }
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    for choice in completion["choices"]:
        parts = [c for chunk in chunks for c in chunk["choices"] if c["index"] == choice["index"]]
        assert [part["finish_reason"] for part in parts[:-1]] == [None] * (len(parts) - 1)
        assert parts[-1]["finish_reason"] == choice["finish_reason"]
        assert parts[0]["delta"]["role"] == "assistant"
    if "usage" in completion:
        assert [chunk["usage"] for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
        assert chunks[-1]["choices"] == []


@given(completions, st.data(), st.sampled_from([b"\n", b"\r\n"]))
def test_bytes_may_be_cut_anywhere(completion: dict[str, Any], data: st.DataObject, end: bytes) -> None:
    events = b": a comment" + end * 2 + b"".join(map(encode_event, emit(completion, usage=True))) + DONE
    events = events.replace(b"\n\n", end * 2)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(events)), max_size=12)))
    splitter, whole, handed = EventSplitter(), [], b""
    for start, stop in zip([0, *cuts], [*cuts, len(events)], strict=True):
        piece = splitter.feed(events[start:stop])
        assert not piece or piece.endswith(end * 2)
        handed += piece
        whole += read_chunks(piece)
    assert handed == events
    assert splitter.rest == b""
    assert assemble(whole) == completion


def test_each_byte_by_itself() -> None:
    events = 'data: {"a": "ü"}\n\ndata: 1\ndata: 2\n\n: nothing\n\ndata:[DONE]\n\n'.encode()
    splitter = EventSplitter()
    pieces = [splitter.feed(events[i : i + 1]) for i in range(len(events))]
    expected = ['{"a": "ü"}'.encode(), b"1\n2", b"[DONE]"]
    assert [payload for piece in pieces for payload in payloads(piece)] == expected
    assert payloads(events) == payloads(events.replace(b"\n", b"\r\n")) == expected


def test_an_event_without_end_is_refused() -> None:
    splitter = EventSplitter(limit=100)
    assert splitter.feed(b"data: x " * 12) == b""
    with pytest.raises(ValueError, match="100 bytes"):
        splitter.feed(b"data: x ")


def test_real_servers_chunks_add_up() -> None:
    """OpenAI opens with an empty content; llama.cpp sends the finish and its timings in a last chunk of their own."""
    head: dict[str, Any] = {"id": "a", "created": 1, "model": "m", "object": "chat.completion.chunk"}
    chunks: list[dict[str, Any]] = [
        {**head, "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]},
        {**head, "choices": [{"index": 1, "delta": {"role": "assistant", "content": None}, "finish_reason": None}]},
        {**head, "choices": [{"index": 0, "delta": {"content": "Go"}, "logprobs": {"content": [{"token": "Go"}]}}]},
        {**head, "choices": [{"index": 0, "delta": {"content": "od"}, "logprobs": {"content": [{"token": "od"}]}}]},
        {**head, "choices": [{"index": 1, "delta": {"tool_calls": [
            {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}]}}]},
        {**head, "choices": [{"index": 1, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": '{"x"'}}]}}]},
        {**head, "choices": [{"index": 1, "delta": {"tool_calls": [{"index": 1, "id": "c2", "type": "function",
            "function": {"name": "g", "arguments": "{}"}}]}}]},
        {**head, "choices": [{"index": 1, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}}]},
        {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {**head, "choices": [{"index": 1, "delta": {}, "finish_reason": "tool_calls"}]},
        {**head, "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}, "timings": {"n": 2}},
    ]  # fmt: skip
    assert assemble(chunks) == {
        **head,
        "object": "chat.completion",
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
        "timings": {"n": 2},
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Good"}, "finish_reason": "stop",
             "logprobs": {"content": [{"token": "Go"}, {"token": "od"}]}},
            {"index": 1, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": None,
             "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
                {"id": "c2", "type": "function", "function": {"name": "g", "arguments": "{}"}}]}},
        ],
    }  # fmt: skip


BODIES = {
    "no JSON": (b"{", "invalid_json", None),
    "cut inside a character": (b'{"model": "\xc3"}', "invalid_json", None),
    "no object": (b"[]", "invalid_type", None),
    "no model": (b'{"messages": []}', "missing_model", "model"),
    "a model that is none": (b'{"model": 3}', "invalid_type", "model"),
    "deeply nested": (b'{"model": "m", "x": ' + b"[" * 10**5 + b"}", "invalid_json", None),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_cannot_be_routed_is_the_clients_error(name: str) -> None:
    body, code, param = BODIES[name]
    with pytest.raises(WireError) as caught:
        read_head(body)
    assert (caught.value.status, caught.value.error.code, caught.value.error.param) == (400, code, param)
    assert msgspec.json.decode(caught.value.body)["error"].keys() == {"message", "type", "param", "code"}


@pytest.mark.parametrize("messages", [b"null", b"[]", b'"hi"', b"[1]"])
def test_messages_that_are_none(messages: bytes) -> None:
    with pytest.raises(WireError) as caught:
        read_request(b'{"model": "m", "messages": ' + messages + b"}")
    assert caught.value.error.param == "messages"


def test_a_model_is_renamed_and_nothing_else() -> None:
    body = b'{"model": "m@direct", "x": 1e5, "y": {"model": "z"}, "model": "m@direct"}'
    assert with_model(body, "m") == b'{"model":"m","x":1e5,"y":{"model": "z"}}'


@pytest.mark.parametrize(
    ("body", "sure"),
    [
        (b'{"model": "a", "messages": []}', True),
        (b'{"model": "a", "model": "b"}', False),
        (b'{"model": "a", "mod\\u0065l": "b"}', False),
        (b'{"\\u006dodel": "b"}', False),
        (b'{"model": "a", "messages": [{"model": 1}]}', False),
    ],
)
def test_two_models_are_noticed(body: bytes, sure: bool) -> None:
    assert names_model_once(body) is sure


def test_a_completion_must_be_whole_utf8() -> None:
    assert read_tail(b'{"choices": [{"message": {"content": "\xc3"}}]}') is None
    assert read_tail(b"<html>") is None
    tail = read_tail(b'{"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4, "more": {}}}')
    assert tail is not None
    assert tail.usage is not None
    assert (tail.usage.prompt_tokens, tail.usage.completion_tokens) == (3, 4)


KEY = "sk-proj-abcdefghijklmnop"

ERRORS = {
    "OpenAI's": (
        {"error": {"message": f"bad key {KEY}", "type": "t", "param": None, "code": "c", "more": 1}},
        {"error": {"message": "bad key ***", "type": "t", "param": None, "code": "c", "more": 1}},
    ),
    "masked": (
        {"error": {"message": "bad key sk-proj********mnop."}},
        {"error": {"message": "bad key ***"}},
    ),
    "FastAPI's": (
        {"detail": "Not authenticated"},
        {"error": {"message": "the upstream answered HTTP 401: Not authenticated", "type": "authentication_error",
                   "param": None, "code": None}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_the_upstreams_error_reaches_the_client_without_the_key(name: str) -> None:
    sent, wanted = ERRORS[name]
    error = upstream_error(401, {"Retry-After": "7"}, msgspec.json.encode(sent), KEY)
    assert (error.status, error.retry_after) == (401, "7")
    assert msgspec.json.decode(error.body) == wanted


@pytest.mark.parametrize("said", ["0", "17", "0.5", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_a_number_of_seconds_or_a_date_is_passed_on(said: str) -> None:
    assert upstream_error(429, {"Retry-After": said}, b"", KEY).retry_after == said


@pytest.mark.parametrize("said", [
    KEY, "", "soon", "-1", "1e3", "123456789012", "\u0661", "7, 8", f"7 {KEY}", "Wed, 21 Oct 2026 07:28:00 key",
    f"Wed, 21 Oct 2026 07:28:00 GMT ({KEY})",
])  # fmt: skip
def test_of_retry_after_nothing_else_is_passed_on(said: str) -> None:
    assert upstream_error(429, {"Retry-After": said}, b"", KEY).retry_after is None


def test_a_web_page_becomes_an_error_object() -> None:
    error = upstream_error(502, {"Content-Type": "text/html"}, b"<h1>Bad gateway</h1>", None)
    assert error.status == 502
    assert "a web page" in msgspec.json.decode(error.body)["error"]["message"]


@pytest.mark.parametrize("read", [read_head, read_request])
def test_half_a_character_is_called_so(read: Callable[[bytes], object]) -> None:
    body = b'{"model": "m", "messages": [{"role": "user"}], "user": "\\ud800"}'
    if read is read_head:
        body = body.replace(b'"m"', b'"\\ud800"')
    with pytest.raises(WireError, match="holds half a character"):
        read(body)
    with pytest.raises(WireError, match="is not JSON"):
        read(body.replace(b"ud800", b"ux"))


def test_a_reply_of_many_chunks_costs_no_more_than_their_number() -> None:
    """150,000 chunks take half a second; each copying what came before, they took half a minute and more."""
    part = {"index": 0, "delta": {"content": "abcd"}, "logprobs": {"content": [{"token": "abcd"}]}}
    began = time.perf_counter()
    (choice,) = assemble([{"choices": [part]}] * 150_000)["choices"]
    assert time.perf_counter() - began < 10
    assert choice["message"]["content"] == "abcd" * 150_000
    assert len(choice["logprobs"]["content"]) == 150_000
    assert part["logprobs"] == {"content": [{"token": "abcd"}]}


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ('{"prompt_tokens": "10", "completion_tokens": 3}', (None, 3)),
        ('{"prompt_tokens": 10.5}', (None, None)),
        ('{"prompt_tokens": -1, "completion_tokens": true}', (None, None)),
        ('{"prompt_tokens": {"a": 1}, "completion_tokens": 1e300}', (None, None)),
    ],
)
def test_a_usage_of_an_odd_form_is_no_fault(usage: str, tokens: tuple[int | None, int | None]) -> None:
    tail = read_tail(f'{{"choices": [], "usage": {usage}, "error": null}}'.encode())
    assert tail is not None
    assert tail.usage is not None
    assert (tail.usage.prompt_tokens, tail.usage.completion_tokens) == tokens
    assert bytes(tail.error) == b"null"
    for odd in ('"much"', "[1]", "3"):
        tail = read_tail(f'{{"usage": {odd}}}'.encode())
        assert tail is not None
        assert tail.usage is None


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("text/event-stream; charset=utf-8", b"data: {}\n\n", "a stream of events that it was not asked for"),
        ("Text/Event-Stream", b": welcome\n\n", "a stream of events that it was not asked for"),
        ("application/json", b"data: {}\n\n", "a stream of events that it was not asked for"),
        ("application/json", b'{"a": "\\ud800"}', "JSON in which half a character stands"),
        ("application/json", b'{"a": NaN}', "JSON that is nested too deeply, or has a number in it that is none"),
        ("application/json", b"[1]", "JSON that is no object"),
        ("application/json", b'{"a": ', "a body that is not whole JSON"),
        ("application/json", b'{"a": "\xc3"}', "a body that is not whole JSON"),
    ],
)
def test_a_body_that_cannot_be_read_is_told_as_what_it_is(kind: str, body: bytes, said: str) -> None:
    assert read_tail(body) is None
    assert unreadable(kind, body).startswith(said)


@pytest.mark.parametrize(
    ("first", "second"), [(0, 1), (1, 2), (7, 9), (3, 1), (0, 10**12)], ids=["plain", "from 1", "gaps", "back", "huge"]
)
def test_calls_are_told_apart_by_their_index_wherever_it_begins(first: int, second: int) -> None:
    calls = {first: ("c1", "f", '{"x":1}'), second: ("c2", "g", "[]")}
    parts = [
        {"index": index, "id": key, "type": "function", "function": {"name": name, "arguments": ""}}
        for index, (key, name, _) in calls.items()
    ]
    for place in range(7):
        for index, (*_, arguments) in calls.items():
            parts.append({"index": index, "function": {"arguments": arguments[place : place + 1]}})
    chunks = [{"choices": [{"index": 0, "delta": {"tool_calls": [part]}}]} for part in parts]
    (choice,) = assemble(chunks)["choices"]
    assert choice["message"]["tool_calls"] == [
        {"id": key, "type": "function", "function": {"name": name, "arguments": arguments}}
        for _, (key, name, arguments) in sorted(calls.items())
    ]
