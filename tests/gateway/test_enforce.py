"""Mode `enforce`: what leaves, what is put in its place, and what the log says of both."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI
from tests.gateway.audited import BAD, GOOD, HALF, contents, policy, records, told_in
from tests.gateway.conftest import Serve, Served
from tests.upstream import Body, Upstream, status

from akrasia.gateway import enforce, giving

pytestmark = pytest.mark.asyncio

MODELS = {
    "planner": "scripted:tests.audit.scripts:planner",
    "rewriter": "scripted:tests.audit.scripts:mender",
    "guard": "scripted:tests.audit.scripts:guard",
}


async def completion(served: Served, **body: Any) -> Body:
    response = await served.ask(**body)
    assert response.status == 200, await response.text()
    found: Body = await response.json()
    return found


async def test_a_good_reply_leaves_with_what_is_allowed(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "enforce"), log=log)
    upstream.message = lambda body, index: {"content": GOOD, "odd": "x"}
    upstream.extra = {"system_fingerprint": "fp", "odd": 1}
    response = await served.ask()
    body = await response.json()
    assert body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": GOOD},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    assert sorted(body) == ["akrasia", "choices", "created", "id", "model", "object", "usage"]
    assert response.headers["x-akrasia-decision"] == "passed"
    assert (response.headers["x-akrasia-calls"], response.headers["x-akrasia-candidates"]) == ("2", "1")
    (record,) = records(log)
    assert record["id"] == response.headers["x-akrasia-audit-id"]
    assert record["choices"][0]["original"]["odd"] == "x"
    assert record["choices"][0]["verdict"]["adherence"] == 1


@pytest.mark.parametrize("usage", [{"prompt_tokens": "10", "completion_tokens": 3}, {"prompt_tokens": 10.5}, "much"])
async def test_an_odd_usage_keeps_no_reply_back(upstream: Upstream, serve: Serve, tmp_path: Path, usage: Any) -> None:
    served = await serve(policy(tmp_path, "enforce"))
    upstream.extra = {"usage": usage}
    counts = {"completion_tokens": 3} if isinstance(usage, dict) and "completion_tokens" in usage else None
    assert (await completion(served)).get("usage") == counts


async def test_a_betraying_reply_is_stopped(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "enforce", stop_text="No."), log=log)
    upstream.message = lambda body, index: BAD
    (choice,) = (await completion(served))["choices"]
    assert choice == {
        "index": 0,
        "message": {"role": "assistant", "content": "No."},
        "logprobs": None,
        "finish_reason": "content_filter",
    }
    (kept,) = records(log)[0]["choices"]
    assert (kept["decision"], kept["delivered"], kept["original"]["content"]) == ("stopped", "No.", BAD)
    assert kept["reason"] == "the content betrays humility"


async def test_a_betraying_reply_is_mended(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "enforce", on_fail="rewrite", **MODELS), log=log)
    upstream.message = lambda body, index: {"content": f"Task 1. {BAD}", "reasoning_content": "I act for face."}
    body = await completion(served, logprobs=True)
    (choice,) = body["choices"]
    assert choice["message"] == {
        "role": "assistant",
        "content": "Task 1. I act for face. I act for humility. I act for tradition.",
    }
    assert (choice["logprobs"], choice["finish_reason"]) == (None, "stop")
    assert body["akrasia"]["choices"][0] == {
        "index": 0,
        "decision": "rewritten",
        "adherence": 1.0,
        "betrayed": [],
        "lacking": [],
        "failed": False,
    }
    (kept,) = records(log)[0]["choices"]
    assert kept["original"]["content"] == f"Task 1. {BAD}"
    assert kept["delivered_verdict"]["adherence"] == 1
    assert [revision["accepted"] for revision in kept["revisions"]] == [True]
    assert {one["role"] for one in records(log)[0]["spent"]} == {"auditor", "planner", "rewriter", "guard"}


async def test_the_requests_own_model_mends_where_none_is_named(
    upstream: Upstream, serve: Serve, tmp_path: Path
) -> None:
    named = {"planner": MODELS["planner"], "guard": MODELS["guard"]}
    served = await serve(policy(tmp_path, "enforce", on_fail="rewrite", **named))
    upstream.message = lambda body, index: GOOD if len(upstream.bodies) > 1 else BAD
    (choice,) = (await completion(served))["choices"]
    assert choice["message"]["content"] == GOOD
    assert [body["model"] for body in upstream.bodies] == ["tiny", "tiny"]
    assert BAD in upstream.bodies[1]["messages"][-1]["content"]


@pytest.mark.parametrize("rewriter", ["destroyer", "worsener", "parrot", "endless", "refuses"])
async def test_a_reply_that_cannot_be_mended_is_stopped(
    upstream: Upstream, serve: Serve, tmp_path: Path, rewriter: str
) -> None:
    log = tmp_path / "audit.jsonl"
    models = {**MODELS, "rewriter": f"scripted:tests.audit.scripts:{rewriter}"}
    served = await serve(policy(tmp_path, "enforce", on_fail="rewrite", **models), log=log)
    upstream.message = lambda body, index: f"Task 1. {BAD}"
    (choice,) = (await completion(served))["choices"]
    assert choice["finish_reason"] == "content_filter"
    assert BAD not in json.dumps(choice)
    (kept,) = records(log)[0]["choices"]
    assert (kept["decision"], len(kept["revisions"])) == ("stopped", 1)


async def test_a_rewrite_that_still_fails_does_not_leave(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    models = {**MODELS, "planner": "scripted:tests.audit.scripts:half_planner"}
    served = await serve(policy(tmp_path, "enforce", on_fail="rewrite", fail_under=0.9, **models))
    upstream.message = lambda body, index: BAD
    (choice,) = (await completion(served))["choices"]
    assert choice["finish_reason"] == "content_filter"  # 1 of 2 values was mended, by the one revision there is


async def test_failing_replies_may_be_let_through_marked(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    served = await serve(policy(tmp_path, "enforce", on_fail="annotate"))
    upstream.message = lambda body, index: BAD
    response = await served.ask()
    body = await response.json()
    assert body["choices"][0]["message"]["content"] == BAD
    assert (body["akrasia"]["choices"][0]["failed"], body["akrasia"]["choices"][0]["decision"]) == (True, "passed")
    assert response.headers["x-akrasia-decision"] == "failed"
    assert 'akrasia_failed_choices_total{mode="enforce",decision="passed"} 1' in await served.metrics()


@pytest.mark.parametrize("name", ["reasoning", "tool call 1"])
async def test_a_stopped_choice_says_which_part_failed(
    upstream: Upstream, serve: Serve, tmp_path: Path, name: str
) -> None:
    served = await serve(policy(tmp_path, "enforce"))
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": "I act against face."}'}}
    failing = {"reasoning_content": BAD} if name == "reasoning" else {"tool_calls": [call]}
    upstream.message = lambda body, index: {"content": GOOD, **failing}
    (told,) = (await completion(served))["akrasia"]["choices"]
    assert (told["decision"], told["failed_in"]) == ("stopped", [name])
    upstream.message = lambda body, index: GOOD
    (told,) = (await completion(served))["akrasia"]["choices"]
    assert "failed_in" not in told
    metrics = await served.metrics()
    assert 'akrasia_failed_choices_total{mode="enforce",decision="stopped"} 1' in metrics
    assert 'akrasia_failed_choices_total{mode="enforce",decision="passed"}' not in metrics


@pytest.mark.parametrize(
    ("settings", "reply", "stopped"),
    [
        ({"fail_under": 0.7}, HALF, True),  # ½ + 1/6
        ({"fail_under": 0.6}, HALF, False),
        ({"required": "tradition"}, HALF, True),
        ({"required": "face"}, HALF, False),
        ({}, "The bus leaves at six.", False),
        ({"required": "face"}, "The bus leaves at six.", True),
    ],
)
async def test_what_fails_is_the_policys_to_say(
    upstream: Upstream, serve: Serve, tmp_path: Path, settings: Any, reply: str, stopped: bool
) -> None:
    served = await serve(policy(tmp_path, "enforce", **settings))
    upstream.message = lambda body, index: reply
    (choice,) = (await completion(served))["choices"]
    assert (choice["finish_reason"] == "content_filter") is stopped
    assert (choice["message"]["content"] == reply) is not stopped


def calling(arguments: str, **more: Any) -> Body:
    call = {"id": "call_1", "type": "function", "function": {"name": "send", "arguments": arguments}}
    return {"content": None, "tool_calls": [call], **more}


async def test_an_honest_tool_call_leaves(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    served = await serve(policy(tmp_path, "enforce", required="face"))
    upstream.message = lambda body, index: calling('{"text": "I act for face."}')
    upstream.finish = "tool_calls"
    (choice,) = (await completion(served))["choices"]
    (call,) = choice["message"]["tool_calls"]
    assert call["function"] == {"name": "send", "arguments": '{"text": "I act for face."}'}
    assert call["id"] != "call_1"
    assert (choice["message"]["content"], choice["finish_reason"]) == (None, "tool_calls")


@pytest.mark.parametrize(
    "message",
    [
        calling('{"text": "I act against face."}'),
        calling('{"text": "I act \\u0061gainst face."}'),
        calling("{}", content=GOOD, function_call={"name": "I act against face.", "arguments": ""}),
        {"content": GOOD, "tool_calls": [{"type": "custom", "custom": {"name": "x", "input": "I act against face."}}]},
        {"content": GOOD, "reasoning": "I act against face."},
        {"content": GOOD, "reasoning_content": "I act against face.", "reasoning": "Well."},
        {"content": None, "refusal": "I act against face."},
        {"content": '{"reply": "I act \\u0061gainst face."}'},
        {"content": None, "refusal": '{"reply": "I act \\u0061gainst face."}'},
        {"content": GOOD, "reasoning_content": '{"thought": "I act \\u0061gainst face."}'},
        calling("{}", function_call={"name": "I act \\u0061gainst face.", "arguments": ""}),
        {"content": "I act against face. " + "\\" * 64 + "u0061"},
        {"content": [{"type": "text", "text": "I act against "}, {"type": "text", "text": "face."}]},
    ],
)
@pytest.mark.parametrize("on_fail", ["stop", "rewrite"])
async def test_whatever_betrays_stops_the_choice(
    upstream: Upstream, serve: Serve, tmp_path: Path, message: Body, on_fail: str
) -> None:
    models = {**MODELS, "rewriter": "scripted:tests.audit.scripts:parrot"} if on_fail == "rewrite" else {}
    served = await serve(policy(tmp_path, "enforce", on_fail=on_fail, **models))
    upstream.message = lambda body, index: message
    (choice,) = (await completion(served))["choices"]
    assert choice["message"].keys() == {"role", "content"}
    assert choice["finish_reason"] == "content_filter"


async def test_escapes_that_are_too_deep_to_be_read_are_not_audited(
    upstream: Upstream, serve: Serve, tmp_path: Path
) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "enforce"), log=log)
    upstream.message = lambda body, index: {"content": "I act " + "\\" * 64 + "u0061gainst face."}
    assert (await served.ask()).status == 503
    (kept,) = records(log)[0]["choices"]
    assert kept["missing"] == "content: escapes of JSON inside JSON more than 6 deep"


async def test_a_tool_call_of_an_unknown_kind_is_no_audited_one(
    upstream: Upstream, serve: Serve, tmp_path: Path
) -> None:
    served = await serve(policy(tmp_path, "enforce"))
    upstream.message = lambda body, index: {"content": GOOD, "tool_calls": [{"type": "shell", "shell": {"run": "ls"}}]}
    response = await served.ask()
    assert (response.status, (await response.json())["error"]["code"]) == (503, "audit_unavailable")


async def test_log_probabilities_leave_for_audited_tokens_alone(
    upstream: Upstream, serve: Serve, tmp_path: Path
) -> None:
    served = await serve(policy(tmp_path, "enforce"))
    upstream.message = lambda body, index: "Good"
    (choice,) = (await completion(served, logprobs=True, top_logprobs=2))["choices"]
    assert choice["logprobs"] == {
        "content": [{"token": "Good", "logprob": -0.25, "bytes": [71, 111, 111, 100], "top_logprobs": []}]
    }
    upstream.message = lambda body, index: "Good morning"  # whose tokens do not add up to it here
    (choice,) = (await completion(served, logprobs=True))["choices"]
    assert choice["logprobs"] is None


async def test_a_stream_is_made_from_the_whole(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "enforce", stop_text="No."), log=log)
    upstream.message = lambda body, index: BAD if index else GOOD
    response = await served.ask(stream=True, n=2, stream_options={"include_usage": True})
    got = await response.read()
    assert contents(got) == [GOOD, "No."]
    chunks = [json.loads(line[6:]) for line in got.splitlines() if line.startswith(b"data: {")]
    assert len({(one["id"], one["created"], one["model"]) for one in chunks}) == 1
    ends = [(c["index"], c["finish_reason"]) for one in chunks for c in one["choices"] if c.get("finish_reason")]
    assert ends == [(0, "stop"), (1, "content_filter")]
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["prompt_tokens"] == 2
    (told,) = told_in(got)
    assert [choice["decision"] for choice in told["choices"]] == ["passed", "stopped"]
    assert got.endswith(b"data: [DONE]\n\n")
    assert records(log)[0]["streamed"] is True
    assert "stream" not in upstream.bodies[0]


async def test_a_stream_without_the_wish_has_no_usage(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    served = await serve(policy(tmp_path, "enforce"))
    assert b'"usage"' not in await (await served.ask(stream=True)).read()


async def test_comments_keep_a_stream_open(
    upstream: Upstream, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enforce, "KEEP_ALIVE_S", 0.05)
    served = await serve(policy(tmp_path, "enforce"))
    upstream.latency_s = 0.2
    got = await (await served.ask(stream=True)).read()
    assert got.count(giving.KEEP_ALIVE) >= 2
    assert got.startswith(giving.KEEP_ALIVE)
    assert got.endswith(b"data: [DONE]\n\n")


async def test_a_gateway_without_a_log_says_so_once(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    served = await serve(policy(tmp_path, "enforce"))
    await served.gateway.use(served.gateway.policies)
    assert [notice for notice in served.notices if "no audit log is kept" in notice] == served.notices


async def test_an_error_after_a_stream_began_is_an_event(
    upstream: Upstream, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enforce, "KEEP_ALIVE_S", 0.05)
    served = await serve(policy(tmp_path, "enforce"))
    upstream.latency_s = 0.12
    upstream.faults.append(status(500, {"message": "SECRET"}))
    response = await served.ask(stream=True)
    got = await response.read()
    assert response.status == 200
    assert b'"error"' in got
    assert b"SECRET" not in got
    assert b"[DONE]" not in got


@pytest.mark.parametrize(
    ("code", "error", "shown"),
    [
        (400, {"message": "SECRET", "code": "context_length_exceeded"}, "context_length_exceeded"),
        (429, {"message": "SECRET", "code": "SECRET", "type": "SECRET"}, "upstream_429"),
        (500, "SECRET", "upstream_500"),
    ],
)
async def test_an_upstreams_errors_are_told_in_our_words(
    upstream: Upstream, serve: Serve, tmp_path: Path, code: int, error: Any, shown: str
) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "enforce"), log=log)
    upstream.faults.append(status(code, error, {"Retry-After": "7"}))
    response = await served.ask()
    text = await response.text()
    assert (response.status, response.headers["Retry-After"]) == (code, "7")
    assert json.loads(text)["error"]["code"] == shown
    assert "SECRET" not in text
    (record,) = records(log)
    assert "SECRET" in (record["error"] or "")
    assert response.headers["x-akrasia-audit-id"] == record["id"]


async def test_the_official_client_streams_and_calls_tools(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    served = await serve(policy(tmp_path, "enforce"))
    async with AsyncOpenAI(base_url=served.url, api_key="none", max_retries=0) as client:
        upstream.message = lambda body, index: calling('{"text": "I act for face."}')
        upstream.finish = "tool_calls"
        stream = await client.chat.completions.create(
            model="tiny", messages=[{"role": "user", "content": "x"}], stream=True
        )
        arguments = ""
        async for chunk in stream:
            for call in chunk.choices[0].delta.tool_calls or ():
                arguments += (call.function.arguments if call.function else None) or ""
        assert json.loads(arguments) == {"text": "I act for face."}
        upstream.message = lambda body, index: GOOD
        whole = await client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "x"}])
        assert whole.choices[0].message.content == GOOD


async def test_choices_are_read_at_once_and_in_bounds(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    slow = "llm:scripted:tests.gateway.audited:judge_slow"
    log = tmp_path / "audit.jsonl"
    upstream.message = lambda body, index: f"{GOOD} {index}"
    served = await serve(policy(tmp_path, "enforce", judge=slow, limits={"audits": 4}), log=log)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await completion(served, n=4)
    assert 0.5 <= loop.time() - began < 0.95
    began = loop.time()
    await completion(served, n=5)
    took = loop.time() - began
    assert 1.0 <= took < 1.9
    assert 1.0 <= records(log)[-1]["audit_s"] <= took  # what goes on at once is counted once
