"""Spans: a request's belongs to its client's trace, and its stages to it."""

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from serving.traces import context_headers, stage_span
from tests.abuse.test_time import until
from tests.serving.colours import draw_photo, encode

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture(scope="module")
def spans() -> InMemorySpanExporter:
    """What would be sent; OpenTelemetry allows one provider in a process."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


def test_a_request_joins_its_clients_trace(client: httpx.Client, spans: InMemorySpanExporter) -> None:
    """A request's span is a child of the one that its traceparent names; its stages are in that trace."""
    spans.clear()
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    assert client.post("/v1/segment", content=encode(draw_photo()), headers=headers).status_code == 200
    until(lambda: any(each.name == "POST /v1/segment" for each in spans.get_finished_spans()))
    ours = [each for each in spans.get_finished_spans() if f"{each.context.trace_id:032x}" == TRACE]
    request = next(each for each in ours if each.name == "POST /v1/segment")
    assert request.parent is not None
    assert f"{request.parent.span_id:016x}" == PARENT
    assert request.attributes is not None
    assert request.attributes["http.response.status_code"] == 200
    # FastAPI may put a span of its own between.
    assert {"queue", "decode", "infer", "encode"} <= {each.name for each in ours}, [
        each.name for each in ours
    ]


def test_triton_gets_the_context(spans: InMemorySpanExporter) -> None:
    """Inside a stage the headers for Triton name its span."""
    with stage_span("infer") as span:
        assert f"{span.get_span_context().span_id:016x}" in context_headers()["traceparent"]
