"""The bare proxy of the gateway benchmark: aiohttp's server and client back to back, and nothing between them.

It marks what one Python process can pass on at all with the usual parts: no checks, no policy, no counts, no errors of
its own. Bodies are never decoded; a stream is relayed as it comes.
"""

from __future__ import annotations

import argparse
import asyncio

import aiohttp
from aiohttp import web
from yarl import URL

try:
    from uvloop import run
except ImportError:
    from asyncio import run

_SENT = {"Content-Type": "application/json"}


class Proxy:
    """Passes chat requests on."""

    def __init__(self, upstream: str, session: aiohttp.ClientSession) -> None:
        self._chat = URL(f"{upstream}/chat/completions")
        self._session = session

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a chat request, or the question whether the proxy is there."""
        if request.method != "POST":
            return web.Response(text="here")
        body = await request.read()
        async with self._session.post(self._chat, data=body, headers=_SENT) as answer:
            kind = answer.content_type
            if kind != "text/event-stream":
                return web.Response(body=await answer.read(), status=answer.status, content_type=kind)
            out = web.StreamResponse(status=answer.status, headers={"Content-Type": kind})
            await out.prepare(request)
            async for chunk in answer.content.iter_any():
                await out.write(chunk)
            await out.write_eof()
            return out


async def serve(port: int, upstream: str) -> None:
    """Serve until cancelled."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=None)
    ) as session:
        runner = web.ServerRunner(web.Server(Proxy(upstream, session).handle, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="Pass chat completions on, and nothing else.")
    parser.add_argument("--upstream", required=True, help="base URL, with /v1")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    try:
        run(serve(options.port, options.upstream))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
