"""The gateway as an ASGI app."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

from fastapi import FastAPI

from serving.common import Common
from serving.engines import Engine
from serving.gateway import create_gateway
from serving.jobs.desk import Desk
from serving.jobs.runner import Runner
from serving.routes import (
    batch,
    changes,
    description,
    drift,
    health,
    huggingface,
    inference,
    jobs,
    metrics,
    models,
    page,
    sagemaker,
    segment,
    versions,
    vertex,
)
from serving.routes.client import Limits
from serving.routes.frame import Frame
from serving.routes.guard import Guard
from serving.routes.problems import install_problems
from serving.settings import Settings


def create_app(settings: Settings, engine: Engine, *, common: Common | None = None) -> FastAPI:
    """
    Wire the gateway; the engine is closed when the app ends.

    Args:
        settings: As read at the door.
        engine: What computes.
        common: Where several workers are one server, what they have in common.

    Raises:
        ConfigurationError: If a path that the settings name is another route's, or jobs have no room.
    """
    gateway = create_gateway(settings, engine, common=common)
    desk = Desk(settings, gateway) if settings.jobs_folder else None

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with gateway.running(), Runner(desk).running() if desk else nullcontext():
            yield

    app = FastAPI(
        title="box2seg",
        summary="Photos in, per-pixel class masks out.",
        lifespan=lifespan,
        docs_url=None,  # FastAPI's own pages load from the internet; serving/routes/page.py has /docs
        redoc_url=None,
        openapi_url=None,  # serving/routes/description.py says more than FastAPI knows
        generate_unique_id_function=description.operation_name,
        redirect_slashes=False,  # a redirect would repeat whatever Host the client sent
    )
    app.state.gateway, app.state.desk = gateway, desk
    photos = segment, batch, huggingface, inference
    rooms = *photos, jobs, models, versions, drift, changes, health, metrics, description, page, sagemaker
    routes = [route for room in rooms for route in room.router.routes]
    clouds = vertex.make_router(settings, routes)
    routes = [*routes, *clouds.routes]
    app.state.routes = routes
    for router in (*(room.router for room in rooms), clouds):
        app.include_router(router)
    page.mount_files(app)
    install_problems(app)
    app.add_middleware(Guard, gateway=gateway, routes=routes, rates=common.rates if common else None)
    limits = Limits(settings.max_body_bytes, settings.receive_timeout_s)
    archives = Limits(
        settings.jobs_max_bytes,
        settings.jobs_receive_timeout_s,
        ("BOX2SEG_JOBS_MAX_BYTES", "BOX2SEG_JOBS_RECEIVE_TIMEOUT_S"),
    )
    app.add_middleware(Frame, telemetry=gateway.telemetry, limits=limits, archives=archives if desk else None)
    return app
