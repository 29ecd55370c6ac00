"""/v2: the Open Inference Protocol, for programs that send tensors; of Triton's own routes these alone."""

from collections.abc import AsyncIterator
from functools import partial
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from contract.errors import EngineUnavailable, UnknownModel
from contract.manifest import CONFIDENCE, IMAGE, LABELS, Manifest
from serving.gateway import Gateway
from serving.routes.answers import Responses, refusals, with_headers
from serving.routes.bodies import BINARY, read_body
from serving.routes.tensors import (
    DATATYPE,
    HEADER_LENGTH,
    MOST_IMAGES,
    parse_inference,
    write_maps,
)
from serving.routes.wiring import TheGateway, charge, start_deadline
from serving.telemetry import Stopwatch

router = APIRouter(prefix="/v2", tags=["tensors"])

JSON = "application/json"
OCTETS = "application/octet-stream"

EXTENSIONS = ["binary_tensor_data", "model_configuration", "statistics"]

PLATFORM, BACKEND = "onnxruntime_onnx", "onnxruntime"
"""What Triton calls a published version; the engine in this process runs the same file."""

STAGES = {"queue": "queue", "compute_input": "decode", "compute_infer": "infer", "compute_output": "encode"}
"""The protocol's words for the stages of an answer."""

NS_PER_S = 10**9

NAMED = ("/models/{model}", "/models/{model}/versions/{version}")
"""Each route about a model is there with a version and without."""

TENSORS = {
    "type": "object",
    "required": ["inputs"],
    "properties": {
        "id": {"type": "string"},
        "parameters": {"type": "object"},
        "inputs": {"type": "array", "minItems": 1, "maxItems": 1, "items": {"type": "object"}},
        "outputs": {"type": "array", "items": {"type": "object"}},
    },
}
BODY = {
    "requestBody": {
        "required": True,
        "description": f"The protocol's JSON, with tensors of {DATATYPE} as `data`, or as bytes behind the "
        f"JSON, whose length is then in the header `{HEADER_LENGTH}`.",
        "content": {JSON: {"schema": TENSORS}, OCTETS: {"schema": BINARY}},
    }
}
ANSWERS: Responses = {
    200: {
        "description": "The maps that were asked for, in the form that was asked for.",
        "headers": with_headers("X-Model-Version", "Server-Timing"),
        "content": {JSON: {"schema": {"type": "object"}}, OCTETS: {"schema": BINARY}},
    },
    **refusals(404, 413, 415, 429, 503, 504),
}


async def _find(model: str, gateway: TheGateway, version: str | None = None) -> AsyncIterator[Manifest]:
    manifest = gateway.models.find(model)
    if version not in (None, str(manifest.version)):
        raise UnknownModel(f"no version {version!r} of {model!r}", hint=f"there is: {manifest.version}")
    with gateway.models.held(manifest):  # while the tensors come, too
        yield manifest


TheModel = Annotated[Manifest, Depends(_find)]
"""The version that a path names; one that does not answer now is unknown."""


@router.get("")
async def describe_server() -> dict[str, Any]:
    """Describe the server."""
    return {"name": "box2seg", "version": _installed(), "extensions": EXTENSIONS}


@router.get("/health/live")
async def is_live() -> dict[str, bool]:
    """Tell that this process runs."""
    return {"live": True}


@router.get("/health/ready", responses=refusals(503))
async def is_ready(gateway: TheGateway) -> dict[str, bool]:
    """Tell whether every model can answer now; 503 where one cannot."""
    _refuse_silent(await gateway.why_not_ready())
    return {"ready": True}


@router.get("/models/stats")
async def count_all(gateway: TheGateway) -> dict[str, Any]:
    """Give what all models did since the start."""
    served = gateway.models.served()
    return {"model_stats": [await run_in_threadpool(_statistics, each, gateway) for each in served]}


@router.get(NAMED[0], responses=refusals(404, 503))
@router.get(NAMED[1], responses=refusals(404, 503))
async def describe_model(manifest: TheModel) -> dict[str, Any]:
    """Describe a model's tensors; `/v1/models` says what the labels mean."""
    maps = [{"name": name, "datatype": DATATYPE, "shape": [-1, -1, -1]} for name in (LABELS, CONFIDENCE)]
    return {
        "name": manifest.name,
        "versions": [str(manifest.version)],
        "platform": PLATFORM,
        "inputs": [{"name": IMAGE, "datatype": DATATYPE, "shape": [-1, -1, -1, 3]}],
        "outputs": maps,
    }


@router.get(NAMED[0] + "/ready", responses=refusals(404, 503))
@router.get(NAMED[1] + "/ready", responses=refusals(404, 503))
async def is_model_ready(manifest: TheModel, gateway: TheGateway) -> dict[str, Any]:
    """Tell whether a model can answer now, by running it; 503 where it cannot."""
    _refuse_silent(await gateway.why_silent(manifest))
    return {"name": manifest.name, "ready": True}


@router.get(NAMED[0] + "/config", responses=refusals(404, 503))
@router.get(NAMED[1] + "/config", responses=refusals(404, 503))
async def configure_model(manifest: TheModel) -> dict[str, Any]:
    """Give what clients of Triton read of a model's configuration: tensors, and how many images at once."""
    maps = [
        {"name": name, "data_type": f"TYPE_{DATATYPE}", "dims": [-1, -1]} for name in (LABELS, CONFIDENCE)
    ]
    return {
        "name": manifest.name,
        "platform": PLATFORM,
        "backend": BACKEND,
        "max_batch_size": MOST_IMAGES,
        "input": [{"name": IMAGE, "data_type": f"TYPE_{DATATYPE}", "dims": [-1, -1, 3]}],
        "output": maps,
    }


@router.get(NAMED[0] + "/stats", responses=refusals(404, 503))
@router.get(NAMED[1] + "/stats", responses=refusals(404, 503))
async def count_model(manifest: TheModel, gateway: TheGateway) -> dict[str, Any]:
    """Give what a model did since the start, photos of other routes too."""
    return {"model_stats": [await run_in_threadpool(_statistics, manifest, gateway)]}


@router.post(NAMED[0] + "/infer", response_class=Response, responses=ANSWERS, openapi_extra=BODY)
@router.post(NAMED[1] + "/infer", response_class=Response, responses=ANSWERS, openapi_extra=BODY)
async def infer(request: Request, manifest: TheModel, gateway: TheGateway) -> Response:
    """Run the network on a tensor of frames; `/v1/segment` takes photos."""
    watch = Stopwatch()
    body = await read_body(request)
    deadline = start_deadline(request)
    with watch.stage("decode"):
        asked = await run_in_threadpool(
            parse_inference, body, request.headers.get(HEADER_LENGTH), manifest.fit
        )
    charge(request, len(asked.images))
    answer, json_bytes = await gateway.infer(
        asked.images,
        manifest,
        partial(write_maps, asked=asked, manifest=manifest),
        watch=watch,
        deadline=deadline.at_most(asked.timeout_s),
    )
    headers = {"X-Model-Version": str(manifest.version), "Server-Timing": watch.server_timing()}
    if json_bytes is None:
        return Response(answer, media_type=JSON, headers=headers)
    return Response(answer, media_type=OCTETS, headers=headers | {HEADER_LENGTH: str(json_bytes)})


def _installed() -> str:
    """Give our version; run from a checkout without being installed, it has none."""
    try:
        return installed_version("box2seg")
    except PackageNotFoundError:
        return "unknown"


def _refuse_silent(reason: str | None) -> None:
    if reason is not None:
        raise EngineUnavailable(reason, hint="try again in a moment")


def _statistics(manifest: Manifest, gateway: Gateway) -> dict[str, Any]:
    """Give the protocol's counts from our own metrics; times are those of whole stages."""
    name, version = manifest.name, manifest.version
    photos, totals = gateway.telemetry.totals(STAGES.values(), model=name, version=version)
    runs, _ = totals["infer"]
    total_ns = round(sum(seconds for _, seconds in totals.values()) * NS_PER_S)
    return {
        "name": name,
        "version": str(version),
        "inference_count": photos,
        "execution_count": runs,
        "inference_stats": {
            "success": {"count": runs, "ns": total_ns},
            **{
                word: {"count": totals[stage][0], "ns": round(totals[stage][1] * NS_PER_S)}
                for word, stage in STAGES.items()
            },
        },
    }
