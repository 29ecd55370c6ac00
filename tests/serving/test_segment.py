"""POST /v1/segment with photos that are fine."""

import io
import json

import httpx
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco

from tests.serving.colours import CLASSES, draw_photo, encode, read_labels

RED, BLUE = CLASSES.index("red"), CLASSES.index("blue")


def segment(client: httpx.Client, photo: bytes, **question: str) -> httpx.Response:
    """Ask, and expect an answer."""
    answer = client.post("/v1/segment", content=photo, params=question)
    assert answer.status_code == 200, answer.text
    return answer


def test_mask_is_indexed_png_of_photo_size(client: httpx.Client) -> None:
    """The default answer is a palette PNG at the photo's own size, with the classes' colours."""
    answer = segment(client, encode(draw_photo(64, 96)))
    assert answer.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(answer.content)) as image:
        assert (image.mode, image.size) == ("P", (96, 64))
        assert image.getpalette() == list(CLASSES.palette())


def test_labels_lie_where_the_colours_are(client: httpx.Client) -> None:
    """Each drawn rectangle gets its label, exactly, where the photo has the network's own size."""
    labels = read_labels(segment(client, encode(draw_photo(64, 96))).content)
    expected = np.zeros((64, 96), np.uint8)
    expected[16:48, 8:32] = RED
    expected[16:48, 48:88] = BLUE
    np.testing.assert_array_equal(labels, expected)


@pytest.mark.parametrize("size", [(1, 1), (1, 10_000), (10_000, 1), (7, 5), (333, 517)], ids=str)
def test_every_size_comes_back(client: httpx.Client, size: tuple[int, int]) -> None:
    """A photo of any shape gives a mask of exactly that shape."""
    red = np.full((*size, 3), (250, 0, 0), np.uint8)
    labels = read_labels(segment(client, encode(red)).content)
    np.testing.assert_array_equal(labels, np.full(size, RED))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_mask_is_upright(client: httpx.Client, orientation: int) -> None:
    """All eight EXIF orientations of one picture give the same upright mask."""
    upright = Image.fromarray(draw_photo(64, 96))
    turned = upright.transpose(AS_STORED[orientation]) if orientation in AS_STORED else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    turned.save(stream, "PNG", exif=exif)
    labels = read_labels(segment(client, stream.getvalue()).content)
    assert labels.shape == (64, 96)
    assert (labels[32, 20], labels[32, 70], labels[4, 4]) == (RED, BLUE, 0)


AS_STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How a camera that writes this orientation stores the upright picture."""


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
def test_each_kind_is_read_whatever_it_is_called(client: httpx.Client, kind: str) -> None:
    """The content decides what a photo is, not the Content-Type."""
    answer = client.post(
        "/v1/segment",
        content=encode(draw_photo(), kind),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert read_labels(answer.content)[32, 20] == RED


def test_form_is_read_as_raw_body(client: httpx.Client) -> None:
    """A photo in the form's field `image` gives the same mask as the photo as the body."""
    photo = encode(draw_photo())
    form = client.post("/v1/segment", files={"image": ("cat.png", photo, "image/png")})
    assert form.content == segment(client, photo).content


def test_large_form_is_read(client: httpx.Client) -> None:
    """A form longer than what is kept in memory while it comes in is read as well."""
    noise = np.random.default_rng(0).integers(0, 255, (640, 800, 3), np.uint8)
    photo = encode(noise, compress_level=0)
    assert len(photo) > 2**20
    assert client.post("/v1/segment", files={"image": photo}).status_code == 200


def test_body_in_pieces_is_read(client: httpx.Client) -> None:
    """A body that comes in single bytes without a declared length is read."""
    photo = encode(draw_photo())
    answer = client.post("/v1/segment", content=(photo[at : at + 1] for at in range(len(photo))))
    assert answer.content == segment(client, photo).content


def test_rle_says_the_same_as_png(client: httpx.Client) -> None:
    """COCO's own decoder gives back the PNG's pixels, class by class, with area and box."""
    photo = encode(draw_photo(70, 130))
    labels = read_labels(segment(client, photo).content)
    answer = json.loads(segment(client, photo, format="rle").content)
    assert (answer["height"], answer["width"]) == (70, 130)
    assert [each["label"] for each in answer["annotations"]] == ["red", "blue"]
    for each in answer["annotations"]:
        inside = labels == each["category_id"]
        np.testing.assert_array_equal(coco.decode(each["segmentation"]), inside)
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        assert each["area"] == inside.sum()
        assert each["bbox"] == [columns[0], rows[0], len(columns), len(rows)]


def test_overlay_is_the_photo_tinted(client: httpx.Client) -> None:
    """The overlay is a JPEG of the photo's size, unchanged where background is."""
    answer = segment(client, encode(draw_photo(64, 96)), format="overlay")
    with Image.open(io.BytesIO(answer.content)) as image:
        assert (image.format, image.size) == ("JPEG", (96, 64))
        corner = np.asarray(image)[2:6, 2:6].astype(int)
    assert abs(corner - 127).max() <= 3  # JPEG's own rounding


def test_answer_says_who_made_it_and_how_long(client: httpx.Client) -> None:
    """Model, version, the time of each stage and the client's own request id are in the headers."""
    answer = client.post("/v1/segment", content=encode(draw_photo()), headers={"X-Request-Id": "mine-7"})
    assert answer.headers["x-request-id"] == "mine-7"
    assert (answer.headers["x-model-name"], answer.headers["x-model-version"]) == ("box2seg", "1")
    stages = [part.split(";")[0] for part in answer.headers["server-timing"].split(", ")]
    assert stages == ["queue", "decode", "infer", "encode"]


def test_strange_request_id_is_replaced(client: httpx.Client) -> None:
    """A request id that could forge a log line or a header is not taken over."""
    answer = client.get("/livez", headers={"X-Request-Id": "a b" + "c" * 99})
    assert answer.headers["x-request-id"].isalnum()
