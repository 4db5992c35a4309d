"""Traces as they leave: the SDK's own exporter, sending OTLP over HTTP to a collector that decodes it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from tests.gateway.audited import GOOD, policy
from tests.gateway.conftest import KEY, Serve
from tests.gateway.test_faults import Process, asked
from tests.upstream import Upstream, status

from akrasia.core import InputError
from akrasia.gateway import spans
from akrasia.gateway.spans import Told, spans_from

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
CLIENTS = "sk-client-fedcba9876543210"
LOST = "traces do not reach their collector and are lost unless it takes them soon; requests are answered as before"
SPOKEN = "the patient's unusual secret"


class Collector(ThreadingHTTPServer):
    """What an OTLP collector does: takes POST /v1/traces, decodes it, answers. `hangs`: it never answers."""

    daemon_threads = True

    def __init__(self, *, hangs: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[bytes] = []
        self.sent: list[tuple[str, str]] = []
        self.hangs = hangs
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def scopes(self) -> list[tuple[dict[str, Any], Any]]:
        """Every span that arrived, after what its resource says."""
        found = []
        for body in list(self.bodies):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                of = attributes(resource.resource)
                found += [(of, span) for scope in resource.scope_spans for span in scope.spans]
        return found

    async def spans(self, count: int) -> list[Any]:
        async with asyncio.timeout(10):
            while len(found := self.scopes()) < count:
                await asyncio.sleep(0.02)
        return [span for _, span in found]


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.hangs:
            self.server.released.wait(30)
        self.server.bodies.append(body)
        self.server.sent.append((self.path, self.headers["Content-Type"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_request(self, code: Any = 0, size: Any = 0) -> None:
        """Nothing: standard error is looked at."""


@pytest.fixture
def collecting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Collector]]:
    """Starts a collector to which the environment sends traces."""
    started: list[Collector] = []

    def start(**how: Any) -> Collector:
        made = Collector(**how)
        started.append(made)
        threading.Thread(target=made.serve_forever, args=(0.05,), daemon=True).start()
        to(monkeypatch, made.url)
        return made

    yield start
    for made in started:
        made.released.set()
        made.shutdown()
        made.server_close()


def to(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Traces go there, soon after they are made."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def attributes(of: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in of.attributes}


async def test_a_request_is_a_span_of_the_clients_trace(
    upstream: Upstream, serve: Serve, collecting: Callable[..., Collector], tmp_path: Path
) -> None:
    collector = collecting()
    served = await serve(policy(tmp_path, "enforce"))
    upstream.message = lambda body, index: {"content": f"{GOOD} {SPOKEN}", "reasoning_content": SPOKEN}
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "Authorization": f"Bearer {CLIENTS}"}
    question = [{"role": "user", "content": f"Tell {SPOKEN}"}]
    response = await served.ask(headers, messages=question)
    assert response.status == 200
    used = (await response.json())["usage"]
    (span,) = await collector.spans(1)
    assert (span.name, span.kind) == ("chat tiny", span.SPAN_KIND_SERVER)
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
    assert upstream.headers[0]["traceparent"] == f"00-{TRACE}-{span.span_id.hex()}-01"
    assert 0 < span.start_time_unix_nano < span.end_time_unix_nano
    assert span.status.code == Status.STATUS_CODE_UNSET
    default = served.gateway.policies.default
    assert attributes(span) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "tiny",
        "gen_ai.usage.input_tokens": used["prompt_tokens"],
        "gen_ai.usage.output_tokens": used["completion_tokens"],
        "http.response.status_code": 200,
        "akrasia.mode": "enforce",
        "akrasia.policy": "policy",
        "akrasia.policy.fingerprint": default.fingerprint,
        "akrasia.strategy": "direct",
    }
    (resource, _) = collector.scopes()[0]
    assert resource["service.name"] == "akrasia"
    assert collector.sent == [("/v1/traces", "application/x-protobuf")]
    whole = b"".join(collector.bodies)
    for secret in (KEY, CLIENTS, SPOKEN, "unusual", "I act for"):
        assert secret.encode() not in whole
    assert not any("traces" in line for line in served.notices)


async def test_without_a_trace_of_the_clients_a_span_is_a_root(
    upstream: Upstream, serve: Serve, collecting: Callable[..., Collector], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=clinic")
    collector = collecting()
    served = await serve()
    upstream.faults += [status(429, {"message": f"{SPOKEN} {KEY}"})]
    assert (await served.ask()).status == 429
    assert (await served.ask(stream=True)).status == 200
    failed, streamed = await collector.spans(2)
    assert failed.trace_id != streamed.trace_id
    assert failed.parent_span_id == streamed.parent_span_id == b""
    assert failed.status.code == Status.STATUS_CODE_ERROR
    told = attributes(failed)
    assert (told["error.type"], told["http.response.status_code"]) == ("upstream_429", 429)
    assert SPOKEN.encode() not in b"".join(collector.bodies)
    assert KEY.encode() not in b"".join(collector.bodies)
    assert {of["service.name"] for of, _ in collector.scopes()} == {"clinic"}


async def test_the_last_spans_leave_before_the_gateway_ends(
    upstream: Upstream, serve: Serve, collecting: Callable[..., Collector], monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = collecting()
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "60000")
    served = await serve()
    await served.ask()
    assert served.gateway.spans is not None
    assert collector.scopes() == []
    served.gateway.spans.close()
    assert len(collector.scopes()) == 1


async def test_a_collector_that_hangs_holds_nothing_up(
    upstream: Upstream, serve: Serve, collecting: Callable[..., Collector], monkeypatch: pytest.MonkeyPatch
) -> None:
    collecting(hangs=True)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "30")
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "4")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")
    monkeypatch.setattr(spans, "FLUSH_S", 0.2)
    served = await serve()
    slowest = 0.0
    for _ in range(30):  # more than the queue takes
        began = monotonic()
        assert (await served.ask()).status == 200
        slowest = max(slowest, monotonic() - began)
    assert slowest < 5.0  # a reply that waited for the collector would take 30 s
    assert served.gateway.spans is not None
    began = monotonic()
    served.gateway.spans.close()
    assert monotonic() - began < 5.0
    assert served.notices[-1] == "the last traces did not reach their collector within 0.2 s and are lost"


@pytest.mark.parametrize("delay_ms", ["20", "60000"])
async def test_the_first_try_that_fails_is_told_and_nobody_waits_for_more(
    upstream: Upstream, serve: Serve, monkeypatch: pytest.MonkeyPatch, delay_ms: str
) -> None:
    with socket.socket() as taken:  # bound, and nobody listens there
        taken.bind(("127.0.0.1", 0))
        to(monkeypatch, f"http://127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", delay_ms)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "30")  # for which the SDK tries again
        monkeypatch.setattr(spans, "FLUSH_S", 20.0)
        served = await serve()
        await served.ask()
        began = monotonic()
        while delay_ms == "20" and not served.notices:
            assert monotonic() - began < 10.0
            await asyncio.sleep(0.02)
        assert served.gateway.spans is not None
        served.gateway.spans.close()  # the last spans are sent now at the latest
        while any(thread.name.startswith("OtelBatch") for thread in threading.enumerate()):  # nobody tries again
            assert monotonic() - began < 10.0
            await asyncio.sleep(0.02)
    (lost,) = served.notices
    assert lost.startswith(LOST)


async def test_a_dead_collector_is_told_once(
    upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:  # bound, and nobody listens there
        taken.bind(("127.0.0.1", 0))
        to(monkeypatch, f"http://127.0.0.1:{taken.getsockname()[1]}")
        process = Process(upstream, tmp_path, "")
        url = await process.url()
        async with aiohttp.ClientSession() as client:
            for _ in range(20):  # each of them in a batch of its own, which fails
                async with client.post(f"{url}/chat/completions", json=asked()) as response:
                    assert response.status == 200
                await asyncio.sleep(0.05)
        os.kill(process.process.pid, signal.SIGTERM)
        code, told = await process.ended()
    lost, stopped = told.splitlines()
    assert code == 0
    assert lost.startswith(f"akrasia: {LOST}")
    assert stopped == "akrasia: stopped; every request was answered"


def test_a_collector_that_comes_back_is_told_once() -> None:
    results = iter(["FAILURE", "FAILURE", "SUCCESS", "SUCCESS", "FAILURE", "SUCCESS"])

    class Exporter:
        def export(self, batch: Any) -> Any:
            return SimpleNamespace(name=next(results))

    told: list[str] = []
    exporter = Told(Exporter(), told.append)
    for _ in range(6):
        exporter.export([])
    assert [line.split(":")[0] for line in told] == [
        LOST,
        "traces reach their collector again",
    ]


def test_the_last_spans_are_sent_though_the_collector_did_not_take_those_before() -> None:
    results, sent, closed = iter(["FAILURE", "SUCCESS"]), list[str](), threading.Event()

    class Exporter:
        def export(self, batch: Any) -> Any:
            result = next(results)
            if result == "SUCCESS" and not closed.wait(0.1):  # as long as sending takes
                sent.extend(span.name for span in batch)
            return SimpleNamespace(name=result)

        def shutdown(self) -> None:
            closed.set()

    told: list[str] = []
    exporter = Told(Exporter(), told.append)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=60_000))
    provider.get_tracer("test").start_span("first").end()
    provider.force_flush()
    assert exporter.failing.is_set()
    provider.get_tracer("test").start_span("last").end()
    spans.Spans(provider, exporter).close()
    assert sent == ["last"]
    assert [line.split(":")[0] for line in told] == [LOST, "traces reach their collector again"]


@pytest.mark.parametrize("variable", ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"])
def test_a_protocol_that_is_not_spoken_is_refused(variable: str) -> None:
    with pytest.raises(InputError, match=f"{variable} is 'grpc': .*4318"):
        spans_from({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:4317", variable: "grpc"})


def test_an_exporter_left_empty_is_none_given() -> None:
    assert spans_from({"OTEL_TRACES_EXPORTER": ""}) is None
