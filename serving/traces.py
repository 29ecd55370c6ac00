"""
Spans for a request and its stages, in W3C trace context, through OpenTelemetry.

Where nobody configured OpenTelemetry's SDK, as `box2seg serve` does when it is told where to send spans, they
cost microseconds and go nowhere.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from opentelemetry import propagate, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from contract.errors import DependencyMissing

TRACER = trace.get_tracer("box2seg")

SERVICE = "box2seg"


@contextmanager
def request_span(headers: Mapping[str, str], method: str) -> Iterator[Span]:
    """Open the span of a request, as a child of the one that its `traceparent` names."""
    with TRACER.start_as_current_span(
        method, context=propagate.extract(headers), kind=SpanKind.SERVER
    ) as span:
        yield span


def stage_span(name: str) -> AbstractContextManager[Span]:
    """Open the span of one stage."""
    return TRACER.start_as_current_span(name)


def name_answer(span: Span, *, method: str, route: str, status: int, request_id: str) -> None:
    """Say in a request's span what was asked and how it ended, in OpenTelemetry's own words."""
    span.update_name(f"{method} {route}")
    span.set_attributes(
        {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
            "box2seg.request_id": request_id,
        }
    )
    if status >= 500:
        span.set_status(Status(StatusCode.ERROR))


def context_headers() -> dict[str, str]:
    """Give the headers that carry the present span to Triton."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier


def install_traces() -> None:
    """
    Send spans where OpenTelemetry's own environment variables say.

    Raises:
        DependencyMissing: If its SDK is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        raise DependencyMissing(
            "sending spans needs OpenTelemetry's SDK, which is not installed here",
            hint="pip install -e '.[otel]'",
        ) from error
    provider = TracerProvider(resource=Resource.create({"service.name": SERVICE}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
