"""What clients send: a photo as the body, in a form, or as base64 in JSON."""

import base64
import binascii
import errno
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from contract.errors import FULL, OutOfRoom, RequestError, UnsupportedImage

FIELD = "image"
JSON_START = b"{"
"""No photo's file begins so, and no JSON that is read begins otherwise."""

LOOKED_AT = 64

BINARY = {"type": "string", "format": "binary"}
BASE64 = {"type": "string", "format": "byte", "description": "The photo's file as base64."}
RAW = {
    media_type: {"schema": BINARY}
    for media_type in ("image/jpeg", "image/png", "image/webp", "image/bmp", "application/octet-stream")
}
"""A photo as it is. Other names for it are taken as well, such as those that curl gives it by itself."""

FORM = {"type": "object", "required": [FIELD], "properties": {FIELD: BINARY}, "additionalProperties": False}
OBJECT = {"type": "object", "required": [FIELD], "properties": {FIELD: BASE64}, "additionalProperties": False}
PHOTO_BODY = {
    "requestBody": {
        "required": True,
        "description": "The photo's own bytes; or a form with the photo in the field `image`; or JSON with "
        "the photo as base64. JPEG, PNG, WebP or BMP; the content decides, not the Content-Type.",
        "content": {
            **RAW,
            "multipart/form-data": {"schema": FORM},
            "application/json": {"schema": OBJECT},
        },
    }
}


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a form: its name, as the client has it, and its bytes."""

    name: str
    data: bytes


async def read_photo(request: Request) -> bytes:
    """
    Read the photo's bytes from a body of any kind.

    Raises:
        UnsupportedImage: If the body is compressed once more.
        RequestError: If a form or JSON has no photo, or something else beside it.
    """
    if is_form(request):
        (upload,) = await read_uploads(request, at_most=1)
        return upload.data
    data = await read_body(request)
    return await run_in_threadpool(_photo_of_json, data) if is_json(data) else data


def is_form(request: Request) -> bool:
    """Tell whether the body is a form with files."""
    return request.headers.get("content-type", "").lower().startswith("multipart/form-data")


def is_json(data: bytes) -> bool:
    """Tell whether a body is a JSON object, by its first character; curl calls all it sends a form."""
    return data[:LOOKED_AT].lstrip().startswith(JSON_START)


async def read_body(request: Request) -> bytes:
    """
    Read a body as it is.

    Raises:
        UnsupportedImage: If it is compressed once more.
    """
    refuse_compressed(request)
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
    return bytes(data)


async def read_uploads(request: Request, *, at_most: int) -> list[Upload]:
    """
    Read the photos of a form, all in the field `image`.

    Raises:
        UnsupportedImage: If the form is compressed.
        RequestError: If it has no photo, or other fields.
        HTTPException: If it has more files than `at_most`, or is no form.
        OutOfRoom: If its files cannot be kept while they come.
    """
    refuse_compressed(request)
    async with _with_room(), request.form(max_files=at_most, max_fields=8) as form:
        _refuse_other_fields(form)
        files = [each for each in form.getlist(FIELD) if isinstance(each, UploadFile)]
        if len(files) < len(form.getlist(FIELD)) or not files:
            raise RequestError(
                f"the form has no file in the field {FIELD!r}, but {list(form) or 'nothing'}",
                hint=f"curl -F {FIELD}=@photo.jpg",
            )
        return [Upload(file.filename or "", await file.read()) for file in files]


def parse_object(data: bytes) -> dict[str, Any]:
    """
    Read a JSON object, strictly.

    Raises:
        RequestError: If it is none, a key stands in it twice, or a number is none.
    """
    try:
        content: dict[str, Any] = json.loads(
            data, object_pairs_hook=_refuse_repeats, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError) as error:
        raise RequestError(f"the body is no JSON: {error}", hint="send one JSON object") from error
    return content


def decode_base64(content: dict[str, Any], key: str) -> bytes:
    """
    Give the bytes of a base64 text in a JSON object; a data URL's head before it is passed over.

    Raises:
        RequestError: If it is missing or something else.
    """
    text = content.get(key)
    if not isinstance(text, str):
        raise RequestError(
            f"expected a photo as base64 text under {key!r}, got {type(text).__name__}",
            hint=f'{{"{key}": "<base64 of the file>"}}',
        )
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestError(
            f"what stands under {key!r} is no base64: {error}", hint="base64 -w0 photo.jpg"
        ) from error


def _photo_of_json(data: bytes) -> bytes:
    content = parse_object(data)
    others = sorted(set(content) - {FIELD})
    if others:
        raise _other_fields("JSON", others)
    return decode_base64(content, FIELD)


@asynccontextmanager
async def _with_room() -> AsyncIterator[None]:
    """Say in our words that the disk is full, where a form's long files lie while it comes."""
    try:
        yield
    except OSError as error:
        if error.errno not in (*FULL, errno.EMFILE, errno.ENFILE):
            raise
        raise OutOfRoom(
            "the server has no room for this form", hint="send the photo as the body, or try again later"
        ) from error


def _refuse_other_fields(form: FormData) -> None:
    others = sorted(set(form) - {FIELD})
    if others and FIELD in form:
        raise _other_fields("form", others)


def _other_fields(kind: str, others: list[str]) -> RequestError:
    return RequestError(
        f"the {kind} has fields that are not read: {others}",
        hint="options stand behind the question mark: /v1/segment?format=overlay",
    )


def refuse_compressed(request: Request) -> None:
    """
    Refuse a body that is compressed once more.

    Raises:
        UnsupportedImage: Then.
    """
    encoding = request.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise UnsupportedImage(
            f"a body with Content-Encoding {encoding} is not read", hint="send its bytes as they are"
        )


def _refuse_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a key stands in it twice")
    return content


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
