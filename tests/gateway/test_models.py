"""The list of models, with the strategies that a client may name with each."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.gateway.audited import policy
from tests.gateway.conftest import Serve, Served
from tests.upstream import Upstream

pytestmark = pytest.mark.asyncio

ROUTES = """
[[route]]
header = "x-team=a"
strategies = ["direct", "best_of_n:8"]
[[route]]
model = "small"
mode = "pass"
strategies = ["direct"]
"""


async def listed(served: Served, headers: dict[str, str]) -> list[str]:
    async with served.client.get(f"{served.url}/models", headers=headers) as response:
        return [model["id"] for model in (await response.json())["data"]]


async def test_models_are_listed_by_their_routes(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    upstream.models = ("large", "small")
    served = await serve(policy(tmp_path, "enforce", strategies=["direct", "best_of_n:2"]) + ROUTES)
    assert await listed(served, {}) == ["large", "small", "large@best_of_n:2"]
    assert await listed(served, {"X-Team": "a"}) == ["large", "small", "large@best_of_n:8", "small@best_of_n:8"]
    assert (await served.ask(model="small@best_of_n:2")).status == 400
