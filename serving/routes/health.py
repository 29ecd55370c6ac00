"""GET /livez and /readyz: for orchestrators, load balancers and people."""

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from contract.errors import EngineUnavailable
from serving.routes.problems import problem_response
from serving.routes.wiring import TheGateway

router = APIRouter(tags=["health"])


@router.get("/livez")
async def livez() -> dict[str, str]:
    """Tell that this process runs; restart it where no answer comes."""
    return {"status": "live"}


@router.get("/readyz", response_class=JSONResponse)
async def readyz(request: Request, gateway: TheGateway) -> Response:
    """Tell whether photos can be segmented now, by segmenting; 503 where they cannot."""
    reason = await gateway.why_not_ready()
    if reason is None:
        return JSONResponse({"status": "ready"})
    return problem_response(EngineUnavailable(reason, hint="try again in a moment"), request)
