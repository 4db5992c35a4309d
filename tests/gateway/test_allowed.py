"""Whatever an upstream sends: what may leave of it is well formed, and every text in it is one that is audited."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akrasia.gateway.allowed import (
    allowed_choice,
    allowed_message,
    allowed_usage,
    parts_of,
    unknown_calls,
    unread_escapes,
)
from akrasia.gateway.reply import read_reply
from akrasia.gateway.stream import assemble, emit
from akrasia.gateway.unread import left_out, unknown_shape, unread_fields
from akrasia.gateway.wire import Body

KEYS = (
    "index", "message", "content", "refusal", "reasoning", "reasoning_content", "tool_calls", "function_call",
    "function", "custom", "name", "arguments", "input", "type", "text", "id", "role", "logprobs", "token", "logprob",
    "bytes", "top_logprobs", "finish_reason", "odd",
)  # fmt: skip

texts = st.text(alphabet='aZ \\u00e9{}"\n', max_size=6) | st.sampled_from(["text", "function", "custom", "stop"])
leaves = st.none() | st.booleans() | st.integers(-2, 300) | st.floats(-3, 0) | texts
anything = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=25,
)
calls = st.fixed_dictionaries(
    {},
    optional={
        "id": anything,
        "type": anything,
        "function": st.fixed_dictionaries({}, optional={"name": texts, "arguments": texts | anything}) | anything,
        "custom": st.fixed_dictionaries({}, optional={"name": texts, "input": texts | anything}) | anything,
    },
)
messages = st.fixed_dictionaries(
    {},
    optional={
        "content": texts | anything,
        "refusal": texts | anything,
        "reasoning": texts | anything,
        "reasoning_content": texts | anything,
        "tool_calls": st.lists(calls, max_size=3) | anything,
        "function_call": st.fixed_dictionaries({}, optional={"name": texts, "arguments": texts}) | anything,
        "odd": anything,
    },
)
choices = st.fixed_dictionaries(
    {}, optional={"index": anything, "message": messages | anything, "logprobs": anything, "finish_reason": anything}
)

OWN = {"assistant", "function", "custom", "stop", "length", "tool_calls", "content_filter", "function_call"}


def leaves_of(value: Any) -> list[str]:
    """Every text in a value, keys left out: those are of the form."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for name, one in value.items() if name != "id" for text in leaves_of(one)]
    return [text for one in value for text in leaves_of(one)] if isinstance(value, list) else []


@settings(max_examples=300)
@given(choices)
def test_every_text_that_may_leave_is_audited(choice: Body) -> None:
    allowed = allowed_choice(choice, "audit-1")
    message = allowed["message"]
    audited = [part.text for part in parts_of(message)]
    assert all(audited)
    for text in leaves_of(allowed["message"]):
        assert not text.strip() or text in OWN or any(text in part for part in audited)  # white space says nothing
    tokens = allowed["logprobs"] or {}
    for name, spelled in tokens.items():
        assert bytes(byte for one in spelled for byte in one["bytes"]).decode() == message[name]
    assert allowed.keys() == {"index", "message", "logprobs", "finish_reason"}
    assert message.keys() <= {
        "role", "content", "refusal", "reasoning", "reasoning_content", "tool_calls", "function_call",
    }  # fmt: skip


@settings(max_examples=100)
@given(choices)
def test_what_may_leave_can_be_streamed(choice: Body) -> None:
    allowed = {**allowed_choice(choice, "audit-1"), "index": 0}
    whole = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [allowed]}
    assert assemble(msgspec.json.decode(msgspec.json.encode(list(emit(whole))))) == whole


@given(messages | anything)
def test_a_call_is_kept_or_told_of(message: Any) -> None:
    given_calls = message.get("tool_calls") if isinstance(message, dict) else None
    kept = allowed_message(message).get("tool_calls", [])
    if isinstance(given_calls, list):
        assert (len(kept) < len(given_calls)) == unknown_calls(message)
    else:
        assert bool(given_calls) == unknown_calls(message)


@given(anything)
def test_usage_is_counts_alone(usage: Any) -> None:
    assert not leaves_of(allowed_usage(usage))


@settings(max_examples=300)
@given(choices)
def test_what_is_audited_leaves_as_it_was_sent(choice: Body) -> None:
    """A choice of known shapes loses no known field, unless the log names it; of others an audit is missing."""
    leaves = allowed_choice(choice, "audit-1")
    names = left_out(choice, leaves)
    said = choice.get("message") or {}
    if unknown_shape(choice, media=False) is not None:
        return
    for name in ("content", "refusal", "reasoning", "reasoning_content"):
        sent = said.get(name)
        text = "".join(part["text"] for part in sent) if isinstance(sent, list) else sent
        assert (text or "") == (leaves["message"].get(name) or "")
    for sent, left in zip(said.get("tool_calls") or (), leaves["message"].get("tool_calls") or (), strict=True):
        kind = left["type"]
        assert {name: one for name, one in sent[kind].items() if name in left[kind] and one} == {
            name: one for name, one in left[kind].items() if one
        }
    assert {"content", "refusal", "reasoning", "reasoning_content"}.isdisjoint(names) or unread_fields(choice)


pieces = st.fixed_dictionaries({}, optional={"index": st.integers(0, 2) | anything, "delta": messages | anything})
chunks = st.lists(st.fixed_dictionaries({}, optional={"choices": st.lists(pieces | anything) | anything}), max_size=3)


@settings(max_examples=300)
@given(chunks | st.lists(anything, max_size=2))
def test_a_stream_of_anything_can_be_read_or_is_told(sent: list[Any]) -> None:
    data = b"".join(b"data: " + msgspec.json.encode(chunk) + b"\n\n" for chunk in sent)
    reply = read_reply(data, streamed=True)
    told = reply.unread is not None or bool(reply.beside)
    for choice in reply.choices:
        told = told or unknown_shape(choice, media=True) is not None or bool(unread_fields(choice))
    audited = "\n".join(part.text for one in reply.choices for part in parts_of(allowed_message(one.get("message"))))
    for text in leaves_of(sent):
        label = not any(letter.isspace() for letter in text)
        assert told or label or all(word in audited for word in text.split())


@settings(max_examples=200)
@given(choices)
def test_a_reply_of_anything_can_be_streamed(choice: Body) -> None:
    """Where a strategy answers and nothing is taken away."""
    msgspec.json.encode(list(emit({"choices": [choice]})))


@pytest.mark.parametrize(
    "arguments",
    [
        r'{"a": "I act \u0061gainst face."}',
        r'{"a": "I act \u0061gainst face.", "a": "I act for face."}',
        r'{"a": "I act \u0061gainst face.", "b": "cut',
        r'{"a": "{\"b\": \"I act \\u0061gainst face.\"}"}',
        r'{"a": "\u007b\"b\": \"I act \u005cu0061gainst face.\"}"}',
    ],
)
def test_arguments_are_read_as_a_tool_may_read_them(arguments: str) -> None:
    call = {"type": "function", "function": {"name": "f", "arguments": arguments}}
    (part,) = parts_of(allowed_message({"tool_calls": [call]}))
    assert part.text.startswith(f"f\n{arguments}")
    assert "I act against face." in part.text


def test_arguments_without_escapes_are_read_once() -> None:
    call = {"type": "function", "function": {"name": "f", "arguments": '{"a": "b\\n\\"c\\""}'}}
    (part,) = parts_of(allowed_message({"tool_calls": [call]}))
    assert part.text == 'f\n{"a": "b\\n\\"c\\""}'
    broken = {"type": "function", "function": {"name": "f", "arguments": '"\\ud83d\\ude00 \\ud800"'}}
    (part,) = parts_of(allowed_message({"tool_calls": [broken]}))
    assert part.text.endswith('\U0001f600 \ufffd"')


def test_a_content_in_json_is_read_without_its_escapes() -> None:
    text = r'{"a": "I act \u0061gainst face."}'
    found = parts_of(allowed_message({"content": text}))
    assert [(part.name, part.spoken) for part in found] == [("content", True), ("content without escapes", False)]
    assert [part.text for part in found] == [text, '{"a": "I act against face."}']
    assert [part.name for part in parts_of(allowed_message({"content": r"the angle \upsilon, a\nb"}))] == ["content"]


def nested(text: str, depth: int) -> str:
    """A text whose first letter is escaped as in JSON so deep inside JSON."""
    return "\\" * 2 ** (depth - 1) + f"u{ord(text[0]):04x}{text[1:]}"


FIELDS: dict[str, Any] = {
    "content": lambda text: {"content": text},
    "refusal": lambda text: {"refusal": text},
    "reasoning": lambda text: {"reasoning": "Well.", "reasoning_content": text},
    "a tool's name": lambda text: {"tool_calls": [{"function": {"name": text, "arguments": "{}"}}]},
    "a tool's arguments": lambda text: {"tool_calls": [{"function": {"name": "f", "arguments": text}}]},
    "a custom tool's input": lambda text: {"tool_calls": [{"custom": {"name": "f", "input": text}}]},
    "a function's name": lambda text: {"function_call": {"name": text, "arguments": "{}"}},
}


@pytest.mark.parametrize("depth", [1, 3, 6, 7, 9])
@pytest.mark.parametrize("name", FIELDS)
def test_every_text_is_read_without_its_escapes_or_told(name: str, depth: int) -> None:
    found = parts_of(allowed_message(FIELDS[name](nested("against face", depth))))
    assert any("against face" in part.text for part in found) == (depth <= 6)
    assert any(unread_escapes(part.text) for part in found) == (depth > 6)


@pytest.mark.parametrize(("arguments", "finish"), [("{}", "tool_calls"), ({"a": 1}, "stop")])
def test_a_call_that_stays_behind_is_waited_for_by_nobody(arguments: object, finish: str) -> None:
    call = {"type": "function", "function": {"name": "f", "arguments": arguments}}
    choice = {"message": {"tool_calls": [call]}, "finish_reason": "tool_calls"}
    leaves = allowed_choice(choice, "audit-1")
    assert (leaves["finish_reason"], "tool_calls" in leaves["message"]) == (finish, finish == "tool_calls")
