"""Streams of odd shapes: what clients get of them in each mode, and that the log names what is odd, and where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.gateway.audited import BAD, GOOD, policy, records, told_in
from tests.gateway.conftest import Serve
from tests.gateway.test_leaks import received
from tests.gateway.upstreams import broken, chunk
from tests.upstream import Body, Upstream, raw

from akrasia.gateway.stream import assemble, read_chunks

pytestmark = pytest.mark.asyncio

DONE = b"data: [DONE]\n\n"


def stream(*parts: object, **more: Any) -> list[bytes]:
    return [*(chunk({"model": "tiny"}, [part], **more) for part in parts), DONE]


def calls(first: int, second: int, argument: str = "so") -> list[bytes]:
    """Two calls, piece by piece."""
    made: list[Body] = []
    for index, name in ((first, "f"), (second, "g")):
        opening = {"id": f"c{name}", "type": "function", "function": {"name": name, "arguments": ""}}
        made.append({"index": index, **opening})
        made += [{"index": index, "function": {"arguments": piece}} for piece in ('{"a": "', argument, '"}')]
    deltas = [{"role": "assistant", "content": None}, *({"tool_calls": [one]} for one in made)]
    ended = {"index": 0, "delta": {}, "finish_reason": "tool_calls"}
    return stream(*({"index": 0, "delta": delta} for delta in deltas), ended)


@pytest.mark.parametrize("settings", [{"mode": "annotate"}, {"mode": "enforce", "release": "sentences"}], ids=str)
@pytest.mark.parametrize("indexes", [(0, 1), (1, 2), (3, 7), (2, 1)])
async def test_calls_are_audited_and_released_whatever_they_are_numbered(
    upstream: Upstream, serve: Serve, tmp_path: Path, indexes: tuple[int, int], settings: dict[str, Any]
) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, **settings), log=log)
    upstream.faults += [broken(calls(*indexes), "whole"), broken(calls(*indexes, BAD), "whole")]
    got = await (await served.ask(stream=True)).read()
    (told,) = told_in(got)
    assert (told["choices"][0]["decision"], told["choices"][0]["failed"]) == ("passed", False)
    assert "missing" not in told["choices"][0]
    (choice,) = assemble(read_chunks(got))["choices"]
    said = [one["function"] for one in choice["message"]["tool_calls"]]
    wanted = [{"name": name, "arguments": '{"a": "so"}'} for _, name in sorted(zip(indexes, "fg", strict=True))]
    assert (said, choice["finish_reason"]) == (wanted, "tool_calls")
    (told,) = told_in(await (await served.ask(stream=True)).read())
    assert told["choices"][0]["failed"]
    assert [one["choices"][0].get("missing") for one in records(log)] == [None, None]


def alike(*parts: Body) -> list[bytes]:
    """Pieces of calls that all have one index, as some upstreams number them."""
    deltas = [{"tool_calls": [{"index": 0, **one}]} for one in parts]
    ended = {"index": 0, "delta": {}, "finish_reason": "tool_calls"}
    return stream(*({"index": 0, "delta": delta} for delta in deltas), ended)


ALIKE = alike(
    {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
    {"id": "c2", "type": "function", "function": {"name": "g", "arguments": '{"a":'}},
    {"id": "c2", "function": {"arguments": ' "n'}},
    {"id": "", "function": {"arguments": "o"}},
    {"function": {"arguments": '"}'}},
)


@pytest.mark.parametrize("settings", [{"mode": "annotate"}, {"mode": "enforce", "release": "sentences"}], ids=str)
async def test_calls_of_one_index_are_told_apart_by_their_ids(
    upstream: Upstream, serve: Serve, tmp_path: Path, settings: dict[str, Any]
) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, **settings), log=log)
    upstream.faults.append(broken(ALIKE, "whole"))
    got = await (await served.ask(stream=True)).read()
    (choice,) = assemble(read_chunks(got))["choices"]
    said = [one["function"] for one in choice["message"]["tool_calls"]]
    assert said == [{"name": "f", "arguments": "{}"}, {"name": "g", "arguments": '{"a": "no"}'}]
    if settings["mode"] == "annotate":
        assert b"".join(ALIKE[:-1]) in got
    else:
        deltas = [one["choices"][0]["delta"] for one in read_chunks(got)]
        assert [one["index"] for delta in deltas for one in delta.get("tool_calls", ())] == [0, 1]
    (told,) = told_in(got)
    assert (told["choices"][0]["decision"], "missing" in told["choices"][0]) == ("passed", False)


async def test_a_call_that_is_named_late_or_again_stays_one() -> None:
    def made(*parts: Body) -> list[Any]:
        (choice,) = assemble(read_chunks(b"".join(alike(*parts))))["choices"]
        return [(one.get("id"), one["function"]["arguments"]) for one in choice["message"]["tool_calls"]]

    assert made({"function": {"arguments": "{"}}, {"id": "c", "function": {"arguments": "}"}}) == [("c", "{}")]
    began = {"id": "c", "function": {"name": "f", "arguments": "{"}}
    pieces = [{"id": f"random-{place}", "function": {"arguments": sign}} for place, sign in enumerate('"a":1}')]
    ((ids, arguments),) = made(began, *pieces)  # one call for every reader; no id is lost to the audit
    assert (ids[0], len(ids), arguments) == ("c", 7, '{"a":1}')
    first, second = ({"id": one, "function": {"name": "f", "arguments": one}} for one in "ab")
    more = {"function": {"arguments": "c"}}
    assert made(first, second, first, more) == [("a", "aac"), ("b", "b")]


def part(delta: object, **more: Any) -> Body:
    return {"index": 0, "delta": delta, **more}


NO_CHUNKS: dict[str, tuple[object, str]] = {
    "an index as a text": ({"index": "0", "delta": {"content": GOOD}}, "choices[0].index"),
    "an index that is null": ({"index": None, "delta": {"content": GOOD}}, "choices[0].index"),
    "a delta as a text": (part(GOOD), "choices[0].delta"),
    "a choice as a text": (GOOD, "choices[0]"),
    "calls as a text": (part({"tool_calls": GOOD}), "choices[0].delta.tool_calls"),
    "a call as a number": (part({"tool_calls": [5]}), "choices[0].delta.tool_calls[0]"),
}
ODD_TEXTS: dict[str, list[Body]] = {
    "content as a number": [part({"content": 5})],
    "content as true": [part({"content": True}), part({"content": GOOD})],
    "a number before a text": [part({"content": 5}), part({"content": GOOD})],
    "a number after a text": [part({"content": GOOD}), part({"content": 5})],
    "content as an object": [part({"content": {"text": GOOD}})],
    "reasoning as a number": [part({"reasoning": 5}), part({"content": GOOD})],
}


@pytest.mark.parametrize("case", [*NO_CHUNKS, *ODD_TEXTS])
@pytest.mark.parametrize("mode", ["pass", "annotate"])
async def test_where_replies_pass_an_odd_shape_passes_and_is_told(
    upstream: Upstream, serve: Serve, tmp_path: Path, mode: str, case: str
) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, mode) if mode == "annotate" else 'mode = "pass"', log=log)
    parts = ODD_TEXTS.get(case) or [NO_CHUNKS[case][0]]
    upstream.always = broken(stream(*parts), "whole")
    got = await (await served.ask(stream=True)).read()
    for event in stream(*parts):
        assert event in got
    if mode == "annotate":
        (told,) = told_in(got)
        assert "missing" in told["choices"][0]
        (kept,) = records(log)[0]["choices"]
        assert (kept["decision"], bool(kept["missing"])) == ("released", True)
        if case in ODD_TEXTS:
            assert "of an unknown shape" in kept["missing"]


@pytest.mark.parametrize("on_audit_error", ["closed", "open"])
@pytest.mark.parametrize("case", [*NO_CHUNKS, *ODD_TEXTS])
async def test_by_sentences_the_log_names_what_is_odd_and_closed_lets_no_end_leave(
    upstream: Upstream, serve: Serve, tmp_path: Path, case: str, on_audit_error: str
) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "enforce", release="sentences", on_audit_error=on_audit_error), log=log)
    parts = ODD_TEXTS.get(case) or [NO_CHUNKS[case][0]]
    upstream.always = broken(stream(*parts), "whole")
    got = await received(served, stream=True)
    kept = records(log)[-1]
    if case in NO_CHUNKS:
        assert f"a chunk with {NO_CHUNKS[case][1]} of another type" in kept["error"]
        assert b"upstream_invalid" in got
        assert b"I act" not in got
        return
    assert "of an unknown shape" in kept["choices"][0]["missing"]
    assert (b"audit_unavailable" in got) is (on_audit_error == "closed")
    assert (b"[DONE]" in got) is (on_audit_error == "open")


@pytest.mark.parametrize("settings", [{}, {"release": "sentences"}], ids=str)
async def test_what_stays_behind_is_named_by_its_place(
    upstream: Upstream, serve: Serve, tmp_path: Path, settings: dict[str, Any]
) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "enforce", **settings), log=log)
    message = {"role": "assistant", "content": GOOD, "thinking": "Hm."}
    head = {"id": "x", "citations": ["A source."], "service_tier": None}
    whole = {**head, "choices": [{"index": 0, "message": message, "finish_reason": "stop", "note": "So."}]}
    if settings:
        upstream.always = broken(stream(part(message, note="So."), citations=["A source."]), "whole")
    else:
        upstream.always = raw(json.dumps(whole).encode())
    assert b"source" not in await (await served.ask(stream=bool(settings))).read()
    left = set(records(log)[-1]["choices"][0]["left_out"])
    assert left == {"citations", "choices[0].note", "choices[0].message.thinking"}


async def test_what_nobody_reads_is_told_by_its_place(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "annotate"), log=log)
    choices = [
        {"index": index, "message": {"content": GOOD, **more}, "note": "So be it."}
        for index, more in enumerate(({}, {"thinking": "Hm, hm."}))
    ]
    upstream.faults += [raw(json.dumps({"id": "x", "output": "All of it.", "choices": choices}).encode())]
    await served.ask()
    upstream.always = broken(stream(part({"content": GOOD}, note="So be it."), output="All of it."), "whole")
    await served.ask(stream=True)
    whole, streamed = records(log)
    said = "text that no audit reads in "
    assert [one["missing"] for one in whole["choices"]] == [
        f"{said}choices[0].note, output",
        f"{said}choices[1].note, choices[1].message.thinking, output",
    ]
    assert streamed["choices"][0]["missing"] == f"{said}output, choices[].note"
    assert streamed["choices"][0]["beside"] == {"output": "All of it.", "choice.note": "So be it."}
