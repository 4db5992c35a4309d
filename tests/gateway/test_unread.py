"""Whatever shape a text has: where it passes, what no audit reads is told as not audited; where not, it stays here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.gateway.audited import GOOD, policy, records, settled, told_in
from tests.gateway.conftest import Serve
from tests.gateway.test_leaks import received
from tests.gateway.upstreams import broken, chunk
from tests.upstream import Body, Upstream, raw

from akrasia.gateway.allowed import allowed_choice
from akrasia.gateway.reply import read_reply
from akrasia.gateway.stream import assemble
from akrasia.gateway.unread import left_out, repeats_a_field, unknown_shape, unread_fields, unread_in_chunks

SECRET = "ZQX I act against face. ZQX"


def call(arguments: object, **more: Any) -> list[Body]:
    return [{"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}, **more}]


SHAPES: dict[str, Body] = {
    "arguments as an object": {"content": GOOD, "tool_calls": call({"a": SECRET})},
    "arguments as a list": {"content": GOOD, "tool_calls": call([SECRET])},
    "a call of two kinds": {"content": GOOD, "tool_calls": call("{}", custom={"name": "g", "input": SECRET})},
    "a call of another type": {"content": GOOD, "tool_calls": [{**call(SECRET)[0], "type": "search"}]},
    "calls as an object": {"content": GOOD, "tool_calls": {"function": {"name": SECRET}}},
    "a function call as a text": {"content": GOOD, "function_call": SECRET},
    "a function call's object": {"content": GOOD, "function_call": {"name": "f", "arguments": {"a": SECRET}}},
    "content as a number": {"content": 5, "more": SECRET},
    "content as an object": {"content": {"text": SECRET}},
    "content as texts": {"content": [SECRET]},
    "content of another type": {"content": [{"type": "output_text", "text": SECRET}]},
    "content with thoughts": {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": SECRET}]}]},
    "refusal as an object": {"content": GOOD, "refusal": {"text": SECRET}},
    "reasoning as an object": {"content": GOOD, "reasoning": {"summary": SECRET}},
    "reasoning as a list": {"content": GOOD, "reasoning_content": [SECRET]},
}
"""Known fields in shapes that cannot be audited."""

FIELDS: dict[str, Body] = {
    "reasoning details": {"content": GOOD, "reasoning_details": [{"type": "reasoning.note", "text": SECRET}]},
    "thinking": {"content": GOOD, "thinking": SECRET},
    "a transcript": {"content": GOOD, "audio": {"id": "a", "data": "UklGRg==", "transcript": SECRET}},
    "annotations": {"content": GOOD, "annotations": [{"type": "file_citation", "file_citation": {"title": SECRET}}]},
    "a field's name": {"content": GOOD, SECRET: None},
    "a name inside": {"content": GOOD, "odd": {SECRET: 1}},
    "more of a call": {"content": GOOD, "tool_calls": call("{}", note=SECRET)},
    "more of a part": {"content": [{"type": "text", "text": GOOD, "note": SECRET}]},
    "a role": {"content": GOOD, "role": SECRET},
}
"""Fields that no audit knows."""

REPLIES: dict[str, Body] = {
    "a message as a text": {"choices": [{"index": 0, "message": SECRET}]},
    "a choice as a text": {"choices": [SECRET]},
    "text beside the message": {"choices": [{"index": 0, "message": {"content": GOOD}, "text": SECRET}]},
    "text without a message": {"choices": [{"index": 0, "text": SECRET}]},
    "a delta beside the message": {
        "choices": [{"index": 0, "message": {"content": GOOD}, "delta": {"content": SECRET}}]
    },
    "a delta without a message": {"choices": [{"index": 0, "delta": {"content": SECRET}}]},
    "half letters that say more": {
        "choices": [
            {
                "index": 0,
                "message": {"content": "é"},
                "logprobs": {
                    "content": [
                        {"token": SECRET, "logprob": -1.0, "bytes": [195]},
                        {"token": "and more", "logprob": -1.0, "bytes": [169]},
                    ]
                },
            }
        ]
    },
    "a reason to finish": {"choices": [{"index": 0, "message": {"content": GOOD}, "finish_reason": SECRET}]},
    "tokens of another text": {
        "choices": [
            {"index": 0, "message": {"content": GOOD}, "logprobs": {"content": [{"token": SECRET, "logprob": -1.0}]}}
        ]
    },
    "text beside the choices": {"choices": [{"index": 0, "message": {"content": GOOD}}], "output": SECRET},
    "an id": {"id": SECRET, "choices": [{"index": 0, "message": {"content": GOOD}}]},
    "no choices": {"choices": [], "output": SECRET},
    "choices as an object": {"choices": {"0": SECRET}},
    "another protocol": {"message": {"content": SECRET}},
}
"""Whole replies."""


def reply_of(case: str) -> Body:
    if case in REPLIES:
        return REPLIES[case]
    message = SHAPES.get(case) or FIELDS[case]
    return {"id": "x", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ["annotate", "observe"])
@pytest.mark.parametrize("case", [*SHAPES, *FIELDS, *REPLIES])
async def test_what_passes_unread_is_told_and_logged(
    upstream: Upstream, serve: Serve, tmp_path: Path, mode: str, case: str
) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, mode), log=log)
    upstream.always = raw(json.dumps(reply_of(case)).encode())
    response = await served.ask()
    assert "ZQX" in await response.text()
    (record,) = await settled(log, 1)
    (kept,) = record["choices"]
    assert kept["missing"]
    assert kept["decision"] == "released"
    assert "ZQX" in json.dumps({"original": kept["original"], "beside": kept.get("beside")})
    if mode == "annotate":
        (told,) = (await response.json())["akrasia"]["choices"]
        assert (told["decision"], "missing" in told) == ("released", True)


@pytest.mark.asyncio
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("on_audit_error", ["closed", "open"])
@pytest.mark.parametrize("case", [*SHAPES, "a message as a text", "text without a message"])
async def test_an_unknown_shape_is_not_audited_where_replies_are_enforced(
    upstream: Upstream, serve: Serve, tmp_path: Path, case: str, on_audit_error: str, stream: bool
) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "enforce", on_audit_error=on_audit_error), log=log)
    upstream.always = raw(json.dumps(reply_of(case)).encode())
    got = await received(served, stream=stream)
    (kept,) = records(log)[0]["choices"]
    assert kept["missing"]
    if on_audit_error == "closed":
        assert b"audit_unavailable" in got
        assert (b"ZQX" in got, kept["decision"]) == (False, "withheld")
    else:
        released = "released" if b"content_filter" not in got else "stopped"
        assert kept["decision"] == released
        assert released == "stopped" or kept["left_out"]
        assert b'"arguments":""' not in got  # a tool that is called with nothing does something else


@pytest.mark.asyncio
@pytest.mark.parametrize("case", [*FIELDS, "text beside the message"])
async def test_fields_that_stay_behind_are_named_in_the_log(
    upstream: Upstream, serve: Serve, tmp_path: Path, case: str
) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "enforce"), log=log)
    upstream.always = raw(json.dumps(reply_of(case)).encode())
    got = await received(served)
    assert b"ZQX" not in got
    assert GOOD.encode() in got
    (kept,) = records(log)[0]["choices"]
    assert kept["decision"] == "passed"
    if case not in ("a role", "a field's name"):  # a role is always the assistant's; a name without a field is nothing
        assert kept["left_out"]


def test_what_is_known_is_told_as_whole() -> None:
    message = {
        "role": "assistant",
        "content": [{"type": "text", "text": "Hello. "}, {"type": "text", "text": "There."}],
        "refusal": None,
        "reasoning": "So.",
        "audio": {"id": "audio_1", "data": "UklGRg==", "expires_at": 1},
        "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}],
        "annotations": [],
        "tool_calls": call('{"a": 1}', index=0),
        "function_call": None,
    }
    tokens = [{"token": one, "logprob": -1.0, "bytes": list(one.encode()), "id": 4} for one in ("Hello. ", "There.")]
    tokens[0]["top_logprobs"] = [{"token": "Hi", "logprob": -2.0}]
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": "tool_calls",
        "native_finish_reason": "STOP",
        "stop_reason": None,
        "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}},
        "logprobs": {"content": tokens, "refusal": None},
    }
    head = {
        "id": "gen-1",
        "object": "chat.completion",
        "model": "a/b:free",
        "provider": "Google AI Studio",
        "x_groq": {"id": "r"},
    }
    whole = {**head, "created": 1, "choices": [choice], "usage": {"prompt_tokens": 1, "cost_details": {"a": 0.1}}}
    reply = read_reply(json.dumps(whole).encode(), streamed=False)
    assert (reply.unread, reply.beside) == (None, {})
    assert unknown_shape(choice, media=True) is None
    assert unread_fields(choice) == {}
    media: Body = {"message": {"content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]}}
    assert unknown_shape(media, media=True) is None
    assert unknown_shape(media, media=False) == "content of an unknown shape"


def test_tokens_of_half_a_letter_say_no_more_than_that() -> None:
    def named(text: str, *tokens: tuple[object, list[int]]) -> list[str]:
        spelled = [{"token": said, "logprob": -1.0, "bytes": given} for said, given in tokens]
        return [*unread_fields({"message": {"content": text}, "logprobs": {"content": spelled}})]

    assert named("a é", ("a", [97]), ("\ufffd", [32, 195]), ("\ufffd", [169])) == []
    assert named(" é", (" \\xc3", [32, 195]), ("bytes:\\xa9", [169])) == []
    assert named("é", ("", [195]), ("\ufffd\ufffd", [169])) == []
    assert named("\ufffd", ("\ufffd", [239, 191, 189])) == []
    assert named("\ufffd", (SECRET, [239, 191, 189])) == ["logprobs"]
    assert named("é", (f"\ufffd{SECRET}", [195]), ("\ufffd", [169])) == ["logprobs"]
    assert named("é", ({"a": SECRET}, [195]), ("\ufffd", [169])) == ["logprobs"]
    assert named("a", ("", [97])) == ["logprobs"]


@pytest.mark.parametrize(("given", "leaves"), [(None, True), (-1.5, True), ("much", False), ([], False)])
def test_a_log_probability_that_is_null_is_lost_and_says_nothing(given: object, leaves: bool) -> None:
    choice = {"index": 0, "message": {"content": "Hi"}, "logprobs": {"content": [{"token": "Hi", "logprob": given}]}}
    assert (not unread_fields(choice)) == leaves
    known = {"token": "Hi", "logprob": given, "bytes": [72, 105], "top_logprobs": []}
    assert allowed_choice(choice, "a")["logprobs"] == ({"content": [known]} if leaves else None)


def test_a_delta_beside_a_message_is_named() -> None:
    choice: Body = {"message": {"content": GOOD}, "delta": {"content": SECRET}}
    assert [*unread_fields(choice)] == ["choice.delta"]
    assert unread_fields({"message": {"content": GOOD}, "delta": {"role": "assistant", "content": GOOD}}) == {}
    assert unknown_shape({"delta": {"content": SECRET}}, media=True) == "no message, but text in choice.delta"


def test_only_what_stays_behind_is_left_out() -> None:
    choice: Body = {"message": {"content": "a", "reasoning": "b", "x": "c", "y": None}, "z": 1, "logprobs": None}
    left = ("choices[2].z", "choices[2].message.reasoning", "choices[2].message.x")
    assert left_out(choice, {"index": 2, "message": {"content": "a"}}) == left
    assert left_out({"message": {"content": "a"}}, {"message": {"content": "a"}}) == ()


def delta(fields: object, **more: Any) -> Body:
    return {"index": 0, "delta": fields, **more}


STREAMS: dict[str, list[Any]] = {
    "a text that becomes a list": [delta({"content": SECRET}), delta({"content": [{"type": "text", "text": "Hi."}]})],
    "a text that becomes a number": [delta({"content": SECRET}), delta({"content": 5})],
    "a list that becomes a text": [delta({"reasoning": [SECRET]}), delta({"reasoning": "Hm."})],
    "a field that is said again": [delta({}, text=SECRET), delta({}, text="Hello.")],
    "a message beside the delta": [delta({"content": SECRET}), delta({}, message={"content": "Hello."})],
    "another message beside it": [delta({"content": "Hello."}), delta({}, message={"content": SECRET})],
    "a call's later id": [delta({"tool_calls": call("{}")}), delta({"tool_calls": [{"index": 0, "id": SECRET}]})],
    "another role": [delta({"role": SECRET}), delta({"role": "assistant", "content": GOOD})],
    "arguments that become an object": [
        delta({"tool_calls": call(SECRET, index=0)}),
        delta({"tool_calls": [{"index": 0, "function": {"arguments": {"a": 1}}}]}),
    ],
    "an index as a text": [{"index": "0", "delta": {"content": SECRET}}],
    "a delta as a text": [delta(SECRET)],
    "a choice as a text": [SECRET],
    "arguments as an object": [delta({"tool_calls": call({"a": SECRET}, index=0)})],
}


@pytest.mark.asyncio
@pytest.mark.parametrize("case", STREAMS)
async def test_a_stream_hides_nothing_from_the_audit(
    upstream: Upstream, serve: Serve, tmp_path: Path, case: str
) -> None:
    """Each is told as not audited, or its betrayal is seen; a message that comes last never stands for what came."""
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "annotate"), log=log)
    sent = [chunk({"model": "tiny"}, [one]) for one in STREAMS[case]]
    upstream.always = broken([*sent, b"data: [DONE]\n\n"], "whole")
    got = await received(served, stream=True)
    assert b"ZQX" in got
    (told,) = told_in(got)
    assert any("missing" in one or one.get("failed") for one in told["choices"])
    (record,) = records(log)
    assert SECRET in json.dumps(record["choices"])


@pytest.mark.asyncio
@pytest.mark.parametrize("on_audit_error", ["closed", "open"])
@pytest.mark.parametrize("case", STREAMS)
async def test_nothing_of_such_a_stream_leaves_by_sentences(
    upstream: Upstream, serve: Serve, tmp_path: Path, case: str, on_audit_error: str
) -> None:
    served = await serve(policy(tmp_path, "enforce", release="sentences", on_audit_error=on_audit_error))
    sent = [chunk({"model": "tiny"}, [one]) for one in STREAMS[case]]
    upstream.always = broken([*sent, b"data: [DONE]\n\n"], "whole")
    assert b"I act against" not in await received(served, stream=True)


@pytest.mark.parametrize(
    ("data", "streamed"),
    [
        (b'{"choices": [{"message": {"content": "ZQX", "content": "Hello."}}]}', False),
        (b'data: {"choices": [{"index": 0, "delta": {"content": "ZQX", "content": "Hello."}}]}\n\n', True),
    ],
)
def test_a_field_that_stands_twice_is_told(data: bytes, streamed: bool) -> None:
    reply = read_reply(data, streamed=streamed)
    assert reply.unread == "a field that stands twice in one object"


def test_a_mark_before_an_event_hides_no_text() -> None:
    """Readers of events skip a byte order mark at the beginning of a stream."""
    event = b'data: {"choices": [{"index": 0, "delta": {"content": "Hello."}}]}\n\n'
    assert read_reply(b"\xef\xbb\xbf" + event, streamed=True).choices[0]["message"] == {"content": "Hello."}


def test_nothing_is_nothing() -> None:
    assert read_reply(b"", streamed=True).choices == []
    assert read_reply(b'{"choices": []}', streamed=False).choices == []


def test_what_an_upstream_repeats_is_read() -> None:
    """Some say a text twice, whole or piece by piece."""
    message = {"content": "Hello there.", "reasoning": "So it is.", "reasoning_details": [{"text": "So it is."}]}
    assert unread_fields({"message": message, "text": "Hello there."}) == {}
    assert unread_fields({"message": message, "text": "Hello"}) == {"choice.text": "Hello"}
    sent = [{"choices": [delta({"content": word}, text=word)]} for word in ("Hello ", "there.")]
    data = b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in sent)
    reply = read_reply(data, streamed=True)
    assert (reply.unread, reply.beside) == (None, {})
    assert [unread_fields(choice) for choice in reply.choices] == [{}]
    del sent[0]["choices"][0]["text"]
    data = b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in sent)
    assert read_reply(data, streamed=True).beside == {"choice.text": "there."}


def test_fields_of_chunks_take_no_place_from_each_other() -> None:
    sent = [{"choices": [delta({"content": "a"}, note={"b": word})], "x": "one for all"} for word in ("c", "d")]
    reply = read_reply(b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in sent), streamed=True)
    assert reply.beside == {"x": "one for all", "choice.note": [{"b": "c"}, {"b": "d"}]}
    assert reply.choices[0]["message"] == {"content": "aa"}


@pytest.mark.parametrize(
    ("text", "repeats"),
    [
        (b'{"a": 1, "a": 2}', True),
        (b'{"a": {"b": "\\"", "b": "x"}}', True),
        (b'[{"a": "\\u0022"}, {"a": 1}]', False),
        (b'{"a": "\\u0022\\u0022", "a": "1"}', True),  # as many quotes when written anew
        (b'{"a": "x\\"y", "b": 1e5}', False),
    ],
)
def test_a_field_that_stands_twice(text: bytes, repeats: bool) -> None:
    assert repeats_a_field(text) is repeats


def test_what_was_found_empty_is_looked_at_again_once_it_differs() -> None:
    def chunk(number: int) -> Body:
        part = {"index": 0, "delta": {"content": "fine"}, "finish_reason": None}
        odd: Body = {"note": "pay now"} if number == 2 else {}
        return {"id": "x", **odd, "choices": [part | ({"aside": "pay me"} if number == 3 else {})]}

    _, beside = unread_in_chunks([chunk(number) for number in range(5)], [])
    assert beside == {"note": "pay now", "choice.aside": "pay me"}


@pytest.mark.parametrize(
    "more",
    [
        {"top_logprobs": SECRET},
        {"top_logprobs": [SECRET]},
        {"top_logprobs": [{"token": "Ho", "note": SECRET}]},
        {"top_logprobs": [{"token": "Ho", "bytes": SECRET}]},
        {"bytes": SECRET},
        {"bytes": [SECRET]},
    ],
)
def test_what_is_no_alternative_is_not_excused_as_one(more: Body) -> None:
    token = {"token": "Hi", "logprob": -1.0, **more}
    assert list(unread_fields({"message": {"content": "Hi"}, "logprobs": {"content": [token]}})) == ["logprobs"]
    fine = {"token": "Ho", "logprob": None, "bytes": [72, 111]}
    token = {"token": "Hi", "logprob": -1.0, "bytes": None, "top_logprobs": [fine]}
    assert unread_fields({"message": {"content": "Hi"}, "logprobs": {"content": [token]}}) == {}


@pytest.mark.parametrize("index", [SECRET, [SECRET], {"a": SECRET}])
def test_the_index_of_a_streamed_call_that_is_no_number_is_told(index: object) -> None:
    call = {"index": index, "id": "c", "type": "function", "function": {"name": "mail", "arguments": "{}"}}
    (choice,) = assemble([{"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}])["choices"]
    assert list(unread_fields(choice)) == ["tool_calls"]
