"""What the benchmarks ask: a gateway in a process of its own, and a photo to send."""

import io
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image


@contextmanager
def running_gateway(*options: str) -> Iterator[str]:
    """Run `box2seg serve` with these options in a process of its own; gives its address once it is ready."""
    command = [sys.executable, "-m", "cli", "serve", "--port", "0", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, bufsize=1)
    try:
        yield _read_address(process)
    finally:
        process.terminate()
        process.wait()


def _read_address(process: "subprocess.Popen[str]") -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"answers at (\S+)", line):
            _drain(process)
            return found[1]
    raise RuntimeError("the gateway did not start")


def _drain(process: "subprocess.Popen[str]") -> None:
    """Read what the gateway logs, as it would stop at a full pipe."""
    threading.Thread(target=process.stderr.read, daemon=True).start()  # type: ignore[union-attr]


def chelsea() -> bytes:
    """Give scikit-image's cat as a JPEG of 500 x 375."""
    from skimage.data import chelsea as cat

    stream = io.BytesIO()
    photo = cat()  # type: ignore[no-untyped-call] # scikit-image has no types
    Image.fromarray(photo).resize((500, 375)).save(stream, "JPEG", quality=90)
    return stream.getvalue()
