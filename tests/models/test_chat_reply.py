"""Bodies that servers really send, and the replies that they are read as."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from akrasia.core import Reply, TokenLogprob, Usage
from akrasia.models.characters import check_writable
from akrasia.models.chat_reply import NoChoices, parse_replies, share_usage, split_thinking


def body(*messages: dict[str, Any], finish: str | None = "stop", **rest: Any) -> bytes:
    choices = [{"index": i, "message": m, "finish_reason": finish} for i, m in enumerate(messages)]
    return msgspec.json.encode({"choices": choices, **rest})


THINKING = {
    "none": ("42", "42", None),
    "leading": ("<think>six times seven</think>\n\n42", "42", "six times seven"),
    "after white space": ("\n <think>\nhm\n</think>42", "42", "hm"),
    "empty": ("<think></think>42", "42", ""),
    "unclosed": ("<think>six times", "", "six times"),
    "opened by the template": ("six times seven</think>\n42", "42", "six times seven"),
    "in the middle": ("Use <think>x</think> tags.", "Use <think>x</think> tags.", None),
    "mentioned": ("Write <think> first.", "Write <think> first.", None),
    "twice": ("<think>a</think>b</think>c", "b</think>c", "a"),
    "nothing": ("", "", None),
}


@pytest.mark.parametrize(("text", "answer", "reasoning"), THINKING.values(), ids=THINKING)
def test_thinking_is_kept_apart(text: str, answer: str, reasoning: str | None) -> None:
    assert split_thinking(text) == (answer, reasoning)


MESSAGES: dict[str, tuple[dict[str, Any], tuple[str, str | None, str]]] = {
    "plain": ({"content": "42"}, ("42", None, "stop")),
    "reasoning_content": ({"content": "42", "reasoning_content": "hm"}, ("42", "hm", "stop")),
    "reasoning": ({"content": "42", "reasoning": "hm"}, ("42", "hm", "stop")),
    "odd reasoning": ({"content": "42", "reasoning": {"x": 1}}, ("42", None, "stop")),
    "empty reasoning": ({"content": "<think>hm</think>42", "reasoning_content": ""}, ("42", "hm", "stop")),
    "no content": ({"content": None}, ("", None, "stop")),
    "refusal": ({"content": None, "refusal": "I cannot."}, ("I cannot.", None, "content_filter")),
    "parts": (
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                {"type": "text", "text": "42"},
            ]
        },
        ("42", "hm", "stop"),
    ),
}


@pytest.mark.parametrize(("message", "wanted"), MESSAGES.values(), ids=MESSAGES)
def test_messages(message: dict[str, Any], wanted: tuple[str, str | None, str]) -> None:
    (reply,) = parse_replies(body(message))
    assert (reply.text, reply.reasoning, reply.finish) == wanted


@pytest.mark.parametrize(
    ("said", "finish"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("tool_calls", "tool_calls"),
        ("function_call", "tool_calls"),
        ("max_tokens", "length"),
        ("eos", "stop"),
        (None, "unknown"),
        ("whatever", "unknown"),
    ],
)
def test_finishes(said: str | None, finish: str) -> None:
    assert parse_replies(body({"content": "x"}, finish=said))[0].finish == finish


def test_choices_come_in_the_order_of_their_index_and_name_the_model_that_answered() -> None:
    choices = [{"index": i, "message": {"content": str(i)}, "finish_reason": "stop"} for i in (2, 0, 1)]
    replies = parse_replies(msgspec.json.encode({"choices": choices, "model": "tiny-2"}))
    assert [r.text for r in replies] == ["0", "1", "2"]
    assert replies[0].model == "tiny-2"


def test_the_usage_of_one_choice_is_the_calls() -> None:
    usage = {
        "prompt_tokens": 7,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    assert parse_replies(body({"content": "x"}, usage=usage))[0].usage == Usage(7, 5, 2, 4)
    assert parse_replies(body({"content": "x"}, usage=None))[0].usage == Usage()
    assert parse_replies(body({"content": "x"}))[0].usage == Usage()


@pytest.mark.parametrize(
    ("said", "usage"),
    {
        "text": ('{"prompt_tokens": "12", "completion_tokens": 3}', Usage(None, 3)),
        "negative": ('{"prompt_tokens": 12, "completion_tokens": -3}', Usage(12, None)),
        "a fraction": ('{"prompt_tokens": 1.5, "completion_tokens": 3}', Usage(None, 3)),
        "true": ('{"prompt_tokens": true, "completion_tokens": 3}', Usage(None, 3)),
        "what no store can hold": ('{"prompt_tokens": 12, "completion_tokens": 1000000000000000}', Usage(12, None)),
        "beyond all range": ('{"prompt_tokens": 12, "completion_tokens": 1e400}', Usage()),
        "too many digits": (f'{{"prompt_tokens": {"9" * 5000}}}', Usage()),
        "details": (
            '{"completion_tokens_details": {"reasoning_tokens": 2}, "prompt_tokens_details": {"cached_tokens": -1}}',
            Usage(None, None, 2, None),
        ),
        "details that are none": ('{"prompt_tokens": 7, "prompt_tokens_details": [4]}', Usage(7)),
        "a number": ("12", Usage()),
        "a list": ("[12, 3]", Usage()),
    }.values(),
)
def test_what_is_no_count_of_tokens_is_unknown(said: str, usage: Usage) -> None:
    told: list[str] = []
    answer = f'{{"choices": [{{"message": {{"content": "x"}}}}], "usage": {said}}}'.encode()
    (reply,) = parse_replies(answer, on_odd_usage=told.append)
    assert (reply.text, reply.usage) == ("x", usage)
    (why,) = told
    assert "`$.usage" in why


def test_an_odd_usage_hides_nothing_else_that_is_wrong() -> None:
    told: list[str] = []
    with pytest.raises(msgspec.ValidationError, match="choices"):
        parse_replies(b'{"choices": [{"message": 1}], "usage": 5}', on_odd_usage=told.append)
    assert told == []


def test_the_usage_of_several_choices_is_split_by_length() -> None:
    # 10 tokens over texts of 1, 2 and 4 characters: 10/7, 20/7, 40/7 = 1.43, 2.86, 5.71; floors 1 + 2 + 5 = 8, and the
    # two tokens left go to the largest remainders (.86, .71).
    texts = [{"content": "a"}, {"content": "bb"}, {"content": "cccc"}]
    replies = parse_replies(body(*texts, usage={"prompt_tokens": 7, "completion_tokens": 10}))
    assert [r.usage for r in replies] == [Usage(7, 1), Usage(0, 3), Usage(0, 6)]


def test_the_usage_of_several_choices_is_exact_where_log_probabilities_count_the_tokens() -> None:
    def choice(i: int, tokens: int) -> dict[str, Any]:
        content = [{"token": "t", "logprob": -1.0}] * tokens
        return {"index": i, "message": {"content": "x" * 10}, "finish_reason": "stop", "logprobs": {"content": content}}

    usage = {"prompt_tokens": 7, "completion_tokens": 5}
    counted = msgspec.json.encode({"choices": [choice(0, 4), choice(1, 1)], "usage": usage})
    assert [r.usage.completion_tokens for r in parse_replies(counted)] == [4, 1]


def test_a_log_probability_that_is_null_is_missing_and_no_reason_to_refuse_a_reply() -> None:
    # llama.cpp's server writes minus infinity so.
    tokens = [{"token": "x", "logprob": None, "top_logprobs": [{"token": "y", "logprob": -0.5}, {"token": "x"}]}]
    choice = {"message": {"content": "x"}, "logprobs": {"content": tokens}}
    (reply,) = parse_replies(msgspec.json.encode({"choices": [choice]}))
    assert (reply.text, reply.logprobs) == ("x", (TokenLogprob("x", None, (("y", -0.5), ("x", None))),))
    assert check_writable(reply, "m") == reply
    assert msgspec.json.decode(msgspec.json.encode(reply.logprobs), type=tuple[TokenLogprob, ...]) == reply.logprobs


def test_where_the_server_counts_one_choice_the_others_are_unknown() -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 5}
    replies = parse_replies(body({"content": "a"}, {"content": "b"}, usage=usage, timings={"predicted_n": 5}))
    assert [r.usage for r in replies] == [Usage(7, 5), Usage(0, None)]


@given(
    texts=st.lists(st.text(max_size=9), min_size=2, max_size=8),
    prompt=st.none() | st.integers(0, 50),
    total=st.none() | st.integers(0, 10_000),
    hidden=st.none() | st.integers(0, 10_000),
)
def test_the_parts_of_a_usage_always_add_up_to_it(
    texts: list[str], prompt: int | None, total: int | None, hidden: int | None
) -> None:
    shared = [r.usage for r in share_usage(Usage(prompt, total, hidden), [Reply(t) for t in texts])]
    for name, whole in (("prompt_tokens", prompt), ("completion_tokens", total)):
        parts = [getattr(usage, name) for usage in shared]
        assert (set(parts) == {None}) if whole is None else (sum(parts) == whole and min(parts) >= 0)
    if total is not None and hidden is not None:
        assert sum(usage.reasoning_tokens or 0 for usage in shared) == hidden


@pytest.mark.parametrize("text", [b"{}", b'{"choices": []}', b'{"choices": null, "error": null}'])
def test_no_choices(text: bytes) -> None:
    with pytest.raises(NoChoices) as empty:
        parse_replies(text)
    assert not empty.value.is_error


def test_an_error_in_place_of_choices() -> None:
    with pytest.raises(NoChoices) as empty:
        parse_replies(b'{"error": {"message": "no"}}')
    assert empty.value.is_error


@given(st.binary(max_size=40))
def test_garbage_is_never_a_reply(garbage: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        parse_replies(garbage)
