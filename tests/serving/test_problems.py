"""Requests that cannot be answered: each gets a sentence that helps, and the server goes on."""

import struct
import zlib

import httpx
import numpy as np
import pytest

from serving.formats import FORMATS
from tests.serving.colours import draw_photo, encode


def bomb_png(side: int) -> bytes:
    """Give a PNG of a few bytes whose header claims side x side pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 999)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


PHOTO = encode(draw_photo(), "JPEG")
BAD_PHOTOS = {
    "empty": (b"", 400, "invalid-image"),
    "one byte": (b"\xff", 400, "invalid-image"),
    "text": (b"This is not a photo.", 400, "invalid-image"),
    "html": (b"<!doctype html><title>cat</title>", 400, "invalid-image"),
    "json": (b'[{"inputs": ""}]', 400, "invalid-image"),
    "truncated jpeg": (PHOTO[: len(PHOTO) // 2], 400, "truncated-image"),
    "truncated png": (encode(draw_photo())[:-200], 400, "truncated-image"),
    "bomb": (bomb_png(19_000), 413, "image-too-large"),
    "gif": (encode(draw_photo(), "GIF"), 415, "unsupported-image"),
    "tiff": (encode(draw_photo(), "TIFF"), 415, "unsupported-image"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "unsupported-image"),
}


def check_problem(answer: httpx.Response, status: int, kind: str | None = None) -> dict[str, object]:
    """Expect a problem document that tells what to do and nothing of our inside."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    content: dict[str, object] = answer.json()
    assert content["status"] == status
    assert content["type"] == (f"urn:box2seg:problem:{kind}" if kind else "about:blank")
    assert str(content["instance"]).endswith(answer.headers["x-request-id"])
    assert content["title"]
    assert str(content["error"]).startswith(str(content["detail"]))
    assert content["hint"]
    for secret in ("Traceback", ".py", "/tmp", "/home", "0x"):
        assert secret not in answer.text
    return content


@pytest.fixture(autouse=True)
def server_goes_on(client: httpx.Client) -> object:
    """After each bad request the server is ready and segments a photo as before."""
    before = client.post("/v1/segment", content=PHOTO).content
    yield
    assert client.get("/readyz").status_code == 200
    assert client.post("/v1/segment", content=PHOTO).content == before


@pytest.mark.parametrize("name", BAD_PHOTOS)
def test_bad_photo_is_refused(client: httpx.Client, name: str) -> None:
    """Bytes that are no usable photo get a 4xx that says what came and what to send."""
    body, status, kind = BAD_PHOTOS[name]
    check_problem(client.post("/v1/segment", content=body), status, kind)


@pytest.mark.parametrize("name", BAD_PHOTOS)
def test_bad_photo_in_a_form_is_refused(client: httpx.Client, name: str) -> None:
    """A form is no way around the checks."""
    body, status, kind = BAD_PHOTOS[name]
    check_problem(client.post("/v1/segment", files={"image": body}), status, kind)


def test_unknown_format_lists_formats(client: httpx.Client) -> None:
    """A format that does not exist is refused with those that do."""
    content = check_problem(client.post("/v1/segment?format=gif", content=PHOTO), 406, "unknown-format")
    assert content["hint"] == f"there are: {', '.join(FORMATS)}"


@pytest.mark.parametrize("name", ["nobody", "../box2seg", "%2e%2e%2f", "%00", "x" * 10_000, "köter"])
def test_unknown_model_lists_models(client: httpx.Client, name: str) -> None:
    """A model that does not exist is refused with those that do, whatever its name tries."""
    answer = client.post("/v1/segment", params={"model": name}, content=PHOTO)
    assert check_problem(answer, 404, "unknown-model")["hint"] == "there are: box2seg"


def test_misspelt_option_is_refused(client: httpx.Client) -> None:
    """An option that does not exist is not passed over in silence."""
    content = check_problem(client.post("/v1/segment?formt=overlay", content=PHOTO), 422)
    assert "formt" in str(content["detail"])


def test_form_without_photo_names_the_field(client: httpx.Client) -> None:
    """A form whose photo is in another field is told the right one."""
    content = check_problem(client.post("/v1/segment", files={"photo": PHOTO}), 400, "request-error")
    assert "'image'" in str(content["detail"])
    assert "photo" in str(content["detail"])


def test_broken_form_is_refused(client: httpx.Client) -> None:
    """A form without its boundary is a client's error."""
    answer = client.post("/v1/segment", content=b"x", headers={"Content-Type": "multipart/form-data"})
    check_problem(answer, 400)


def test_compressed_body_is_refused(client: httpx.Client) -> None:
    """A body that would have to be inflated first is refused unread."""
    answer = client.post("/v1/segment", content=PHOTO, headers={"Content-Encoding": "gzip"})
    check_problem(answer, 415, "unsupported-image")


def test_declared_length_over_the_limit_is_refused(client: httpx.Client) -> None:
    """One byte more than the limit is refused."""
    check_problem(client.post("/v1/segment", content=bytes(2_000_001)), 413, "body-too-large")


def test_undeclared_length_over_the_limit_is_refused(client: httpx.Client) -> None:
    """Without a declared length the bytes are counted as they come."""
    endless = (bytes(100_000) for _ in range(21))
    check_problem(client.post("/v1/segment", content=endless), 413, "body-too-large")


def test_body_at_the_limit_is_read(client: httpx.Client) -> None:
    """As many bytes as the limit are still looked at."""
    check_problem(client.post("/v1/segment", content=bytes(2_000_000)), 400, "invalid-image")


def test_form_over_the_limit_is_refused(client: httpx.Client) -> None:
    """The limit holds for forms too."""
    answer = client.post("/v1/segment", files={"image": bytes(2_000_000)})
    check_problem(answer, 413, "body-too-large")


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/v1/segment", 405), ("GET", "/nothing", 404)]
)
def test_wrong_address_is_a_problem_too(client: httpx.Client, method: str, path: str, status: int) -> None:
    """What the framework itself refuses has the same form."""
    check_problem(client.request(method, path), status)


def test_mutated_photos_never_break_the_server(client: httpx.Client) -> None:
    """A hundred photos with random bytes changed get a mask or a 4xx."""
    random = np.random.default_rng(2)
    for _ in range(100):
        photo = bytearray(PHOTO)
        for at in random.integers(0, len(photo), 8):
            photo[at] = random.integers(0, 256)
        assert client.post("/v1/segment", content=bytes(photo)).status_code in (200, 400, 413, 415)


def test_options_in_a_form_are_refused(client: httpx.Client) -> None:
    """A format asked for as a form's field is not dropped in silence."""
    answer = client.post("/v1/segment", files={"image": encode(draw_photo())}, data={"format": "rle"})
    assert answer.status_code == 400
    assert "?format=" in answer.json()["hint"]


def test_overlay_longer_than_a_jpeg_is_refused(client: httpx.Client) -> None:
    """A photo that no JPEG can hold is refused as an overlay, and segmented as a PNG."""
    photo = encode(np.zeros((2, 70_000, 3), np.uint8))
    answer = client.post("/v1/segment?format=overlay", content=photo)
    assert answer.status_code == 413
    assert "another format" in answer.json()["hint"]
    assert client.post("/v1/segment", content=photo).status_code == 200
