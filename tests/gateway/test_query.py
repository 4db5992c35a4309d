"""The query of a request's address: what of it the upstream gets, in every mode, and what no client talks it into."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.gateway.audited import BAD, GOOD, policy
from tests.gateway.conftest import Serve, Served
from tests.gateway.upstreams import chat
from tests.upstream import Upstream

pytestmark = pytest.mark.asyncio

MODES: list[tuple[str, dict[str, Any]]] = [
    ("pass", {}),
    ("observe", {}),
    ("annotate", {}),
    ("enforce", {}),
    ("enforce", {"release": "sentences"}),
]
STRATEGIES = ["direct", "best_of_n:2"]


def listening(upstream: Upstream) -> list[str]:
    """The addresses that the upstream is asked for, from now on."""
    asked: list[str] = []

    async def noting(given: Upstream, request: web.Request) -> web.StreamResponse:
        asked.append(request.raw_path)
        return await chat()(given, request)

    upstream.always = noting
    return asked


async def ask(served: Served, query: str, **body: Any) -> int:
    body = {"model": "tiny", "messages": [{"role": "user", "content": "x"}], **body}
    async with served.client.post(f"{served.url}/chat/completions?{query}", json=body) as response:
        await response.read()
        return response.status


@pytest.mark.parametrize(("mode", "more"), MODES)
async def test_the_version_of_the_interface_goes_on(
    upstream: Upstream, serve: Serve, tmp_path: Path, mode: str, more: dict[str, Any]
) -> None:
    upstream.message = lambda body, index: GOOD
    served = await serve(policy(tmp_path, mode, strategies=STRATEGIES, **more))
    asked = listening(upstream)
    for body in ({}, {"stream": True}, {"model": "tiny@best_of_n:2"}):
        assert await ask(served, "api-version=2024-10-21", **body) == 200
    assert len(asked) >= 3
    assert set(asked) == {"/v1/chat/completions?api-version=2024-10-21"}
    assert (await served.ask()).status == 200
    assert asked[-1] == "/v1/chat/completions"


@pytest.mark.parametrize(
    "query",
    ["model=other", "stream=true", "n=2", "key=sk-1", "api-key=x", "API-VERSION=1", "api%20version=1", "", "x", "&=&"],
)
@pytest.mark.parametrize("mode", ["pass", "enforce"])
async def test_nothing_else_does(upstream: Upstream, serve: Serve, tmp_path: Path, query: str, mode: str) -> None:
    upstream.message = lambda body, index: GOOD
    served = await serve(policy(tmp_path, mode))
    asked = listening(upstream)
    assert await ask(served, f"{query}&api-version=2") == 200
    assert asked == ["/v1/chat/completions?api-version=2"]


@pytest.mark.parametrize(
    "query", ["api-version=1&api-version=2", "api-version=", "api-version=1%26model=other", "api-version=1%23"]
)
async def test_what_readers_may_read_otherwise_is_refused(upstream: Upstream, serve: Serve, query: str) -> None:
    served = await serve()
    assert await ask(served, query) == 400
    assert upstream.calls == 0


async def test_the_operators_own_parameters_stand(upstream: Upstream, serve: Serve) -> None:
    served = await serve(upstream=f"{upstream.url}?api-version=1&team=a")
    asked = listening(upstream)
    assert await ask(served, "api-version=2") == 200
    assert asked == ["/v1/chat/completions?api-version=1&team=a"]


async def test_the_roles_of_the_requests_own_model_have_it(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    named = {role: f"scripted:tests.audit.scripts:{role}" for role in ("planner", "guard")}
    served = await serve(policy(tmp_path, "enforce", on_fail="rewrite", **named))
    upstream.message = lambda body, index: GOOD if len(upstream.bodies) > 1 else BAD
    asked = listening(upstream)
    assert await ask(served, "api-version=2") == 200
    assert asked == ["/v1/chat/completions?api-version=2"] * 2


async def test_models_are_listed_in_parts(upstream: Upstream, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def listed(self: Upstream, request: web.Request) -> web.Response:
        asked.append(request.raw_path)
        return web.json_response({"data": []})

    monkeypatch.setattr(Upstream, "_list", listed)
    async with Upstream() as lists:
        served = await serve(upstream=lists.url)
        async with served.client.get(f"{served.url}/models?limit=5&after=a/b&key=sk") as response:
            assert response.status == 200
    assert asked == ["/v1/models?limit=5&after=a/b"]
