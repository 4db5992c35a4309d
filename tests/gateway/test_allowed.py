"""Whatever an upstream sends: what may leave of it is well formed, and every text in it is one that is audited."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from akrasia.gateway.allowed import allowed_choice, allowed_message, allowed_usage, parts_of, unknown_calls
from akrasia.gateway.stream import assemble, emit
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
        assert not text or text in OWN or any(text in part for part in audited)
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
