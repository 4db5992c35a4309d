"""Mode `pass`: what the client gets is what the upstream sent, and the upstream gets what the client sent."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from multidict import CIMultiDict
from tests.gateway.audited import policy
from tests.gateway.conftest import KEY, Serve
from tests.gateway.upstreams import broken, chat, events
from tests.upstream import Upstream, raw

from akrasia.core import InputError
from akrasia.gateway.exchange import Exchange
from akrasia.gateway.policy import Policies
from akrasia.gateway.reload import Reloader
from akrasia.gateway.sending import begin, send

pytestmark = pytest.mark.asyncio


async def test_the_upstreams_bytes_reach_the_client(upstream: Upstream, serve: Serve) -> None:
    served = await serve()
    body = b'{ "id":"x",  "choices": [{"index":0,"message":{"content":"\\u00fc \xc3\xbc"}}], "unknown": {"a": 1e3} }'
    upstream.faults.append(raw(body))
    response = await served.ask()
    assert response.status == 200
    assert await response.read() == body
    assert response.headers["Content-Type"].startswith("application/json")
    assert response.headers["Server"] == "akrasia"


async def test_the_clients_fields_reach_the_upstream(upstream: Upstream, serve: Serve) -> None:
    served = await serve()
    asked = {
        "model": "tiny",
        "messages": [{"role": "user", "content": "Grüß dich"}],
        "temperature": 0.25,
        "made_up": {"deep": [1, None]},
    }
    headers = {
        "Authorization": "Bearer the-clients-own",
        "X-Trace": "7",
        "OpenAI-Organization": "org",
        "Cookie": "secret=1",
        "X-Stainless-Lang": "python",
    }
    response = await served.ask(headers, **asked)
    assert response.status == 200
    assert upstream.bodies == [asked]
    got = upstream.headers[0]
    assert got["Authorization"] == f"Bearer {KEY}"
    assert (got["X-Trace"], got["OpenAI-Organization"]) == ("7", "org")
    assert not {"Cookie", "X-Stainless-Lang"} & got.keys()


async def test_without_a_key_of_ours_the_clients_goes_on(
    upstream: Upstream, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AKRASIA_API_KEY")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    served = await serve()
    await served.ask({"Authorization": "Bearer mine"})
    assert upstream.headers[0]["Authorization"] == "Bearer mine"


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
async def test_a_stream_passes_byte_by_byte(upstream: Upstream, serve: Serve, end: bytes) -> None:
    served = await serve()
    upstream.message = lambda body, index: f"Grüße № {index} 🌍 und mehr"
    asked: dict[str, Any] = {"model": "tiny", "n": 2, "stream_options": {"include_usage": True}}
    sent = (b": welcome\n\n" + b"".join(events(upstream, asked))).replace(b"\n\n", end * 2)
    upstream.faults.append(broken([sent[i : i + 1] for i in range(len(sent))], "whole"))
    response = await served.ask(stream=True)
    assert response.headers["Content-Type"].startswith("text/event-stream")
    assert response.headers["X-Request-Id"] == "r1"
    assert await response.read() == sent


async def test_events_come_as_they_are_sent(upstream: Upstream, serve: Serve) -> None:
    served = await serve()
    upstream.always = chat(pause_s=0.05)
    upstream.message = lambda body, index: "one two three four five six"
    loop = asyncio.get_running_loop()
    body = {"model": "tiny", "messages": [{"role": "user", "content": "x"}], "stream": True}
    times = []
    async with served.client.post(f"{served.url}/chat/completions", json=body) as response:
        async for line in response.content:
            if line.strip():
                times.append(loop.time())
    assert len(times) == 9  # a role, six words, an end, [DONE]
    assert times[-1] - times[0] > 0.3


async def test_a_connection_that_streamed_is_kept(upstream: Upstream, serve: Serve) -> None:
    served = await serve()
    ports = set()

    async def noting(upstream: Upstream, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        ports.add(request.transport.get_extra_info("peername")[1])
        return await chat()(upstream, request)

    upstream.always = noting
    for streamed in (True, False, True, True):
        assert (await served.ask(stream=streamed)).status == 200
    assert len(ports) == 1


async def test_a_stream_without_done_ends_as_the_upstream_ended_it(upstream: Upstream, serve: Serve) -> None:
    served = await serve()
    ended = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n'
    upstream.faults.append(broken([ended], "whole"))
    response = await served.ask(stream=True)
    assert await response.read() == ended


async def test_an_upstream_that_does_not_stream_may_answer_whole(upstream: Upstream, serve: Serve) -> None:
    served = await serve()
    upstream.faults.append(raw(b'{"choices": []}'))
    response = await served.ask(stream=True)
    assert await response.json() == {"choices": []}


async def test_a_strategy_is_taken_off_the_models_name(upstream: Upstream, serve: Serve) -> None:
    served = await serve()
    assert (await served.ask(model="org/tiny@v1@direct", made_up=1)).status == 200
    assert (await served.ask(model="tiny@home")).status == 200
    assert [body["model"] for body in upstream.bodies] == ["org/tiny@v1", "tiny@home"]
    assert upstream.bodies[0]["made_up"] == 1


async def test_a_log_that_will_stay_empty_is_told(serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve('mode = "pass"\n', log=log)
    assert (await served.ask()).status == 200
    assert '"type":"request"' not in log.read_text(encoding="utf-8")
    assert [notice for notice in served.notices if "nothing will be logged" in notice]
    served = await serve('name = "clinic"\n', log=tmp_path / "nameless.jsonl")
    assert [notice for notice in served.notices if "the policy gives no mode" in notice]
    served = await serve(policy(tmp_path, "observe"), log=tmp_path / "other.jsonl")
    assert not [notice for notice in served.notices if "nothing will be logged" in notice]


@pytest.mark.parametrize("emptied", ["", "# nothing\n", "\n[limits]\n"])
async def test_an_empty_policy_is_refused_where_a_log_is_kept(serve: Serve, tmp_path: Path, emptied: str) -> None:
    with pytest.raises(InputError, match=r"policy\.toml: the policy is empty, and --log would log nothing"):
        await serve(emptied, log=tmp_path / "audit.jsonl")
    served = await serve('mode = "pass"\n', log=tmp_path / "audit.jsonl")
    reloader = Reloader(served.gateway, tmp_path / "policy.toml")
    (tmp_path / "policy.toml").write_text(emptied, encoding="utf-8")
    await reloader.reload()
    assert served.notices[-1].startswith(f"the old policy stays: {tmp_path}/policy.toml: the policy is empty")


async def test_a_strategy_that_is_not_allowed_is_refused(upstream: Upstream, serve: Serve) -> None:
    served = await serve()
    response = await served.ask(model="tiny@best_of_n:64")
    assert response.status == 400
    error = (await response.json())["error"]
    assert (error["code"], error["param"], error["type"]) == (
        "strategy_not_allowed",
        "model",
        "invalid_request_error",
    )
    assert "allowed: direct" in error["message"]
    assert upstream.calls == 0


async def test_mode_pass_answers_directly_where_no_strategy_is_named(upstream: Upstream, serve: Serve) -> None:
    served = await serve()
    response = await served.ask(model="tiny@best_of_n:4")
    error = (await response.json())["error"]
    assert (response.status, error["code"]) == (400, "strategy_not_allowed")
    assert error["message"].endswith("allowed: direct")
    async with served.client.get(f"{served.url}/models") as listed:
        assert [model["id"] for model in (await listed.json())["data"]] == ["tiny"]
    assert upstream.calls == 0


class Defective:
    """A mode with a defect, before its answer or inside it."""

    def __init__(self, begun: bool) -> None:
        self.begun = begun

    async def open(self, policies: Policies) -> None: ...

    async def close(self) -> None: ...

    async def answer(self, exchange: Exchange) -> web.StreamResponse:
        if self.begun:
            out = await begin(exchange, CIMultiDict())
            await send(out, b"data: half of it\n\n", 1.0)
        raise RuntimeError(f"could not make sense of {exchange.body!r}")


@pytest.mark.parametrize("begun", [False, True])
async def test_a_defect_is_told_without_the_conversation(serve: Serve, begun: bool) -> None:
    served = await serve()
    served.gateway._modes["pass"] = Defective(begun)
    response = await served.ask()
    assert response.status == (200 if begun else 500)
    before, _, error = (await response.text()).rpartition("data: ")
    assert before == ("data: half of it\n\n" if begun else "")
    assert json.loads(error)["error"]["code"] == "defect"
    assert 'akrasia_failures_total{reason="defect"} 1' in await served.metrics()
    assert len(served.notices) == 1
    assert "RuntimeError at " in served.notices[0]
    assert "Hello" not in served.notices[0]


async def test_a_model_named_twice_takes_one_route_and_reaches_one_model(upstream: Upstream, serve: Serve) -> None:
    served = await serve()
    body = b'{"model": "a", "messages": [{"role": "user", "content": "x"}], "mod\\u0065l": "b"}'
    headers = {"Content-Type": "application/json"}
    sent: list[bytes] = []

    async def keep(upstream: Upstream, request: Any) -> Any:
        sent.append(await request.read())
        return upstream._completion(await request.json())

    upstream.always = keep
    async with served.client.post(f"{served.url}/chat/completions", data=body, headers=headers) as response:
        assert response.status == 200
    assert sent == [b'{"model":"b","messages":[{"role": "user", "content": "x"}]}']


async def test_models_are_listed_with_the_strategies_that_may_be_named(
    upstream: Upstream, serve: Serve, tmp_path: Path
) -> None:
    served = await serve()
    async with served.client.get(f"{served.url}/models") as response:
        assert await response.json() == {"object": "list", "data": [{"id": "tiny"}]}
    audited = 'mode = "observe"\njudge = "encoder"\nconstitution = "schwartz-19"\n'
    chosen = await serve(audited + 'strategies = ["direct", "best_of_n:4"]', log=tmp_path / "audit.jsonl")
    async with chosen.client.get(f"{chosen.url}/models?limit=3") as response:
        assert [model["id"] for model in (await response.json())["data"]] == ["tiny", "tiny@best_of_n:4"]


@pytest.mark.parametrize("path", ["/v1/models/..%2Fcounts", "/v1/models/a/../../counts", "/v1/models/", "/v1/other"])
async def test_no_other_address_of_the_upstream_is_reached(serve: Serve, path: str) -> None:
    served = await serve()
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 404 " in head.splitlines()[0]
    error = json.loads(body)["error"]
    assert error["type"] == "not_found_error"
    assert error["code"] == "model_not_found" or "/metrics, /akrasia/audits/ID, /v1/models/ID" in error["message"]


async def test_another_method_is_refused(serve: Serve) -> None:
    served = await serve()
    async with served.client.get(f"{served.url}/chat/completions") as response:
        assert response.status == 405
        assert (await response.json())["error"]["code"] == "method_not_allowed"


async def test_metrics_count_what_passed(upstream: Upstream, serve: Serve) -> None:
    served = await serve('[[route]]\nname = "little"\nmodel = "small*"')
    upstream.message = lambda body, index: "three words here"
    await served.ask()
    await served.ask(model="small-1", stream=True, stream_options={"include_usage": True})
    await served.ask(model="nothing@adaptive")
    text = await served.metrics()
    for line in (
        'akrasia_requests_total{route="default",mode="pass",status="200"} 1',
        'akrasia_requests_total{route="little",mode="pass",status="200"} 1',
        'akrasia_requests_total{route="unrouted",mode="unrouted",status="400"} 1',
        'akrasia_failures_total{reason="strategy_not_allowed"} 1',
        'akrasia_tokens_total{route="default",kind="completion"} 3',
        'akrasia_tokens_total{route="little",kind="prompt"} 2',
        'akrasia_request_seconds_count{route="little",mode="pass"} 1',
        'akrasia_request_seconds_bucket{route="little",mode="pass",le="+Inf"} 1',
        "akrasia_requests_under_way 0",
        "akrasia_policy_stale 0",
    ):
        assert line in text.splitlines()
    assert "small-1" not in text
    assert "nothing" not in text


async def test_health_needs_nothing(serve: Serve) -> None:
    served = await serve()
    async with served.client.get(f"{served.root}/health") as response:
        assert (response.status, await response.json()) == (200, {"status": "ok"})


async def test_headers_that_are_sent_twice_count_and_pass_twice(
    upstream: Upstream, serve: Serve, tmp_path: Path
) -> None:
    served = await serve(f'{policy(tmp_path, "pass")}[[route]]\nheader = "x-team=a"\nmode = "annotate"\n')
    arrived = []

    async def answer(upstream: Upstream, request: web.Request) -> web.StreamResponse:
        arrived.append(request.headers.getall("x-team"))
        return web.json_response({"choices": []}, headers=CIMultiDict([("x-own", "1"), ("x-own", "2")]))

    upstream.always = answer
    for teams in (("b", "a"), ("a", "b"), ("b", "c")):
        sent = CIMultiDict([("x-team", teams[0]), ("x-team", teams[1])])
        body = {"model": "tiny", "messages": [{"role": "user", "content": "x"}]}
        async with served.client.post(f"{served.url}/chat/completions", json=body, headers=sent) as response:
            assert ("x-akrasia-audit-id" in response.headers) is ("a" in teams)
            assert response.headers.getall("x-own") == ["1", "2"]
        assert arrived.pop() == list(teams)
