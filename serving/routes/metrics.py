"""GET /metrics: what Prometheus reads."""

import asyncio

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from serving.jobs.desk import Desk
from serving.routes.answers import TEXT, Responses
from serving.routes.wiring import TheGateway

router = APIRouter(tags=["health"])


ANSWERS: Responses = {
    200: {
        "description": "Prometheus' text form.",
        "content": {CONTENT_TYPE_LATEST.partition(";")[0]: {"schema": TEXT}},
    }
}


@router.get("/metrics", response_class=Response, responses=ANSWERS)
async def metrics(request: Request, gateway: TheGateway) -> Response:
    """Give the metrics of all workers, with how many photos Triton computed together."""
    desk: Desk | None = request.app.state.desk
    if desk is not None:
        gateway.telemetry.note_jobs(await asyncio.to_thread(desk.register.counts))
    return Response(await gateway.metrics(), media_type=CONTENT_TYPE_LATEST)
