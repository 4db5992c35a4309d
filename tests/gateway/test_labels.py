"""Labels of upstreams beside a reply's text: they are no text that no audit reads, and a sentence is none of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.gateway.audited import GOOD, policy, settled, told_in
from tests.gateway.conftest import Serve
from tests.gateway.upstreams import broken, chunk
from tests.upstream import Body, Upstream, raw

from akrasia.gateway.reply import Reply, read_reply
from akrasia.gateway.unread import stops_of, unread_beside, unread_fields

SECRET = "I act against face."
SIGNATURE = "Ab+/" * 300 + "=="

LABELS: dict[str, Body] = {
    "padding": {"obfuscation": "aB3dEfGh"},
    "Mistral's padding": {"p": "abcdefghijk"},
    "an id of the request": {"request_id": "2025-1"},
    "a version of weights": {"metadata": {"weight_version": "default"}},
    "figures as texts": {"perf_metrics": {"fireworks-server-time": "0.1", "tokens": 3, "b": "1.5e-3"}},
    "a model": {"model_info": {"arch": "llama", "quant": "Q4_K_M", "format": "gguf", "context_length": 4096}},
    "a runtime": {"runtime": {"name": "llama.cpp-linux", "version": "1.0", "supported_formats": ["gguf"]}},
}
"""Fields beside the choices."""

NO_LABELS: dict[str, Body] = {
    "padding of several words": {"obfuscation": SECRET},
    "padding in a row": {"p": ["I", "act", "against", "face."]},
    "padding in an object": {"obfuscation": {"a": "I", "b": "act"}},
    "a long word": {"p": "a" * 129},
    "a sentence for an id": {"request_id": SECRET},
    "a sentence for a version": {"metadata": {"weight_version": SECRET}},
    "another field there": {"metadata": {"weight_version": "default", "note": "pay"}},
    "metadata as a text": {"metadata": "pay"},
    "a word for a figure": {"perf_metrics": {"time": "pay"}},
    "a field's name": {"perf_metrics": {SECRET: "0.1"}},
    "several formats": {"runtime": {"supported_formats": ["pay", "me"]}},
    "a runtime's note": {"runtime": {"name": "x", "note": "pay"}},
    "a figure elsewhere": {"output": "42"},
}


@pytest.mark.parametrize("case", LABELS)
def test_labels_beside_the_choices_are_no_text(case: str) -> None:
    assert unread_beside(LABELS[case]) == {}


@pytest.mark.parametrize("case", NO_LABELS)
def test_what_is_no_label_in_its_place_is_named(case: str) -> None:
    assert unread_beside(NO_LABELS[case]) == NO_LABELS[case]


@pytest.mark.parametrize("case", LABELS)
def test_they_are_labels_beside_the_choices_alone(case: str) -> None:
    (name,) = LABELS[case]
    assert list(unread_fields({"message": {"content": GOOD, **LABELS[case]}})) == [name]
    assert list(unread_fields({"message": {"content": GOOD}, **LABELS[case]})) == [f"choice.{name}"]


def test_the_signature_of_a_thought_is_no_text() -> None:
    def named(google: object, **more: Any) -> list[str]:
        extra = {"extra_content": {"google": google, **more}}
        call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}, **extra}
        in_call = unread_fields({"message": {"tool_calls": [call]}})
        in_message = unread_fields({"message": {"content": GOOD, **extra}})
        assert bool(in_call) == bool(in_message)
        return list(in_message)

    assert named({"thought_signature": SIGNATURE}) == []
    assert named({"thought_signature": SIGNATURE, "thought": True}) == []
    assert named({"thought_signature": SECRET}) == ["extra_content"]
    assert named({"thought_signature": ["I", "act"]}) == ["extra_content"]
    assert named({"thought_signature": SIGNATURE, "note": "pay"}) == ["extra_content"]
    assert named({"thought_signature": SIGNATURE}, note="pay") == ["extra_content"]
    assert named("pay") == ["extra_content"]
    assert list(unread_fields({"message": {"content": GOOD, "thought_signature": "pay"}})) == ["thought_signature"]


def test_a_stop_string_of_the_request_is_the_clients_own() -> None:
    stops = stops_of({"stop": ["\n\nUser: ", 5]})
    assert (stops, stops_of({"stop": SECRET}), stops_of({})) == ({"\n\nUser: "}, {SECRET}, set())
    ended = {"message": {"content": GOOD}, "stop_reason": "\n\nUser: "}
    assert unread_fields(ended, stops) == {}
    assert list(unread_fields(ended)) == ["choice.stop_reason"]
    assert list(unread_fields({"message": {"content": GOOD}, "note": "\n\nUser: "}, stops)) == ["choice.note"]

    def streamed(**more: Any) -> Reply:
        part = {"index": 0, "delta": {"content": GOOD}, "finish_reason": "stop", **more}
        return read_reply(chunk({"model": "tiny"}, [part]), streamed=True, stops=stops)

    assert streamed(stop_reason="\n\nUser: ").beside == {}
    assert streamed(stop_reason=SECRET).beside == {"choice.stop_reason": SECRET}


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ["annotate", "observe"])
@pytest.mark.parametrize("streams", [True, False])
async def test_a_reply_with_labels_is_audited_whole(
    upstream: Upstream, serve: Serve, tmp_path: Path, mode: str, streams: bool
) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, mode), log=log)
    more: Body = {name: field for case in LABELS.values() for name, field in case.items()}
    said: Body = {"content": GOOD, "extra_content": {"google": {"thought_signature": SIGNATURE}}}
    end: Body = {"finish_reason": "stop", "stop_reason": "two words"}
    if streams:
        parts: list[Body] = [{"index": 0, "delta": said}, {"index": 0, "delta": {}, **end}]
        sent = [chunk({"model": "tiny"}, [one], **more) for one in parts]
        upstream.always = broken([*sent, b"data: [DONE]\n\n"], "whole")
    else:
        upstream.always = raw(json.dumps({"choices": [{"index": 0, "message": said, **end}], **more}).encode())
    for stop in ("two words", "other"):
        got = await (await served.ask(stream=streams, stop=[stop])).read()
        if mode == "annotate":
            told = told_in(got)[0] if streams else json.loads(got)["akrasia"]
            assert told["choices"][0]["decision"] == ("passed" if stop == "two words" else "released")
    records = await settled(log, 2)
    missing = ["missing" in one["choices"][0] for one in records]
    assert missing == [False, True]
