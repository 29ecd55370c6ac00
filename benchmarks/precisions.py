"""
One network in each precision, as it is served on a CPU: quality, agreement, size and time, in one run.

    python benchmarks/precisions.py --data VOC_FOLDER [--photos 200] [--calibrate 64] [--threads 1]

The files are made from a published fp32 version; int8's ranges come from photos of the train split, whose
annotations are not looked at. Each val photo goes to all of them in turns, so that a busy machine is busy for
all, and what is counted is processor time. Where NNCF is installed (pip install nncf), its int8 runs too.
"""

import argparse
import time
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import torch
from rich.console import Console
from rich.progress import track

from contract.annotations import AnnotatedImage
from contract.arrays import Uint8
from contract.images import read_image
from contract.manifest import CONFIDENCE, IMAGE, LABELS, MODEL_FILE, PRECISIONS, Manifest, read_manifest
from contract.metrics import label_agreement
from export.lowering import lowering
from serving.triton.backends.onnxruntime.network import Network
from training.datasets import Dataset, open_dataset
from training.origin import machine_name
from training.score import Score, Tally, count_photo

REFERENCE = "fp32"
NNCF = "int8 by NNCF"
FLAGS = ("avx2", "avx_vnni", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_int8")
"""What a processor may have that computes in fewer bits, by /proc/cpuinfo's words."""


def main() -> None:
    """Measure and print a table in Markdown."""
    options = _options()
    manifest = read_manifest(options.version_folder)
    dataset = open_dataset(options.data, manifest.classes)
    images = _some(dataset.load("val").images, options.photos)
    console = Console(stderr=True)
    with TemporaryDirectory() as folder:
        with console.status("making a file of each precision"):
            calibration = _some(dataset.load("train").images, options.calibrate)
            files = make_files(options.version_folder, manifest, calibration, Path(folder))
        networks = {
            name: Network(path, IMAGE, [LABELS, CONFIDENCE], options.threads) for name, path in files.items()
        }
        found = measure(networks, manifest, dataset, images, console)
        sizes = {name: path.stat().st_size / 1e6 for name, path in files.items()}
    report(found, sizes, options)


def make_files(
    version: Path, manifest: Manifest, calibration: Sequence[AnnotatedImage], folder: Path
) -> dict[str, Path]:
    """Write the version's network in each precision; gives the files by name."""
    files = {REFERENCE: version / MODEL_FILE}
    photos = [read_image(image.path) for image in calibration]
    for precision in PRECISIONS[1:]:
        change = lowering(precision, photos if precision == "int8" else (), manifest.fit)
        files[precision] = folder / f"{precision}.onnx"
        onnx.save(change(onnx.load(version / MODEL_FILE)), files[precision])
    if find_spec("nncf"):
        files[NNCF] = folder / "nncf.onnx"
        onnx.save(quantise_by_nncf(onnx.load(version / MODEL_FILE), manifest, photos), files[NNCF])
    return files


def quantise_by_nncf(model: onnx.ModelProto, manifest: Manifest, photos: Sequence[Uint8]) -> onnx.ModelProto:
    """Quantise with NNCF's own settings for speed, but the same first convolutions kept."""
    import nncf

    from export.quantisation import FIRST_KEPT

    frames = [manifest.fit.fit((len(photo), len(photo[0]))).fit_image(photo)[np.newaxis] for photo in photos]
    first = [node.name for node in model.graph.node if node.op_type == "Conv"][:FIRST_KEPT]
    quantised: onnx.ModelProto = nncf.quantize(
        model,
        nncf.Dataset(frames, lambda frame: {IMAGE: frame}),
        preset=nncf.QuantizationPreset.PERFORMANCE,
        subset_size=len(frames),
        ignored_scope=nncf.IgnoredScope(names=first),
    )
    return quantised


class Found:
    """What was seen of one file, photo by photo."""

    def __init__(self) -> None:
        self.counts: list[Any] = []
        self.agreements: list[float] = []
        self.times_ms: list[float] = []

    def score(self, manifest: Manifest, images: Sequence[AnnotatedImage]) -> Score:
        """Give the score over all photos."""
        return Score(manifest.classes, tuple(image.name for image in images), Tally(np.array(self.counts)))


def measure(
    networks: dict[str, Network],
    manifest: Manifest,
    dataset: Dataset,
    images: Sequence[AnnotatedImage],
    console: Console,
) -> dict[str, tuple[Found, Score]]:
    """Ask all about each photo; gives what was found by name."""
    found = {name: Found() for name in networks}
    # By shape, as a network is compiled for each.
    ordered = sorted(images, key=lambda image: manifest.fit.fit(image.size).network)
    seen = set()
    for image in track(ordered, "photos", console=console, transient=True):
        fit = manifest.fit.fit(image.size)
        frame = fit.fit_image(read_image(image.path))[np.newaxis]
        truth = dataset.truth(image)
        reference: Uint8 | None = None
        for name, network in networks.items():
            if (name, fit.network) not in seen:  # compiles, and is no measure
                network.run(frame)
                seen.add((name, fit.network))
            begin = time.process_time()
            answer = network.run(frame)
            found[name].times_ms.append((time.process_time() - begin) * 1e3)
            labels, confidence = answer[LABELS][0], answer[CONFIDENCE][0]
            reference = labels if reference is None else reference
            found[name].agreements.append(label_agreement(reference, labels))
            predicted = fit.bring_back(labels, confidence)
            found[name].counts.append(count_photo(image, truth, predicted, len(manifest.classes)))
    return {name: (each, each.score(manifest, ordered)) for name, each in found.items()}


def report(
    found: dict[str, tuple[Found, Score]], sizes: dict[str, float], options: argparse.Namespace
) -> None:
    """Print the table."""
    fp32, score = found[REFERENCE]
    names = [name for name in score.intervals("val", unscored=options.unscored) if "mIoU" in name]
    heads = ["precision", "file [MB]", *names, f"{names[-1]} less fp32's", "pixels with fp32's label"]
    heads += ["worst photo", "processor [ms]", "of fp32's time"]
    say = partial(Console(soft_wrap=True).print, markup=False, highlight=False)
    say(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for name, (each, own) in found.items():
        values = own.named("val", unscored=options.unscored)
        difference = own.differences(score, "val", unscored=options.unscored)[names[-1]]
        ratio = np.median(np.array(each.times_ms) / np.array(fp32.times_ms))
        cells = [name, f"{sizes[name]:.2f}", *(f"{values[each_name]:.4f}" for each_name in names)]
        cells += [f"{difference.value:+.4f} ({difference.low:+.4f} to {difference.high:+.4f})"]
        cells += [f"{np.mean(each.agreements):.2%}", f"{min(each.agreements):.1%}"]
        cells += [f"{np.median(each.times_ms):.1f}", f"{ratio:.2f}"]
        say(f"| {' | '.join(cells)} |")
    machine = machine_name(torch.device("cpu"))
    say(f"\n{machine}; {len(fp32.times_ms)} photos, {options.threads} thread(s) each; it has {_flags()}")


def _flags() -> str:
    try:
        words = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return "unknown instructions"
    return ", ".join(flag for flag in FLAGS if flag in words) or "none of " + ", ".join(FLAGS)


def _some(images: Sequence[AnnotatedImage], most: int) -> list[AnnotatedImage]:
    """Take so many images, spread evenly."""
    return list(images[:: max(1, len(images) // most)][:most])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version-folder", type=Path, default=Path("model_repository/box2seg/2"))
    parser.add_argument("--data", type=Path, required=True, help="VOC, COCO or YOLO folder with masks")
    parser.add_argument("--photos", type=int, default=200, help="of the val split, to score")
    parser.add_argument("--calibrate", type=int, default=64, help="photos of the train split for int8")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--unscored", nargs="*", default=["person"], help="left out of the second mean IoU")
    return parser.parse_args()


if __name__ == "__main__":
    main()
