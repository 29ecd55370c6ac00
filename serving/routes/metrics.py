"""GET /metrics: what Prometheus reads."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from serving.routes.wiring import TheGateway

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=Response)
async def metrics(gateway: TheGateway) -> Response:
    """Give the metrics of all workers, with how many photos Triton computed together."""
    return Response(await gateway.metrics(), media_type=CONTENT_TYPE_LATEST)
