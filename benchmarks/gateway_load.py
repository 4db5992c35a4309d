"""The load of the gateway benchmark: N kept connections, each sending its next request when the last one was answered.

A raw `asyncio.Protocol`, so that it costs a small share of what any proxy costs. Each request asks something of its
own, and its reply must carry the tag that the upstream makes of exactly that question: a reply that is lost, cut short
or another's counts as failed. What is measured is printed as one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import time
import zlib
from collections import Counter
from typing import cast

import msgspec

try:
    from uvloop import run
except ImportError:
    from asyncio import run

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CHUNKED_END = b"\r\n0\r\n\r\n"


class Load:
    """What all connections share: the clock, the requests, the measurements.

    Args:
        head: of every request, up to the number of bytes in its body.
        model: as the client names it.
        stream: whether answers are wanted as events.
        seconds: how long to measure, after the warm-up.
        least: measured answers before the end, however long that takes.
        mark: answers that hold these bytes are measured apart, too; empty: none are.
    """

    def __init__(self, head: bytes, model: str, stream: bool, seconds: float, least: int, mark: bytes = b"") -> None:
        self._head = head
        self._body = b'{"model":%b,"messages":[{"role":"user","content":"%%b"}]%b}' % (
            msgspec.json.encode(model),
            b',"stream":true' if stream else b"",
        )
        self.stream = stream
        self._seconds = seconds
        self._least = least
        self._asked = 0
        self.mark = mark
        self.whole_ns: list[int] = []
        self.marked_ns: list[int] = []
        self.all_marked = 0
        self.first_ns: list[int] = []
        self.failures: Counter[str] = Counter()
        self.all_answers = 0
        self.answers = 0
        self.began_ns: int | None = None
        self.ended_ns = 0
        self.cpu_s = 0.0
        self.over = asyncio.Event()
        self.connections = 0
        self.gone = asyncio.Event()

    def begin(self) -> None:
        """The warm-up is over: what is asked from now on counts."""
        self.began_ns = time.perf_counter_ns()
        self.cpu_s = time.process_time()

    def request(self) -> tuple[bytes, bytes]:
        """The next request, and the tag of its reply."""
        self._asked += 1
        text = b"What is %d + %d? Show your work, one line a step." % (1000 + self._asked, 100 + self._asked % 97)
        body = self._body % text
        return self._head % len(body) + body, b"[r:%08x]" % zlib.crc32(text)

    def answered(self, asked_ns: int, first_ns: int, failure: str | None, *, marked: bool = False) -> None:
        """Count one answer."""
        self.all_answers += failure is None
        self.all_marked += marked and failure is None
        if failure is not None:
            self.failures[failure] += 1
            if self.failures.total() > 1000:
                self.over.set()
        now = time.perf_counter_ns()
        if self.began_ns is None or failure is not None:
            return
        if asked_ns >= self.began_ns:  # answered after the end, too: the slow ones would else be left out
            self.whole_ns.append(now - asked_ns)
            self.first_ns.append(first_ns - asked_ns)
            if marked:
                self.marked_ns.append(now - asked_ns)
        if self.over.is_set():
            return
        self.answers += 1  # of earlier requests, too: the rate would else lack the first of each connection
        if now - self.began_ns >= self._seconds * 1e9 and len(self.whole_ns) >= self._least:
            self.ended_ns = now
            self.cpu_s = time.process_time() - self.cpu_s
            self.over.set()

    def measured(self) -> dict[str, object]:
        """The figures; of an empty measurement only the failures."""
        found: dict[str, object] = {"failures": dict(self.failures), "answers": self.all_answers}
        found["marked"] = self.all_marked
        if len(self.whole_ns) < 2 or self.began_ns is None:
            return found
        seconds = (self.ended_ns - self.began_ns) / 1e9
        return found | {
            "seconds": seconds,
            "requests_per_s": self.answers / seconds,
            "p50_ms": statistics.median(self.whole_ns) / 1e6,
            "p99_ms": _p99_ms(self.whole_ns),
            "marked_p50_ms": statistics.median(self.marked_ns) / 1e6 if self.marked_ns else None,
            "marked_p99_ms": _p99_ms(self.marked_ns),
            "first_p50_ms": statistics.median(self.first_ns) / 1e6,
            "client_cpu_s": self.cpu_s,
        }


def _p99_ms(times_ns: list[int]) -> float | None:
    """The 99th percentile; None of fewer than 100, whose largest would be told in its place."""
    if len(times_ns) < 100:
        return None
    return statistics.quantiles(times_ns, n=100, method="inclusive")[98] / 1e6


class Connection(asyncio.Protocol):
    """One connection: asks, waits for the whole answer, asks again."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._data = b""
        self._tag = b""
        self._asked_ns = self._first_ns = 0
        self._done = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask the first time."""
        # uvloop's transports offer the same methods without being subclasses.
        self._transport = cast(asyncio.Transport, transport)
        self._load.connections += 1
        self._ask()

    def _ask(self) -> None:
        request, self._tag = self._load.request()
        self._data = b""
        self._first_ns = 0
        self._asked_ns = time.perf_counter_ns()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Collect the answer; when it is whole, count it and ask again."""
        if not self._first_ns:
            self._first_ns = time.perf_counter_ns()
        self._data = self._data + data if self._data else data
        if not self._is_whole():
            return
        mark = self._load.mark
        marked = bool(mark) and mark in self._data
        self._load.answered(self._asked_ns, self._first_ns, self._failure(), marked=marked)
        if self._load.over.is_set():
            self._done = True
            self._transport.close()
        else:
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        """A connection that ends early is a failure, and is not replaced."""
        if not self._done:
            self._load.answered(self._asked_ns, 0, f"connection lost: {exc}")
        self._load.connections -= 1
        if not self._load.connections:
            self._load.gone.set()

    def _is_whole(self) -> bool:
        data = self._data
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return False
        length = _CONTENT_LENGTH.search(data, 0, end)
        return data.endswith(_CHUNKED_END) if length is None else len(data) >= end + 4 + int(length[1])

    def _failure(self) -> str | None:
        if not self._data.startswith(b"HTTP/1.1 200 "):
            return self._data[:300].decode(errors="replace")
        if self._tag not in self._data:
            return "the reply is not the request's"
        if self._load.stream and b"data: [DONE]" not in self._data:
            return "the stream has no end"
        return None


async def measure(options: argparse.Namespace) -> dict[str, object]:
    """Open the connections, warm up, measure."""
    lines = [f"POST {options.path} HTTP/1.1", f"Host: 127.0.0.1:{options.port}", "Content-Type: application/json"]
    lines += [f"Authorization: Bearer {options.key}", "Content-Length: "]
    head = "\r\n".join(lines).encode() + b"%d\r\n\r\n"
    least, mark = max(options.least, 2), options.mark.encode()
    load = Load(head, options.model, options.stream, options.seconds, least, mark)
    loop = asyncio.get_running_loop()
    for _ in range(options.connections):
        await loop.create_connection(lambda: Connection(load), "127.0.0.1", options.port)
    await asyncio.sleep(options.warm_up)
    load.begin()
    try:
        async with asyncio.timeout(options.patience):
            await load.over.wait()
            await load.gone.wait()  # what is under way is answered, too: it has cost the proxy time, and burdens nobody
    except TimeoutError:
        load.failures[f"no end after {options.patience:g} s"] += 1
    return load.measured()


def main() -> None:
    parser = argparse.ArgumentParser(description="Keep N connections busy with chat requests, and measure the answers.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", default="/v1/chat/completions")
    parser.add_argument("--model", default="bench")
    parser.add_argument("--key", default="sk-bench")
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--least", type=int, default=100, help="measured answers, however long they take")
    parser.add_argument("--warm-up", type=float, default=0.5, metavar="SECONDS")
    parser.add_argument("--patience", type=float, default=600.0, metavar="SECONDS")
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--mark", default="", metavar="TEXT", help="measure answers that hold it apart, too")
    print(json.dumps(run(measure(parser.parse_args()))))


if __name__ == "__main__":
    main()
