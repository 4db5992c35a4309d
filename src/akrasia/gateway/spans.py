"""OpenTelemetry: one span per chat request, with the attributes of the GenAI conventions and no content.

The packages are optional (``pip install 'akrasia[otel]'``) and loaded only where the environment configures traces.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING

from aiohttp import web

from akrasia.core import InputError
from akrasia.gateway.wire import WireError

if TYPE_CHECKING:
    from opentelemetry.trace import Span, TracerProvider

    from akrasia.gateway.exchange import Exchange

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Spans:
    """Makes spans.

    Args:
        provider: where they go.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
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
        """Send what is left."""
        shutdown = getattr(self._provider, "shutdown", None)  # only the SDK's provider has one
        if shutdown is not None:
            shutdown()

    @staticmethod
    def _failed(span: Span, status: int | None, reason: str) -> None:
        from opentelemetry.trace import Status, StatusCode

        if status is not None:
            span.set_attribute("http.response.status_code", status)
        span.set_attribute("error.type", reason)
        span.set_status(Status(StatusCode.ERROR))


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


def spans_from(environment: Mapping[str, str] = os.environ) -> Spans | None:
    """Spans as OpenTelemetry's own variables configure them; None where they configure no traces.

    Raises:
        InputError: they do, and the packages are not installed, or the exporter is unknown.
    """
    exporter = environment.get("OTEL_TRACES_EXPORTER", "otlp" if any(map(environment.get, _ENDPOINTS)) else "none")
    if exporter == "none" or environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    if exporter not in ("otlp", "console"):
        raise InputError(f"OTEL_TRACES_EXPORTER is {exporter!r}: use otlp, console or none")
    try:
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter

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
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(made))
    return Spans(provider)
