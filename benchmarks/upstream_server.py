"""The upstream of the benchmarks: chat completions with canned replies, one choice a request, in its own process.

A raw `asyncio.Protocol`, so that it costs a small share of what any client costs. It reads every request's JSON and
refuses what is not a chat completion; `n` is ignored, as many servers do. Each reply carries a tag that depends on the
messages, and a request that contains a tag served before is counted as dependent: this is how a second call is known
to have carried the first one's reply. A reply that is asked for as a stream comes in one event a word, each in a piece
of its own. `GET /count` tells the counts and the processor time used, `POST /reset` zeroes them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
import zlib
from collections import deque
from functools import partial
from typing import cast

import msgspec
from engine_items import last_sum, served_answer

try:
    from uvloop import run
except ImportError:
    from asyncio import run

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_UNSUPPORTED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection:[ \t]*close", re.IGNORECASE)
_TAG = re.compile(r"\[r:([0-9a-f]{8})\]")
_HEAD = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
_STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_MODELS = b'{"object":"list","data":[{"id":"bench","object":"model","owned_by":"bench"}]}'
_REASONING = (
    "Let me add the two numbers one column at a time. First the ones, then the tens with what was carried, then the "
    "hundreds and the thousands, again with what was carried. I have checked every column twice."
)


class Part(msgspec.Struct):
    """One part of a message whose content is a list."""

    text: str = ""


class ChatMessage(msgspec.Struct):
    """A message of a request."""

    role: str
    content: str | list[Part] | None = None

    def text(self) -> str:
        """The message's text, parts joined."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content or ())


class StreamOptions(msgspec.Struct):
    """What a client says about its stream."""

    include_usage: bool = False


class ChatRequest(msgspec.Struct):
    """The fields of a request that the upstream looks at."""

    model: str
    messages: list[ChatMessage]
    stream: bool | None = None
    stream_options: StreamOptions | None = None


class Tally:
    """What was asked since the last reset."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start from nothing."""
        self.requests = 0
        self.dependent = 0
        self.refused = 0
        self.tags: set[str] = set()
        self.cpu_start_s = time.process_time()

    def as_json(self) -> bytes:
        """The counts, and the processor seconds spent since the reset."""
        cpu_s = time.process_time() - self.cpu_start_s
        counts = {"requests": self.requests, "dependent": self.dependent, "refused": self.refused, "cpu_s": cpu_s}
        return json.dumps(counts).encode()


class Upstream:
    """Answers requests; knows nothing of sockets."""

    def __init__(self) -> None:
        self.tally = Tally()
        self._decode = msgspec.json.Decoder(ChatRequest).decode

    def respond(self, target: bytes, body: bytes) -> list[bytes]:
        """The whole response to one request, in the pieces that are sent; `target` is its method and path."""
        if target == b"POST /v1/chat/completions":
            return self._complete(body)
        if target == b"GET /v1/models":
            return [_response(b"200 OK", _MODELS)]
        if target == b"GET /count":
            return [_response(b"200 OK", self.tally.as_json())]
        if target == b"POST /reset":
            self.tally.reset()
            return [_response(b"200 OK", b"{}")]
        self.tally.refused += 1
        return [_refusal(b"404 Not Found", f"nothing at {target.decode('latin-1')}")]

    def _complete(self, body: bytes) -> list[bytes]:
        tally = self.tally
        try:
            request = self._decode(body)
        except msgspec.DecodeError as error:
            tally.refused += 1
            return [_refusal(b"400 Bad Request", str(error))]
        text = "\n".join([message.text() for message in request.messages])
        tally.requests += 1
        earlier = _TAG.search(text)
        if earlier and earlier[1] in tally.tags:
            tally.dependent += 1
        tag = f"{zlib.crc32(text.encode()):08x}"
        tally.tags.add(tag)
        if request.stream:
            usage = request.stream_options is not None and request.stream_options.include_usage
            return _events(tally.requests, text, tag, usage)
        return [_response(b"200 OK", _completion(tally.requests, text, tag))]


def _events(number: int, text: str, tag: str, usage: bool) -> list[bytes]:
    """The pieces of a streamed response: its head with the first event, then one event a word, and the end."""
    operands = last_sum(text)
    answer = served_answer(*operands) if operands else 0
    start = (
        f'data: {{"id":"chatcmpl-{number}","object":"chat.completion.chunk","created":1700000000,"model":"bench",'
        '"choices":['
    )
    words = [*(f"{word} " for word in _REASONING.split()), f"[r:{tag}]", f"\\n#### {answer}"]
    deltas = ['{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}']
    deltas += [f'{{"index":0,"delta":{{"content":"{word}"}},"finish_reason":null}}' for word in words]
    deltas.append('{"index":0,"delta":{},"finish_reason":"stop"}')
    events = [f"{start}{delta}]}}\n\n".encode() for delta in deltas]
    if usage:
        prompt = len(text) // 4
        counts = f'"prompt_tokens":{prompt},"completion_tokens":60,"total_tokens":{prompt + 60}'
        events.append(f'{start}],"usage":{{{counts}}}}}\n\n'.encode())
    events.append(b"data: [DONE]\n\n")
    pieces = [b"%x\r\n%b\r\n" % (len(event), event) for event in events]
    return [_STREAM_HEAD + pieces[0], *pieces[1:-1], pieces[-1] + b"0\r\n\r\n"]


def _completion(number: int, text: str, tag: str) -> bytes:
    operands = last_sum(text)
    answer = served_answer(*operands) if operands else 0
    prompt_tokens = len(text) // 4
    # Nothing here needs escaping in JSON but the line break, so the body is written as text.
    return (
        f'{{"id":"chatcmpl-{number}","object":"chat.completion","created":1700000000,"model":"bench","choices":[{{"index":0,'
        f'"message":{{"role":"assistant","content":"{_REASONING} [r:{tag}]\\n#### {answer}","refusal":null}},'
        f'"logprobs":null,"finish_reason":"stop"}}],"usage":{{"prompt_tokens":{prompt_tokens},"completion_tokens":60,'
        f'"total_tokens":{prompt_tokens + 60}}}}}'
    ).encode()


def _response(status: bytes, body: bytes) -> bytes:
    return _HEAD % (status, len(body)) + body


def _refusal(status: bytes, message: str) -> bytes:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return _response(status, json.dumps({"error": error}).encode())


class Connection(asyncio.Protocol):
    """One keep-alive connection: partial reads, several requests in one read, replies in the order of the requests.

    The pieces of a streamed reply leave in turns of the event loop of their own, as a model's words would; a client
    that sends its next request before the stream's end gets both mixed up.
    """

    def __init__(self, upstream: Upstream, latency_s: float) -> None:
        self._upstream = upstream
        self._latency_s = latency_s
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[list[bytes], bool]] = deque()
        self._unread = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # uvloop's transports offer the same methods without being subclasses.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer every whole request that has arrived, keep the rest."""
        data = self._unread + data if self._unread else data
        start = 0
        while (end := data.find(b"\r\n\r\n", start)) >= 0:
            head = data[start:end]
            if _UNSUPPORTED.search(head):
                self._send([_refusal(b"411 Length Required", "send Content-Length")], close=True)
                return
            length = _CONTENT_LENGTH.search(head)
            stop = end + 4 + (int(length[1]) if length else 0)
            if stop > len(data):
                break
            self._answer(head, data[end + 4 : stop])
            start = stop
        self._unread = data[start:]

    def _answer(self, head: bytes, body: bytes) -> None:
        target = head[: head.find(b" HTTP/")]
        response = self._upstream.respond(target, body)
        close = _CLOSE.search(head) is not None
        if self._latency_s and target == b"POST /v1/chat/completions":
            # All replies wait equally long, so the n-th timer to fire releases the n-th reply.
            self._waiting.append((response, close))
            self._loop.call_later(self._latency_s, self._release)
        else:
            self._send(response, close=close)

    def _release(self) -> None:
        response, close = self._waiting.popleft()
        self._send(response, close=close)

    def _send(self, pieces: list[bytes], *, close: bool, sent: int = 0) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(pieces[sent])
        if sent + 1 < len(pieces):
            self._loop.call_soon(partial(self._send, pieces, close=close, sent=sent + 1))
        elif close:
            self._transport.close()


async def serve(port: int, latency_s: float) -> None:
    """Serve until cancelled; the port in use is the first line on standard output."""
    upstream = Upstream()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(upstream, latency_s), "127.0.0.1", port, backlog=4096
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve canned chat completions on the loopback address.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one (default)")
    parser.add_argument("--latency-ms", type=float, default=0.0)
    options = parser.parse_args()
    try:
        run(serve(options.port, options.latency_ms / 1000))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
