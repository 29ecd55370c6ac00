"""Bytes to an upright RGB array: the one place that decodes photos, checks sizes and applies EXIF."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import Image, UnidentifiedImageError

from contract.arrays import Size, Uint8
from contract.errors import ImageError, ImageTooLarge, InvalidImage, TruncatedImage, UnsupportedImage

FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
"""What is decoded; everything else is refused before a decoder sees it."""

MAX_PIXELS = 50_000_000
"""Default limit, read from the header before anything is decoded."""

ORIENTATION_TAG = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""Brings each EXIF orientation upright; Pillow's own way also writes the EXIF anew and fails on odd tags."""
TRANSPOSED = (5, 6, 7, 8)

# Our own limit stands before every decode; Pillow's would only warn at a size of its choosing.
Image.MAX_IMAGE_PIXELS = None

# Broken EXIF does not break the photo; Pillow's warning about it would reach a server's log, or stop a test.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, IndexError, KeyError)


def decode_image(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Uint8:
    """
    Decode a photo.

    Args:
        data: A JPEG, PNG, WebP or BMP file's bytes; the content decides, not a name.
        max_pixels: Refuse more than this, by the header.

    Returns:
        (H, W, 3) uint8 RGB, upright. Transparency is dropped, 16 bits become 8.

    Raises:
        InvalidImage: Empty, or no image.
        UnsupportedImage: An image of another kind.
        ImageTooLarge: More than `max_pixels`.
        TruncatedImage: Damaged or incomplete pixels.
    """
    image = _open(data, max_pixels)
    try:
        pixels = _decode_jpeg(image, data)
        if pixels is None:
            image.load()  # a PNG's EXIF may stand behind its pixels
        turn = UPRIGHT.get(_orientation(image))
        if pixels is None:
            return np.asarray(_as_rgb(image if turn is None else image.transpose(turn)))
        return pixels if turn is None else np.asarray(Image.fromarray(pixels).transpose(turn))
    except _DAMAGE as error:
        raise TruncatedImage(
            f"the {image.format} is damaged or incomplete: {error}", hint="send the whole file again"
        ) from error


def read_image(path: Path, *, max_pixels: int = MAX_PIXELS) -> Uint8:
    """
    Read a photo's file; as `decode_image`, with the file's name in each message.

    Raises:
        InvalidImage: Also if the file cannot be read.
    """
    try:
        return decode_image(read_bytes(path), max_pixels=max_pixels)
    except (InvalidImage, UnsupportedImage, ImageTooLarge, TruncatedImage) as error:
        if str(path) in error.message:
            raise
        raise _named(path, error) from error


@dataclass(frozen=True, slots=True)
class Header:
    """
    What a photo's file says of itself before its pixels.

    Args:
        size: Upright (height, width) [px].
        mode: Pillow's word for its colours: RGB, L (grey), CMYK, P (indexed), ...
    """

    size: Size
    mode: str


def read_size(path: Path) -> Size:
    """Read a photo's upright (height, width) [px] from its header; raises as `read_header`."""
    return read_header(path).size


def read_header(path: Path) -> Header:
    """
    Read a photo's header; no pixel is decoded.

    Raises:
        InvalidImage: If the file cannot be read or is no image.
        UnsupportedImage: An image of another kind.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            width, height = image.size
            turned, mode = _orientation(image) in TRANSPOSED, image.mode
    except FileNotFoundError as error:
        raise InvalidImage(f"{path}: no such file") from error
    except UnidentifiedImageError as error:
        raise _named(path, _unidentified(read_bytes(path))) from error
    except _DAMAGE as error:
        raise InvalidImage(f"{path}: not a readable image ({error})") from error
    return Header((width, height) if turned else (height, width), mode)


def read_bytes(path: Path) -> bytes:
    """
    Read a file whole.

    Raises:
        InvalidImage: If it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidImage(f"{path}: {error.strerror or error}") from error


def _open(data: bytes, max_pixels: int) -> Image.Image:
    if not data:
        raise InvalidImage("the image is empty", hint="send the photo's bytes as the body")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise _unidentified(data) from error
    except _DAMAGE as error:
        # WebP's decoder looks at the whole file here, so a cut one ends here too.
        raise TruncatedImage(
            f"the image is damaged or incomplete: {error}", hint="send the whole file again"
        ) from error
    width, height = image.size
    if width * height > max_pixels:
        raise ImageTooLarge(
            f"image has {width * height:,} pixels, the limit is {max_pixels:,}",
            hint="raise BOX2SEG_MAX_PIXELS or send a smaller image",
        )
    return image


def _named(path: Path, error: ImageError) -> ImageError:
    return type(error)(f"{path}: {error.message}", hint=error.hint)


def _unidentified(data: bytes) -> InvalidImage | UnsupportedImage:
    kind = _foreign_kind(data)
    allowed = "JPEG, PNG, WebP or BMP"
    if kind:
        return UnsupportedImage(f"{kind} images are not decoded", hint=f"send {allowed}")
    return InvalidImage("the bytes are no image", hint=f"send {allowed}")


def _foreign_kind(data: bytes) -> str | None:
    """Name an image kind that is known and refused, by its first bytes; no decoder is called."""
    head = data[:16]
    signatures = (
        (b"GIF8", "GIF"),
        (b"II*\0", "TIFF"),
        (b"MM\0*", "TIFF"),
        (b"8BPS", "PSD"),
        (b"SIMPLE", "FITS"),
        (b"%!PS", "EPS"),
        (b"%PDF", "PDF"),
    )
    for signature, kind in signatures:
        if head.startswith(signature):
            return kind
    if head[4:8] == b"ftyp":
        return "HEIC or AVIF"
    return "SVG" if b"<svg" in data[:512] else None


def _decode_jpeg(image: Image.Image, data: bytes) -> Uint8 | None:
    """Give Pillow's very pixels in half its time; None where Pillow has to look at what is wrong."""
    if image.format not in ("JPEG", "MPO") or image.mode not in ("RGB", "L"):
        return None
    try:
        return np.asarray(simplejpeg.decode_jpeg(data), dtype=np.uint8)
    except ValueError:  # it is strict: also for stray bytes, which Pillow passes over
        return None


def _orientation(image: Image.Image) -> int:
    """Give the EXIF orientation, 1 to 8; 1, upright, where there is none that can be read."""
    try:
        orientation = image.getexif().get(ORIENTATION_TAG)
    except Exception:  # Pillow's EXIF reader fails in many ways; a photo without EXIF is upright too
        return 1
    return orientation if isinstance(orientation, int) else 1


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # 16-bit grey: Pillow's own conversion clips at 255 instead of scaling.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "P" and isinstance(image.info.get("transparency"), bytes):
        # Straight to RGB, Pillow warns about a transparency that we drop anyway.
        image = image.convert("RGBA")
    return image if image.mode == "RGB" else image.convert("RGB")
