"""
The CPU engine beside OpenVINO's own benchmark_app on one published file: same shape, threads and run.

    python benchmarks/engine.py [--version-folder model_repository/box2seg/1] [--size 384x512] [--seconds 8]

All are asked in turns, one image at a time, so that a busy machine is busy for all; the table shows medians.
"""

import argparse
import asyncio
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from rich.console import Console
from rich.table import Table

from contract.arrays import Size, Uint8
from contract.manifest import MODEL_FILE, published_versions, read_manifest
from contract.processors import available_processors
from serving.engines.local import LocalEngine

ROUNDS = 3
GOAL = 1.15
OURS = "engines/local"
REFERENCE = "benchmark_app, f32"
"""Full precision on both sides: bfloat16 would not keep the labels of the parity report."""
WARM_UP = 3

Measure = Callable[[float], float]
"""Asks for so many seconds and gives the median latency [ms]."""


def main() -> None:
    """Measure and print a table; exit code 1 where the goal is missed."""
    options = _options()
    folder = options.version_folder or _newest(Path("model_repository/box2seg"))
    height, width = options.size
    image = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), dtype=np.uint8)
    found = take_turns(asked(folder, image), options.seconds / ROUNDS)
    sys.exit(report(found, folder, options.size))


def asked(folder: Path, image: Uint8) -> dict[str, Measure]:
    """Give all that run this version, by name."""
    model = folder / MODEL_FILE
    return {
        OURS: local_engine(folder, image),
        REFERENCE: lambda seconds: benchmark_app(model, image.shape, seconds, precision="f32"),
        "onnxruntime": onnx_runtime(model, image),
        # bfloat16 where the processor has it: what full precision costs there.
        "benchmark_app, its choice": lambda seconds: benchmark_app(model, image.shape, seconds),
    }


def take_turns(measures: dict[str, Measure], seconds: float) -> dict[str, list[float]]:
    """Ask each in turn, several times; gives the medians [ms] by name."""
    found: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(ROUNDS):
        for name, measure in measures.items():
            found[name].append(measure(seconds))
    return found


def local_engine(folder: Path, image: Uint8) -> Measure:
    """Run the engine of `box2seg serve --engine local` as the segmenter does."""
    manifest = read_manifest(folder)
    engine = LocalEngine()

    async def ask(seconds: float) -> float:
        await engine.load(manifest, folder)
        times = []
        for _ in range(WARM_UP):
            await engine.infer(manifest.name, manifest.version, image)
        end = time.perf_counter() + seconds
        while (begin := time.perf_counter()) < end:
            await engine.infer(manifest.name, manifest.version, image)
            times.append(time.perf_counter() - begin)
        return float(np.median(times)) * 1e3

    return lambda seconds: asyncio.run(ask(seconds))


def onnx_runtime(model: Path, image: Uint8) -> Measure:
    """Run the file in ONNX Runtime with as many threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = available_processors()
    # Its idle threads would spin and slow down whoever is asked next.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def ask(seconds: float) -> float:
        times = []
        for _ in range(WARM_UP):
            session.run(None, {"image": image})
        end = time.perf_counter() + seconds
        while (begin := time.perf_counter()) < end:
            session.run(None, {"image": image})
            times.append(time.perf_counter() - begin)
        return float(np.median(times)) * 1e3

    return ask


def benchmark_app(
    model: Path, shape: tuple[int, ...], seconds: float, *, precision: str | None = None
) -> float:
    """Run OpenVINO's benchmark_app for one image at a time; gives its median latency [ms]."""
    command = [sys.executable, "-c", "from openvino.tools.benchmark.main import main; main()"]
    command += ["-m", str(model), "-d", "CPU", "-api", "sync", "-hint", "none", "-nstreams", "1"]
    command += ["-nthreads", str(available_processors()), "-t", str(max(1, round(seconds)))]
    command += ["-shape", f"image[{','.join(map(str, shape))}]"]
    command += ["-infer_precision", precision] if precision else []
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    median = re.search(r"Median:\s+([\d.]+) (ms|us)", said.stdout)
    if not median:
        raise RuntimeError(f"benchmark_app failed:\n{said.stdout}{said.stderr}")
    return float(median[1]) / (1 if median[2] == "ms" else 1000)


def report(found: dict[str, list[float]], folder: Path, size: Size) -> int:
    """Print the table; gives 1 where the goal is missed."""
    table = Table(
        title=f"{folder}, one image of {size[0]} x {size[1]}, {platform.processor() or platform.machine()}, "
        f"{available_processors()} threads, load {os.getloadavg()[0]:.1f}"
    )
    for heading in ("asked", "median [ms]", "best round [ms]", f"{OURS} takes"):
        table.add_column(heading, justify="right")
    for name, medians in found.items():
        table.add_row(name, f"{np.median(medians):.1f}", f"{min(medians):.1f}", f"{_ratio(found, name):.2f}x")
    console = Console()
    console.print(table)
    ratio = _ratio(found, REFERENCE)
    console.print(f"{OURS} takes {ratio:.2f} times as long as {REFERENCE} (goal: at most {GOAL})")
    return int(ratio > GOAL)


def _ratio(found: dict[str, list[float]], name: str) -> float:
    """Give how many times as long ours takes, by the best rounds, which other load disturbs least."""
    return min(found[OURS]) / min(found[name])


def _newest(model: Path) -> Path:
    versions = published_versions(model)
    if not versions:
        sys.exit(f"{model}: nothing published; name a version's folder")
    return model / str(versions[-1])


def _size(text: str) -> Size:
    height, _, width = text.partition("x")
    return int(height), int(width)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version-folder", type=Path, help="default: the shipped model's newest")
    parser.add_argument("--size", type=_size, default=(384, 512), help="HEIGHTxWIDTH [px]")
    parser.add_argument("--seconds", type=float, default=9.0, help="for each line of the table")
    return parser.parse_args()


if __name__ == "__main__":
    main()
