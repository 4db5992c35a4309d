"""JSON that is whole and yet more than a reader can follow: nesting, integers beyond all range. It ends nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.gateway.audited import GOOD, policy, records
from tests.gateway.conftest import Serve
from tests.gateway.upstreams import broken
from tests.upstream import Upstream, raw

from akrasia.core.decoding import DEEPEST
from akrasia.gateway.allowed import allowed_choice, spelled
from akrasia.gateway.wire import read_completion, read_object

DEPTHS = (DEEPEST, 400, 3000)
"""What is read, what Python's calls do not reach, and what no decoder reads."""


def nested(depth: int) -> str:
    return "[" * depth + '"words of their own"' + "]" * depth


def reply(where: str, depth: int, *, streamed: bool) -> list[bytes]:
    """A reply with something nested in its message, its choice, its content or beside all."""
    message: dict[str, Any] = {"role": "assistant", "content": GOOD}
    choice: dict[str, Any] = {"index": 0, "finish_reason": "stop", "delta" if streamed else "message": message}
    whole: dict[str, Any] = {"id": "c", "model": "tiny", "choices": [choice]}
    {"message": message, "choice": choice, "content": message, "beside": whole}[where][
        "content" if where == "content" else "more"
    ] = "NESTED"
    data = json.dumps(whole).replace('"NESTED"', nested(depth)).encode()
    return [b"data: " + data + b"\n\n", b"data: [DONE]\n\n"] if streamed else [data]


def test_an_object_may_have_so_many_levels() -> None:
    held = b'{"choices": [], "a": ' + nested(DEEPEST - 1).encode() + b"}"
    assert read_completion(held) is not None
    assert read_object(b'{"choices": "' + b"[{" * 200 + b'"}') == {"choices": "[{" * 200}
    for depth in (DEEPEST, 400, 3000):
        deep = b'{"choices": [], "a": ' + nested(depth).encode() + b"}"
        assert read_completion(deep) is None
        with pytest.raises(msgspec.DecodeError, match="nested too deeply"):
            read_object(deep)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("where", ["message", "choice", "content", "beside"])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("release", ["whole", "sentences"])
async def test_what_is_nested_deeply_does_not_leave_enforce(
    upstream: Upstream, serve: Serve, tmp_path: Path, release: str, streamed: bool, where: str, depth: int
) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "enforce", release=release), log=log)
    bodies = reply(where, depth, streamed=streamed and release == "sentences")
    upstream.faults.append(broken(bodies, "whole") if len(bodies) > 1 else raw(bodies[0]))
    response = await served.ask(stream=streamed)
    got = await response.read()
    assert response.status in (200, 502, 503)
    assert b"words of their own" not in got
    assert b"defect" not in got
    assert len(records(log)) >= 1


@pytest.mark.parametrize("where", ["message", "choice", "content", "beside"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_what_is_nested_deeply_is_told_as_not_audited(
    upstream: Upstream, serve: Serve, tmp_path: Path, streamed: bool, where: str
) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "annotate"), log=log)
    for depth in DEPTHS[:2]:
        bodies = reply(where, depth, streamed=streamed)
        upstream.faults.append(broken(bodies, "whole") if streamed else raw(bodies[0]))
        response = await served.ask(stream=streamed)
        got = await response.read()
        assert response.status == 200
        assert got.count(b'"missing"') == 1
    assert [record["choices"][0]["decision"] for record in records(log)] == ["released"] * 2
    assert "cannot be read" in records(log)[1]["choices"][0]["missing"]


@pytest.mark.parametrize("mode", ["observe", "enforce"])
async def test_a_request_that_is_nested_deeply_is_refused_where_it_must_be_read(
    serve: Serve, tmp_path: Path, mode: str
) -> None:
    served = await serve(policy(tmp_path, mode), log=tmp_path / "audit.jsonl")
    response = await served.ask(metadata=json.loads(nested(400)))
    if mode == "enforce":
        assert response.status == 400
        assert "nested too deeply" in (await response.json())["error"]["message"]
    else:
        assert response.status == 200


@pytest.mark.parametrize("number", ["1" + "0" * 400, "-1" + "0" * 400])
def test_a_log_probability_beyond_all_range_is_no_log_probability(number: str) -> None:
    tokens = f'{{"content": [{{"token": "Hello", "logprob": {number}}}]}}'
    choice = {"message": {"content": "Hello"}, "logprobs": msgspec.json.decode(tokens)}
    assert allowed_choice(choice, "audit-1")["logprobs"] is None
    assert not spelled(choice["logprobs"], choice["message"])


@pytest.mark.parametrize("number", ["1e400", "1" * 5000])
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_number_beyond_all_range_is_no_reason_to_withhold_what_passes(
    upstream: Upstream, serve: Serve, tmp_path: Path, streamed: bool, number: str
) -> None:
    part = "delta" if streamed else "message"
    usage = f'"usage": {{"prompt_tokens": 7, "completion_tokens": {number}}}'
    sent = f'{{"choices": [{{"{part}": {{"content": "{GOOD}"}}, "x": {number}}}], {usage}}}'.encode()
    end = b"data: [DONE]\n\n"
    upstream.always = broken([b"data: " + sent + b"\n\n", end], "whole") if streamed else raw(sent)
    served = await serve()
    response = await served.ask(stream=streamed)
    assert sent in await response.read()
    assert response.status == 200
    assert 'kind="prompt"} 7' in await served.metrics()
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "annotate"), log=log)
    assert (await served.ask(stream=streamed)).status == 200
    assert [record["choices"][0]["decision"] for record in records(log)] == ["released"]
    asked = f'{{"model": "tiny", "messages": [{{"role": "user", "content": "x"}}], "seed": {number}}}'
    headers = {"Content-Type": "application/json"}
    async with served.client.post(f"{served.url}/chat/completions", data=asked, headers=headers) as refused:
        assert refused.status == 400
        assert "a number that is too large" in (await refused.json())["error"]["message"]
