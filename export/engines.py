"""What a TensorRT engine was built from and for: it is good there, and nowhere else."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from contract.errors import ExportError
from contract.files import written_whole
from contract.manifest import file_sha256

PLAN_FILE = "model.plan"
KEY_FILE = "engine.json"

REBUILD = "box2seg engine build VERSION_FOLDER --out FOLDER builds it anew"


@dataclass(frozen=True, slots=True)
class EngineKey:
    """
    All that decides whether an engine may be used.

    Args:
        gpu: The GPU's name.
        compute_capability: Such as "9.0".
        tensorrt: TensorRT's version, with all its parts.
        model: sha256 of the ONNX file.
        shapes: What it was built for, as text.
    """

    gpu: str
    compute_capability: str
    tensorrt: str
    model: str
    shapes: str


def write_engine(folder: Path, plan: bytes, key: EngineKey) -> Path:
    """Put an engine and its key into a folder; killed half-way, no key speaks of another engine."""
    (folder / KEY_FILE).unlink(missing_ok=True)
    with written_whole(folder / PLAN_FILE) as stream:
        stream.write(plan)
    content = {**dataclasses.asdict(key), "plan": file_sha256(folder / PLAN_FILE)}
    with written_whole(folder / KEY_FILE) as stream:
        stream.write(json.dumps(content, indent=2).encode() + b"\n")
    return folder / PLAN_FILE


def check_engine(folder: Path, key: EngineKey) -> Path:
    """
    Prove that an engine was built for this machine, this TensorRT and this file.

    Args:
        folder: Where the engine lies.
        key: What it would be built with now.

    Returns:
        The engine's file.

    Raises:
        ExportError: If it is missing or damaged, or was built otherwise; says what differs.
    """
    content = _read(folder)
    for field, wanted in dataclasses.asdict(key).items():
        if content.get(field) != wanted:
            raise ExportError(
                f"{folder / PLAN_FILE}: built for {field} {content.get(field)!r}, here it is {wanted!r}",
                hint=REBUILD,
            )
    plan = folder / PLAN_FILE
    if not plan.is_file() or file_sha256(plan) != content.get("plan"):
        raise ExportError(f"{plan}: missing, or not the file that was built", hint=REBUILD)
    return plan


def _read(folder: Path) -> dict[str, object]:
    try:
        content = json.loads((folder / KEY_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ExportError(f"{folder / KEY_FILE}: no engine was built here ({error})", hint=REBUILD) from error
    if not isinstance(content, dict):
        raise ExportError(f"{folder / KEY_FILE}: expected an object", hint=REBUILD)
    return content
