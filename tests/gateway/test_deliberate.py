"""Strategies on live traffic: what they commit to, what they cost, and where they end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.gateway.audited import BAD, GOOD, HALF, JUDGE, contents, policy, records, settled, told_in
from tests.gateway.conftest import Serve, Served
from tests.upstream import Body, Upstream, status

from akrasia.core import Fingerprint, InputError
from akrasia.gateway import drawing
from akrasia.gateway.deliberate import answer_of
from akrasia.risk import Prior
from akrasia.strategies.prior_file import PriorFile, Provenance, Verifier, write_prior
from akrasia.values import parse_constitution

pytestmark = pytest.mark.asyncio

STRATEGIES = ["direct", "best_of_n:4", "self_consistency:5", "audited"]
MODELS: dict[str, Any] = {
    "planner": "scripted:tests.audit.scripts:planner",
    "rewriter": "scripted:tests.audit.scripts:mender",
    "guard": "scripted:tests.audit.scripts:guard",
}


@pytest.fixture(autouse=True)
def _forget_upstreams() -> None:
    drawing._one_choice.clear()


def live(folder: Path, mode: str = "enforce", strategies: list[str] = STRATEGIES, **settings: Any) -> str:
    return policy(folder, mode, strategies=strategies, **settings)


def in_turn(upstream: Upstream, *texts: str | Body) -> None:
    """One candidate after another, whether they come with one call or several."""
    given: list[str | Body] = list(texts)
    upstream.message = lambda body, index: given.pop(0)


async def by(served: Served, strategy: str, **body: Any) -> Body:
    response = await served.ask(model=f"tiny@{strategy}", **body)
    assert response.status == 200, await response.text()
    found: Body = await response.json()
    return {**found, "headers": response.headers}


@pytest.mark.parametrize("choices", ["all", "one", "refuse"])
async def test_best_of_n_takes_what_keeps_the_values_best(
    upstream: Upstream, serve: Serve, tmp_path: Path, choices: str
) -> None:
    served = await serve(live(tmp_path))
    upstream.choices, upstream.always = choices, None
    in_turn(upstream, BAD, HALF, GOOD, HALF)
    body = await by(served, "best_of_n:4")
    assert [(one["index"], one["message"]["content"]) for one in body["choices"]] == [(0, GOOD)]
    assert body["headers"]["x-akrasia-candidates"] == "4"
    assert body["headers"]["x-akrasia-strategy"] == "best_of_n:4"
    upstream_calls = {"all": 1, "one": 4, "refuse": 5}[choices]
    assert len(upstream.bodies) == upstream_calls
    readings = 3  # HALF is read once
    made = {"all": 1, "one": 4, "refuse": 5}[choices]
    assert body["headers"]["x-akrasia-calls"] == str(made + readings)
    if choices != "all":
        in_turn(upstream, GOOD, GOOD, GOOD, GOOD)
        await by(served, "best_of_n:4")
        assert len(upstream.bodies) - upstream_calls == 4  # what an upstream cannot do is asked for once


async def test_of_the_best_the_first_counts_and_passing_comes_before_adherence(
    upstream: Upstream, serve: Serve, tmp_path: Path
) -> None:
    served = await serve(live(tmp_path))
    betrays = "I act for face. I act for humility. I act against tradition."  # adherence ½ + 1/6, as HALF
    in_turn(upstream, betrays, f"{HALF} One.", f"{HALF} Two.", "Nothing.")
    body = await by(served, "best_of_n:4")
    assert body["choices"][0]["message"]["content"] == f"{HALF} One."


async def test_if_all_candidates_betray_none_leaves(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    served = await serve(live(tmp_path))
    upstream.message = lambda body, index: BAD
    (choice,) = (await by(served, "best_of_n:4"))["choices"]
    assert choice["finish_reason"] == "content_filter"


async def test_candidates_that_fail_to_come_are_done_without(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    served = await serve(live(tmp_path))
    upstream.choices = "refuse"
    upstream.faults += [None, status(500), status(500), status(500)]
    upstream.message = lambda body, index: HALF
    body = await by(served, "best_of_n:4")
    assert body["headers"]["x-akrasia-candidates"] == "1"
    upstream.always = status(500)
    assert (await served.ask(model="tiny@best_of_n:4")).status == 500


async def test_a_seed_grows_from_call_to_call(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    served = await serve(live(tmp_path))
    upstream.choices = "one"
    await by(served, "best_of_n:4", seed=10)
    assert sorted(body["seed"] for body in upstream.bodies[1:]) == [11, 12, 13]
    assert (upstream.bodies[0]["seed"], upstream.bodies[0]["n"]) == (10, 4)


async def test_self_consistency_takes_the_first_with_the_answer_of_most(
    upstream: Upstream, serve: Serve, tmp_path: Path
) -> None:
    served = await serve(live(tmp_path))
    in_turn(upstream, "A. #### 7", "B. #### 12.0", "C. #### 7.5", "D. \n#### 12", "E. No idea at all, I am afraid.")
    body = await by(served, "self_consistency:5")
    assert body["choices"][0]["message"]["content"] == "B. #### 12.0"


async def test_self_consistency_of_free_text_is_refused(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    served = await serve(live(tmp_path))
    upstream.message = lambda body, index: f"This is a long reply about nothing much, number {index}."
    response = await served.ask(model="tiny@self_consistency:5")
    assert response.status == 422
    said = (await response.json())["error"]
    assert (said["code"], said["type"]) == ("no_answer", "invalid_request_error")
    assert "best_of_n" in said["message"]
    assert "number" not in said["message"]


async def test_a_vote_needs_no_judge_and_passes_unaudited(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    served = await serve('strategies = ["direct", "self_consistency:3"]\n', log=tmp_path / "audit.jsonl")
    in_turn(upstream, "A. #### 7", "B. #### 12", "C. #### 12")
    body = await by(served, "self_consistency:3")
    assert body["choices"][0]["message"]["content"] == "B. #### 12"
    assert body["headers"]["x-akrasia-candidates"] == "3"
    assert records(tmp_path / "audit.jsonl") == []


async def test_in_pass_a_judge_chooses_and_nothing_is_withheld(
    upstream: Upstream, serve: Serve, tmp_path: Path
) -> None:
    served = await serve(live(tmp_path, "pass"))
    in_turn(upstream, BAD, HALF, GOOD, HALF)
    assert (await by(served, "best_of_n:4"))["choices"][0]["message"]["content"] == GOOD
    upstream.message = lambda body, index: BAD
    assert (await by(served, "best_of_n:4"))["choices"][0]["message"]["content"] == BAD
    async with served.client.get(f"{served.url}/models") as listed:
        assert "tiny@best_of_n:4" in [model["id"] for model in (await listed.json())["data"]]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("So it is\n#### 1,200", "1200"),
        ("#### 1/2", "0.5"),
        ("#### Paris.", "paris"),
        ("#### Apollo 11", "apollo 11"),
        ("Thus \\boxed{4.0} it is", "4"),
        ("\\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ('{"b": 1, "a": [2]}', '{"a":[2],"b":1}'),
        ("{not JSON}", "{not json}"),
        ("[" * 100_000, "[" * 100_000),
        ("Yes!", "yes"),
        ("I think that it is yes, in the end", None),
        ("", None),
        ("####", None),
    ],
)
async def test_answers(text: str, answer: str | None) -> None:
    assert answer_of({"content": text}) == answer


async def test_a_tool_call_is_no_answer() -> None:
    call = {"type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert answer_of({"content": "Yes", "tool_calls": [call]}) is None


async def test_tool_calls_are_never_preferred(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    served = await serve(live(tmp_path))
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    calling: Body = {"content": None, "tool_calls": [call]}
    in_turn(upstream, calling, BAD, HALF, calling)
    body = await by(served, "best_of_n:4")
    assert body["choices"][0]["message"]["content"] == HALF
    upstream.message = lambda body, index: calling
    for strategy in ("best_of_n:4", "self_consistency:5"):
        assert (await by(served, strategy))["choices"][0]["message"]["tool_calls"]
    in_turn(upstream, "", {**calling, "content": "Let me look that up for you, please wait."}, calling, "", "")
    found = (await by(served, "self_consistency:5"))["choices"][0]["message"]
    assert (found["content"][:6], len(found["tool_calls"])) == ("Let me", 1)
    in_turn(upstream, calling, "This is a long reply about nothing much.", calling, calling, calling)
    assert (await served.ask(model="tiny@self_consistency:5")).status == 422


async def test_audited_mends_whatever_the_policy_does_with_failures(
    upstream: Upstream, serve: Serve, tmp_path: Path
) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(live(tmp_path, **MODELS), log=log)
    upstream.message = lambda body, index: f"Task 1. {BAD}" if index else GOOD
    body = await by(served, "audited", n=2)
    mended = "Task 1. I act for face. I act for humility. I act for tradition."
    assert [one["message"]["content"] for one in body["choices"]] == [GOOD, mended]
    first, second = records(log)[0]["choices"]
    assert (first["decision"], second["decision"]) == ("passed", "rewritten")
    assert (second["original"]["content"], second["delivered"]) == (f"Task 1. {BAD}", mended)
    assert second["verdict"]["betrayed"] == ["humility"]
    assert second["delivered_verdict"]["adherence"] == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_annotate_tells_of_what_a_strategy_chose(
    upstream: Upstream, serve: Serve, tmp_path: Path, stream: bool
) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(live(tmp_path, "annotate", **MODELS), log=log)
    upstream.extra = {"odd": 1}
    upstream.message = lambda body, index: f"Task 1. {BAD}"
    response = await served.ask(model="tiny@audited", stream=stream)
    mended = "Task 1. I act for face. I act for humility. I act for tradition."
    if stream:
        got = await response.read()
        (text,), (told,) = contents(got), told_in(got)
        assert got.endswith(b"data: [DONE]\n\n")
    else:
        body = await response.json()
        text, told = body["choices"][0]["message"]["content"], body["akrasia"]
        assert body["odd"] == 1
    assert text == mended
    assert (told["choices"][0]["decision"], told["strategy"], told["candidates"]) == ("rewritten", "audited", 1)
    assert response.headers["x-akrasia-strategy"] == "audited"
    assert records(log)[0]["choices"][0]["original"]["content"] == f"Task 1. {BAD}"


async def test_observe_deliberates_too(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(live(tmp_path, "observe"), log=log)
    in_turn(upstream, BAD, GOOD, HALF, HALF)
    body = await by(served, "best_of_n:4")
    assert body["choices"][0]["message"]["content"] == GOOD
    (record,) = await settled(log, 1)
    assert record["strategy"] == "best_of_n:4"


async def test_usage_counts_the_deployed_call_and_headers_all(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    served = await serve(live(tmp_path))
    upstream.choices = "one"
    upstream.message = lambda body, index: HALF  # 4 tokens, after a prompt of 2
    body = await by(served, "best_of_n:4")
    assert body["usage"] == {"prompt_tokens": 2, "completion_tokens": 4, "total_tokens": 6}
    assert int(body["headers"]["x-akrasia-tokens"]) > 4 * 6  # the judge's are counted by letters


async def test_the_tokens_of_a_request_are_bounded(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    served = await serve(live(tmp_path, judge="encoder", max_tokens_total=20))
    upstream.message = lambda body, index: HALF  # 6 tokens a call: three calls are 18
    body = await by(served, "best_of_n:4")
    assert body["headers"]["x-akrasia-candidates"] == "3"
    assert body["headers"]["x-akrasia-tokens"] == "18"


async def test_tokens_used_up_are_an_audit_that_failed(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(live(tmp_path, max_tokens_total=5), log=log)
    upstream.message = lambda body, index: HALF
    response = await served.ask()
    assert (response.status, (await response.json())["error"]["code"]) == (503, "audit_unavailable")
    assert "tokens of the request are used up" in records(log)[0]["choices"][0]["missing"]


async def test_strategies_that_commit_to_one_choice_take_no_n(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    served = await serve(live(tmp_path))
    response = await served.ask(model="tiny@best_of_n:4", n=2)
    assert (response.status, (await response.json())["error"]["param"]) == (400, "n")
    assert upstream.calls == 0
    assert (await served.ask(model="tiny@best_of_n:8")).status == 400  # not among the policy's


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        ("best_of_n", "write best_of_n:N"),
        ("best_of_n:0", "N from 1 to 64"),
        ("self_consistency:many", "write self_consistency:N"),
        ("audited?stage=both", "budget and margin only"),
        ("audited:slow", "direct answers only"),
        ("adaptive", "needs a prior"),
    ],
)
async def test_a_strategy_that_cannot_work_is_refused_at_the_start(
    serve: Serve, tmp_path: Path, strategy: str, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        await serve(live(tmp_path, strategies=["direct", strategy]))


def write(path: Path, judge: str = JUDGE, measure: str = "adherence to ours", values: str = "") -> None:
    """A prior: half of the candidates have 1, the others ⅔."""
    source = Fingerprint("tiny", "", "test")
    about = Provenance("direct", "suite", "", source, None, values, 80, 2, 0, "0")
    prior = Prior((2 / 3, 1.0), (5 / 6,), (1.0,), ((0.5, 0.5),))
    file = PriorFile(verifier=Verifier(measure, judge), prior=prior, provenance=about)
    write_prior(file, path)


async def test_adaptive_stops_when_another_candidate_is_not_worth_it(
    upstream: Upstream, serve: Serve, tmp_path: Path
) -> None:
    write(tmp_path / "prior.json")
    strategy = "adaptive?cost=0.02&most=6"
    served = await serve(live(tmp_path, strategies=["direct", strategy], prior="prior.json"))
    in_turn(upstream, HALF, HALF, GOOD, "never asked for")
    body = await by(served, strategy)
    assert body["choices"][0]["message"]["content"] == GOOD
    assert body["headers"]["x-akrasia-candidates"] == "3"
    in_turn(upstream, GOOD)
    assert (await by(served, strategy))["headers"]["x-akrasia-candidates"] == "1"


async def test_adaptive_keeps_to_time_and_tokens(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    write(tmp_path / "prior.json", "encoder")
    strategy = "adaptive?cost=0&most=6"
    settings: dict[str, Any] = {"strategies": ["direct", strategy], "prior": "prior.json", "judge": "encoder"}
    upstream.message = lambda body, index: "The bus leaves at six."  # 5 + 2 tokens
    served = await serve(live(tmp_path, max_tokens_total=15, **settings))
    assert (await by(served, strategy))["headers"]["x-akrasia-candidates"] == "2"
    upstream.latency_s = 0.3
    served = await serve(live(tmp_path, deadline_s={"total": 1.0}, **settings))
    assert (await by(served, strategy))["headers"]["x-akrasia-candidates"] in ("2", "3")


@pytest.mark.parametrize(
    ("measure", "strategy", "said"),
    [
        ("adherence to stated values", "adaptive?cost=0.02", r"prior RUN --against constitution"),
        ("adherence to ours", "adaptive", r'write "adaptive\?cost=0\.02" among the strategies'),
    ],
)
async def test_a_prior_that_cannot_steer_is_told_with_its_line(
    serve: Serve, tmp_path: Path, measure: str, strategy: str, said: str
) -> None:
    write(tmp_path / "prior.json", measure=measure)
    with pytest.raises(InputError, match=rf"policy.toml:4: .*{said}"):
        await serve(live(tmp_path, strategies=["direct", strategy], prior="prior.json"))


async def test_a_prior_of_another_judge_is_refused(serve: Serve, tmp_path: Path) -> None:
    write(tmp_path / "prior.json", "encoder")
    with pytest.raises(InputError, match="learnt from adherence to ours by encoder"):
        await serve(live(tmp_path, strategies=["direct", "adaptive?cost=0.1"], prior="prior.json"))


async def test_a_prior_of_other_values_by_the_same_name_is_refused(serve: Serve, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"strategies": ["direct", "adaptive?cost=0.1"], "prior": "prior.json"}
    text = live(tmp_path, **settings)
    write(tmp_path / "prior.json", values=parse_constitution((tmp_path / "values.toml").read_bytes()).fingerprint)
    await serve(text)
    live(tmp_path, required="face", **settings)
    with pytest.raises(InputError, match=r"policy.toml:4: .*a list of the same name has changed"):
        await serve(text)
