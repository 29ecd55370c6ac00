"""What Schemathesis, which loads this, cannot know by itself: photos, and parameters that go together."""

import base64
import io
import math
import os
import zipfile
from contextlib import suppress
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.meta import TestPhase

from contract.manifest import IMAGE
from serving.formats import FORMATS
from serving.routes.bodies import RAW
from serving.routes.jobs import ARCHIVES
from serving.routes.questions import DRAWING, LABELLING
from serving.routes.sagemaker import ATTRIBUTES, IMAGE_TYPE
from serving.routes.tensors import DATATYPE
from serving.routes.wiring import TIMEOUT_HEADER
from serving.settings import Settings
from tests.serving.colours import CLASSES, draw_photo, encode

KINDS = "JPEG", "PNG", "WEBP", "BMP"
SIZES = (64, 96), (1, 1), (7, 5), (130, 40)


def _pack(photo: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("one.png", photo)
    return stream.getvalue()


PHOTOS = st.sampled_from([encode(draw_photo(*size), kind) for kind in KINDS for size in SIZES])
ARCHIVE = PHOTOS.map(_pack)

ROOT, PLACE = "photos", "photos/one.png"
"""What the gateway under test allows jobs to name."""

JOBS = "/v1/jobs"

for media_type in ARCHIVES:
    schemathesis.openapi.media_type(media_type, ARCHIVE)
for media_type in (*RAW, IMAGE_TYPE):
    schemathesis.openapi.media_type(media_type, PHOTOS)
schemathesis.openapi.format("binary", PHOTOS)
schemathesis.openapi.format("byte", PHOTOS.map(lambda photo: base64.b64encode(photo).decode()))


SHAPE = [1, 32, 32, 3]
FRAME = {"name": IMAGE, "datatype": DATATYPE, "shape": SHAPE, "data": [127] * math.prod(SHAPE)}

PATIENCE_S = 60.0


@schemathesis.hook
def map_case(context: Any, case: schemathesis.Case) -> schemathesis.Case:
    """Make of a case what OpenAPI has no words for."""
    _leave_out_idle(case)
    _be_patient(case)
    _send_a_frame(case)
    _ask_by_attributes(case)
    _ask_by_parameters(case)
    _mean_something(case)
    _ask_for_a_job(case)
    return case


def _leave_out_idle(case: schemathesis.Case) -> None:
    """Ask for nothing that changes nothing in the format asked for, as that is refused."""
    if not _is_good(case, ParameterLocation.QUERY):
        return
    form = FORMATS[(case.query or {}).get("format", "png")]
    idle = (() if form.drawn else DRAWING) + (() if form.labelled else LABELLING)
    for name in idle:
        (case.query or {}).pop(name, None)


def _be_patient(case: schemathesis.Case) -> None:
    """Allow the time that a photo takes: who asks for less gets 504, which Schemathesis calls a failure."""
    with suppress(KeyError, TypeError, ValueError):
        if 0 < float(case.headers[TIMEOUT_HEADER]) < PATIENCE_S:
            del case.headers[TIMEOUT_HEADER]


def _send_a_frame(case: schemathesis.Case) -> None:
    """Send a tensor whose numbers are as many as its shape says, wherever a good one is meant."""
    if case.operation.path.endswith("/infer") and _is_good(case, ParameterLocation.BODY):
        case.media_type, case.body = "application/json", {"inputs": [FRAME]}


def _ask_by_attributes(case: schemathesis.Case) -> None:
    """Put parameters that there are into SageMaker's header, which OpenAPI calls a text, or leave it out."""
    if ATTRIBUTES not in (case.headers or {}):
        return
    if case.query:
        del case.headers[ATTRIBUTES]
    elif _is_good(case, ParameterLocation.HEADER):
        case.headers[ATTRIBUTES] = "format=rle&threshold=0.5"


def _ask_by_parameters(case: schemathesis.Case) -> None:
    """Ask Vertex AI's way for classes that there are, and for nothing that changes nothing."""
    if case.operation.path != Settings().predict_route or not _is_good(case, ParameterLocation.BODY):
        return
    parameters = case.body.get("parameters", {})
    form = FORMATS[parameters.get("format", "png")]
    for name in ("model", *(() if form.drawn else DRAWING), *(() if form.labelled else LABELLING)):
        parameters.pop(name, None)
    if "classes" in parameters:
        parameters["classes"] = list(CLASSES.foreground)


def _mean_something(case: schemathesis.Case) -> None:
    """Give a reason where the gate is passed over, and a canary some requests."""
    if not isinstance(case.body, dict) or not _is_good(case, ParameterLocation.BODY):
        return
    if case.operation.path.endswith((":promote", ":canary")):
        case.body["why"] = case.body.get("why") or "fuzz"
    if case.operation.path.endswith(":canary"):
        case.body["share"] = case.body.get("share") or 0.5


def _ask_for_a_job(case: schemathesis.Case) -> None:
    """Name places that there are; say what is wanted in one way; ask after a job that there is."""
    if case.operation.path == JOBS and isinstance(case.body, dict) and case.query:
        case.query.clear()
    if case.operation.path == JOBS and isinstance(case.body, dict) and _is_good(case, ParameterLocation.BODY):
        case.body["places"] = [PLACE]
        case.body.pop("model", None)
        case.body.pop("result", None)
    if case.meta and case.meta.phase.name is TestPhase.STATEFUL:
        return  # it asks after jobs that it has handed in
    if case.operation.path.startswith(f"{JOBS}/") and _is_good(case, ParameterLocation.PATH):
        name = "DELETED" if case.method == "DELETE" else "KEPT"
        case.path_parameters["id"] = os.environ.get(f"FUZZED_JOB_{name}", case.path_parameters["id"])


def _is_good(case: schemathesis.Case, part: ParameterLocation) -> bool:
    """Tell whether a part of a case is meant to be accepted; a bad header may come with a good query."""
    made = case.meta.components.get(part) if case.meta else None
    return made is None or not made.mode.is_negative
