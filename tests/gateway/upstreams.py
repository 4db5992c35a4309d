"""The fault-injecting upstream, taught to stream: every way in which a stream of events can go wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from aiohttp import web
from tests.upstream import Body, Fault, Upstream


def chunk(body: Body, choices: list[Any], **more: Any) -> bytes:
    """An event with a chunk."""
    fields = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": body["model"]}
    return b"data: " + json.dumps({**fields, "choices": choices, **more}, ensure_ascii=False).encode() + b"\n\n"


def events(upstream: Upstream, body: Body) -> list[bytes]:
    """The events of a healthy stream: of each choice a role, its words, and an end; then the usage if asked for."""
    made = []
    for index in range(body.get("n", 1)):
        message = upstream.message(body, index)
        fields: Body = {"content": message} if isinstance(message, str) else message
        made.append(chunk(body, [{"index": index, "delta": {"role": "assistant", "content": ""}}]))
        for word in (fields.get("content") or "").split(" "):
            part: Body = {"index": index, "delta": {"content": word + " "}, "finish_reason": None}
            if body.get("logprobs"):
                part["logprobs"] = {"content": [{"token": word + " ", "logprob": -0.5, "top_logprobs": []}]}
            made.append(chunk(body, [part]))
        for place, call in enumerate(fields.get("tool_calls") or ()):
            arguments = call["function"]["arguments"]
            opening = {**call, "index": place, "function": {**call["function"], "arguments": ""}}
            made.append(chunk(body, [{"index": index, "delta": {"tool_calls": [opening]}}]))
            for letter in arguments:
                more = {"index": place, "function": {"arguments": letter}}
                made.append(chunk(body, [{"index": index, "delta": {"tool_calls": [more]}}]))
        made.append(chunk(body, [{"index": index, "delta": {}, "finish_reason": upstream.finish}]))
    if (body.get("stream_options") or {}).get("include_usage"):
        made.append(chunk(body, [], usage={"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}))
    return [*made, b"data: [DONE]\n\n"]


def chat(pause_s: float = 0.0) -> Fault:
    """No fault: a healthy answer, streamed where that is asked for."""

    async def answer(upstream: Upstream, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if not body.get("stream"):
            return upstream._completion(body)
        return await sent(request, events(upstream, body), pause_s=pause_s)

    return answer


def broken(pieces: Sequence[bytes], end: str) -> Fault:
    """A stream of these very bytes, piece by piece, that ends like this: "whole", "reset" or "stall"."""

    async def answer(upstream: Upstream, request: web.Request) -> web.StreamResponse:
        response = await sent(request, pieces, finish=end == "whole")
        if end == "stall":
            await upstream.closing.wait()
        if end == "reset" and request.transport is not None:
            await asyncio.sleep(0.02)  # what was written shall arrive before
            request.transport.abort()
        return response

    return answer


async def sent(
    request: web.Request, pieces: Sequence[bytes], *, pause_s: float = 0.0, finish: bool = True
) -> web.StreamResponse:
    """A response of events, each piece written by itself."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8", "X-Request-Id": "r1"})
    await response.prepare(request)
    for piece in pieces:
        await response.write(piece)
        await asyncio.sleep(pause_s)
    if finish:
        await response.write_eof()
    return response
