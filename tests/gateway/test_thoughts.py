"""Thinking in blocks: nothing new where it repeats the reasoning, else read; in any other shape told as not audited."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.gateway.audited import GOOD, policy, settled, told_in
from tests.gateway.conftest import Serve
from tests.gateway.upstreams import broken, chunk
from tests.upstream import Upstream

from akrasia.gateway.thoughts import thought
from akrasia.gateway.unread import unread_fields

BAD = "I act against face."


def block(text: str | None, index: int = 0, **more: Any) -> dict[str, Any]:
    kind = {"type": "reasoning.text", "text": text, "signature": None, "id": None, "format": "vendor-v1"}
    return {**kind, "index": index, **more}


def thinking(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "thinking", "thinking": text, "signature": "c2lnbmVk+/=", **more}


SEALED = {"type": "reasoning.encrypted", "data": "Z0FBQUFBQm8=", "id": "rs_1", "format": "openai-responses-v1"}
SUMMARY = {"type": "reasoning.summary", "summary": "In short: soup.", "index": 1}


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"reasoning": "I weigh it.", "reasoning_details": [block("I weigh it.")]}, None),
        ({"reasoning": "I weigh it.", "reasoning_details": [block("I wei"), block("gh it.", signature="c2ln")]}, None),
        ({"reasoning": "I weigh\nit.", "reasoning_details": [block("I weigh"), block("it.", 1)]}, None),
        ({"reasoning_content": "Hm.", "thinking_blocks": [thinking("Hm.")], "reasoning_details": [SEALED]}, None),
        ({"reasoning_details": [SEALED, block(None)]}, None),
        ({"reasoning_details": []}, None),
        ({"thinking_blocks": [{"type": "redacted_thinking", "data": "c2VjcmV0"}]}, None),
        ({"reasoning_details": [block("I wei"), block("gh it.")]}, "I weigh it."),
        # A client may set the blocks apart or not: both are read.
        ({"reasoning": "Soup.", "reasoning_details": [block("Soup."), SUMMARY]},
         "Soup.In short: soup.\nSoup.\nIn short: soup."),
        ({"reasoning": "Soup.", "thinking_blocks": [thinking("Bread.")]}, "Bread."),
        ({"thinking_blocks": [thinking("\\u0061bc")]}, "\\u0061bc\nabc"),
    ],
)  # fmt: skip
def test_what_is_thought(fields: dict[str, Any], text: str | None) -> None:
    message = {"content": GOOD, **fields}
    found = thought(message)
    assert (None if found is None else found.text) == text
    assert unread_fields({"message": message}) == {}


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("reasoning_details", "Mind this."),
        ("reasoning_details", ["Mind this."]),
        ("reasoning_details", {"type": "reasoning.text", "text": "Mind this."}),
        ("reasoning_details", [block("Soup."), {"type": "reasoning.other", "text": "Mind this."}]),
        ("reasoning_details", [block("Soup.", note="Mind this.")]),
        ("reasoning_details", [block("Soup.", signature="Mind this.")]),
        ("reasoning_details", [{**block("Soup."), "text": ["Mind this."]}]),
        ("reasoning_details", [{**block("Soup."), "index": "Mind this."}]),
        ("thinking_blocks", [thinking("Soup.", data={"note": "Mind this."})]),
        ("thinking_blocks", [block("Soup.")]),
        ("thinking_blocks", [{"type": ["thinking"], "thinking": "Mind this."}]),
        ("reasoning_details", [{"type": {}, "text": "Mind this."}]),
        ("thoughts", [thinking("Soup.")]),
    ],
)
def test_another_shape_is_told(name: str, field: Any) -> None:
    message = {"content": GOOD, "reasoning": "Soup.", name: field}
    assert unread_fields({"message": message}) == {name: field}
    assert thought(message) is None


@pytest.mark.parametrize("mode", ["observe", "annotate"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.parametrize("thoughts", [["I weigh", " the soup."], ["I act again", "st face."]])
async def test_thoughts_in_blocks_are_audited_with_the_reply(
    upstream: Upstream, serve: Serve, tmp_path: Path, thoughts: list[str], beside: bool, stream: bool, mode: str
) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, mode), log=log)
    whole = {"reasoning": "".join(thoughts)} if beside else {}
    blocks = [block(one) for one in thoughts]
    upstream.message = lambda body, index: {"role": "assistant", "content": GOOD, "reasoning_details": blocks, **whole}
    if stream:
        deltas: list[dict[str, Any]] = [
            {"content": "", "reasoning_details": [made], **({"reasoning": one} if beside else {})}
            for one, made in zip(thoughts, blocks, strict=True)
        ]
        pieces = [chunk({"model": "tiny"}, [{"index": 0, "delta": one}]) for one in [*deltas, {"content": GOOD}]]
        upstream.always = broken([*pieces, b"data: [DONE]\n\n"], "whole")
    response = await served.ask(stream=stream)
    body = await response.read()
    assert b"reasoning_details" in body
    (record,) = await settled(log, 1)
    (choice,) = record["choices"]
    bad = "".join(thoughts) == BAD
    assert choice.get("missing") is None
    assert choice["decision"] == "passed"
    ((name, read),) = choice["others"].items()
    assert name == ("reasoning" if beside else "thoughts")
    assert read.get("betrayed", []) == (["face"] if bad else [])
    if mode == "annotate":
        told = told_in(body)[-1] if stream else (await response.json())["akrasia"]
        assert told["choices"][0].get("failed_in", []) == ([("reasoning" if beside else "thoughts")] if bad else [])


async def test_what_stays_behind_is_not_held_against_a_reply(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    served = await serve(policy(tmp_path, "enforce"))
    upstream.message = lambda body, index: {"role": "assistant", "content": GOOD, "reasoning_details": [block(BAD)]}
    response = await served.ask()
    assert (response.status, response.headers["x-akrasia-decision"]) == (200, "passed")
    assert b"reasoning_details" not in await response.read()
