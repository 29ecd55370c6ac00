"""
What the Open Inference Protocol sends: tensors as JSON, or as bytes behind the JSON that describes them.

All of it is read here and nothing is passed on as it came, so what a client may ask of the engine is what
stands in this file.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from contract.arrays import Uint8
from contract.errors import BodyTooLarge, InvalidTensor, RequestError
from contract.geometry import FitRule
from contract.manifest import CONFIDENCE, IMAGE, LABELS, Manifest
from serving.routes.bodies import parse_object

HEADER_LENGTH = "Inference-Header-Content-Length"
"""How many bytes of a body are its JSON; the tensors' bytes follow."""

DATATYPE = "UINT8"
MOST = 255
OUTPUTS = (LABELS, CONFIDENCE)

MOST_IMAGES = 8
"""In one tensor; as many as config.pbtxt lets Triton take."""

MOST_JSON_BYTES = 4 * 2**20
"""Python reads JSON slowly, and nothing else meanwhile; this is a tensor of the largest photo, and room."""

LONGEST_ID = 256

SEE = "GET /v2/models/NAME describes the tensors"
SHOWN = 60
"""As many characters of what a client sent are repeated in a problem."""

US = 1e-6

REQUEST = {"id": str, "parameters": dict, "inputs": list, "outputs": list}
REQUEST_PARAMETERS = {"binary_data_output": bool, "timeout": int}
INPUT = {"name": str, "shape": list, "datatype": str, "parameters": dict, "data": list}
INPUT_PARAMETERS = {"binary_data_size": int}
OUTPUT = {"name": str, "parameters": dict}
OUTPUT_PARAMETERS = {"binary_data": bool}


@dataclass(frozen=True, slots=True)
class Inference:
    """
    What is asked of a model.

    Args:
        images: (N, H, W, 3) uint8 RGB in the network's frame.
        outputs: Which maps are wanted, in this order, and whether as bytes.
        request_id: The client's own name for it, given back; empty where it has none.
        timeout_s: How long the client waits, where it says so [s].
    """

    images: Uint8
    outputs: dict[str, bool]
    request_id: str
    timeout_s: float | None


def parse_inference(body: bytes, header_length: str | None, rule: FitRule) -> Inference:
    """
    Read a request to infer.

    Args:
        body: JSON, and where there is a header length the tensors' bytes behind it.
        header_length: What the header of that name says.
        rule: How photos enter the network, and so how large its frames are.

    Raises:
        RequestError: If it is no such request, or has a field that is not taken; names it.
        InvalidTensor: If the tensor is not one that the model takes.
        BodyTooLarge: If its JSON is too long.
    """
    head, tail = _split(body, header_length)
    request = _fields(parse_object(head), "the request", REQUEST)
    parameters = _fields(request.get("parameters", {}), "parameters", REQUEST_PARAMETERS)
    return Inference(
        images=_parse_images(request.get("inputs", []), tail, rule),
        outputs=_parse_outputs(request.get("outputs"), parameters.get("binary_data_output", False)),
        request_id=_parse_id(request.get("id", "")),
        timeout_s=_parse_timeout(parameters.get("timeout")),
    )


def write_maps(
    labels: Uint8, confidence: Uint8, *, asked: Inference, manifest: Manifest
) -> tuple[bytes, int | None]:
    """
    Give an answer's body, and how much of it is JSON where bytes follow.

    Args:
        labels: (N, H, W) uint8.
        confidence: (N, H, W) uint8.
        asked: What was asked.
        manifest: Of the version that answered.
    """
    maps = {LABELS: labels, CONFIDENCE: confidence}
    facts = {"model_name": manifest.name, "model_version": str(manifest.version)}
    facts |= {"id": asked.request_id} if asked.request_id else {}
    outputs = ", ".join(_write_output(name, maps[name], binary) for name, binary in asked.outputs.items())
    head = f'{json.dumps(facts)[:-1]}, "outputs": [{outputs}]}}'.encode()
    tail = b"".join(maps[name].tobytes() for name, binary in asked.outputs.items() if binary)
    return head + tail, len(head) if tail else None


def _write_output(name: str, array: Uint8, binary: bool) -> str:
    facts: dict[str, Any] = {"name": name, "datatype": DATATYPE, "shape": array.shape}
    if binary:
        return json.dumps(facts | {"parameters": {"binary_data_size": array.nbytes}})
    # Image by image, so that others get a turn between them: one call would keep them all waiting.
    numbers = ", ".join(json.dumps(each.ravel().tolist())[1:-1] for each in array)
    return f'{json.dumps(facts)[:-1]}, "data": [{numbers}]}}'


def _split(body: bytes, header_length: str | None) -> tuple[bytes, bytes]:
    """Part the JSON from the bytes behind it."""
    length = len(body)
    if header_length is not None:
        # Bounded before it is read as a number: Python takes long over thousands of digits.
        length = int(header_length) if header_length.isdecimal() and len(header_length) < 12 else 0
        if not 0 < length <= len(body):
            raise RequestError(
                f"{HEADER_LENGTH} is {header_length[:SHOWN]!r}, the body has {len(body)} bytes",
                hint="it is the length of the JSON at the body's beginning",
            )
    if length > MOST_JSON_BYTES:
        raise BodyTooLarge(
            f"the JSON has {length:,} bytes, the limit is {MOST_JSON_BYTES:,}",
            hint=f"send the tensor's bytes behind the JSON, with {HEADER_LENGTH}",
        )
    return body[:length], body[length:]


def _fields(content: object, where: str, allowed: Mapping[str, type]) -> dict[str, Any]:
    """Give the fields of a JSON object; refuse those that are not taken, by name, and null is left out."""
    if not isinstance(content, dict):
        raise RequestError(f"{where}: expected an object, got {type(content).__name__}", hint=_list(allowed))
    for name, value in content.items():
        if name not in allowed:
            raise RequestError(f"{where}: {name[:SHOWN]!r} is not taken here", hint=_list(allowed))
        if value is not None and type(value) is not allowed[name]:
            raise RequestError(
                f"{where}: {name!r} is {type(value).__name__}, expected {allowed[name].__name__}",
                hint=_list(allowed),
            )
    return {name: value for name, value in content.items() if value is not None}


def _parse_images(inputs: list[object], tail: bytes, rule: FitRule) -> Uint8:
    if len(inputs) != 1:
        raise InvalidTensor(f"expected one input, {IMAGE!r}, got {len(inputs)}", hint=SEE)
    tensor = _fields(inputs[0], "inputs", INPUT)
    name, datatype = tensor.get("name"), tensor.get("datatype")
    if (name, datatype) != (IMAGE, DATATYPE):
        raise InvalidTensor(
            f"expected {IMAGE!r} of {DATATYPE}, got {str(name)[:SHOWN]!r} of {str(datatype)[:SHOWN]!r}",
            hint=SEE,
        )
    shape = _parse_shape(tensor.get("shape", []), rule)
    parameters = _fields(tensor.get("parameters", {}), "inputs: parameters", INPUT_PARAMETERS)
    data, size = tensor.get("data"), parameters.get("binary_data_size")
    if (data is None) == (size is None) or len(tail) != (size or 0):
        raise InvalidTensor(
            f"{IMAGE!r} has {'data' if data is not None else 'no data'}, the binary_data_size {size}, and "
            f"{len(tail)} bytes behind the JSON",
            hint="send numbers under data, or bytes behind the JSON and their number as binary_data_size",
        )
    return _of_json(data, shape) if data is not None else _of_bytes(tail, shape)


def _parse_shape(shape: list[object], rule: FitRule) -> tuple[int, int, int, int]:
    """Take frames as large as those of photos: each size costs the engine memory of its own."""
    sides = range(rule.multiple, rule.long_side + 1, rule.multiple)
    allowed = (range(1, MOST_IMAGES + 1), sides, sides, (3,))
    if len(shape) != len(allowed) or not all(
        type(each) is int and each in good for each, good in zip(shape, allowed, strict=True)
    ):
        raise InvalidTensor(
            f"{IMAGE!r} has the shape {str(shape)[:SHOWN]}, expected [images, height, width, 3]",
            hint=f"1 to {MOST_IMAGES} images; height and width are multiples of {rule.multiple} up to "
            f"{rule.long_side}; POST /v1/segment takes photos of any size",
        )
    images, height, width, channels = shape
    return images, height, width, channels  # type: ignore[return-value]  # looked at above


def _of_bytes(tail: bytes, shape: tuple[int, ...]) -> Uint8:
    if len(tail) != math.prod(shape):
        raise InvalidTensor(
            f"{IMAGE!r} has {len(tail)} bytes, the shape {list(shape)} has {math.prod(shape)}", hint=SEE
        )
    return np.frombuffer(tail, np.uint8).reshape(shape)


def _of_json(data: list[object], shape: tuple[int, ...]) -> Uint8:
    """Take numbers row by row, or in nested lists of the tensor's shape."""
    flat = _unnest(data, shape) if data and type(data[0]) is list else data
    # Looked at one by one: numpy would make room for the longest of whatever stands there, for each of them.
    if len(flat) != math.prod(shape) or not all(type(each) is int and 0 <= each <= MOST for each in flat):
        raise InvalidTensor(
            f"{IMAGE!r}: data is not {math.prod(shape)} whole numbers from 0 to {MOST}, row by row or nested "
            f"as {list(shape)}",
            hint=SEE,
        )
    return np.array(flat, np.uint8).reshape(shape)


def _unnest(data: list[object], shape: tuple[int, ...]) -> list[object]:
    """Give what stands in the innermost lists; nothing where they are not nested as the shape says."""
    parts: list[object] = [data]
    for side in shape:
        if not all(type(part) is list and len(part) == side for part in parts):
            return []
        parts = [each for part in parts for each in part]  # type: ignore[attr-defined]  # all are lists
    return parts


def _parse_outputs(outputs: list[object] | None, binary: bool) -> dict[str, bool]:
    """Give which maps are wanted and whether as bytes; all of them where none is named."""
    wanted: dict[str, bool] = {}
    for each in outputs or []:
        output = _fields(each, "outputs", OUTPUT)
        parameters = _fields(output.get("parameters", {}), "outputs: parameters", OUTPUT_PARAMETERS)
        name = output.get("name")
        if name not in OUTPUTS or name in wanted:
            raise InvalidTensor(
                f"outputs: {str(name)[:SHOWN]!r} is unknown or named twice",
                hint=_list(OUTPUTS),
            )
        wanted[name] = parameters.get("binary_data", binary)
    return wanted or dict.fromkeys(OUTPUTS, binary)


def _parse_id(words: str) -> str:
    if len(words) > LONGEST_ID:
        raise RequestError(
            f"the id has {len(words)} characters, the limit is {LONGEST_ID}", hint="shorten it"
        )
    return words


def _parse_timeout(microseconds: int | None) -> float | None:
    if microseconds is None:
        return None
    if not 0 < microseconds < 2**63:
        raise RequestError(
            f"parameters: the timeout is {str(microseconds)[:SHOWN]}", hint="say microseconds above 0"
        )
    return microseconds * US


def _list(names: Iterable[str]) -> str:
    return f"there are: {', '.join(names)}"
