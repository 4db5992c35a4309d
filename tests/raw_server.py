"""A server that answers every request with the same bytes, right or wrong, and keeps what it was sent."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from yarl import URL

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Server:
    """Answers each request with the same bytes, and keeps what it got, by connection."""

    def __init__(self, reply: bytes = OK, *, hang_up: bool = False) -> None:
        self.reply = reply
        self.hang_up = hang_up
        self.heads: list[list[bytes]] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mine: list[bytes] = []
        self.heads.append(mine)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                mine.append(head)
                length = next(line for line in head.split(b"\r\n") if line.startswith(b"Content-Length: "))
                await reader.readexactly(int(length[16:]))
                writer.write(self.reply)
                if self.hang_up:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def running(server: Server, tls: ssl.SSLContext | None = None) -> AsyncIterator[URL]:
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    async with listening:
        server.port = listening.sockets[0].getsockname()[1]
        yield URL(f"http{'s' if tls else ''}://localhost:{server.port}/v1/chat/completions?version=2")
