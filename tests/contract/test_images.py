import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from contract.arrays import Uint8
from contract.errors import ImageTooLarge, InvalidImage, TruncatedImage, UnsupportedImage
from contract.images import ORIENTATION_TAG, decode_image, read_image, read_size

SIZE = (64, 96)
RED, GREEN, BLUE, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128)

# How a camera stores an upright photo so that this orientation brings it back upright.
STORED = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: upright[::-1, ::-1].transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}


CAT = Path(__file__).parents[2] / "docs" / "pictures" / "chelsea.jpg"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", STORED)
def test_photos_are_upright(orientation: int, kind: str, tmp_path: Path) -> None:
    """Each EXIF orientation gives the same upright array and size; its corners tell."""
    stored = np.ascontiguousarray(STORED[orientation](quarters()))
    path = tmp_path / "photo"
    path.write_bytes(encode(Image.fromarray(stored), kind, exif=orientation_exif(orientation)))
    upright = read_image(path)
    assert upright.shape == (*SIZE, 3)
    assert read_size(path) == SIZE
    assert np.abs(upright.astype(int) - quarters()).max() <= 8 or kind != "PNG"
    for corner, colour in zip([(8, 8), (8, 87), (55, 8), (55, 87)], [RED, GREEN, BLUE, GREY], strict=True):
        # JPEG and WebP lose a little colour, the more the smaller the picture.
        assert np.abs(upright[corner].astype(int) - colour).max() <= 12


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "CMYK", "YCbCr"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    """Whatever the file's colour model, what comes out is (H, W, 3) uint8."""
    kind = "JPEG" if mode in {"CMYK", "YCbCr"} else "PNG"
    image = decode_image(encode(Image.fromarray(quarters()).convert(mode), kind))
    assert image.shape == (*SIZE, 3)
    assert image.dtype == np.uint8


def test_cmyk_keeps_its_colours() -> None:
    """A CMYK JPEG's red is red, not its complement."""
    image = decode_image(encode(Image.fromarray(quarters()).convert("CMYK"), "JPEG"))
    assert np.abs(image[8, 8].astype(int) - RED).max() <= 12


def test_sixteen_bit_grey_keeps_its_range() -> None:
    """16-bit grey is scaled to 8 bits, not clipped at 255."""
    ramp = np.linspace(0, 65535, 96).astype(np.uint16)[None].repeat(64, axis=0)
    image = decode_image(encode(Image.fromarray(ramp), "PNG"))
    assert image[0, :, 0].tolist() == (ramp[0] >> 8).tolist()


@pytest.mark.parametrize("transparency", [0, bytes([0, 64, 128, 255])], ids=["one colour", "by colour"])
def test_transparency_is_dropped(transparency: int | bytes) -> None:
    """A palette's colours stay as they are, however transparent, and nobody is warned."""
    palette = Image.fromarray(quarters()).quantize(4)
    image = decode_image(encode(palette, "PNG", transparency=transparency))
    assert np.array_equal(image, np.asarray(palette.convert("RGB")))


def test_alpha_is_dropped() -> None:
    """A transparent pixel keeps the colour it has."""
    rgba = np.dstack([quarters(), np.zeros(SIZE, np.uint8)])
    assert np.array_equal(decode_image(encode(Image.fromarray(rgba), "PNG")), quarters())


def test_broken_exif_does_not_break_the_photo() -> None:
    """A photo whose EXIF is cut short is decoded as it lies, and nobody is warned."""
    photo = encode(Image.fromarray(quarters()), "JPEG", exif=orientation_exif(6)[:20])
    assert decode_image(photo).shape == (*SIZE, 3)


@pytest.mark.parametrize("stray", [b"", b"\0\0"], ids=["clean", "stray bytes"])
@pytest.mark.parametrize("progressive", [False, True], ids=["baseline", "progressive"])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_jpegs_have_pillows_pixels(mode: str, subsampling: str, progressive: bool, stray: bytes) -> None:
    """Whatever decodes a JPEG, every pixel is the one that Pillow gives."""
    with Image.open(CAT) as photo:
        stream = io.BytesIO()
        photo.convert(mode).save(stream, "JPEG", subsampling=subsampling, progressive=progressive)
    data = stream.getvalue()[:-2] + stray + b"\xff\xd9"  # before the end marker
    with Image.open(io.BytesIO(data)) as plain:
        assert np.array_equal(decode_image(data), np.asarray(plain.convert("RGB")))


@pytest.mark.parametrize("share", [0.25, 0.5, 0.99])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
def test_truncated_photos_are_refused(kind: str, share: float) -> None:
    """A photo that is not all there is refused, however little is missing."""
    whole = encode(Image.fromarray(noise()), kind)
    with pytest.raises(TruncatedImage, match="send the whole file again"):
        decode_image(whole[: int(len(whole) * share)])


@pytest.mark.parametrize(
    ("data", "kind", "sentence"),
    [
        pytest.param(b"", InvalidImage, "the image is empty", id="empty"),
        pytest.param(b"hello", InvalidImage, "send JPEG, PNG, WebP or BMP", id="text"),
        pytest.param(b"<!doctype html><p>404", InvalidImage, "the bytes are no image", id="html"),
        pytest.param(b"\xff\xd8\xff", InvalidImage, "the bytes are no image", id="three bytes of JPEG"),
        pytest.param(b"%PDF-1.7", UnsupportedImage, "PDF images are not decoded", id="pdf"),
        pytest.param(b"\0\0\0\x1cftypheic", UnsupportedImage, "HEIC or AVIF", id="heic"),
        pytest.param(b"<?xml?><svg />", UnsupportedImage, "SVG", id="svg"),
    ],
)
def test_what_is_no_photo_is_refused(data: bytes, kind: type[Exception], sentence: str) -> None:
    """The message says what came and the hint what to send."""
    with pytest.raises(kind, match=sentence):
        decode_image(data)


@pytest.mark.parametrize("kind", ["GIF", "TIFF"])
def test_other_kinds_are_refused_by_name(kind: str, tmp_path: Path) -> None:
    """A GIF or TIFF is named as such, by its bytes and not by its file's name."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(encode(Image.fromarray(quarters()), kind))
    with pytest.raises(UnsupportedImage, match=f"{kind} images are not decoded"):
        decode_image(path.read_bytes())
    with pytest.raises(UnsupportedImage, match=f"photo.jpg: {kind} images are not decoded"):
        read_size(path)


def test_the_limit_counts_pixels() -> None:
    """A photo of exactly the limit passes; one pixel less and it is refused with both numbers."""
    photo = encode(Image.fromarray(quarters()), "PNG")
    assert decode_image(photo, max_pixels=64 * 96).shape == (*SIZE, 3)
    with pytest.raises(ImageTooLarge, match="image has 6,144 pixels, the limit is 6,143"):
        decode_image(photo, max_pixels=64 * 96 - 1)


def test_a_bomb_is_refused_by_its_header() -> None:
    """A PNG of 60,000 x 60,000 in a few bytes is refused in a process that may not hold its pixels."""
    program = (
        "import resource, sys\n"
        "from contract.images import decode_image\n"
        "from contract.errors import ImageTooLarge\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))\n"
        "try:\n"
        "    decode_image(sys.stdin.buffer.read())\n"
        "except ImageTooLarge as error:\n"
        "    sys.exit(str(error))\n"
    )
    told = subprocess.run([sys.executable, "-c", program], input=bomb(60_000), capture_output=True)
    assert b"image has 3,600,000,000 pixels, the limit is 50,000,000" in told.stderr


def test_a_files_errors_name_the_file(tmp_path: Path) -> None:
    """A folder of photos is searched by file name, so each message begins with it."""
    missing, text = tmp_path / "missing.jpg", tmp_path / "notes.jpg"
    text.write_text("no photo")
    for read in (read_image, read_size):
        with pytest.raises(InvalidImage, match=r"missing\.jpg: [Nn]o such file"):
            read(missing)
        with pytest.raises(InvalidImage, match=r"notes\.jpg: the bytes are no image"):
            read(text)


def test_damage_anywhere_is_an_error_of_ours() -> None:
    """Photos with random bytes overwritten decode or are refused; nothing else escapes."""
    dice = np.random.default_rng(0)
    for kind in ("JPEG", "PNG", "WEBP", "BMP"):
        whole = np.frombuffer(encode(Image.fromarray(noise()), kind, exif=orientation_exif(6)), np.uint8)
        for _ in range(50):
            damaged = whole.copy()
            damaged[dice.integers(0, 200, 3)] = dice.integers(0, 256, 3)
            refused_or_decoded(damaged.tobytes())


def refused_or_decoded(data: bytes) -> None:
    """Decode; let none but our own refusals pass."""
    try:
        decode_image(data, max_pixels=1_000_000)
    except (InvalidImage, TruncatedImage, UnsupportedImage, ImageTooLarge):
        return


def quarters() -> Uint8:
    """Paint the corners: red, green above; blue, grey below."""
    image = np.empty((*SIZE, 3), np.uint8)
    image[:32, :48], image[:32, 48:], image[32:, :48], image[32:, 48:] = RED, GREEN, BLUE, GREY
    return image


def noise() -> Uint8:
    """Fill a photo with noise, so that no encoder makes it small."""
    return np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Give an image's bytes in a file format."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def orientation_exif(orientation: int) -> bytes:
    """Give EXIF data that holds this orientation alone."""
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    return exif.tobytes()


def bomb(side: int) -> bytes:
    """Make a PNG whose header promises side x side pixels and whose data hold none."""
    header = side.to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in chunks)


def chunk(kind: bytes, data: bytes) -> bytes:
    """Frame a PNG chunk with its length and checksum."""
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def test_odd_tags_beside_the_orientation_do_no_harm() -> None:
    """A tag of another type than it should have does not keep a photo from being turned upright."""
    orientation = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    resolution = struct.pack("<HHI4s", 0x011A, 2, 4, b"abc")  # words where a fraction belongs
    tags = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + orientation + resolution + bytes(4)
    stream = io.BytesIO()
    Image.new("RGB", (96, 64)).save(stream, "JPEG", exif=tags)
    assert decode_image(stream.getvalue()).shape == (96, 64, 3)
