"""What `box2seg retrain` was asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from contract.errors import ConfigurationError
from export.gate.limits import Limits
from export.gate.signature import Pairs
from training.prepare import Precision

LIVE, IMAGENET = "live", "imagenet"
"""What training can begin with, besides a run: the live version, or the encoder's first weights."""


class Stage(StrEnum):
    """The stages, in their order."""

    CHECK = "check"
    TRAIN = "train"
    EXPORT = "export"
    GATE = "gate"
    PUBLISH = "publish"
    PROMOTE = "promote"


@dataclass(frozen=True, slots=True)
class Order:
    """
    Photos in, a version out.

    Args:
        data: Data set to learn from.
        golden: Data set to compare on; none of its photos may be among those that are learned from.
        out: Folder of all that the stages leave.
        model: The model's folder in the repository; made where it is missing.
        start: What training begins with: `LIVE`, `IMAGENET`, or the path of a run.
        recipe: A recipe's name; where empty, that of the start, gone on with.
        changes: Fields of the recipe, each "field=value".
        renames: New class name by the name in the annotations, of both data sets.
        split: Of the data set, to learn from.
        evaluate_split: Of the data set, to score each epoch on; None for none.
        golden_split: Of the golden set.
        skip_bad: Leave bad photos out instead of stopping.
        cache: Folder of cached priors.
        device: Lightning Fabric's word: auto, cpu, cuda, mps.
        precision: Likewise.
        workers: Processes that read ahead.
        limits: Of the gate.
        pairs: Classes that may be called otherwise than by the live version.
        until: The last stage.
        promote: Let the version answer where it passed.
        canary: Let it answer this part of the requests instead, in (0, 1].
        who: Stands in the history.
        why: Likewise.

    Raises:
        ConfigurationError: If the wishes exclude each other.
    """

    data: Path
    golden: Path
    out: Path
    model: Path
    cache: Path
    start: str = LIVE
    recipe: str = ""
    changes: tuple[str, ...] = ()
    renames: Mapping[str, str] = field(default_factory=dict)
    split: str = "train"
    evaluate_split: str | None = None
    golden_split: str = "val"
    skip_bad: bool = False
    device: str = "auto"
    precision: Precision = "32-true"
    workers: int = 1
    limits: Limits = field(default_factory=Limits)
    pairs: Pairs = ()
    until: Stage = Stage.PROMOTE
    promote: bool = False
    canary: float | None = None
    who: str = "box2seg"
    why: str = ""

    def __post_init__(self) -> None:
        if self.promote and self.canary is not None:
            raise ConfigurationError(
                "--promote and --canary: one or the other",
                hint="a canary first; then `box2seg models promote` it when it did well",
            )
        if self.canary is not None and not 0 < self.canary <= 1:
            raise ConfigurationError(
                f"--canary {self.canary:g}: expected a part of the requests, above 0 and up to 1"
            )
        if self.start == IMAGENET and not self.recipe:
            raise ConfigurationError("--from imagenet needs a recipe", hint="--recipe voc_boxes")
