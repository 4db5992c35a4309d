"""OpenTelemetry: one span per chat request, with the attributes of the GenAI conventions and no content.

The packages are optional (``pip install 'akrasia[otel]'``) and loaded only where the environment configures traces.
Spans are sent by a thread of the SDK's, so a collector that is slow or gone costs spans and no request anything.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING

from aiohttp import web

from akrasia.core import InputError
from akrasia.gateway.wire import WireError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
    from opentelemetry.trace import Span, TracerProvider

    from akrasia.gateway.exchange import Exchange

FLUSH_S = 3.0
"""Seconds that the last spans have to leave when the gateway ends; the SDK itself would wait half a minute."""

_QUIET_S = 60.0
_SDK = "opentelemetry"
"""Above all loggers of the SDK."""

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL = "http/protobuf"


class Spans:
    """Makes spans.

    Args:
        provider: where they go.
        told: tells whether they arrive; None: nobody does.
    """

    def __init__(self, provider: TracerProvider, told: Told | None = None) -> None:
        self._provider = provider
        self._told = told
        self._tracer = provider.get_tracer("akrasia.gateway")

    async def around(self, exchange: Exchange, answering: Awaitable[web.StreamResponse]) -> web.StreamResponse:
        """Await an answer inside a span that belongs to the client's trace, where the client has one."""
        from opentelemetry.propagate import extract, inject
        from opentelemetry.trace import SpanKind, set_span_in_context

        parent = extract(exchange.request.headers)
        name = f"chat {exchange.model}"
        span = self._tracer.start_span(name, parent, SpanKind.SERVER, _request_attributes(exchange))
        inject(exchange.carried, set_span_in_context(span, parent))
        try:
            response = await answering
        except WireError as error:
            self._failed(span, error.status, error.reason)
            raise
        except BaseException as error:
            self._failed(span, None, type(error).__name__)
            raise
        else:
            if exchange.failure is not None:
                self._failed(span, response.status, exchange.failure)
            else:
                span.set_attribute("http.response.status_code", response.status)
            return response
        finally:
            for kind, tokens in zip(("input", "output"), exchange.usage, strict=True):
                if tokens is not None:
                    span.set_attribute(f"gen_ai.usage.{kind}_tokens", tokens)
            span.end()

    def close(self) -> None:
        """Send what is left: for `FLUSH_S` at the most, and for as long as the collector takes it."""
        shutdown = getattr(self._provider, "shutdown", None)  # only the SDK's provider has one
        if shutdown is None:
            return
        ended = Event() if self._told is None else self._told.last()

        def send() -> None:
            shutdown()
            ended.set()

        Thread(target=send, name="akrasia-spans-close", daemon=True).start()
        in_time = ended.wait(FLUSH_S)
        if self._told is not None:
            self._told.close(in_time=in_time)

    @staticmethod
    def _failed(span: Span, status: int | None, reason: str) -> None:
        from opentelemetry.trace import Status, StatusCode

        if status is not None:
            span.set_attribute("http.response.status_code", status)
        span.set_attribute("error.type", reason)
        span.set_status(Status(StatusCode.ERROR))


class Told:
    """An exporter that tells when its collector begins to take no spans, and when it takes them again.

    The SDK warns of each try, in words that nobody asked for, and gives the result after the last of them; here the
    first that fails is one line, at most once a minute.

    Args:
        exporter: what sends.
        notice: called with each line for the operator, from the thread that sends.

    Attributes:
        failing: set while the collector takes no spans.
    """

    def __init__(self, exporter: SpanExporter, notice: Callable[[str], None]) -> None:
        self.failing = Event()
        self._exporter = exporter
        self._notice = notice
        self._told: float | None = None
        self._open = self._ended = self._sending = False
        self._tries = _Tries(self._failed)
        logging.getLogger(_SDK).addHandler(self._tries)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans. See `opentelemetry.sdk.trace.export.SpanExporter`."""
        self._sending = True
        try:
            result = self._exporter.export(spans)
        finally:
            self._sending = False
        if result.name == "SUCCESS":
            self._succeeded()
        else:
            self._failed()
        return result

    def last(self) -> Event:
        """Set where the collector does not take the last spans, however it was with those before.

        Where it is refusing spans at this moment, the last need not be tried.
        """
        if not self._sending:
            self.failing.clear()
        return self.failing

    def close(self, *, in_time: bool) -> None:
        """Send and listen no longer, and tell of spans that the collector neither took nor refused in time."""
        logging.getLogger(_SDK).removeHandler(self._tries)
        self.shutdown()  # or the SDK's thread goes on trying
        if not in_time:
            self._notice(f"the last traces did not reach their collector within {FLUSH_S:g} s and are lost")

    def _failed(self) -> None:
        was_failing = self.failing.is_set()
        self.failing.set()
        if not was_failing and (self._told is None or monotonic() - self._told >= _QUIET_S):
            self._told, self._open = monotonic(), True
            self._notice(
                "traces do not reach their collector and are lost unless it takes them soon; requests are answered as "
                "before: see that what OTEL_EXPORTER_OTLP_ENDPOINT names takes OTLP over HTTP"
            )

    def _succeeded(self) -> None:
        self.failing.clear()
        if self._open:
            self._open = False
            self._notice("traces reach their collector again")

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Send what it holds."""
        sent: bool = self._exporter.force_flush(timeout_millis)
        return sent

    def shutdown(self) -> None:
        """Send no more."""
        if not self._ended:
            self._ended = True
            self._exporter.shutdown()


class _Tries(logging.Handler):
    """Hears the SDK's warnings of tries that failed.

    Args:
        failed: called at each, from the thread that sends.
    """

    def __init__(self, failed: Callable[[], None]) -> None:
        super().__init__(logging.WARNING)
        self._failed = failed

    def emit(self, record: logging.LogRecord) -> None:
        """Tell of an exporter's warning, whatever it says."""
        if record.name.startswith(f"{_SDK}.exporter"):
            self._failed()


def _request_attributes(exchange: Exchange) -> dict[str, str | bool]:
    policy = exchange.policy
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": exchange.model,
        "akrasia.policy": policy.name,
        "akrasia.policy.fingerprint": policy.fingerprint,
        "akrasia.mode": policy.mode,
        "akrasia.strategy": exchange.strategy,
    }


def spans_from(
    environment: Mapping[str, str] = os.environ, on_notice: Callable[[str], None] = lambda _: None
) -> Spans | None:
    """Spans as OpenTelemetry's own variables configure them; None where they configure no traces.

    Args:
        environment: where the variables stand. The SDK reads further ones, from the process's environment.
        on_notice: called with each line that the operator should see, from any thread.

    Raises:
        InputError: they do, and the packages are not installed, or the exporter or its protocol is unknown.
    """
    default = "otlp" if any(map(environment.get, _ENDPOINTS)) else "none"
    exporter = environment.get("OTEL_TRACES_EXPORTER") or default
    if exporter == "none" or environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    if exporter not in ("otlp", "console"):
        raise InputError(f"OTEL_TRACES_EXPORTER is {exporter!r}: use otlp, console or none")
    protocol = next((name for name in _PROTOCOLS if environment.get(name)), None)
    if exporter == "otlp" and protocol is not None and environment[protocol] != _PROTOCOL:
        raise InputError(
            f"{protocol} is {environment[protocol]!r}: traces are sent as {_PROTOCOL} alone; leave it out, and name "
            "the collector's HTTP port (usually 4318)"
        )
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

        made: SpanExporter
        if exporter == "console":
            import sys

            made = ConsoleSpanExporter(out=sys.stderr)
        else:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

            made = OTLPSpanExporter()
    except ImportError:
        raise InputError(
            "the environment asks for OpenTelemetry traces, whose packages are not installed: pip install "
            "'akrasia[otel]', or set OTEL_TRACES_EXPORTER=none"
        ) from None
    # Without a handler Python prints the SDK's warnings, several for each batch that a dead collector does not take.
    logging.getLogger(_SDK).addHandler(logging.NullHandler())
    provider = TracerProvider(resource=Resource.create(_service(environment)), shutdown_on_exit=False)
    told = Told(made, on_notice)
    provider.add_span_processor(BatchSpanProcessor(told))
    return Spans(provider, told)


def _service(environment: Mapping[str, str]) -> dict[str, str]:
    """The service's name, where the environment gives none: the SDK's own would be `unknown_service`."""
    given = environment.get("OTEL_SERVICE_NAME") or "service.name=" in environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return {} if given else {"service.name": "akrasia"}
