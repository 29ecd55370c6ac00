"""A: photos that are none, that lie about themselves, and that are odd but fine."""

import io
import zlib
from collections.abc import Callable
from statistics import median
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from contract.arrays import Uint8
from tests.abuse.conftest import Seen
from tests.abuse.house import House
from tests.contract.test_geometry import beside_edge, checkerboard
from tests.contract.test_images import STORED, chunk, orientation_exif
from tests.serving.colours import CLASSES, draw_photo, encode, read_labels
from tests.serving.test_problems import bomb_png, check_problem

pytestmark = pytest.mark.triton

PHOTO = draw_photo(70, 130)
JPEG = encode(PHOTO, "JPEG", quality=95)
PNG = encode(PHOTO)
RED = CLASSES.index("red")

NO_PHOTOS = {"empty": b"", "one byte": b"\xff", "text": b"This is not a photo.", "HTML": b"<!doctype html>"}


@pytest.mark.case("A1")
def test_a1_what_is_no_photo(house: House, seen: Seen) -> None:
    """Bytes that are no image are 400 in our words."""
    times = []
    for body in NO_PHOTOS.values():
        for _ in range(5):
            answer = house.segment(body)
            check_problem(answer, 400, "invalid-image")
            times.append(answer.elapsed.total_seconds())
    seen(f"400 invalid-image, {1e3 * median(times):.0f} ms")


def bad_checksum() -> bytes:
    """Give a PNG of which one byte is another, so that its checksum is wrong."""
    damaged = bytearray(PNG)
    damaged[PNG.index(b"IDAT") + 20] ^= 1
    return bytes(damaged)


@pytest.mark.case("A2")
def test_a2_photos_that_are_not_whole(house: House, seen: Seen) -> None:
    """A photo of which anything is missing or damaged is refused; what follows its end is passed over."""
    noisy = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    whole = encode(noisy, "JPEG")
    for share in (0.25, 0.5, 0.99):
        check_problem(house.segment(whole[: int(share * len(whole))]), 400, "truncated-image")
    check_problem(house.segment(bad_checksum()), 400, "truncated-image")
    for photo in (JPEG, PNG):
        assert house.segment(photo + b"<?php garbage" * 99).content == house.segment(photo).content
    seen("25, 50, 99 % of a JPEG and a PNG with a wrong CRC: 400 truncated-image; garbage behind: same mask")


def huge_jpeg() -> bytes:
    """Give a JPEG whose header claims 65,535 x 65,535 pixels."""
    at = JPEG.index(b"\xff\xc0") + 5
    return JPEG[:at] + b"\xff\xff\xff\xff" + JPEG[at + 4 :]


def flat_png(side: int, mode: str) -> bytes:
    """Give a valid PNG of one colour, which is short."""
    stream = io.BytesIO()
    Image.new(mode, (side, side)).save(stream, "PNG")
    return stream.getvalue()


def film(kind: str, frames: int = 60) -> bytes:
    """Give an animation of large frames."""
    stream = io.BytesIO()
    pictures = [Image.new("RGB", (640, 480), (shade, 0, 0)) for shade in range(frames)]
    pictures[0].save(stream, kind, save_all=True, append_images=pictures[1:])
    return stream.getvalue()


def text_bomb() -> bytes:
    """Give a PNG with 100 MB of text, compressed."""
    notes = PngImagePlugin.PngInfo()
    notes.add_text("a", "x" * 100_000_000, zip=True)
    stream = io.BytesIO()
    Image.fromarray(PHOTO).save(stream, "PNG", pnginfo=notes)
    return stream.getvalue()


def profile_bomb() -> bytes:
    """Give a PNG with a colour profile of 100 MB, compressed."""
    profile = chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(100_000_000), 9))
    at = PNG.index(b"IDAT") - 4
    return PNG[:at] + profile + PNG[at:]


BOMBS: dict[str, tuple[Callable[[], bytes], set[int]]] = {
    "19,000² PNG": (lambda: bomb_png(19_000), {413}),
    "6,000² grey": (lambda: flat_png(6_000, "L"), {413}),
    "6,000² palette": (lambda: flat_png(6_000, "P"), {413}),
    "65,535² JPEG": (huge_jpeg, {413}),
    "GIF of 60 frames": (lambda: film("GIF"), {415}),
    "WebP of 60 frames": (lambda: film("WEBP"), {200}),
    "100 MB zTXt": (text_bomb, {200, 400}),
    "100 MB iCCP": (profile_bomb, {200, 400}),
}


@pytest.mark.case("A3")
def test_a3_bombs(house: House, seen: Seen) -> None:
    """What would unfold to more than the limit is refused by its header, and memory stays as it was."""
    statuses, times, bodies = {}, [], {name: make() for name, (make, _) in BOMBS.items()}
    with house.peak() as grown:
        for name, body in bodies.items():
            answer = house.segment(body)
            assert answer.status_code in BOMBS[name][1], (name, answer.text)
            statuses[name] = answer.status_code
            if answer.status_code == 413:
                check_problem(answer, 413, "image-too-large")
                times.append(answer.elapsed.total_seconds())
        assert grown() < 50
        said = ", ".join(f"{name} {status}" for name, status in statuses.items())
        seen(f"{said}; 413 in {1e3 * max(times):.0f} ms at most, memory +{grown():.0f} MiB at most")


@pytest.mark.abuse
@pytest.mark.case("A1", "A3")
def test_a1_a3_are_refused_at_once(house: House, seen: Seen) -> None:
    """The usual refusal takes less than 50 ms, that of a bomb less than 100."""
    bodies = [(body, 0.05) for body in NO_PHOTOS.values()]
    bodies += [(make(), 0.1) for make, statuses in BOMBS.values() if statuses == {413}]
    for body, limit_s in bodies:
        assert median(house.segment(body).elapsed.total_seconds() for _ in range(15)) < limit_s


@pytest.mark.case("A4")
def test_a4_odd_sizes(house: House, seen: Seen) -> None:
    """The smallest, longest and highest photos get a mask of exactly their size."""
    sizes = [(1, 1), (1, 10_000), (10_000, 1), (7, 5)]
    for size in sizes:
        labels = read_labels(house.segment(encode(np.full((*size, 3), (250, 0, 0), np.uint8))).content)
        np.testing.assert_array_equal(labels, np.full(size, RED))
    seen("200, the mask has the photo's size: " + ", ".join(f"{h} x {w}" for h, w in sizes))


def as_file(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Give an image's file."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def ycck() -> bytes:
    """Give a JPEG whose four channels are YCCK: a CMYK one whose Adobe marker says so."""
    data = bytearray(as_file(Image.fromarray(PHOTO).convert("CMYK"), "JPEG", quality=95))
    data[data.index(b"Adobe") + 11] = 2
    return bytes(data)


GREY = np.asarray(Image.fromarray(PHOTO).convert("L"))
DEEP = GREY.astype(np.uint16) * 257


def by_opencv(data: bytes) -> Uint8:
    """Decode with another decoder's colours."""
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.ascontiguousarray(decoded[..., ::-1]).astype(np.uint8)


def colour_models() -> dict[str, tuple[bytes, Uint8]]:
    """Give files of each colour model, and the RGB that they mean."""
    rgb, grey = Image.fromarray(PHOTO), Image.fromarray(GREY)
    thrice = np.repeat(GREY[..., None], 3, axis=2)
    palette = rgb.quantize(16)
    profile = b"\0" * 128  # a profile that says nothing; none is applied
    jpegs = {
        "grey JPEG": as_file(grey, "JPEG", quality=95),
        "CMYK JPEG": as_file(rgb.convert("CMYK"), "JPEG", quality=95),
        "YCCK JPEG": ycck(),
        "progressive JPEG": as_file(rgb, "JPEG", progressive=True, quality=95),
        "JPEG with ICC": as_file(rgb, "JPEG", icc_profile=profile, quality=95),
    }
    return {name: (data, by_opencv(data)) for name, data in jpegs.items()} | {
        "grey PNG": (as_file(grey, "PNG"), thrice),
        "grey and alpha PNG": (as_file(Image.merge("LA", (grey, grey)), "PNG"), thrice),
        "16-bit PNG": (as_file(Image.fromarray(DEEP), "PNG"), thrice),
        "palette PNG with transparency": (
            as_file(palette, "PNG", transparency=bytes(range(16))),
            np.asarray(palette.convert("RGB")),
        ),
    }


@pytest.mark.case("A5")
def test_a5_colour_models(house: House, seen: Seen) -> None:
    """Each colour model is read as another decoder reads it, within one level; an overlay shows the photo."""
    untinted = {"format": "overlay-png", "alpha": 0, "outline": "false"}
    worst = {}
    for name, (data, expected) in colour_models().items():
        answer = house.segment(data, **untinted)
        assert answer.status_code == 200, name
        got = np.asarray(Image.open(io.BytesIO(answer.content)))
        worst[name] = int(np.abs(got.astype(int) - expected).max())
    assert max(worst.values()) <= 1, worst
    seen("levels apart: " + ", ".join(f"{name} {levels}" for name, levels in worst.items()))


@pytest.mark.case("A6")
def test_a6_orientations(house: House, seen: Seen) -> None:
    """All eight EXIF orientations of one picture give the same upright mask."""
    masks = set()
    for orientation, store in STORED.items():
        stored = Image.fromarray(np.ascontiguousarray(store(PHOTO)))
        answer = house.segment(as_file(stored, "PNG", exif=orientation_exif(orientation)), format="raw")
        assert answer.headers["x-shape"] == "70,130"
        masks.add(answer.content)
    assert masks == {house.segment(PNG, format="raw").content}
    seen("8 of 8 orientations: the same mask, byte by byte")


@pytest.mark.case("A7")
def test_a7_other_kinds(house: House, seen: Seen) -> None:
    """Kinds that are not decoded are refused by their first bytes, whatever they are called."""
    kinds = {
        "TIFF": encode(PHOTO, "TIFF"),
        "GIF": encode(PHOTO, "GIF"),
        "FITS": b"SIMPLE  =                    T" + bytes(2880),
        "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n",
        "SVG": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "PSD": b"8BPS\0\1" + bytes(100),
        "HEIC": b"\0\0\0\x18ftypheic" + bytes(100),
    }
    for data in kinds.values():
        headers = {"Content-Type": "image/jpeg"}
        answer = house.client.post("/v1/segment", content=data, headers=headers)
        check_problem(answer, 415, "unsupported-image")
    seen("415 unsupported-image: " + ", ".join(kinds))


@pytest.mark.case("A9")
def test_a9_the_content_decides(house: House, seen: Seen) -> None:
    """A wrong Content-Type, or none, changes nothing where the bytes are a photo; else it is 4xx."""
    expected = house.segment(JPEG).content
    named = ["image/png", "image/tiff", "text/plain", "application/json", "application/octet-stream", "", "x"]
    for kind in named:
        answer = house.client.post("/v1/segment", content=JPEG, headers={"Content-Type": kind})
        assert answer.content == expected, kind
    silent = httpx.Request("POST", f"{house.address}/v1/segment", content=JPEG)
    assert "content-type" not in silent.headers
    assert house.client.send(silent).content == expected
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    check_problem(house.client.post("/v1/segment", content=JPEG, headers=form), 400)
    seen(f"{len(named)} wrong ones and none: the same mask; a photo called a form: 400")


@pytest.mark.case("A10")
@pytest.mark.parametrize("size", [(333, 517), (1023, 769)], ids=str)
def test_a10_edges(house: House, seen: Seen, size: tuple[int, int]) -> None:
    """A checkerboard of an odd size comes back with every wrong pixel beside an edge."""
    board = checkerboard(size, 37)
    photo = np.where(board[..., None] == board.min(), np.uint8([255, 0, 0]), np.uint8([0, 0, 255]))
    answer = house.segment(encode(photo.astype(np.uint8)), model="fine")
    red, blue = CLASSES.index("red"), CLASSES.index("blue")
    wrong = read_labels(answer.content) != np.where(board == board.min(), red, blue)
    assert not (wrong & ~beside_edge(board)).any()
    seen(f"{size[0]} x {size[1]}: {100 * wrong.mean():.2f} % wrong, all beside an edge")
