"""
Damages real photos in all the ways that files are damaged, and sees what the image door makes of them.

    python -m tests.abuse.mutations 10000 [--server http://127.0.0.1:8000] [--seed 0] [--keep last.bin]

Each input is decoded to a sane array or refused with one of our image errors, within two seconds of processor
time and a bounded memory; or, with a server, answered with a mask or a refusal. Prints what became of them as
JSON. An input that breaks this ends the run with exit code 1; one that breaks the process lies in `--keep`.
"""

import argparse
import io
import json
import resource
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from contract.errors import ImageError
from contract.images import ORIENTATION_TAG, decode_image

MAX_PIXELS = 1_000_000
LONGEST_S = 2.0
MORE_MEMORY = 768 * 2**20
"""How much address space a run may take beyond what it begins with; a photo of the limit needs 3 MB."""

LONGEST_FILE = 32_768
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
REFUSALS = (400, 413, 415)

Draw = Callable[[st.SearchStrategy[Any]], Any]
Change = Callable[[Draw, bytes], bytes]


def real_files() -> list[bytes]:
    """Make small photos of all kinds and colour models, TIFF too, which is refused."""
    dice = np.random.default_rng(0)
    shades = np.linspace(0, 255, 64 * 48 * 3).reshape(48, 64, 3)
    rgb = Image.fromarray((shades * 0.7 + dice.integers(0, 70, shades.shape)).astype(np.uint8))
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = 6
    grey, alpha = rgb.convert("L"), rgb.convert("RGBA")
    return [
        _file(rgb, "JPEG", exif=exif),
        _file(rgb, "JPEG", progressive=True, quality=50),
        _file(grey, "JPEG", restart_marker_rows=1),
        _file(rgb.convert("CMYK"), "JPEG"),
        _file(rgb, "JPEG", icc_profile=bytes(256), subsampling="4:4:4"),
        _file(rgb, "PNG", exif=exif),
        _file(rgb.quantize(32), "PNG", transparency=bytes(range(32))),
        _file(Image.fromarray(np.asarray(grey).astype(np.uint16) * 257), "PNG"),
        _file(grey.convert("1"), "PNG"),
        _file(alpha, "PNG", dpi=(72, 72)),
        _file(rgb, "WEBP", exif=exif),
        _file(alpha, "WEBP", lossless=True),
        _file(rgb, "WEBP", save_all=True, append_images=[rgb.rotate(90), rgb.rotate(180)]),
        _file(rgb, "BMP"),
        _file(rgb.quantize(16), "BMP"),
        _file(rgb, "TIFF"),
        _file(rgb, "TIFF", compression="tiff_lzw"),
    ]


def _file(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


FILES = real_files()


def cut(draw: Draw, data: bytes) -> bytes:
    """End early."""
    return data[: draw(st.integers(0, len(data)))]


def flip(draw: Draw, data: bytes) -> bytes:
    """Turn bits over, in the header or anywhere."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 8))):
        changed[_place(draw, data)] ^= 1 << draw(st.integers(0, 7))
    return bytes(changed)


def overwrite(draw: Draw, data: bytes) -> bytes:
    """Write a number where lengths, sizes and counts end badly."""
    at, width = _place(draw, data), draw(st.sampled_from((1, 2, 4)))
    number = draw(st.sampled_from(EXTREMES)) & ((1 << 8 * width) - 1)
    order = draw(st.sampled_from(("big", "little")))
    return data[:at] + number.to_bytes(width, order) + data[at + width :]


def splice(draw: Draw, data: bytes) -> bytes:
    """Go on as another file."""
    other = draw(st.sampled_from(FILES))
    return data[: _place(draw, data)] + other[_place(draw, other) :]


def repeat(draw: Draw, data: bytes) -> bytes:
    """Say a part several times, or not at all."""
    begin = _place(draw, data)
    end = begin + draw(st.integers(1, 512))
    return data[:begin] + data[begin:end] * draw(st.integers(0, 20)) + data[end:]


def insert(draw: Draw, data: bytes) -> bytes:
    """Put bytes in between."""
    at = _place(draw, data)
    return data[:at] + draw(st.binary(min_size=1, max_size=64)) + data[at:]


CHANGES: tuple[Change, ...] = (cut, flip, overwrite, splice, repeat, insert)


def _place(draw: Draw, data: bytes) -> int:
    """Choose a place, mostly behind the first bytes: with those changed it is no photo to any decoder."""
    begin, end = draw(st.sampled_from(((12, 64), (12, 256), (24, LONGEST_FILE), (0, LONGEST_FILE))))
    last = len(data) - 1
    return int(draw(st.integers(min(begin, last), min(end, last))))


@st.composite
def damaged_files(draw: Any) -> bytes:
    """Draw a real file and damage it once to four times; a PNG's checksums may be made true again."""
    data = draw(st.sampled_from(FILES))
    for change in draw(st.lists(st.sampled_from(CHANGES), min_size=1, max_size=4)):
        data = change(draw, data)[:LONGEST_FILE] or b"\0"
    return mend_checksums(data) if draw(st.booleans()) else data


def mend_checksums(data: bytes) -> bytes:
    """Make a PNG's checksums true, so that what is wrong is read and not refused before."""
    mended, at = bytearray(data), 8
    while data.startswith(b"\x89PNG") and at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            break
        mended[end : end + 4] = zlib.crc32(data[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(mended)


def decode(data: bytes) -> str:
    """Decode one input; gives what became of it."""
    try:
        image = decode_image(data, max_pixels=MAX_PIXELS)
    except ImageError as error:
        return type(error).__name__
    assert image.dtype == np.uint8
    assert image.ndim == 3
    assert image.shape[2] == 3
    assert 0 < image.shape[0] * image.shape[1] <= MAX_PIXELS
    return "decoded"


def post_to(client: httpx.Client) -> Callable[[bytes], str]:
    """Give what asks a server for one input's mask."""

    def post(data: bytes) -> str:
        status = client.post("/v1/segment", content=data).status_code
        assert status == 200 or status in REFUSALS, status
        return str(status)

    return post


def fuzz(check: Callable[[bytes], str], count: int, *, seed: int, keep: Path | None) -> dict[str, object]:
    """Check so many inputs; gives what became of them, the slowest and the memory."""
    found, slowest_s = Counter[str](), 0.0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    @hypothesis.seed(seed)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(damaged_files())
    def check_one(data: bytes) -> None:
        nonlocal slowest_s
        if keep:
            keep.write_bytes(data)
        begin = time.process_time()
        found[check(data)] += 1
        took_s = time.process_time() - begin
        slowest_s = max(slowest_s, took_s)
        assert took_s <= LONGEST_S, f"{took_s:.1f} s"

    check_one()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {
        "inputs": found.total(),
        "found": dict(found.most_common()),
        "slowest_ms": round(slowest_s * 1e3, 1),
        "memory_mib": round(grown, 1),
    }


def main() -> None:
    """Fuzz as asked and print what became of the inputs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--server", help="address of a running server; without one the door itself is asked")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="file for the input under way")
    options = parser.parse_args()
    decode(FILES[0])
    if options.server:
        with httpx.Client(base_url=options.server, timeout=30.0) as client:
            report = fuzz(post_to(client), options.count, seed=options.seed, keep=options.keep)
    else:
        _bound_memory()
        report = fuzz(decode, options.count, seed=options.seed, keep=options.keep)
    sys.stdout.write(json.dumps(report) + "\n")


def _bound_memory() -> None:
    """Have an allocation out of all proportion fail, which is no error of ours and ends the run."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MORE_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main()
