"""GET / and /docs: the page for people, and every route described. Nothing they load is from elsewhere."""

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, FastAPI
from starlette.datastructures import MutableHeaders
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

router = APIRouter(include_in_schema=False)

PAGE = Path(__file__).parents[1] / "page"
SWAGGER = Path(str(files("fastapi_offline"))) / "static"
"""Swagger UI's own files, as that package ships them."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-cache",  # asked about each time, so that an upgraded page never meets old modules
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""A browser that keeps to these asks this origin alone, whatever the page's code were made to do."""


@router.get("/", response_class=FileResponse)
async def page() -> FileResponse:
    """Give the page on which a photo can be dropped."""
    return FileResponse(PAGE / "index.html", headers=HEADERS)


@router.get("/docs", response_class=FileResponse)
async def docs() -> FileResponse:
    """Give Swagger UI."""
    return FileResponse(PAGE / "docs.html", headers=HEADERS)


def mount_files(app: FastAPI) -> None:
    """Serve what the two pages load."""
    app.mount("/page", _Guarded(StaticFiles(directory=PAGE)))
    app.mount("/swagger", _Guarded(StaticFiles(directory=SWAGGER)))


class _Guarded:
    """Gives each answer the page's headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, guarded)
