"""A gateway in front of the fault-injecting upstream, both on real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.gateway.upstreams import chat
from tests.upstream import Upstream

from akrasia.gateway.listening import Listening
from akrasia.gateway.serving import ServeOptions, build_gateway

KEY = "sk-upstream-0123456789abcdef"


class Served:
    """A running gateway.

    Attributes:
        url: with /v1. root: without. client: an HTTP session. gateway: its state. notices: what it told. listening:
            its address, which may be left early.
    """

    def __init__(self, listening: Listening, client: aiohttp.ClientSession, notices: list[str]) -> None:
        self.url = listening.url
        self.root = listening.url.removesuffix("/v1")
        self.port = listening.port
        self.client = client
        self.listening = listening
        self.gateway = listening._gateway
        self.notices = notices

    async def ask(self, headers: dict[str, str] | None = None, **body: Any) -> aiohttp.ClientResponse:
        """A chat request, whose answer has been read."""
        body = {"model": "tiny", "messages": [{"role": "user", "content": "Hello there"}], **body}
        response = await self.client.post(f"{self.url}/chat/completions", json=body, headers=headers)
        await response.read()
        return response

    async def metrics(self) -> str:
        """The text of /metrics."""
        async with self.client.get(f"{self.root}/metrics") as response:
            return await response.text()


Serve = Callable[..., Awaitable[Served]]


@pytest.fixture(autouse=True)
def upstream_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AKRASIA_API_KEY", KEY)


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream() as made:
        made.always = chat()
        yield made


@pytest.fixture
async def serve(upstream: Upstream, tmp_path: Path) -> AsyncIterator[Serve]:
    """Starts a gateway with a policy text; all of them end with the test."""
    async with AsyncExitStack() as stack:

        async def start(policy: str = "", **options: Any) -> Served:
            path = tmp_path / "policy.toml"
            path.write_text(policy, encoding="utf-8")
            notices: list[str] = []
            given = ServeOptions(**{"upstream": upstream.url, "policy": path, **options})
            gateway = build_gateway(given, notices.append)
            client = await stack.enter_async_context(aiohttp.ClientSession())
            return Served(await stack.enter_async_context(Listening(gateway, given.host, 0)), client, notices)

        yield start
