"""Release by sentence windows: each part leaves after its own audit, and nothing after a betrayal."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.gateway import audited
from tests.gateway.audited import GOOD, contents, policy, records, told_in
from tests.gateway.conftest import Serve
from tests.gateway.upstreams import broken, chunk, events
from tests.upstream import Body, Upstream

from akrasia.core import InputError

pytestmark = pytest.mark.asyncio

ASKED: Body = {"model": "tiny"}
LONG = f"Hello there. {GOOD} And so on."


def windows_policy(folder: Path, **settings: Any) -> str:
    return policy(folder, "enforce", **{"release": "sentences", "stop_text": "No.", **settings})


def words(text: str) -> list[bytes]:
    """A stream of a text, word by word."""
    parts = [{"role": "assistant", "content": ""}, *({"content": f"{word} "} for word in text.split(" "))]
    made = [chunk(ASKED, [{"index": 0, "delta": part, "finish_reason": None}]) for part in parts]
    return [*made, chunk(ASKED, [{"index": 0, "delta": {}, "finish_reason": "stop"}]), b"data: [DONE]\n\n"]


async def test_sentences_leave_as_they_are_audited(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(windows_policy(tmp_path), log=log)
    sent = words(LONG)
    upstream.faults.append(broken(sent[:5], "stall"))
    body = {"model": "tiny", "messages": [{"role": "user", "content": "x"}], "stream": True}
    async with served.client.post(f"{served.url}/chat/completions", json=body) as response:
        assert b"Hello there. " in await asyncio.wait_for(response.content.readuntil(b"\n\n"), 2)
        response.close()
    upstream.closing.set()
    upstream.faults.append(broken(sent, "whole"))
    got = await (await served.ask(stream=True)).read()
    assert contents(got) == [LONG + " "]
    assert got.endswith(b"data: [DONE]\n\n")
    assert told_in(got)[0]["choices"][0]["adherence"] == 1
    kept = [record for record in records(log) if record["id"] == told_in(got)[0]["id"]]
    windows = [record["choices"][0]["original"]["content"] for record in kept[:-1]]
    assert windows == [
        "Hello there. ",
        "I act for face. ",
        "I act for humility. ",
        "I act for tradition. ",
        "And so on. ",
    ]
    assert [record["settings"]["window"] for record in kept[:-1]] == [0, 1, 2, 3, 4]
    assert kept[-1]["choices"][0]["verdict"]["adherence"] == 1


async def test_a_betrayal_stops_the_stream_before_it_leaves(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(windows_policy(tmp_path), log=log)
    upstream.faults.append(broken(words("Hello there. I act against face. SECRET one. SECRET two."), "whole"))
    got = await (await served.ask(stream=True)).read()
    assert contents(got) == ["Hello there. \n\nNo."]
    assert b"SECRET" not in got
    assert b"against" not in got
    ends = [c["finish_reason"] for line in got.splitlines() if line.startswith(b"data: {")
            for c in json.loads(line[6:])["choices"] if c["finish_reason"]]  # fmt: skip
    assert ends == ["content_filter"]
    last = records(log)[-1]["choices"][0]
    assert (last["decision"], last["delivered"]) == ("stopped", "Hello there. \n\nNo.")


async def test_what_is_redacted_stands_in_no_window(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(windows_policy(tmp_path, redact=[r"Dr\. Meier"]), log=log)
    upstream.faults.append(broken(words("I act for face. Ask Dr. Meier. He knows."), "whole"))
    assert contents(await (await served.ask(stream=True)).read()) == ["I act for face. Ask Dr. Meier. He knows. "]
    *windows, whole = records(log)
    assert [record["settings"]["window"] for record in windows] == list(range(len(windows)))
    assert len(windows) > 2
    assert "Meier" not in log.read_text(encoding="utf-8")
    assert all(record["choices"] == [{"index": 0, "original": None, "decision": "passed"}] for record in windows)
    assert whole["choices"][0]["original"]["content"].startswith("I act for face. Ask ")


async def test_a_betrayal_over_two_windows_is_seen(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    audited.SPANS.append("one. Two")
    try:
        served = await serve(windows_policy(tmp_path, judge="llm:scripted:tests.gateway.audited:judge_spans"))
        upstream.faults.append(broken(words("This is one. Two is SECRET. Three."), "whole"))
        got = await (await served.ask(stream=True)).read()
    finally:
        audited.SPANS.clear()
    assert contents(got) == ["This is one. \n\nNo."]
    told = audited.told_in(got)[0]["choices"][0]
    assert (told["failed"], told["failed_in"]) == (True, ["content"])
    assert b"SECRET" not in got


def pieces_of(text: str, size: int) -> list[bytes]:
    cut = [text[at : at + size] for at in range(0, len(text), size)]
    return [chunk(ASKED, [{"index": 0, "delta": {"content": piece}}]) for piece in cut]


FEW = "llm:scripted:tests.gateway.audited:judge_of_few_words"


@pytest.mark.parametrize(
    ("text", "windows"),
    [
        ("One. Two. Three.", ["One.", "One. Two.", "One. Two. Three.", "Two.", "Three."]),
        (
            "word " * 700 + "end",  # no sentence: 2,000 letters are 400 words, and of those before 1,000 are read along
            ["word " * 400, "word " * 300 + "end", "word " * 500 + "end", "word " * 700 + "end"],
        ),
    ],
)
async def test_the_last_window_is_read_as_every_other(
    upstream: Upstream, serve: Serve, tmp_path: Path, text: str, windows: list[str]
) -> None:
    audited.READ.clear()
    served = await serve(windows_policy(tmp_path, judge=FEW))
    upstream.faults.append(broken([*pieces_of(text, 5), b"data: [DONE]\n\n"], "whole"))
    got = await (await served.ask(stream=True)).read()
    assert contents(got) == [text]
    assert sorted(set(audited.READ)) == sorted(one.strip() for one in windows)


@pytest.mark.parametrize("end", ["", " Then bye."])
@pytest.mark.parametrize("size", [3, 1000])
async def test_a_betrayal_in_the_last_words_stops_them(
    upstream: Upstream, serve: Serve, tmp_path: Path, end: str, size: int
) -> None:
    """The whole hides it among other words, and so would a piece that comes at once."""
    log = tmp_path / "audit.jsonl"
    served = await serve(windows_policy(tmp_path, judge=FEW), log=log)
    text = "Boil the eggs. " * 3 + "I act against face." + end
    upstream.faults.append(broken([*pieces_of(text, size), b"data: [DONE]\n\n"], "whole"))
    got = await (await served.ask(stream=True)).read()
    assert b"against" not in got
    assert contents(got) == ["Boil the eggs. " * 3 + "\n\nNo."]
    last = records(log)[-1]["choices"][0]
    assert (last["decision"], last["reason"]) == ("stopped", "the content betrays face")


async def test_escapes_hide_no_betrayal(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    """What leaves may be JSON to its client."""
    served = await serve(windows_policy(tmp_path))
    text = '{"a": "Hello. I act \\u0061gainst face. Bye. "}'
    upstream.faults.append(broken([*pieces_of(text, 4), b"data: [DONE]\n\n"], "whole"))
    got = await (await served.ask(stream=True)).read()
    assert contents(got) == ['{"a": "Hello. \n\nNo.']


async def test_escapes_that_fill_windows_wait_for_the_whole(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    """Of 2,000 letters that are three times escaped a reader has nine."""
    served = await serve(windows_policy(tmp_path))
    text = "I act against face."
    for _ in range(3):
        text = "".join(f"\\u{ord(letter):04x}" for letter in text)
    upstream.faults.append(broken([*pieces_of(f"Hello. {text} Bye. ", 40), b"data: [DONE]\n\n"], "whole"))
    got = await (await served.ask(stream=True)).read()
    assert contents(got) == ["Hello. \n\nNo."]


async def test_escapes_that_are_too_deep_to_be_read_do_not_leave(
    upstream: Upstream, serve: Serve, tmp_path: Path
) -> None:
    served = await serve(windows_policy(tmp_path))
    text = "Hello. I act " + "\\" * 64 + "u0061gainst face. Bye. "
    upstream.faults.append(broken([*pieces_of(text, 4), b"data: [DONE]\n\n"], "whole"))
    got = await (await served.ask(stream=True)).read()
    assert contents(got) == ["Hello. "]
    assert b"audit_unavailable" in got


async def test_what_is_no_content_waits_for_the_end(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    served = await serve(windows_policy(tmp_path))
    calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": "I act for face."}'}}]
    upstream.message = lambda body, index: {"content": GOOD, "tool_calls": calls}
    sent = events(upstream, ASKED)
    thought = chunk(ASKED, [{"index": 0, "delta": {"reasoning_content": "THOUGHT"}}])
    upstream.faults.append(broken([thought, *sent], "whole"))
    got = await (await served.ask(stream=True)).read()
    assert b"THOUGHT" not in got
    assert b'{\\"a\\": \\"I act for face.\\"}' in got
    calls[0]["function"]["arguments"] = '{"a": "I act against face."}'  # type: ignore[index]
    upstream.faults.append(broken(events(upstream, ASKED), "whole"))
    got = await (await served.ask(stream=True)).read()
    assert contents(got)[0].strip().endswith("No.")
    assert b"tool_calls" not in got
    assert b"against" not in got


@pytest.mark.parametrize("judge", ["judge_down", "judge_unreadable", "judge_stuck"])
async def test_without_an_audit_nothing_leaves(upstream: Upstream, serve: Serve, tmp_path: Path, judge: str) -> None:
    served = await serve(
        windows_policy(tmp_path, judge=f"llm:scripted:tests.gateway.audited:{judge}", deadline_s={"audit": 0.2})
    )
    upstream.faults.append(broken(words(LONG), "whole"))
    response = await served.ask(stream=True)
    assert (response.status, (await response.json())["error"]["code"]) == (503, "audit_unavailable")
    assert (response.headers.get("x-should-retry") == "false") is (judge == "judge_unreadable")


async def test_open_lets_it_leave_marked(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    down = "llm:scripted:tests.gateway.audited:judge_down"
    served = await serve(windows_policy(tmp_path, judge=down, on_audit_error="open"), log=log)
    upstream.faults.append(broken(words(LONG), "whole"))
    got = await (await served.ask(stream=True)).read()
    assert contents(got) == [LONG + " "]
    assert told_in(got)[0]["choices"][0]["decision"] == "released"
    assert {record["choices"][0]["decision"] for record in records(log)} == {"released"}


@pytest.mark.parametrize("end", ["reset", "stall"])
async def test_an_upstream_that_breaks_off(upstream: Upstream, serve: Serve, tmp_path: Path, end: str) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(windows_policy(tmp_path, limits={"stall_s": 0.3}), log=log)
    upstream.faults.append(broken(words("Hello there. And SECRET. Then")[:4], end))
    got = await (await served.ask(stream=True)).read()
    assert contents(got) == ["Hello there. "]
    assert b'"error"' in got
    assert b"[DONE]" not in got
    assert b"SECRET" not in got
    assert records(log)[-1]["status"] in (502, 504)


async def test_an_upstream_that_stays_open_keeps_nobody_waiting(
    upstream: Upstream, serve: Serve, tmp_path: Path
) -> None:
    served = await serve(windows_policy(tmp_path))
    upstream.faults.append(broken(words(LONG), "stall"))
    got = await asyncio.wait_for((await served.ask(stream=True)).read(), 2)
    assert got.endswith(b"data: [DONE]\n\n")


async def test_a_whole_answer_is_released_whole(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    served = await serve(windows_policy(tmp_path))
    upstream.message = lambda body, index: GOOD
    body = await (await served.ask()).json()
    assert body["choices"][0]["message"]["content"] == GOOD


@pytest.mark.parametrize("settings", [{"fail_under": 0.5}, {"required": "face"}])
async def test_windows_cannot_show_what_the_whole_lacks(serve: Serve, tmp_path: Path, settings: Any) -> None:
    with pytest.raises(InputError, match="stops on betrayal alone"):
        await serve(windows_policy(tmp_path, **settings))
