"""Release by sentence windows: a reply leaves while it is written, each part of it after its own audit.

It is for policies that stop on betrayal, since what has left can neither be mended nor show what the whole lacks. A
window is a sentence, or what the reply ends with; it is read by itself and together with the text before it, and its
verdict is on the disk before it leaves, for the last one together with that on the whole. Only content leaves so.
Refusals and tool calls wait for the end and their own audit; reasoning is audited then and, like log-probabilities,
stays here: its place was before the words.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
from aiohttp import web
from msgspec.structs import replace

from akrasia.core import StoreFailed
from akrasia.gateway.allowed import (
    CONTENT,
    REASONINGS,
    Part,
    allowed_choice,
    allowed_error,
    allowed_usage,
    readable,
    text_of,
)
from akrasia.gateway.audits import ExchangeAudit, audits_of, gathered
from akrasia.gateway.chunks import chunks_of
from akrasia.gateway.exchange import Exchange, ended, too_late
from akrasia.gateway.finish import cut_short
from akrasia.gateway.giving import KEEP_ALIVE, audit_unavailable, begin_events, reply_too_long, wants_usage
from akrasia.gateway.joined import without_keys
from akrasia.gateway.keeping import Kept, audit_headers, comment, credentials_of, error_line, keep, keep_window, since
from akrasia.gateway.log import Decision, LoggedChoice
from akrasia.gateway.records import (
    ChoiceAudit,
    PartAudit,
    logged_choice,
    part_audit,
    told_choice,
    told_of,
    with_left_beside,
)
from akrasia.gateway.seams import Seams
from akrasia.gateway.sending import break_off, send
from akrasia.gateway.stream import DONE, DONE_DATA, EventSplitter, assemble, encode_event, payloads
from akrasia.gateway.unread import odd_texts
from akrasia.gateway.upstream import transport_error
from akrasia.gateway.windows import CONTEXT, StreamedChoice
from akrasia.gateway.wire import Body, WireError, read_tail, streams, upstream_error, upstream_failed

if TYPE_CHECKING:
    from akrasia.models.connections import Answer


class Release:
    """Answers one request.

    Args:
        exchange: the request, whose client wants a stream.
        audit: of its replies.
        keep_alive_s: seconds after which a comment keeps a silent stream open.
    """

    def __init__(self, exchange: Exchange, audit: ExchangeAudit, keep_alive_s: float) -> None:
        self._exchange = exchange
        self._audit = audit
        self._policy = audit.desk.policy
        self._keep_alive_s = keep_alive_s
        self._audits = audits_of(exchange.gateway)
        self._keys = credentials_of(exchange)
        self._secrets = exchange.gateway.upstream.credentials
        self._choices: dict[int, StreamedChoice] = {}
        self._chunks: list[Body] = []
        self._ready: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._base: Body = {
            "id": f"chatcmpl-{exchange.id.removeprefix('audit-')}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": exchange.model,
        }

    async def run(self) -> web.StreamResponse:
        """Answer to the end.

        Raises:
            WireError: nothing has left yet.
            ClientGone: the client left, or accepts nothing.
        """
        exchange, write_s = self._exchange, self._exchange.gateway.limits.write_s
        work = asyncio.create_task(self._work())
        out: web.StreamResponse | None = None
        try:
            while (piece := await self._next()) is not None:
                out = out or await begin_events(exchange, audit_headers(exchange))
                await send(out, piece, write_s)
            await work
        except WireError as error:
            if out is None:
                raise
            return await break_off(exchange, out, error)
        except asyncio.CancelledError:
            if out is None or not exchange.gateway.cut:
                raise
            await self._abandon(work)
            return await break_off(exchange, out, ended(exchange.gateway))
        finally:
            await self._abandon(work)
        out = out or await begin_events(exchange, audit_headers(exchange))
        await send(out, DONE, write_s, last=True)
        return out

    async def _abandon(self, work: asyncio.Task[None]) -> None:
        """Stop the work where it still goes on, since the client left or the gateway stops, and log what there was."""
        if not work.done():
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            if not self._exchange.kept:
                why = ended(self._exchange.gateway)
                await self._keep(self._broken_off(why), why.status, str(why))

    async def _next(self) -> bytes | None:
        """What is to be sent next: an audited piece, or a comment; None at the end."""
        try:
            async with asyncio.timeout(self._keep_alive_s):
                return await self._ready.get()
        except TimeoutError:
            return KEEP_ALIVE

    async def _work(self) -> None:
        """Read, audit, and hand over what may leave.

        Raises:
            WireError: in words that are not the upstream's.
        """
        try:
            async with aclosing(self._received()) as chunks:
                async for chunk in chunks:
                    await self._take(chunk)
                    if self._choices and all(one.stopped is not None for one in self._choices.values()):
                        break  # nothing more of it can leave
            await self._end()
        except WireError as error:
            shown = allowed_error(error)
            if error.reason == "audit_unavailable":
                self._audits.choices.add("enforce", "withheld", by=len(self._choices))
            await self._keep(self._broken_off(error), shown.status, error_line(error))
            raise shown from None
        finally:
            self._ready.put_nowait(None)

    async def _received(self) -> AsyncGenerator[Body, None]:
        """The upstream's chunks."""
        exchange, upstream = self._exchange, self._exchange.gateway.upstream
        self._audit.reply_asked()
        try:
            async with asyncio.timeout(exchange.left_s("upstream")):
                response = await upstream.post(self._body(), exchange.headers(), exchange.query)
        except TimeoutError:
            raise too_late(exchange) from None
        try:
            if not streams(response.headers.get("Content-Type", "")):
                raise upstream_failed(502, "the upstream answered with no stream", "upstream_invalid")
            seams = upstream.seams()
            async for data in self._timed(response, seams):
                for chunk in chunks_of(data):
                    if chunk.get("error"):
                        raise upstream_error(200, response.headers, msgspec.json.encode(chunk), upstream.key)
                    self._chunks.append(chunk)
                    yield chunk
                if any(one.strip() == DONE_DATA for one in payloads(data)):
                    return  # an upstream that keeps its response open keeps nobody waiting
            if not self._choices or not all(one.ended for one in self._choices.values()):
                raise cut_short()
        finally:
            response.release()

    async def _timed(self, response: Answer, seams: Seams) -> AsyncGenerator[bytes, None]:
        most = self._exchange.gateway.limits.reply_bytes
        splitter, size = EventSplitter(), 0
        pieces = response.content.iter_any()
        while True:
            try:
                async with asyncio.timeout(self._exchange.left_s()):
                    piece = await anext(pieces, b"")
            except TimeoutError as error:
                left = self._exchange.left_s()
                raise (too_late(self._exchange) if left is not None and left <= 0 else transport_error(error)) from None
            except (aiohttp.ClientError, OSError) as error:
                raise transport_error(error) from None
            if not piece:
                break
            size += len(piece)
            if size > most:
                raise reply_too_long(most)
            try:
                events = splitter.feed(piece)
            except ValueError as error:
                raise upstream_failed(502, f"the upstream sent {error}", "upstream_invalid") from None
            if events:
                yield seams.feed(events)
        last = splitter.end()
        if last:
            yield seams.feed(last)
        yield seams.end()

    def _whole(self) -> Body:
        """What has come, put together."""
        whole = assemble(self._chunks)
        return {**whole, "choices": [without_keys(choice, self._secrets) for choice in whole["choices"]]}

    def _body(self) -> bytes:
        request = dict(self._exchange.parsed())
        request["stream"] = True
        return msgspec.json.encode(request)

    async def _take(self, chunk: Body) -> None:
        """Add a chunk, and release the windows that it ends."""
        for part in chunk.get("choices") or ():
            index = part.get("index", 0)
            choice = self._choices.setdefault(index, StreamedChoice(keys=self._secrets))
            choice.ended = choice.ended or bool(part.get("finish_reason"))
            if choice.stopped is not None:
                continue
            delta = part.get("delta") or {}
            choice.unread = choice.unread or odd_texts(delta)
            choice.add(text_of(delta.get("content")) or "")
            while choice.stopped is None and (end := choice.window_end(self._keys)):
                await self._release(index, choice, end)

    async def _release(self, index: int, choice: StreamedChoice, end: int) -> None:
        """Audit the window that ends there, and let it leave or stop the choice.

        Raises:
            WireError: it cannot be audited, and nothing unaudited may leave.
        """
        window = choice.waiting[:end]
        found, missing = await self._window(index, choice, window)
        if choice.stopped is not None:
            return
        if missing is not None and self._policy.on_audit_error == "closed":
            raise audit_unavailable(again=self._audit.may_come)
        decision: Decision = "passed" if missing is None else "released"
        logged = logged_choice(index, {"message": {"content": window}}, ChoiceAudit((found,)), decision, missing)
        await self._on_disk(keep_window(self._exchange, self._audit.desk, logged, choice.windows))
        choice.leave(end)
        self._hand_over(index, {"content": window, **({"role": "assistant"} if choice.windows == 1 else {})})

    async def _window(self, index: int, choice: StreamedChoice, window: str) -> tuple[PartAudit, str | None]:
        """The audit of a window by itself, and why it or what stands before it cannot be read; a betrayal stops."""
        texts = dict.fromkeys((window, choice.left[-CONTEXT:] + window))
        found: list[PartAudit] = await gathered([self._read(text) for text in texts])
        failed = next((one for one in found if one.failure is not None), None)
        missing = next((one.missing for one in found if one.missing is not None), None)
        if failed is not None:
            self._stop(index, choice, failed.failure)
        choice.unread = choice.unread or missing
        return found[0], missing

    async def _read(self, text: str) -> PartAudit:
        part = Part(CONTENT, text, spoken=False)  # a part can only betray
        return part_audit(part, await self._audit.read(readable(text)), self._audit.desk.target, self._policy)

    def _stop(self, index: int, choice: StreamedChoice, why: str | None) -> None:
        choice.stopped = why or "it failed"
        text = f"\n\n{self._policy.stop_text}" if choice.left else self._policy.stop_text
        self._hand_over(index, {"content": text, **({} if choice.left else {"role": "assistant"})})
        self._hand_over(index, {}, "content_filter")

    async def _end(self) -> None:
        """Audit each choice as a whole, and let the rest of it leave."""
        whole = self._whole()
        self._count(whole)
        decided: list[tuple[LoggedChoice, ChoiceAudit]] = []
        rests: list[tuple[int, StreamedChoice, Body]] = []
        ends = [self._window(index, one, one.waiting) for index, one in self._choices.items() if one.goes_on]
        audits, _ = await gathered([gathered([self._audit.choice(raw) for raw in whole["choices"]]), gathered(ends)])
        for raw, found in zip(whole["choices"], audits, strict=True):
            index, choice = raw["index"], self._choices[raw["index"]]
            if found.missing is None and choice.unread is not None:
                found = replace(found, unknown=choice.unread)
            choice.unread = found.missing
            allowed = _without_reasoning(allowed_choice(raw, self._exchange.id))
            decided.append((self._decided(choice, raw, found, allowed), found))
            if choice.stopped is None:
                rests.append((index, choice, allowed))
        if any(one.decision == "withheld" for one, _ in decided):
            raise audit_unavailable(again=self._audit.may_come)
        await self._keep(with_left_beside([one for one, _ in decided], whole), 200, None, closed=True)
        for index, choice, allowed in rests:
            self._rest(index, choice, allowed)
        values = self._policy.constitution
        for one, found in decided:
            failed = found.failure is not None or one.decision == "stopped"
            self._audits.count("enforce", one.decision, failed=failed)
        told = told_of(
            [told_choice(one, found, values, evidence=False) for one, found in decided],
            id=self._exchange.id,
            mode="enforce",
            policy=self._policy.name,
            strategy=self._exchange.strategy,
            calls=1 + self._audit.calls,
            tokens=self._audit.tokens.taken,
            candidates=len(decided),
        )
        self._audits.tell(self._exchange.id, told)
        usage = allowed_usage(whole.get("usage"))
        if usage is not None and wants_usage(self._exchange):
            self._ready.put_nowait(encode_event({**self._base, "choices": [], "usage": usage}))
        self._ready.put_nowait(comment(told))

    def _decided(self, choice: StreamedChoice, raw: Body, found: ChoiceAudit, allowed: Body) -> LoggedChoice:
        index = raw["index"]
        if choice.stopped is None and found.failure is not None:
            self._stop(index, choice, found.failure)
        if choice.stopped is not None:
            delivered = choice.left + ("\n\n" if choice.left else "") + self._policy.stop_text
            return logged_choice(index, raw, found, "stopped", choice.stopped, delivered)
        missing = found.missing
        decision: Decision = "passed" if missing is None else "released"
        if missing is not None and self._policy.on_audit_error == "closed":
            decision = "withheld"
        return logged_choice(index, raw, found, decision, missing, leaves=allowed)

    def _rest(self, index: int, choice: StreamedChoice, allowed: Body) -> None:
        """Hand over what waited for the end: the last words, a refusal, tool calls."""
        message = allowed["message"]
        delta: Body = {} if choice.windows else {"role": "assistant"}
        if choice.rest:
            delta["content"] = choice.rest
        delta |= {name: message[name] for name in ("refusal", "function_call") if message.get(name)}
        if message.get("tool_calls"):
            delta["tool_calls"] = [{"index": place, **call} for place, call in enumerate(message["tool_calls"])]
        if delta:
            self._hand_over(index, delta)
        self._hand_over(index, {}, allowed["finish_reason"])

    def _hand_over(self, index: int, delta: Body, finish: str | None = None) -> None:
        chunk = {**self._base, "choices": [{"index": index, "delta": delta, "finish_reason": finish}]}
        self._ready.put_nowait(encode_event(chunk))

    def _count(self, whole: Body) -> None:
        tail = read_tail(msgspec.json.encode(whole))
        usage = None if tail is None else tail.usage
        tokens = (None, None) if usage is None else (usage.prompt_tokens, usage.completion_tokens)
        letters = sum(len(str(message.get("content"))) for message in self._exchange.parsed()["messages"])
        self._audit.tokens.take(tokens, letters + sum(len(one.left) + len(one.rest) for one in self._choices.values()))
        self._exchange.usage = tokens

    def _broken_off(self, error: WireError) -> list[LoggedChoice]:
        """The choices of a reply that did not come to its end: what has left was audited."""
        logged = []
        for raw in self._whole()["choices"]:
            index = raw["index"]
            choice = self._choices.get(index, StreamedChoice())
            left, unread = choice.left, f": {choice.unread}" if choice.unread else ""
            why = f"broken off ({error.reason}); {len(left)} letters had left{unread}"
            logged.append(logged_choice(index, raw, None, "withheld", why, left or None))
        return logged

    async def _keep(self, choices: list[LoggedChoice], status: int, error: str | None, *, closed: bool = False) -> None:
        audit = self._audit
        seconds = round(audit.watch.seconds, 6)
        kept = Kept(choices, status, error, audit.spent(), since(self._exchange), seconds)
        try:
            await self._on_disk(keep(self._exchange, audit.desk, kept))
        except WireError:
            if closed:
                raise

    async def _on_disk(self, writing: Any) -> None:
        """Wait until a record is on the disk.

        Raises:
            WireError: it cannot be written, and nothing unaudited may leave.
        """
        try:
            await writing
        except StoreFailed:
            self._audits.dropped.add("not_logged")
            if self._policy.on_audit_error == "closed":
                raise audit_unavailable() from None


def _without_reasoning(choice: Body) -> Body:
    """A choice without what has no place after its words."""
    message = {name: field for name, field in choice["message"].items() if name not in REASONINGS}
    return {**choice, "message": message, "logprobs": None}
