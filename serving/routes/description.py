"""The OpenAPI document: what FastAPI makes of the routes, and what holds for all of them."""

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.responses import JSONResponse, Response

from serving.gateway import Gateway
from serving.routes.answers import (
    PROBLEM,
    PROBLEMS,
    Part,
    header_parts,
    problem_name,
    problem_responses,
    with_headers,
)
from serving.routes.frame import ID_HEADER, JOBS_PATH
from serving.routes.guard import wanted_scope
from serving.routes.wiring import TIMEOUT_HEADER, TheGateway

router = APIRouter(include_in_schema=False)

WORDS = """
Whatever goes wrong is a problem document (RFC 9457) with a sentence that says why; every answer has an
`X-Request-Id`. A method that a path does not have is 405, a path that there is not 404.

Where the server has keys, send one as `Authorization: Bearer KEY` or as `X-API-Key: KEY`; where it has none,
they are passed over. Questions of health and the pages need none.
"""

ANYWHERE = 400, 408, 431, 500
"""What can come before a route is reached, or in spite of it."""

WITH_KEY = 401, 403, 429

KEYS: dict[str, Part] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The key as `Authorization: Bearer KEY`."},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The key as it is."},
}

ASKED: dict[str, Part] = {
    ID_HEADER: {
        "name": ID_HEADER,
        "in": "header",
        "required": False,
        "description": "What the request is to be called: up to 64 letters, digits, dots, hyphens and low "
        "lines; anything else is replaced.",
        "schema": {"type": "string"},
    },
    TIMEOUT_HEADER: {
        "name": TIMEOUT_HEADER,
        "in": "header",
        "required": False,
        "description": "How long to wait for an answer [s]; it can only shorten the server's own limit.",
        "schema": {"type": "number", "exclusiveMinimum": 0},
    },
}


@router.get("/openapi.json")
async def openapi(request: Request, gateway: TheGateway) -> Response:
    """Describe every route, with the models and classes that there are now."""
    state, names = request.app.state, [each.name for each in gateway.models.served()]
    served = [(name, gateway.models.standing(name)) for name in names]
    kept = getattr(state, "description", None)
    if kept is None or kept[0] != served:  # anybody may ask, and making it takes time
        kept = state.description = served, JSONResponse(describe(request.app, gateway)).body
    return Response(kept[1], media_type="application/json")


def describe(app: FastAPI, gateway: Gateway) -> Part:
    """Give the OpenAPI document."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=WORDS.strip(),
        routes=app.routes,
    )
    has_keys = gateway.settings.keys_file is not None
    for path, item in document["paths"].items():
        for method, operation in item.items():
            is_awaited = method == "post" and path != JOBS_PATH
            _add_parameters(operation, [ID_HEADER, TIMEOUT_HEADER] if is_awaited else [ID_HEADER])
            scope = wanted_scope(path, health=gateway.settings.health_route)
            _add_security(operation, scope, has_keys=has_keys)
            _add_answers(operation)
            _add_choices(operation, gateway)
    components = document.setdefault("components", {})
    _drop_fastapis_own(components.setdefault("schemas", {}))
    components["schemas"]["Problem"] = PROBLEM
    components |= {"responses": problem_responses(), "headers": header_parts()}
    components |= {"parameters": ASKED, "securitySchemes": KEYS}
    return document


def operation_name(route: APIRoute) -> str:
    """Give what generated clients call a route: as its function, and by the last of several parameters."""
    _, *more = route.param_convertors or [None]
    return f"{route.name}_{more[-1]}" if more else route.name


def _add_parameters(operation: Part, names: list[str]) -> None:
    asked = [{"$ref": f"#/components/parameters/{name}"} for name in names]
    operation["parameters"] = operation.get("parameters", []) + asked


def _add_security(operation: Part, scope: str | None, *, has_keys: bool) -> None:
    """Say which key is wanted: none on open paths, and any or none where the server has no keys."""
    if scope is None:
        operation["security"] = []
        return
    operation["security"] = [*([] if has_keys else [{}]), *({name: [scope]} for name in KEYS)]
    operation["responses"] |= {str(status): {} for status in WITH_KEY}


def _add_answers(operation: Part) -> None:
    """Say what all answers have, and put the one description of each problem where it can come."""
    answers = operation["responses"]
    if "application/json" in answers.get("422", {}).get("content", {}):
        del answers["422"]  # FastAPI's own guess, which is never sent
    answers |= {str(status): {} for status in ANYWHERE}
    for status, answer in answers.items():
        if status.isdecimal() and int(status) in PROBLEMS:
            answers[status] = {"$ref": f"#/components/responses/{problem_name(int(status))}"}
        else:
            answer["headers"] = answer.get("headers", {}) | with_headers(ID_HEADER)
    operation["responses"] = dict(sorted(answers.items()))


def _add_choices(operation: Part, gateway: Gateway) -> None:
    """Name models, versions and classes where they are asked for; of several models, the classes of all."""
    served = gateway.models.served()
    if not served:
        return
    models = [manifest.name for manifest in served]
    versions = sorted({str(manifest.version) for manifest in served})
    everything = sorted({version for name in models for version in gateway.models.standing(name).states})
    classes = list(dict.fromkeys(name for manifest in served for name in manifest.classes.foreground))
    for parameter in operation["parameters"]:
        match parameter.get("in"), parameter.get("name"):
            case ("query" | "path", "model" | "name"):
                parameter["schema"]["enum"] = models
            case ("path", "version"):  # a number where all are meant, else those that answer
                is_number = parameter["schema"].get("type") == "integer"
                parameter["schema"]["enum"] = everything if is_number else versions
            case ("query", "classes"):
                parameter["schema"]["items"]["enum"] = classes
                parameter["explode"] = False  # with commas between them


def _drop_fastapis_own(schemas: Part) -> None:
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
