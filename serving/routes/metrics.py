"""GET /metrics: what Prometheus reads."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from serving.routes.wiring import TheGateway

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=Response)
async def metrics(gateway: TheGateway) -> Response:
    """Give the gateway's metrics; Triton has its own."""
    await gateway.why_not_ready()  # brings box2seg_ready up to date
    return Response(gateway.telemetry.exposition(), media_type=CONTENT_TYPE_LATEST)
