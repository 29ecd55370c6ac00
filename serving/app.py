"""The gateway as an ASGI app."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from serving.common import Common
from serving.engines import Engine
from serving.gateway import create_gateway
from serving.routes import (
    batch,
    changes,
    description,
    drift,
    health,
    huggingface,
    inference,
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
        ConfigurationError: If a path that the settings name is another route's.
    """
    gateway = create_gateway(settings, engine, common=common)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with gateway.running():
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
    app.state.gateway = gateway
    photos = segment, batch, huggingface, inference
    rooms = *photos, models, versions, drift, changes, health, metrics, description, page, sagemaker
    routes = [route for room in rooms for route in room.router.routes]
    clouds = vertex.make_router(settings, routes)
    routes = [*routes, *clouds.routes]
    for router in (*(room.router for room in rooms), clouds):
        app.include_router(router)
    page.mount_files(app)
    install_problems(app)
    app.add_middleware(Guard, gateway=gateway, routes=routes, rates=common.rates if common else None)
    limits = Limits(settings.max_body_bytes, settings.receive_timeout_s)
    app.add_middleware(Frame, telemetry=gateway.telemetry, limits=limits)
    return app
