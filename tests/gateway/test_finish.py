"""How replies end: no upstream's word leaves `enforce`, and no reply passes for whole that is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openai
import pytest
from tests.gateway.audited import GOOD, contents, policy, settled
from tests.gateway.conftest import Serve
from tests.gateway.upstreams import broken, chunk
from tests.upstream import Body, Upstream

from akrasia.gateway.finish import rewritten_finish

pytestmark = pytest.mark.asyncio

ASKED: Body = {"model": "tiny"}
DONE = b"data: [DONE]\n\n"
WHOLE, SENTENCES = "whole", "sentences"

FINISHES = [
    ("stop", "stop"),
    ("length", "length"),
    ("content_filter", "content_filter"),
    ("eos", "stop"),
    ("insufficient_system_resource", None),
    ("error", None),
    ("max_tokens", None),
    ("", None),
    (None, None),
    (7, None),
]


def said(*deltas: Any, finish: Any = None) -> list[bytes]:
    """The chunks of a stream, the last of which says why it ended."""
    parts = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    return [chunk(ASKED, [part]) for part in [*parts, {"index": 0, "delta": {}, "finish_reason": finish}]]


def finishes(stream: bytes) -> list[Any]:
    """What the last chunk with a choice says, in a list."""
    chunks = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith(b"data: {")]
    ends = [choice["finish_reason"] for one in chunks for choice in one.get("choices", ())]
    return ends[-1:]


@pytest.mark.parametrize(("finish", "wanted"), FINISHES)
@pytest.mark.parametrize("release", [WHOLE, SENTENCES])
async def test_no_other_word_becomes_stop(
    upstream: Upstream, serve: Serve, tmp_path: Path, finish: Any, wanted: str | None, release: str
) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "enforce", release=release), log=log)
    upstream.message = lambda body, index: GOOD
    upstream.finish = finish
    whole = await served.ask()
    assert (await whole.json())["choices"][0]["finish_reason"] == wanted
    if release == SENTENCES:
        upstream.faults.append(broken([*said({"content": GOOD}, finish=finish), DONE], "whole"))
    streamed = await (await served.ask(stream=True)).read()
    assert (contents(streamed), finishes(streamed)) == ([GOOD], [wanted])
    assert streamed.endswith(DONE)
    kept = [one["choices"][0].get("finish") for one in await settled(log, 2) if "choices" in one]
    assert kept[0] == (finish if isinstance(finish, str) else None)


@pytest.mark.parametrize("word", ["error", None])
async def test_the_openai_client_reads_them(upstream: Upstream, serve: Serve, tmp_path: Path, word: str | None) -> None:
    served = await serve(policy(tmp_path, "enforce"))
    upstream.message = lambda body, index: GOOD
    upstream.finish = word
    async with openai.AsyncOpenAI(base_url=served.url, api_key="x", max_retries=0) as client:
        asked: Any = {"model": "tiny", "messages": [{"role": "user", "content": "x"}]}
        whole = await client.chat.completions.create(**asked)
        assert (whole.choices[0].message.content, whole.choices[0].finish_reason) == (GOOD, None)
        got = [one async for one in await client.chat.completions.create(**asked, stream=True)]
        async with client.chat.completions.stream(**asked) as stream:
            final = await stream.get_final_completion()
    assert "".join(one.choices[0].delta.content or "" for one in got if one.choices) == GOOD
    assert (final.choices[0].message.content, final.choices[0].finish_reason) == (GOOD, None)


async def test_a_text_written_anew_is_whole() -> None:
    assert [rewritten_finish(one) for one in ("length", "error", None, "stop")] == ["stop"] * 4
    assert [rewritten_finish(one) for one in ("tool_calls", "content_filter")] == ["tool_calls", "content_filter"]


MODES: list[tuple[str, dict[str, Any]]] = [
    ("pass", {}),
    ("observe", {}),
    ("annotate", {}),
    ("enforce", {"release": SENTENCES}),
]


@pytest.mark.parametrize(("mode", "more"), MODES)
async def test_a_stream_that_just_ends_is_broken(
    upstream: Upstream, serve: Serve, tmp_path: Path, mode: str, more: dict[str, Any]
) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve("mode = 'pass'" if mode == "pass" else policy(tmp_path, mode, **more), log=log)
    begun = said({"role": "assistant"}, {"content": "I act for face. I "}, {"content": "act"})[:-1]
    upstream.faults.append(broken(begun, "whole"))
    got = await (await served.ask(stream=True)).read()
    assert b'"upstream_reset"' in got.split(b"\n\n")[-2]
    assert b"[DONE]" not in got
    assert contents(got) == ["I act for face. " if mode == "enforce" else "I act for face. I act"]
    assert b'"stop"' not in got
    if mode != "pass":
        error = (await settled(log, 1))[-1]["error"]
        assert error in ("upstream_reset", "HTTP 502: the upstream's stream ended before the reply did")
    upstream.faults.append(broken([], "whole"))
    empty = await served.ask(stream=True)
    assert (empty.status, (await empty.json())["error"]["code"]) == (502, "upstream_reset")


@pytest.mark.parametrize(("mode", "more"), MODES)
@pytest.mark.parametrize("last", ["finish", "done"])
async def test_a_reason_or_done_is_an_end(
    upstream: Upstream, serve: Serve, tmp_path: Path, mode: str, more: dict[str, Any], last: str
) -> None:
    served = await serve("mode = 'pass'" if mode == "pass" else policy(tmp_path, mode, **more))
    stream = said({"content": GOOD}, finish="stop") if last == "finish" else [*said({"content": GOOD}), DONE]
    upstream.faults.append(broken(stream, "whole"))
    got = await (await served.ask(stream=True)).read()
    assert contents(got) == [GOOD]
    assert b'"error"' not in got


async def test_each_choice_of_a_stream_has_its_end(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    served = await serve(policy(tmp_path, "enforce", release=SENTENCES))
    other = chunk(ASKED, [{"index": 1, "delta": {"content": "I act for face. And"}, "finish_reason": None}])
    upstream.faults.append(broken([other, *said({"content": GOOD}, finish="stop")], "whole"))
    got = await (await served.ask(stream=True)).read()
    assert b'"upstream_reset"' in got
    assert b"[DONE]" not in got


LAST = [b"data: [DONE]\n", b"data: [DONE]", b"data: [DONE]\r\n", b": ping\n", b": ping", b": ping\ndata:[DONE]\n"]


@pytest.mark.parametrize(("mode", "more"), MODES)
@pytest.mark.parametrize("last", LAST)
async def test_an_end_without_its_blank_line_is_one(
    upstream: Upstream, serve: Serve, tmp_path: Path, mode: str, more: dict[str, Any], last: bytes
) -> None:
    served = await serve("mode = 'pass'" if mode == "pass" else policy(tmp_path, mode, **more))
    upstream.faults.append(broken([*said({"content": "I act for face. I"}, finish="stop"), last], "whole"))
    got = await (await served.ask(stream=True)).read()
    assert contents(got) == ["I act for face. I"]
    assert b'"error"' not in got
    assert got.endswith(b"\n\n")
    if b"[DONE]" in last or mode == "enforce":
        assert got.endswith(b"[DONE]\n\n")
    if mode == "annotate":
        assert b": akrasia {" in got


@pytest.mark.parametrize(("mode", "more"), MODES)
@pytest.mark.parametrize(
    "last",
    [
        b"data: [DON",
        b'data: {"choices"',
        b"dat",
        b": ping\nda",
        b"data: {}\ndata: [DONE]\n",
        b"data: {}\r\rdata: [DONE]",
    ],
)
async def test_what_else_is_left_is_broken_off(
    upstream: Upstream, serve: Serve, tmp_path: Path, mode: str, more: dict[str, Any], last: bytes
) -> None:
    served = await serve("mode = 'pass'" if mode == "pass" else policy(tmp_path, mode, **more))
    upstream.faults.append(broken([*said({"content": GOOD}, finish="stop"), last], "whole"))
    got = await (await served.ask(stream=True)).read()
    assert b'"upstream_reset"' in got
    assert b"[DONE]" not in got


async def test_a_last_comment_ends_nothing_and_is_not_the_gateways(upstream: Upstream, serve: Serve) -> None:
    served = await serve("mode = 'pass'")
    upstream.faults.append(broken([*said({"content": GOOD})[:-1], b": ping\n"], "whole"))
    assert b'"upstream_reset"' in await (await served.ask(stream=True)).read()
    upstream.faults.append(broken([*said({"content": GOOD}, finish="stop"), b": akrasia {}\n"], "whole"))
    got = await (await served.ask(stream=True)).read()
    assert (b"akrasia" in got, b'"error"' in got) == (False, False)
