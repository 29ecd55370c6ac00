"""GET /livez and /readyz: for orchestrators, load balancers and people."""

from dataclasses import dataclass
from typing import Literal

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from contract.errors import EngineUnavailable
from serving.routes.answers import refusals
from serving.routes.problems import problem_response
from serving.routes.wiring import TheGateway

router = APIRouter(tags=["health"])


@dataclass(frozen=True, slots=True)
class Live:
    """The process runs."""

    status: Literal["live"] = "live"


@dataclass(frozen=True, slots=True)
class Ready:
    """Photos can be segmented."""

    status: Literal["ready"] = "ready"


@router.get("/livez")
async def livez() -> Live:
    """Tell that this process runs; restart it where no answer comes."""
    return Live()


@router.get("/readyz", response_model=Ready, responses=refusals(503))
async def readyz(request: Request, gateway: TheGateway) -> Response:
    """Tell whether photos can be segmented now, by segmenting; 503 where they cannot."""
    reason = await gateway.why_not_ready()
    if reason is None:
        return JSONResponse({"status": "ready"})
    return problem_response(EngineUnavailable(reason, hint="try again in a moment"), request)
