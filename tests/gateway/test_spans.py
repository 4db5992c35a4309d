"""Traces: one span per request, in the client's trace, without content."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    Tracer,
    TracerProvider,
    get_current_span,
)
from opentelemetry.util.types import Attributes, AttributeValue
from tests.gateway.conftest import Serve
from tests.gateway.upstreams import broken, chunk
from tests.upstream import Upstream, status

from akrasia.core import InputError
from akrasia.gateway.spans import Spans, spans_from

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


class Recorded(NonRecordingSpan):
    """A span of OpenTelemetry's API that keeps what it is told."""

    def __init__(self, name: str, parent: SpanContext, attributes: Attributes) -> None:
        super().__init__(SpanContext(parent.trace_id or 1, 2, False, parent.trace_flags))
        self.name = name
        self.attributes: dict[str, AttributeValue] = dict(attributes or {})
        self.failed = False
        self.ended = False

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        self.attributes[key] = value

    def set_status(self, status: Any, description: str | None = None) -> None:
        assert isinstance(status, Status)
        self.failed = not status.is_ok

    def end(self, end_time: int | None = None) -> None:
        self.ended = True


class Recorder(TracerProvider, Tracer):
    def __init__(self) -> None:
        self.spans: list[Recorded] = []

    def get_tracer(self, *_: Any, **__: Any) -> Tracer:
        return self

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> Span:
        assert kind is SpanKind.SERVER
        self.spans.append(Recorded(name, get_current_span(context).get_span_context(), attributes))
        return self.spans[-1]

    def start_as_current_span(self, *_: Any, **__: Any) -> Iterator[Span]:  # type: ignore[override]
        raise NotImplementedError


async def test_a_span_belongs_to_the_clients_trace_and_goes_on_in_the_upstreams(
    upstream: Upstream, serve: Serve
) -> None:
    served = await serve('name = "clinic"')
    recorder = Recorder()
    served.gateway.spans = Spans(recorder)
    upstream.message = lambda body, index: "a secret answer"
    assert (await served.ask({"traceparent": PARENT})).status == 200
    (span,) = recorder.spans
    assert (span.name, span.ended, span.failed) == ("chat tiny", True, False)
    expected: Mapping[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "tiny",
        "gen_ai.usage.input_tokens": 2,
        "gen_ai.usage.output_tokens": 3,
        "http.response.status_code": 200,
        "akrasia.mode": "pass",
        "akrasia.policy": "clinic",
        "akrasia.strategy": "direct",
    }
    assert expected.items() <= span.attributes.items()
    assert "secret" not in str(span.attributes)
    assert "Hello" not in str(span.attributes)
    sent = upstream.headers[0]["traceparent"]
    assert sent.split("-")[1:3] == [TRACE, "0000000000000002"]  # our span is the parent of the upstream's


async def test_a_failure_is_a_failed_span(upstream: Upstream, serve: Serve) -> None:
    served = await serve()
    recorder = Recorder()
    served.gateway.spans = Spans(recorder)
    upstream.faults += [status(429), broken([chunk({"model": "tiny"}, [])], "reset")]
    await served.ask()
    await served.ask(stream=True)
    first, second = recorder.spans
    assert (first.failed, first.attributes["error.type"]) == (True, "upstream_429")
    assert first.attributes["http.response.status_code"] == 429
    assert (second.failed, second.attributes["error.type"]) == (True, "upstream_reset")
    assert first.ended
    assert second.ended


@pytest.mark.parametrize(
    "environment",
    [{}, {"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "true"}],
)
def test_nothing_is_traced_unless_asked_for(environment: dict[str, str]) -> None:
    assert spans_from(environment) is None


def test_an_exporter_that_is_not_known() -> None:
    with pytest.raises(InputError, match="OTEL_TRACES_EXPORTER is 'zipkin'"):
        spans_from({"OTEL_TRACES_EXPORTER": "zipkin"})
