"""Requests by the clock from h2load, which takes little of the processors that the server needs."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

Answers = list[tuple[int, float]]
"""HTTP status and seconds."""

PERIOD_S = 0.1
"""Connections are begun so often, a few together."""


def saturate(address: str, photo: Path, log: Path, *, clients: int, seconds: float) -> Answers:
    """Ask for masks of a photo, each client again once it is answered; not those under way at the end."""
    return _h2load(address, photo, log, f"--clients={clients}", f"--duration={seconds:g}", seconds=seconds)


def flood(address: str, photo: Path, log: Path, *, rate_per_s: float, seconds: float) -> Answers:
    """Ask for masks of a photo by the clock, each time on a new connection, however many wait for answers."""
    rate = max(1, round(rate_per_s * PERIOD_S))
    count = round(rate / PERIOD_S * seconds)
    words = (
        f"--requests={count}",
        f"--clients={count}",
        f"--rate={rate}",
        f"--rate-period={PERIOD_S * 1e3:g}ms",
    )
    return _h2load(address, photo, log, *words, seconds=seconds)


def _h2load(address: str, photo: Path, log: Path, *words: str, seconds: float) -> Answers:
    program = shutil.which("h2load")
    if not program:
        pytest.skip("needs h2load; on Debian: apt-get install nghttp2-client")
    log.unlink(missing_ok=True)
    asked = [program, "--h1", f"--data={photo}", f"--log-file={log}", *words, f"{address}/v1/segment"]
    subprocess.run(asked, check=True, capture_output=True, timeout=seconds + 60)
    rows = (line.split("\t") for line in log.read_text().splitlines())
    return [(int(status), int(microseconds) / 1e6) for _, status, microseconds in rows]


def percentile(answers: Answers, share: float) -> float:
    """Give a percentile of the times of those that got a mask [s]."""
    return float(np.percentile([seconds for status, seconds in answers if status == 200], share))
