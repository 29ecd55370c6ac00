"""Files for all photos together, made from the ledger in the order of names, whatever the run's order was."""

from collections.abc import Callable, Sequence
from importlib import import_module

from contract.classes import ClassMap
from serving.batch.identity import Identity
from serving.batch.ledger import Ledger
from serving.batch.outputs import TOGETHER, Outputs
from serving.batch.places import Place
from serving.batch.together.coco import write_coco
from serving.batch.together.panoptic import write_panoptic
from serving.batch.together.parquet import write_parquet
from serving.batch.together.sheet import write_sheet
from serving.batch.together.videos import write_videos

Write = Callable[[Place, Ledger, ClassMap, Identity], None]

WRITERS: dict[str, Write] = {
    "coco": write_coco,
    "panoptic": write_panoptic,
    "parquet": write_parquet,
    "sheet": write_sheet,
}

PACKAGES = {"parquet": "pyarrow"}
"""What a file is written with, where that may not be installed."""


def check_packages(outputs: Outputs) -> None:
    """
    Make sure before a long night that its last file can be written.

    Raises:
        ModuleNotFoundError: If a package is missing that a file is written with.
    """
    for name in outputs.together:
        if name in PACKAGES:
            import_module(PACKAGES[name])


def write_together(
    ledger: Ledger, classes: ClassMap, identity: Identity, videos: Sequence[Place] = ()
) -> None:
    """
    Write the files that were asked for.

    Args:
        ledger: What became of each photo, and which formats were asked for.
        classes: What the labels mean.
        identity: The model's.
        videos: Those among the sources.

    Raises:
        WriteError: If one cannot be written; what was there stays.
        ModuleNotFoundError: As `check_packages`.
    """
    for name in ledger.outputs.together:
        WRITERS[name](ledger.out / TOGETHER[name], ledger, classes, identity)
    if ledger.outputs.videos:
        write_videos(ledger, classes, list(videos))
