"""
All that a server must know of one published version, and the proof that its files are the ones published.

`manifest.json` lies beside `model.onnx` in `<repository>/<name>/<version>/`; Triton passes over it.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contract.classes import ClassMap
from contract.errors import Box2SegError, ManifestError
from contract.files import written_whole
from contract.geometry import FitRule

MANIFEST_FILE = "manifest.json"
MODEL_FILE = "model.onnx"
SCHEMA = 1

PRECISIONS = ("fp32", "fp16", "bf16", "int8")
"""What a network can compute in; the parts of it that do not bear fewer bits stay in fp32."""

IMAGE, LABELS, CONFIDENCE = "image", "labels", "confidence"
"""The graph's tensors: photos in, class indices and the winner's probability out, all uint8."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input or output of the graph; -1 is a free dimension."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """
    Where the weights came from.

    Args:
        recipe: Name of the recipe, and the fields changed from its defaults.
        data: The data set's folder name and split.
        reads: What was read in training, such as "boxes" or "boxes, masks".
        seed: Of the run.
        commit: Of the code that trained.
        machine: Processor or GPU that trained.
        hours: Training time [h].
    """

    recipe: str
    data: str
    reads: str
    seed: int
    commit: str
    machine: str
    hours: float


@dataclass(frozen=True, slots=True)
class Manifest:
    """
    One published version.

    Args:
        name: The model's name; its folder in the repository.
        version: Positive; its folder below the name.
        classes: What the labels mean.
        fit: How photos enter the network.
        inputs: The graph's inputs.
        outputs: The graph's outputs.
        files: sha256 by file name, for all files beside the manifest.
        parity: Measured agreement between the forms of the model, by name; shares in [0, 1].
        scores: Measured quality by name, such as {"val mIoU6": 0.78}.
        origin: Where the weights came from.
        created: UTC time of publishing, ISO 8601.
        precision: What the network computes in, one of `PRECISIONS`; manifests without it are of fp32.

    Raises:
        ManifestError: If the precision is none of them.
    """

    name: str
    version: int
    classes: ClassMap
    fit: FitRule
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    files: dict[str, str]
    parity: dict[str, float]
    scores: dict[str, float]
    origin: Origin
    created: str
    precision: str = "fp32"
    schema: int = field(default=SCHEMA)

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ManifestError(f"precision: expected one of {', '.join(PRECISIONS)}, got {self.precision!r}")


def write_manifest(manifest: Manifest, folder: Path) -> Path:
    """Write a manifest into its version folder, whole or not at all; gives its path."""
    path = folder / MANIFEST_FILE
    with written_whole(path) as stream:
        stream.write(json.dumps(dataclasses.asdict(manifest), indent=2).encode() + b"\n")
    return path


def read_manifest(folder: Path) -> Manifest:
    """
    Read the manifest of a version folder; its files are not looked at (see `verify_files`).

    Raises:
        ManifestError: If it is missing, no JSON, or lacks a field; names it.
    """
    path = folder / MANIFEST_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ManifestError(f"{path}: not a readable manifest ({error})") from error
    try:
        return _manifest(content)
    except KeyError as error:
        raise ManifestError(f"{path}: field {error} is missing", hint="publish the model again") from error
    except (TypeError, ValueError, AttributeError, Box2SegError) as error:
        raise ManifestError(f"{path}: {error}", hint="publish the model again") from error


def verify_files(manifest: Manifest, folder: Path) -> None:
    """
    Prove that a version folder holds the files that were published, unchanged.

    Raises:
        ManifestError: For the first file that is missing or differs, or whose name leaves the folder.
    """
    for name, expected in manifest.files.items():
        if Path(name).name != name:
            raise ManifestError(f"{folder}: file name {name!r} leaves the version folder")
        path = folder / name
        if not path.is_file():
            raise ManifestError(f"{path}: missing", hint="publish the model again")
        try:
            found = file_sha256(path)
        except OSError as error:
            raise ManifestError(f"{path}: {error.strerror or error}") from error
        if found != expected:
            raise ManifestError(
                f"{path}: sha256 is {found[:12]}…, the manifest says {expected[:12]}…",
                hint="the file was changed or only half copied; publish the model again",
            )
    if MODEL_FILE not in manifest.files:
        raise ManifestError(f"{folder}: the manifest names no {MODEL_FILE}", hint="publish the model again")


def manifest_sha256(manifest: Manifest) -> str:
    """Give the sha256 of all that a manifest says but its name, its number and its time."""
    said = dataclasses.asdict(manifest)
    for name in ("name", "version", "created"):
        del said[name]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """Give a file's sha256 in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def published_versions(model: Path) -> list[int]:
    """
    List the versions under a model's folder, oldest first.

    A version counts when its manifest is there, which publishing writes last.
    """
    if not model.is_dir():
        return []
    folders = [path for path in model.iterdir() if path.name.isdecimal()]
    return sorted(int(path.name) for path in folders if (path / MANIFEST_FILE).is_file())


def _manifest(content: dict[str, Any]) -> Manifest:
    if content["schema"] != SCHEMA:
        raise ManifestError(f"schema {content['schema']} is not {SCHEMA}")
    colours = tuple((int(r), int(g), int(b)) for r, g, b in content["classes"]["colours"])
    return Manifest(
        name=str(content["name"]),
        version=int(content["version"]),
        classes=ClassMap(tuple(content["classes"]["names"]), colours),
        fit=FitRule(**content["fit"]),
        inputs=_tensors(content["inputs"]),
        outputs=_tensors(content["outputs"]),
        files={str(name): str(digest) for name, digest in content["files"].items()},
        parity={str(name): float(value) for name, value in content["parity"].items()},
        scores={str(name): float(value) for name, value in content["scores"].items()},
        origin=Origin(**content["origin"]),
        created=str(content["created"]),
        precision=content.get("precision", "fp32"),
    )


def _tensors(content: list[dict[str, Any]]) -> tuple[Tensor, ...]:
    return tuple(
        Tensor(str(entry["name"]), str(entry["dtype"]), tuple(int(n) for n in entry["shape"]))
        for entry in content
    )
