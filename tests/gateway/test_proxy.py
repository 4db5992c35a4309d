"""The way to the upstream leads through the proxy that the environment names."""

from __future__ import annotations

import pytest
from tests.gateway.conftest import Serve
from tests.raw_server import OK, Server, running
from tests.upstream import Upstream

pytestmark = pytest.mark.asyncio


async def test_a_proxy_of_the_environment_is_used(
    upstream: Upstream, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    proxy = Server(OK.replace(b"2\r\n\r\n{}", b'15\r\n\r\n{"choices": []}'), hang_up=True)
    async with running(proxy):
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        served = await serve()
        assert await (await served.ask()).json() == {"choices": []}
    assert proxy.heads[0][0].startswith(f"POST {upstream.url}/chat/completions HTTP/1.1".encode())
    assert upstream.calls == 0
