"""The gate's figures as the report shows them and programs read them: `findings.json` beside the verdict."""

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contract.classes import BACKGROUND, ClassMap
from contract.errors import RegistryError
from contract.files import written_whole
from export.gate.golden import Comparison, Golden
from export.gate.limits import Limits
from training.bootstrap import Interval

FINDINGS_FILE = "findings.json"
DIGITS = 4

Ends = list[float | None]
"""A value, and the ends of its 95 % interval; None where it is not known."""


@dataclass(frozen=True, slots=True)
class Row:
    """
    One score of both versions.

    Args:
        name: Such as "mIoU7" or "IoU cat".
        candidate: Its score.
        live: The live version's; empty where there is none.
        difference: What the candidate has over it; empty likewise.
        shown: Whether the difference's interval excludes zero.
    """

    name: str
    candidate: Ends
    live: Ends = field(default_factory=list)
    difference: Ends = field(default_factory=list)
    shown: bool = False


@dataclass(frozen=True, slots=True)
class Photo:
    """
    A photo that the two versions label differently.

    Args:
        name: In the golden set.
        share: Of its pixels, in [0, 1].
        iou: Mean IoU with the truth of the live version and of the candidate; None where there is none.
        panels: File names in the report's folder, by what they show.
    """

    name: str
    share: float
    iou: Ends
    panels: dict[str, str]


@dataclass(frozen=True, slots=True)
class Findings:
    """
    All figures; empty where the candidate was refused before it was run.

    Args:
        golden: The golden set's name and split.
        count: Its photos.
        scores: Side by side.
        milliseconds: Per photo, the candidate's and the live version's.
        memory_mib: Likewise.
        agreement: Of ONNX Runtime with the engine as served.
        photos: Those on which the two disagree most.
        colours: Of the drawn classes, by name.
        limits: What was asked for.
        candidate: Where it comes from.
        live: Where that comes from.
    """

    golden: str = ""
    count: int = 0
    scores: list[Row] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    memory_mib: list[float] = field(default_factory=list)
    agreement: float | None = None
    photos: list[Photo] = field(default_factory=list)
    colours: dict[str, str] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)
    candidate: dict[str, Any] = field(default_factory=dict)
    live: dict[str, Any] = field(default_factory=dict)


def gather(
    seen: Comparison,
    golden: Golden,
    limits: Limits,
    milliseconds: list[float],
    peaks: list[int],
    photos: list[Photo],
) -> Findings:
    """Put together what was measured; where a version comes from is added by whoever knows."""
    return Findings(
        golden=f"{golden.dataset.name} {golden.split}",
        count=len(golden.images),
        scores=_rows(seen, golden.split),
        milliseconds=[round(value, 2) for value in milliseconds],
        memory_mib=[round(peak / 2**20, 1) for peak in peaks],
        agreement=seen.agreement,
        photos=photos,
        colours=_colours(golden.dataset.classes),
        limits=dataclasses.asdict(limits),
    )


def write_findings(findings: Findings, folder: Path) -> Path:
    """Write them into a report's folder, whole or not at all; gives their path."""
    path = folder / FINDINGS_FILE
    with written_whole(path) as stream:
        stream.write(json.dumps(dataclasses.asdict(findings), indent=2, allow_nan=False).encode() + b"\n")
    return path


def read_findings(folder: Path) -> Findings:
    """
    Read the findings in a report's folder.

    Raises:
        RegistryError: If they cannot be read.
    """
    path = folder / FINDINGS_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        rows = [Row(**row) for row in content.pop("scores")]
        photos = [Photo(**photo) for photo in content.pop("photos")]
        return Findings(**content, scores=rows, photos=photos)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RegistryError(f"{path}: not readable ({error})", hint="run the gate again") from error


def _rows(seen: Comparison, split: str) -> list[Row]:
    own = seen.candidate.intervals(split)
    live = seen.live.intervals(split) if seen.live else {}
    differences = seen.candidate.differences(seen.live, split) if seen.live else {}
    return [
        Row(
            name.removeprefix(f"{split} "),
            _ends(found),
            _ends(live[name]) if live else [],
            _ends(differences[name]) if differences else [],
            bool(differences) and differences[name].excludes_zero,
        )
        for name, found in own.items()
    ]


def _colours(classes: ClassMap) -> dict[str, str]:
    named = zip(classes.names, classes.colours, strict=True)
    return {name: "#{:02x}{:02x}{:02x}".format(*colour) for name, colour in list(named)[BACKGROUND + 1 :]}


def _ends(found: Interval) -> Ends:
    return [known(value) for value in (found.value, found.low, found.high)]


def known(value: float) -> float | None:
    """Round a number; JSON has no word for NaN, the score of what is seen nowhere."""
    return round(value, DIGITS) if math.isfinite(value) else None
