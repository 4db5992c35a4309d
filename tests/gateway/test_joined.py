"""Keys that an upstream cuts by other texts: what is put together from pieces is looked through once more."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from tests.gateway.audited import GOOD, READ, SPANS, policy, records, settled
from tests.gateway.conftest import KEY, Serve
from tests.gateway.test_credentials import FORMS, SECRET
from tests.gateway.test_seams import event
from tests.gateway.upstreams import broken
from tests.upstream import Body, Upstream, raw

from akrasia.core import Request
from akrasia.gateway.credentials import NO_CREDENTIALS, Credentials
from akrasia.gateway.joined import without_keys
from akrasia.gateway.windows import StreamedChoice

HALF, REST = KEY[:8], KEY[8:]
QUOTES = "llm:scripted:tests.gateway.audited:judge_spans"
DONE = b"data: [DONE]\n\n"


def call(index: int, **function: str) -> Body:
    return {"tool_calls": [{"index": index, "id": f"t{index}", "type": "function", "function": function}]}


def more(index: int, **function: str) -> Body:
    return {"tool_calls": [{"index": index, "function": function}]}


STREAMS: dict[str, list[bytes]] = {
    "content around reasoning": [
        event({"content": f"Key {HALF}"}), event({"reasoning_content": "hm"}), event({"content": f"{REST}. Then. "}),
    ],
    "content around a call": [
        event({"content": f"Key {HALF}"}), event(call(0, name="f", arguments="{}")),
        event({"content": f"{REST}. Then. "}),
    ],
    "a name": [event(call(0, name=HALF)), event(more(0, name=REST)), event(more(0, arguments="{}"))],
    "arguments of two calls in turns": [
        event(call(0, name="f", arguments=HALF)), event(call(1, name="f", arguments=HALF)),
        event(more(0, arguments=REST)), event(more(1, arguments=REST)),
    ],
    "arguments around content": [
        event(call(0, name="f", arguments=HALF)), event({"content": "Well. "}), event(more(0, arguments=REST)),
    ],
    "a refusal around content": [
        event({"refusal": HALF}), event({"content": "Well. "}), event({"refusal": REST}),
    ],
    "after the end": [
        event({"content": f"Key {HALF}"}, finish_reason="stop"), event({"content": f"{REST}. Then. "}),
    ],
    "parts in the last event": [
        event({"content": [{"type": "text", "text": one} for one in (f"Key {HALF}", REST)]}, finish_reason="stop"),
    ],
    "white space before": [
        event({"content": "\n"}), event({"content": HALF}), event({"reasoning_content": "hm"}),
        event({"content": REST}),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", STREAMS)
async def test_by_sentences_nobody_gets_a_key_that_other_texts_cut(
    upstream: Upstream, serve: Serve, tmp_path: Path, name: str
) -> None:
    log = tmp_path / "log.jsonl"
    served = await serve(policy(tmp_path, "enforce", release="sentences"), log=log)
    upstream.always = broken([*STREAMS[name], event({}, finish_reason="stop"), DONE], "whole")
    got = await (await served.ask(stream=True)).read()
    assert DONE in got
    assert KEY not in got.decode()
    assert b"***" in got
    kept = json.dumps(records(log))
    assert KEY not in kept
    assert "***" in kept


BODIES: dict[str, Body] = {
    "parts": {"content": [{"type": "text", "text": f"It is {HALF}"}, {"type": "text", "text": f"{REST}. {GOOD}"}]},
    "three parts": {"content": [{"type": "text", "text": one} for one in (HALF, REST[:5], "", f"{REST[5:]} {GOOD}")]},
    "parts of reasoning": {"content": GOOD, "reasoning": [{"type": "text", "text": one} for one in (HALF, REST)]},
    "thoughts": {
        "content": GOOD, "reasoning_details": [{"type": "reasoning.text", "text": one} for one in (HALF, REST)],
    },
    "thoughts of two kinds": {
        "content": GOOD,
        "reasoning_details": [{"type": "reasoning.text", "text": HALF}, {"type": "reasoning.summary", "summary": REST}],
    },
    "odd escapes": {"content": "\\u0069t is " + KEY.replace("-", "\\-")},
}  # fmt: skip


def judge_of_all(request: Request, sample: int) -> str:
    """Keeps what it is given, and quotes the key where it sees it."""
    from tests.gateway.audited import judge_spans

    READ.append(request.messages[-1].content)
    return judge_spans(request, sample)


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("settings", [
    {"mode": "observe"}, {"mode": "annotate"}, {"mode": "enforce"}, {"mode": "enforce", "on_audit_error": "open"},
    {"mode": "enforce", "on_fail": "annotate"}, {"mode": "annotate", "strategies": ["best_of_n:1"],
    "default_strategy": "best_of_n:1"},
])  # fmt: skip
async def test_no_judge_verdict_client_or_log_gets_a_key_that_a_body_cuts(
    upstream: Upstream, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any, name: str
) -> None:
    monkeypatch.setattr(f"{judge_of_all.__module__}.READ", [])
    SPANS[:] = [KEY]
    log = tmp_path / "log.jsonl"
    judge = "llm:scripted:tests.gateway.test_joined:judge_of_all"
    served = await serve(policy(tmp_path, judge=judge, **settings), log=log)
    choice = {"index": 0, "message": {"role": "assistant", **BODIES[name]}, "finish_reason": "stop"}
    upstream.always = raw(json.dumps({"id": "x", "object": "chat.completion", "choices": [choice]}).encode())
    response = await served.ask()
    got = await response.text()
    await settled(log, 1)
    assert response.status == 200
    assert READ
    assert KEY not in "".join(READ)
    assert KEY not in got
    assert KEY not in log.read_text(encoding="utf-8")
    if settings["mode"] == "observe":
        return
    async with served.client.get(f"{served.root}/akrasia/audits/{response.headers['x-akrasia-audit-id']}") as told:
        assert KEY not in await told.text()
    if name == "parts" and (settings["mode"] == "enforce" or "strategies" in settings):
        assert f"It is ***. {GOOD}" in got.replace('"},{"type":"text","text":"', "")


@pytest.mark.parametrize("mode", ["observe", "annotate"])
async def test_no_judge_or_log_gets_a_key_that_a_stream_cuts(
    upstream: Upstream, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr(f"{judge_of_all.__module__}.READ", [])
    SPANS[:] = [KEY]
    log = tmp_path / "log.jsonl"
    served = await serve(policy(tmp_path, mode, judge="llm:scripted:tests.gateway.test_joined:judge_of_all"), log=log)
    upstream.always = broken([*STREAMS["content around reasoning"], event({}, finish_reason="stop"), DONE], "whole")
    got = (await (await served.ask(stream=True)).read()).decode()
    (record,) = await settled(log, 1)
    assert record["choices"][0]["original"]["content"] == "Key ***. Then. "
    assert any("Key ***. Then." in text for text in READ)
    assert KEY not in "".join(READ) + got


async def test_no_reader_gets_a_key_that_a_rewriter_says(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    models = {
        "planner": "scripted:tests.audit.scripts:planner",
        "rewriter": "scripted:tests.gateway.test_joined:rewriter_with_key",
        "guard": "scripted:tests.audit.scripts:guard",
    }
    served = await serve(policy(tmp_path, "enforce", on_fail="rewrite", **models), log=log)
    upstream.message = lambda body, index: "Task 1. I act against face."
    got = await (await served.ask()).json()
    assert got["choices"][0]["message"]["content"] == "Task 1. I act for face. ***"
    assert KEY not in log.read_text(encoding="utf-8")


def rewriter_with_key(request: Request) -> str:
    return f"Task 1. I act for face. {KEY}"


def test_texts_under_the_same_names_are_read_as_one() -> None:
    keys = Credentials(SECRET)
    parts = [
        {"type": "text", "text": text} for text in ("It is ", SECRET[:5], "", SECRET[5:], f"{SECRET}: {SECRET[:3]}")
    ]
    choice = {"index": 0, "message": {"content": parts, "a": {"b": [SECRET[:4], [{"c": 1}], SECRET[4:]]}}}
    before = json.dumps(choice)
    made = without_keys(choice, keys)["message"]
    assert [part["text"] for part in made["content"]] == ["It is ", "***", "", "", f"***: {SECRET[:3]}"]
    assert made["a"] == {"b": ["***", [{"c": 1}], ""]}
    assert json.dumps(choice) == before


def test_what_holds_no_key_is_the_same_object() -> None:
    choice = {"message": {"content": [{"text": SECRET[:5]}, {"text": "s"}, {"text": SECRET[5:]}]}, "logprobs": None}
    assert without_keys(choice, Credentials(SECRET)) is choice
    assert without_keys({"a": SECRET}, NO_CREDENTIALS) == {"a": SECRET}


def test_log_probabilities_that_spell_a_key_are_left_out() -> None:
    def spelt(*tokens: object) -> Body:
        return {"message": {"content": "***"}, "logprobs": {"content": [{"token": token} for token in tokens]}}

    keys = Credentials(SECRET)
    assert without_keys(spelt("It", SECRET[:3], None, SECRET[3:]), keys)["logprobs"] == "***"
    kept = spelt("It", SECRET[:3], " ", SECRET[3:])
    assert without_keys(kept, keys) is kept


@pytest.mark.parametrize("name", FORMS)
def test_a_key_in_any_form_is_blotted_over_pieces(name: str) -> None:
    text, keys = FORMS[name], Credentials(SECRET)
    for size in (1, 2, 3, 7):
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        assert "".join(keys.out_of_pieces(pieces)) == keys.out_of(text)
        choice = StreamedChoice(keys=keys)
        for piece in pieces:
            choice.add(piece)
        assert SECRET not in choice.rest


def test_a_window_after_a_mark_ends_where_its_sentence_does() -> None:
    choice = StreamedChoice(keys=Credentials(SECRET))
    choice.add(f"a {SECRET[:-1]}")
    assert choice.window_end() == 0
    choice.add(f"{SECRET[-1]}. B")
    end = choice.window_end()
    assert choice.waiting[:end] == "a ***. "


def test_many_pieces_are_looked_through_once() -> None:
    pieces = [SECRET[6:] + "x" + SECRET[:6]] * 50_000
    began = time.perf_counter()
    made = Credentials(SECRET).out_of_pieces(pieces)
    assert "".join(made).count("***") == 49_999
    assert time.perf_counter() - began < 2
