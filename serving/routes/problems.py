"""Turns what goes wrong in a route into a problem document."""

import logging
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Match

from contract.errors import Box2SegError
from serving.errors import MEDIA_TYPE, error_problem, problem, problem_headers, status_of

log = logging.getLogger("box2seg.requests")

SEE = "/docs says what can be asked"


def install_problems(app: FastAPI) -> None:
    """Have the app answer all errors with problem documents."""
    app.add_exception_handler(Box2SegError, _answer_ours)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(RequestValidationError, _answer_invalid)


def problem_response(error: Exception, request: Request) -> JSONResponse:
    """Give the answer to an error."""
    status = status_of(error)
    content = error_problem(error, request_id=request.state.request_id)
    return JSONResponse(content, status, problem_headers(error), MEDIA_TYPE)


async def _answer_ours(request: Request, error: Exception) -> JSONResponse:
    if status_of(error) is HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request %s failed", request.state.request_id, exc_info=error)
    return problem_response(error, request)


async def _answer_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    content = problem(
        HTTPStatus(error.status_code), error.detail, hint=SEE, request_id=request.state.request_id
    )
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(sorted(_methods(request)))
    return JSONResponse(content, error.status_code, headers, MEDIA_TYPE)


def _methods(request: Request) -> set[str]:
    """Give the methods of a path, of which each may be a route of its own."""
    routes: list[BaseRoute] = request.app.state.routes
    matching = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return {method for route in matching for method in getattr(route, "methods", None) or ()}


async def _answer_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    detail = "; ".join(f"{each['loc'][-1]}: {each['msg'].lower()}" for each in error.errors())
    content = problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, hint=SEE, request_id=request.state.request_id)
    return JSONResponse(content, HTTPStatus.UNPROCESSABLE_ENTITY, media_type=MEDIA_TYPE)
