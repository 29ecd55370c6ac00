"""A8: photos damaged by Hypothesis, thousands of them, in a process that a decoder may break."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.abuse.conftest import Seen
from tests.abuse.house import House


def fuzz(count: int, folder: Path, *words: str) -> dict[str, Any]:
    """Run the fuzzer; gives what it found."""
    keep = folder / "last.bin"
    command = [sys.executable, "-m", "tests.abuse.mutations", str(count), "--keep", str(keep), *words]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, f"{run.stderr[-3000:]}\nthe input: {keep.read_bytes()!r}"
    report: dict[str, Any] = json.loads(run.stdout)
    assert report["inputs"] >= count
    return report


def words_of(report: dict[str, Any]) -> str:
    """Say what was found."""
    return ", ".join(f"{name} {number:,}" for name, number in report["found"].items())


@pytest.mark.case("A8")
@pytest.mark.parametrize(
    "count", [400, pytest.param(10_000, marks=[pytest.mark.abuse, pytest.mark.timeout(1800)])]
)
def test_a8_the_door(count: int, tmp_path: Path, seen: Seen) -> None:
    """Damaged photos are decoded or refused; none breaks the process, takes 2 s or much memory."""
    report = fuzz(count, tmp_path)
    assert report["memory_mib"] < 256
    assert {"decoded", "TruncatedImage", "InvalidImage", "UnsupportedImage"} <= set(report["found"])
    seen(
        f"door, {report['inputs']:,} inputs: {words_of(report)}; slowest {report['slowest_ms']:.0f} ms, "
        f"memory +{report['memory_mib']:.0f} MiB"
    )


@pytest.mark.triton
@pytest.mark.case("A8")
@pytest.mark.parametrize(
    "count", [100, pytest.param(10_000, marks=[pytest.mark.abuse, pytest.mark.timeout(1800)])]
)
def test_a8_the_server(house: House, count: int, tmp_path: Path, seen: Seen) -> None:
    """The server answers damaged photos with a mask or a refusal, and is as before."""
    report = fuzz(count, tmp_path, "--server", house.address, "--seed", "1")
    assert {"200", "400"} <= set(report["found"])
    seen(f"server, {report['inputs']:,} inputs: {words_of(report)}")
