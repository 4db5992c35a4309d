"""Keys and characters that an upstream cuts in two by the events of a stream: no half leaves before its time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from aiohttp import web
from tests.gateway.audited import GOOD, policy, records, settled
from tests.gateway.conftest import KEY, Serve
from tests.gateway.test_credentials import FORMS, SECRET, unescaped
from tests.gateway.upstreams import broken, chunk, sent
from tests.upstream import Body, Upstream

from akrasia.gateway.credentials import NO_CREDENTIALS, Credentials
from akrasia.gateway.seams import Seams
from akrasia.gateway.stream import assemble, read_chunks
from akrasia.gateway.wire import read_tail

DONE = b"data: [DONE]\n\n"
MODES: dict[str, dict[str, Any]] = {
    "pass": {"mode": "pass"},
    "observe": {"mode": "observe"},
    "annotate": {"mode": "annotate"},
    "sentences": {"mode": "enforce", "release": "sentences"},
}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}


def event(delta: object, index: int = 0, **more: Any) -> bytes:
    part = {"index": index, "delta": delta, "finish_reason": None, **more}
    return b"data: " + json.dumps({"id": "x", "choices": [part]}).encode() + b"\n\n"


def in_field(field: str, text: str) -> Body:
    if field == "arguments":
        return {"tool_calls": [{"index": 0, "function": {"arguments": text}}]}
    if field == "function_call":
        return {"function_call": {"arguments": text}}
    if field in PARTS:
        name, said = PARTS[field]
        return {name: [{**said, "text" if "text" in said else list(said)[-1]: text}]}
    return {"audio": {"transcript": text}} if field == "audio" else {field: text}


PARTS: dict[str, tuple[str, Body]] = {
    "parts": ("content", {"type": "text", "text": ""}),
    "details": ("reasoning_details", {"type": "reasoning.text", "text": "", "format": "x", "index": 0}),
    "summaries": ("reasoning_details", {"type": "reasoning.summary", "summary": ""}),
    "blocks": ("thinking_blocks", {"type": "thinking", "thinking": ""}),
}


def text_in(message: Body, field: str) -> str:
    if field not in PARTS:
        return json.dumps(message, ensure_ascii=False)
    name, said = PARTS[field]
    parts = message[name]
    assert all(part.get("type") == said["type"] and part.get("index") == said.get("index") for part in parts)
    return "".join(part["text" if "text" in said else list(said)[-1]] for part in parts)


def said(events: bytes) -> Body:
    (choice,) = assemble(read_chunks(events))["choices"]
    message: Body = choice["message"]
    return message


def fed(seams: Seams, events: Sequence[bytes]) -> bytes:
    return b"".join([*map(seams.feed, events), seams.end()])


FIELDS = ["content", "refusal", "reasoning", "reasoning_content", "thinking", "arguments", "function_call", "audio"]
FIELDS += PARTS


@pytest.mark.parametrize("end", ["done", "finish", "nothing", "another text"])
@pytest.mark.parametrize("field", [field for field in FIELDS if field not in PARTS])
def test_a_key_is_blotted_wherever_it_is_cut(field: str, end: str) -> None:
    last = {
        "done": DONE,
        "finish": event({}, finish_reason="stop"),
        "nothing": b"",
        "another text": event({"odd": "Hm."}),
    }[end]
    text = f"It is {SECRET}, it is s{SECRET}: s"
    for cut in range(len(text)):
        pieces = [event(in_field(field, part)) for part in (text[:cut], text[cut:])]
        out = fed(Seams(Credentials(SECRET)), [*pieces, last])
        assert SECRET[:-1] not in unescaped(out.decode())
        assert "It is ***, it is s***: s" in text_in(said(out), field)
        if end == "done":
            assert out.endswith(DONE)


@pytest.mark.parametrize("name", FORMS)
def test_a_key_in_any_form_is_blotted_letter_by_letter(name: str) -> None:
    text = FORMS[name]
    for size in (1, 2, 3, 7):
        pieces = [event({"content": text[at : at + size]}) for at in range(0, len(text), size)]
        out = fed(Seams(Credentials(SECRET)), pieces)
        left = said(out)["content"]
        assert SECRET not in unescaped(left)
        assert left == Credentials(SECRET).out_of(text)


def test_several_events_at_once_and_another_choice_between_them() -> None:
    pieces = [event({"content": SECRET[:5]}), event({"content": "s"}, 1), event({"content": SECRET[5:]}), DONE]
    out = Seams(Credentials(SECRET)).feed(b"".join(pieces))
    assert [one["message"]["content"] for one in assemble(read_chunks(out))["choices"]] == ["***", "s"]


def test_what_begins_no_key_leaves_at_once_as_it_came() -> None:
    seams = Seams(Credentials(SECRET))
    for one in (
        b": a comment\n\n",
        event({"role": "assistant", "content": ""}),
        event({"content": "Let us see "}),
        event({"content": "\u00e9 \U0001f600"}),
        event({"content": SECRET[1:]}),
        event({"tool_calls": [{**CALL, "id": "call_s", "index": 0}]}, odd={"a": "s"}),
        event({"role": "tools", "name": "s"}),
        b'data: {"choices": [{"index": 0, "delta": "s"}, "s"], "usage": null}\n\n',
        b"data: no JSON s\n\n",
        b'data: {"choices": [{"index": 0, "delta": {"content": "' + b"\xf0\x9f" + b's"}}]}\n\n',
    ):
        assert seams.feed(one) == one
        assert seams.end() == b""


def test_only_the_end_that_may_be_a_key_waits() -> None:
    seams = Seams(Credentials(SECRET))
    first = seams.feed(event({"content": "these are all the tests"}))
    assert said(first) == {"content": "these are all the test"}
    assert seams.feed(event({"content": ""})) == event({"content": ""})
    then = seams.feed(event({"content": " that we have"}))
    assert said(first + then) == {"content": "these are all the tests that we have"}
    held = seams.feed(event({"content": "."}))
    assert seams.end() == b""
    assert said(held) == {"content": "."}


def test_what_waited_leaves_before_another_text_of_its_choice() -> None:
    seams = Seams(Credentials(SECRET))
    out = seams.feed(event({"reasoning": "So it is"})) + seams.feed(event({"content": "Yes, "}))
    deltas = [one["choices"][0]["delta"] for one in read_chunks(out)]
    assert deltas == [{"reasoning": "So it i"}, {"reasoning": "s"}, {"content": "Yes, "}]


def test_letters_of_a_part_do_not_move_behind_its_signature() -> None:
    """A thought that lacks a letter has another signature, and its model refuses it in the next request."""
    blocks: list[Body] = [
        {"type": "thinking", "thinking": "He says"},
        {"type": "thinking", "thinking": "", "signature": "Er/+="},
    ]
    for pieces in ([[blocks[0]], [blocks[1]]], [blocks]):
        events = [event({"thinking_blocks": made}) for made in pieces]
        assert fed(Seams(Credentials(SECRET)), [*events, DONE]) == b"".join([*events, DONE])
    two = event(
        {
            "reasoning_details": [
                {"type": "reasoning.text", "text": "So it is"},
                {"type": "reasoning.text", "text": "Then"},
            ]
        }
    )
    assert Seams(Credentials(SECRET)).feed(two) == two


def test_half_a_character_of_a_part_leaves_in_a_part_of_its_own() -> None:
    def block(index: int, text: str) -> Body:
        return {"reasoning_details": [{"type": "reasoning.text", "index": index, "text": text}]}

    seams = Seams(Credentials(SECRET))
    deltas = (block(0, "Oh \ud83d"), block(1, "Then"), {"content": "Yes, "})
    out = b"".join(seams.feed(event(delta)) for delta in deltas)
    left = [one["choices"][0]["delta"] for one in read_chunks(out)]
    assert left == [block(0, "Oh "), block(0, "\ufffd"), block(1, "Then"), {"content": "Yes, "}]


@pytest.mark.parametrize("delta", [
    {"tool_calls": [{"index": 0, "id": "call_s", "type": "function", "function": {"name": "news"}}]},
    {"annotations": [{"type": "url_citation", "url_citation": {"title": "news", "url": "http://a/s"}}]},
    {"thinking_blocks": [{"type": "thinking", "signature": "abs"}]}, {"audio": {"id": "s", "data": "abcs"}},
    {"odd": {"text": "s"}}, {"reasoning_details": ["s", {"type": "reasoning.encrypted", "data": "abs"}]},
])  # fmt: skip
def test_what_clients_do_not_put_together_is_cut_by_nobody(delta: Body) -> None:
    assert Seams(Credentials(SECRET)).feed(event(delta)) == event(delta)


def test_what_waits_takes_no_key_along() -> None:
    odd = event({"reasoning_details": [{"type": SECRET, "text": "is"}]}).replace(b'"x"', json.dumps(SECRET).encode())
    for end in (b"", event({"content": "Yes"})):
        assert SECRET not in fed(Seams(Credentials(SECRET)), [odd, end]).decode()


def test_fields_that_repeat_each_other_wait_together() -> None:
    pieces = [event({"reasoning": part, "reasoning_content": part}) for part in (SECRET[:9], SECRET[9:])]
    assert said(fed(Seams(Credentials(SECRET)), pieces)) == {"reasoning": "***", "reasoning_content": "***"}


HALVES = {
    "by two deltas": ((r"I \ud83d", r"\ude00 see"), "I \U0001f600 see"),
    "with nothing between": ((r"I \ud83d", "", r"\ude00 see"), "I \U0001f600 see"),
    "whole in escapes": ((r"I \ud83d\ude00", " see"), "I \U0001f600 see"),
    "alone at the end": ((r"I \ud83d",), "I \ufffd"),
    "alone in the middle": ((r"I \ud83d", "see"), "I \ufffdsee"),
    "a second half alone": ((r"I \ude00", "see"), "I \ufffdsee"),
    "two first halves": ((r"I \ud83d", r"\ud83d\ude00"), "I \ufffd\U0001f600"),
}


@pytest.mark.parametrize("end", [DONE, event({}, finish_reason="length"), event({"content": ""}, finish_reason="stop")])
@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("case", HALVES)
@pytest.mark.parametrize("keys", [NO_CREDENTIALS, Credentials(SECRET)], ids=["no key", "a key"])
def test_halves_of_a_character_leave_together(keys: Credentials, case: str, field: str, end: bytes) -> None:
    pieces, whole = HALVES[case]
    events = [event(in_field(field, "@")).replace(b"@", piece.encode()) for piece in pieces]
    out = fed(Seams(keys), [*events, end])
    found = said(out)
    assert whole in text_in(found, field)
    assert all(read_tail(data) is not None for data in out.replace(b"data: ", b"").split(b"\n\n")[:-2])


def test_half_a_character_elsewhere_in_a_chunk_is_no_end_of_it() -> None:
    odd = event({"content": "a"}, logprobs={"content": [{"token": "@"}]}).replace(b"@", rb"\ud83d")
    (out,) = read_chunks(Seams(NO_CREDENTIALS).feed(odd))
    assert out["choices"][0]["logprobs"] == {"content": [{"token": "\ufffd"}]}
    deep = odd.replace(b'"a"', b"[" * 600 + b"]" * 600)
    for bad in (deep, odd.replace(b'"a"', b"NaN"), odd.replace(b'"a"', b'"\xf0"'), odd.replace(b"}", b"", 1)):
        assert Seams(NO_CREDENTIALS).feed(bad) == bad  # what is no JSON otherwise stays that


def test_a_window_cuts_no_key() -> None:
    keys = Credentials("one two three four")
    assert keys.uncut("It is one two three four, then", 10) == 24
    assert keys.uncut("It is one two thr", 10) == 0
    assert keys.uncut("It is one two thr", 6) == 6
    assert keys.uncut("It is that. And", 12) == 12


@pytest.mark.parametrize("field", ["content", "reasoning_content", "arguments", "audio"])
@pytest.mark.parametrize("name", MODES)
async def test_no_client_gets_a_key_that_is_cut(
    upstream: Upstream, serve: Serve, tmp_path: Path, name: str, field: str
) -> None:
    log = tmp_path / "log.jsonl"
    served = await serve(policy(tmp_path, **MODES[name]) if name != "pass" else 'mode = "pass"\n', log=log)
    body = {"model": "tiny"}
    opening = {"role": "assistant", **({"tool_calls": [{**CALL, "index": 0}]} if field == "arguments" else {})}
    for cut in range(1, len(KEY)):
        made = [opening, in_field(field, f"It is {KEY[:cut]}"), in_field(field, f"{KEY[cut:]}."), {"content": GOOD}]
        pieces = [chunk(body, [{"index": 0, "delta": delta}]) for delta in made]
        upstream.faults += [broken([*pieces, event({}, finish_reason="stop"), DONE], "whole")]
    for _ in range(1, len(KEY)):
        got = await (await served.ask(stream=True)).read()
        assert b"[DONE]" in got
        left = json.dumps(assemble(read_chunks(got))["choices"])
        assert KEY not in left
        leaves = name != "sentences" or field in ("content", "arguments")
        assert ("It is ***." in (text_in(said(got), field) if leaves else left)) is leaves
        assert GOOD in left
    if name != "pass":
        for mode in served.gateway._modes.values():
            await mode.close()
        assert KEY not in log.read_text(encoding="utf-8")
        assert sum(bool(one["choices"]) and "window" not in one["settings"] for one in records(log)) == len(KEY) - 1


@pytest.mark.parametrize("mode", ["pass", "observe", "annotate"])
async def test_only_what_may_begin_a_key_waits_for_more(
    upstream: Upstream, serve: Serve, tmp_path: Path, mode: str
) -> None:
    """The upstream says nothing more until the client has what came: else this would last for ever."""
    got = asyncio.Event()

    async def answer(upstream: Upstream, request: web.Request) -> web.StreamResponse:
        out = await sent(request, [event({"content": f"Here it is: {KEY[:4]}"})], finish=False)
        await got.wait()
        for piece in (event({"content": "y"}), DONE):
            await out.write(piece)
        await out.write_eof()
        return out

    upstream.always = answer
    served = await serve(policy(tmp_path, mode) if mode != "pass" else "")
    asked = {"model": "tiny", "messages": [{"role": "user", "content": "Well?"}], "stream": True}
    async with asyncio.timeout(5), served.client.post(f"{served.url}/chat/completions", json=asked) as response:
        first = await response.content.readuntil(b"\n\n")
        assert said(first) == {"content": "Here it is: "}
        got.set()
        assert said(first + await response.content.read())["content"] == f"Here it is: {KEY[:4]}y"


@pytest.mark.parametrize("name", MODES)
async def test_a_character_in_halves_ends_no_stream(
    upstream: Upstream, serve: Serve, tmp_path: Path, name: str
) -> None:
    log = tmp_path / "log.jsonl"
    served = await serve(policy(tmp_path, **MODES[name]) if name != "pass" else 'mode = "pass"\n', log=log)
    halves = ((f"{GOOD} @", rb"\ud83d"), ("@.", rb"\ude00"))
    pieces = [event({"content": text}).replace(b"@", half) for text, half in halves]
    upstream.always = broken([*pieces, event({}, finish_reason="stop"), DONE], "whole")
    got = await (await served.ask(stream=True)).read()
    assert b"error" not in got
    assert got.endswith(DONE)
    assert said(got)["content"] == f"{GOOD} \U0001f600."
    if name != "pass":
        record = (await settled(log, 1 if name != "sentences" else 2))[-1]
        (kept,) = record["choices"]
        assert kept["original"]["content"] == f"{GOOD} \U0001f600."
        assert "missing" not in kept


async def test_a_stream_that_breaks_off_gives_what_waited(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    served = await serve(policy(tmp_path, "annotate"), log=tmp_path / "log.jsonl")
    upstream.always = broken([event({"content": "It is s"})], "reset")
    got = await (await served.ask(stream=True)).read()
    assert b"upstream_reset" in got
    assert said(got[: got.index(b'data: {"error"')])["content"] == "It is s"
    (record,) = await settled(tmp_path / "log.jsonl", 1)
    assert record["choices"][0]["original"]["content"] == "It is s"


async def test_a_clients_key_stands_in_no_two_lines_of_the_log(
    upstream: Upstream, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A window of 2,000 letters would end in the midst of it."""
    monkeypatch.delenv("AKRASIA_API_KEY")
    log = tmp_path / "log.jsonl"
    served = await serve(policy(tmp_path, "enforce", release="sentences"), log=log)
    text = "a" * 1990 + KEY + "b" * 30
    upstream.always = broken([event({"content": text[at : at + 7]}) for at in range(0, len(text), 7)] + [DONE], "whole")
    got = await (await served.ask({"Authorization": f"Bearer {KEY}"}, stream=True)).read()
    assert said(got)["content"] == text
    lines = [one["choices"][0]["original"]["content"] for one in records(log) if "window" in one["settings"]]
    assert lines == ["a" * 1990 + "***"]
    assert KEY[:10] not in log.read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["\\" * 200_000, "s" * 200_000, "\\s" * 100_000, SECRET[:-1] * 10_000])
def test_a_long_text_is_looked_through_no_further_than_a_key_is_long(text: str) -> None:
    """What an upstream writes must not hold the gateway up."""
    began = perf_counter()
    assert Credentials(SECRET * 50).open_end(text) < 20_000
    assert perf_counter() - began < 2
